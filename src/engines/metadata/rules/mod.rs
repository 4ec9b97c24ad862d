//! The rules, in the order in which they are tried. A code is never given to another rule.

mod all_field;
mod analysis;
mod dates;
mod dynamic_templates;
mod fields;
mod geo;
mod held_back;
mod lines;
mod lists;
mod mapping_types;
mod object_fields;
pub(super) mod objects;
mod parameters;
mod removed;
mod root_fields;
mod routing;
mod server;
mod settings;
mod similarity;
mod streams;
mod strings;
mod truth;
mod types;
mod types_of_fields;
mod vectors;

use std::sync::LazyLock;

use super::rule::Rule;
use lines::{ELASTICSEARCH, OPENSEARCH};

/// Every rule, by code.
pub fn rules() -> &'static [&'static Rule] {
    static ALL: LazyLock<Vec<&'static Rule>> = LazyLock::new(|| {
        let mut all = in_order().to_vec();
        all.sort_by_key(|rule| rule.code);
        all
    });
    &ALL
}

/// Every rule in the order in which they work: the form of the object first, then what old versions said, so that rules of
/// newer ones see it as the newer ones say it, then what the target lacks, and what rests on all of that at the end.
pub(super) fn in_order() -> &'static [&'static Rule] {
    static ORDERED: LazyLock<Vec<&'static Rule>> = LazyLock::new(|| {
        let [names, parts, limits] = analysis::tables();
        let [values, gone, needed] = settings::tables();
        [
            // Others look at fields, which stand below the types until these are one.
            mapping_types::RULES,
            server::RULES,
            // What marks an index of a data stream is no part of its settings and fields.
            streams::RULES,
            routing::RULES,
            lists::RULES,
            types::RULES,
            // Elasticsearch 1 to 6.
            all_field::RULES,
            root_fields::RULES,
            dynamic_templates::RULES,
            types_of_fields::OLD,
            strings::RULES,
            geo::RULES,
            parameters::RULES,
            dates::RULES,
            // What any version calls by another name.
            types_of_fields::RULES,
            similarity::RULES,
            names,
            parts,
            limits,
            vectors::RULES,
            object_fields::RULES,
            fields::RULES,
            // Settings.
            values,
            gone,
            removed::RULES,
            held_back::RULES,
            // What the others must have been through for.
            object_fields::LAST,
            needed,
            settings::ORDER,
        ]
        .into_iter()
        .flatten()
        .chain(objects::all())
        .collect()
    });
    &ORDERED
}

/// The codes of all rules: what a plan's `rules:` may name.
pub fn codes() -> &'static [&'static str] {
    static CODES: LazyLock<Vec<&'static str>> =
        LazyLock::new(|| rules().iter().map(|rule| rule.code).collect());
    &CODES
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::base::version::{Product, ProductVersion, Version};
    use crate::diff::change::Edit;
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
            (Product::OpenSearch, 3, 3),
            (Product::OpenSearch, 2, 4),
            (Product::OpenSearch, 1, 3),
            (Product::Elasticsearch, 7, 10),
            (Product::Elasticsearch, 7, 17),
            (Product::Elasticsearch, 8, 17),
        ]
        .map(|(product, major, minor)| server(product, major, minor));
        let sources = [
            (Product::Elasticsearch, 7, 10),
            (Product::OpenSearch, 1, 3),
            (Product::Elasticsearch, 8, 11),
            (Product::Elasticsearch, 9, 0),
            (Product::Elasticsearch, 6, 8),
            (Product::Elasticsearch, 5, 6),
            (Product::Elasticsearch, 2, 4),
            (Product::Elasticsearch, 1, 7),
        ];
        let source = sources
            .into_iter()
            .map(|(product, major, minor)| server(product, major, minor))
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
                rule.code.len() == 6 && ["MIG1", "MIG2"].iter().any(|it| rule.code.starts_with(it)),
                "{rule:?}"
            );
            assert!(!rule.why.is_empty() && !rule.title.is_empty());
            assert!(rule.link.starts_with("https://"), "{rule:?}");
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
        let mut wrong = Vec::new();
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
            let mut check = |holds: bool, what: &str| {
                if !holds {
                    wrong.push(format!("{} {what}: {translation:?}", rule.code));
                }
            };
            check(translation.body == after, "makes something else");
            let findings: Vec<_> = translation
                .findings
                .iter()
                .map(|finding| finding.rule.code)
                .collect();
            // Types become one mapping by several rules, each with its part.
            let of_types = |code: &str| mapping_types::RULES.iter().any(|other| other.code == code);
            let others = findings.iter().filter(|code| **code != rule.code);
            let alone = others.clone().next().is_none()
                || (of_types(rule.code) && others.clone().all(|code| of_types(code)));
            check(
                alone && findings.contains(&rule.code),
                "is not the only one",
            );
            let is_own = |edit: &&Edit| edit.rule.as_deref() == Some(rule.code);
            let own = translation
                .edits
                .iter()
                .filter(is_own)
                .all(|edit| edit.lossy == rule.lossy && !edit.why.is_empty());
            check(own, "leaves edits of another kind");
            let again = translate(&key, &translation.body, versions, &unknown());
            // What only tells of something tells it again.
            let changed = again.edits.iter().any(|edit| edit.before != edit.after);
            check(!changed, "is not final");
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// The same rules reach what stands under `template` of composable and component templates.
    #[test]
    fn nested_templates_are_translated_too() {
        for rule in rules() {
            let of_indices = rule.objects.contains(&ObjectKind::Index);
            if !of_indices || !rule.objects.contains(&ObjectKind::IndexTemplate) {
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
