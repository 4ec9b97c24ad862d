//! What becomes of each index of a backfill. Pure.

use serde_json::Value;

use super::super::common;
use super::super::kind::DecideContext;
use super::super::streams::ordinary_name;
use super::super::transforms;
use super::{choice, generations, since, way};
use crate::base::{Address, Fingerprint};
use crate::diff::change::Action;
use crate::diff::observation::{BackfillObservation, SnapshotIndexFacts, TargetIndexFacts};
use crate::plan::model::{BackfillSpec, OnDrift, PhaseKindName, PhaseSpec};
use crate::state::model::{
    PhaseStatus, REMOVE_DOCUMENTS as REMOVE, RETRY_DOCUMENTS, State, TRANSFORMS,
};

/// In what is announced: how mapping types were taken.
pub(super) const TYPES: &str = "types";

/// What becomes of one index.
pub(super) enum Fate {
    /// It is written.
    Write,
    /// An earlier run wrote a part of it.
    Resume,
    /// What is there is removed first: why.
    Again(&'static str),
    /// All is there, and no proof yet.
    Written,
    /// All was there, by a proof.
    Proved(Address),
    /// Proved, and changed since; the plan says to report that.
    Drifted(Address),
    /// It is not on the target, and nothing makes it.
    Absent,
    /// It holds documents that this phase did not write.
    Foreign(u64),
    /// Of a data stream that has so many generations on the target already: its documents would go to another one.
    Ahead(usize),
    /// Of a data stream, and the target has none.
    NoStreams,
    /// What changed of it can't be told: what is there is removed and all is written: why.
    Whole(String),
    /// Nothing of it changed since the base.
    Unchanged,
    /// What this phase builds upon does not stand there.
    WithoutBase(Address),
    /// Of a data stream, and it changed.
    ChangedStream,
}

/// A proof that all documents of an index arrived.
pub(super) struct Proof {
    by: Address,
    uuid: Option<String>,
    content: Option<Fingerprint>,
}

impl Proof {
    /// Whether the index is no longer what was proved. A content that the target can't tell now is no change.
    fn moved(&self, found: &TargetIndexFacts) -> bool {
        let other = self.uuid.as_ref().is_some_and(|uuid| *uuid != found.uuid);
        other
            || (self.content.is_some() && found.content.is_some() && self.content != found.content)
    }
}

/// The proof of an index of a snapshot on a target, where a verify phase gave one.
pub(super) fn proof(
    cx: &DecideContext<'_>,
    to: &Address,
    snapshot: &str,
    index: &str,
) -> Option<Proof> {
    cx.plan
        .phases
        .values()
        .filter(|phase| match &phase.spec {
            PhaseSpec::Verify(verify) => verify.target.value == *to,
            _ => false,
        })
        .find_map(|phase| {
            let record = common::record(cx.state, &phase.address)?;
            let found = record
                .outputs
                .get("proved")?
                .get(index)
                .filter(|found| common::text(found, "/snapshot-uuid") == Some(snapshot))?;
            let content = found
                .get("content")
                .and_then(|it| serde_json::from_value(it.clone()).ok());
            Some(Proof {
                by: phase.address.clone(),
                uuid: common::text(found, "/target-uuid").map(str::to_owned),
                content,
            })
        })
}

/// What this phase recorded of an index that it finished, from this snapshot.
fn recorded<'a>(
    state: &'a State,
    phase: &Address,
    snapshot: &str,
    index: &str,
) -> Option<&'a Value> {
    let outputs = &common::record(state, phase)?.outputs;
    let found = outputs.get("indices")?.get(index)?;
    (common::text(found, "/snapshot-uuid") == Some(snapshot)).then_some(found)
}

/// Whether this phase ever announced that it writes documents into the index.
fn announced(cx: &DecideContext<'_>, to: &Address, index: &str) -> bool {
    common::record(cx.state, &cx.phase.address).is_some_and(|record| {
        record.effects.iter().any(|effect| {
            effect.on == *to && effect.what == "write-documents" && effect.name == index
        })
    })
}

/// The uuid of the index that this phase last announced to write to.
pub(super) fn written_to<'a>(
    state: &'a State,
    phase: &Address,
    to: &Address,
    index: &str,
) -> Option<&'a str> {
    let effects = &common::record(state, phase)?.effects;
    let last = effects.iter().rev().find(|effect| {
        effect.on == *to && effect.what == "write-documents" && effect.name == index
    })?;
    common::text(&last.detail, "/target-uuid")
}

