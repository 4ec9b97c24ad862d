//! Parts of analysis that the target has not got, and what they read from outside of the index.

use serde_json::{Value, json};

use super::{PREFIX, drop_part, part, parts_of, rename_listed};
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::rule::{ALLOWED, DENIED, Lines, Proof, Rule, Versions, WARNED};
use crate::engines::metadata::rules::lines::{
    ELASTICSEARCH, ES_8, ES_BELOW_7, OPENSEARCH, OS_3, OS_ES_7,
};

const TOKEN_FILTERS: &str = "https://docs.opensearch.org/latest/analyzers/token-filters/index/";

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG188",
        title: "old parts of analysis are written as the target takes them",
        source: ES_BELOW_7,
        target: OS_ES_7,
        why: "the target has the part in another form, or calls its parameter otherwise",
        link: TOKEN_FILTERS,
        before: r#"{"settings": {"index.analysis.analyzer.a.type": "standard_html_strip"}, "mappings": {}}"#,
        after: r#"{"settings": {"index.analysis.analyzer.a.type": "custom", "index.analysis.analyzer.a.tokenizer": "standard", "index.analysis.analyzer.a.char_filter": ["html_strip"], "index.analysis.analyzer.a.filter": ["lowercase"]}, "mappings": {}}"#,
        apply: write_anew,
        ..ALLOWED
    },
    Rule {
        code: "MIG189",
        title: "an analysis plugin of the source is needed at the target",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        proof: Proof::TranslatedOnly,
        why: "the part belongs to a plugin: OpenSearch has one of the same kind; where it is not installed, the index can't be made",
        link: "https://docs.opensearch.org/latest/install-and-configure/additional-plugins/index/",
        before: r#"{"settings": {"index.analysis.filter.f.type": "icu_folding"}, "mappings": {}}"#,
        after: r#"{"settings": {"index.analysis.filter.f.type": "icu_folding"}, "mappings": {}}"#,
        apply: tell_plugins,
        ..WARNED
    },
    Rule {
        code: "MIG190",
        title: "stemmers that Lucene 10 has not got are dropped",
        source: Lines::ANY,
        target: OS_3,
        why: "the target fails to make the index with them: words are not stemmed any more, and other documents are found",
        link: "https://docs.opensearch.org/latest/breaking-changes/",
        before: r#"{"settings": {"index.analysis.filter.f.type": "stemmer", "index.analysis.filter.f.language": "lovins"}, "mappings": {}}"#,
        after: r#"{"settings": {}, "mappings": {}}"#,
        apply: drop_stemmers,
        ..DENIED
    },
    Rule {
        code: "MIG191",
        title: "sets of synonyms are not carried over",
        source: ES_8,
        target: OPENSEARCH,
        proof: Proof::TranslatedOnly,
        why: "the sets live in the source's own index: the target has no such place, and the filter has no synonyms until they are written into it",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/synonyms-apis.html",
        before: r#"{"settings": {"index.analysis.filter.f.type": "synonym_graph", "index.analysis.filter.f.synonyms_set": "s"}, "mappings": {}}"#,
        after: r#"{"settings": {"index.analysis.filter.f.type": "synonym_graph", "index.analysis.filter.f.synonyms": []}, "mappings": {}}"#,
        apply: without_sets,
        ..DENIED
    },
    Rule {
        code: "MIG192",
        title: "a file of the source is needed at the target",
        source: Lines::ANY,
        target: Lines::ANY,
        proof: Proof::TranslatedOnly,
        why: "the index reads it from the configuration of each node: the target can't make the index before the file is there",
        link: TOKEN_FILTERS,
        before: r#"{"settings": {"index.analysis.filter.f.type": "synonym", "index.analysis.filter.f.synonyms_path": "analysis/s.txt"}, "mappings": {}}"#,
        after: r#"{"settings": {"index.analysis.filter.f.type": "synonym", "index.analysis.filter.f.synonyms_path": "analysis/s.txt"}, "mappings": {}}"#,
        apply: tell_files,
        ..WARNED
    },
];

