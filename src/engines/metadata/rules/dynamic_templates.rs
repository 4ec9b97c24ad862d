//! Dynamic templates: what they match and what they make.

use serde_json::{Map, Value, json};

use super::lines::{ELASTICSEARCH, ES_7, ES_8, ES_BELOW_6, OPENSEARCH, OS_ES_5};
use super::truth;
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::rule::{ALLOWED, DENIED, Proof, Rule, Versions};

const DYNAMIC_TEMPLATES: &str =
    "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/dynamic-templates.html";

/// Words of `match_mapping_type` that the target knows.
const MATCHED: [&str; 8] = [
    "*", "object", "string", "long", "double", "boolean", "date", "binary",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG146",
        title: "dynamic templates that nothing matches are dropped",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        proof: Proof::TranslatedOnly,
        why: "the target refuses templates without a condition and types that no value has; they never made a field",
        link: DYNAMIC_TEMPLATES,
        before: r#"{"settings": {}, "mappings": {"dynamic_templates": [{"t": {"match_mapping_type": "integer", "mapping": {"type": "long"}}}]}}"#,
        after: r#"{"settings": {}, "mappings": {"dynamic_templates": []}}"#,
        apply: drop_never_matching,
        ..ALLOWED
    },
    Rule {
        code: "MIG147",
        title: "dynamic templates that make runtime fields are dropped",
        source: ES_7,
        target: OPENSEARCH,
        why: "the target has no runtime fields: what such a template matched is mapped as any other field",
        link: DYNAMIC_TEMPLATES,
        before: r#"{"settings": {}, "mappings": {"dynamic_templates": [{"t": {"match": "ip_*", "runtime": {"type": "ip"}}}]}}"#,
        after: r#"{"settings": {}, "mappings": {"dynamic_templates": []}}"#,
        apply: |rule, draft, _versions| {
            replace(rule, draft, &|_, template| {
                template.contains_key("runtime").then(Vec::new)
            });
        },
        ..DENIED
    },
    Rule {
        code: "MIG148",
        title: "dynamic templates with several patterns become several templates",
        source: ES_8,
        target: OPENSEARCH,
        why: "the target takes a list of patterns for one pattern, and would match nothing with it",
        link: DYNAMIC_TEMPLATES,
        before: r#"{"settings": {}, "mappings": {"dynamic_templates": [{"t": {"match": ["a*", "b*"], "mapping": {"type": "keyword"}}}]}}"#,
        after: r#"{"settings": {}, "mappings": {"dynamic_templates": [{"t_1": {"match": "a*", "mapping": {"type": "keyword"}}}, {"t_2": {"match": "b*", "mapping": {"type": "keyword"}}}]}}"#,
        apply: |rule, draft, _versions| {
            replace(rule, draft, &one_exclusion);
            replace(rule, draft, &one_pattern_each);
        },
        ..ALLOWED
    },
    Rule {
        code: "MIG149",
        title: "dynamic templates for any type are parted into one for texts and one for the rest",
        source: ES_BELOW_6,
        target: OS_ES_5,
        proof: Proof::TranslatedOnly,
        why: "`index: not_analyzed` makes keywords of texts, and says nothing of other types",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/5.6/breaking_50_mapping_changes.html",
        before: r#"{"settings": {}, "mappings": {"dynamic_templates": [{"t": {"match": "*", "mapping": {"type": "{dynamic_type}", "index": "not_analyzed"}}}]}}"#,
        after: r#"{"settings": {}, "mappings": {"dynamic_templates": [{"t_strings": {"match": "*", "match_mapping_type": "string", "mapping": {"type": "keyword"}}}, {"t": {"match": "*", "mapping": {"type": "{dynamic_type}"}}}]}}"#,
        apply: |rule, draft, _versions| replace(rule, draft, &part_texts),
        ..ALLOWED
    },
];

/// What stands in for one template; nothing where it stays.
type Replacement<'a> = dyn Fn(&str, &Map<String, Value>) -> Option<Vec<(String, Value)>> + 'a;

/// Puts others in the place of templates, each with an edit.
fn replace(rule: &'static Rule, draft: &mut Draft, by: &Replacement<'_>) {
    let Some(Value::Array(templates)) = draft.mappings.get_mut("dynamic_templates") else {
        return;
    };
    let mut edits = Vec::new();
    let mut kept = Vec::with_capacity(templates.len());
    for template in templates.drain(..) {
        let one = template
            .as_object()
            .filter(|one| one.len() == 1)
            .and_then(|one| one.iter().next());
        let replaced = one.and_then(|(name, definition)| {
            let others = by(name, definition.as_object()?)?;
            Some((name.clone(), definition.clone(), others))
        });
        let Some((name, definition, others)) = replaced else {
            kept.push(template);
            continue;
        };
        let others: Vec<Value> = others
            .into_iter()
            .map(|(name, definition)| json!({ name: definition }))
            .collect();
        let after = (!others.is_empty()).then(|| Value::Array(others.clone()));
        edits.push((name, definition, after));
        kept.extend(others);
    }
    *templates = kept;
    for (name, before, after) in edits {
        let path = format!("mappings.dynamic_templates.{name}");
        draft.note_at(rule, &path, Some(before), after);
    }
}