/// Whether this phase last announced to write documents of the index with their mapping types taken otherwise than the plan
/// says now. Where it did not say how, nothing is known.
fn written_otherwise(
    cx: &DecideContext<'_>,
    spec: &BackfillSpec,
    (index, facts): (&str, &SnapshotIndexFacts),
) -> bool {
    let Some(record) = common::record(cx.state, &cx.phase.address) else {
        return false;
    };
    let to = &spec.to.value;
    let last = record.effects.iter().rev().find(|effect| {
        effect.on == *to && effect.what == "write-documents" && effect.name == index
    });
    let Some(then) = last.and_then(|effect| effect.detail.get(TYPES)) else {
        return false;
    };
    *then != serde_json::json!(way(cx.plan, spec).mark(index, facts))
}

/// Identity of the transforms that an index was last written with.
pub(super) fn transforms_of(
    state: &State,
    phase: &Address,
    to: &Address,
    index: &str,
) -> Option<Value> {
    let effects = &common::record(state, phase)?.effects;
    let last = effects.iter().rev().find(|effect| {
        effect.on == *to && effect.what == "write-documents" && effect.name == index
    })?;
    last.detail.get(TRANSFORMS).cloned()
}

/// Whether an index that this phase wrote to went through other transforms than those it would go through now.
fn transformed_otherwise(
    cx: &DecideContext<'_>,
    spec: &BackfillSpec,
    observed: &BackfillObservation,
    (index, facts): (&str, &SnapshotIndexFacts),
) -> bool {
    let then = transforms_of(cx.state, &cx.phase.address, &spec.to.value, index);
    let names = transforms::Names::of(choice(spec, observed), index, facts);
    let now = transforms::identity(spec, &names).and_then(|it| serde_json::to_value(it).ok());
    then != now
}

/// Whether this phase began to remove the documents of the index, to write them anew, and did not come to its end since.
fn replacing(cx: &DecideContext<'_>, to: &Address, index: &str) -> bool {
    common::record(cx.state, &cx.phase.address).is_some_and(|record| {
        record
            .effects
            .iter()
            .any(|effect| effect.on == *to && effect.what == REMOVE && effect.name == index)
    })
}

/// Whether documents of the index were sent again without the record saying so yet, or the phase failed over documents that
/// failed: then what its record holds is not the last word.
fn to_be_counted(
    cx: &DecideContext<'_>,
    observed: &BackfillObservation,
    to: &Address,
    index: &str,
) -> bool {
    let Some(record) = common::record(cx.state, &cx.phase.address) else {
        return false;
    };
    let sent_again = record
        .effects
        .iter()
        .any(|effect| effect.on == *to && effect.what == RETRY_DOCUMENTS && effect.name == index);
    let failed = observed
        .work
        .as_ref()
        .is_some_and(|work| work.docs_failed > 0);
    sent_again || (failed && record.status == PhaseStatus::Failed)
}

/// Whether the index is no longer what was proved because this plan is at work on it: nobody's drift.
fn at_work(
    cx: &DecideContext<'_>,
    to: &Address,
    index: &str,
    (proof, found): (&Proof, &TargetIndexFacts),
) -> bool {
    let other = proof.uuid.as_ref().is_some_and(|uuid| *uuid != found.uuid);
    let loading = written_to(cx.state, &cx.phase.address, to, index) == Some(&found.uuid);
    let made = found.docs == 0 && made_earlier(cx, to, "index", index);
    replacing(cx, to, index) || (other && (loading || made))
}

