//! Where the value of each field of a mapping can be had. Pure.

use serde_json::{Map, Value};

use super::dates::{self, DateFormat};
use super::values::Kind;

/// Objects within objects, at the most; a mapping of more is cut there and said to be.
const MAX_DEPTH: usize = 50;

/// What of an index, besides its mapping, decides where values are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Whether doc values are of a format that is read here: from Lucene 7 (Elasticsearch 6) on.
    pub doc_values: bool,
    /// Whether `unsigned_long` is shifted in doc values: Elasticsearch does so, OpenSearch does not.
    pub shifts_unsigned: bool,
    /// Whether texts are stored without the mapping's saying so: synthetic and derived sources do that.
    pub texts_stored: bool,
}

/// Where an index keeps the value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Doc values of this name.
    DocValues(String),
    /// A stored field of this name.
    Stored(String),
}

/// A field of which something can't be had, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unavailable {
    /// Dotted path of the field.
    pub field: String,
    /// In a few words.
    pub reason: String,
}

/// One field that can be rebuilt.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    /// Names from the root of the document.
    pub(super) path: Vec<String>,
    pub(super) place: Place,
    pub(super) kind: Kind,
}

/// How the documents of one mapping are rebuilt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recipe {
    /// In order of their paths, so that the fields of one object stand together.
    pub(super) fields: Vec<Field>,
    unavailable: Vec<Unavailable>,
    altered: Vec<Unavailable>,
}

impl Recipe {
    /// Reads a mapping (the object that has `properties`).
    pub fn of(mapping: &Value, origin: Origin) -> Self {
        let mut recipe = Self::default();
        let copies = copy_targets(mapping, 0);
        let mut walk = Walk {
            recipe: &mut recipe,
            origin,
            copies,
        };
        if mapping
            .get("enabled")
            .is_some_and(|enabled| *enabled == false)
        {
            walk.refuse(&["*".to_owned()], "`enabled: false`: nothing is indexed");
        } else {
            walk.properties(mapping, &mut Vec::new());
        }
        recipe
            .fields
            .sort_by(|left, right| left.path.cmp(&right.path));
        recipe.unavailable.sort_unstable();
        recipe.altered.sort_unstable();
        recipe
    }

    /// Fields whose values can't be had at all.
    pub fn unavailable(&self) -> &[Unavailable] {
        &self.unavailable
    }

    /// Fields whose values come back otherwise than they were sent.
    pub fn altered(&self) -> &[Unavailable] {
        &self.altered
    }

    /// Where each field is looked for; its number is how a value is handed to [`super::Builder`].
    pub fn places(&self) -> impl Iterator<Item = (usize, &Place)> {
        let places = self.fields.iter().map(|field| &field.place);
        places.enumerate()
    }
}

struct Walk<'a> {
    recipe: &'a mut Recipe,
    origin: Origin,
    copies: Vec<String>,
}

