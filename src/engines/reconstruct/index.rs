//! The recipes of an index: one for each of its types, by its settings and mappings. Pure.

use serde_json::{Map, Value};

use super::recipe::{Origin, Recipe};
use crate::base::version::Product;
use crate::engines::snapshot::decode_version_id;

/// The first Elasticsearch whose doc values are of a format that is read here.
const DOC_VALUES_SINCE: u16 = 6;

/// For each type of an index, in order. `settings` have dotted keys.
pub fn recipes_of<'a>(
    settings: &Map<String, Value>,
    types: impl Iterator<Item = (&'a str, &'a Value)>,
) -> Vec<(String, Recipe)> {
    let origin = origin(settings);
    types
        .map(|(name, mapping)| (name.to_owned(), Recipe::of(mapping, origin)))
        .collect()
}

/// What of an index's fields can't be had, or comes back otherwise, in words: `field: reason`.
pub fn lost_fields<'a>(
    settings: &Map<String, Value>,
    types: impl Iterator<Item = (&'a str, &'a Value)>,
) -> Vec<String> {
    let recipes = recipes_of(settings, types);
    let entries = recipes
        .iter()
        .flat_map(|(_, recipe)| recipe.unavailable().iter().chain(recipe.altered()));
    let mut lost: Vec<String> = entries
        .map(|entry| format!("{}: {}", entry.field, entry.reason))
        .collect();
    lost.sort_unstable();
    lost.dedup();
    lost
}

fn origin(settings: &Map<String, Value>) -> Origin {
    let text = |key: &str| settings.get(key).and_then(Value::as_str);
    let created = settings.get("index.version.created").and_then(|id| {
        let id = id.as_u64().or_else(|| id.as_str()?.parse().ok())?;
        Some(decode_version_id(id)?.line())
    });
    let elasticsearch = created.is_none_or(|created| created.product == Product::Elasticsearch);
    let synthetic = text("index.mapping.source.mode") == Some("synthetic")
        || matches!(text("index.mode"), Some("logsdb" | "time_series"))
        || settings.get("index.derived_source.enabled").is_some();
    Origin {
        doc_values: created
            .is_some_and(|created| !elasticsearch || created.version.major >= DOC_VALUES_SINCE),
        shifts_unsigned: elasticsearch,
        texts_stored: synthetic,
    }
}
