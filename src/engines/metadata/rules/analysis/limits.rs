//! Limits that newer servers put to grams and shingles: they are raised to what the index uses.

use super::{PREFIX, parts_of};
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::rule::{ALLOWED, Rule, Versions};
use crate::engines::metadata::rules::lines::{ES_BELOW_7, OS_ES_7};

pub(super) const RULES: &[Rule] = &[Rule {
    code: "MIG187",
    title: "limits of grams and shingles are raised to what the index uses",
    source: ES_BELOW_7,
    target: OS_ES_7,
    why: "from Elasticsearch 7 on an index is refused whose grams or shingles differ in length by more than a setting says",
    link: "https://www.elastic.co/guide/en/elasticsearch/reference/7.17/breaking-changes-7.0.html",
    before: r#"{"settings": {"index.analysis.filter.f.type": "ngram", "index.analysis.filter.f.min_gram": "2", "index.analysis.filter.f.max_gram": "10"}, "mappings": {}}"#,
    after: r#"{"settings": {"index.analysis.filter.f.type": "ngram", "index.analysis.filter.f.min_gram": "2", "index.analysis.filter.f.max_gram": "10", "index.max_ngram_diff": "8"}, "mappings": {}}"#,
    apply: raise,
    ..ALLOWED
}];

/// What a part differs by, and what the servers allow and take where nothing is said.
struct Limit {
    setting: &'static str,
    allowed: u64,
    smallest: (&'static str, u64),
    largest: (&'static str, u64),
}

const GRAMS: Limit = Limit {
    setting: "index.max_ngram_diff",
    allowed: 1,
    smallest: ("min_gram", 1),
    largest: ("max_gram", 2),
};

const SHINGLES: Limit = Limit {
    setting: "index.max_shingle_diff",
    allowed: 3,
    smallest: ("min_shingle_size", 2),
    largest: ("max_shingle_size", 2),
};

fn raise(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    for limit in [GRAMS, SHINGLES] {
        let mut needed = 0;
        for kind in ["filter", "tokenizer"] {
            for (name, is) in parts_of(draft, kind) {
                let concerned = match limit.setting {
                    "index.max_ngram_diff" => matches!(is.as_str(), "ngram" | "nGram"),
                    _ => is == "shingle",
                };
                if !concerned {
                    continue;
                }
                let number = |(parameter, default): (&str, u64)| {
                    draft
                        .setting(&format!("{PREFIX}{kind}.{name}.{parameter}"))
                        .and_then(|text| text.parse::<u64>().ok())
                        .unwrap_or(default)
                };
                let mut differs = number(limit.largest).saturating_sub(number(limit.smallest));
                let unigrams = draft.setting(&format!("{PREFIX}{kind}.{name}.output_unigrams"));
                if is == "shingle" && unigrams != Some("false") {
                    differs += 1;
                }
                needed = needed.max(differs);
            }
        }
        let allowed = draft
            .setting(limit.setting)
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(limit.allowed);
        if needed > allowed {
            draft.set_setting(rule, limit.setting, needed.to_string().into());
        }
    }
}