impl Walk<'_> {
    fn properties(&mut self, mapping: &Value, path: &mut Vec<String>) {
        let dynamic = mapping
            .get("dynamic")
            .map(|word| word.as_str() != Some("false") && *word != false);
        if dynamic == Some(false) {
            path.push("*".to_owned());
            self.refuse(
                path,
                "`dynamic: false`: fields that are not mapped are not indexed",
            );
            path.pop();
        }
        let Some(Value::Object(properties)) = mapping.get("properties") else {
            return;
        };
        for (name, field) in properties {
            // A name with dots is the same as objects within each other.
            let before = path.len();
            path.extend(name.split('.').map(str::to_owned));
            if path.len() > MAX_DEPTH {
                self.refuse(path, format!("stands deeper than {MAX_DEPTH} objects"));
            } else if let Value::Object(field) = field {
                self.field(field, path);
            }
            path.truncate(before);
        }
    }

    fn refuse(&mut self, path: &[String], reason: impl Into<String>) {
        self.recipe.unavailable.push(Unavailable {
            field: path.join("."),
            reason: reason.into(),
        });
    }

    fn field(&mut self, field: &Map<String, Value>, path: &mut Vec<String>) {
        let kind = text_of(field, "type").unwrap_or("object");
        match kind {
            "object" if flag(field, "enabled") == Some(false) => {
                self.refuse(path, "`enabled: false`: nothing of it is indexed");
            }
            "object" => self.properties(&Value::Object(field.clone()), path),
            "nested" => self.refuse(path, "its objects are documents of their own"),
            // Not in any source: another name of a field, or the same value for every document.
            "alias" | "constant_keyword" => {}
            _ if self.copies.contains(&path.join(".")) => {
                self.refuse(
                    path,
                    "holds copies of other fields (`copy_to`) beside its own values",
                );
            }
            _ => self.leaf(kind, field, path),
        }
    }

    fn leaf(&mut self, kind: &str, field: &Map<String, Value>, path: &[String]) {
        let dotted = path.join(".");
        let Some(read_as) = self.kind(kind, field) else {
            let reason = match kind {
                "date" | "date_nanos" => "its date format can't be written".to_owned(),
                _ => format!("type {kind} can't be rebuilt"),
            };
            return self.refuse(path, reason);
        };
        let analysed = is_analysed(kind, field);
        let doc_values = flag(field, "doc_values").unwrap_or(kind != "binary") && !analysed;
        let place = if is_stored(field) {
            Some(Place::Stored(dotted.clone()))
        } else if doc_values && self.origin.doc_values {
            Some(Place::DocValues(dotted.clone()))
        } else if analysed {
            // Where a server makes sources up, a text is stored unless a keyword below it has its value.
            let implied = || {
                self.origin
                    .texts_stored
                    .then(|| Place::Stored(dotted.clone()))
            };
            self.sub_field(field, path).or_else(implied)
        } else {
            None
        };
        let Some(place) = place else {
            let reason = match () {
                () if analysed => "text, of which only terms are kept",
                () if doc_values => "its doc values are of a format before Lucene 7",
                () => "neither doc values nor stored",
            };
            return self.refuse(path, reason);
        };
        let sub_limit = match &place {
            Place::DocValues(name) | Place::Stored(name) if *name != dotted => name
                .rsplit('.')
                .next()
                .and_then(|sub| field.get("fields")?.get(sub)?.get("ignore_above")),
            _ => field.get("ignore_above"),
        };
        if let Some(limit) = sub_limit {
            self.recipe.altered.push(Unavailable {
                field: dotted.clone(),
                reason: format!("values of more than {limit} characters are not there"),
            });
        }
        if let Some(change) = altered(kind, field) {
            self.recipe.altered.push(Unavailable {
                field: dotted,
                reason: change.to_owned(),
            });
        }
        self.recipe.fields.push(Field {
            path: path.to_vec(),
            place,
            kind: read_as,
        });
    }

    fn kind(&self, kind: &str, field: &Map<String, Value>) -> Option<Kind> {
        let format = |none| DateFormat::parse(text_of(field, "format").unwrap_or(none));
        Some(match kind {
            "long" | "integer" | "short" | "byte" => Kind::Whole,
            "unsigned_long" => Kind::Unsigned {
                shifted: self.origin.shifts_unsigned,
            },
            "double" => Kind::Double,
            "float" => Kind::Float,
            "half_float" => Kind::HalfFloat,
            "scaled_float" => {
                Kind::Scaled(number_of(field, "scaling_factor").filter(|factor| *factor > 0.0)?)
            }
            "boolean" => Kind::Boolean,
            "date" => Kind::Date(format(dates::MILLIS)?),
            "date_nanos" => Kind::DateNanos(format(dates::NANOS)?),
            "keyword" | "text" | "match_only_text" | "string" => Kind::Text,
            "ip" => Kind::Ip,
            "geo_point" => Kind::GeoPoint,
            "binary" => Kind::Binary,
            _ => return None,
        })
    }

    /// A text's `keyword` below it holds the same value, where it is short enough: what is longer is told by `_ignored`.
    fn sub_field(&self, field: &Map<String, Value>, path: &[String]) -> Option<Place> {
        let subs = field.get("fields")?.as_object()?;
        subs.iter().find_map(|(name, sub)| {
            let sub = sub.as_object()?;
            let fits = text_of(sub, "type") == Some("keyword") && sub.get("normalizer").is_none();
            let dotted = format!("{}.{name}", path.join("."));
            match () {
                () if !fits => None,
                () if is_stored(sub) => Some(Place::Stored(dotted)),
                () if flag(sub, "doc_values") != Some(false) && self.origin.doc_values => {
                    Some(Place::DocValues(dotted))
                }
                () => None,
            }
        })
    }
}

fn is_analysed(kind: &str, field: &Map<String, Value>) -> bool {
    match kind {
        "text" | "match_only_text" => true,
        // Before Elasticsearch 5; no `index` means analysed.
        "string" => !matches!(text_of(field, "index"), Some("not_analyzed" | "no")),
        _ => false,
    }
}

/// In what the value differs from what was sent, though it can be had.
fn altered(kind: &str, field: &Map<String, Value>) -> Option<&'static str> {
    match kind {
        _ if field.contains_key("null_value") => {
            Some("null comes back as the mapping's `null_value`")
        }
        "keyword" if field.contains_key("normalizer") => Some("comes back normalised"),
        "geo_point" if !is_stored(field) => {
            Some("comes back to about 1 cm, as latitude and longitude")
        }
        "half_float" | "float" | "scaled_float" => {
            Some("comes back with the precision of its type")
        }
        "long" | "integer" | "short" | "byte" => (flag(field, "coerce") != Some(false))
            .then_some("comes back as the whole number it was coerced to"),
        _ => None,
    }
}

