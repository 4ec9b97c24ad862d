//! One mapping of those of several types, and where they contradict each other.
//!
//! A field that types define alike is one field; objects are joined property by property. What servers hold per type and
//! nothing depends on any more (`_parent`, `_routing`, `_all`, the types' own names for `_id` and the like) is no
//! contradiction: other rules see to it. Deliberately absent: deciding whose definition is right.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Root parameters whose differences change no document and no search of the fields.
const PER_TYPE: [&str; 12] = [
    "_all",
    "_analyzer",
    "_boost",
    "_field_names",
    "_id",
    "_index",
    "_meta",
    "_parent",
    "_size",
    "_timestamp",
    "_ttl",
    "_type",
];

/// Levels of objects within objects that are joined; servers stop at 20 where nobody says otherwise.
const DEPTH_MAX: usize = 256;

/// Two definitions of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// `mappings.properties.n`, `mappings.dynamic`.
    pub path: String,
    /// A type and its definition; `None` where it has none.
    pub left: (String, Option<Value>),
    /// Another.
    pub right: (String, Option<Value>),
}

/// The mapping of several types.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Union {
    /// Fields and root parameters.
    pub mapping: Map<String, Value>,
    /// What contradicts and nobody decided.
    pub conflicts: Vec<Conflict>,
    /// What contradicted and was decided by the preferred type, whose definition is on the left.
    pub decided: Vec<Conflict>,
}

struct Joining<'a> {
    union: Union,
    prefer: Option<&'a str>,
    /// The type that a definition is of, by path.
    of: BTreeMap<String, String>,
}

/// Joins the mappings of types, given by name. Where they contradict, the first one's definition stays, and the preferred
/// type goes first.
pub fn union(types: &[(&str, &Value)], prefer: Option<&str>) -> Union {
    let mut order: Vec<(&str, &Value)> = types.to_vec();
    order.sort_by_key(|(name, _)| prefer != Some(*name));
    let mut joining = Joining {
        union: Union::default(),
        prefer,
        of: BTreeMap::new(),
    };
    let mut mapping = Map::new();
    let empty = Map::new();
    let mut seen: Vec<(&str, &Map<String, Value>)> = Vec::new();
    for (name, body) in order {
        let body = body.as_object().unwrap_or(&empty);
        for (key, value) in body {
            let path = format!("mappings.{key}");
            match key.as_str() {
                "properties" => {
                    let known = mapping
                        .entry(key.clone())
                        .or_insert_with(|| Value::Object(Map::new()));
                    joining.properties(&path, name, known, value, 0);
                }
                "dynamic_templates" => joining.templates(&path, name, &mut mapping, value),
                // That of all of them, or of none: see below.
                "_routing" => {}
                _ if PER_TYPE.contains(&key.as_str()) => {
                    mapping.entry(key.clone()).or_insert_with(|| value.clone());
                }
                _ => match (mapping.get(key), seen.first()) {
                    (Some(known), _) if known == value => {}
                    (None, None) => {
                        mapping.insert(key.clone(), value.clone());
                        joining.of.insert(path, name.to_owned());
                    }
                    (known, first) => {
                        let left = joining.of.get(&path).cloned();
                        let left = left.or_else(|| first.map(|(name, _)| (*name).to_owned()));
                        let left = (left.unwrap_or_default(), known.cloned());
                        joining.contradict(path, left, (name.to_owned(), Some(value.clone())));
                    }
                },
            }
        }
        // What the types before have and this one has not: its default is something else.
        for (key, value) in &mapping {
            let path = format!("mappings.{key}");
            if let (false, Some(of)) = (body.contains_key(key), joining.of.get(&path)) {
                let left = (of.clone(), Some(value.clone()));
                joining.contradict(path, left, (name.to_owned(), None));
            }
        }
        seen.push((name, body));
    }
    let required = |body: &Map<String, Value>| {
        body.get("_routing").and_then(|it| it.get("required")) == Some(&Value::Bool(true))
    };
    if !seen.is_empty() && seen.iter().all(|(_, body)| required(body)) {
        mapping.insert("_routing".into(), serde_json::json!({"required": true}));
    }
    joining.union.mapping = mapping;
    joining.union
}

