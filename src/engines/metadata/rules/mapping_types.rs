//! Mapping types of indices made before Elasticsearch 6: several become one mapping, by the route that the plan chose.
//!
//! They go before all other rules, in the order of their codes. The route stands in the body under `types`; what stands
//! against it was asked before. The level of a type that is alone is removed by `types`.

use serde_json::{Map, Value, json};

use super::lines::ELASTICSEARCH;
use crate::diff::observation::ObjectKind;
use crate::engines::mapping_types::{DEFAULT, Route, Union, union};
use crate::engines::metadata::draft::{Change, Draft};
use crate::engines::metadata::rule::{Level, Lines, Proof, Rule};

const INDEX: &[ObjectKind] = &[ObjectKind::Index];
const REMOVAL: &str =
    "https://www.elastic.co/guide/en/elasticsearch/reference/6.8/removal-of-types.html";
const JOIN: &str = "https://docs.opensearch.org/latest/field-types/supported-field-types/join/";

/// Stands in edits for a mapping that is shown elsewhere.
const SHORT: &str = "…";

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG200",
        title: "types that go elsewhere, or nowhere, leave the mapping",
        source: ELASTICSEARCH,
        target: Lines::ANY,
        objects: INDEX,
        level: Level::Allow,
        lossy: false,
        why: "the plan puts these types into another index, or leaves them out",
        link: REMOVAL,
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"scratch": {"properties": {"n": {"type": "long"}}}}, "types": {"types": ["post"]}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| leave_out(rule, draft),
    },
    Rule {
        code: "MIG201",
        title: "a routing that only some types required is not required any more",
        source: ELASTICSEARCH,
        target: Lines::ANY,
        objects: INDEX,
        level: Level::Warn,
        lossy: true,
        why: "one index asks for a routing with all documents or with none, and documents of the other types have none",
        link: REMOVAL,
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"page": {"_routing": {"required": true}}, "post": {"properties": {}}}, "types": {"types": ["page", "post"]}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {}}}"#,
        apply: |rule, draft, _versions| ease_routing(rule, draft),
    },
    Rule {
        code: "MIG202",
        title: "a field takes the definition of the preferred type",
        source: ELASTICSEARCH,
        target: Lines::ANY,
        objects: INDEX,
        level: Level::Warn,
        lossy: true,
        why: "types define it differently and the plan says whose counts: documents of the other that don't fit it fail by name",
        link: REMOVAL,
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {}, "mappings": {"page": {"properties": {"n": {"type": "long"}}}, "post": {"properties": {"n": {"type": "date"}}}},
            "types": {"types": ["page", "post"], "prefer": "post"}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "date"}}}}"#,
        apply: |rule, draft, _versions| tell_decided(rule, draft),
    },
    Rule {
        code: "MIG203",
        title: "several types become one mapping, and which type a document had is lost",
        source: ELASTICSEARCH,
        target: Lines::ANY,
        objects: INDEX,
        level: Level::Warn,
        lossy: true,
        why: "indices have no types any more: a search of one type finds the documents of all; `type-field` keeps the name in a field",
        link: REMOVAL,
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"page": {"properties": {"n": {"type": "long"}}}, "post": {"properties": {"t": {"type": "date"}}}},
            "types": {"types": ["page", "post"]}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "long"}, "t": {"type": "date"}}}}"#,
        apply: |rule, draft, _versions| unite(rule, draft, false),
    },
    Rule {
        code: "MIG204",
        title: "several types become one mapping, and a field tells which type a document had",
        source: ELASTICSEARCH,
        target: Lines::ANY,
        objects: INDEX,
        level: Level::Allow,
        lossy: false,
        why: "indices have no types any more; a search of one type asks for the field instead",
        link: REMOVAL,
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"page": {"properties": {"n": {"type": "long"}}}, "post": {"properties": {"t": {"type": "date"}}}},
            "types": {"types": ["page", "post"], "type-field": "kind"}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"kind": {"type": "keyword"}, "n": {"type": "long"}, "t": {"type": "date"}}}}"#,
        apply: |rule, draft, _versions| unite(rule, draft, true),
    },
    Rule {
        code: "MIG205",
        title: "a field for the name of the type is added",
        source: ELASTICSEARCH,
        target: Lines::ANY,
        objects: INDEX,
        level: Level::Allow,
        lossy: false,
        why: "the plan asks for it, and each document gets the name of its type there",
        link: REMOVAL,
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"properties": {}}, "types": {"types": ["post"], "type-field": "kind"}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"kind": {"type": "keyword"}}}}"#,
        apply: |rule, draft, _versions| add_type_field(rule, draft),
    },
    Rule {
        code: "MIG206",
        title: "`_parent` becomes a join field",
        source: ELASTICSEARCH,
        target: Lines::ANY,
        objects: INDEX,
        level: Level::Warn,
        lossy: false,
        why: "a join field tells parents and children: `has_parent` and `has_child` go on as they are; who writes a child gives the field and a routing instead of `parent`",
        link: JOIN,
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"properties": {"n": {"type": "long"}}, "_parent": {"type": "post"}},
            "types": {"types": ["answer"], "join": {"field": "join", "parents": {"answer": "post"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"join": {"type": "join", "relations": {"post": "answer"}}, "n": {"type": "long"}}}}"#,
        apply: |rule, draft, _versions| join(rule, draft),
    },
    Rule {
        code: "MIG207",
        title: "each `_id` becomes `type#id`",
        source: ELASTICSEARCH,
        target: Lines::ANY,
        objects: INDEX,
        level: Level::Warn,
        lossy: false,
        why: "one _id may stand in several types: whoever asks for a document by its _id puts the type before it; parents get their former _id as routing, so that their children stay beside them",
        link: REMOVAL,
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {}, "types": {"types": ["post"], "prefix": true}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| tell_prefix(rule, draft),
    },
    Rule {
        code: "MIG208",
        title: "types of one index become indices of their own",
        source: ELASTICSEARCH,
        target: Lines::ANY,
        objects: INDEX,
        level: Level::Warn,
        lossy: false,
        why: "the plan splits the index by type: clients name the new index instead of index and type",
        link: REMOVAL,
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {}, "types": {"of": "blog", "to": "blog-post", "types": ["post"]}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: |rule, draft, _versions| tell_split(rule, draft),
    },
    Rule {
        code: "MIG209",
        title: "the types of a template become one mapping",
        source: ELASTICSEARCH,
        target: Lines::ANY,
        objects: &[ObjectKind::LegacyTemplate, ObjectKind::IndexTemplate],
        level: Level::Warn,
        lossy: true,
        why: "indices have no types any more: new ones get the fields of all types of the template, and what `_default_` says",
        link: REMOVAL,
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {}, "mappings": {"_default_": {"dynamic": "strict"}, "event": {"properties": {"n": {"type": "long"}}}}}"#,
        after: r#"{"settings": {}, "mappings": {"dynamic": "strict", "properties": {"n": {"type": "long"}}}}"#,
        apply: |rule, draft, _versions| unite_template(rule, draft),
    },
    Rule {
        code: "MIG210",
        title: "`_timestamp` becomes a date field",
        source: ELASTICSEARCH,
        target: Lines::ANY,
        objects: INDEX,
        level: Level::Allow,
        lossy: false,
        why: "the plan asks for it: documents whose `_timestamp` is stored get its value there, and new ones get none by themselves",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/2.4/mapping-timestamp-field.html",
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"properties": {}, "_timestamp": {"enabled": true}}, "types": {"types": ["post"], "timestamp-field": "at"}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"at": {"type": "date"}}}}"#,
        apply: |rule, draft, _versions| {
            let field = draft
                .route
                .as_ref()
                .and_then(|it| it.timestamp_field.clone());
            keep_time(rule, draft, "_timestamp", field);
        },
    },
    Rule {
        code: "MIG211",
        title: "`_ttl` becomes a date field, and nothing removes documents by it",
        source: ELASTICSEARCH,
        target: Lines::ANY,
        objects: INDEX,
        level: Level::Warn,
        lossy: true,
        why: "the plan asks for it: documents get the time at which they were to vanish; who wants them to, has to remove them",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/2.4/mapping-ttl-field.html",
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {"properties": {}, "_ttl": {"enabled": true}}, "types": {"types": ["post"], "expiry-field": "until"}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"until": {"type": "date"}}}}"#,
        apply: |rule, draft, _versions| {
            let field = draft.route.as_ref().and_then(|it| it.expiry_field.clone());
            keep_time(rule, draft, "_ttl", field);
        },
    },
];

