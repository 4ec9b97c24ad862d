//! Objects as a cluster has them. A call for each kind, however many are asked for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::{ClusterTarget, WORKING_STATE, dialect, part, restore, stream, tune};
use super::{named, settings};
use crate::base::settings::normal_settings;
use crate::clients::cluster::Request;
use crate::clients::target::TargetError;
use crate::clients::target::stream::body as stream_body;
use crate::diff::observation::ObjectKind;

/// Bytes of names in one request line: servers take 4,096 in all.
const NAMES_BYTES: usize = 3_000;
/// Requests for named objects at most; for more of them all are asked for at once.
const NAMED_REQUESTS: usize = 4;

/// Bodies by name.
pub(super) type Bodies = BTreeMap<String, Value>;

/// The objects of a kind: those that are named, or all.
pub(super) fn bodies(
    target: &ClusterTarget,
    kind: ObjectKind,
    names: Option<&[&str]>,
) -> Result<Bodies, TargetError> {
    if names.is_some_and(<[&str]>::is_empty) {
        return Ok(Bodies::new());
    }
    let mut found = match kind {
        ObjectKind::Index => indices(target, names)?,
        ObjectKind::Alias => aliases(target, names)?,
        ObjectKind::DataStream => streams(target, names)?,
        ObjectKind::LegacyTemplate => legacy_templates(target, names)?,
        ObjectKind::IndexTemplate | ObjectKind::ComponentTemplate => {
            composable(target, kind, names)?
        }
        ObjectKind::ClusterSettings => settings::bodies(target)?,
        _ => named::bodies(target, kind, names)?,
    };
    if let Some(names) = names {
        found.retain(|name, _| names.contains(&name.as_str()));
    }
    Ok(found)
}

/// Whether indices are closed, by name: of those that are named, or of all. `mig`'s own index is not among them.
pub(super) fn states(
    target: &ClusterTarget,
    names: Option<&[&str]>,
) -> Result<BTreeMap<String, IndexState>, TargetError> {
    let mut found = BTreeMap::new();
    for part in url_parts(names) {
        let path = format!(
            "/_cluster/state/metadata{}?{EVERY_INDEX}&filter_path=metadata.indices.*.state,metadata.indices.*.routing_num_shards",
            part.map(|names| format!("/{names}")).unwrap_or_default()
        );
        let answer = target.client.json(Request::get(path))?;
        let indices = answer
            .pointer("/metadata/indices")
            .and_then(Value::as_object);
        for (name, index) in indices.into_iter().flatten() {
            let state = IndexState {
                closed: index.get("state").and_then(Value::as_str) == Some("close"),
                routing_num_shards: index.get("routing_num_shards").and_then(Value::as_u64),
            };
            found.insert(name.clone(), state);
        }
    }
    found.remove(WORKING_STATE);
    if let Some(names) = names {
        found.retain(|name, _| names.contains(&name.as_str()));
    }
    Ok(found)
}

/// What only the state of a cluster tells of an index.
#[derive(Clone, Copy, Debug)]
pub(super) struct IndexState {
    pub(super) closed: bool,
    pub(super) routing_num_shards: Option<u64>,
}

/// Closed, hidden and system indices too; a name that is none is no error.
const EVERY_INDEX: &str = "expand_wildcards=all&ignore_unavailable=true";

fn indices(target: &ClusterTarget, names: Option<&[&str]>) -> Result<Bodies, TargetError> {
    let mut found = indices_as_they_are(target, names)?;
    as_before(target, &mut found)?;
    Ok(found)
}

