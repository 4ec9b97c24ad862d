//! Makes composable templates of legacy ones, by a plan's choice.
//!
//! Of legacy templates all that match a name apply, the one of the highest order last. Of composable ones only one does.
//! So each is merged with those whose patterns cover its own, and gets a priority above theirs. Where two match the same
//! names and neither covers the other, no single one says what both said: that is left in the body for a rule to tell.
//! Relies on nothing but values. Deliberately absent: translation, which the rules do afterwards as with any template.

use serde_json::{Map, Value, json};

use crate::base::glob::{covers, meet};
use crate::base::settings::normal_settings;

/// Under which a body names the legacy templates that it was made of; a rule takes it out.
pub(super) const MADE_OF: &str = "made_of";
/// Under which a body names what it can't say; a rule takes it out.
pub(super) const OVERLAPS: &str = "overlaps";

/// A legacy template, taken apart.
struct Legacy<'a> {
    name: &'a str,
    body: &'a Value,
    patterns: Vec<&'a str>,
    order: i64,
}

/// Composable templates in the place of legacy ones, by name. `composable`: those that the source has already, which win
/// over legacy ones whatever their priority.
pub fn composable(
    legacy: &[(&str, &Value)],
    composable: &[(&str, &Value)],
) -> Vec<(String, Value)> {
    let mut all: Vec<Legacy<'_>> = legacy
        .iter()
        .map(|(name, body)| Legacy {
            name,
            body,
            patterns: patterns(body),
            order: body.get("order").and_then(Value::as_i64).unwrap_or(0),
        })
        .collect();
    all.sort_by(|left, right| (left.order, left.name).cmp(&(right.order, right.name)));
    let priorities = priorities(&all);
    all.iter()
        .enumerate()
        .map(|(at, one)| {
            let mut name = one.name.to_owned();
            while composable.iter().any(|(taken, _)| *taken == name) {
                name.push_str("-legacy");
            }
            (name, made(&all, at, priorities[at], composable))
        })
        .collect()
}

/// The patterns of a template's names, of whatever version.
pub fn patterns(body: &Value) -> Vec<&str> {
    match (body.get("index_patterns"), body.get("template")) {
        (Some(Value::Array(patterns)), _) => patterns.iter().filter_map(Value::as_str).collect(),
        (Some(Value::String(pattern)), _) | (None, Some(Value::String(pattern))) => vec![pattern],
        _ => Vec::new(),
    }
}

/// Whether `below` gives to every index of `above` too, and `above` is the one that stands for both.
fn gives_to(below: &Legacy<'_>, above: &Legacy<'_>) -> bool {
    let covers = |general: &Legacy<'_>, special: &Legacy<'_>| {
        special
            .patterns
            .iter()
            .all(|special| general.patterns.iter().any(|it| covers(it, special)))
    };
    let equal = covers(above, below);
    covers(below, above) && (!equal || (below.order, below.name) < (above.order, above.name))
}

fn overlap(left: &[&str], right: &[&str]) -> bool {
    left.iter()
        .any(|left| right.iter().any(|right| meet(left, right)))
}