/// What a mapping without types holds besides what begins with `_`.
const ROOT: [&str; 7] = [
    "date_detection",
    "dynamic",
    "dynamic_date_formats",
    "dynamic_templates",
    "enabled",
    "numeric_detection",
    "properties",
];

/// The route, and the mappings by type; `None` where no types stand there.
fn by_type(draft: &Draft) -> Option<(&Route, &Map<String, Value>)> {
    let route = draft.route.as_ref()?;
    let mappings = draft.mappings.as_object()?;
    let root = |name: &String| {
        let own = route.types.contains(name) || route.dropped.contains(name);
        !own && (ROOT.contains(&name.as_str()) || name.starts_with('_') && name != DEFAULT)
    };
    (!mappings.is_empty() && !mappings.keys().any(root)).then_some((route, mappings))
}

/// What the mappings of several types come to.
fn joined(draft: &Draft) -> Option<(Vec<String>, Union)> {
    let (route, mappings) = by_type(draft)?;
    let types: Vec<(&str, &Value)> = mappings
        .iter()
        .map(|(name, mapping)| (name.as_str(), mapping))
        .collect();
    if types.len() < 2 {
        return None;
    }
    let names = types.iter().map(|(name, _)| (*name).to_owned()).collect();
    Some((names, union(&types, route.prefer.as_deref())))
}

