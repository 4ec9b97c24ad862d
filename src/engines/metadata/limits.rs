//! What servers refuse whatever their settings say: found without asking one, for a directory too.
//!
//! Limits that a setting raises are raised by a rule (MIG195); these are not. A mapping that is nested too deep must not
//! even be asked about: the processes of Elasticsearch 7.17 and OpenSearch 1.3 and 2.19 end on one of 1,100 levels.

use serde_json::{Map, Value};

use crate::base::cut;
use crate::base::settings::whole;
use crate::base::version::{Product, ProductVersion};
use crate::diff::observation::ObjectKind;

/// Characters in the name of a field (OpenSearch from 3.0 on).
const NAME_CHARS_MAX: usize = 50_000;
/// Primary shards of one index, unless the server was started with another number.
const SHARDS_MAX: u64 = 1_024;
/// Dimensions of a vector of OpenSearch's k-NN.
const DIMENSIONS_MAX: u64 = 16_000;
/// Bytes in the name of an index, an alias or a data stream.
const NAME_BYTES_MAX: usize = 255;
/// Characters of a field's name that a message repeats.
const SHOWN_CHARS: usize = 40;

/// What of an object as it is wanted no server of this version takes, each as a sentence without its end.
pub fn beyond(kind: ObjectKind, body: &Value, target: ProductVersion) -> Vec<String> {
    let sections: Vec<&Value> = match kind {
        ObjectKind::IndexTemplate | ObjectKind::ComponentTemplate => {
            body.get("template").into_iter().collect()
        }
        ObjectKind::LegacyTemplate | ObjectKind::Index => vec![body],
        ObjectKind::DataStream => {
            let generations = body.get("generations").and_then(Value::as_array);
            generations.into_iter().flatten().collect()
        }
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    for section in sections {
        of_section(section, target, &mut found);
    }
    found.sort();
    found.dedup();
    found
}

fn of_section(section: &Value, target: ProductVersion, found: &mut Vec<String>) {
    let shards = section.get("settings").and_then(|settings| {
        let nested = settings.pointer("/index/number_of_shards");
        let value = settings.get("index.number_of_shards").or(nested)?;
        whole(value)
    });
    if let Some(shards) = shards.filter(|shards| *shards > SHARDS_MAX) {
        found.push(format!(
            "it has {shards} primary shards, and servers take {SHARDS_MAX}"
        ));
    }
    let Some(mappings) = section.get("mappings") else {
        return;
    };
    let mut names = Names { target, found };
    if walk(mappings, &mut names) {
        names.found.push(format!(
            "its mapping is nested deeper than mig reads, which is {} levels",
            cut::LEVELS / 2
        ));
    }
}

/// What is said of names and vectors on the walk.
struct Names<'a> {
    target: ProductVersion,
    found: &'a mut Vec<String>,
}

impl Names<'_> {
    fn look(&mut self, fields: &Map<String, Value>) {
        if self.target.product != Product::OpenSearch {
            return;
        }
        let names_end = self.target.version.floor() >= (3, 0, 0);
        for (name, field) in fields {
            // Bytes are never fewer than characters.
            if names_end && name.len() > NAME_CHARS_MAX && name.chars().count() > NAME_CHARS_MAX {
                let shown: String = name.chars().take(SHOWN_CHARS).collect();
                self.found.push(format!(
                    "the name of field `{shown}…` has more than {NAME_CHARS_MAX} characters"
                ));
            }
            let dimension = field.get("dimension").and_then(Value::as_u64);
            let is_vector = field.get("type").and_then(Value::as_str) == Some("knn_vector");
            if let Some(dimension) = dimension.filter(|it| is_vector && *it > DIMENSIONS_MAX) {
                self.found.push(format!(
                    "vectors of field `{name}` have {dimension} dimensions, and servers take {DIMENSIONS_MAX}"
                ));
            }
        }
    }
}

/// Looks at all fields; whether some of them were cut off when the mapping was read, which is long before the depth that servers
/// take. The walk has its own stack.
fn walk(mappings: &Value, names: &mut Names<'_>) -> bool {
    let mut is_cut = false;
    let mut waiting = vec![mappings];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::Object(properties)) = fields.get("properties") {
                    names.look(properties);
                }
                waiting.extend(fields.values());
            }
            Value::Array(items) => waiting.extend(items),
            Value::String(text) => is_cut |= text == cut::CUT,
            _ => {}
        }
    }
    is_cut
}

