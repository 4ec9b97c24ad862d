//! What a metadata phase would do. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::super::common;
use super::super::kind::DecideContext;
use super::super::snapshot::mismatch;
use super::super::streams;
use super::super::transforms::{Candidates, Names};
use super::desired::reaching;
use super::questions::{
    BAD_ANSWER, lacking, leave_out, no_room, not_taken, types_question, unknown_answers,
    unused_types,
};
use super::summary::{counts, effects, evidence, objects, probed};
use super::{Desired, desired, references, spec};
use crate::diff::change::{Action, Edit, Estimate, Item, LeftOut, PhaseChange, Undo};
use crate::diff::observation::{MetadataObservation, ObjectKey, ObjectKind, Observation};
use crate::engines::metadata::{differences, held_back};
use crate::plan::model::{DataStreams, MetadataSpec};

/// An object that is on the target and differs.
const DIFFERS: &str = "MIG081";
/// An object that the target would refuse.
const REFUSED: &str = "MIG089";

/// The answers to `decide:`.
pub(super) const KEEP: &str = "keep-target";
pub(super) const REPLACE: &str = "replace";
pub(super) const ACCEPT: &str = "accept";

/// What becomes of one object.
pub(super) enum Fate {
    /// It is there and equal, or the plan keeps what is there.
    Equal,
    /// It is made.
    Create,
    /// It takes the place of what is there.
    Replace(Vec<Edit>),
    /// A person has to decide.
    Ask(Item),
}

/// What was seen of the target, by key: ten thousand indices are looked up, not searched for.
pub(super) struct Seen<'a> {
    there: HashMap<&'a ObjectKey, &'a Value>,
    refused: HashMap<&'a ObjectKey, &'a str>,
}

pub(super) fn seen(observed: &MetadataObservation) -> Seen<'_> {
    let there = observed.target_objects.iter();
    let refused = observed.refused.iter();
    Seen {
        there: there.map(|(key, body)| (key, body)).collect(),
        refused: refused.map(|(key, words)| (key, words.as_str())).collect(),
    }
}

impl Seen<'_> {
    /// Whether the target says that it would refuse the object.
    pub(super) fn is_refused(&self, key: &ObjectKey) -> bool {
        self.refused.contains_key(key)
    }

    /// Whether an object is there as it is wanted.
    pub(super) fn has(&self, wanted: &Desired) -> bool {
        self.there
            .get(&wanted.key)
            .is_some_and(|found| differences(wanted.key.kind, &wanted.body, found).is_empty())
    }
}

pub(super) fn fate(spec: &MetadataSpec, seen: &Seen<'_>, wanted: &Desired) -> Fate {
    if let Some(problem) = wanted.problems.first() {
        return Fate::Ask(types_question(wanted, problem));
    }
    let fate = fate_if_taken(spec, seen, wanted);
    if !wanted.findings.is_empty() {
        let is_there = seen.there.contains_key(&wanted.key);
        let kept = is_there && answer(spec, &wanted.key) == Some(KEEP);
        if !kept {
            return Fate::Ask(not_taken(wanted, is_there));
        }
    }
    let Some(words) = seen.refused.get(&wanted.key) else {
        return fate;
    };
    if !matches!(fate, Fate::Create | Fate::Replace(_)) {
        return fate;
    }
    let (object, name) = (wanted.key.kind.as_str(), wanted.key.name.as_str());
    let mut answers = vec![leave_out(&wanted.key)];
    if matches!(fate, Fate::Replace(_)) {
        answers.push(format!("decide: {{ \"{object} {name}\": {KEEP} }}"));
    }
    let question = format!(
        "{object} {name}: {} would refuse it: {words}",
        spec.to.value
    );
    let mut item = common::question(object, name, REFUSED, question, answers);
    item.note = "the target would refuse it".into();
    Fate::Ask(item)
}

/// Settings of a cluster that has no value for them are added; what else it has stays.
pub(super) fn only_adds(key: &ObjectKey, edits: &[Edit]) -> bool {
    key.kind == ObjectKind::ClusterSettings && edits.iter().all(|edit| edit.before.is_none())
}

/// What the plan answers about an object.
fn answer<'a>(spec: &'a MetadataSpec, key: &ObjectKey) -> Option<&'a str> {
    let label = format!("{} {}", key.kind.as_str(), key.name);
    spec.decide.get(&label).map(|answer| answer.value.as_str())
}