/// The mapping that has the fields: that of the one type, or all of it.
fn root(draft: &mut Draft) -> Option<&mut Map<String, Value>> {
    let one = by_type(draft).and_then(|(_, mappings)| {
        let mut names = mappings.keys();
        names.next().filter(|_| mappings.len() == 1).cloned()
    });
    let mappings = draft.mappings.as_object_mut()?;
    match one {
        Some(name) => mappings.get_mut(&name)?.as_object_mut(),
        None => Some(mappings),
    }
}

fn note(
    rule: &'static Rule,
    draft: &mut Draft,
    path: &str,
    (before, after): (Option<Value>, Option<Value>),
) {
    let change = Change {
        path,
        before,
        after,
    };
    draft.note(rule, change);
}

fn leave_out(rule: &'static Rule, draft: &mut Draft) {
    let Some((route, mappings)) = by_type(draft) else {
        return;
    };
    let others: Vec<String> = mappings
        .keys()
        .filter(|name| !route.types.contains(name))
        .cloned()
        .collect();
    for name in others {
        if let Value::Object(mappings) = &mut draft.mappings {
            mappings.remove(&name);
        }
        let path = format!("mappings.{name}");
        note(rule, draft, &path, (Some(json!(SHORT)), None));
    }
}

fn ease_routing(rule: &'static Rule, draft: &mut Draft) {
    let Some((route, mappings)) = by_type(draft).filter(|(_, mappings)| mappings.len() > 1) else {
        return;
    };
    // A join field asks for the routing of children by itself.
    let child = |name: &String| {
        route
            .join
            .as_ref()
            .is_some_and(|join| join.parents.contains_key(name))
    };
    let required = |mapping: &Value| mapping.pointer("/_routing/required") == Some(&json!(true));
    let asking: Vec<String> = mappings
        .iter()
        .filter(|(name, mapping)| required(mapping) && !child(name))
        .map(|(name, _)| name.clone())
        .collect();
    if mappings.values().all(required) {
        return;
    }
    for name in asking {
        let mapping = draft.mappings.get_mut(&name).and_then(Value::as_object_mut);
        let before = mapping.and_then(|mapping| mapping.remove("_routing"));
        note(
            rule,
            draft,
            &format!("mappings.{name}._routing"),
            (before, None),
        );
    }
}