/// `copy_to` of every field, whatever its depth.
fn copy_targets(mapping: &Value, depth: usize) -> Vec<String> {
    let mut targets = Vec::new();
    let properties = mapping.get("properties").and_then(Value::as_object);
    if depth > MAX_DEPTH {
        return targets;
    }
    for field in properties.into_iter().flat_map(Map::values) {
        match field.get("copy_to") {
            Some(Value::String(name)) => targets.push(name.clone()),
            Some(Value::Array(names)) => {
                targets.extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            _ => {}
        }
        targets.extend(copy_targets(field, depth + 1));
    }
    targets
}

fn text_of<'a>(field: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    field.get(key).and_then(Value::as_str)
}

/// A truth value, also as the text that old mappings have.
fn flag(field: &Map<String, Value>, key: &str) -> Option<bool> {
    match field.get(key)? {
        Value::Bool(value) => Some(*value),
        Value::String(text) => match text.as_str() {
            "true" | "yes" => Some(true),
            "false" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn is_stored(field: &Map<String, Value>) -> bool {
    flag(field, "store") == Some(true)
}

fn number_of(field: &Map<String, Value>, key: &str) -> Option<f64> {
    let value = field.get(key)?;
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NEW: Origin = Origin {
        doc_values: true,
        shifts_unsigned: false,
        texts_stored: false,
    };

    fn recipe(properties: &Value, origin: Origin) -> Recipe {
        Recipe::of(&json!({ "properties": properties }), origin)
    }

    fn reasons(list: &[Unavailable]) -> Vec<(&str, &str)> {
        let pair = |entry: &'static Unavailable| (entry.field.as_str(), entry.reason.as_str());
        let leaked: &'static [Unavailable] = Box::leak(list.to_vec().into_boxed_slice());
        leaked.iter().map(pair).collect()
    }

    #[test]
    fn each_field_is_had_from_somewhere_or_said_not_to_be() {
        let recipe = recipe(
            &json!({
                "n": { "type": "long", "coerce": false },
                "t": { "type": "text" },
                "kept": { "type": "text", "store": true },
                "title": { "type": "text", "fields": { "raw": { "type": "keyword", "ignore_above": 256 } } },
                "lower": { "type": "text", "fields": { "raw": { "type": "keyword", "normalizer": "l" } } },
                "o": { "properties": { "d": { "type": "date" }, "b": { "type": "binary" } } },
                "a.b": { "type": "keyword" },
                "list": { "type": "nested", "properties": { "x": { "type": "long" } } },
                "off": { "type": "object", "enabled": false },
                "other": { "type": "alias", "path": "n" },
                "odd": { "type": "geo_shape" },
                "quiet": { "type": "keyword", "doc_values": false },
                "words": { "type": "keyword", "copy_to": "all" },
                "all": { "type": "keyword" },
                "when": { "type": "date", "format": "EEE" },
            }),
            NEW,
        );
        let found: Vec<(String, Place)> = recipe
            .fields
            .iter()
            .map(|field| (field.path.join("/"), field.place.clone()))
            .collect();
        let doc_values =
            |path: &str, name: &str| (path.to_owned(), Place::DocValues(name.to_owned()));
        assert_eq!(
            found,
            [
                doc_values("a/b", "a.b"),
                ("kept".to_owned(), Place::Stored("kept".to_owned())),
                doc_values("n", "n"),
                doc_values("o/d", "o.d"),
                doc_values("title", "title.raw"),
                doc_values("words", "words"),
            ]
        );
        assert_eq!(
            reasons(recipe.unavailable()),
            [
                (
                    "all",
                    "holds copies of other fields (`copy_to`) beside its own values"
                ),
                ("list", "its objects are documents of their own"),
                ("lower", "text, of which only terms are kept"),
                ("o.b", "neither doc values nor stored"),
                ("odd", "type geo_shape can't be rebuilt"),
                ("off", "`enabled: false`: nothing of it is indexed"),
                ("quiet", "neither doc values nor stored"),
                ("t", "text, of which only terms are kept"),
                ("when", "its date format can't be written"),
            ]
        );
        assert_eq!(
            reasons(recipe.altered()),
            [("title", "values of more than 256 characters are not there")]
        );
    }

    #[test]
    fn old_doc_values_are_not_promised() {
        let properties =
            json!({ "n": { "type": "long" }, "s": { "type": "long", "store": "yes" } });
        let old = recipe(&properties, Origin::default());
        assert_eq!(old.fields.len(), 1);
        assert_eq!(
            reasons(old.unavailable()),
            [("n", "its doc values are of a format before Lucene 7")]
        );
    }

    #[test]
    fn what_comes_back_otherwise_is_told() {
        let recipe = recipe(
            &json!({
                "n": { "type": "integer" },
                "k": { "type": "keyword", "null_value": "none" },
                "g": { "type": "geo_point" },
                "z": { "type": "scaled_float", "scaling_factor": 100 },
            }),
            NEW,
        );
        let fields: Vec<&str> = recipe
            .altered()
            .iter()
            .map(|entry| entry.field.as_str())
            .collect();
        assert_eq!(fields, ["g", "k", "n", "z"]);
    }
}
