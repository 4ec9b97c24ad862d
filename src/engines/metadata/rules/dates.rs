//! Dates: letters of formats that mean another thing than they did, and what was understood without a format.

use serde_json::{Map, Value};

use super::lines::{ES_BELOW_2, ES_BELOW_5, ES_BELOW_7, OS_ES_5, OS_ES_7};
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::fields::type_of;
use crate::engines::metadata::rule::{ALLOWED, DENIED, Proof, Rule, Versions};

const MIGRATION: &str =
    "https://www.elastic.co/guide/en/elasticsearch/reference/7.17/migrate-to-java-time.html";

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG153",
        title: "date formats of Joda become those of Java",
        source: ES_BELOW_7,
        target: OS_ES_7,
        why: "`Y`, `x`, `e` and `Z` mean other things now: years of weeks, offsets without a letter Z; what was read is read as before",
        link: MIGRATION,
        before: r#"{"settings": {}, "mappings": {"properties": {"d": {"type": "date", "format": "YYYY-MM-dd'T'HH:mm:ssZ||epoch_millis"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"d": {"type": "date", "format": "yyyy-MM-dd'T'HH:mm:ssXX||yyyy-MM-dd'T'HH:mm:ssXXX||epoch_millis"}}}}"#,
        apply: translate_formats,
        ..ALLOWED
    },
    Rule {
        code: "MIG154",
        title: "centuries can't be read",
        source: ES_BELOW_7,
        target: OS_ES_7,
        why: "the target's formats have no letter for centuries: the field takes its default formats, and documents that need the other fail to load",
        link: MIGRATION,
        before: r#"{"settings": {}, "mappings": {"properties": {"d": {"type": "date", "format": "CC"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"d": {"type": "date"}}}}"#,
        apply: |rule, draft, _versions| {
            draft.drop_parameters(rule, &["format"], &|_, field| {
                type_of(field) == "date" && format_of(field).is_some_and(has_century)
            });
        },
        ..DENIED
    },
    Rule {
        code: "MIG155",
        title: "dates without a format are read as Elasticsearch 1 read them",
        source: ES_BELOW_2,
        target: OS_ES_5,
        proof: Proof::TranslatedOnly,
        why: "from 2 on the default asks for two digits of months and days",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/2.4/breaking_20_mapping_changes.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"d": {"type": "date"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"d": {"type": "date", "format": "date_optional_time||epoch_millis"}}}}"#,
        apply: |rule, draft, _versions| {
            draft.change_fields(
                rule,
                &|_, field| type_of(field) == "date" && !field.contains_key("format"),
                &|_, field| {
                    field.insert("format".into(), "date_optional_time||epoch_millis".into());
                },
            );
        },
        ..ALLOWED
    },
    Rule {
        code: "MIG156",
        title: "numbers of dates that count seconds stay seconds",
        source: ES_BELOW_5,
        target: OS_ES_5,
        proof: Proof::TranslatedOnly,
        why: "`numeric_resolution` is said by a format now",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/2.4/breaking_20_mapping_changes.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"d": {"type": "date", "format": "yyyy-MM-dd", "numeric_resolution": "seconds"}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"d": {"type": "date", "format": "yyyy-MM-dd||epoch_second"}}}}"#,
        apply: resolution_to_format,
        ..ALLOWED
    },
];

fn format_of(field: &Map<String, Value>) -> Option<&str> {
    field.get("format").and_then(Value::as_str)
}

/// Whether a format is a pattern of letters, and no name such as `basic_date_time`.
fn is_pattern(format: &str) -> bool {
    !format.contains('_')
        && !format.is_empty()
        && unquoted(format).all(|letter| !letter.is_ascii_alphabetic() || is_letter(letter))
        && repeats(format)
}

/// The letters of Joda's patterns.
fn is_letter(letter: char) -> bool {
    "GCYxwedDyMaEKhHkmsSzZ".contains(letter)
}

/// A name in camel case has words; a pattern is runs of letters with something between, or short.
fn repeats(format: &str) -> bool {
    let letters = format.chars().filter(char::is_ascii_alphabetic).count();
    let others = format.chars().count() - letters;
    others > 0 || {
        let mut runs = 0;
        let mut last = None;
        for letter in format.chars() {
            if last != Some(letter) {
                runs += 1;
                last = Some(letter);
            }
        }
        runs * 2 <= letters || letters <= 2
    }
}

