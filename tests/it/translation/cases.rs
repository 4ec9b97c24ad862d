//! The cases: what a source holds and what each target is to have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mig::base::version::{Product, ProductVersion};
use mig::diff::observation::{ObjectKey, ObjectKind};
use mig::engines::metadata::{Level, Translation, Versions, rules, translate_without};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Targets of a case that names none.
const EVERY_TARGET: [&str; 3] = ["opensearch 1.3", "opensearch 2.19", "opensearch 3.3"];

/// Rules that nearly every object meets: a case need not name them.
const USUAL: [&str; 3] = ["MIG101", "MIG102", "MIG103"];

/// One case, in the order in which it is written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) made_on: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    needs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    target_needs: Vec<String>,
    object: String,
    body: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    to: Vec<String>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    expect: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    codes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    rules: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    document: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_query: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    found: Option<bool>,
    proof: String,
}

impl Case {
    /// Every pair of versions that the case is for.
    fn pairs(&self) -> Vec<Versions> {
        let every: Vec<String> = EVERY_TARGET.map(str::to_owned).into();
        let targets = if self.to.is_empty() { &every } else { &self.to };
        self.made_on
            .iter()
            .flat_map(|source| {
                targets.iter().map(|target| Versions {
                    source: server(source),
                    target: server(target),
                })
            })
            .collect()
    }

    /// The first of the servers on which it can be made.
    pub(super) fn oldest(&self) -> Option<ProductVersion> {
        self.made_on.first().map(|text| server(text))
    }

    /// What it is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the case is one for real servers.
    pub(super) fn has_met_a_target(&self) -> bool {
        self.proof == "target"
    }

    /// The rules that have to find something.
    pub(super) fn codes(&self) -> impl Iterator<Item = &str> {
        self.codes.iter().flatten().map(String::as_str)
    }

    /// What is put to the source.
    pub(super) fn body(&self) -> &Value {
        &self.body
    }

    pub(super) fn key(&self) -> ObjectKey {
        let kind = match self.object.as_str() {
            "index" => ObjectKind::Index,
            "legacy-template" => ObjectKind::LegacyTemplate,
            "index-template" => ObjectKind::IndexTemplate,
            "component-template" => ObjectKind::ComponentTemplate,
            other => panic!("{}: no object `{other}`", self.name),
        };
        ObjectKey {
            kind,
            name: self.name.clone(),
        }
    }

    /// What is wrong with the translation without the rules of some codes; nothing when it is as expected.
    pub(super) fn wrong(&self, without: &[&str]) -> Option<String> {
        self.pairs().into_iter().find_map(|versions| {
            let translation = self.translated(versions, without);
            let place = format!(
                "{} from {} to {}",
                self.name, versions.source, versions.target
            );
            let (body, codes) = (self.section(&translation.body), found(&translation));
            for part in ["settings", "mappings"] {
                if let Some(expected) = self.expect.get(part)
                    && expected != body.get(part).unwrap_or(&json!({}))
                {
                    return Some(format!("{place}: {part} are {}", body[part]));
                }
            }
            let expected: BTreeSet<&str> =
                self.codes.iter().flatten().map(String::as_str).collect();
            (codes != expected).then(|| format!("{place}: found {codes:?}, expected {expected:?}"))
        })
    }

    fn translated(&self, versions: Versions, without: &[&str]) -> Translation {
        translate_without(&self.key(), &self.body, versions, &BTreeSet::new(), without)
    }

    /// Where settings and mappings stand.
    fn section<'a>(&self, body: &'a Value) -> &'a Value {
        match self.key().kind {
            ObjectKind::IndexTemplate | ObjectKind::ComponentTemplate => &body["template"],
            _ => body,
        }
    }

    /// Expectations that nobody wrote, from what the rules do today, to be looked through before they are kept.
    fn blessed(mut self) -> Self {
        let pairs = self.pairs();
        let translation = self.translated(*pairs.last().unwrap(), &[]);
        if self.expect.is_null() {
            let body = self.section(&translation.body);
            let empty = json!({});
            self.expect = json!({
                "settings": body.get("settings").unwrap_or(&empty),
                "mappings": body.get("mappings").unwrap_or(&empty),
            });
        }
        if self.codes.is_none() {
            self.codes = Some(found(&translation).into_iter().map(str::to_owned).collect());
        }
        for code in self.codes.iter().flatten() {
            let rule = rules().iter().find(|rule| rule.code == code).unwrap();
            if rule.level == Level::Deny {
                self.rules.insert(code.clone(), "allow".to_owned());
            }
        }
        self
    }
}

fn found(translation: &Translation) -> BTreeSet<&'static str> {
    translation
        .findings
        .iter()
        .map(|finding| finding.rule.code)
        .filter(|code| !USUAL.contains(code))
        .collect()
}

/// `elasticsearch 5.6`.
fn server(text: &str) -> ProductVersion {
    let (product, version) = text.split_once(' ').expect("product and version");
    ProductVersion {
        product: match product {
            "elasticsearch" => Product::Elasticsearch,
            "opensearch" => Product::OpenSearch,
            other => panic!("no product `{other}`"),
        },
        version: version.parse().expect("a version"),
    }
}

/// The files with their cases.
pub(super) fn files() -> Vec<(PathBuf, Vec<Case>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/translation");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let is_json = path.extension().is_some_and(|it| it == "json");
            is_json && !path.ends_with("proved.json")
        })
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let cases = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path, cases)
        })
        .collect()
}

#[test]
fn each_case_is_translated_as_it_says() {
    if std::env::var_os("MIG_BLESS").is_some() {
        for (path, cases) in files() {
            let cases: Vec<Case> = cases.into_iter().map(Case::blessed).collect();
            let text = serde_json::to_string_pretty(&cases).unwrap() + "\n";
            // Other tests read it at the same time.
            if std::fs::read_to_string(&path).unwrap() != text {
                std::fs::write(path, text).unwrap();
            }
        }
    }
    let mut names = BTreeSet::new();
    let mut wrong = Vec::new();
    for (path, cases) in files() {
        for case in cases {
            assert!(
                names.insert(case.name.clone()),
                "{}: two cases `{}`",
                path.display(),
                case.name
            );
            assert!(
                case.expect.is_object() && case.codes.is_some(),
                "{}",
                case.name
            );
            wrong.extend(case.wrong(&[]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(names.len() >= 150, "{} cases", names.len());
}

/// What a plan has to allow is what it would otherwise be stopped by.
#[test]
fn each_case_allows_what_stands_as_deny() {
    for (_, cases) in files() {
        for case in cases {
            let denied: BTreeSet<&str> = rules()
                .iter()
                .filter(|rule| rule.level == Level::Deny)
                .map(|rule| rule.code)
                .filter(|code| case.codes.iter().flatten().any(|found| found == code))
                .collect();
            let allowed: BTreeSet<&str> = case.rules.keys().map(String::as_str).collect();
            assert_eq!(denied, allowed, "{}", case.name);
        }
    }
}
