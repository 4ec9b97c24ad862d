//! How the mapping types of old indices are taken, as the plan says it.
//!
//! Deliberately absent: what comes of it for an index, which is `engines::mapping_types`'.

use serde::Serialize;

/// How the mapping types of an index made before Elasticsearch 6 come into indices without types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TypesRule {
    /// Into one index, or into one each.
    pub take: TakeTypes,
    /// The names of the indices of a split: `{index}` and `{type}` stand for those of the source.
    pub name: String,
    /// Whether an alias of the source's name goes over the indices of a split.
    pub alias: bool,
    /// Types that are left out with their documents.
    pub drop: Vec<String>,
    /// What becomes of `_id`.
    pub ids: TypeIds,
    /// A field that holds the name of each document's type.
    pub type_field: Option<String>,
    /// The name of the join field that stands for `_parent`.
    pub join_field: Option<String>,
    /// A date field for the stored values of `_timestamp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp_field: Option<String>,
    /// A date field for when documents with a `_ttl` were to vanish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry_field: Option<String>,
    /// The type whose definition counts where types define a field differently.
    pub prefer: Option<String>,
}

/// Where the types of an index go.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TakeTypes {
    /// All into the index of the same name.
    Union,
    /// Each into an index of its own; types that are parent and child stay together.
    Split,
}

/// What becomes of `_id` where types come together.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TypeIds {
    /// It stays.
    Keep,
    /// It becomes `type#id`.
    TypePrefix,
}
