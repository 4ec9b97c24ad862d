//! Ingest pipelines: processors and parameters that OpenSearch does not have, or calls otherwise.
//!
//! Which these are was asked of OpenSearch 2.19.1 and 3.3.0. What else a target does not take, it says itself when
//! planning. Deliberately absent: scripts of conditions (`if`), which are carried over as they are.

use serde_json::{Map, Value, json};

use super::super::lines::{ELASTICSEARCH, OPENSEARCH};
use super::processors::{Look, Verdict, each_processor};
use crate::base::version::Product;
use crate::diff::observation::ObjectKind;
use crate::engines::metadata::draft::{Change, Draft};
use crate::engines::metadata::rule::{Level, Line, Lines, Proof, Rule, Versions};

const PIPELINES: &[ObjectKind] = &[ObjectKind::IngestPipeline];
/// With a processor that copies.
const WITH_COPY: Lines = Lines(&[Line {
    product: Product::OpenSearch,
    since: (2, 12),
    before: None,
}]);

/// Processors of Elasticsearch that no OpenSearch has, at least not by this name and with these parameters.
const ABSENT: &[&str] = &[
    "cef",
    "circle",
    "community_id",
    "enrich",
    "geo_grid",
    "inference",
    "ip_location",
    "network_direction",
    "normalize_for_stream",
    "recover_failure_document",
    "redact",
    "registered_domain",
    "reroute",
    "set_security_user",
    "terminate",
    "uri_parts",
];
/// The first OpenSearch with a `fingerprint` processor.
const FINGERPRINT_SINCE: (u16, u16) = (2, 16);

/// Parameters that OpenSearch does not have: processor, parameter, and the value that changes nothing.
const PARAMETERS: &[(&str, &str, Option<&str>)] = &[
    ("append", "copy_from", None),
    ("append", "ignore_empty_values", Some("false")),
    ("append", "media_type", Some("application/json")),
    ("dot_expander", "override", Some("false")),
    (
        "geoip",
        "download_database_on_pipeline_creation",
        Some("true"),
    ),
    ("grok", "ecs_compatibility", Some("disabled")),
    ("json", "add_to_root_conflict_strategy", Some("replace")),
    ("json", "allow_duplicate_keys", Some("false")),
    ("json", "strict_json_parsing", Some("true")),
    ("pipeline", "ignore_missing_pipeline", Some("false")),
    ("set", "media_type", Some("application/json")),
    ("user_agent", "extract_device_type", Some("false")),
];

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG220",
        title: "processors that OpenSearch does not have are taken out",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: PIPELINES,
        level: Level::Deny,
        lossy: true,
        why: "OpenSearch has no such processor: documents would come out of the pipeline without what it did",
        link: "https://docs.opensearch.org/latest/ingest-pipelines/processors/index-processors/",
        proof: Proof::Target,
        before: r#"{"processors": [{"uri_parts": {"field": "url"}}, {"trim": {"field": "name"}}]}"#,
        after: r#"{"processors": [{"trim": {"field": "name"}}]}"#,
        apply: drop_absent,
    },
    Rule {
        code: "MIG221",
        title: "fingerprints are computed otherwise",
        source: ELASTICSEARCH,
        target: Lines(&[Line {
            product: Product::OpenSearch,
            since: FINGERPRINT_SINCE,
            before: None,
        }]),
        objects: PIPELINES,
        level: Level::Deny,
        lossy: true,
        why: "OpenSearch has a processor of this name that takes no salt and writes other values: those of old and new documents do not compare",
        link: "https://docs.opensearch.org/latest/ingest-pipelines/processors/fingerprint/",
        proof: Proof::Target,
        before: r#"{"processors": [{"fingerprint": {"fields": ["user"], "method": "SHA-256", "salt": "x"}}]}"#,
        after: r#"{"processors": [{"fingerprint": {"fields": ["user"], "hash_method": "SHA-256@2.16.0"}}]}"#,
        apply: fingerprint,
    },
    Rule {
        code: "MIG222",
        title: "parameters that OpenSearch does not have are taken out",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: PIPELINES,
        level: Level::Deny,
        lossy: true,
        why: "OpenSearch does not know the parameter, which says here something else than what is done without it",
        link: "https://docs.opensearch.org/latest/ingest-pipelines/processors/index-processors/",
        proof: Proof::Target,
        before: r#"{"processors": [{"pipeline": {"name": "next", "ignore_missing_pipeline": true}}]}"#,
        after: r#"{"processors": [{"pipeline": {"name": "next"}}]}"#,
        apply: |rule, draft, _versions| drop_parameters(rule, draft, false),
    },
    Rule {
        code: "MIG223",
        title: "parameters that change nothing are taken out",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: PIPELINES,
        level: Level::Allow,
        lossy: false,
        why: "OpenSearch does not know the parameter and does without it what it says",
        link: "https://docs.opensearch.org/latest/ingest-pipelines/processors/index-processors/",
        proof: Proof::Target,
        before: r#"{"processors": [{"json": {"field": "raw", "strict_json_parsing": true}}]}"#,
        after: r#"{"processors": [{"json": {"field": "raw"}}]}"#,
        apply: |rule, draft, _versions| drop_parameters(rule, draft, true),
    },
    Rule {
        code: "MIG224",
        title: "`set` with `copy_from` becomes `copy`",
        source: ELASTICSEARCH,
        target: WITH_COPY,
        objects: PIPELINES,
        level: Level::Allow,
        lossy: false,
        why: "OpenSearch copies fields by a processor of its own",
        link: "https://docs.opensearch.org/latest/ingest-pipelines/processors/copy/",
        proof: Proof::Target,
        before: r#"{"processors": [{"set": {"field": "b", "copy_from": "a"}}]}"#,
        after: r#"{"processors": [{"copy": {"source_field": "a", "target_field": "b", "override_target": true}}]}"#,
        apply: copy,
    },
    Rule {
        code: "MIG225",
        title: "parameters get the names that OpenSearch has for them",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: PIPELINES,
        level: Level::Allow,
        lossy: false,
        why: "the same parameter has another name there",
        link: "https://docs.opensearch.org/latest/ingest-pipelines/processors/rename/",
        proof: Proof::Target,
        before: r#"{"processors": [{"rename": {"field": "a", "target_field": "b", "override": true}}, {"remove": {"keep": ["c"]}}]}"#,
        after: r#"{"processors": [{"rename": {"field": "a", "target_field": "b", "override_target": true}}, {"remove": {"exclude_field": ["c"]}}]}"#,
        apply: rename_parameters,
    },
    Rule {
        code: "MIG226",
        title: "notes on a pipeline are not carried over",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        objects: PIPELINES,
        level: Level::Warn,
        lossy: true,
        why: "OpenSearch keeps no metadata with a pipeline; what it does to documents is not touched",
        link: "https://docs.opensearch.org/latest/ingest-pipelines/create-ingest/",
        proof: Proof::Target,
        before: r#"{"processors": [], "_meta": {"team": "web"}, "deprecated": false}"#,
        after: r#"{"processors": []}"#,
        apply: drop_notes,
    },
    Rule {
        code: "MIG227",
        title: "`set` with `copy_from` is taken out",
        source: ELASTICSEARCH,
        target: Lines(&[Line {
            product: Product::OpenSearch,
            since: (0, 0),
            before: Some((2, 12)),
        }]),
        objects: PIPELINES,
        level: Level::Deny,
        lossy: true,
        why: "OpenSearch before 2.12 copies no field with its type: a newer one has a processor for it",
        link: "https://docs.opensearch.org/latest/ingest-pipelines/processors/set/",
        proof: Proof::TranslatedOnly,
        before: r#"{"processors": [{"set": {"field": "b", "copy_from": "a"}}]}"#,
        after: r#"{"processors": []}"#,
        apply: drop_copies,
    },
];

