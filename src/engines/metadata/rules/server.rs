//! What a server sets by itself and refuses from anyone else.

use serde_json::{Map, Value};

use crate::base::settings::PRIVATE;
use crate::diff::observation::ObjectKind;
use crate::engines::metadata::draft::{Change, Draft};
use crate::engines::metadata::rule::{Level, Lines, Proof, Rule, Versions};

pub(super) const RULES: &[Rule] = &[Rule {
    code: "MIG101",
    title: "settings that a server sets by itself are not carried over",
    source: Lines::ANY,
    target: Lines::ANY,
    objects: &[ObjectKind::Index],
    level: Level::Allow,
    lossy: false,
    why: "the target sets these by itself and refuses them in a request",
    link: "https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/index-settings/",
    proof: Proof::Target,
    before: r#"{"settings": {"index.number_of_shards": "1", "index.uuid": "nlv2BAfUSciNUL3myIxRYQ",
        "index.creation_date": "1605700000000", "index.version.created": "7100299"}, "mappings": {}}"#,
    after: r#"{"settings": {"index.number_of_shards": "1"}, "mappings": {}}"#,
    apply: drop_private,
}];

/// One edit for all of them: they are of no interest one by one.
fn drop_private(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let dropped: Map<String, Value> = draft
        .take_settings(PRIVATE)
        .into_iter()
        .map(|(key, value)| (key.trim_start_matches("index.").to_owned(), value))
        .collect();
    if !dropped.is_empty() {
        let change = Change {
            path: "settings.index",
            before: Some(Value::Object(dropped)),
            after: None,
        };
        draft.note(rule, change);
    }
}
