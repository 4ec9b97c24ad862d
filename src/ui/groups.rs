//! Items that are alike, shown once: a plan over ten thousand indices is read by the ten ways in which they differ.
//!
//! Alike are items with the same action, object, edits and question, whose notes differ in numbers at most. Deliberately
//! absent: dropping anything; a group knows all its names.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::layout::put;
use super::words;
use crate::base::units::{human_bytes, human_count};
use crate::diff::change::{Action, Edit, Item, LeftOut};

/// Items that are alike.
#[derive(Clone, Debug)]
pub(super) struct Group<'a> {
    /// The first one: it shows what all are like.
    pub(super) first: &'a Item,
    /// All names, in the order of the plan.
    pub(super) names: Vec<&'a str>,
    /// Documents in all, where all know theirs.
    pub(super) docs: Option<u64>,
    /// Bytes in all, where all know theirs.
    pub(super) bytes: Option<u64>,
    same_note: bool,
}

impl Group<'_> {
    /// What is said behind the name: the note, and the documents and bytes of all.
    pub(super) fn note(&self) -> String {
        let mut parts = Vec::new();
        if self.same_note && !self.first.note.is_empty() {
            parts.push(self.first.note.clone());
        }
        let mut sums = Vec::new();
        if let Some(docs) = self.docs {
            sums.push(format!("{} docs", human_count(docs)));
        }
        if let Some(bytes) = self.bytes {
            sums.push(human_bytes(bytes));
        }
        if self.names.len() > 1 && !sums.is_empty() {
            parts.push(format!("{} in all", sums.join(", ")));
        } else {
            parts.extend(sums);
        }
        if parts.is_empty() && !self.same_note {
            parts.push(format!("the first: {}", self.first.note));
        }
        parts.join(", ")
    }

    /// `index logs-2019 (and 206 alike)`.
    pub(super) fn label(&self) -> String {
        let more = match self.names.len() {
            0 | 1 => String::new(),
            count => format!(" (and {} alike)", human_count(count as u64 - 1)),
        };
        format!("{} {}{more}", self.first.object, self.first.name)
    }
}

/// Up to so many items that hold documents stand one by one: how much goes where is what a reader looks for.
const DOCUMENT_ITEMS_MAX: usize = 16;

/// Groups in the order of their first items; `by_index` keeps a few items that hold documents apart.
pub(super) fn group(items: &[Item], by_index: bool) -> Vec<Group<'_>> {
    let holding = items.iter().filter(|item| item.docs.is_some()).count();
    let one_by_one = by_index && holding <= DOCUMENT_ITEMS_MAX;
    let mut places = HashMap::<String, usize>::new();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for item in items {
        let mut key = key(item);
        if one_by_one && item.docs.is_some() {
            key.push_str(&item.name);
        }
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => {
                group.names.push(&item.name);
                group.docs = sum(group.docs, item.docs);
                group.bytes = sum(group.bytes, item.bytes);
                group.same_note &= group.first.note == item.note;
            }
            None => groups.push(Group {
                first: item,
                names: vec![&item.name],
                docs: item.docs,
                bytes: item.bytes,
                same_note: true,
            }),
        }
    }
    groups
}

fn sum(left: Option<u64>, right: Option<u64>) -> Option<u64> {
    Some(left?.saturating_add(right?))
}

fn key(item: &Item) -> String {
    let mut key = format!("{}\n{}\n", item.action.symbol(), item.object);
    key.extend(
        item.note
            .chars()
            .filter(|letter| !letter.is_ascii_digit() && *letter != ' '),
    );
    for edit in &item.edits {
        let value = |value: &Option<serde_json::Value>| {
            value.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        put!(
            key,
            "\n{}\u{1}{}\u{1}{}\u{1}{:?}\u{1}{}",
            edit.path,
            value(&edit.before),
            value(&edit.after),
            edit.rule,
            edit.why
        );
    }
    if let Some(decision) = &item.decision {
        let question = words::without_label(&decision.question, &item.object, &item.name);
        put!(key, "\n{}\u{1}{question}", decision.code);
        // Answers name the object: where that alone tells them apart, one shows how the others are.
        for answer in &decision.answers {
            put!(key, "\u{1}{}", answer.replace(item.name.as_str(), "\u{2}"));
        }
    }
    key
}

/// Edits that all items of one sort have, said once.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    /// What is done with these items.
    pub(super) action: Action,
    /// What they are.
    pub(super) object: String,
    /// How many there are.
    pub(super) items: usize,
    /// The edits of the first item, and whether the values are those of all.
    pub(super) edits: Vec<(Edit, bool)>,
}