fn tell_decided(rule: &'static Rule, draft: &mut Draft) {
    let Some((_, union)) = joined(draft) else {
        return;
    };
    for conflict in union.decided {
        let (path, after) = (conflict.path, conflict.left.1);
        note(rule, draft, &path, (conflict.right.1, after));
    }
}

fn unite(rule: &'static Rule, draft: &mut Draft, told: bool) {
    let tells = draft.route.as_ref().is_some_and(|route| {
        let join = route.join.as_ref();
        // A join field holds the name of the type as well, of types that are related.
        let by_join = join.is_some_and(|join| route.types.iter().all(|kind| join.knows(kind)));
        route.type_field.is_some() || by_join
    });
    if tells != told {
        return;
    }
    let Some((names, union)) = joined(draft) else {
        return;
    };
    draft.mappings = Value::Object(union.mapping);
    let before: Map<String, Value> = names.into_iter().map(|it| (it, json!(SHORT))).collect();
    let after = json!({ "properties": SHORT });
    note(
        rule,
        draft,
        "mappings",
        (Some(Value::Object(before)), Some(after)),
    );
}

/// Adds a field to the mapping, with an edit.
fn add_field(rule: &'static Rule, draft: &mut Draft, name: &str, definition: Value) {
    let Some(root) = root(draft) else {
        return;
    };
    let properties = root
        .entry("properties")
        .or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(properties) = properties else {
        return;
    };
    properties.insert(name.to_owned(), definition.clone());
    let path = format!("mappings.properties.{name}");
    note(rule, draft, &path, (None, Some(definition)));
}

fn add_type_field(rule: &'static Rule, draft: &mut Draft) {
    let field = draft.route.as_ref().and_then(|it| it.type_field.clone());
    if let Some(field) = field {
        add_field(rule, draft, &field, json!({"type": "keyword"}));
    }
}

fn join(rule: &'static Rule, draft: &mut Draft) {
    let Some(join) = draft.route.as_ref().and_then(|it| it.join.clone()) else {
        return;
    };
    let before = root(draft).and_then(|root| root.remove("_parent"));
    if let Some(before) = before {
        note(rule, draft, "mappings._parent", (Some(before), None));
    }
    let relations: Map<String, Value> = join
        .relations()
        .into_iter()
        .map(|(parent, children)| {
            let children = match children.as_slice() {
                [one] => json!(one),
                several => json!(several),
            };
            (parent.to_owned(), children)
        })
        .collect();
    let definition = json!({"type": "join", "relations": relations});
    add_field(rule, draft, &join.field, definition);
}

/// Puts a date field in the place of a parameter of the mapping that says that times are kept.
fn keep_time(rule: &'static Rule, draft: &mut Draft, parameter: &str, field: Option<String>) {
    let Some(field) = field else {
        return;
    };
    let Some(before) = root(draft).and_then(|root| root.remove(parameter)) else {
        return;
    };
    let path = format!("mappings.{parameter}");
    note(rule, draft, &path, (Some(before), None));
    add_field(rule, draft, &field, json!({"type": "date"}));
}

fn tell_prefix(rule: &'static Rule, draft: &mut Draft) {
    let Some(kind) = draft
        .route
        .as_ref()
        .filter(|route| route.prefix)
        .and_then(|route| route.types.first().cloned())
    else {
        return;
    };
    let after = json!(format!("{kind}#1"));
    note(
        rule,
        draft,
        "documents._id",
        (Some(json!("1")), Some(after)),
    );
}