/// Also what a load or a restore has otherwise for its time.
pub(super) fn indices_as_they_are(
    target: &ClusterTarget,
    names: Option<&[&str]>,
) -> Result<Bodies, TargetError> {
    let mut states = states(target, names)?;
    let types = dialect::type_names(target.about.version);
    let mut found = Bodies::new();
    for part in url_parts(names) {
        let part = part.unwrap_or_else(|| "*".to_owned());
        let path = format!("/{part}?{EVERY_INDEX}&flat_settings=true{types}");
        let Some(Value::Object(answer)) = target.client.found_metadata(Request::get(path))? else {
            continue;
        };
        for (name, mut index) in answer {
            // What went between the two calls is not there.
            let Some(state) = states.remove(&name) else {
                continue;
            };
            let mut body = Map::new();
            let settings = index.get("settings").map(normal_settings);
            body.insert("settings".into(), settings.unwrap_or_default().into());
            let mappings = index.get_mut("mappings").map(Value::take);
            body.insert("mappings".into(), untyped(mappings));
            // `null` where the server does not tell: before Elasticsearch 7.
            let shards = state.routing_num_shards;
            body.insert("routing_num_shards".into(), json!(shards));
            if state.closed {
                body.insert("closed".into(), json!(true));
            }
            found.insert(name, Value::Object(body));
        }
    }
    Ok(found)
}

/// Data streams with their backing indices as these are.
fn streams(target: &ClusterTarget, names: Option<&[&str]>) -> Result<Bodies, TargetError> {
    let mut found = Bodies::new();
    for (name, state) in stream::all(target)? {
        if names.is_some_and(|names| !names.contains(&name.as_str())) {
            continue;
        }
        let backing: Vec<&str> = state.indices.iter().map(String::as_str).collect();
        let mut bodies = indices(target, Some(&backing))?;
        let generations = backing
            .iter()
            .map(|index| bodies.remove(*index).unwrap_or_default());
        let body = stream_body(&state.timestamp_field, generations.collect());
        found.insert(name, body);
    }
    Ok(found)
}

/// Settings that a load changed for its time are shown as they were and will be again, and so is all of an index that is being
/// restored.
fn as_before(target: &ClusterTarget, found: &mut Bodies) -> Result<(), TargetError> {
    if found.is_empty() {
        return Ok(());
    }
    for tuned in tune::list(target, None)? {
        let settings = found
            .get_mut(&tuned.index)
            .and_then(|body| body.get_mut("settings"))
            .and_then(Value::as_object_mut);
        let Some(settings) = settings else { continue };
        for (key, during) in &tuned.during {
            if settings.get(key).and_then(Value::as_str) != Some(during) {
                continue;
            }
            match tuned.before.get(key).cloned().flatten() {
                Some(before) => settings.insert(key.clone(), json!(before)),
                None => settings.remove(key),
            };
        }
    }
    for restoring in restore::unfinished(target)? {
        if let Some(body) = found.get_mut(&restoring.index)
            && body.pointer("/settings/index.uuid") == Some(&json!(restoring.uuid))
        {
            body.clone_from(&restoring.body);
        }
    }
    Ok(())
}

fn aliases(target: &ClusterTarget, names: Option<&[&str]>) -> Result<Bodies, TargetError> {
    let request = match names {
        Some([name]) => Request::get(format!(
            "/*/_alias/{}?expand_wildcards=all",
            Request::part(name)
        )),
        _ => Request::get("/*/_alias?expand_wildcards=all"),
    };
    let mut found: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    if let Some(Value::Object(answer)) = target.client.found_metadata(request)? {
        for (index, body) in answer {
            let aliases = body.get("aliases").and_then(Value::as_object);
            for (alias, definition) in aliases.into_iter().flatten() {
                // Those that documents are written through go with the load.
                if part::is_alias(alias) {
                    continue;
                }
                let indices = found.entry(alias.clone()).or_default();
                indices.insert(index.clone(), definition.clone());
            }
        }
    }
    let bodies = found
        .into_iter()
        .map(|(alias, indices)| (alias, json!({ "indices": indices })));
    Ok(bodies.collect())
}

