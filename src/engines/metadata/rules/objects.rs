//! Objects: how they grow, what their names may be, and aliases of fields.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::lines::{ELASTICSEARCH, ES_7, ES_8, ES_BELOW_5, OPENSEARCH, OS_ES_5};
use crate::diff::observation::ObjectKind;
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::fields::{At, each_field_at, is_object, type_of};
use crate::engines::metadata::rule::{DENIED, Lines, Proof, Rule, Versions, WARNED};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG138",
        title: "dots in names become objects",
        source: ES_8,
        target: OPENSEARCH,
        why: "the target has no `subobjects: false`: it makes objects of names with dots, which searches see alike",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/subobjects.html",
        before: r#"{"settings": {}, "mappings": {"subobjects": false, "properties": {"cpu.load": {"type": "long"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"cpu.load": {"type": "long"}}}}"#,
        apply: |rule, draft, _versions| {
            draft.drop_parameters(rule, &["subobjects"], &|_, _| true);
            draft.drop_at_root(rule, &|name, _| name == "subobjects");
        },
        ..WARNED
    },
    Rule {
        code: "MIG139",
        title: "a field below another field's name is dropped",
        source: Lines::ANY,
        target: Lines::ANY,
        why: "`a` can't be a value and hold `a.b`: documents that have both are refused until a transform renames one",
        link: "https://docs.opensearch.org/latest/mappings/supported-field-types/object/",
        before: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "long"}, "a.b": {"type": "long"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "long"}}}}"#,
        apply: drop_clashing,
        ..DENIED
    },
    Rule {
        code: "MIG141",
        title: "new fields are indexed instead of being read at runtime",
        source: ES_7,
        target: OPENSEARCH,
        why: "the target has no runtime fields: what documents bring is added to the mapping, which takes disk and counts towards the limit of fields",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/dynamic.html",
        before: r#"{"settings": {}, "mappings": {"dynamic": "runtime"}}"#,
        after: r#"{"settings": {}, "mappings": {"dynamic": "true"}}"#,
        apply: index_what_is_new,
        ..WARNED
    },
    Rule {
        code: "MIG142",
        title: "`passthrough` objects become ordinary ones",
        source: ES_8,
        target: OPENSEARCH,
        proof: Proof::TranslatedOnly,
        why: "their fields are found by their whole names only, and no longer as if they stood at the root",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/passthrough.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"labels": {"type": "passthrough", "priority": 10, "properties": {"a": {"type": "keyword"}}}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"labels": {"type": "object", "properties": {"a": {"type": "keyword"}}}}}}"#,
        apply: |rule, draft, _versions| {
            draft.change_fields(
                rule,
                &|_, field| type_of(field) == "passthrough",
                &|_, field| {
                    field.insert("type".into(), "object".into());
                    field.remove("priority");
                    field.remove("time_series_dimension");
                },
            );
        },
        ..DENIED
    },
    Rule {
        code: "MIG143",
        title: "what old servers said of paths in objects is dropped",
        source: ES_BELOW_5,
        target: OS_ES_5,
        why: "fields are found by their whole paths only: `path: just_name` and `index_name` gave them others",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/2.4/breaking_20_mapping_changes.html",
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {}, "mappings": {"properties": {"tags": {"type": "keyword", "index_name": "tag"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"tags": {"type": "keyword"}}}}"#,
        apply: |rule, draft, _versions| {
            draft.drop_parameters(rule, &["path", "index_name"], &|_, field| {
                type_of(field) != "alias"
            });
        },
        ..DENIED
    },
    Rule {
        code: "MIG144",
        title: "a field whose name the target refuses is dropped",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        why: "a part of a name between dots must not be empty: documents that have it are refused until a transform renames it",
        link: "https://docs.opensearch.org/latest/mappings/",
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {}, "mappings": {"properties": {"a..b": {"type": "long"}, "c": {"type": "long"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"c": {"type": "long"}}}}"#,
        apply: |rule, draft, _versions| {
            drop_properties(rule, draft, &|name, _| name.split('.').any(str::is_empty));
        },
        ..DENIED
    },
];

