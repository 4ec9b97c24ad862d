//! Stored scripts: what Painless called otherwise before Elasticsearch 7.
//!
//! The source is changed as text, at names that mean one thing only. Deliberately absent: understanding of Painless;
//! scripts in other languages, of which those that the target lacks are listed as not moved.

use serde_json::{Value, json};

use super::super::lines::OS_ES_7;
use crate::base::version::Product;
use crate::diff::observation::ObjectKind;
use crate::engines::metadata::draft::{Change, Draft};
use crate::engines::metadata::rule::{Level, Line, Lines, Proof, Rule};

const BEFORE_7: Lines = Lines(&[Line {
    product: Product::Elasticsearch,
    since: (0, 0),
    before: Some((7, 0)),
}]);
const SCRIPTS: &[ObjectKind] = &[ObjectKind::Script];

/// The longer ones first.
const AGGREGATIONS: &[(&str, &str)] = &[("params._aggs", "states"), ("params._agg", "state")];
const DATES: &[(&str, &str)] = &[
    (".value.getMillis()", ".value.toInstant().toEpochMilli()"),
    (".value.millis", ".value.toInstant().toEpochMilli()"),
    ("'].date.", "'].value."),
];

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG230",
        title: "scripted metrics keep their state under another name",
        source: BEFORE_7,
        target: OS_ES_7,
        objects: SCRIPTS,
        level: Level::Warn,
        lossy: false,
        why: "`params._agg` and `params._aggs` were taken out in Elasticsearch 7: `state` and `states` stand for them",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/7.0/breaking-changes-7.0.html",
        proof: Proof::TranslatedOnly,
        before: r#"{"script": {"lang": "painless", "source": "params._agg.n = 0"}}"#,
        after: r#"{"script": {"lang": "painless", "source": "state.n = 0"}}"#,
        apply: |rule, draft, _versions| replace(rule, draft, AGGREGATIONS),
    },
    Rule {
        code: "MIG231",
        title: "dates in scripts are those of java.time",
        source: BEFORE_7,
        target: OS_ES_7,
        objects: SCRIPTS,
        level: Level::Warn,
        lossy: false,
        why: "before Elasticsearch 7 a date of a document was one of Joda-Time, whose milliseconds had another name",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/7.0/breaking-changes-7.0.html",
        proof: Proof::TranslatedOnly,
        before: r#"{"script": {"lang": "painless", "source": "doc['at'].value.millis > params.since"}}"#,
        after: r#"{"script": {"lang": "painless", "source": "doc['at'].value.toInstant().toEpochMilli() > params.since"}}"#,
        apply: |rule, draft, _versions| replace(rule, draft, DATES),
    },
];

fn replace(rule: &'static Rule, draft: &mut Draft, names: &[(&str, &str)]) {
    let Some(Value::Object(script)) = draft.beside.get_mut("script") else {
        return;
    };
    if script
        .get("lang")
        .is_some_and(|lang| *lang != json!("painless"))
    {
        return;
    }
    let Some(Value::String(source)) = script.get_mut("source") else {
        return;
    };
    let mut changed = source.clone();
    for (old, new) in names {
        changed = changed.replace(old, new);
    }
    if changed == *source {
        return;
    }
    let before = std::mem::replace(source, changed.clone());
    let change = Change {
        path: "script.source",
        before: Some(json!(before)),
        after: Some(json!(changed)),
    };
    draft.note(rule, change);
}
