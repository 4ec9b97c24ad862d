//! What a metadata phase asks a person, and the answers that can be written into the plan. Pure.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::super::{common, types};
use super::Desired;
use super::decide::{ACCEPT, KEEP, REPLACE};
use crate::base::settings::whole;
use crate::base::units::human_count;
use crate::diff::change::{Action, Edit, Item};
use crate::diff::observation::{MetadataObservation, ObjectKey, ObjectKind};
use crate::engines::mapping_types::{Conflict, Problem, ProblemKind};
use crate::plan::codes::documents::{FIELDS_CONFLICT, TYPES_UNFIT};
use crate::plan::codes::objects::SHARDS_EXCEEDED;
use crate::plan::model::MetadataSpec;
use crate::plan::selector::Selector;

/// An answer that is none.
pub(super) const BAD_ANSWER: &str = "MIG082";
/// An object that others name and that will not be there.
const NOT_THERE: &str = "MIG098";

/// What stands against taking the mapping types of an index as the plan says, or that it says nothing.
pub(super) fn types_question(wanted: &Desired, problem: &Problem) -> Item {
    let (object, name) = (wanted.key.kind.as_str(), wanted.key.name.as_str());
    let question = match problem.kind {
        ProblemKind::Undecided => {
            format!("{object} {name}: {}. How are they taken?", problem.what)
        }
        _ => format!(
            "{object} {name}: {}. What is to become of it?",
            problem.what
        ),
    };
    let mut answers = problem.answers.clone();
    answers.push(leave_out(&wanted.key));
    let code = types::code(problem).to_string();
    let mut item = common::question(object, name, &code, question, answers);
    item.edits = problem.conflicts.iter().map(contradiction).collect();
    item
}

/// What the target could not take of an object, all of it at once.
pub(super) fn not_taken(wanted: &Desired, is_there: bool) -> Item {
    let (object, name) = (wanted.key.kind.as_str(), wanted.key.name.as_str());
    let what: Vec<&str> = wanted.findings.iter().map(|it| it.what.as_str()).collect();
    let question = format!("{object} {name}: {}", what.join("; and "));
    let code = wanted.findings.first().map(|it| it.code.to_string());
    let mut answers: Vec<String> = Vec::new();
    for answer in wanted.findings.iter().flat_map(|it| &it.answers) {
        if !answers.contains(answer) {
            answers.push(answer.clone());
        }
    }
    if is_there {
        answers.push(format!("decide: {{ \"{object} {name}\": {KEEP} }}"));
    }
    let mut item = common::question(object, name, &code.unwrap_or_default(), question, answers);
    item.note = "the target could not take it".into();
    item
}

/// More shards than the target takes.
pub(super) fn no_room(
    spec: &MetadataSpec,
    observed: &MetadataObservation,
    wanted: &[Desired],
    items: &[Item],
) -> Option<Item> {
    let room = observed.shard_room?;
    let made: HashSet<(&str, &str)> = items
        .iter()
        .filter(|item| item.action == Action::Create)
        .map(|item| (item.object.as_str(), item.name.as_str()))
        .collect();
    let made = wanted
        .iter()
        .filter(|it| made.contains(&(it.key.kind.as_str(), it.key.name.as_str())));
    let needed: u64 = made.map(|it| shards(it.key.kind, &it.body)).sum();
    if room.open.saturating_add(needed) <= room.limit {
        return None;
    }
    let on = &spec.to.value;
    let key = shards_key(spec);
    if spec.decide.get(&key).is_some_and(|it| it.value == ACCEPT) {
        return None;
    }
    let question = format!(
        "{on} has {} of at most {} shards open, and {} with their copies would come. How is room made?",
        human_count(room.open),
        human_count(room.limit),
        human_count(needed)
    );
    let answers = vec![
        format!("# nothing: raise `cluster.max_shards_per_node` on {on}, or add nodes"),
        "include: { indices: [\"*\", \"!…\"] }   # fewer at once".to_owned(),
        format!("decide: {{ \"{key}\": {ACCEPT} }}   # there will be room"),
    ];
    let code = SHARDS_EXCEEDED.to_string();
    Some(common::question(
        "shards",
        on.as_str(),
        &code,
        question,
        answers,
    ))
}

/// What the question about room for shards is answered by.
fn shards_key(spec: &MetadataSpec) -> String {
    format!("shards {}", spec.to.value)
}

/// Shards with their copies, as the object is made: of a data stream its first generation.
fn shards(kind: ObjectKind, body: &Value) -> u64 {
    let section = match kind {
        ObjectKind::Index => body,
        ObjectKind::DataStream => match body.pointer("/generations/0") {
            Some(first) => first,
            None => return 0,
        },
        _ => return 0,
    };
    let setting = |name: &str| whole(section.get("settings")?.get(name)?);
    let primary: u64 = setting("index.number_of_shards").unwrap_or(1);
    let copies: u64 = setting("index.number_of_replicas").unwrap_or(1);
    primary.saturating_mul(copies.saturating_add(1))
}

