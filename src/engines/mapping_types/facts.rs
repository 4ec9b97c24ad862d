//! What the mappings of an index tell of its types.

use serde_json::Value;

use crate::diff::observation::{IdsRead, TypeFacts, TypesFacts};

/// The mapping of no documents: what new types of 1.x to 5.x begin with.
pub const DEFAULT: &str = "_default_";

/// The types of an index by their mappings; `None` where there is one and it is no more than `_doc`. Nothing is known of
/// documents yet.
pub fn facts<'a>(types: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Option<TypesFacts> {
    let types: Vec<(&str, &Value)> = types
        .into_iter()
        .filter(|(name, _)| *name != DEFAULT)
        .collect();
    let parent = |mapping: &Value| Some(mapping.pointer("/_parent/type")?.as_str()?.to_owned());
    if matches!(types.as_slice(), [] | [("_doc", _)]) {
        return None;
    }
    let with_parent = types.iter().any(|(_, mapping)| parent(mapping).is_some());
    let has = |name: &str| {
        types.iter().any(|(_, mapping)| {
            let properties = mapping.get("properties");
            properties.is_some_and(|it| it.get(name).is_some())
        })
    };
    let free = || {
        let mut name = "join".to_owned();
        let mut number = 2_u64;
        while has(&name) {
            name = format!("join_{number}");
            number += 1;
        }
        name
    };
    let mut found: Vec<TypeFacts> = types
        .iter()
        .map(|(name, mapping)| TypeFacts {
            name: (*name).to_owned(),
            docs: None,
            parent: parent(mapping),
        })
        .collect();
    found.sort_by(|left, right| left.name.cmp(&right.name));
    Some(TypesFacts {
        types: found,
        read: IdsRead::NotYet,
        free_field: with_parent.then(free),
        shared_ids: Vec::new(),
    })
}
