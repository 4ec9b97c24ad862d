//! What transforms do to the objects of metadata: to an index by its names, to a template by the names that it is for, to a
//! component by the templates that are composed of it. Pure.
//!
//! A template is changed where a transform is for all names that it makes indices of. Where it is for some of them, the template
//! stays, and the plan tells which field it keeps; so it does of whatever else names a field that is gone. Deliberately absent:
//! templates that the target has already.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::common;
use super::super::transforms::Names;
use crate::base::glob;
use crate::diff::change::Edit;
use crate::diff::observation::{ObjectKey, ObjectKind};
use crate::engines::metadata::patterns;
use crate::engines::transform::mappings;
use crate::plan::codes::documents::FIELD_KEPT;
use crate::plan::model::{DataStreams, Transform};
use crate::plan::selector::Reach;

/// A template of indices that is moved.
struct User<'a> {
    name: &'a str,
    patterns: Vec<&'a str>,
}

/// Which transforms are for which objects.
pub(super) struct Reaching<'a> {
    transforms: &'a [Transform],
    /// By component template, those that are composed of it.
    users: BTreeMap<&'a str, Vec<User<'a>>>,
    /// The name that templates know an index by, and those that transforms know it by.
    indices: Vec<(&'a str, Names)>,
}

impl<'a> Reaching<'a> {
    /// Of the objects of the source that are moved; an index with its data stream.
    pub(super) fn new(
        transforms: &'a [Transform],
        choice: Option<DataStreams>,
        moved: impl IntoIterator<Item = (&'a ObjectKey, &'a Value, Option<&'a str>)>,
    ) -> Self {
        let mut reaching = Self {
            transforms,
            users: BTreeMap::new(),
            indices: Vec::new(),
        };
        if transforms.is_empty() {
            return reaching;
        }
        for (key, body, stream) in moved {
            match key.kind {
                ObjectKind::Index => {
                    let names = Names::new(choice, &key.name, &key.name, stream);
                    let known = stream.unwrap_or(&key.name);
                    reaching.indices.push((known, names));
                }
                ObjectKind::IndexTemplate => {
                    let components = body.get("composed_of").and_then(Value::as_array);
                    for component in components.into_iter().flatten().filter_map(Value::as_str) {
                        reaching.users.entry(component).or_default().push(User {
                            name: &key.name,
                            patterns: patterns(body),
                        });
                    }
                }
                _ => {}
            }
        }
        reaching
    }

    /// Changes the body of an index.
    pub(super) fn index(&self, body: &mut Value, names: &Names) -> Vec<Edit> {
        let all = names.chosen(self.transforms).map(|(_, it)| it);
        let all: Vec<&Transform> = all.collect();
        let mut edits = mappings::apply(body, all.iter().copied());
        edits.extend(all.into_iter().flat_map(|it| still_named(body, it)));
        edits
    }

    /// Changes the body of a template, or tells why it stays.
    pub(super) fn template(&self, key: &ObjectKey, body: &mut Value) -> Vec<Edit> {
        let mut edits = Vec::new();
        for transform in self.transforms {
            let (reach, others) = match key.kind {
                ObjectKind::IndexTemplate | ObjectKind::LegacyTemplate => {
                    let patterns = patterns(body);
                    (self.reach(transform, &patterns), told(&patterns))
                }
                ObjectKind::ComponentTemplate => self.component(transform, &key.name),
                _ => return edits,
            };
            match reach {
                Reach::None => {}
                Reach::Some => edits.extend(kept(body, transform, &others)),
                Reach::All => {
                    if key.kind == ObjectKind::ComponentTemplate {
                        // What is added stands in the template of the indices.
                        edits.extend(mappings::apply_to_part(body, transform));
                    } else {
                        if key.kind == ObjectKind::IndexTemplate
                            && !transform.mappings.add.is_empty()
                            && let Some(fields) = body.as_object_mut()
                        {
                            fields.entry("template").or_insert_with(|| json!({}));
                        }
                        edits.extend(mappings::apply(body, [transform]));
                    }
                    edits.extend(still_named(body, transform));
                }
            }
        }
        edits
    }

    /// How many of the names of a template a transform is for.
    fn reach(&self, transform: &Transform, patterns: &[&str]) -> Reach {
        let mut each = patterns.iter().map(|it| transform.indices.reach(it));
        let Some(first) = each.next() else {
            return Reach::None;
        };
        let reach = each.fold(first, |all, one| match (all, one) {
            (Reach::All, Reach::All) => Reach::All,
            (Reach::None, Reach::None) => Reach::None,
            _ => Reach::Some,
        });
        let of_template = |known: &str| patterns.iter().any(|it| glob::fits(it, known));
        let met = || {
            let mut indices = self.indices.iter();
            indices.any(|(known, names)| of_template(known) && names.are_in(&transform.indices))
        };
        match reach {
            Reach::None if met() => Reach::Some,
            reach => reach,
        }
    }

    /// How many of the names of those that are composed of a component a transform is for, and which of them stand against it.
    fn component(&self, transform: &Transform, name: &str) -> (Reach, String) {
        let users = self.users.get(name).map_or(&[][..], Vec::as_slice);
        let each = users
            .iter()
            .map(|it| (self.reach(transform, &it.patterns), it));
        let each: Vec<(Reach, &User<'_>)> = each.collect();
        let all = |reach| each.iter().all(|(one, _)| *one == reach);
        let reach = match () {
            () if each.is_empty() || all(Reach::None) => Reach::None,
            () if all(Reach::All) => Reach::All,
            () => Reach::Some,
        };
        let others = each.iter().filter(|(one, _)| *one != Reach::All);
        let others: Vec<String> = others
            .map(|(_, user)| format!("{} of index template {}", told(&user.patterns), user.name))
            .collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        (reach, common::few(&others))
    }

    /// Whether a transform is for some name that a template is for.
    pub(super) fn meets(&self, transform: &Transform, body: &Value) -> bool {
        self.reach(transform, &patterns(body)) != Reach::None
    }

    /// The names of the indices that are moved.
    pub(super) fn into_names(self) -> Vec<Names> {
        self.indices.into_iter().map(|(_, names)| names).collect()
    }
}

fn told(patterns: &[&str]) -> String {
    let quoted: Vec<String> = patterns.iter().map(|it| format!("`{it}`")).collect();
    let quoted: Vec<&str> = quoted.iter().map(String::as_str).collect();
    common::few(&quoted)
}

/// The fields that a template keeps, since a transform is not for all of its names.
fn kept(body: &Value, transform: &Transform, others: &str) -> Vec<Edit> {
    let mut changed = body.clone();
    let edits = mappings::apply_to_part(&mut changed, transform);
    let gone = edits.into_iter().filter(|edit| edit.after.is_none());
    gone.map(|edit| {
        finding(
            edit.path,
            format!(
                "kept: transform {} is not for all of {others}",
                transform.name
            ),
        )
    })
    .collect()
}

fn still_named(body: &Value, transform: &Transform) -> Vec<Edit> {
    let named = mappings::still_named(body, transform).into_iter();
    named
        .map(|(place, field)| {
            let why = format!(
                "names `{field}`, which transform {} takes away",
                transform.name
            );
            finding(place, why)
        })
        .collect()
}

fn finding(path: String, why: String) -> Edit {
    Edit {
        path,
        before: None,
        after: None,
        rule: Some(FIELD_KEPT.to_string()),
        why,
        lossy: false,
    }
}
