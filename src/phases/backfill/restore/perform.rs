//! Has the target restore indices, waits for them, and counts what came.
//!
//! The target does the work: whoever stops waiting finds the restore again by its note and by the index itself.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::super::super::common;
use super::super::super::existing::SnapshotView;
use super::super::super::kind::{PhaseError, Progress};
use super::super::fleet::{self, Fleet};
use super::super::ground::Ground;
use super::super::{cluster, failed};
use super::look::Whose;
use super::repository;
use crate::base::settings::{GIVEN_BY_SERVERS, PRIVATE, meant, normal_settings};
use crate::base::units::{human_bytes, plural};
use crate::base::{Address, failpoint};
use crate::clients::target::cluster::restore::{self, Recovered, Restoring, Stage};
use crate::clients::target::{ClusterTarget, Target as _, TargetError};
use crate::diff::change::Action;
use crate::diff::observation::ObjectKind;
use crate::engines::metadata::differences;
use crate::plan::model::TuneReplicas;

/// Indices that are restored at once; the target works on a few shards of a node at a time.
const AT_ONCE: usize = 8;
/// How often a restore is asked for that the target gave up.
const ATTEMPTS_MAX: u32 = 3;
/// Between two questions how far restores are.
const POLL: Duration = Duration::from_millis(500);
/// Between two looks whether to stop.
const TICK: Duration = Duration::from_millis(50);

/// What came of it.
#[derive(Debug, Default)]
pub(in super::super) struct Restored {
    /// Whether it ended before all of them were there.
    pub(in super::super) stopped: bool,
    /// Indices that the target was at when it ended before: no server lets a restore rest.
    pub(in super::super) left_at_work: usize,
    /// What is recorded of each.
    pub(in super::super) outputs: Map<String, Value>,
    /// Documents.
    pub(in super::super) docs: u64,
    /// Bytes of their files, as far as the target told.
    pub(in super::super) bytes: u64,
    /// Time that it took in this run.
    pub(in super::super) millis: u64,
}

impl Restored {
    /// For evidence; nothing where nothing was restored.
    pub(in super::super) fn statement(&self, on: &str) -> Option<String> {
        (!self.outputs.is_empty()).then(|| {
            format!(
                "{} of {} restored by {on} ({}), counted there and by the snapshot's own bitmaps",
                plural(self.docs, "document"),
                common::indices(self.outputs.len()),
                human_bytes(self.bytes)
            )
        })
    }
}

/// An operator ended the backfill while the target restored.
pub(in super::super) fn stopped(phase: &Address, by: &str, restored: &Restored) -> PhaseError {
    match fleet::stopped(phase, by) {
        PhaseError::Failed { message, help } if restored.left_at_work > 0 => PhaseError::Failed {
            message: format!(
                "{message}; what the target restores just now of {} is taken back by the stop",
                common::indices(restored.left_at_work)
            ),
            help,
        },
        error => error,
    }
}

/// Indices that are still to be taken up.
type Waiting<'i> = VecDeque<(&'i String, Action)>;

/// See the module.
pub(in super::super) struct Restores<'a> {
    pub(in super::super) ground: &'a Ground<'a>,
    pub(in super::super) view: &'a SnapshotView,
    pub(in super::super) cluster: &'a ClusterTarget,
    /// By which operators say that no further one is to begin.
    pub(in super::super) fleet: &'a Fleet,
}

/// An index on its way.
struct Running {
    restoring: Restoring,
    attempts: u32,
}

