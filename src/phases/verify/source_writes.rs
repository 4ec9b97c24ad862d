//! Whether the source was written to after the snapshot: the last sequence number of each shard in the snapshot's commit
//! beside the one that the live shard has now. Before Elasticsearch 6 there are none: there the segments of the commit are held
//! beside those of the live shard, and nothing may wait in its translog.
//!
//! A number rises with every write and delete, one that changed nothing too. Refreshes, merges, syncing of checkpoints and
//! retention leases leave it as it is, so a difference means that a client wrote (or, after the failure of a primary, that a gap
//! was filled with an operation that does nothing). Segments change by merges too, so there a difference may be less than a write.
//! Deliberately absent: which documents were written.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::super::existing::SnapshotView;
use super::super::kind::{PerformContext, PhaseError};
use crate::base::Address;
use crate::base::units::plural;
use crate::clients::cluster::{ClusterClient, LiveIndex, ShardPieces, indices, pieces};
use crate::engines::lucene::{Commit, SegmentFiles};
use crate::engines::snapshot::Snapshot;
use crate::plan::model::{PhaseSpec, SnapshotSpec, SourceWrites as Rule, VerifySpec};

/// Indices that are named in a finding at most.
const NAMED_MAX: usize = 5;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct SourceWrites {
    /// The cluster; `None`: the plan names none.
    cluster: Option<Address>,
    /// Why it can't be told, where it can't.
    not_told: Option<String>,
    /// What differs, by index.
    moved: BTreeMap<String, String>,
    /// The last sequence numbers in the snapshot, by index and shard.
    snapshot: BTreeMap<String, Vec<Option<i64>>>,
    /// Those of the live cluster.
    live: BTreeMap<String, Vec<Option<i64>>>,
    /// Indices without such numbers, whose segments were compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    by_segments: Vec<String>,
}

fn failed(cluster: &Address, error: &crate::clients::cluster::ClusterError) -> PhaseError {
    PhaseError::Failed {
        message: format!("cluster `{cluster}`: {error}"),
        help: Some(error.help()),
    }
}

impl SourceWrites {
    /// Looks at the cluster that the snapshot was taken of.
    pub(super) fn find(
        cx: &PerformContext<'_>,
        spec: &VerifySpec,
        view: &SnapshotView,
        names: &[String],
    ) -> Result<Self, PhaseError> {
        let cluster = cluster_of(cx, spec).cloned();
        let mut found = Self {
            not_told: None,
            moved: BTreeMap::new(),
            snapshot: BTreeMap::new(),
            live: BTreeMap::new(),
            by_segments: Vec::new(),
            cluster,
        };
        let Some(cluster) = &found.cluster else {
            found.not_told =
                Some("the plan names no cluster that the snapshot was taken of".into());
            return Ok(found);
        };
        let live = match cx.connections.open_cluster(cluster) {
            Ok(client) => indices(&client)
                .map(|live| (client, live))
                .map_err(|error| failed(cluster, &error)),
            Err(error) => Err(error),
        };
        let (client, live) = match live {
            Ok(live) => live,
            Err(error) if spec.source_writes == Rule::Allow => {
                found.not_told = Some(error.to_string());
                return Ok(found);
            }
            // Not being able to tell is no proof that nothing moved.
            Err(error) => {
                return Err(PhaseError::Failed {
                    message: format!(
                        "whether the source was written to after the snapshot can't be told: {error}"
                    ),
                    help: Some(
                        "let the source be reached and run the same command again, or write `source-writes: allow`"
                            .into(),
                    ),
                });
            }
        };
        for name in names {
            found.look(view, name, live.get(name), &client)?;
        }
        Ok(found)
    }