/// What was done to a processor.
struct Done {
    path: String,
    before: Option<Value>,
    after: Option<Value>,
}

/// Lets `look` at every processor, with a list for what it does.
fn change(
    rule: &'static Rule,
    draft: &mut Draft,
    look: impl Fn(&str, &str, &mut Map<String, Value>, &mut Vec<Done>) -> Verdict,
) {
    let mut done = Vec::new();
    let visit: &mut Look<'_> =
        &mut |path, name, parameters| look(path, name, parameters, &mut done);
    each_processor(&mut draft.beside, visit);
    for Done {
        path,
        before,
        after,
    } in done
    {
        let change = Change {
            path: &path,
            before,
            after,
        };
        draft.note(rule, change);
    }
}

fn dropped(path: &str, parameters: &Map<String, Value>) -> Done {
    Done {
        path: path.to_owned(),
        before: Some(Value::Object(parameters.clone())),
        after: None,
    }
}

fn drop_absent(rule: &'static Rule, draft: &mut Draft, versions: Versions) {
    let (major, minor, _) = versions.target.version.floor();
    change(rule, draft, |path, name, parameters, done| {
        let absent =
            ABSENT.contains(&name) || (name == "fingerprint" && (major, minor) < FINGERPRINT_SINCE);
        if !absent {
            return Verdict::Keep;
        }
        done.push(dropped(path, parameters));
        Verdict::Drop
    });
}

fn fingerprint(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    change(rule, draft, |path, name, parameters, done| {
        if name != "fingerprint" || parameters.contains_key("hash_method") {
            return Verdict::Keep;
        }
        let before = Value::Object(parameters.clone());
        parameters.remove("salt");
        let method = parameters.remove("method");
        // The default of Elasticsearch, and in the place of those that do not exist there.
        let method = method
            .as_ref()
            .and_then(Value::as_str)
            .filter(|method| ["MD5", "SHA-256"].contains(method))
            .unwrap_or("SHA-1");
        parameters.insert("hash_method".into(), json!(format!("{method}@2.16.0")));
        done.push(Done {
            path: path.to_owned(),
            before: Some(before),
            after: Some(Value::Object(parameters.clone())),
        });
        Verdict::Keep
    });
}

