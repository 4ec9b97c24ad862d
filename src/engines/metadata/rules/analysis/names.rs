//! Names of analysis that changed.

use super::{PREFIX, drop_part, is_own, parts_of, rename_listed};
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::rule::{ALLOWED, Rule, Versions};
use crate::engines::metadata::rules::lines::{ES_BELOW_7, ES_BELOW_8, OS_ES_7};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG185",
        title: "the token filter `standard` is left out",
        source: ES_BELOW_7,
        target: OS_ES_7,
        why: "it never did anything, and the target refuses it",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/7.17/breaking-changes-7.0.html",
        before: r#"{"settings": {"index.analysis.analyzer.a.tokenizer": "standard", "index.analysis.analyzer.a.filter": ["standard", "lowercase"]}, "mappings": {}}"#,
        after: r#"{"settings": {"index.analysis.analyzer.a.tokenizer": "standard", "index.analysis.analyzer.a.filter": ["lowercase"]}, "mappings": {}}"#,
        apply: drop_standard,
        ..ALLOWED
    },
    Rule {
        code: "MIG186",
        title: "names of filters and tokenizers become those of today",
        source: ES_BELOW_8,
        target: OS_ES_7,
        why: "the target refuses the old spelling; what it does is the same",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/7.17/breaking-changes-7.0.html",
        before: r#"{"settings": {"index.analysis.filter.f.type": "edgeNGram", "index.analysis.analyzer.a.filter": ["f", "delimited_payload_filter"], "index.analysis.analyzer.a.tokenizer": "standard"}, "mappings": {}}"#,
        after: r#"{"settings": {"index.analysis.filter.f.type": "edge_ngram", "index.analysis.analyzer.a.filter": ["f", "delimited_payload"], "index.analysis.analyzer.a.tokenizer": "standard"}, "mappings": {}}"#,
        apply: rename,
        ..ALLOWED
    },
];

/// Kind, old name, new name.
const NAMES: [(&str, &str, &str); 22] = [
    ("filter", "nGram", "ngram"),
    ("filter", "edgeNGram", "edge_ngram"),
    ("filter", "delimited_payload_filter", "delimited_payload"),
    ("filter", "porterStem", "porter_stem"),
    ("filter", "kStem", "kstem"),
    ("filter", "wordDelimiter", "word_delimiter"),
    ("filter", "arabicStem", "arabic_stem"),
    ("filter", "brazilianStem", "brazilian_stem"),
    ("filter", "czechStem", "czech_stem"),
    ("filter", "dutchStem", "dutch_stem"),
    ("filter", "frenchStem", "french_stem"),
    ("filter", "germanStem", "german_stem"),
    ("filter", "russianStem", "russian_stem"),
    ("filter", "commonGrams", "common_grams"),
    ("filter", "typeAsPayload", "type_as_payload"),
    ("filter", "patternReplace", "pattern_replace"),
    ("tokenizer", "nGram", "ngram"),
    ("tokenizer", "edgeNGram", "edge_ngram"),
    ("tokenizer", "PathHierarchy", "path_hierarchy"),
    ("tokenizer", "UAX_URL_EMAIL", "uax_url_email"),
    ("tokenizer", "uaxUrlEmail", "uax_url_email"),
    ("char_filter", "htmlStrip", "html_strip"),
];

fn new_name(kind: &str, old: &str) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|(of, name, _)| *of == kind && *name == old)
        .map(|(_, _, new)| *new)
}

fn rename(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    for kind in ["filter", "tokenizer", "char_filter"] {
        for (name, is) in parts_of(draft, kind) {
            if let Some(new) = new_name(kind, &is) {
                draft.set_setting(rule, &format!("{PREFIX}{kind}.{name}.type"), new.into());
            }
        }
        // A part of the index's own may have such a name; it is called by it then.
        rename_listed(rule, draft, kind, &|draft, name| {
            let new = new_name(kind, name)?;
            (!is_own(draft, kind, name)).then(|| Some(new.to_owned()))
        });
    }
}

fn drop_standard(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let own: Vec<String> = parts_of(draft, "filter")
        .into_iter()
        .filter(|(_, is)| is == "standard")
        .map(|(name, _)| name)
        .collect();
    rename_listed(rule, draft, "filter", &|draft, name| {
        let gone = own.iter().any(|own| own == name)
            || (name == "standard" && !is_own(draft, "filter", name));
        gone.then_some(None)
    });
    for name in own {
        drop_part(rule, draft, "filter", &name);
    }
}