/// Plugins of which a part's type begins so.
const PLUGINS: [&str; 12] = [
    "icu_",
    "kuromoji",
    "ja_stop",
    "smartcn",
    "phonetic",
    "polish",
    "nori",
    "ukrainian",
    "hunspell",
    "pinyin",
    "ik_",
    "thai_segmenter",
];

fn write_anew(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    for (name, is) in parts_of(draft, "filter") {
        let key = |parameter: &str| format!("{PREFIX}filter.{name}.{parameter}");
        if is == "stop" {
            draft.drop_settings(rule, &[&key("enable_position_increments")]);
        }
    }
    for (name, is) in parts_of(draft, "analyzer") {
        if is == "standard_html_strip" {
            let key = |parameter: &str| format!("{PREFIX}analyzer.{name}.{parameter}");
            draft.set_setting(rule, &key("type"), "custom".into());
            draft.set_setting(rule, &key("tokenizer"), "standard".into());
            draft.set_setting(rule, &key("char_filter"), json!(["html_strip"]));
            draft.set_setting(rule, &key("filter"), json!(["lowercase"]));
        }
    }
    let gaps: Vec<String> = draft
        .settings
        .keys()
        .filter(|key| {
            part(key).is_some_and(|(kind, _, parameter)| {
                kind == "analyzer" && parameter == "position_offset_gap"
            })
        })
        .cloned()
        .collect();
    for key in gaps {
        let Some(value) = draft.settings.get(&key).cloned() else {
            continue;
        };
        draft.drop_settings(rule, &[&key]);
        let new = key.replace("position_offset_gap", "position_increment_gap");
        draft.set_setting(rule, &new, value);
    }
}

/// Leaves an edit that changes nothing: what is needed can't be had by changing the index.
fn tell(rule: &'static Rule, draft: &mut Draft, keys: Vec<String>) {
    for key in keys {
        let value = draft.settings.get(&key).cloned();
        draft.note_at(rule, &format!("settings.{key}"), value.clone(), value);
    }
}

fn tell_plugins(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let is_plugin = |name: &str| PLUGINS.iter().any(|plugin| name.starts_with(plugin));
    let keys = draft
        .settings
        .iter()
        .filter(|(key, value)| {
            let Some((_, _, parameter)) = part(key) else {
                return false;
            };
            let names: Vec<&str> = match value {
                Value::String(name) => vec![name],
                Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            matches!(parameter, "type" | "tokenizer" | "filter" | "char_filter")
                && names.into_iter().any(is_plugin)
        })
        .map(|(key, _)| key.clone())
        .collect();
    tell(rule, draft, keys);
}

fn tell_files(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let keys = draft
        .settings
        .keys()
        .filter(|key| {
            part(key).is_some_and(|(_, _, parameter)| {
                parameter.ends_with("_path") && parameter != "ignore_path"
            })
        })
        .cloned()
        .collect();
    tell(rule, draft, keys);
}

fn drop_stemmers(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    const GONE: [&str; 3] = ["kp", "lovins", "dutch_kp"];
    let gone: Vec<String> = parts_of(draft, "filter")
        .into_iter()
        .filter(|(name, is)| {
            let language = ["language", "name"]
                .iter()
                .find_map(|parameter| draft.setting(&format!("{PREFIX}filter.{name}.{parameter}")));
            matches!(is.as_str(), "stemmer" | "snowball")
                && language.is_some_and(|is| GONE.contains(&is.to_lowercase().as_str()))
        })
        .map(|(name, _)| name)
        .collect();
    rename_listed(rule, draft, "filter", &|_, name| {
        gone.iter().any(|gone| gone == name).then_some(None)
    });
    for name in gone {
        drop_part(rule, draft, "filter", &name);
    }
}

fn without_sets(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let keys: Vec<String> = draft
        .settings
        .keys()
        .filter(|key| part(key).is_some_and(|(_, _, parameter)| parameter == "synonyms_set"))
        .cloned()
        .collect();
    for key in keys {
        draft.drop_settings(rule, &[&key]);
        let new = key.replace("synonyms_set", "synonyms");
        draft.set_setting(rule, &new, json!([]));
    }
}
