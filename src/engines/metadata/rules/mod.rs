//! The rules, in the order in which they are tried. A code is never given to another rule.

mod fields;
mod held_back;
mod removed;
mod routing;
mod server;
mod streams;
mod types;
mod vectors;

use std::sync::LazyLock;

use super::rule::{Line, Lines, Rule};
use crate::base::version::Product;

/// Every rule, by code.
pub fn rules() -> &'static [&'static Rule] {
    static ALL: LazyLock<Vec<&'static Rule>> = LazyLock::new(|| {
        let mut all: Vec<&'static Rule> = [
            server::RULES,
            routing::RULES,
            types::RULES,
            removed::RULES,
            held_back::RULES,
            fields::RULES,
            vectors::RULES,
            streams::RULES,
        ]
        .into_iter()
        .flatten()
        .collect();
        all.sort_by_key(|rule| rule.code);
        all
    });
    &ALL
}

/// The codes of all rules: what a plan's `rules:` may name.
pub fn codes() -> &'static [&'static str] {
    static CODES: LazyLock<Vec<&'static str>> =
        LazyLock::new(|| rules().iter().map(|rule| rule.code).collect());
    &CODES
}

/// Any Elasticsearch.
const ELASTICSEARCH: Lines = Lines(&[Line {
    product: Product::Elasticsearch,
    since: (0, 0),
    before: None,
}]);

/// Any OpenSearch.
const OPENSEARCH: Lines = Lines(&[Line {
    product: Product::OpenSearch,
    since: (0, 0),
    before: None,
}]);

/// OpenSearch on Lucene 9 and newer.
const OPENSEARCH_2: Lines = Lines(&[Line {
    product: Product::OpenSearch,
    since: (2, 0),
    before: None,
}]);

/// The major versions that dropped what Elasticsearch 7 had called deprecated.
const OPENSEARCH_2_ELASTICSEARCH_8: Lines = Lines(&[
    Line {
        product: Product::OpenSearch,
        since: (2, 0),
        before: None,
    },
    Line {
        product: Product::Elasticsearch,
        since: (8, 0),
        before: None,
    },
]);

/// Servers without frozen indices.
const OPENSEARCH_ELASTICSEARCH_8: Lines = Lines(&[
    Line {
        product: Product::OpenSearch,
        since: (0, 0),
        before: None,
    },
    Line {
        product: Product::Elasticsearch,
        since: (8, 0),
        before: None,
    },
]);

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::base::version::{ProductVersion, Version};
    use crate::diff::observation::{ObjectKey, ObjectKind};
    use crate::engines::metadata::{Level, Versions, translate};

    fn server(product: Product, major: u16, minor: u16) -> ProductVersion {
        ProductVersion {
            product,
            version: Version::new(major, minor, 0),
        }
    }

    /// What the target of the examples does not know.
    fn unknown() -> std::collections::BTreeSet<String> {
        ["index.unheard_of.setting".to_owned()].into()
    }

    /// Versions between which a rule applies.
    fn versions_of(rule: &Rule) -> Versions {
        let all = [
            (Product::OpenSearch, 2, 19),
            (Product::OpenSearch, 2, 4),
            (Product::OpenSearch, 1, 3),
            (Product::Elasticsearch, 7, 10),
            (Product::Elasticsearch, 7, 17),
            (Product::Elasticsearch, 8, 17),
        ]
        .map(|(product, major, minor)| server(product, major, minor));
        let source = [
            server(Product::Elasticsearch, 7, 10),
            server(Product::OpenSearch, 1, 3),
        ]
        .into_iter()
        .find(|version| rule.source.hold(*version))
        .expect("a source");
        let target = all
            .into_iter()
            .find(|version| rule.target.hold(*version))
            .expect("a target");
        Versions { source, target }
    }

    #[test]
    fn codes_are_unique_and_texts_are_there() {
        let codes: Vec<_> = rules().iter().map(|rule| rule.code).collect();
        let mut unique = codes.clone();
        unique.dedup();
        assert_eq!(codes, unique);
        for rule in rules() {
            assert!(
                rule.code.len() == 6
                    && (rule.code.starts_with("MIG1") || rule.code.starts_with("MIG2")),
                "{rule:?}"
            );
            assert!(!rule.why.is_empty() && !rule.title.is_empty());
            assert!(
                rule.lossy || rule.level != Level::Deny,
                "{}: only a loss needs a decision",
                rule.code
            );
        }
    }

    /// Each rule, alone: what it says of before and after is what it does.
    #[test]
    fn every_rule_does_what_its_example_says() {
        for rule in rules() {
            let before: Value = serde_json::from_str(rule.before).expect(rule.code);
            let after: Value = serde_json::from_str(rule.after).expect(rule.code);
            let kind = if rule.objects.contains(&ObjectKind::Index) {
                ObjectKind::Index
            } else {
                rule.objects[0]
            };
            let key = ObjectKey {
                kind,
                name: "example".into(),
            };
            let versions = versions_of(rule);
            let translation = translate(&key, &before, versions, &unknown());
            assert_eq!(translation.body, after, "{}", rule.code);
            let findings: Vec<_> = translation
                .findings
                .iter()
                .map(|finding| finding.rule.code)
                .collect();
            assert_eq!(findings, [rule.code], "only this rule finds something");
            assert!(translation.edits.iter().all(|edit| edit.lossy == rule.lossy
                && edit.rule.as_deref() == Some(rule.code)
                && !edit.why.is_empty()));
            let again = translate(&key, &translation.body, versions, &unknown());
            assert!(
                again.findings.is_empty(),
                "{}: a translation is final",
                rule.code
            );
        }
    }

    /// The same rules reach what stands under `template` of composable and component templates.
    #[test]
    fn nested_templates_are_translated_too() {
        for rule in rules() {
            if !rule.objects.contains(&ObjectKind::IndexTemplate) {
                continue;
            }
            let example: Value = serde_json::from_str(rule.before).expect(rule.code);
            // A whole template already.
            if example.get("index_patterns").is_some() {
                continue;
            }
            let body = serde_json::json!({"index_patterns": ["e*"], "template": example});
            let key = ObjectKey {
                kind: ObjectKind::IndexTemplate,
                name: "example".into(),
            };
            let translation = translate(&key, &body, versions_of(rule), &unknown());
            assert!(
                translation
                    .findings
                    .iter()
                    .any(|finding| finding.rule.code == rule.code),
                "{}",
                rule.code
            );
            assert!(
                translation
                    .edits
                    .iter()
                    .all(|edit| edit.path.starts_with("template."))
            );
        }
    }
}
