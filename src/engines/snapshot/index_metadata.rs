//! `meta-*.dat` of an index: settings, mappings, aliases.

use serde::Serialize;
use serde_json::{Map, Value};

use super::codec::decode_embedded;
use super::content::Content;
use super::error::SnapshotError;
use super::global_metadata::flatten;
use super::limits::MAX_SHARDS;
use super::version_id::{IndexVersion, decode_version_id};
use crate::base::settings::whole as whole_number;

/// Whether an index was open when the snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IndexState {
    /// Open.
    Open,
    /// Closed; its documents are in the snapshot all the same.
    Close,
}

/// The mapping of one type: `_doc` in all but old indices.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TypeMapping {
    /// Name of the type.
    pub type_name: String,
    /// The mapping without the type's name around it.
    pub mapping: Value,
}

/// The metadata of one index in a snapshot (Elasticsearch 5–9, OpenSearch 1–3).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IndexMetadata {
    /// Name of the index.
    pub name: String,
    /// `index.uuid`, which is not the id in the repository's keys.
    pub uuid: Option<String>,
    /// Open or closed.
    pub state: IndexState,
    /// Settings by dotted key; values are texts or lists of texts.
    pub settings: Map<String, Value>,
    /// One entry for each type; none when nothing was ever mapped.
    pub types: Vec<TypeMapping>,
    /// Aliases by name.
    pub aliases: Map<String, Value>,
    /// `index.number_of_shards`.
    pub number_of_shards: u32,
    /// The number of shards that routing is computed with (from 6.0).
    pub routing_num_shards: Option<u32>,
    /// `index.version.created`.
    pub created: Option<IndexVersion>,
    /// Primary term of each shard, by its number.
    pub primary_terms: Vec<u64>,
    /// Counts changes of the mapping.
    pub mapping_version: Option<u64>,
    /// Counts changes of the settings.
    pub settings_version: Option<u64>,
}

impl IndexMetadata {
    /// The mapping as one object, without type names; empty when nothing was mapped. For an index with many types
    /// (before 6.0) this is the first: see [`Self::types`].
    pub fn mapping(&self) -> Value {
        self.types
            .first()
            .map_or_else(|| Value::Object(Map::new()), |entry| entry.mapping.clone())
    }

    /// The name of the type where it is not `_doc`.
    pub fn legacy_type(&self) -> Option<&str> {
        self.types
            .first()
            .map(|entry| entry.type_name.as_str())
            .filter(|name| *name != "_doc")
    }

    /// A setting as text.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.get(key).and_then(Value::as_str)
    }

    /// A mounted searchable snapshot has no files of its own: its data stands in another snapshot.
    pub fn is_mounted_snapshot(&self) -> bool {
        self.setting("index.store.type") == Some("snapshot")
    }

    /// From the decoded blob: one object under the index's name.
    pub(crate) fn from_content(
        blob: &str,
        index: &str,
        root: &Content,
    ) -> Result<Self, SnapshotError> {
        let field_error = |field: &str, reason: &str| SnapshotError::Field {
            blob: blob.to_owned(),
            field: format!("{index}.{field}"),
            reason: reason.to_owned(),
        };
        let fields = root
            .get(index)
            .ok_or_else(|| field_error("*", "is missing: the blob is another index's"))?;
        let settings = fields
            .get("settings")
            .map(|settings| with_prefix(flatten(settings.to_json())))
            .ok_or_else(|| field_error("settings", "is missing"))?;
        let whole = |key: &str| settings.get(key).and_then(whole_number);
        let number_of_shards = whole("index.number_of_shards")
            .and_then(|shards| u32::try_from(shards).ok())
            .filter(|shards| (1..=MAX_SHARDS).contains(shards))
            .ok_or_else(|| {
                field_error(
                    "settings.index.number_of_shards",
                    &format!("must be 1 to {MAX_SHARDS}"),
                )
            })?;
        let state = match fields.get("state").and_then(Content::as_str) {
            Some("open") => IndexState::Open,
            Some("close") => IndexState::Close,
            _ => return Err(field_error("state", "must be open or close")),
        };
        let primary_terms = match fields.get("primary_terms") {
            None => Vec::new(),
            Some(terms) => primary_terms(terms)
                .ok_or_else(|| field_error("primary_terms", "must be numbers"))?,
        };
        let aliases = match fields.get("aliases").map(Content::to_json) {
            Some(Value::Object(aliases)) => aliases,
            _ => Map::new(),
        };
        Ok(Self {
            name: index.to_owned(),
            uuid: settings
                .get("index.uuid")
                .and_then(Value::as_str)
                .map(str::to_owned),
            state,
            types: types(blob, fields.get("mappings"))?,
            aliases,
            number_of_shards,
            routing_num_shards: fields
                .get("routing_num_shards")
                .and_then(Content::as_u64)
                .and_then(|shards| u32::try_from(shards).ok()),
            created: whole("index.version.created").and_then(decode_version_id),
            primary_terms,
            mapping_version: fields.get("mapping_version").and_then(Content::as_u64),
            settings_version: fields.get("settings_version").and_then(Content::as_u64),
            settings,
        })
    }
}

/// Nested forms may leave the `index.` away.
fn with_prefix(settings: Map<String, Value>) -> Map<String, Value> {
    settings
        .into_iter()
        .map(|(key, value)| {
            if key.starts_with("index.") || key.starts_with("archived.") {
                (key, value)
            } else {
                (format!("index.{key}"), value)
            }
        })
        .collect()
}

/// A list by shard number, or an object from shard number to term.
fn primary_terms(terms: &Content) -> Option<Vec<u64>> {
    match terms {
        Content::Array(terms) => terms.iter().map(Content::as_u64).collect(),
        Content::Object(fields) => {
            let mut numbered = fields
                .iter()
                .map(|(shard, term)| Some((shard.parse::<u32>().ok()?, term.as_u64()?)))
                .collect::<Option<Vec<_>>>()?;
            numbered.sort_unstable();
            Some(numbered.into_iter().map(|(_, term)| term).collect())
        }
        _ => None,
    }
}

/// `mappings` is a list of objects with one key (the type), or one object with a key a type; an item may also be the
/// compressed bytes of such an object.
fn types(blob: &str, mappings: Option<&Content>) -> Result<Vec<TypeMapping>, SnapshotError> {
    let mut types = Vec::new();
    let items = match mappings {
        None | Some(Content::Null) => return Ok(types),
        Some(Content::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    for item in items {
        let decoded;
        let item = if let Content::Binary(bytes) = item {
            decoded = decode_embedded(blob, bytes)?;
            &decoded
        } else {
            item
        };
        let Some(fields) = item.as_object() else {
            return Err(SnapshotError::Field {
                blob: blob.to_owned(),
                field: "mappings".to_owned(),
                reason: "has an item that is no object".to_owned(),
            });
        };
        for (type_name, mapping) in fields {
            types.push(TypeMapping {
                type_name: type_name.clone(),
                mapping: mapping.to_json(),
            });
        }
    }
    Ok(types)
}
