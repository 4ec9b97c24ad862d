//! Indices: made as they are wanted, changed in place where a server can, and made anew only while they hold nothing.

use serde_json::{Map, Value, json};

use super::super::{ClusterTarget, dialect};
use super::{exists_error, guard, no_index, read, refusal, refused, remake};
use crate::base::settings::{GIVEN_BY_SERVERS, PRIVATE, meant, normal_settings};
use crate::base::units::plural;
use crate::clients::cluster::{ClusterError, Request};
use crate::clients::target::TargetError;
use crate::diff::observation::ObjectKind;

/// The longest that the shards of a new index may take to start, in seconds: below the longest that an answer may take.
const START_S: u64 = 60;
/// Settings that are never taken back to a server's own default: it gives them to every index.
const ALWAYS_THERE: [&str; 2] = ["index.number_of_shards", "index.number_of_replicas"];
/// What routing is computed with; servers keep it beside the settings.
pub(super) const ROUTING_SHARDS: &str = "index.number_of_routing_shards";

/// Makes the index, or brings the one that is there to what is wanted. Documents are never dropped by it.
pub(super) fn put(target: &ClusterTarget, name: &str, body: &Value) -> Result<(), TargetError> {
    match found(target, name)? {
        Some(there) => change(target, name, &there, body),
        None => create(target, name, body),
    }
}

/// The index as it is.
pub(super) fn found(target: &ClusterTarget, name: &str) -> Result<Option<Value>, TargetError> {
    Ok(read::bodies(target, ObjectKind::Index, Some(&[name]))?.remove(name))
}

/// Makes the index with nothing in it but what `body` says: no template of the target has a say.
pub(super) fn create(target: &ClusterTarget, name: &str, body: &Value) -> Result<(), TargetError> {
    let (settings, mappings) = as_requested(body);
    let request = json!({"settings": settings, "mappings": mappings});
    let path = format!(
        "/{}?wait_for_active_shards=1&timeout={START_S}s{}",
        Request::part(name),
        dialect::typeless(target.about.version)
    );
    let guarded = guard::raise(target, name)?;
    let made = target.client.json(Request::put(path).json(&request));
    if guarded {
        guard::lower(target, name)?;
    }
    match made {
        Ok(answer) if answer.get("shards_acknowledged") == Some(&json!(false)) => {
            return Err(refused(
                target,
                format!(
                    "index `{name}` was made, but its shards did not start within {START_S} s: \
                     `GET /_cluster/allocation/explain` there says why"
                ),
            ));
        }
        Ok(_) => {}
        // Sent twice after an answer that was lost, or another was first.
        Err(error) if exists_error(&error) => {
            let Some(there) = found(target, name)? else {
                return Err(error.into());
            };
            return change(target, name, &there, body);
        }
        Err(error) => return Err(error.into()),
    }
    if body.get("closed") == Some(&json!(true)) {
        set_closed(target, name, true)?;
    }
    Ok(())
}

fn change(
    target: &ClusterTarget,
    name: &str,
    there: &Value,
    body: &Value,
) -> Result<(), TargetError> {
    let Some(why) = in_place(target, name, there, body)? else {
        return Ok(());
    };
    let docs = documents(target, name)?;
    if docs != Some(0) {
        let holds = docs.map_or_else(
            || "may hold documents".to_owned(),
            |docs| format!("holds {}", plural(docs, "document")),
        );
        return Err(refused(
            target,
            format!(
                "index `{name}` can't become what is wanted while it is there, and it {holds}, which mig never drops: {why}"
            ),
        ));
    }
    remake::again(target, name, there, body)
}