    fn look(
        &mut self,
        view: &SnapshotView,
        name: &str,
        live: Option<&LiveIndex>,
        client: &ClusterClient,
    ) -> Result<(), PhaseError> {
        let facts = view
            .facts
            .as_ref()
            .and_then(|facts| facts.indices.get(name));
        let (Some(facts), Some(snapshot)) = (facts, view.owner(name)) else {
            return Ok(());
        };
        let commits = (0..facts.shards)
            .map(|shard| commit(snapshot, name, shard))
            .collect::<Result<Vec<_>, String>>()
            .map_err(|message| {
                view.or_vanished(PhaseError::Failed {
                    message,
                    help: Some("check the snapshot".into()),
                })
            })?;
        let then: Vec<Option<i64>> = commits.iter().map(|commit| commit.max_seq_no).collect();
        let numberless = |live: &LiveIndex| {
            let none = |numbers: &[Option<i64>]| numbers.iter().all(Option::is_none);
            live.uuid == facts.uuid && !live.closed && none(&then) && none(&live.seq_nos)
        };
        let difference = if live.is_some_and(numberless) {
            let now = pieces(client, name).map_err(|error| PhaseError::Failed {
                message: error.to_string(),
                help: Some(error.help()),
            })?;
            self.by_segments.push(name.to_owned());
            other_pieces(&commits, &now)
        } else {
            difference(&facts.uuid, facts.closed, &then, live)
        };
        if let Some(difference) = difference {
            self.moved.insert(name.to_owned(), difference);
        }
        self.snapshot.insert(name.to_owned(), then);
        if let Some(live) = live {
            self.live.insert(name.to_owned(), live.seq_nos.clone());
        }
        Ok(())
    }

    /// What makes the check fail, where it is not allowed.
    pub(super) fn findings(&self, rule: Rule) -> Vec<String> {
        if rule == Rule::Allow || self.moved.is_empty() {
            return Vec::new();
        }
        let mut findings = self.named();
        findings.push(
            "the documents of the snapshot are not all that the source has: take another snapshot, or write \
             `source-writes: allow`"
                .to_owned(),
        );
        findings
    }

    /// What is said of it once the check passed.
    pub(super) fn statements(&self) -> Vec<String> {
        match (&self.not_told, &self.cluster) {
            (Some(why), _) => vec![format!(
                "whether the source was written to after the snapshot can't be told: {why}"
            )],
            (None, Some(cluster)) if self.moved.is_empty() => vec![format!(
                "{cluster} was not written to after the snapshot: {} of every shard {} the same",
                if self.by_segments.is_empty() {
                    "the last sequence number"
                } else {
                    "the segments"
                },
                if self.by_segments.is_empty() {
                    "is"
                } else {
                    "are"
                },
            )],
            _ => self.named(),
        }
    }

    fn named(&self) -> Vec<String> {
        let cluster = self.cluster.as_ref().map_or("the source", Address::as_str);
        let mut lines: Vec<String> = self
            .moved
            .iter()
            .take(NAMED_MAX)
            .map(|(index, what)| {
                format!("index {index} was written to on {cluster} after the snapshot: {what}")
            })
            .collect();
        let more = self.moved.len().saturating_sub(NAMED_MAX);
        if more > 0 {
            lines.push(format!("and {more} more indices of {cluster}"));
        }
        lines
    }
}

/// The cluster that the snapshot of a verification was taken of.
fn cluster_of<'a>(cx: &'a PerformContext<'_>, spec: &VerifySpec) -> Option<&'a Address> {
    match &cx.plan.phases.get(&spec.source.value)?.spec {
        PhaseSpec::Snapshot(SnapshotSpec::Take { of, .. }) => Some(&of.value),
        PhaseSpec::Snapshot(SnapshotSpec::Existing { of, .. }) => of.as_ref().map(|of| &of.value),
        _ => None,
    }
}