fn fate_if_taken(spec: &MetadataSpec, seen: &Seen<'_>, wanted: &Desired) -> Fate {
    let object = wanted.key.kind.as_str();
    let name = wanted.key.name.as_str();
    let key = format!("{object} {name}");
    let answer = answer(spec, &wanted.key);
    if let Some(found) = seen.there.get(&wanted.key) {
        let edits = differences(wanted.key.kind, &wanted.body, found);
        if edits.is_empty() {
            return Fate::Equal;
        }
        match answer {
            _ if only_adds(&wanted.key, &edits) => return unless_denied(wanted, answer),
            Some(KEEP) => return Fate::Equal,
            Some(REPLACE) => return Fate::Replace(edits),
            _ => {}
        }
        let mut item = common::question(
            object,
            name,
            DIFFERS,
            format!(
                "{key} is on {} already and differs. What is to become of it?",
                spec.to.value
            ),
            vec![
                format!("decide: {{ \"{key}\": {KEEP} }}"),
                format!("decide: {{ \"{key}\": {REPLACE} }}"),
            ],
        );
        item.edits = edits;
        item.note = "exists and differs".into();
        return Fate::Ask(item);
    }
    unless_denied(wanted, answer)
}

/// Makes an object, unless a person has to accept first what is lost by it.
fn unless_denied(wanted: &Desired, answer: Option<&str>) -> Fate {
    if let Some(open) = &wanted.open {
        return Fate::Ask((**open).clone());
    }
    let object = wanted.key.kind.as_str();
    let name = wanted.key.name.as_str();
    let key = format!("{object} {name}");
    if !wanted.denied.is_empty() && answer != Some(ACCEPT) {
        let codes: Vec<&str> = wanted.denied.iter().map(|rule| rule.code).collect();
        let why: Vec<&str> = wanted.denied.iter().map(|rule| rule.title).collect();
        let mut item = common::question(
            object,
            name,
            codes.first().copied().unwrap_or(BAD_ANSWER),
            format!("{key}: {}. Is that accepted?", why.join("; ")),
            vec![
                format!("decide: {{ \"{key}\": {ACCEPT} }}"),
                format!("rules: {{ {}: allow }}", codes.join(": allow, ")),
                leave_out(&wanted.key),
            ],
        );
        item.edits.clone_from(&wanted.edits);
        return Fate::Ask(item);
    }
    Fate::Create
}

pub(super) fn decide(cx: &DecideContext<'_>) -> PhaseChange {
    let (Observation::Metadata(observed), Ok(spec)) = (cx.observation, spec(cx.phase)) else {
        return mismatch(cx);
    };
    let (wanted, mut left_out) = desired(spec, observed);
    let mut items = Vec::new();
    let mut equal: Vec<&Desired> = Vec::new();
    let mut to_make: Vec<&Desired> = Vec::new();
    let seen = seen(observed);
    for object in &wanted {
        let fate = fate(spec, &seen, object);
        if !matches!(fate, Fate::Equal) {
            to_make.push(object);
        }
        match fate {
            Fate::Equal => equal.push(object),
            Fate::Create => items.push(created(object)),
            Fate::Replace(edits) => {
                items.push(Item {
                    edits,
                    note: "replaces what is there".into(),
                    ..common::item(
                        Action::Replace,
                        object.key.kind.as_str(),
                        object.key.name.clone(),
                    )
                });
            }
            Fate::Ask(item) => items.push(item),
        }
    }
    let missing = missing(observed, &wanted, &to_make);
    items.extend(unknown_answers(spec, &wanted, &missing));
    items.extend(
        missing
            .iter()
            .filter_map(|(key, by)| lacking(spec, key, by)),
    );
    items.extend(no_room(spec, observed, &wanted, &items));
    let awaited = awaited(cx, spec, observed, &wanted);
    let title = format!("{} → {}", counts(&wanted, &awaited), spec.to.value);
    items.extend(awaited);
    items.extend(unused_types(spec, observed));
    let (questions, unused) = unused_transforms(cx, spec, observed, &wanted);
    items.extend(questions);
    left_out.extend(unused);
    let provisional = observed.snapshot_uuid.is_none();
    let recorded = common::done(cx.state, &cx.phase.address).is_some();
    let undecided = items.iter().any(|item| item.decision.is_some());
    let replaces = items.iter().any(|item| item.action == Action::Replace);
    let (action, reason) = match () {
        () if provisional => (Action::Create, "input-not-there-yet"),
        () if undecided => (Action::Decide, "decision-missing"),
        () if replaces => (Action::Replace, "told-to-replace"),
        () if !items.is_empty() && recorded => (Action::Create, "drift"),
        () if !items.is_empty() => (Action::Create, "not-applied-yet"),
        () if recorded => (Action::UpToDate, "equal"),
        () => (Action::UpToDate, "equal-already"),
    };
    let inputs = common::inputs(cx, &cx.observation.fingerprint());
    let mut change = PhaseChange::new(cx.phase, action, reason, title, inputs);
    change.fields = common::fields(cx);
    change.left_out = left_out;
    change.provisional = provisional;
    if action == Action::UpToDate {
        change.evidence = evidence(spec, &equal);
    } else {
        change.effects = effects(spec, &items);
        change.estimate = Some(Estimate {
            low_s: 1,
            high_s: 1 + items.len() as u64 / 2,
            basis: "at two objects a second, not measured".into(),
        });
        let removed = items
            .iter()
            .filter(|item| item.action == Action::Create)
            .count();
        change.undo = Undo::Rollback(format!(
            "removes the {} that it creates, restores what it replaces",
            objects(removed)
        ));
    }
    change
        .evidence
        .extend(observed.probed.map(|it| probed(spec, it)));
    change.items = items;
    change
}

