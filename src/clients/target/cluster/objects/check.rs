//! Asks a cluster what it would say to settings and mappings, without making anything: simulated templates are
//! validated as real ones are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::{ClusterTarget, dialect};
use super::{check_named, guard, read, refusal};
use crate::base::settings::normal_settings;
use crate::clients::cluster::{ClusterError, Request};
use crate::clients::target::TargetError;
use crate::diff::observation::{ObjectKey, ObjectKind};

/// No index has such a name.
const PATTERN: &str = "mig-only-asks";
/// Over how many shards the documents of one routing are spread.
const PARTITIONS: &str = "index.routing_partition_size";
/// What they say around the cause of a refusal when they are asked by a template.
const AROUND: [&str; 2] = [
    "composable template […] template after composition is invalid: ",
    "invalid composite mappings for […]: ",
];
/// How servers say that they do not know a setting, up to its name.
const UNKNOWN: &str = "unknown setting [";

/// Which of the settings the cluster does not know.
pub(in super::super) fn unknown_settings(
    target: &ClusterTarget,
    settings: &Map<String, Value>,
) -> Result<BTreeSet<String>, TargetError> {
    let mut unknown = BTreeSet::new();
    if !dialect::simulates(target.about.version) {
        return Ok(unknown);
    }
    let mut left = settings.clone();
    while !left.is_empty() {
        let named = unknown_among(target, &left)?;
        if named.is_empty() {
            break;
        }
        left.retain(|key, _| !named.contains(key));
        unknown.extend(named);
    }
    // A value that can't be read hides what stands behind it, so that each is asked about by itself.
    if !left.is_empty() && simulate(target, &json!({ "settings": left })).is_err() {
        for (key, value) in left {
            let mut alone = Map::new();
            alone.insert(key, value);
            unknown.extend(unknown_among(target, &alone)?);
        }
    }
    Ok(unknown)
}

/// Those that a cluster names as unknown when it is asked about all of them.
fn unknown_among(
    target: &ClusterTarget,
    settings: &Map<String, Value>,
) -> Result<BTreeSet<String>, TargetError> {
    let Err(error) = simulate(target, &json!({ "settings": settings })) else {
        return Ok(BTreeSet::new());
    };
    let mut named = names_after(&refusal(error)?, UNKNOWN);
    named.retain(|key| settings.contains_key(key));
    Ok(named)
}

/// The objects that the cluster would refuse, with its words.
pub(in super::super) fn refusals(
    target: &ClusterTarget,
    bodies: &[(ObjectKey, Value)],
) -> Result<Vec<(ObjectKey, String)>, TargetError> {
    let mut found = Vec::new();
    found.extend(check_named::refusals(target, bodies)?);
    if !dialect::has_composable(target.about.version) {
        let composable = |kind| {
            matches!(
                kind,
                ObjectKind::IndexTemplate | ObjectKind::ComponentTemplate
            )
        };
        let refused = bodies.iter().filter(|(key, _)| composable(key.kind));
        found.extend(
            refused.map(|(key, _)| (key.clone(), "it has legacy templates only".to_owned())),
        );
    }
    if !dialect::simulates(target.about.version) {
        return Ok(found);
    }
    // Indices of one kind of data are alike more often than not.
    let mut asked: BTreeMap<String, Option<String>> = BTreeMap::new();
    let parts = Parts::of(target, bodies)?;
    for (key, body) in bodies {
        let sections: Vec<Value> = match key.kind {
            ObjectKind::IndexTemplate => vec![parts.composed(body)],
            ObjectKind::ComponentTemplate => {
                body.get("template").map(section).into_iter().collect()
            }
            ObjectKind::LegacyTemplate | ObjectKind::Index => vec![section(body)],
            ObjectKind::DataStream => super::super::super::stream::generations(body)
                .iter()
                .map(section)
                .collect(),
            _ => continue,
        };
        let mut answer: Option<String> = None;
        for template in sections {
            let text = template.to_string();
            let words = if let Some(words) = asked.get(&text) {
                words.clone()
            } else {
                let words = match simulate(target, &template) {
                    Ok(()) => None,
                    Err(error) => Some(refusal(error)?),
                };
                asked.insert(text, words.clone());
                words
            };
            answer = answer.or(words);
        }
        if let Some(words) = answer {
            found.push((key.clone(), without_name(&words)));
        }
    }
    Ok(found)
}

/// Settings and mappings alone.
fn section(body: &Value) -> Value {
    let empty = json!({});
    json!({
        "settings": body.get("settings").unwrap_or(&empty),
        "mappings": body.get("mappings").unwrap_or(&empty),
    })
}

/// The component templates that index templates are composed of, as they will be: servers look at the whole, in which a field
/// may use an analyser of another part.
struct Parts<'a> {
    wanted: BTreeMap<&'a str, &'a Value>,
    there: read::Bodies,
}