/// The rule that comes last: what aliases point at must be there when all others are through.
pub(super) const LAST: &[Rule] = &[Rule {
    code: "MIG145",
    // A template need not hold the field that its alias names.
    objects: &[ObjectKind::Index],
    title: "an alias of a field that can't be searched is dropped",
    source: Lines::ANY,
    target: Lines::ANY,
    why: "an alias must name a field of the mapping that is no alias itself; the field it named is not there any more",
    link: "https://docs.opensearch.org/latest/mappings/supported-field-types/alias/",
    before: r#"{"settings": {}, "mappings": {"properties": {"a": {"type": "alias", "path": "a"}}}}"#,
    after: r#"{"settings": {}, "mappings": {"properties": {}}}"#,
    apply: drop_dangling_aliases,
    ..DENIED
}];

fn index_what_is_new(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let is_runtime = |value: Option<&Value>| value.and_then(Value::as_str) == Some("runtime");
    if let Value::Object(root) = &mut draft.mappings
        && is_runtime(root.get("dynamic"))
    {
        let before = root.insert("dynamic".into(), "true".into());
        draft.note_at(rule, "mappings.dynamic", before, Some("true".into()));
    }
    draft.change_fields(
        rule,
        &|_, field| is_runtime(field.get("dynamic")),
        &|_, field| {
            field.insert("dynamic".into(), "true".into());
        },
    );
}

/// Takes fields out of `properties`, wherever these stand.
pub(super) fn drop_properties(
    rule: &'static Rule,
    draft: &mut Draft,
    meant: &dyn Fn(&str, &Value) -> bool,
) {
    let mut dropped = Vec::new();
    let mut from = |path: &str, definition: &mut Map<String, Value>| {
        let Some(Value::Object(properties)) = definition.get_mut("properties") else {
            return;
        };
        let names: Vec<String> = properties
            .iter()
            .filter(|(name, field)| meant(name, field))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            if let Some(field) = properties.remove(&name) {
                dropped.push((format!("{path}.properties.{name}"), field));
            }
        }
    };
    if let Value::Object(root) = &mut draft.mappings {
        from("mappings", root);
    }
    each_field_at(&mut draft.mappings, &mut |at, field| from(at.path, field));
    draft.note_dropped(rule, dropped);
}

/// What stands beside a value under its name with a dot behind it.
fn drop_clashing(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let mut dropped = Vec::new();
    let mut from = |path: &str, definition: &mut Map<String, Value>| {
        let Some(Value::Object(properties)) = definition.get_mut("properties") else {
            return;
        };
        let is_value = |name: &str| {
            properties
                .get(name)
                .and_then(Value::as_object)
                .is_some_and(|field| !is_object(field))
        };
        let names: Vec<String> = properties
            .keys()
            .filter(|name| {
                name.match_indices('.')
                    .any(|(at, _)| name.get(..at).is_some_and(is_value))
            })
            .cloned()
            .collect();
        for name in names {
            if let Some(field) = properties.remove(&name) {
                dropped.push((format!("{path}.properties.{name}"), field));
            }
        }
    };
    if let Value::Object(root) = &mut draft.mappings {
        from("mappings", root);
    }
    each_field_at(&mut draft.mappings, &mut |at, field| {
        if is_object(field) {
            from(at.path, field);
        }
    });
    draft.note_dropped(rule, dropped);
}

/// The name of a field in searches, from its place in the mapping.
pub(super) fn name_of(path: &str) -> Option<String> {
    let below = path.strip_prefix("mappings.properties.")?;
    Some(below.replace(".properties.", ".").replace(".fields.", "."))
}

fn drop_dangling_aliases(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let mut there = BTreeSet::new();
    let mut aliases = 0_usize;
    each_field_at(&mut draft.mappings, &mut |at: At<'_>, field| {
        if type_of(field) == "alias" {
            aliases += 1;
        } else if !is_object(field)
            && let Some(name) = name_of(at.path)
        {
            there.insert(name);
        }
    });
    if aliases == 0 {
        return;
    }
    drop_properties(rule, draft, &|_, field| {
        let path = field.get("path").and_then(Value::as_str);
        field.get("type").and_then(Value::as_str) == Some("alias")
            && path.is_none_or(|path| !there.contains(path))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_searches() {
        assert_eq!(
            name_of("mappings.properties.a.properties.b.fields.raw").as_deref(),
            Some("a.b.raw")
        );
        assert_eq!(name_of("mappings.dynamic_templates.t.mapping"), None);
    }
}