/// Changes what can be changed of an index that is there; gives back why that is not enough.
fn in_place(
    target: &ClusterTarget,
    name: &str,
    there: &Value,
    body: &Value,
) -> Result<Option<String>, TargetError> {
    if let (Some(wanted), Some(is)) = (routing_shards(body), routing_shards(there))
        && wanted != is
    {
        return Ok(Some(format!(
            "{ROUTING_SHARDS} is {is}, wanted is {wanted}"
        )));
    }
    // A block may stand in the way of all else, so that it is lifted first and set last.
    let (lifted, changed): (Map<_, _>, Map<_, _>) = changes(&settings(there), &settings(body))
        .into_iter()
        .partition(|(key, value)| {
            key.starts_with("index.blocks.") && (value.is_null() || value == "false")
        });
    if let Some(why) = put_settings(target, name, lifted)? {
        return Ok(Some(why));
    }
    let wanted = mappings(body);
    if !fits(&mappings(there), &wanted, false) {
        let path = format!(
            "/{}/_mapping?{}",
            Request::part(name),
            dialect::typeless(target.about.version)
        );
        let request = Request::put(path.trim_end_matches(['?', '&'])).json(&wanted);
        if let Err(error) = target.client.send(request) {
            return Ok(Some(refusal(error)?));
        }
        let now = found(target, name)?.ok_or_else(|| no_index(target, name))?;
        if !fits(&mappings(&now), &wanted, false) {
            return Ok(Some(
                "its mapping has what is not wanted, and can only grow".to_owned(),
            ));
        }
    }
    put_settings(target, name, changed)
}

/// What has to be set, and with `null` what has to go.
fn changes(is: &Map<String, Value>, wanted: &Map<String, Value>) -> Map<String, Value> {
    let mut changes: Map<String, Value> = wanted
        .iter()
        .filter(|(key, value)| is.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    for key in is.keys() {
        if !wanted.contains_key(key) && !ALWAYS_THERE.contains(&key.as_str()) {
            changes.insert(key.clone(), Value::Null);
        }
    }
    // The number of copies is the server's where it follows the number of nodes.
    if wanted
        .get("index.auto_expand_replicas")
        .is_some_and(|range| range != "false")
    {
        changes.remove("index.number_of_replicas");
    }
    changes
}

fn put_settings(
    target: &ClusterTarget,
    name: &str,
    settings: Map<String, Value>,
) -> Result<Option<String>, TargetError> {
    if settings.is_empty() {
        return Ok(None);
    }
    let path = format!("/{}/_settings", Request::part(name));
    match target
        .client
        .send(Request::put(path).json(&Value::Object(settings)))
    {
        Ok(_) => Ok(None),
        Err(error) => Ok(Some(refusal(error)?)),
    }
}

/// Whether a mapping is what is wanted; fields that it has besides grew there.
fn fits(is: &Value, wanted: &Value, fields: bool) -> bool {
    match (is, wanted) {
        (Value::Object(is), Value::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| {
                let below = matches!(name.as_str(), "properties" | "fields") && !fields;
                is.get(name).is_some_and(|is| fits(is, wanted, below))
                    || wanted.as_object().is_some_and(Map::is_empty)
            }) && is.keys().all(|name| {
                fields || wanted.contains_key(name) || (name == "properties" || name == "fields")
            })
        }
        _ => is == wanted,
    }
}

/// Settings and mappings as a request has them that makes an index.
pub(super) fn as_requested(body: &Value) -> (Map<String, Value>, Value) {
    let mut settings = settings(body);
    if let Some(shards) = routing_shards(body) {
        settings.insert(ROUTING_SHARDS.into(), json!(shards));
    }
    (settings, mappings(body))
}

/// As [`in_place`], of an index that is there for certain.
pub(in super::super) fn bring_to(
    target: &ClusterTarget,
    name: &str,
    body: &Value,
) -> Result<Option<String>, TargetError> {
    let there = found(target, name)?.ok_or_else(|| no_index(target, name))?;
    in_place(target, name, &there, body)
}

/// The index as it is, also while a load or a restore has it otherwise for its time.
pub(in super::super) fn as_it_is(
    target: &ClusterTarget,
    name: &str,
) -> Result<Option<Value>, TargetError> {
    Ok(read::indices_as_they_are(target, Some(&[name]))?.remove(name))
}

/// As [`bring_to`], of an index as it is.
pub(in super::super) fn settle(
    target: &ClusterTarget,
    name: &str,
    body: &Value,
) -> Result<Option<String>, TargetError> {
    let there = as_it_is(target, name)?.ok_or_else(|| no_index(target, name))?;
    in_place(target, name, &there, body)
}

/// Settings that a request may hold.
pub(super) fn settings(body: &Value) -> Map<String, Value> {
    let mut settings = body
        .get("settings")
        .map(normal_settings)
        .unwrap_or_default();
    settings.retain(|key, _| {
        key != ROUTING_SHARDS
            && !PRIVATE
                .iter()
                .chain(GIVEN_BY_SERVERS)
                .any(|pattern| meant(pattern, key))
    });
    settings
}

