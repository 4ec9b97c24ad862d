//! What a target could not take, by what is known beforehand: names that belong to something else, templates that match the
//! same names, names and bodies that servers refuse. Pure; a directory gets the same findings as a cluster.
//!
//! Relies on the names and templates of the target in the observation. Deliberately absent: what only a server can tell
//! (`Target::refusals`), and objects that others name and that are missing (`references`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::decide::seen;
use super::desired::Desired;
use super::questions::leave_out;
use super::streams;
use crate::base::glob;
use crate::base::settings::whole;
use crate::diff::observation::{MetadataObservation, ObjectKey, ObjectKind};
use crate::engines::mapping_types::{Problem, ProblemKind};
use crate::engines::metadata::{beyond, name_problem, patterns};
use crate::plan::codes::Code;
use crate::plan::codes::objects::{
    BEYOND_LIMITS, NAME_OF_ANOTHER, NAME_REFUSED, TEMPLATES_OVERLAP,
};
use crate::plan::model::MetadataSpec;

/// Something that stands against making an object.
pub(super) struct Finding {
    pub(super) code: Code,
    /// As a sentence without its end.
    pub(super) what: String,
    /// What can be written into the plan.
    pub(super) answers: Vec<String>,
}

/// The kinds that share one space of names.
pub(super) const NAMED: [ObjectKind; 3] =
    [ObjectKind::Index, ObjectKind::Alias, ObjectKind::DataStream];

/// Who claims a name: each kind once.
type Claims<'a> = HashMap<&'a str, BTreeSet<ObjectKind>>;

/// The names that something of the source claims, as far as they are of those of the target: these are looked at.
pub(super) fn contested(
    keys: &[ObjectKey],
    objects: &[(ObjectKey, Value)],
    on_target: impl Iterator<Item = ObjectKey>,
) -> Vec<ObjectKey> {
    let mut claims = Claims::new();
    for key in keys.iter().filter(|key| NAMED.contains(&key.kind)) {
        claims.entry(&key.name).or_default().insert(key.kind);
    }
    for (key, body) in objects {
        for alias in aliases(key.kind, body) {
            claims.entry(alias).or_default().insert(ObjectKind::Alias);
        }
    }
    let other = |key: &ObjectKey| {
        let kinds = claims.get(key.name.as_str());
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| *kind != key.kind))
    };
    on_target.filter(other).collect()
}

/// Names of aliases that a template gives; those that are made of the index's name are nobody's yet.
fn aliases(kind: ObjectKind, body: &Value) -> impl Iterator<Item = &str> {
    let section = match kind {
        ObjectKind::IndexTemplate | ObjectKind::ComponentTemplate => body.get("template"),
        ObjectKind::LegacyTemplate => Some(body),
        _ => None,
    };
    let aliases = section.and_then(|it| it.get("aliases")?.as_object());
    let names = aliases.into_iter().flatten().map(|(name, _)| name.as_str());
    names.filter(|name| !name.contains('{'))
}

/// Leaves with each object what stands against it. What is on the target and equal is not made, so that nothing does.
pub(super) fn find(spec: &MetadataSpec, observed: &MetadataObservation, wanted: &mut [Desired]) {
    taken_names(observed, wanted);
    let mut found: Vec<Vec<Finding>> = wanted.iter().map(|_| Vec::new()).collect();
    {
        let wanted = &*wanted;
        others_names(spec, observed, wanted, &mut found);
        overlapping(spec, observed, wanted, &mut found);
        refused(spec, observed, wanted, &mut found);
        let seen = seen(observed);
        for (object, found) in wanted.iter().zip(&mut found) {
            // Of what is larger than can be read nobody knows whether it is equal.
            if !found.is_empty() && seen.has(object) {
                found.retain(|it| it.code == BEYOND_LIMITS);
            }
        }
    }
    for (object, found) in wanted.iter_mut().zip(found) {
        object.findings = found;
    }
}

/// Two objects that would have one name on the target because a split, or data streams as indices, gives others.
fn taken_names(observed: &MetadataObservation, wanted: &mut [Desired]) {
    let source: HashSet<&ObjectKey> = observed.source_objects.iter().map(|(key, _)| key).collect();
    let mut names: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
    for object in wanted.iter().filter(|it| NAMED.contains(&it.key.kind)) {
        let (count, renamed) = names.entry(&object.key.name).or_default();
        *count += 1;
        // A stream of the source is known by its indices alone.
        *renamed |= object.key.kind != ObjectKind::DataStream && !source.contains(&object.key);
        *renamed |= object.edits.iter().any(streams::renames);
    }
    let taken: HashSet<String> = names
        .into_iter()
        .filter(|(_, (count, renamed))| *count > 1 && *renamed)
        .map(|(name, _)| name.to_owned())
        .collect();
    for object in wanted
        .iter_mut()
        .filter(|it| NAMED.contains(&it.key.kind) && taken.contains(&it.key.name))
    {
        object.problems.push(Problem {
            kind: ProblemKind::Name,
            what: format!(
                "`{}` would be the name of several indices, aliases or data streams on the target",
                object.key.name
            ),
            answers: vec![answer(object).to_owned()],
            conflicts: Vec::new(),
        });
    }
}

/// How an object gets out of another's way.
fn answer(object: &Desired) -> &'static str {
    if object.edits.iter().any(streams::renames) {
        "data-streams: streams   # of the backfill, too"
    } else {
        "types: { …: { take: split, name: \"…-{type}\" } }   # another name"
    }
}

