//! One translation case: what is made at the source, what it has to become, and how it is asked for.
//!
//! `tests/fixtures/translation` holds them, an array in each file; its README has the format.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

/// What a server has beyond its distribution.
pub(super) type Modules = BTreeSet<String>;

/// A case.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Case {
    /// The name of the index or template.
    pub(super) name: String,
    /// `product major.minor` of the servers that take it as it stands.
    made_on: Vec<String>,
    /// Modules that both servers need beyond their distribution.
    #[serde(default)]
    needs: Vec<String>,
    /// Modules that only the target needs.
    #[serde(default)]
    target_needs: Vec<String>,
    /// What it is.
    pub(super) object: Object,
    /// What is put.
    pub(super) body: Value,
    /// Targets that the case is for; none: all.
    #[serde(default)]
    to: Vec<String>,
    /// Compared by the runner without servers.
    #[serde(rename = "expect")]
    _expect: Value,
    /// Likewise.
    #[serde(default, rename = "codes")]
    _codes: Vec<String>,
    /// What the plan has to say of rules.
    #[serde(default)]
    pub(super) rules: BTreeMap<String, String>,
    /// Indexed before the snapshot.
    #[serde(default)]
    pub(super) document: Option<Value>,
    /// Asked of the target.
    #[serde(default)]
    pub(super) query: Option<Value>,
    /// Asked of the source, where that is asked otherwise.
    #[serde(default)]
    pub(super) source_query: Option<Value>,
    /// Whether the document is found.
    #[serde(default = "yes")]
    pub(super) found: bool,
    /// Whether a server here has the feature.
    pub(super) proof: Proof,
}

/// Kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Object {
    /// An index.
    Index,
    /// `_template`.
    LegacyTemplate,
    /// `_index_template`.
    IndexTemplate,
    /// `_component_template`.
    ComponentTemplate,
}

/// What a case can be held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Proof {
    /// Real servers.
    Target,
    /// The translation alone.
    TranslatedOnly,
}

fn yes() -> bool {
    true
}

impl Object {
    /// Where it is put.
    pub(super) fn path(self, name: &str) -> String {
        match self {
            Self::Index => format!("/{name}"),
            Self::LegacyTemplate => format!("/_template/{name}"),
            Self::IndexTemplate => format!("/_index_template/{name}"),
            Self::ComponentTemplate => format!("/_component_template/{name}"),
        }
    }
}

impl Case {
    /// Whether it can be held against a pair of servers (`elasticsearch 2.4`) with these modules.
    pub(super) fn is_for(&self, source: (&str, &Modules), target: (&str, &Modules)) -> bool {
        self.proof == Proof::Target
            && self.made_on.iter().any(|it| it == source.0)
            && (self.to.is_empty() || self.to.iter().any(|it| it == target.0))
            && self.needs.iter().all(|needed| source.1.contains(needed))
            && self
                .needs
                .iter()
                .chain(&self.target_needs)
                .all(|needed| target.1.contains(needed))
    }

    /// Whether its mappings are written without a type.
    pub(super) fn is_untyped(&self) -> bool {
        let root = self.body["mappings"].as_object();
        root.is_some_and(|root| root.keys().any(|key| ROOT.contains(&key.as_str())))
    }

    /// The mapping type that its documents are of, in the words of a path. Before Elasticsearch 6 no type may begin with `_`.
    pub(super) fn mapping_type(&self, source: &str) -> String {
        let types = self.body["mappings"].as_object();
        let named = types.and_then(|types| {
            let mut names = types.iter().filter(|(name, inner)| {
                !ROOT.contains(&name.as_str()) && !name.starts_with('_') && inner.is_object()
            });
            names.next().map(|(name, _)| name.clone())
        });
        let old = ["elasticsearch 2.4", "elasticsearch 5.6"].contains(&source);
        named.unwrap_or_else(|| if old { "doc" } else { "_doc" }.to_owned())
    }
}

/// What a mapping may have at its root and is no type.
const ROOT: [&str; 3] = ["properties", "runtime", "derived"];

/// All cases, by the order of files and of places in them.
pub(super) fn all() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/translation");
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .filter(|path| !path.ends_with("proved.json"))
        .collect();
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for file in files {
        let text = std::fs::read(&file).unwrap();
        let more: Vec<Case> = serde_json::from_slice(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        cases.extend(more);
    }
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert!(twice.is_none(), "two cases are called {twice:?}");
    cases
}