pub(super) fn mappings(body: &Value) -> Value {
    body.get("mappings").cloned().unwrap_or_else(|| json!({}))
}

/// As text: from the settings as a plan wants it, or from beside them as a server has it.
pub(super) fn routing_shards(body: &Value) -> Option<String> {
    let number = body.get("routing_num_shards").and_then(Value::as_u64);
    if let Some(number) = number {
        return Some(number.to_string());
    }
    let settings = normal_settings(body.get("settings")?);
    settings.get(ROUTING_SHARDS)?.as_str().map(str::to_owned)
}

/// How many documents an index holds, those that can't be searched yet too; `None` where that can't be told.
fn documents(target: &ClusterTarget, name: &str) -> Result<Option<u64>, TargetError> {
    let name = Request::part(name);
    let refreshed = target
        .client
        .send(Request::post(format!("/{name}/_refresh")).idempotent());
    let counted = match refreshed {
        Ok(_) => target.client.json(Request::get(format!("/{name}/_count"))),
        Err(error) => Err(error),
    };
    match counted {
        Ok(counted) => {
            let whole = counted.pointer("/_shards/total") == counted.pointer("/_shards/successful");
            Ok(counted
                .get("count")
                .and_then(Value::as_u64)
                .filter(|_| whole))
        }
        // Closed.
        Err(error) if error.status() == Some(400) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Removes an index with its documents; says whether there was one.
pub(super) fn delete(target: &ClusterTarget, name: &str) -> Result<bool, TargetError> {
    let path = format!("/{}", Request::part(name));
    match target.client.send(Request::delete(path)) {
        Ok(_) => Ok(true),
        Err(error) if error.status() == Some(404) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Closes or opens an index.
pub(in super::super) fn set_closed(
    target: &ClusterTarget,
    name: &str,
    closed: bool,
) -> Result<(), TargetError> {
    let verb = if closed { "_close" } else { "_open" };
    let path = format!("/{}/{verb}", Request::part(name));
    let answer = match target.client.json(Request::post(path).idempotent()) {
        Ok(answer) => answer,
        Err(error) if error.status() == Some(404) => return Err(no_index(target, name)),
        Err(error) => return Err(ClusterError::into(error)),
    };
    let acknowledged = answer.get("acknowledged") == Some(&json!(true));
    let done = answer
        .get("indices")
        .and_then(|indices| indices.get(name))
        .and_then(|index| index.get("closed"));
    if !acknowledged || (closed && done == Some(&json!(false))) {
        return Err(refused(
            target,
            format!("index `{name}`: {verb} was not done: {answer}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_wanted_any_more_goes_but_for_what_every_index_has() {
        let is = json!({"index.blocks.write": "true", "index.number_of_replicas": "1", "index.codec": "default"});
        let wanted = json!({"index.codec": "default", "index.refresh_interval": "5s"});
        let changes = changes(
            is.as_object().expect("an object"),
            wanted.as_object().expect("an object"),
        );
        assert_eq!(
            Value::Object(changes),
            json!({"index.blocks.write": null, "index.refresh_interval": "5s"})
        );
    }

    #[test]
    fn a_mapping_that_grew_fits() {
        let wanted = json!({"properties": {"a": {"type": "text", "fields": {"raw": {"type": "keyword"}}}, "o": {"properties": {}}}});
        let grown = json!({"properties": {"a": {"type": "text", "fields": {"raw": {"type": "keyword"}, "more": {"type": "keyword"}}},
            "o": {"properties": {"x": {"type": "long"}}}, "b": {"type": "long"}}});
        assert!(fits(&grown, &wanted, false));
        assert!(!fits(&wanted, &grown, false));
        let other = json!({"dynamic": "strict", "properties": wanted["properties"]});
        assert!(!fits(&other, &wanted, false));
        assert!(fits(&json!({}), &json!({"properties": {}}), false));
    }

    #[test]
    fn routing_shards_stand_in_two_places() {
        assert_eq!(
            routing_shards(&json!({"routing_num_shards": 16})).as_deref(),
            Some("16")
        );
        let wanted = json!({"settings": {"index.number_of_routing_shards": "16"}});
        assert_eq!(routing_shards(&wanted).as_deref(), Some("16"));
        assert_eq!(routing_shards(&json!({"settings": {}})), None);
    }
}
