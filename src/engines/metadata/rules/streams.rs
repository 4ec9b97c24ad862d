//! Data streams: what marks their backing indices, and what templates say of them that a target does not know.

use serde_json::{Map, Value, json};

use super::lines::OPENSEARCH;
use crate::diff::observation::ObjectKind;
use crate::engines::metadata::draft::{Change, Draft};
use crate::engines::metadata::rule::{Level, Lines, Proof, Rule, Versions};

const HIDDEN: &[&str] = &["index.hidden"];
const TIMESTAMP_MARK: &str = "_data_stream_timestamp";

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG270",
        title: "a backing index becomes an ordinary index",
        source: Lines::ANY,
        target: Lines::ANY,
        objects: &[ObjectKind::Index],
        level: Level::Allow,
        lossy: false,
        why: "names with a dot in front are for servers: the index loses it, and the stream's name becomes an alias",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.11/data-streams.html#backing-indices",
        proof: Proof::Target,
        before: r#"{"settings": {}, "mappings": {}, "data_stream": "logs-app"}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: unbind,
    },
    Rule {
        code: "MIG271",
        title: "what marks a backing index is left to the server",
        source: Lines::ANY,
        target: Lines::ANY,
        objects: &[ObjectKind::Index],
        level: Level::Allow,
        lossy: false,
        why: "a server marks the indices behind its data streams by itself, and an ordinary index has no such marks",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.11/data-streams.html",
        proof: Proof::Target,
        before: r#"{"settings": {"index.hidden": "true"},
            "mappings": {"_data_stream_timestamp": {"enabled": true}, "properties": {"@timestamp": {"type": "date"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"@timestamp": {"type": "date"}}}}"#,
        apply: unmark,
    },
    Rule {
        code: "MIG272",
        title: "data streams are neither hidden nor routed",
        source: Lines::ANY,
        target: OPENSEARCH,
        objects: &[ObjectKind::IndexTemplate],
        level: Level::Warn,
        lossy: true,
        why: "the target passes over these words of a template: streams made by it are seen by `*`, and refuse documents with a routing",
        link: "https://docs.opensearch.org/latest/im-plugin/data-streams/",
        proof: Proof::Target,
        before: r#"{"index_patterns": ["l*"], "data_stream": {"hidden": true, "allow_custom_routing": true}}"#,
        after: r#"{"index_patterns": ["l*"], "data_stream": {}}"#,
        apply: neither_hidden_nor_routed,
    },
    Rule {
        code: "MIG273",
        title: "the lifecycle within a template is not carried over",
        source: Lines::ANY,
        target: OPENSEARCH,
        objects: &[ObjectKind::ComponentTemplate, ObjectKind::IndexTemplate],
        level: Level::Warn,
        lossy: true,
        why: "the target has no lifecycle of data streams: nothing rolls them over or removes old documents until a policy of Index State Management does",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.11/data-stream-lifecycle.html",
        proof: Proof::Target,
        before: r#"{"index_patterns": ["l*"], "template": {"lifecycle": {"data_retention": "7d"}}}"#,
        after: r#"{"index_patterns": ["l*"], "template": {}}"#,
        apply: without_lifecycle,
    },
];

fn unbind(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    if let Some(stream) = draft.beside.remove("data_stream") {
        let change = Change {
            path: "data_stream",
            before: Some(stream),
            after: None,
        };
        draft.note(rule, change);
    }
}

fn unmark(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let Value::Object(mappings) = &mut draft.mappings else {
        return;
    };
    let Some(mark) = mappings.remove(TIMESTAMP_MARK) else {
        return;
    };
    let change = Change {
        path: "mappings._data_stream_timestamp",
        before: Some(mark),
        after: None,
    };
    draft.note(rule, change);
    draft.drop_settings(rule, HIDDEN);
}

fn neither_hidden_nor_routed(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let Some(Value::Object(stream)) = draft.beside.get_mut("data_stream") else {
        return;
    };
    let mut dropped: Map<String, Value> = Map::new();
    for name in ["hidden", "allow_custom_routing"] {
        let value = stream.remove(name);
        // Servers write the defaults out; those are no loss.
        if value == Some(json!(true)) {
            dropped.insert(name.to_owned(), json!(true));
        }
    }
    for (name, value) in dropped {
        draft.note_beside(rule, format!("data_stream.{name}"), value);
    }
}

fn without_lifecycle(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let Some(Value::Object(template)) = draft.beside.get_mut("template") else {
        return;
    };
    if let Some(lifecycle) = template.remove("lifecycle") {
        draft.note_beside(rule, "template.lifecycle".to_owned(), lifecycle);
    }
}
