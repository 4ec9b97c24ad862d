//! A worker of a backfill that another process leads: takes what is given out, until all is done.
//!
//! It has neither the plan's state nor its lock, makes nothing ready and undoes nothing; it needs the store of the snapshot and
//! the target. Which snapshot is meant, and that it would write the same, it knows by the work store's header.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::common;
use super::super::connections::Connections;
use super::super::kind::{Interrupt, PhaseError};
use super::fleet::{board, board_error, stopped};
use super::materials::{self, Materials};
use super::{
    bulk_error, cluster, failed, is_work_of, landed, peek, restore, store, way, work_error,
};
use crate::clients::target::{Target, TargetError};
use crate::diff::observation::SnapshotIndexFacts;
use crate::engines::bulk::delta::DeltaSource;
use crate::engines::bulk::fleet::{Brief, Joining, Member, Role, Turn};
use crate::engines::bulk::work_store::{WORKER, WorkError, WorkIdentity};
use crate::engines::bulk::{self, BulkError, BulkProgress, Job, Meter, Part, Stop};
use crate::plan::model::{BackfillSpec, Phase, Plan, Strategy};
use crate::state::Artifacts;

/// Time between two looks for work.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The longest until a process has heard what stands on the board: it looks every two seconds.
const HEARD_WITHIN: Duration = Duration::from_secs(15);
/// Time until what is given out is tried again, after nothing was left of it.
const AGAIN_AFTER: Duration = Duration::from_secs(3);

/// What a worker needs.
pub struct Helping<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The backfill.
    pub phase: &'a Phase,
    /// Where failed documents go.
    pub artifacts: &'a dyn Artifacts,
    /// Threads.
    pub workers: u32,
    /// How long it waits without anything to do; `None`: for ever.
    pub idle_max: Option<Duration>,
    /// Asks to stop.
    pub interrupt: &'a Interrupt,
    /// Where it tells what it measures.
    pub meter: Arc<Meter>,
    /// Told what happens.
    pub tell: &'a (dyn Fn(Told) + Sync),
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// It waits, and for what.
    Waits(String),
    /// It joined: under this name.
    Joined(String),
    /// It takes items of so many indices.
    Turn(usize),
    /// How far the load is.
    Progress(BulkProgress),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helped {
    /// All is loaded.
    Done,
    /// It was asked to stop.
    Interrupted,
    /// There was nothing to do for too long.
    Idle,
    /// The target restores all of it by itself.
    Restored,
}

/// Helps until all is loaded, or it is asked to stop.
pub fn help(cx: &Helping<'_>) -> Result<Helped, PhaseError> {
    let spec = super::spec(cx.phase)?;
    if let Some(since) = &spec.since {
        return Err(failed(
            format!(
                "`{}` moves what changed since `{}`, which `mig apply` compares and moves by itself",
                cx.phase.address, since.value
            ),
            "its `workers:` says with how many threads",
        ));
    }
    if spec.strategy == Strategy::Restore {
        return Ok(Helped::Restored);
    }
    let mut patience = Patience::new(cx);
    let Some(identity) = begun(cx, spec, &mut patience)? else {
        return Ok(patience.ended());
    };
    let connections = Connections::new(cx.plan, &identity.lineage);
    let view = connections.source(&spec.from.value)?;
    let target = landed(&connections, spec, view.indices())?;
    let id = format!(
        "{WORKER}{}-{}-{}",
        crate::base::host::name(),
        std::process::id(),
        &uuid::Uuid::new_v4().simple().to_string()[..8]
    );
    let board = board(&*target, cx.plan, &cx.phase.address, &identity.lineage);
    let board = board.ok_or_else(|| failed("no work can be noted there".into(), ""))?;
    let joining = Joining {
        id: id.clone(),
        role: Role::Worker,
        able: cx.workers,
        most: cx.workers,
        rates: materials::rates(spec),
        meter: Arc::clone(&cx.meter),
    };
    let member = Member::join(board, joining).map_err(|error| board_error(&error))?;
    (cx.tell)(Told::Joined(id));
    let worker = Worker {
        cx,
        spec,
        identity: &identity,
        connections: &connections,
        target: &*target,
        member: &member,
    };
    let mut tried: Option<(u64, Instant)> = None;
    let (mut restores, mut looked) = (worker.restores()?, Instant::now());
    loop {
        let heard = member.heard();
        if heard.control.stopped {
            return Err(stopped(&cx.phase.address, &heard.control.by));
        }
        if cx.interrupt.draining() {
            return Ok(Helped::Interrupted);
        }
        match heard.brief {
            Some(brief) if brief.turn == Turn::Done => return Ok(Helped::Done),
            Some(brief) if brief.turn == Turn::Loading => {
                let again = tried.is_none_or(|(serial, at)| {
                    serial != brief.serial || at.elapsed() >= AGAIN_AFTER
                });
                if again {
                    member.wait(false);
                    patience.renew();
                    worker.take(&brief)?;
                    member.turned();
                    tried = Some((brief.serial, Instant::now()));
                }
            }
            _ => {}
        }
        member.wait(true);
        if looked.elapsed() >= AGAIN_AFTER {
            restores = worker.restores()?;
            looked = Instant::now();
        }
        let what = if restores {
            "the target, which restores indices by itself: no worker helps it"
        } else {
            "mig apply to give out work"
        };
        if !patience.wait(what) {
            return Ok(patience.ended());
        }
    }
}