fn legacy_templates(target: &ClusterTarget, names: Option<&[&str]>) -> Result<Bodies, TargetError> {
    let types = dialect::type_names(target.about.version);
    let path = match names {
        Some([name]) => format!(
            "/_template/{}?flat_settings=true{types}",
            Request::part(name)
        ),
        _ => format!("/_template?flat_settings=true{types}"),
    };
    let Some(Value::Object(mut found)) = target.client.found_metadata(Request::get(path))? else {
        return Ok(Bodies::new());
    };
    for body in found.values_mut() {
        normalise(body);
    }
    Ok(found.into_iter().collect())
}

fn composable(
    target: &ClusterTarget,
    kind: ObjectKind,
    names: Option<&[&str]>,
) -> Result<Bodies, TargetError> {
    if !dialect::has_composable(target.about.version) {
        return Ok(Bodies::new());
    }
    let (api, list, inner) = if kind == ObjectKind::IndexTemplate {
        ("_index_template", "index_templates", "index_template")
    } else {
        (
            "_component_template",
            "component_templates",
            "component_template",
        )
    };
    let path = match names {
        Some([name]) => format!("/{api}/{}", Request::part(name)),
        _ => format!("/{api}"),
    };
    let Some(mut answer) = target.client.found_metadata(Request::get(path))? else {
        return Ok(Bodies::new());
    };
    let mut found = Bodies::new();
    let templates = answer.get_mut(list).and_then(Value::as_array_mut);
    for template in templates.into_iter().flatten() {
        let mut body = template.get_mut(inner).map(Value::take).unwrap_or_default();
        if let Some(section) = body.get_mut("template") {
            normalise(section);
        }
        if let Some(name) = template.get("name").and_then(Value::as_str) {
            found.insert(name.to_owned(), body);
        }
    }
    Ok(found)
}

/// Settings flat, mappings without the level of `_doc`.
fn normalise(section: &mut Value) {
    let Value::Object(section) = section else {
        return;
    };
    if let Some(settings) = section.get_mut("settings") {
        *settings = Value::Object(normal_settings(settings));
    }
    if let Some(mappings) = section.get_mut("mappings") {
        let typed = mappings.take();
        *mappings = untyped(Some(typed));
    }
}

/// Without the level of the type where that is `_doc`; a type of another name stays.
fn untyped(mappings: Option<Value>) -> Value {
    match mappings {
        Some(Value::Object(mut types)) if types.len() == 1 && types.contains_key("_doc") => {
            types.remove("_doc").unwrap_or_default()
        }
        Some(mappings) => mappings,
        None => json!({}),
    }
}

/// Names as parts of request lines; `None` stands for all at once.
fn url_parts(names: Option<&[&str]>) -> Vec<Option<String>> {
    let Some(names) = names else {
        return vec![None];
    };
    let mut parts: Vec<String> = Vec::new();
    for name in names {
        let name = Request::part(name);
        match parts.last_mut() {
            Some(part) if part.len() + name.len() < NAMES_BYTES => {
                part.push(',');
                part.push_str(&name);
            }
            _ => parts.push(name),
        }
    }
    if parts.len() > NAMED_REQUESTS {
        return vec![None];
    }
    parts.into_iter().map(Some).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_asked_for_at_once() {
        assert_eq!(url_parts(None), [None]);
        assert_eq!(
            url_parts(Some(&["a", "ü,b"])),
            [Some("a,%C3%BC%2Cb".to_owned())]
        );
        let long = "x".repeat(200);
        let many: Vec<&str> = (0..30).map(|_| long.as_str()).collect();
        let parts = url_parts(Some(&many));
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().flatten().all(|part| part.len() < 3_200));
        let more: Vec<&str> = (0..500).map(|_| long.as_str()).collect();
        assert_eq!(url_parts(Some(&more)), [None]);
    }

    #[test]
    fn only_the_type_doc_is_no_level() {
        let plain = json!({"properties": {"a": {"type": "long"}}});
        assert_eq!(untyped(Some(json!({ "_doc": plain }))), plain);
        assert_eq!(untyped(Some(plain.clone())), plain);
        let typed = json!({"tweet": plain});
        assert_eq!(untyped(Some(typed.clone())), typed);
        assert_eq!(untyped(None), json!({}));
    }
}