/// Above all that give to it, and never that of another over the same names.
fn priorities(all: &[Legacy<'_>]) -> Vec<u64> {
    let depth = |at: usize| {
        let gives = |other: &&Legacy<'_>| gives_to(other, &all[at]);
        all.iter().filter(gives).count()
    };
    // Those with the least above them first; of equals in the order of legacy templates.
    let mut turn: Vec<usize> = (0..all.len()).collect();
    turn.sort_by_key(|at| (depth(*at), *at));
    let mut given: Vec<Option<u64>> = vec![None; all.len()];
    for at in turn {
        let mut priority = u64::try_from(all[at].order).unwrap_or(0);
        let others = || {
            let with = given.iter().zip(all);
            with.filter(|(_, other)| overlap(&other.patterns, &all[at].patterns))
                .filter_map(|(priority, other)| Some(((*priority)?, other)))
        };
        for (theirs, other) in others() {
            if gives_to(other, &all[at]) {
                priority = priority.max(theirs + 1);
            }
        }
        while others().any(|(theirs, _)| theirs == priority) {
            priority += 1;
        }
        given[at] = Some(priority);
    }
    given.into_iter().map(Option::unwrap_or_default).collect()
}

fn made(all: &[Legacy<'_>], at: usize, priority: u64, composable: &[(&str, &Value)]) -> Value {
    let one = &all[at];
    let mut template = Map::new();
    let mut from = Vec::new();
    let mut overlaps = Vec::new();
    // In the order in which they apply.
    for other in all {
        let itself = other.name == one.name;
        if itself || gives_to(other, one) {
            merge_template(&mut template, other.body);
            from.push(other.name);
        } else if !gives_to(one, other) && overlap(&one.patterns, &other.patterns) {
            overlaps.push(format!("legacy template {}", other.name));
        }
    }
    for (name, body) in composable {
        let theirs = body.get("priority").and_then(Value::as_u64).unwrap_or(0);
        if theirs <= priority && overlap(&one.patterns, &patterns(body)) {
            overlaps.push(format!("index template {name}"));
        }
    }
    let mut body = Map::new();
    body.insert("index_patterns".into(), json!(one.patterns));
    body.insert("priority".into(), json!(priority));
    for kept in ["version", "_meta"] {
        if let Some(value) = one.body.get(kept) {
            body.insert(kept.into(), value.clone());
        }
    }
    body.insert("template".into(), Value::Object(template));
    body.insert(
        MADE_OF.into(),
        json!({ "order": one.order, "templates": from }),
    );
    if !overlaps.is_empty() {
        body.insert(OVERLAPS.into(), json!(overlaps));
    }
    Value::Object(body)
}

/// What a later template says stands.
fn merge_template(into: &mut Map<String, Value>, legacy: &Value) {
    for section in ["settings", "mappings", "aliases"] {
        let Some(said) = legacy.get(section) else {
            continue;
        };
        let said = match section {
            "settings" => Value::Object(normal_settings(said)),
            _ => said.clone(),
        };
        let there = into.entry(section).or_insert_with(|| json!({}));
        merge(there, said);
    }
}

/// Objects field by field, dynamic templates by name, anything else as a whole.
fn merge(into: &mut Value, said: Value) {
    match (into, said) {
        (Value::Object(into), Value::Object(said)) => {
            for (name, value) in said {
                match into.get_mut(&name) {
                    Some(Value::Array(list)) if name == "dynamic_templates" => {
                        merge_named(list, value);
                    }
                    Some(there) => merge(there, value),
                    None => {
                        into.insert(name, value);
                    }
                }
            }
        }
        (into, said) => *into = said,
    }
}

/// Of a list of objects with one name each, those of the same name are replaced where they stand.
fn merge_named(list: &mut Vec<Value>, said: Value) {
    let Value::Array(said) = said else { return };
    let name = |item: &Value| item.as_object().and_then(|it| it.keys().next().cloned());
    for item in said {
        let place = list.iter().position(|there| name(there) == name(&item));
        match place {
            Some(place) => list[place] = item,
            None => list.push(item),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::version::{Product, ProductVersion, Version};
    use crate::diff::observation::{ObjectKey, ObjectKind};
    use crate::engines::metadata::{Versions, translate};

    fn all(legacy: &[(&str, Value)], others: &[(&str, Value)]) -> Vec<(String, Value)> {
        let legacy: Vec<(&str, &Value)> = legacy.iter().map(|(name, body)| (*name, body)).collect();
        let others: Vec<(&str, &Value)> = others.iter().map(|(name, body)| (*name, body)).collect();
        composable(&legacy, &others)
    }

    #[test]
    fn a_special_one_holds_what_the_general_one_gave() {
        let made = all(
            &[
                (
                    "all",
                    json!({"template": "*", "order": 5, "settings": {"number_of_replicas": 0},
                    "mappings": {"dynamic_templates": [{"s": {"mapping": {"type": "keyword"}}}]}}),
                ),
                (
                    "logs",
                    json!({"index_patterns": ["logs-*"], "order": 1, "version": 3, "aliases": {"logs": {}},
                    "settings": {"index": {"number_of_replicas": "2", "codec": "best_compression"}},
                    "mappings": {"dynamic_templates": [{"t": {"mapping": {"type": "text"}}}], "properties": {"a": {"type": "long"}}}}),
                ),
            ],
            &[],
        );
        let (name, logs) = &made[0];
        assert_eq!(name, "logs");
        assert_eq!(
            *logs,
            json!({"index_patterns": ["logs-*"], "priority": 6, "version": 3,
                "made_of": {"order": 1, "templates": ["logs", "all"]},
                "template": {"aliases": {"logs": {}},
                    "settings": {"index.number_of_replicas": "0", "index.codec": "best_compression"},
                    "mappings": {"properties": {"a": {"type": "long"}},
                        "dynamic_templates": [{"t": {"mapping": {"type": "text"}}}, {"s": {"mapping": {"type": "keyword"}}}]}}})
        );
        assert_eq!(made[1].1["priority"], 5);
        assert_eq!(made[1].1["index_patterns"], json!(["*"]));
    }

    #[test]
    fn the_types_of_several_templates_become_one_mapping() {
        let made = all(
            &[
                (
                    "all",
                    json!({"template": "*", "mappings": {"_default_": {"dynamic": "strict"}, "event": {"properties": {"a": {"type": "long"}}}}}),
                ),
                (
                    "logs",
                    json!({"template": "logs-*", "order": 1, "mappings": {"line": {"properties": {"b": {"type": "keyword"}}}}}),
                ),
            ],
            &[],
        );
        let server = |product, major, minor| ProductVersion {
            product,
            version: Version::new(major, minor, 0),
        };
        let versions = Versions {
            source: server(Product::Elasticsearch, 5, 6),
            target: server(Product::OpenSearch, 3, 3),
        };
        let (name, logs) = &made[1];
        let key = ObjectKey {
            kind: ObjectKind::IndexTemplate,
            name: name.clone(),
        };
        let translated = translate(&key, logs, versions, &BTreeSet::new());
        assert_eq!(
            translated.body["template"]["mappings"],
            json!({"dynamic": "strict", "properties": {"a": {"type": "long"}, "b": {"type": "keyword"}}})
        );
        let codes: Vec<&str> = translated.findings.iter().map(|it| it.rule.code).collect();
        assert_eq!(codes, ["MIG209", "MIG265"]);
    }

    #[test]
    fn what_no_single_template_can_say_is_named() {
        let made = all(
            &[
                ("left", json!({"index_patterns": ["logs-*"]})),
                ("right", json!({"index_patterns": ["*-app"]})),
            ],
            &[(
                "new",
                json!({"index_patterns": ["logs-new-*"], "priority": 0}),
            )],
        );
        assert_eq!(
            made[0].1["overlaps"],
            json!(["legacy template right", "index template new"])
        );
        assert_eq!(
            made[1].1["overlaps"],
            json!(["legacy template left", "index template new"])
        );
        assert_ne!(made[0].1["priority"], made[1].1["priority"]);
    }

    #[test]
    fn of_two_over_the_same_names_the_higher_one_stands_for_both() {
        let made = all(
            &[
                (
                    "b",
                    json!({"index_patterns": ["x-*"], "order": 1, "settings": {"a": "1"}}),
                ),
                (
                    "a",
                    json!({"index_patterns": ["x-*"], "order": 1, "settings": {"b": "2"}}),
                ),
            ],
            &[("a", json!({"index_patterns": ["y"]}))],
        );
        assert_eq!(made[0].0, "a-legacy");
        assert_eq!(made[0].1["template"]["settings"], json!({"index.b": "2"}));
        assert_eq!(
            made[1].1["template"]["settings"],
            json!({"index.a": "1", "index.b": "2"})
        );
        assert!(made.iter().all(|(_, body)| body.get("overlaps").is_none()));
        assert_eq!(
            (&made[0].1["priority"], &made[1].1["priority"]),
            (&json!(1), &json!(2))
        );
    }
}
