//! Asks a cluster what it would say to settings and mappings, without making anything: simulated templates are
//! validated as real ones are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::{ClusterTarget, dialect};
use super::{check_named, guard, refusal};
use crate::base::settings::normal_settings;
use crate::clients::cluster::{ClusterError, Request};
use crate::clients::target::TargetError;
use crate::diff::observation::{ObjectKey, ObjectKind};

/// No index has such a name.
const PATTERN: &str = "mig-only-asks";
/// Over how many shards the documents of one routing are spread.
const PARTITIONS: &str = "index.routing_partition_size";
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
    found.extend(clashes(target, bodies)?);
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
    for (key, body) in bodies {
        let generations = super::super::super::stream::generations(body);
        let sections: Vec<&Value> = match key.kind {
            ObjectKind::IndexTemplate | ObjectKind::ComponentTemplate => {
                body.get("template").into_iter().collect()
            }
            ObjectKind::LegacyTemplate | ObjectKind::Index => vec![body],
            ObjectKind::DataStream => generations.iter().collect(),
            _ => continue,
        };
        let mut answer: Option<String> = None;
        for section in sections {
            let empty = json!({});
            let template = json!({
                "settings": section.get("settings").unwrap_or(&empty),
                "mappings": section.get("mappings").unwrap_or(&empty),
            });
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

/// Indices and aliases share one space of names.
fn clashes(
    target: &ClusterTarget,
    bodies: &[(ObjectKey, Value)],
) -> Result<Vec<(ObjectKey, String)>, TargetError> {
    let mut found = Vec::new();
    let pairs = [
        (ObjectKind::Index, ObjectKind::Alias),
        (ObjectKind::Alias, ObjectKind::Index),
    ];
    for (kind, other) in pairs {
        let mut wanted = bodies.iter().filter(|(key, _)| key.kind == kind).peekable();
        if wanted.peek().is_none() {
            continue;
        }
        let there: BTreeSet<String> = super::list(target, other)?.into_iter().collect();
        for (key, _) in wanted.filter(|(key, _)| there.contains(&key.name)) {
            let words = format!("there is an {} of this name", other.as_str());
            found.push((key.clone(), words));
        }
    }
    Ok(found)
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
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_settings_are_named_in_a_server_s_words() {
        let words = "index_template [simulate_template_x] invalid, cause [Validation Failed: 1: unknown setting [index.bar.x] please \
            check;2: unknown setting [index.foo] please check;]";
        let names: Vec<_> = names_after(words, UNKNOWN).into_iter().collect();
        assert_eq!(names, ["index.bar.x", "index.foo"]);
        assert!(without_name(words).starts_with("index_template […] invalid"));
    }
}