/// Why servers of this version take no index, alias or data stream of this name; `None` where they do.
pub fn name_problem(kind: ObjectKind, name: &str, target: ProductVersion) -> Option<String> {
    // Elasticsearch 6 took colons, and warned.
    let colons = target.product == Product::OpenSearch || target.version.floor() >= (7, 0, 0);
    let bad = name.chars().find(|character| {
        "\\/*?\"<>| ,#".contains(*character)
            || (*character == ':' && colons)
            || character.is_control()
    });
    if let Some(bad) = bad {
        return Some(format!("`{}` may not stand in it", bad.escape_default()));
    }
    if name.starts_with(['-', '_', '+']) {
        return Some("it may not begin with `-`, `_` or `+`".to_owned());
    }
    if name == "." || name == ".." {
        return Some("it may not be a dot or two".to_owned());
    }
    // Aliases may have capital letters.
    if kind != ObjectKind::Alias && name.chars().any(char::is_uppercase) {
        return Some("it may not have capital letters".to_owned());
    }
    (name.len() > NAME_BYTES_MAX)
        .then(|| format!("it has {} bytes, and {NAME_BYTES_MAX} may be", name.len()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::version::Version;

    const fn server(product: Product, major: u16, minor: u16) -> ProductVersion {
        ProductVersion {
            product,
            version: Version::new(major, minor, 0),
        }
    }

    const OS: ProductVersion = server(Product::OpenSearch, 3, 3);

    #[test]
    fn what_was_cut_is_told() {
        let below = "{\"properties\":{\"a\":".repeat(500);
        let text = format!(
            "{{\"mappings\":{below}{{\"type\":\"long\"}}{}}}",
            "}}".repeat(500)
        );
        let body = cut::parse(text.as_bytes()).expect("JSON");
        assert_eq!(
            beyond(ObjectKind::Index, &body, OS),
            ["its mapping is nested deeper than mig reads, which is 55 levels"]
        );
        let shallow =
            json!({"mappings": {"properties": {"a": {"properties": {"b": {"type": "long"}}}}}});
        assert!(beyond(ObjectKind::Index, &shallow, OS).is_empty());
    }

    #[test]
    fn names_shards_and_vectors_have_limits() {
        let long = "x".repeat(50_001);
        let body = json!({"template": {"settings": {"index": {"number_of_shards": "1025"}},
            "mappings": {"properties": {long.as_str(): {"type": "long"},
                "v": {"type": "knn_vector", "dimension": 16_001}}}}});
        let found = beyond(ObjectKind::IndexTemplate, &body, OS);
        assert_eq!(found.len(), 3, "{found:?}");
        let fits = "x".repeat(50_000);
        let body = json!({"settings": {"index.number_of_shards": 1024}, "mappings": {"properties": {fits.as_str(): {"type": "long"},
            "v": {"type": "knn_vector", "dimension": 16_000}}}});
        assert!(beyond(ObjectKind::Index, &body, OS).is_empty());
    }

    /// As OpenSearch 3.3 and Elasticsearch 7.17 were seen to take and refuse them.
    #[test]
    fn names_are_those_that_servers_take() {
        let index = |name: &str| name_problem(ObjectKind::Index, name, OS).is_none();
        for good in [".abc", "a-b", "a_b+", "é", &"a".repeat(255)] {
            assert!(index(good), "{good}");
        }
        for bad in [
            "Abc",
            "_a",
            "-a",
            "+a",
            "a:b",
            "a#b",
            "a b",
            "a,b",
            ".",
            "..",
            "a*",
            "a?",
            "a\"",
            "a|",
            "a<",
            "a>",
            "a/b",
            "a\\b",
            "É",
            &"a".repeat(256),
            &"é".repeat(128),
        ] {
            assert!(!index(bad), "{bad}");
        }
        assert!(name_problem(ObjectKind::Alias, "Abc", OS).is_none());
        assert!(name_problem(ObjectKind::Alias, "a b", OS).is_some());
        let es6 = server(Product::Elasticsearch, 6, 8);
        assert!(name_problem(ObjectKind::Index, "a:b", es6).is_none());
    }
}