/// Names of objects and of templates' aliases that something of another kind has.
fn others_names(
    spec: &MetadataSpec,
    observed: &MetadataObservation,
    wanted: &[Desired],
    found: &mut [Vec<Finding>],
) {
    let on = &spec.to.value;
    let mut moved = Claims::new();
    for object in wanted.iter().filter(|it| NAMED.contains(&it.key.kind)) {
        let key = &object.key;
        moved.entry(&key.name).or_default().insert(key.kind);
    }
    let mut there = Claims::new();
    for key in &observed.target_names {
        there.entry(&key.name).or_default().insert(key.kind);
    }
    let owner = |name: &str, kind: ObjectKind| -> Option<String> {
        let other = |claims: &Claims<'_>| {
            let mut kinds = claims.get(name)?.iter();
            kinds.find(|it| **it != kind).copied()
        };
        if let Some(other) = other(&there) {
            return Some(format!("{} on {on}", article(other)));
        }
        other(&moved).map(|other| format!("{} that is moved too", article(other)))
    };
    for (object, found) in wanted.iter().zip(found) {
        let key = &object.key;
        if NAMED.contains(&key.kind)
            && object.problems.is_empty()
            && let Some(owner) = owner(&key.name, key.kind)
        {
            found.push(Finding {
                code: NAME_OF_ANOTHER,
                what: format!("`{}` is the name of {owner}", key.name),
                answers: vec![leave_out(key)],
            });
        }
        for alias in aliases(key.kind, &object.body) {
            if let Some(owner) = owner(alias, ObjectKind::Alias) {
                found.push(Finding {
                    code: NAME_OF_ANOTHER,
                    what: format!("its alias `{alias}` has the name of {owner}, so that no index can be made by it"),
                    answers: vec![leave_out(key)],
                });
            }
        }
    }
}

fn article(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Index => "an index",
        ObjectKind::Alias => "an alias",
        _ => "a data stream",
    }
}

/// A composable template beside others.
struct Template<'a> {
    name: &'a str,
    patterns: Vec<&'a str>,
    /// Its place among what is wanted; `None` of one that the target has.
    at: Option<usize>,
}

/// Composable templates of one priority whose patterns match the same names.
fn overlapping(
    spec: &MetadataSpec,
    observed: &MetadataObservation,
    wanted: &[Desired],
    found: &mut [Vec<Finding>],
) {
    let mut by_priority: BTreeMap<u64, Vec<Template<'_>>> = BTreeMap::new();
    let moved = wanted.iter().enumerate();
    let moved = moved.filter(|(_, it)| it.key.kind == ObjectKind::IndexTemplate);
    let mut names = HashSet::new();
    for (at, object) in moved {
        names.insert(object.key.name.as_str());
        by_priority
            .entry(priority(&object.body))
            .or_default()
            .push(template(&object.key.name, &object.body, Some(at)));
    }
    let there = observed.target_templates.iter();
    for (name, body) in there.filter(|(name, _)| !names.contains(name.as_str())) {
        by_priority
            .entry(priority(body))
            .or_default()
            .push(template(name, body, None));
    }
    for (priority, templates) in by_priority {
        for (place, one) in templates.iter().enumerate() {
            let Some(at) = one.at else { continue };
            // Of two that are moved, the later one is asked about.
            let others = templates.iter().enumerate();
            let others = others.filter(|(other, it)| *other < place || it.at.is_none());
            for (_, other) in others {
                let Some((mine, theirs)) = meeting(one, other) else {
                    continue;
                };
                let mut answers = vec![leave_out(&wanted[at].key)];
                let whose = match other.at {
                    Some(other) => {
                        answers.push(leave_out(&wanted[other].key));
                        "that is moved too".to_owned()
                    }
                    None => format!("on {}", spec.to.value),
                };
                found[at].push(Finding {
                    code: TEMPLATES_OVERLAP,
                    what: format!(
                        "its pattern `{mine}` and `{theirs}` of index template {} {whose} match the same names, both with priority {priority}",
                        other.name
                    ),
                    answers,
                });
            }
        }
    }
}

fn template<'a>(name: &'a str, body: &'a Value, at: Option<usize>) -> Template<'a> {
    Template {
        name,
        patterns: patterns(body),
        at,
    }
}

/// Nothing said counts as 0.
fn priority(body: &Value) -> u64 {
    body.get("priority").and_then(whole).unwrap_or(0)
}

fn meeting<'a>(one: &Template<'a>, other: &Template<'a>) -> Option<(&'a str, &'a str)> {
    one.patterns.iter().find_map(|mine| {
        let theirs = other.patterns.iter();
        let theirs = theirs.copied().find(|theirs| glob::meet(mine, theirs))?;
        Some((*mine, theirs))
    })
}

/// Names and bodies that no server of the target's version takes.
fn refused(
    spec: &MetadataSpec,
    observed: &MetadataObservation,
    wanted: &[Desired],
    found: &mut [Vec<Finding>],
) {
    let on = &spec.to.value;
    for (object, found) in wanted.iter().zip(found) {
        let key = &object.key;
        if NAMED.contains(&key.kind)
            && object.problems.is_empty()
            && let Some(why) = name_problem(key.kind, &key.name, observed.target)
        {
            found.push(Finding {
                code: NAME_REFUSED,
                what: format!("{on} takes no such name: {why}"),
                answers: vec![leave_out(key)],
            });
        }
        let over = beyond(key.kind, &object.body, observed.target);
        found.extend(over.into_iter().map(|what| Finding {
            code: BEYOND_LIMITS,
            what,
            answers: vec![leave_out(key)],
        }));
    }
}