/// So many items have to have an edit before it is said once for all.
const SHARED_ITEMS_MIN: usize = 3;

/// Takes the edits that a rule makes in every item of a sort out of the items. What loses something stays where it is.
pub(super) fn share(items: &[Item]) -> (Vec<Shared>, Vec<Item>) {
    let mut sorts = BTreeMap::<(Action, &str), Vec<&Item>>::new();
    for item in items {
        sorts
            .entry((item.action, &item.object))
            .or_default()
            .push(item);
    }
    let mut shared = Vec::new();
    for ((action, object), alike) in &sorts {
        let Some(first) = alike.first().filter(|_| alike.len() >= SHARED_ITEMS_MIN) else {
            continue;
        };
        let mut samples = HashMap::<Shape<'_>, &Edit>::new();
        for edit in &first.edits {
            samples.entry(shape(edit)).or_insert(edit);
        }
        let mut counts = HashMap::<Shape<'_>, (usize, bool)>::new();
        for edit in alike.iter().flat_map(|item| &item.edits) {
            let sample = samples.get(&shape(edit));
            let same = sample.is_some_and(|it| it.before == edit.before && it.after == edit.after);
            let count = counts.entry(shape(edit)).or_insert((0, true));
            count.0 += 1;
            count.1 &= same;
        }
        let of_all = first
            .edits
            .iter()
            .filter(|edit| edit.rule.is_some() && !edit.lossy);
        let edits: Vec<_> = of_all
            .filter_map(|edit| match counts.get(&shape(edit)) {
                Some((count, same)) if *count == alike.len() => Some((edit.clone(), *same)),
                _ => None,
            })
            .collect();
        if !edits.is_empty() {
            let object = (*object).to_owned();
            shared.push(Shared {
                action: *action,
                object,
                items: alike.len(),
                edits,
            });
        }
    }
    let taken: HashMap<(Action, &str), HashSet<Shape<'_>>> = shared
        .iter()
        .map(|it| {
            let shapes = it.edits.iter().map(|(edit, _)| shape(edit));
            ((it.action, it.object.as_str()), shapes.collect())
        })
        .collect();
    let rest = items.iter().map(|item| {
        let mut item = item.clone();
        if let Some(taken) = taken.get(&(item.action, item.object.as_str())) {
            item.edits.retain(|edit| !taken.contains(&shape(edit)));
        }
        item
    });
    let rest = rest.collect();
    (shared, rest)
}

type Shape<'a> = (&'a str, Option<&'a str>, bool, bool);

fn shape(edit: &Edit) -> Shape<'_> {
    (
        &edit.path,
        edit.rule.as_deref(),
        edit.before.is_some(),
        edit.after.is_some(),
    )
}

/// Left-out things by (object, reason), in the order of these.
pub(super) fn left_out(left_out: &[LeftOut]) -> BTreeMap<(&str, &str), Vec<&str>> {
    let mut groups = BTreeMap::<(&str, &str), Vec<&str>>::new();
    for thing in left_out {
        groups
            .entry((&thing.object, &thing.reason))
            .or_default()
            .push(&thing.name);
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;

    /// Three indices of so many fields that each field of one compared with each of the others would take minutes.
    #[test]
    fn what_wide_indices_share_is_found_in_time_by_their_fields() {
        let edits: Vec<Edit> = (0..50_000)
            .map(|number| Edit {
                path: format!("mappings.properties.f{number}"),
                before: Some(json!({"type": "string"})),
                after: Some(json!({"type": "text"})),
                rule: Some("MIG120".into()),
                why: "so it is".into(),
                lossy: false,
            })
            .collect();
        let items: Vec<Item> = ["a", "b", "c"]
            .into_iter()
            .map(|name| Item {
                action: Action::Create,
                object: "index".into(),
                name: name.into(),
                note: String::new(),
                edits: edits.clone(),
                docs: None,
                bytes: None,
                decision: None,
            })
            .collect();
        let begin = Instant::now();
        let (shared, rest) = share(&items);
        assert!(begin.elapsed() < Duration::from_secs(30));
        assert_eq!(shared[0].edits.len(), 50_000);
        assert!(rest.iter().all(|item| item.edits.is_empty()));
    }
}
