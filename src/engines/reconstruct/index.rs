//! The recipes of an index: one for each of its types, by its settings and mappings. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::recipe::{Origin, Place, Recipe};
use crate::base::settings::whole;
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

/// What of an index's fields can't be had, or comes back otherwise, in words: `field: reason`. `unread` has fields of its
/// segments whose doc values are of a format that is not read, with it.
pub fn lost_fields<'a>(
    settings: &Map<String, Value>,
    types: impl Iterator<Item = (&'a str, &'a Value)>,
    unread: &BTreeMap<String, String>,
) -> Vec<String> {
    let origin = origin(settings);
    let mut lost = Vec::new();
    for (_, mapping) in types {
        let recipe = Recipe::of(mapping, origin);
        let kept = Kept::of(mapping);
        let entries = recipe.unavailable().iter().chain(recipe.altered());
        let entries = entries.filter(|entry| !kept.has(&entry.field));
        lost.extend(entries.map(|entry| format!("{}: {}", entry.field, entry.reason)));
        for (_, place) in recipe.places() {
            if let Place::DocValues(name) = place
                && let Some(format) = unread.get(name)
                && !kept.has(name)
            {
                lost.push(format!(
                    "{name}: its doc values are of format {format}, which is not read: a document without its original fails"
                ));
            }
        }
    }
    lost.sort_unstable();
    lost.dedup();
    lost
}

/// Which fields a source that lacks some still has.
struct Kept<'a> {
    /// Whether there is a source.
    some: bool,
    includes: Vec<&'a str>,
    excludes: Vec<&'a str>,
}

impl<'a> Kept<'a> {
    fn of(mapping: &'a Value) -> Self {
        let source = mapping.get("_source");
        let patterns = |keys: [&str; 2]| -> Vec<&'a str> {
            let lists = keys.iter().filter_map(|key| source?.get(key));
            let texts = lists.flat_map(|list| match list {
                Value::Array(texts) => texts.iter().collect(),
                text => vec![text],
            });
            texts.filter_map(Value::as_str).collect()
        };
        let includes = patterns(["includes", "include"]);
        let excludes = patterns(["excludes", "exclude"]);
        Self {
            some: !includes.is_empty() || !excludes.is_empty(),
            includes,
            excludes,
        }
    }

    fn has(&self, field: &str) -> bool {
        // A pattern that names an object means all below it.
        let any = |patterns: &[&str]| {
            let ends = field.match_indices('.').map(|(at, _)| at);
            let mut names = ends.chain([field.len()]).filter_map(|end| field.get(..end));
            names.any(|name| patterns.iter().any(|pattern| matches(pattern, name)))
        };
        let included = self.includes.is_empty() || any(&self.includes);
        self.some && included && !any(&self.excludes)
    }
}

/// A pattern of `_source`: `*` stands for anything, dots too.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => {
            let Some(rest) = name.strip_prefix(head) else {
                return false;
            };
            let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            starts
                .filter_map(|at| rest.get(at..))
                .any(|rest| matches(tail, rest))
        }
    }
}

fn origin(settings: &Map<String, Value>) -> Origin {
    let text = |key: &str| settings.get(key).and_then(Value::as_str);
    let created = settings
        .get("index.version.created")
        .and_then(|id| Some(decode_version_id(whole(id)?)?.line()));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_source_that_lacks_fields_loses_only_these() {
        let settings = json!({ "index.version.created": "7100299" });
        let mut mapping = json!({ "properties": {
            "text": { "type": "text" },
            "kept": { "type": "text" },
            "o": { "properties": { "x": { "type": "text" }, "y": { "type": "text" } } },
        } });
        let lost = |mapping: &Value| -> Vec<String> {
            let types = [("_doc", mapping)].into_iter();
            let lost = lost_fields(settings.as_object().unwrap(), types, &BTreeMap::new());
            lost.iter()
                .map(|entry| entry.split(':').next().unwrap().to_owned())
                .collect()
        };
        assert_eq!(lost(&mapping), ["kept", "o.x", "o.y", "text"]);
        mapping["_source"] = json!({ "excludes": ["t*t", "o.x"] });
        assert_eq!(lost(&mapping), ["o.x", "text"]);
        mapping["_source"] = json!({ "includes": ["kept", "o"], "excludes": ["*.y"] });
        assert_eq!(lost(&mapping), ["o.y", "text"]);
    }
}