pub(super) fn fate(
    cx: &DecideContext<'_>,
    spec: &BackfillSpec,
    observed: &BackfillObservation,
    index: &str,
    facts: &SnapshotIndexFacts,
) -> Fate {
    let to = &spec.to.value;
    let Some(found) = observed.target.get(index) else {
        let there = match (generations::of(spec, observed, facts), &facts.data_stream) {
            (Some((stream, _)), _) => {
                observed.streams.contains_key(stream) || made_earlier(cx, to, "data stream", stream)
            }
            (None, Some(_)) => made_earlier(cx, to, "index", &ordinary_name(index)),
            (None, None) => made_earlier(cx, to, "index", index),
        };
        return if there { Fate::Write } else { Fate::Absent };
    };
    let snapshot = observed.snapshot_uuid.as_deref().unwrap_or_default();
    let work = observed
        .work
        .as_ref()
        .and_then(|work| work.complete.get(index).copied());
    let recorded = recorded(cx.state, &cx.phase.address, snapshot, index);
    let this = (&cx.phase.address, spec);
    if !cx.redo && since::taken_over(cx.plan, cx.state, this, index, found).is_some() {
        return match proof(cx, to, snapshot, index) {
            Some(proof) => Fate::Proved(proof.by),
            None => Fate::Written,
        };
    }
    let anew =
        written_to(cx.state, &cx.phase.address, to, index).is_some_and(|uuid| uuid != found.uuid);
    let ours = work.is_some() || recorded.is_some() || announced(cx, to, index);
    // What was recorded of another index says nothing of this one.
    let recorded = recorded
        .filter(|it| common::text(it, "/target-uuid").is_none_or(|uuid| uuid == found.uuid));
    // Items that are open again (a redo began and was killed) make what was proved before them void, also where the target
    // can't tell the content: a closed index of a directory.
    let reopened = work == Some(false);
    let otherwise = written_otherwise(cx, spec, (index, facts));
    let proof = proof(cx, to, snapshot, index)
        .filter(|_| !reopened && !otherwise)
        .filter(|proof| !(proof.moved(found) && at_work(cx, to, index, (proof, found))));
    if found.foreign_docs > 0 && proof.is_none() {
        return Fate::Foreign(found.foreign_docs);
    }
    if found.docs > 0 && (!ours || anew) && proof.is_none() {
        return Fate::Foreign(found.docs);
    }
    if ours && !cx.redo && !anew && transformed_otherwise(cx, spec, observed, (index, facts)) {
        return if found.docs > 0 {
            Fate::Again("its transforms are others than those it was written with")
        } else {
            Fate::Write
        };
    }
    if cx.redo {
        return if found.docs > 0 {
            Fate::Again("asked for by --redo")
        } else {
            Fate::Write
        };
    }
    if snapshot_anew(cx, spec) {
        return if found.docs > 0 {
            Fate::Again("its snapshot is taken anew before")
        } else {
            Fate::Write
        };
    }
    if otherwise {
        return if found.docs > 0 {
            Fate::Again("its mapping types are taken otherwise now")
        } else {
            Fate::Write
        };
    }
    if let Some(proof) = proof {
        return match (proof.moved(found), spec.on_drift) {
            (false, _) => Fate::Proved(proof.by),
            (true, OnDrift::Report) => Fate::Drifted(proof.by),
            (true, OnDrift::Mend) => Fate::Again("changed on the target since it was proved"),
        };
    }
    // One with documents is somebody else's: see above.
    if anew {
        return Fate::Write;
    }
    // An index without documents has no work items; it is done with the others.
    let others_done = observed
        .work
        .as_ref()
        .is_some_and(|work| work.items_done == work.items);
    if facts.docs == Some(0) && found.docs == 0 && (recorded.is_some() || others_done) {
        return Fate::Written;
    }
    if work == Some(true) {
        // What failed was sent again, or is to be counted anew: the phase only has to be finished by what the store says.
        if to_be_counted(cx, observed, to, index) {
            return Fate::Resume;
        }
        let content: Option<Fingerprint> = recorded
            .and_then(|it| it.get("content"))
            .and_then(|it| serde_json::from_value(it.clone()).ok());
        return match content {
            Some(content) if found.content.as_ref() != Some(&content) => {
                Fate::Again("changed on the target since it was written")
            }
            Some(_) => Fate::Written,
            // The target can't tell, or what its users write later stands.
            None if recorded.is_some() => Fate::Written,
            // All items are done and the phase did not get to say so: it only has to be finished.
            None => Fate::Resume,
        };
    }
    if work == Some(false) {
        return Fate::Resume;
    }
    // The work store is gone, and what was written is known all the same.
    let same = |it: &Value| match it.get("content") {
        None | Some(Value::Null) => true,
        Some(content) => {
            found.content.is_some()
                && serde_json::to_value(&found.content).ok().as_ref() == Some(content)
        }
    };
    if recorded.is_some_and(same) {
        return Fate::Written;
    }
    // What it builds upon is there, and nothing of its own that is known of.
    let by_changes = (index, Action::Run);
    let of_this = (cx.plan, cx.state, &cx.phase.address);
    if since::is_by_changes(of_this, spec, observed, by_changes) {
        return Fate::Resume;
    }
    if found.docs > 0 {
        return Fate::Again("holds documents of another snapshot or an earlier run");
    }
    Fate::Write
}

/// Whether another snapshot takes the place of the one that was looked at, before this phase runs: nothing is proved by that.
pub(super) fn snapshot_anew(cx: &DecideContext<'_>, spec: &BackfillSpec) -> bool {
    cx.earlier.iter().any(|change| {
        change.address == spec.from.value
            && change.action == Action::Run
            && ["redo", "input-changed"].contains(&change.action_reason.as_str())
            && common::is_pending(cx, change)
    })
}

/// Whether a metadata phase of this plan makes the object in the same apply.
fn made_earlier(cx: &DecideContext<'_>, to: &Address, object: &str, name: &str) -> bool {
    cx.earlier
        .iter()
        .filter(|change| change.kind == PhaseKindName::Metadata)
        .filter(
            |change| match cx.plan.phases.get(&change.address).map(|phase| &phase.spec) {
                Some(PhaseSpec::Metadata(metadata)) => metadata.to.value == *to,
                _ => false,
            },
        )
        .any(|change| {
            // Where the metadata phase waits for a decision on the index, that is the question to answer first.
            change.items.iter().any(|item| {
                item.object == object && item.name == name && item.action != Action::Delete
            })
        })
}