fn tell_split(rule: &'static Rule, draft: &mut Draft) {
    let Some(route) = draft.route.clone().filter(|route| route.of != route.to) else {
        return;
    };
    let before = format!("{}/{}", route.of, route.types.join(","));
    note(
        rule,
        draft,
        "name",
        (Some(json!(before)), Some(json!(route.to))),
    );
}

/// Where types contradict each other nothing is done: the target is asked what it says to the template as it is.
fn unite_template(rule: &'static Rule, draft: &mut Draft) {
    let Some(mappings) = draft.mappings.as_object().filter(|it| it.len() > 1) else {
        return;
    };
    let root =
        |name: &String| ROOT.contains(&name.as_str()) || name.starts_with('_') && name != DEFAULT;
    if mappings.keys().any(root) || !mappings.values().all(Value::is_object) {
        return;
    }
    let mut types = mappings.clone();
    // Each type begins with what the defaults say.
    if let Some(Value::Object(defaults)) = types.remove(DEFAULT) {
        let fields = |key: &String| ["properties", "dynamic_templates"].contains(&key.as_str());
        for mapping in types.values_mut().filter_map(Value::as_object_mut) {
            for (key, value) in defaults.iter().filter(|(key, _)| !fields(key)) {
                mapping.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        let of_all: Map<String, Value> = match types.values().next().and_then(Value::as_object) {
            // Parameters that all types agree on are those of the whole.
            Some(first) => first
                .iter()
                .filter(|(key, _)| !fields(key))
                .chain(defaults.iter().filter(|(key, _)| fields(key)))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            None => defaults,
        };
        types.insert(DEFAULT.to_owned(), Value::Object(of_all));
    }
    let each: Vec<(&str, &Value)> = types.iter().map(|(name, it)| (name.as_str(), it)).collect();
    let union = union(&each, None);
    if !union.conflicts.is_empty() {
        return;
    }
    let before: Map<String, Value> = types.keys().map(|it| (it.clone(), json!(SHORT))).collect();
    draft.mappings = Value::Object(union.mapping);
    let after = json!({ "properties": SHORT });
    note(
        rule,
        draft,
        "mappings",
        (Some(Value::Object(before)), Some(after)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::version::{Product, ProductVersion, Version};
    use crate::diff::observation::ObjectKey;
    use crate::engines::metadata::{Versions, translate};

    fn codes(mappings: &Value, route: &Value) -> (Vec<&'static str>, Value) {
        let server = |product, major| ProductVersion {
            product,
            version: Version::new(major, 4, 0),
        };
        let versions = Versions {
            source: server(Product::Elasticsearch, 2),
            target: server(Product::OpenSearch, 2),
        };
        let key = ObjectKey {
            kind: ObjectKind::Index,
            name: "i".into(),
        };
        let body = json!({"settings": {}, "mappings": mappings, "types": route});
        let done = translate(&key, &body, versions, &std::collections::BTreeSet::new());
        let codes = done.findings.iter().map(|it| it.rule.code);
        (codes.collect(), done.body["mappings"].clone())
    }

    #[test]
    fn a_routing_is_lost_where_no_join_field_asks_for_it() {
        let required = json!({"required": true});
        let join = json!({"field": "join", "parents": {"b": "a"}});
        let route = json!({"types": ["a", "b"], "join": join});
        let child = json!({"_parent": {"type": "a"}, "_routing": required});
        let (found, _) = codes(&json!({"a": {}, "b": child}), &route);
        assert_eq!(found, ["MIG204", "MIG206"]);
        let (found, mapping) = codes(&json!({"a": {"_routing": required}, "b": child}), &route);
        assert_eq!(
            (found, &mapping["_routing"]),
            (vec!["MIG204", "MIG206"], &required)
        );
        let (found, mapping) = codes(
            &json!({"a": {"_routing": required}, "b": {}}),
            &json!({"types": ["a", "b"]}),
        );
        assert_eq!(
            (found, mapping.get("_routing")),
            (vec!["MIG201", "MIG203"], None)
        );
    }
}