/// Two definitions of one field, as an edit from the one to the other.
fn contradiction(conflict: &Conflict) -> Edit {
    Edit {
        path: conflict.path.clone(),
        before: conflict.right.1.clone(),
        after: conflict.left.1.clone(),
        rule: Some(FIELDS_CONFLICT.to_string()),
        why: format!(
            "the first is of type {}, the second of type {}",
            conflict.right.0, conflict.left.0
        ),
        lossy: true,
    }
}

/// How an object is left out.
pub(super) fn leave_out(key: &ObjectKey) -> String {
    format!(
        "include: {{ {}: [\"*\", \"!{}\"] }}",
        section(key.kind),
        key.name
    )
}

fn section(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Index | ObjectKind::DataStream => "indices",
        ObjectKind::ComponentTemplate => "component-templates",
        ObjectKind::IndexTemplate | ObjectKind::LegacyTemplate => "templates",
        ObjectKind::Alias => "aliases",
        ObjectKind::ClusterSettings => "cluster-settings",
        ObjectKind::Script => "scripts",
        ObjectKind::IngestPipeline | ObjectKind::SearchPipeline => "pipelines",
        ObjectKind::LifecyclePolicy | ObjectKind::SnapshotPolicy => "policies",
        ObjectKind::Role | ObjectKind::RoleMapping => "security",
    }
}

/// The question about an object that others name and that will not be there; `None` where it is answered.
pub(super) fn lacking(spec: &MetadataSpec, key: &ObjectKey, by: &[String]) -> Option<Item> {
    let (object, name) = (key.kind.as_str(), key.name.as_str());
    let label = format!("{object} {name}");
    let answer = spec.decide.get(&label).map(|answer| answer.value.as_str());
    // Targets refuse a composable template as long as a part of it is lacking: to accept that would only put it off.
    let acceptable = key.kind != ObjectKind::ComponentTemplate;
    if acceptable && answer == Some(ACCEPT) {
        return None;
    }
    let by: Vec<&str> = by.iter().map(String::as_str).collect();
    let question = format!(
        "{label} is named by {}, and is neither moved nor on {}. {}?",
        common::few(&by),
        spec.to.value,
        if acceptable {
            "Is that accepted"
        } else {
            "Where is it to come from"
        }
    );
    let mut answers = vec![format!(
        "include: {{ {}: [\"{name}\", …] }}",
        section(key.kind)
    )];
    if acceptable {
        answers.push(format!("decide: {{ \"{label}\": {ACCEPT} }}"));
    }
    Some(common::question(object, name, NOT_THERE, question, answers))
}

/// An answer to a question that nobody asks is a typing error more often than not.
pub(super) fn unknown_answers<'a>(
    spec: &'a MetadataSpec,
    wanted: &'a [Desired],
    missing: &'a BTreeMap<ObjectKey, Vec<String>>,
) -> impl Iterator<Item = Item> + 'a {
    spec.decide.iter().filter_map(|(key, answer)| {
        let mut named = wanted
            .iter()
            .map(|object| &object.key)
            .chain(missing.keys());
        let known = *key == shards_key(spec)
            || named.any(|object| *key == format!("{} {}", object.kind.as_str(), object.name));
        let valid = [KEEP, REPLACE, ACCEPT].contains(&answer.value.as_str());
        if known && valid {
            return None;
        }
        let question = if known {
            format!("`{}` is no answer for {key}", answer.value)
        } else {
            format!("`decide:` names {key}, which is not among what is moved")
        };
        Some(common::question(
            "answer",
            key.clone(),
            BAD_ANSWER,
            question,
            vec![format!(
                "decide: {{ \"{key}\": {KEEP} }}   # or {REPLACE}, {ACCEPT}"
            )],
        ))
    })
}

/// A rule for types of an index that is not among what is moved is a typing error more often than not.
pub(super) fn unused_types<'a>(
    spec: &'a MetadataSpec,
    observed: &'a MetadataObservation,
) -> impl Iterator<Item = Item> + 'a {
    // While there is nothing to look at, nothing can be missed.
    let some = !observed.source_objects.is_empty();
    let keys = spec.types.keys().filter(move |_| some);
    keys.filter_map(|key| {
        let selector = Selector::parse(&[key]).ok()?;
        let mut indices = observed.source_objects.iter();
        let used = indices.any(|(object, _)| {
            object.kind == ObjectKind::Index
                && selector.matches(&object.name)
                && spec.include.indices.matches(&object.name)
        });
        (!used).then(|| {
            common::question(
                "types",
                key.clone(),
                &TYPES_UNFIT.to_string(),
                format!("`types` has a rule for `{key}`, and no index of that name is moved. Which is meant?"),
                vec!["# take it out of `types`, or write the name of an index that is moved".to_owned()],
            )
        })
    })
}