/// Waits until there is a load to join; one of another plan is refused.
fn begun(
    cx: &Helping<'_>,
    spec: &BackfillSpec,
    patience: &mut Patience<'_>,
) -> Result<Option<WorkIdentity>, PhaseError> {
    loop {
        // Opened anew each time: what the snapshot and the target are is known only once there is work.
        let connections = Connections::new(cx.plan, "");
        let target = connections.open_target(&spec.to.value)?;
        if target.cluster().is_none() {
            return Err(failed(
                format!(
                    "`{}` writes to a directory, which one process does: `workers` says with how many threads",
                    cx.phase.address
                ),
                "workers join where the target is a cluster",
            ));
        }
        if let Some((identity, _)) = peek(&*target, cx.plan, &cx.phase.address)? {
            refuse_other(cx, spec, &identity)?;
            return Ok(Some(identity));
        }
        let control = board(&*target, cx.plan, &cx.phase.address, "")
            .map(|board| board.control())
            .transpose()
            .map_err(|error| board_error(&error))?;
        if let Some(control) = control.filter(|control| control.stopped) {
            return Err(stopped(&cx.phase.address, &control.by));
        }
        if !patience.wait("mig apply to begin") {
            return Ok(None);
        }
    }
}

fn refuse_other(
    cx: &Helping<'_>,
    spec: &BackfillSpec,
    identity: &WorkIdentity,
) -> Result<(), PhaseError> {
    if is_work_of(identity, spec, cx.plan, &cx.phase.address) {
        return Ok(());
    }
    Err(failed(
        format!(
            "the backfill `{}` of plan `{}` that runs is not this plan's: its transforms, its versions or its target are others",
            cx.phase.address, cx.plan.name
        ),
        "give the worker the plan that `mig apply` runs, with the same variables and scripts",
    ))
}

struct Worker<'a> {
    cx: &'a Helping<'a>,
    spec: &'a BackfillSpec,
    identity: &'a WorkIdentity,
    connections: &'a Connections,
    target: &'a dyn Target,
    member: &'a Member,
}

