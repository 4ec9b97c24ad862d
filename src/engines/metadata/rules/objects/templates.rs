//! Templates: the clause that chose indices before Elasticsearch 6, and legacy ones that became composable.

use serde_json::{Value, json};

use crate::base::version::Product;
use crate::diff::observation::ObjectKind;
use crate::engines::metadata::composable::{MADE_OF, OVERLAPS};
use crate::engines::metadata::draft::{Change, Draft};
use crate::engines::metadata::rule::{Level, Line, Lines, Proof, Rule, Versions};

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG264",
        title: "the pattern of a template stands in a list",
        source: Lines(&[Line {
            product: Product::Elasticsearch,
            since: (0, 0),
            before: Some((6, 0)),
        }]),
        target: Lines::ANY,
        objects: &[ObjectKind::LegacyTemplate],
        level: Level::Allow,
        lossy: false,
        why: "since Elasticsearch 6 a template has a list of patterns in the place of one",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/6.0/breaking_60_indices_changes.html",
        proof: Proof::Target,
        before: r#"{"template": "logs-*", "order": 1}"#,
        after: r#"{"index_patterns": ["logs-*"], "order": 1}"#,
        apply: pattern_list,
    },
    Rule {
        code: "MIG265",
        title: "a legacy template becomes a composable one",
        source: Lines::ANY,
        target: Lines::ANY,
        objects: &[ObjectKind::IndexTemplate],
        level: Level::Allow,
        lossy: false,
        why: "by the plan's `legacy-templates: composable`: of composable templates one alone applies, so that it holds what all the legacy ones gave to its indices",
        link: "https://docs.opensearch.org/latest/im-plugin/index-templates/",
        proof: Proof::Target,
        before: r#"{"index_patterns": ["logs-*"], "priority": 1, "made_of": {"order": 0, "templates": ["all", "logs"]}}"#,
        after: r#"{"index_patterns": ["logs-*"], "priority": 1}"#,
        apply: made_of,
    },
    Rule {
        code: "MIG266",
        title: "two templates match the same names and neither covers the other",
        source: Lines::ANY,
        target: Lines::ANY,
        objects: &[ObjectKind::IndexTemplate],
        level: Level::Deny,
        lossy: true,
        why: "an index that both match gets what the one of higher priority says, and nothing of the other: give them patterns that do not meet, or keep them legacy",
        link: "https://docs.opensearch.org/latest/im-plugin/index-templates/",
        proof: Proof::TranslatedOnly,
        before: r#"{"index_patterns": ["logs-*"], "priority": 1, "overlaps": ["legacy template apps"]}"#,
        after: r#"{"index_patterns": ["logs-*"], "priority": 1}"#,
        apply: overlaps,
    },
];

fn pattern_list(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let Some(pattern @ Value::String(_)) = draft.beside.get("template").cloned() else {
        return;
    };
    draft.beside.remove("template");
    draft
        .beside
        .insert("index_patterns".into(), json!([pattern]));
    let change = Change {
        path: "index_patterns",
        before: Some(json!({ "template": pattern })),
        after: Some(json!([pattern])),
    };
    draft.note(rule, change);
}

fn made_of(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let Some(made_of) = draft.beside.remove(MADE_OF) else {
        return;
    };
    let after = json!({ "priority": draft.beside.get("priority") });
    draft.note_whole(
        rule,
        Change {
            path: "priority",
            before: Some(made_of),
            after: Some(after),
        },
    );
}

fn overlaps(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let Some(Value::Array(others)) = draft.beside.remove(OVERLAPS) else {
        return;
    };
    for other in others {
        draft.note_whole(
            rule,
            Change {
                path: "index_patterns",
                before: Some(other),
                after: None,
            },
        );
    }
}