/// `harmless`: whether those are meant whose value says what is done without them.
fn drop_parameters(rule: &'static Rule, draft: &mut Draft, harmless: bool) {
    change(rule, draft, |path, name, parameters, done| {
        for (processor, parameter, default) in PARAMETERS {
            if *processor != name {
                continue;
            }
            let Some(value) = parameters.get(*parameter) else {
                continue;
            };
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if (*default == Some(text.as_str())) != harmless {
                continue;
            }
            if let Some(value) = parameters.remove(*parameter) {
                done.push(Done {
                    path: format!("{path}.{parameter}"),
                    before: Some(value),
                    after: None,
                });
            }
        }
        // Without the field that it would copy it has nothing to add.
        if name == "append" && !parameters.contains_key("value") {
            return Verdict::Drop;
        }
        Verdict::Keep
    });
    drop_access_pattern(rule, draft, harmless);
}

fn drop_access_pattern(rule: &'static Rule, draft: &mut Draft, harmless: bool) {
    const NAME: &str = "field_access_pattern";
    let is_default = draft.beside.get(NAME) == Some(&json!("classic"));
    if draft.beside.contains_key(NAME) && is_default == harmless {
        drop_root(rule, draft, NAME);
    }
}

fn drop_root(rule: &'static Rule, draft: &mut Draft, name: &str) {
    if let Some(value) = draft.beside.remove(name) {
        let change = Change {
            path: name,
            before: Some(value),
            after: None,
        };
        draft.note(rule, change);
    }
}

fn copy(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    change(rule, draft, |path, name, parameters, done| {
        if name != "set" {
            return Verdict::Keep;
        }
        let before = Value::Object(parameters.clone());
        let Some(from) = parameters.remove("copy_from") else {
            return Verdict::Keep;
        };
        parameters.remove("media_type");
        let into = parameters.remove("field").unwrap_or_default();
        let replaces = parameters.remove("override").unwrap_or(json!(true));
        if parameters.remove("ignore_empty_value") == Some(json!(true)) {
            parameters.insert("ignore_missing".into(), json!(true));
        }
        parameters.insert("source_field".into(), from);
        parameters.insert("target_field".into(), into);
        parameters.insert("override_target".into(), replaces);
        done.push(Done {
            path: path.to_owned(),
            before: Some(before),
            after: Some(json!({ "copy": parameters })),
        });
        Verdict::Become("copy")
    });
}

fn drop_copies(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    change(rule, draft, |path, name, parameters, done| {
        if name != "set" || !parameters.contains_key("copy_from") {
            return Verdict::Keep;
        }
        done.push(dropped(path, parameters));
        Verdict::Drop
    });
}

fn rename_parameters(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    const NAMES: [(&str, &str, &str); 2] = [
        ("rename", "override", "override_target"),
        ("remove", "keep", "exclude_field"),
    ];
    change(rule, draft, |path, name, parameters, done| {
        for (processor, old, new) in NAMES {
            if processor == name
                && let Some(value) = parameters.remove(old)
            {
                parameters.insert(new.into(), value.clone());
                done.push(Done {
                    path: format!("{path}.{old}"),
                    before: Some(json!({ old: value })),
                    after: Some(json!({ new: value })),
                });
            }
        }
        Verdict::Keep
    });
}

fn drop_notes(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    for name in ["_meta", "deprecated"] {
        drop_root(rule, draft, name);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::version::{ProductVersion, Version};
    use crate::diff::observation::ObjectKey;
    use crate::engines::metadata::translate;

    #[test]
    fn processors_within_processors_and_handlers_are_reached() {
        let pipeline = json!({"processors": [
            {"foreach": {"field": "list", "processor": {"redact": {"field": "_ingest._value"}}}},
            {"set": {"field": "x", "value": 1, "on_failure": [{"terminate": {}}]}},
            {"lowercase": {"field": "a", "on_failure": [{"rename": {"field": "a", "target_field": "b", "override": false}}]}}],
            "on_failure": [{"enrich": {"policy_name": "p"}}]});
        let key = ObjectKey {
            kind: ObjectKind::IngestPipeline,
            name: "p".into(),
        };
        let server = |product, major, minor| ProductVersion {
            product,
            version: Version::new(major, minor, 0),
        };
        let versions = Versions {
            source: server(Product::Elasticsearch, 8, 11),
            target: server(Product::OpenSearch, 2, 19),
        };
        let translation = translate(&key, &pipeline, versions, &BTreeSet::new());
        assert_eq!(
            translation.body,
            json!({"processors": [{"set": {"field": "x", "value": 1}},
                {"lowercase": {"field": "a", "on_failure": [{"rename": {"field": "a", "target_field": "b", "override_target": false}}]}}]})
        );
        let paths: Vec<&str> = translation
            .edits
            .iter()
            .map(|it| it.path.as_str())
            .collect();
        assert_eq!(
            paths,
            [
                "processors.0.foreach.processor.redact",
                "processors.1.set.on_failure.0.terminate",
                "on_failure.0.enrich",
                "processors.1.lowercase.on_failure.0.rename.override",
            ]
        );
    }
}