impl Restores<'_> {
    fn error(&self, error: &TargetError) -> PhaseError {
        common::target_error(self.ground.on, error)
    }

    fn whose(&self) -> Whose<'_> {
        let cx = self.ground.cx;
        Whose {
            plan: cx.plan,
            phase: &cx.phase.address,
            lineage: &cx.state.lineage,
            snapshot: self.ground.snapshot_uuid,
        }
    }

    /// Restores these; returns early, with what is not finished, once the run is asked to stop.
    pub(in super::super) fn run(
        &self,
        indices: &BTreeMap<String, Action>,
    ) -> Result<Restored, PhaseError> {
        let mut restored = Restored::default();
        if indices.is_empty() {
            return Ok(restored);
        }
        let began = Instant::now();
        let finished = self.all(indices, &mut restored);
        restored.millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        restored.stopped = !finished?;
        if !restored.stopped {
            repository::unregister(self.ground.cx, self.ground.spec)?;
        }
        Ok(restored)
    }

    /// Whether all came to their end.
    fn all(
        &self,
        indices: &BTreeMap<String, Action>,
        restored: &mut Restored,
    ) -> Result<bool, PhaseError> {
        let mut repository = None;
        let mut waiting: Waiting<'_> = indices
            .iter()
            .map(|(name, action)| (name, *action))
            .collect();
        let mut running: Vec<Running> = Vec::new();
        loop {
            self.begin(&mut waiting, &mut running, &mut repository, restored)?;
            let all: Vec<&Restoring> = running.iter().map(|it| &it.restoring).collect();
            let stages = restore::look(self.cluster, &all).map_err(|error| self.error(&error))?;
            let recovered = self.recovered(&all);
            self.tell(indices, restored, &recovered);
            if self.is_to_end() {
                let at_work =
                    |it: &&Running| stages.get(&it.restoring.index) == Some(&Stage::UnderWay);
                restored.left_at_work = running.iter().filter(at_work).count();
                return Ok(false);
            }
            let before = running.len();
            let mut left = Vec::new();
            for mut it in std::mem::take(&mut running) {
                let name = it.restoring.index.clone();
                let given_up = match stages.get(&name).unwrap_or(&Stage::Gone) {
                    Stage::Gone => {
                        return Err(PhaseError::Stale(format!(
                            "index {name} on {} was removed or made anew while it was restored",
                            self.ground.on
                        )));
                    }
                    Stage::UnderWay => {
                        left.push(it);
                        continue;
                    }
                    Stage::Before => None,
                    Stage::Failed(why) => Some(why.clone()),
                    Stage::Restored => {
                        let so_far = recovered.get(&name).copied().unwrap_or_default();
                        match self.finish(&it.restoring, so_far)? {
                            Ok(finished) => {
                                self.record(&finished, restored)?;
                                continue;
                            }
                            Err(why) => Some(why),
                        }
                    }
                };
                self.working(|| self.ask(&mut it, given_up.as_deref()))?;
                left.push(it);
            }
            running = left;
            if running.is_empty() && waiting.is_empty() {
                return Ok(true);
            }
            if running.len() == before {
                self.pause();
            }
        }
    }

    /// Takes up indices, as far as there is room and nobody wants that none begins.
    fn begin(
        &self,
        waiting: &mut Waiting<'_>,
        running: &mut Vec<Running>,
        repository: &mut Option<String>,
        restored: &mut Restored,
    ) -> Result<(), PhaseError> {
        while running.len() < AT_ONCE && !waiting.is_empty() {
            let begun = self.working(|| {
                if let Some((name, action)) = waiting.pop_front() {
                    running.extend(self.begin_one(name, action, repository, restored)?);
                }
                Ok(())
            })?;
            if !begun {
                break;
            }
        }
        Ok(())
    }

    /// Makes an index ready to be restored; `None` where an earlier run saw it to its end.
    fn begin_one(
        &self,
        name: &str,
        action: Action,
        repository: &mut Option<String>,
        restored: &mut Restored,
    ) -> Result<Option<Running>, PhaseError> {
        let noted = self.noted(name, action)?;
        if let Some(noted) = noted.as_ref().filter(|noted| noted.done) {
            self.record(noted, restored)?;
            return Ok(None);
        }
        let repository = if let Some(repository) = repository {
            repository
        } else {
            let (cx, spec) = (self.ground.cx, self.ground.spec);
            let client = self.cluster.client();
            repository.insert(repository::register(cx, spec, client, self.view)?)
        };
        let restoring = match noted {
            Some(noted) => noted,
            None => self.prepare(name, action, repository)?,
        };
        Ok(Some(Running {
            restoring,
            attempts: 0,
        }))
    }

    /// Does something by which a restore begins, unless an operator or the run wants that none does; says whether it did. Whoever
    /// orders a pause waits for a process that is at that.
    fn working(&self, act: impl FnOnce() -> Result<(), PhaseError>) -> Result<bool, PhaseError> {
        // Before it is looked: a pause that is heard after that look finds it at work.
        self.fleet.at_work(1);
        let rests = self.is_to_end() || self.fleet.paused_by().is_some();
        let acted = if rests { Ok(()) } else { act() };
        self.fleet.at_work(0);
        acted.map(|()| !rests)
    }

    /// Whether the run is to end, or an operator ended the backfill for good.
    fn is_to_end(&self) -> bool {
        self.ground.cx.interrupt.draining() || self.fleet.stopped_by().is_some()
    }

    /// Waits until it is worth to look again.
    fn pause(&self) {
        let until = Instant::now() + POLL;
        while Instant::now() < until && !self.is_to_end() {
            std::thread::sleep(TICK);
        }
    }

    /// What an earlier run noted of an index that goes on; nothing of one that begins anew.
    fn noted(&self, name: &str, action: Action) -> Result<Option<Restoring>, PhaseError> {
        if action == Action::Replace {
            return Ok(None);
        }
        let found = restore::find(self.cluster, &[name]).map_err(|error| self.error(&error))?;
        let found = found.into_iter().find(|it| self.whose().is(it));
        let Some(found) = found else {
            return Ok(None);
        };
        let now = restore::look(self.cluster, &[&found]).map_err(|error| self.error(&error))?;
        let is_there = !matches!(now.get(name), None | Some(Stage::Gone));
        Ok(is_there.then_some(found))
    }

    /// Announces the restore of an index and writes down what it was before.
    fn prepare(
        &self,
        name: &str,
        action: Action,
        repository: &str,
    ) -> Result<Restoring, PhaseError> {
        let ground = self.ground;
        let (cx, on) = (ground.cx, ground.on);
        cluster::restore(on, ground.target, std::iter::once(&name.to_owned()))?;
        let uuid = ground.prepare(name, action)?;
        let body = restore::body_now(self.cluster, name).map_err(|error| self.error(&error))?;
        let (Some(body), Some(owner), Some(index)) =
            (body, self.view.owner(name), self.view.metadata.get(name))
        else {
            return Err(PhaseError::Stale(format!(
                "index {name} is not there any more: plan again"
            )));
        };
        let creation_date = index.setting("index.creation_date").ok_or_else(|| {
            failed(
                format!("index {name} in the snapshot has no date of creation, by which a restore is known again"),
                "write its documents: `strategy: reindex`",
            )
        })?;
        let mut settings = normal_settings(&Value::Object(index.settings.clone()));
        settings.retain(|key, _| {
            let mut private = PRIVATE.iter().chain(GIVEN_BY_SERVERS);
            !private.any(|pattern| meant(pattern, key))
        });
        let restoring = Restoring {
            index: name.to_owned(),
            uuid,
            plan: cx.plan.name.clone(),
            lineage: cx.state.lineage.clone(),
            phase: cx.phase.address.as_str().to_owned(),
            snapshot_uuid: ground.snapshot_uuid.to_owned(),
            repository: repository.to_owned(),
            snapshot: owner.name().to_owned(),
            creation_date: creation_date.to_owned(),
            shards: index.number_of_shards,
            settings,
            body,
            done: false,
            bytes: 0,
        };
        let detail = json!({
            "target-uuid": restoring.uuid,
            "repository": repository,
            "snapshot": restoring.snapshot,
        });
        (cx.announce)(common::effect_with(on, "restore-index", name, detail))?;
        failpoint::hit("restore.announced");
        restore::note(self.cluster, &restoring).map_err(|error| self.error(&error))?;
        failpoint::hit("restore.noted");
        Ok(restoring)
    }

    fn ask(&self, it: &mut Running, given_up: Option<&str>) -> Result<(), PhaseError> {
        let on = self.ground.on;
        let index = &it.restoring.index;
        if it.attempts >= ATTEMPTS_MAX {
            let why = given_up.unwrap_or("it was closed again each time");
            return Err(self.view.or_vanished(failed(
                format!("index {index} could not be restored on {on} in {ATTEMPTS_MAX} attempts: {why}"),
                "mend what the target says and run the same command again; or have the documents written: take the phase back \
                 (`mig rollback`), then `strategy: reindex`",
            )));
        }
        it.attempts += 1;
        let no_replicas = self.ground.spec.tune_target.replicas == TuneReplicas::None;
        let asked = restore::begin(self.cluster, &it.restoring, no_replicas);
        asked.map_err(|error| self.view.or_vanished(self.error(&error)))
    }

    /// Gives a restored index the settings that it had, sees that it is the index that was planned, and counts its documents. The
    /// inner error: they are not as many as the snapshot holds, as where a server came back with what it had before.
    fn finish(
        &self,
        restoring: &Restoring,
        so_far: Recovered,
    ) -> Result<Result<Restoring, String>, PhaseError> {
        let on = self.ground.on;
        let index = restoring.index.clone();
        failpoint::hit("restore.whole");
        let now = restore::settle(self.cluster, restoring).map_err(|error| self.error(&error))?;
        let edits = differences(ObjectKind::Index, &restoring.body, &now);
        if !edits.is_empty() {
            let paths: Vec<&str> = edits.iter().map(|edit| edit.path.as_str()).collect();
            return Err(failed(
                format!(
                    "index {index} was restored on {on}, and is another one than was planned at {}",
                    common::few(&paths)
                ),
                "take the phase back (`mig rollback`) and have its documents written: `strategy: reindex`",
            ));
        }
        let found = self
            .cluster
            .count(&index)
            .map_err(|error| self.error(&error))?;
        let expected = self.ground.source.get(&index).and_then(|facts| facts.docs);
        if let (Some(found), Some(expected)) = (found, expected)
            && found != expected
        {
            return Ok(Err(format!(
                "it holds {} afterwards, where the snapshot's own bitmaps count {expected}",
                plural(found, "document")
            )));
        }
        let done = Restoring {
            done: true,
            body: Value::Null,
            bytes: so_far.bytes,
            ..restoring.clone()
        };
        failpoint::hit("restore.counted");
        restore::note(self.cluster, &done).map_err(|error| self.error(&error))?;
        failpoint::hit("restore.done");
        Ok(Ok(done))
    }

    /// What is recorded of an index that is there.
    fn record(&self, done: &Restoring, restored: &mut Restored) -> Result<(), PhaseError> {
        let docs = self.cluster.count(&done.index);
        let docs = docs.map_err(|error| self.error(&error))?.unwrap_or(0);
        restored.docs += docs;
        restored.bytes += done.bytes;
        let expected = self.ground.source.get(&done.index).and_then(|it| it.docs);
        restored.outputs.insert(
            done.index.clone(),
            json!({
                "snapshot-uuid": self.ground.snapshot_uuid,
                "target-uuid": done.uuid,
                "expected": expected,
                "written": docs,
                "newer-present": 0,
                "dropped": 0,
                "elsewhere": 0,
                "dropped-by": {},
                "without-source": 0,
                "failed": 0,
                "content": null,
                "restored": {"bytes": done.bytes, "snapshot": done.snapshot},
            }),
        );
        Ok(())
    }

    /// An answer that does not come is only no progress.
    fn recovered(&self, all: &[&Restoring]) -> BTreeMap<String, Recovered> {
        let names: Vec<&str> = all.iter().map(|it| it.index.as_str()).collect();
        restore::recovered(self.cluster, &names).unwrap_or_default()
    }

    fn tell(
        &self,
        indices: &BTreeMap<String, Action>,
        restored: &Restored,
        recovered: &BTreeMap<String, Recovered>,
    ) {
        let source = self.ground.source;
        let planned = |name: &String| source.get(name).map_or(0, |facts| facts.bytes);
        let done = restored.bytes + recovered.values().map(|it| it.bytes).sum::<u64>();
        // What the target will read is known once it looked at the files of a shard: before, it is at least the sources.
        let of: u64 = indices
            .keys()
            .filter(|name| !restored.outputs.contains_key(*name))
            .map(|name| {
                recovered
                    .get(name)
                    .map_or(0, |it| it.of_bytes)
                    .max(planned(name))
            })
            .sum();
        (self.ground.cx.progress)(Progress {
            unit: "bytes".into(),
            done,
            total: restored.bytes + of,
            bytes: done,
            failed: 0,
            workers: 0,
            paused_by: self.fleet.paused_by(),
        });
    }
}