impl Worker<'_> {
    /// Whether the target restores something of this phase by itself.
    fn restores(&self) -> Result<bool, PhaseError> {
        let whose = restore::Whose {
            plan: self.cx.plan,
            phase: &self.cx.phase.address,
            lineage: &self.identity.lineage,
            snapshot: &self.identity.snapshot_uuid,
        };
        let found = restore::is_at_work(self.target, whose);
        found.map_err(|error| common::target_error(&self.spec.to.value, &error))
    }

    /// Takes items of what is given out until none is left, or something else is given out.
    fn take(&self, brief: &Brief) -> Result<(), PhaseError> {
        let Self { cx, spec, .. } = *self;
        let stop = || self.stop(brief);
        let from = &spec.from.value;
        let Some(view) = self.connections.usable_snapshot(from)? else {
            return Err(PhaseError::Stale(format!(
                "the snapshot of `{from}` is not there"
            )));
        };
        let source = self.connections.source(from)?;
        let indices = way(cx.plan, spec).targets(source.indices());
        let wanted: Vec<(&str, &SnapshotIndexFacts)> = brief
            .indices
            .keys()
            .filter_map(|name| Some((name.as_str(), indices.get(name)?)))
            .collect();
        // A load of changes has no workers.
        let none = DeltaSource::none().map_err(|error| bulk_error(&error.into()))?;
        let materials = Materials::gather(cx.plan, spec, &view, self.target, &wanted, none)?;
        let opened = store::join(self.target, self.identity, &stop);
        let store = match opened {
            Ok(store) => store,
            // The coordinator begins anew: it gives out again then.
            Err(WorkError::NotBegun { .. }) => return Ok(()),
            Err(error) => return Err(work_error(&error)),
        };
        (cx.tell)(Told::Turn(brief.indices.len()));
        let failed_place = materials::failed_place(&cx.phase.address, cx.artifacts, self.target)?;
        let mut options =
            materials::options(spec, self.target, failed_place, self.member.id().to_owned());
        options.meter = Arc::clone(&cx.meter);
        // The coordinator counts them over all.
        options.max_failed = None;
        let watch = cluster::Watch::new(self.target, &brief.indices);
        let loaded = bulk::run(&Job {
            source: &materials.source,
            target: self.target,
            store: &*store,
            transform: materials.transform(),
            crew: self.member,
            part: Part::Helping,
            indices: brief.indices.clone(),
            options,
            check: &|index| watch.check(index),
            stop: &stop,
            progress: &|now| (cx.tell)(Told::Progress(now)),
        });
        match loaded {
            Ok(_) => Ok(()),
            // It is told by the coordinator, which looks whether the index was made anew by the plan.
            Err(BulkError::Moved { .. }) if self.is_other(brief) => Ok(()),
            // Who ended the turn takes away what is written through, before everybody has heard of it.
            Err(BulkError::Target(TargetError::Replaced { .. })) if self.is_other_soon(brief) => {
                Ok(())
            }
            Err(error) => Err(view.or_vanished(bulk_error(&error))),
        }
    }

    fn is_other(&self, brief: &Brief) -> bool {
        let heard = self.member.heard();
        heard.control.stopped || heard.brief.is_none_or(|now| now.serial != brief.serial)
    }

    /// As [`Self::is_other`], once the board was looked at again.
    fn is_other_soon(&self, brief: &Brief) -> bool {
        let began = Instant::now();
        while !self.is_other(brief) {
            if began.elapsed() >= HEARD_WITHIN {
                return false;
            }
            thread::sleep(LOOK_EVERY);
        }
        true
    }

    fn stop(&self, brief: &Brief) -> Stop {
        let asked = common::stop(self.cx.interrupt);
        if self.member.is_stopped() || self.member.serial() != Some(brief.serial) {
            asked.max(Stop::Drain)
        } else {
            asked
        }
    }
}

/// How long there was nothing to do.
struct Patience<'a> {
    cx: &'a Helping<'a>,
    since: Instant,
    told: Option<&'static str>,
}

impl<'a> Patience<'a> {
    fn new(cx: &'a Helping<'a>) -> Self {
        Self {
            cx,
            since: Instant::now(),
            told: None,
        }
    }

    fn renew(&mut self) {
        self.since = Instant::now();
        self.told = None;
    }

    /// Waits a moment; `false` when it is to end.
    fn wait(&mut self, what: &'static str) -> bool {
        if self.told != Some(what) && self.since.elapsed() >= AGAIN_AFTER {
            self.told = Some(what);
            (self.cx.tell)(Told::Waits(what.to_owned()));
        }
        thread::sleep(LOOK_EVERY);
        let idle = self.cx.idle_max;
        !self.cx.interrupt.draining() && idle.is_none_or(|most| self.since.elapsed() < most)
    }

    fn ended(&self) -> Helped {
        if self.cx.interrupt.draining() {
            Helped::Interrupted
        } else {
            Helped::Idle
        }
    }
}
