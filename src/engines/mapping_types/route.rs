//! What one index of a target takes of an index with mapping types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What one index of a target takes of an index with mapping types.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Route {
    /// The index of the source.
    pub of: String,
    /// The index of the target.
    pub to: String,
    /// The types whose documents go there, in order.
    pub types: Vec<String>,
    /// Types whose documents go nowhere; told by the first index of a source alone, so that they are counted once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
    /// Whether `_id` becomes `type#id`.
    pub prefix: bool,
    /// A field that holds the name of the type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub type_field: Option<String>,
    /// What stands for `_parent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<Join>,
    /// The type whose definition of a field counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefer: Option<String>,
}

/// A join field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Join {
    /// Its name.
    pub field: String,
    /// The type of the parents of each type that has any.
    pub parents: BTreeMap<String, String>,
}

impl Join {
    /// Whether documents of a type have parents or are some.
    pub fn knows(&self, kind: &str) -> bool {
        self.parents.contains_key(kind) || self.parents.values().any(|parent| parent == kind)
    }

    /// The relations as a mapping has them: the children of each parent.
    pub fn relations(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut relations: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (child, parent) in &self.parents {
            relations.entry(parent).or_default().push(child);
        }
        relations
    }
}

impl Route {
    /// Whether documents come as they are and all of them: the route is there for the mapping alone.
    pub fn keeps_documents(&self) -> bool {
        self.of == self.to
            && self.dropped.is_empty()
            && !self.prefix
            && self.type_field.is_none()
            && self.join.is_none()
    }

    /// Writes the `_id` of a document of a type as the target has it; `false` where it stays as it is.
    pub fn id(&self, kind: &str, id: &str, out: &mut String) -> bool {
        if self.prefix {
            out.push_str(kind);
            out.push('#');
            out.push_str(id);
        }
        self.prefix
    }
}
