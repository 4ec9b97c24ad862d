//! Items that are alike, shown once: a plan over ten thousand indices is read by the ten ways in which they differ.
//!
//! Alike are items with the same action, object, edits and question, whose notes differ in numbers at most. Deliberately
//! absent: dropping anything; a group knows all its names.

use std::collections::{BTreeMap, HashMap};

use crate::base::units::{human_bytes, human_count};
use crate::diff::change::{Item, LeftOut};

/// Items that are alike.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The first one: it shows what all are like.
    pub first: &'a Item,
    /// All names, in the order of the plan.
    pub names: Vec<&'a str>,
    /// Documents in all, where all know theirs.
    pub docs: Option<u64>,
    /// Bytes in all, where all know theirs.
    pub bytes: Option<u64>,
    same_note: bool,
}

impl Group<'_> {
    /// What is said behind the name: the note, or the sums of the group.
    pub fn note(&self) -> String {
        if self.same_note {
            return self.first.note.clone();
        }
        let mut parts = Vec::new();
        if let Some(docs) = self.docs {
            parts.push(format!("{} docs", human_count(docs)));
        }
        if let Some(bytes) = self.bytes {
            parts.push(human_bytes(bytes));
        }
        if parts.is_empty() {
            parts.push(format!("the first: {}", self.first.note));
        } else {
            parts.push("in all".to_owned());
        }
        parts.join(", ").replace(", in all", " in all")
    }

    /// `index logs-2019 (and 206 alike)`.
    pub fn label(&self) -> String {
        let more = match self.names.len() {
            0 | 1 => String::new(),
            count => format!(" (and {} alike)", human_count(count as u64 - 1)),
        };
        format!("{} {}{more}", self.first.object, self.first.name)
    }
}

/// Groups in the order of their first items.
pub fn group(items: &[Item]) -> Vec<Group<'_>> {
    let mut places = HashMap::<String, usize>::new();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for item in items {
        let place = *places.entry(key(item)).or_insert(groups.len());
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
        key.push_str(&format!(
            "\n{}\u{1}{}\u{1}{}\u{1}{:?}\u{1}{}",
            edit.path,
            value(&edit.before),
            value(&edit.after),
            edit.rule,
            edit.why
        ));
    }
    if let Some(decision) = &item.decision {
        // Answers name the object, so every open question stands alone.
        key.push_str(&format!("\n{}\u{1}{}", item.name, decision.question));
    }
    key
}

/// Left-out things by (object, reason), in the order of these.
pub fn left_out(left_out: &[LeftOut]) -> BTreeMap<(&str, &str), Vec<&str>> {
    let mut groups = BTreeMap::<(&str, &str), Vec<&str>>::new();
    for thing in left_out {
        groups
            .entry((&thing.object, &thing.reason))
            .or_default()
            .push(&thing.name);
    }
    groups
}