fn drop_never_matching(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    const CONDITIONS: [&str; 6] = [
        "match",
        "path_match",
        "match_mapping_type",
        "unmatch",
        "path_unmatch",
        "unmatch_mapping_type",
    ];
    replace(rule, draft, &|_, template| {
        let conditional = CONDITIONS.iter().any(|name| template.contains_key(*name));
        let known = template
            .get("match_mapping_type")
            .and_then(Value::as_str)
            .is_none_or(|matched| MATCHED.contains(&matched));
        (!conditional || !known).then(Vec::new)
    });
}

/// What excludes by a list excludes by one regular expression, which then stands for all patterns of the template.
fn one_exclusion(name: &str, template: &Map<String, Value>) -> Option<Vec<(String, Value)>> {
    const PATTERNS: [&str; 4] = ["match", "path_match", "unmatch", "path_unmatch"];
    let excludes_by_list = ["unmatch", "path_unmatch"]
        .iter()
        .any(|key| template.get(*key).is_some_and(Value::is_array));
    if !excludes_by_list {
        return None;
    }
    let is_regex = template.get("match_pattern").and_then(Value::as_str) == Some("regex");
    let expression = |pattern: &Value| {
        let pattern = pattern.as_str().unwrap_or_default();
        if is_regex {
            pattern.to_owned()
        } else {
            regex_of(pattern)
        }
    };
    let mut one = template.clone();
    for key in PATTERNS {
        let joined = match template.get(key) {
            Some(Value::Array(patterns)) => {
                let all: Vec<String> = patterns.iter().map(expression).collect();
                all.join("|")
            }
            Some(pattern) => expression(pattern),
            None => continue,
        };
        one.insert(key.to_owned(), joined.into());
    }
    one.insert("match_pattern".into(), "regex".into());
    Some(vec![(name.to_owned(), Value::Object(one))])
}

/// The regular expression of a pattern with stars.
fn regex_of(pattern: &str) -> String {
    let mut out = String::new();
    for letter in pattern.chars() {
        match letter {
            '*' => out.push_str(".*"),
            letter if letter.is_alphanumeric() || letter == '_' => out.push(letter),
            letter => {
                out.push('\\');
                out.push(letter);
            }
        }
    }
    out
}

/// A template for each pattern, in their order; what they exclude stays with each.
fn one_pattern_each(name: &str, template: &Map<String, Value>) -> Option<Vec<(String, Value)>> {
    let mut variants = vec![template.clone()];
    let mut parted = false;
    for key in ["match", "path_match", "match_mapping_type"] {
        let Some(Value::Array(patterns)) = template.get(key) else {
            continue;
        };
        parted = true;
        variants = variants
            .iter()
            .flat_map(|variant| {
                patterns.iter().map(move |pattern| {
                    let mut one = variant.clone();
                    one.insert(key.to_owned(), pattern.clone());
                    one
                })
            })
            .collect();
    }
    parted.then(|| {
        (1..)
            .zip(variants)
            .map(|(number, variant)| (format!("{name}_{number}"), Value::Object(variant)))
            .collect()
    })
}

fn part_texts(name: &str, template: &Map<String, Value>) -> Option<Vec<(String, Value)>> {
    let mapping = template.get("mapping")?.as_object()?;
    let index = truth::spelt(mapping.get("index")?);
    let any_type = matches!(
        mapping.get("type").and_then(Value::as_str),
        None | Some("{dynamic_type}")
    );
    let any_match = matches!(
        template.get("match_mapping_type").and_then(Value::as_str),
        None | Some("*")
    );
    if !any_type || !any_match || index != "not_analyzed" {
        return None;
    }
    let (mut texts, mut rest) = (template.clone(), template.clone());
    let mut of_texts = mapping.clone();
    of_texts.remove("index");
    let of_rest = of_texts.clone();
    of_texts.insert("type".into(), "keyword".into());
    texts.insert("match_mapping_type".into(), "string".into());
    texts.insert("mapping".into(), Value::Object(of_texts));
    rest.insert("mapping".into(), Value::Object(of_rest));
    Some(vec![
        (format!("{name}_strings"), Value::Object(texts)),
        (name.to_owned(), Value::Object(rest)),
    ])
}
