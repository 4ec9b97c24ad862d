//! Whether nothing is written to a source for some time: the last sequence number of every shard of the chosen indices is
//! looked at again and again. Reads only.
//!
//! An index that appears, goes or is made anew counts as a write, and so does a shard that does not say its number: what can't
//! be told is not quiet. Deliberately absent: stopping the writers.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::common;
use super::super::kind::{ObserveContext, PerformContext, PhaseError, Progress};
use crate::base::Address;
use crate::base::units::plural;
use crate::clients::cluster::{ClusterClient, ClusterError, LiveIndex, indices};
use crate::diff::change::{Action, Item, LeftOut};
use crate::diff::observation::GateObservation;
use crate::plan::model::SourceQuiet;
use crate::plan::selector::Selector;

/// Time between two looks, where that is a tenth of the whole at most.
const POLL: Duration = Duration::from_secs(5);
/// Time between two looks at the least.
const POLL_MIN: Duration = Duration::from_millis(200);
/// Time between two looks whether to stop.
const STOP_POLL: Duration = Duration::from_millis(100);

/// What stays the same while nothing is written.
type Seen = BTreeMap<String, LiveIndex>;

fn cluster(proof: &SourceQuiet) -> Result<&Address, PhaseError> {
    let of = proof.of.as_ref().map(|of| &of.value);
    of.ok_or_else(|| PhaseError::Failed {
        message: "the gate names no cluster".to_owned(),
        help: Some("write `source-quiet: { of: CLUSTER, for: 2m }`".into()),
    })
}

fn failed(cluster: &Address, error: &ClusterError) -> PhaseError {
    PhaseError::Failed {
        message: format!("cluster `{cluster}`: {error}"),
        help: Some(error.help()),
    }
}

pub(super) fn observe(
    cx: &ObserveContext<'_>,
    proof: &SourceQuiet,
) -> Result<GateObservation, PhaseError> {
    let of = cluster(proof)?;
    let client = cx.connections.open_cluster(of)?;
    let about = client.about().map_err(|error| failed(of, &error))?;
    let all = indices(&client).map_err(|error| failed(of, &error))?;
    let (chosen, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|(name, _)| proof.indices.matches(name));
    Ok(GateObservation {
        cluster: about.uuid,
        indices: chosen
            .into_iter()
            .map(|(name, index)| (name, index.seq_nos))
            .collect(),
        others: others.into_iter().map(|(name, _)| name).collect(),
    })
}

pub(super) fn items(observed: &GateObservation) -> Vec<Item> {
    let names = observed.indices.keys();
    names
        .map(|name| common::item(Action::Check, "index", name))
        .collect()
}

pub(super) fn left_out(proof: &SourceQuiet, observed: &GateObservation) -> Vec<LeftOut> {
    let names = observed.others.iter();
    names
        .filter_map(|name| common::left_out(&proof.indices, "index", name))
        .collect()
}

/// Waits until the source was quiet for long enough; `None`: stopped as asked. Gives what is recorded and what is said.
pub(super) fn prove(
    cx: &PerformContext<'_>,
    proof: &SourceQuiet,
) -> Result<Option<(Value, String)>, PhaseError> {
    let of = cluster(proof)?;
    let client = cx.connections.open_cluster(of)?;
    let wanted = proof.r#for.0;
    let poll = (wanted / 10).clamp(POLL_MIN, POLL);
    let mut seen = look(&client, of, &proof.indices)?;
    let (mut since, mut from) = (Instant::now(), Timestamp::now());
    let mut writes: u64 = 0;
    loop {
        // Only a look that begins after the time is over proves it.
        let quiet = since.elapsed();
        let at = Timestamp::now();
        let now = look(&client, of, &proof.indices)?;
        if now != seen || now.values().any(is_silent) {
            seen = now;
            writes += 1;
            (since, from) = (Instant::now(), Timestamp::now());
        } else if quiet >= wanted {
            return conclude(cx, proof, of, &seen, (from, at), writes).map(Some);
        }
        tell(cx, since.elapsed(), wanted);
        let pause = Instant::now();
        let next = poll.min(wanted.saturating_sub(since.elapsed()).max(POLL_MIN));
        while pause.elapsed() < next {
            if cx.interrupt.draining() {
                return Ok(None);
            }
            thread::sleep(STOP_POLL.min(next));
        }
    }
}

fn look(client: &ClusterClient, of: &Address, chosen: &Selector) -> Result<Seen, PhaseError> {
    let mut found = indices(client).map_err(|error| failed(of, &error))?;
    found.retain(|name, _| chosen.matches(name));
    // Merges move bytes, and they are no writes.
    for index in found.values_mut() {
        index.bytes = 0;
    }
    Ok(found)
}

/// Whether it can't be told if an index is written to.
fn is_silent(index: &LiveIndex) -> bool {
    !index.closed && index.seq_nos.iter().any(Option::is_none)
}

fn tell(cx: &PerformContext<'_>, quiet: Duration, wanted: Duration) {
    (cx.progress)(Progress {
        unit: "seconds quiet".into(),
        done: quiet.as_secs().min(wanted.as_secs()),
        total: wanted.as_secs(),
        bytes: 0,
        failed: 0,
        workers: 1,
        paused_by: None,
    });
}

fn conclude(
    cx: &PerformContext<'_>,
    proof: &SourceQuiet,
    of: &Address,
    seen: &Seen,
    (from, to): (Timestamp, Timestamp),
    writes: u64,
) -> Result<(Value, String), PhaseError> {
    let shards: u64 = seen.values().map(|index| u64::from(index.shards)).sum();
    let indices: BTreeMap<&str, Value> = seen
        .iter()
        .map(|(name, index)| {
            let facts =
                json!({"uuid": index.uuid, "closed": index.closed, "seq-nos": index.seq_nos});
            (name.as_str(), facts)
        })
        .collect();
    let name = format!("evidence/{}.json", cx.phase.address.file_name());
    let evidence = json!({
        "phase": cx.phase.address,
        "plan": cx.plan.name,
        "plan-digest": cx.plan.digest(),
        "lineage": cx.state.lineage,
        "mig-version": env!("CARGO_PKG_VERSION"),
        "source-quiet": {"of": of, "for": proof.r#for, "from": from, "to": to, "indices": indices},
    });
    let bytes = serde_json::to_vec_pretty(&evidence).map_err(|error| PhaseError::Failed {
        message: format!("evidence: {error}"),
        help: None,
    })?;
    cx.artifacts
        .put(&name, &bytes)
        .map_err(|error| PhaseError::Failed {
            message: format!("evidence: {error}"),
            help: Some(error.help()),
        })?;
    let file = cx.artifacts.locate(&name);
    let statement = format!(
        "{of} took no writes for {}, from {from} to {to}: {} of {} at the same sequence numbers{}",
        proof.r#for,
        plural(shards, "shard"),
        common::indices(seen.len()),
        match writes {
            0 => String::new(),
            writes => format!(
                ", after {} that began the time anew",
                plural(writes, "write")
            ),
        }
    );
    let proved = json!({"of": of, "from": from, "to": to, "evidence-file": file});
    Ok((proved, statement))
}