impl<'a> Parts<'a> {
    fn of(target: &ClusterTarget, bodies: &'a [(ObjectKey, Value)]) -> Result<Self, TargetError> {
        let components = bodies.iter();
        let components = components.filter(|(key, _)| key.kind == ObjectKind::ComponentTemplate);
        let wanted: BTreeMap<&str, &Value> = components
            .map(|(key, body)| (key.name.as_str(), body))
            .collect();
        let templates = bodies.iter();
        let named: BTreeSet<&str> = templates
            .filter(|(key, _)| key.kind == ObjectKind::IndexTemplate)
            .flat_map(|(_, body)| composed_of(body))
            .filter(|name| !wanted.contains_key(name))
            .collect();
        let named: Vec<&str> = named.into_iter().collect();
        let there = read::bodies(target, ObjectKind::ComponentTemplate, Some(&named))?;
        Ok(Self { wanted, there })
    }

    /// An index template with its parts merged into it, in their order. What is not there is told by itself.
    fn composed(&self, body: &Value) -> Value {
        let mut whole = json!({});
        let parts = composed_of(body).filter_map(|name| {
            let wanted = self.wanted.get(name).copied();
            wanted.or_else(|| self.there.get(name))
        });
        for part in parts.chain([body]) {
            if let Some(template) = part.get("template") {
                merge(&mut whole, template);
            }
        }
        let mut template = section(&whole);
        if let Some(aliases) = whole.get("aliases") {
            template["aliases"] = aliases.clone();
        }
        template
    }
}

fn composed_of(body: &Value) -> impl Iterator<Item = &str> {
    let parts = body.get("composed_of").and_then(Value::as_array);
    parts.into_iter().flatten().filter_map(Value::as_str)
}

/// As servers merge templates: objects by their names, of a field that is no object the later definition alone; dynamic
/// templates one behind the other.
fn merge(into: &mut Value, later: &Value) {
    let is_field = |it: &Value| it.get("type").is_some_and(Value::is_string);
    match (into, later) {
        (Value::Object(into), Value::Object(later)) => {
            for (name, value) in later {
                match (into.get_mut(name), value) {
                    (Some(Value::Array(there)), Value::Array(more))
                        if name == "dynamic_templates" =>
                    {
                        there.extend(more.iter().cloned());
                    }
                    (Some(there), _) if !is_field(value) => merge(there, value),
                    _ => {
                        into.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (into, later) => into.clone_from(later),
    }
}

fn simulate(target: &ClusterTarget, template: &Value) -> Result<(), ClusterError> {
    let mut template = template.clone();
    if let Some(settings) = template.get_mut("settings") {
        let mut flat = normal_settings(settings);
        // A simulated index has one shard whatever is asked for, and no more partitions fit into that.
        flat.remove(PARTITIONS);
        *settings = Value::Object(flat);
    }
    let body = json!({
        "index_patterns": [PATTERN],
        "priority": guard::PRIORITY,
        "template": template,
    });
    let request = Request::post("/_index_template/_simulate")
        .json(&body)
        .idempotent();
    target.client.send(request).map(drop)
}

/// What stands between `before` and the next `]`, wherever that is.
fn names_after(words: &str, before: &str) -> BTreeSet<String> {
    words
        .match_indices(before)
        .filter_map(|(at, _)| {
            let rest = &words[at + before.len()..];
            rest.find(']').map(|end| rest[..end].to_owned())
        })
        .collect()
}

/// Servers name the template that was made up for asking, another one at every call.
fn without_name(words: &str) -> String {
    let mut text = words.to_owned();
    for name in names_after(words, "[") {
        if name.starts_with("simulate_template_") {
            text = text.replace(&format!("[{name}]"), "[…]");
        }
    }
    // What it was asked with is nobody's concern: the cause behind it is.
    for around in AROUND {
        if let Some((_, cause)) = text.split_once(around) {
            text = cause.to_owned();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_merged_as_servers_do() {
        let mut whole = json!({"settings": {"a": "1", "b": "1"}, "mappings": {"properties": {"x": {"type": "long", "store": true},
            "o": {"properties": {"p": {"type": "long"}}}}, "dynamic_templates": [{"t": {}}]}});
        merge(
            &mut whole,
            &json!({"settings": {"b": "2"}, "mappings": {"properties": {"x": {"type": "text"},
                "o": {"properties": {"q": {"type": "long"}}}}, "dynamic_templates": [{"u": {}}]}}),
        );
        assert_eq!(
            whole,
            json!({"settings": {"a": "1", "b": "2"}, "mappings": {"properties": {"x": {"type": "text"},
                "o": {"properties": {"p": {"type": "long"}, "q": {"type": "long"}}}}, "dynamic_templates": [{"t": {}}, {"u": {}}]}})
        );
    }

    #[test]
    fn unknown_settings_are_named_in_a_server_s_words() {
        let words = "index_template [simulate_template_x] invalid, cause [Validation Failed: 1: unknown setting [index.bar.x] please \
            check;2: unknown setting [index.foo] please check;]";
        let names: Vec<_> = names_after(words, UNKNOWN).into_iter().collect();
        assert_eq!(names, ["index.bar.x", "index.foo"]);
        assert!(without_name(words).starts_with("index_template […] invalid"));
    }
}