impl Joining<'_> {
    fn contradict(
        &mut self,
        path: String,
        left: (String, Option<Value>),
        right: (String, Option<Value>),
    ) {
        let decided = self.prefer.is_some_and(|prefer| prefer == left.0);
        let conflict = Conflict { path, left, right };
        if decided {
            self.union.decided.push(conflict);
        } else {
            self.union.conflicts.push(conflict);
        }
    }

    /// Joins the fields below `path`.
    fn properties(
        &mut self,
        path: &str,
        name: &str,
        known: &mut Value,
        more: &Value,
        depth: usize,
    ) {
        let (Value::Object(known), Value::Object(more)) = (known, more) else {
            return;
        };
        for (field, definition) in more {
            let path = format!("{path}.{field}");
            match known.get_mut(field) {
                None => {
                    self.of.insert(path, name.to_owned());
                    known.insert(field.clone(), definition.clone());
                }
                Some(there) if there == definition => {}
                Some(there) => self.field(path, name, there, definition, depth),
            }
        }
    }

    /// Joins two definitions of one field that are not equal.
    fn field(
        &mut self,
        path: String,
        name: &str,
        there: &mut Value,
        definition: &Value,
        depth: usize,
    ) {
        let section = ["properties", "fields"].into_iter().find(|section| {
            let with = |it: &Value| it.get(*section).is_some_and(Value::is_object);
            with(there) || with(definition)
        });
        let rest = |it: &Value| {
            let mut rest = it.as_object().cloned().unwrap_or_default();
            if let Some(section) = section {
                rest.remove(section);
            }
            if section == Some("properties") && rest.get("type") == Some(&Value::from("object")) {
                rest.remove("type");
            }
            rest
        };
        let same = definition.is_object() && rest(there) == rest(definition);
        let (Some(section), true, true) = (section, same, depth < DEPTH_MAX) else {
            let left = self.owner(&path);
            let left = (left, Some(there.clone()));
            self.contradict(path, left, (name.to_owned(), Some(definition.clone())));
            return;
        };
        let (Some(there), Some(more)) = (there.as_object_mut(), definition.get(section)) else {
            return;
        };
        let known = there
            .entry(section)
            .or_insert_with(|| Value::Object(Map::new()));
        self.properties(&format!("{path}.{section}"), name, known, more, depth + 1);
    }

    /// The type that defined a field, or the nearest object around it.
    fn owner(&self, path: &str) -> String {
        let mut path = path;
        loop {
            if let Some(of) = self.of.get(path) {
                return of.clone();
            }
            match path.rsplit_once('.') {
                Some((above, _)) => path = above,
                None => return String::new(),
            }
        }
    }

    /// Joins lists of dynamic templates; two of one name have to be equal.
    fn templates(
        &mut self,
        path: &str,
        name: &str,
        mapping: &mut Map<String, Value>,
        more: &Value,
    ) {
        let known = mapping
            .entry("dynamic_templates")
            .or_insert_with(|| Value::Array(Vec::new()));
        let (Value::Array(known), Value::Array(more)) = (known, more) else {
            return;
        };
        for template in more {
            let named = |it: &Value| it.as_object().and_then(|it| it.keys().next().cloned());
            let there = known.iter().find(|it| named(it) == named(template));
            let path = format!("{path}.{}", named(template).unwrap_or_default());
            match there {
                Some(there) if there == template => {}
                Some(there) => {
                    let left = self.of.get(&path).cloned().unwrap_or_default();
                    let left = (left, Some(there.clone()));
                    self.contradict(path, left, (name.to_owned(), Some(template.clone())));
                }
                None => {
                    self.of.insert(path, name.to_owned());
                    known.push(template.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(conflicts: &[Conflict]) -> Vec<&str> {
        conflicts.iter().map(|it| it.path.as_str()).collect()
    }

    #[test]
    fn fields_of_all_types_are_there_and_objects_are_joined() {
        let post = json!({"properties": {"title": {"type": "string"},
            "user": {"properties": {"name": {"type": "string"}}}}});
        let page = json!({"properties": {"title": {"type": "string"}, "views": {"type": "long"},
            "user": {"type": "object", "properties": {"age": {"type": "long"}}}}, "_parent": {"type": "post"}});
        let union = union(&[("page", &page), ("post", &post)], None);
        assert!(union.conflicts.is_empty(), "{:?}", union.conflicts);
        assert_eq!(
            union.mapping["properties"],
            json!({"title": {"type": "string"}, "views": {"type": "long"},
                "user": {"type": "object", "properties": {"age": {"type": "long"}, "name": {"type": "string"}}}})
        );
    }

    #[test]
    fn a_contradiction_names_both_and_is_decided_by_the_preferred_type() {
        let post = json!({"properties": {"n": {"type": "long"}, "o": {"properties": {"p": {"type": "date"}}}}});
        let page = json!({"properties": {"n": {"type": "string"}, "o": {"properties": {"p": {"type": "long"}}}}});
        let types = [("page", &page), ("post", &post)];
        let open = union(&types, None);
        assert_eq!(
            paths(&open.conflicts),
            [
                "mappings.properties.n",
                "mappings.properties.o.properties.p"
            ]
        );
        assert_eq!(open.conflicts[1].left.0, "page");
        assert_eq!(open.conflicts[1].right.0, "post");
        let decided = union(&types, Some("post"));
        assert!(decided.conflicts.is_empty());
        assert_eq!(decided.decided.len(), 2);
        assert_eq!(decided.mapping["properties"]["n"], json!({"type": "long"}));
        let neither = union(&types, Some("other"));
        assert_eq!(neither.conflicts.len(), 2);
    }

    #[test]
    fn root_parameters_count_as_well_as_their_absence() {
        let strict = json!({"dynamic": "strict", "_routing": {"required": true}});
        let open = json!({"_routing": {"required": true}, "_all": {"enabled": false}});
        let types = [("a", &strict), ("b", &open)];
        let joined = union(&types, None);
        assert_eq!(paths(&joined.conflicts), ["mappings.dynamic"]);
        assert_eq!(joined.mapping["_routing"], json!({"required": true}));
        let types = [("a", &open), ("b", &strict)];
        assert_eq!(paths(&union(&types, None).conflicts), ["mappings.dynamic"]);
        let plain = json!({});
        let optional = union(&[("a", &open), ("b", &plain)], None);
        assert_eq!(optional.mapping.get("_routing"), None);
        assert!(optional.conflicts.is_empty());
    }

    #[test]
    fn dynamic_templates_of_one_name_have_to_be_equal() {
        let one =
            json!({"dynamic_templates": [{"s": {"match": "*_s", "mapping": {"type": "string"}}}]});
        let two = json!({"dynamic_templates": [{"s": {"match": "*_s", "mapping": {"type": "long"}}}, {"t": {}}]});
        let same = union(&[("a", &one), ("b", &one)], None);
        assert!(same.conflicts.is_empty());
        let other = union(&[("a", &one), ("b", &two)], None);
        assert_eq!(paths(&other.conflicts), ["mappings.dynamic_templates.s"]);
        assert_eq!(
            other.mapping["dynamic_templates"].as_array().unwrap().len(),
            2
        );
    }
}
