//! Lists that old servers keep as numbered settings.

use std::collections::BTreeMap;

use serde_json::Value;

use super::lines::{ES_BELOW_6_1, OS_ES_6};
use crate::diff::observation::ObjectKind;
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::rule::{ALLOWED, Rule, Versions};

pub(super) const RULES: &[Rule] = &[Rule {
    code: "MIG104",
    title: "numbered settings become lists",
    source: ES_BELOW_6_1,
    target: OS_ES_6,
    objects: &[
        ObjectKind::LegacyTemplate,
        ObjectKind::IndexTemplate,
        ObjectKind::ComponentTemplate,
        ObjectKind::Index,
    ],
    why: "the source keeps a list as `key.0`, `key.1`, which the target does not know",
    link: "https://www.elastic.co/guide/en/elasticsearch/reference/6.8/index-modules.html",
    before: r#"{"settings": {"index.analysis.analyzer.a.filter.0": "lowercase", "index.analysis.analyzer.a.filter.1": "stop"}, "mappings": {}}"#,
    after: r#"{"settings": {"index.analysis.analyzer.a.filter": ["lowercase", "stop"]}, "mappings": {}}"#,
    apply: fold,
    ..ALLOWED
}];

/// One edit for all of a list.
fn fold(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let mut lists: BTreeMap<String, BTreeMap<usize, Value>> = BTreeMap::new();
    for (key, value) in &draft.settings {
        if let Some((list, number)) = key.rsplit_once('.')
            && number.len() <= 6
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && let Ok(number) = number.parse()
        {
            lists
                .entry(list.to_owned())
                .or_default()
                .insert(number, value.clone());
        }
    }
    for (list, items) in lists {
        // A hole is no list; something is called by a number then.
        if items.keys().copied().ne(0..items.len()) || draft.settings.contains_key(&list) {
            continue;
        }
        for number in items.keys() {
            draft.settings.remove(&format!("{list}.{number}"));
        }
        draft.set_setting(rule, &list, Value::Array(items.into_values().collect()));
    }
}