/// What earlier phases have yet to make at the source: indices, and the data streams that some of them are behind.
fn awaited(
    cx: &DecideContext<'_>,
    spec: &MetadataSpec,
    observed: &MetadataObservation,
    wanted: &[Desired],
) -> Vec<Item> {
    let choice = streams::choice(spec.data_streams, observed.target);
    let mut items: Vec<Item> = Vec::new();
    for item in common::awaited(cx, &spec.from.value, &|_| false) {
        if !streams::takes_awaited(&spec.include.indices, choice, &item.name) {
            continue;
        }
        let (kind, name) = match streams::by_name(&item.name) {
            Some(_) if choice == Some(DataStreams::Indices) => {
                (ObjectKind::Index, streams::ordinary_name(&item.name))
            }
            Some(stream) => (ObjectKind::DataStream, stream),
            None => (ObjectKind::Index, item.name.clone()),
        };
        let object = kind.as_str();
        let mut there = wanted.iter().map(|it| (it.key.kind.as_str(), &it.key.name));
        let mut told = items.iter().map(|it| (it.object.as_str(), &it.name));
        if there.any(|it| it == (object, &name)) || told.any(|it| it == (object, &name)) {
            continue;
        }
        items.push(Item {
            note: common::AWAITED.to_owned(),
            ..common::item(Action::Create, object, name)
        });
    }
    items
}

fn created(object: &Desired) -> Item {
    let mut notes = Vec::new();
    let waiting = held_back(&object.body).len();
    if waiting > 0 {
        let noun = if waiting == 1 { "setting" } else { "settings" };
        notes.push(format!("{waiting} {noun} held back until verified"));
    }
    let generations = object.body.get("generations").and_then(Value::as_array);
    if let Some(generations) = generations
        && object.key.kind == ObjectKind::DataStream
    {
        let count = generations.len() as u64;
        notes.push(match count {
            1 => "1 generation".to_owned(),
            _ => format!("the first of {count} generations, the others while it is loaded"),
        });
    }
    if object.closed {
        notes.push("closed once verified".to_owned());
    }
    Item {
        edits: object.edits.clone(),
        note: notes.join(", "),
        ..common::item(
            Action::Create,
            object.key.kind.as_str(),
            object.key.name.clone(),
        )
    }
}

/// Objects that those to be made name and that will not be there, with those that name them.
fn missing(
    observed: &MetadataObservation,
    wanted: &[Desired],
    to_make: &[&Desired],
) -> BTreeMap<ObjectKey, Vec<String>> {
    let moved = wanted.iter().map(|object| &object.key);
    let on_target = observed.target_objects.iter().map(|(key, _)| key);
    let there: BTreeSet<&ObjectKey> = moved.chain(on_target).chain(&observed.target_has).collect();
    let to_make = to_make.iter().map(|object| (&object.key, &object.body));
    references::missing(to_make, &there)
}

/// Transforms that are for nothing of what is moved.
fn unused_transforms(
    cx: &DecideContext<'_>,
    spec: &MetadataSpec,
    observed: &MetadataObservation,
    wanted: &[Desired],
) -> (Vec<Item>, Vec<LeftOut>) {
    if spec.transforms.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let choice = streams::choice(spec.data_streams, observed.target);
    let mut candidates = Candidates::default();
    for (key, body) in &observed.source_objects {
        if key.kind == ObjectKind::Index {
            let stream = super::streams::stream_of(key, body);
            let names = Names::new(choice, &key.name, &key.name, stream);
            candidates.others.push(names);
        }
    }
    for object in wanted.iter().filter(|it| it.key.kind == ObjectKind::Index) {
        // Those that mapping types are split into.
        let name = &object.key.name;
        candidates.taken.push(Names::new(choice, name, name, None));
    }
    for item in common::awaited(cx, &spec.from.value, &|_| false) {
        candidates.await_index(choice, &item.name);
    }
    let reaching = reaching(spec, observed);
    let is_template = |kind| matches!(kind, ObjectKind::IndexTemplate | ObjectKind::LegacyTemplate);
    let templates: Vec<&Value> = wanted
        .iter()
        .filter(|it| is_template(it.key.kind))
        .map(|it| &it.body)
        .collect();
    let met: BTreeSet<&str> = spec
        .transforms
        .iter()
        .filter(|it| templates.iter().any(|body| reaching.meets(it, body)))
        .map(|it| it.name.as_str())
        .collect();
    candidates.taken.extend(reaching.into_names());
    candidates.unused(&spec.transforms, |it| met.contains(it.name.as_str()))
}