/// The characters outside of quotes.
fn unquoted(format: &str) -> impl Iterator<Item = char> + '_ {
    let mut quoted = false;
    format.chars().filter(move |letter| {
        if *letter == '\'' {
            quoted = !quoted;
            return false;
        }
        !quoted
    })
}

fn has_century(format: &str) -> bool {
    format
        .split("||")
        .any(|one| is_pattern(one) && unquoted(one).any(|letter| letter == 'C'))
}

/// One of Java's for each meaning of Joda's: offsets are read with and without a colon.
fn java(format: &str) -> Vec<String> {
    // Elasticsearch 6.8 marks those that are Java's already.
    if let Some(java) = format.strip_prefix('8') {
        return vec![java.to_owned()];
    }
    if !is_pattern(format) {
        return vec![format.to_owned()];
    }
    let offsets: &[&str] = if unquoted(format).any(|letter| letter == 'Z') {
        &["XX", "XXX"]
    } else {
        &[""]
    };
    offsets
        .iter()
        .map(|offset| {
            let mut out = String::new();
            let mut quoted = false;
            let mut letters = format.chars().peekable();
            while let Some(letter) = letters.next() {
                if letter == '\'' {
                    quoted = !quoted;
                }
                match letter {
                    _ if quoted || letter == '\'' => out.push(letter),
                    'Y' => out.push('y'),
                    'x' => out.push('Y'),
                    'Z' => {
                        while letters.next_if_eq(&'Z').is_some() {}
                        out.push_str(offset);
                    }
                    other => out.push(other),
                }
            }
            out
        })
        .collect()
}

/// A whole format, with all its alternatives.
fn translated(format: &str) -> String {
    let mut all: Vec<String> = Vec::new();
    for one in format.split("||").flat_map(java) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all.join("||")
}

fn translate_formats(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    draft.change_fields(
        rule,
        &|_, field| {
            matches!(
                type_of(field),
                "date" | "date_range" | "date_nanos" | "{dynamic_type}"
            ) && format_of(field).is_some()
        },
        &|_, field| {
            if let Some(format) = format_of(field).map(translated) {
                field.insert("format".into(), format.into());
            }
        },
    );
    let Some(Value::Array(formats)) = draft.mappings.get_mut("dynamic_date_formats") else {
        return;
    };
    let before = Value::Array(formats.clone());
    for format in formats.iter_mut() {
        if let Some(text) = format.as_str() {
            *format = translated(text).into();
        }
    }
    let after = Value::Array(formats.clone());
    if before != after {
        draft.note_at(
            rule,
            "mappings.dynamic_date_formats",
            Some(before),
            Some(after),
        );
    }
}

fn resolution_to_format(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    draft.change_fields(
        rule,
        &|_, field| field.contains_key("numeric_resolution") && type_of(field) == "date",
        &|_, field| {
            let resolution = field.remove("numeric_resolution");
            if resolution.as_ref().and_then(Value::as_str) == Some("seconds") {
                let format = format_of(field).unwrap_or("date_optional_time");
                let kept: Vec<&str> = format
                    .split("||")
                    .filter(|one| !one.starts_with("epoch_"))
                    .chain(["epoch_second"])
                    .collect();
                field.insert("format".into(), kept.join("||").into());
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_change_where_their_meaning_did() {
        for (joda, java) in [
            ("yyyy-MM-dd", "yyyy-MM-dd"),
            ("YYYY/MM/dd", "yyyy/MM/dd"),
            ("xxxx-'W'ww-e", "YYYY-'W'ww-e"),
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSSZZ",
                "yyyy-MM-dd'T'HH:mm:ss.SSSXX||yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            ),
            ("yyyy'Y'", "yyyy'Y'"),
            (
                "dateOptionalTime||epoch_millis",
                "dateOptionalTime||epoch_millis",
            ),
            ("strict_date_optional_time", "strict_date_optional_time"),
            ("basicDateTime", "basicDateTime"),
            ("8uuuu-MM-dd", "uuuu-MM-dd"),
            ("YYYYMMdd", "yyyyMMdd"),
        ] {
            assert_eq!(translated(joda), java, "{joda}");
        }
        assert!(has_century("yyyy||CC") && !has_century("dd'C'"));
    }
}
