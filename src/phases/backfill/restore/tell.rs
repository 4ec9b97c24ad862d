//! How restores are shown in a plan. Pure.

use super::super::super::common;
use super::choose::{Reason, Way, Ways};
use crate::base::Address;
use crate::base::units::{human_bytes, plural};
use crate::base::version::ProductVersion;
use crate::diff::change::{Effect, Item};
use crate::diff::observation::{BackfillObservation, SnapshotIndexFacts};
use crate::engines::restore::first_unable;
use crate::plan::model::BackfillSpec;

/// What a phase restores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Told {
    /// The indices, in order.
    pub(in super::super) indices: Vec<String>,
    /// Documents that are neither read nor sent, as far as they are known.
    pub(in super::super) docs: u64,
    /// Bytes of stored fields that are not read.
    pub(in super::super) bytes: u64,
}

impl Told {
    /// Counts an index.
    pub(in super::super) fn add(&mut self, name: &str, facts: &SnapshotIndexFacts) {
        self.indices.push(name.to_owned());
        self.docs += facts.docs.unwrap_or(0);
        self.bytes += facts.bytes;
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// What the target will see, and what is saved by it.
    pub(in super::super) fn effects(
        &self,
        on: &Address,
        observed: &BackfillObservation,
    ) -> Vec<Effect> {
        if self.is_empty() {
            return Vec::new();
        }
        let place = observed.restore.as_deref().map(|ground| &ground.place);
        let place = place.map_or_else(String::new, |place| format!(" from {place}"));
        let effect = |text: String| Effect {
            on: on.clone(),
            text,
            destroys: false,
        };
        vec![
            effect(
                "registers the store as a read-only repository, and takes it off again at the end"
                    .into(),
            ),
            effect(format!(
                "restores {}{place} over the empty ones, which are closed for it: {} ({} of sources) are neither read by mig nor sent",
                common::indices(self.indices.len()),
                plural(self.docs, "document"),
                human_bytes(self.bytes)
            )),
        ]
    }
}

/// What is said behind the name of an index about the way that it takes.
pub(in super::super) fn note(
    way: Option<&Way>,
    facts: &SnapshotIndexFacts,
    target: Option<ProductVersion>,
) -> Option<String> {
    match way? {
        Way::Write(why) => why
            .as_ref()
            .map(|why| format!("written, not restored: {why}")),
        Way::Ask(_) => None,
        Way::Restore(created) => {
            let shards = plural(u64::from(facts.shards), "shard");
            let stays = match (created, target) {
                (Some(created), Some(target)) => format!(
                    "; stays created by {created}: {} will not open it",
                    first_unable(target, *created)
                ),
                _ => String::new(),
            };
            Some(format!(
                "restored as it is: {shards} as at the source, no transforms{stays}"
            ))
        }
    }
}

/// The question that stands where the plan asks for a restore that can't be; none where it can.
pub(in super::super) fn questions(
    spec: &BackfillSpec,
    ways: &Ways<'_>,
    name: &str,
) -> Option<Item> {
    let Some(Way::Ask(reasons)) = ways.get(name) else {
        return None;
    };
    let first = reasons.first()?;
    let texts: Vec<&str> = reasons.iter().map(|it| it.what.as_str()).collect();
    let mut answers = vec![
        "strategy: auto   # restores the other indices and writes this one".to_owned(),
        "strategy: reindex".to_owned(),
        format!("indices: [\"*\", \"!{name}\"]"),
    ];
    let mends = reasons.iter().filter_map(|it: &Reason| it.mend.clone());
    answers.extend(mends);
    answers.dedup();
    Some(common::question(
        "index",
        name,
        &first.code.to_string(),
        format!(
            "index {name} can't be restored on {}: {}. How are its documents to get there?",
            spec.to.value,
            texts.join(", and ")
        ),
        answers,
    ))
}