fn commit(snapshot: &Snapshot, index: &str, shard: u32) -> Result<Commit, String> {
    let place = |error: &dyn std::fmt::Display| format!("{index}/{shard}: {error}");
    let found = snapshot
        .shard(index, shard)
        .map_err(|error| place(&error))?;
    let files: Arc<dyn SegmentFiles> = Arc::clone(found.files()) as Arc<dyn SegmentFiles>;
    Commit::read(&*files).map_err(|error| place(&error))
}

/// How the segments of live shards differ from those of the snapshot; `None`: they are the same, and nothing waits.
fn other_pieces(then: &[Commit], now: &BTreeMap<u32, ShardPieces>) -> Option<String> {
    let shards: Vec<String> = (0..)
        .zip(then)
        .filter_map(|(shard, then)| {
            let Some(now) = now.get(&shard) else {
                return Some(format!("shard {shard} has no primary that answers"));
            };
            if now.waiting > 0 {
                let waiting = plural(now.waiting, "operation");
                return Some(format!("shard {shard}: {waiting} since"));
            }
            let segments = then.segments.iter();
            let then: BTreeMap<String, u64> = segments
                .map(|it| (it.name.clone(), u64::from(it.del_count)))
                .collect();
            (then != now.segments).then(|| {
                format!("shard {shard}: other segments, by a write or (there are no sequence numbers to tell) by a merge")
            })
        })
        .collect();
    (!shards.is_empty()).then(|| shards.join(", "))
}

/// How a live index differs from that of the snapshot; `None`: it was not written to.
fn difference(
    uuid: &str,
    was_closed: bool,
    then: &[Option<i64>],
    live: Option<&LiveIndex>,
) -> Option<String> {
    let Some(live) = live else {
        return Some("it is not there any more".to_owned());
    };
    if live.uuid != uuid {
        return Some(format!("it was made anew (uuid {}, was {uuid})", live.uuid));
    }
    // A closed index takes no writes. Whether it was open in between is told by the numbers, where it still gives them.
    let silent = live.seq_nos.iter().all(Option::is_none);
    if live.closed && was_closed && silent {
        return None;
    }
    let shards: Vec<String> = then
        .iter()
        .enumerate()
        .filter_map(|(shard, then)| {
            let now = live.seq_nos.get(shard).copied().flatten();
            let text =
                |number: Option<i64>| number.map_or("unknown".to_owned(), |it| it.to_string());
            let same = now.is_some() && *then == now;
            (!same).then(|| {
                format!(
                    "shard {shard}: sequence number {} → {}",
                    text(*then),
                    text(now)
                )
            })
        })
        .collect();
    (!shards.is_empty()).then(|| shards.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_numbers_of_the_same_index_say_that_nothing_was_written() {
        let live = |uuid: &str, closed, seq_nos: &[Option<i64>]| LiveIndex {
            uuid: uuid.into(),
            closed,
            seq_nos: seq_nos.to_vec(),
            ..LiveIndex::default()
        };
        let moved = |was_closed, then: &[Option<i64>], live: Option<LiveIndex>| {
            difference("u", was_closed, then, live.as_ref()).is_some()
        };
        let then = [Some(4), Some(-1)];
        assert!(!moved(false, &then, Some(live("u", false, &then))));
        assert!(moved(
            false,
            &then,
            Some(live("u", false, &[Some(5), Some(-1)]))
        ));
        assert!(moved(
            false,
            &then,
            Some(live("u", false, &[Some(4), None]))
        ));
        assert!(moved(false, &then, Some(live("v", false, &then))));
        assert!(moved(false, &then, None));
        // Closed before and now, and silent about its numbers.
        assert!(!moved(true, &then, Some(live("u", true, &[None, None]))));
        // Closed since, and silent: what was written before can't be told.
        assert!(moved(false, &then, Some(live("u", true, &[None, None]))));
        assert!(!moved(false, &then, Some(live("u", true, &then))));
        // A snapshot of before 6.0 has no numbers.
        assert!(moved(false, &[None], Some(live("u", false, &[Some(0)]))));
    }
}
