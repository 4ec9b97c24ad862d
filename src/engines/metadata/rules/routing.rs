//! Where documents land.

use serde_json::{Value, json};

use crate::diff::observation::ObjectKind;
use crate::engines::metadata::draft::{Change, Draft};
use crate::engines::metadata::rule::{Level, Lines, Proof, Rule, Versions};

pub(super) const RULES: &[Rule] = &[Rule {
    code: "MIG102",
    title: "the number of routing shards is kept",
    source: Lines::ANY,
    target: Lines::ANY,
    objects: &[ObjectKind::Index],
    level: Level::Allow,
    lossy: false,
    why: "documents land in the same shards as at the source, with custom routing too, and splits stay possible",
    link: "https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/index-settings/",
    proof: Proof::Target,
    before: r#"{"settings": {"index.number_of_shards": "2"}, "mappings": {}, "routing_num_shards": 1024}"#,
    after: r#"{"settings": {"index.number_of_shards": "2", "index.number_of_routing_shards": "1024"}, "mappings": {}}"#,
    apply: keep_routing_shards,
}];

fn keep_routing_shards(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    const KEY: &str = "index.number_of_routing_shards";
    let Some(shards) = draft.routing_num_shards else {
        return;
    };
    let value = json!(shards.to_string());
    let before: Option<Value> = draft.settings.insert(KEY.to_owned(), value.clone());
    if before.as_ref() != Some(&value) {
        let change = Change {
            path: "settings.index.number_of_routing_shards",
            before,
            after: Some(value),
        };
        draft.note(rule, change);
    }
}
