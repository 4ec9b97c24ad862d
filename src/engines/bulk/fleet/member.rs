//! One process of a fleet: says what it does every few seconds, and hears what is wanted of it.
//!
//! A thread of its own reads and writes the board, so that no worker ever waits for it. A board that can't be reached for
//! a while changes nothing: what was heard last stands. Deliberately absent: anything that a document depends on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::beat::{Beat, Counts, Doing};
use super::board::{Board, BoardError, Brief};
use super::control::{Control, Limits};
use super::limits;
use super::muster::{Muster, part, share};
use super::tally::{Known, Tally};
use crate::engines::bulk::budget::Rates;
use crate::engines::bulk::crew::Crew;
use crate::engines::bulk::figures::{Figures, Gauges, Others};
use crate::engines::bulk::meter::Meter;
use crate::engines::bulk::work_store::Role;

/// Who joins.
#[derive(Clone, Debug)]
pub struct Joining {
    /// Names the process among all that ever worked on the load.
    pub id: String,
    /// What it is.
    pub role: Role,
    /// Workers that it runs where nothing else is wanted.
    pub able: u32,
    /// Workers that it may run at most.
    pub most: u32,
    /// The plan's limits: documents and bytes a second of all processes together.
    pub rates: Rates,
    /// What it measures; where it leads, what the others measure is told there.
    pub meter: Arc<Meter>,
}

/// See the module.
pub struct Member {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
}

struct Inner {
    board: Arc<dyn Board>,
    joining: Joining,
    started: Timestamp,
    heard: Mutex<Heard>,
    said: Mutex<Said>,
    /// What was measured in this process before it joined, under another name.
    measured_before: Figures,
    /// What was done by those that are gone, once it is known, and what was heard of each.
    told: Mutex<(Option<Tally>, Known)>,
    /// One look at the board at a time.
    looks: Mutex<()>,
    wanted: AtomicU32,
    /// What of the fleet's rates is this process's: its workers, and those of all.
    part: Mutex<(u32, u32)>,
    leaving: AtomicBool,
    /// Wakes the thread before its time.
    wake: (Mutex<bool>, Condvar),
}

/// What the board said last.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// What an operator wants.
    pub control: Control,
    /// What is given out.
    pub brief: Option<Brief>,
    /// When that was, if ever.
    pub at: Option<Instant>,
    /// Each other process's counts, with those that it began with when this one joined.
    others: BTreeMap<String, (Counts, Counts)>,
    /// When each other process was first heard of or last at work.
    at_work: BTreeMap<String, Instant>,
    /// When something else was last asked of all.
    turned: Option<Instant>,
}

impl Heard {
    /// Notes who works, and whether something else is asked for.
    fn note(&mut self, there: &[Beat], control: &Control, brief: Option<&Brief>) {
        let now = Instant::now();
        let serial = |brief: Option<&Brief>| brief.map(|it| it.serial);
        if self.control.serial != control.serial || serial(self.brief.as_ref()) != serial(brief) {
            self.turned = Some(now);
        }
        for beat in there {
            let last = self.at_work.entry(beat.id.clone()).or_insert(now);
            if beat.working > 0 {
                *last = now;
            }
        }
    }

    /// Whether a process that has no workers at work may begin any moment.
    fn begins(&self, beat: &Beat) -> bool {
        let recent = |at: &Instant| at.elapsed() < limits::BEGINS_FOR;
        self.turned.as_ref().is_some_and(recent) || self.at_work.get(&beat.id).is_some_and(recent)
    }
}

/// What is to be said.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    /// Of loads that ended.
    before: Counts,
    /// Of the load that runs.
    now: Counts,
    working: u32,
    waiting: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Plain values, which a panic elsewhere leaves whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sum(left: Counts, right: Counts) -> Counts {
    Counts {
        items: left.items + right.items,
        docs: left.docs + right.docs,
        bytes: left.bytes + right.bytes,
        failed: left.failed + right.failed,
    }
}

fn difference(now: Counts, then: Counts) -> Counts {
    Counts {
        items: now.items.saturating_sub(then.items),
        docs: now.docs.saturating_sub(then.docs),
        bytes: now.bytes.saturating_sub(then.bytes),
        failed: now.failed.saturating_sub(then.failed),
    }
}

impl Member {
    /// Joins: hears the board once before anything else, then goes on by itself until dropped.
    pub fn join(board: Arc<dyn Board>, joining: Joining) -> Result<Self, BoardError> {
        let inner = Arc::new(Inner {
            started: board.now(),
            wanted: AtomicU32::new(0),
            part: Mutex::new((1, 1)),
            leaving: AtomicBool::new(false),
            heard: Mutex::default(),
            said: Mutex::default(),
            measured_before: joining.meter.look().figures(),
            told: Mutex::default(),
            looks: Mutex::default(),
            wake: (Mutex::new(false), Condvar::new()),
            board,
            joining,
        });
        inner.hear()?;
        inner.say(&mut Pace::new())?;
        let own = Arc::clone(&inner);
        let thread = thread::Builder::new()
            .name("fleet".into())
            .spawn(move || own.go_on())
            .map_err(|source| BoardError::Io {
                path: "thread".into(),
                source,
            })?;
        Ok(Self {
            inner,
            thread: Some(thread),
        })
    }

    /// What the board said last.
    pub fn heard(&self) -> Heard {
        lock(&self.inner.heard).clone()
    }

    /// Whether the load is over for good, by an operator's word.
    pub fn is_stopped(&self) -> bool {
        lock(&self.inner.heard).control.stopped
    }

    /// Whether the workers rest, by whose word.
    pub fn paused_by(&self) -> Option<String> {
        let heard = lock(&self.inner.heard);
        heard.control.paused.then(|| heard.control.by.clone())
    }

    /// The serial of what is given out, where there is something to take.
    pub fn serial(&self) -> Option<u64> {
        lock(&self.inner.heard)
            .brief
            .as_ref()
            .map(|brief| brief.serial)
    }

    /// Whether there is nothing to take just now.
    pub fn wait(&self, waiting: bool) {
        lock(&self.inner.said).waiting = waiting;
    }

    /// A load of this process ended: the counts of the next one begin at zero.
    pub fn turned(&self) {
        let mut said = lock(&self.inner.said);
        said.before = sum(said.before, said.now);
        said.now = Counts::default();
        said.working = 0;
        drop(said);
        let mut heard = lock(&self.inner.heard);
        for (now, then) in heard.others.values_mut() {
            *then = *now;
        }
    }

    /// The load is over: waits a while until the others that work on it told all that they measured, and left.
    pub fn hear_last_words(&self, is_over: &dyn Fn() -> bool) {
        let began = Instant::now();
        while began.elapsed() < limits::LAST_WORDS_WITHIN && !is_over() {
            match self.inner.hear() {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the board could not be read"),
            }
            thread::sleep(LAST_WORDS_LOOK);
        }
    }

    /// The board.
    pub fn board(&self) -> &dyn Board {
        &*self.inner.board
    }

    /// Its name among the processes.
    pub fn id(&self) -> &str {
        &self.inner.joining.id
    }
}

/// Between two looks whether the others have left.
const LAST_WORDS_LOOK: Duration = Duration::from_millis(500);
/// Between two looks whether the thread has ended.
const LEAVE_LOOK: Duration = Duration::from_millis(10);

impl Drop for Member {
    fn drop(&mut self) {
        self.inner.leaving.store(true, Ordering::SeqCst);
        *lock(&self.inner.wake.0) = true;
        self.inner.wake.1.notify_all();
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A board that can't be reached is asked for minutes: nobody who is told to end waits for that.
        let began = Instant::now();
        while !thread.is_finished() && began.elapsed() < limits::LEAVE_WITHIN {
            thread::sleep(LEAVE_LOOK);
        }
        if thread.is_finished() {
            drop(thread.join());
        }
    }
}

/// How fast it goes, over the last beats.
struct Pace {
    last: Option<(Instant, Counts, Figures)>,
    docs_per_second: f64,
    bytes_per_second: f64,
    latency_ms: Option<f64>,
}

/// How much a new figure counts beside those before.
const NEW_FIGURE: f64 = 0.4;

impl Pace {
    fn new() -> Self {
        Self {
            last: None,
            docs_per_second: 0.0,
            bytes_per_second: 0.0,
            latency_ms: None,
        }
    }

    fn take(&mut self, now: Instant, counts: Counts, figures: Figures) {
        if let Some((then, before, figures_before)) = self.last {
            let seconds = now.duration_since(then).as_secs_f64().max(0.001);
            let done = difference(counts, before);
            let docs = done.docs as f64 / seconds;
            let bytes = done.bytes as f64 / seconds;
            self.docs_per_second += (docs - self.docs_per_second) * NEW_FIGURE;
            self.bytes_per_second += (bytes - self.bytes_per_second) * NEW_FIGURE;
            if let Some(mean) = figures.since(&figures_before).latency.mean_ms() {
                let before = self.latency_ms.unwrap_or(mean);
                self.latency_ms = Some(before + (mean - before) * NEW_FIGURE);
            }
        }
        self.last = Some((now, counts, figures));
    }
}

impl Inner {
    fn go_on(&self) {
        let mut pace = Pace::new();
        let mut looked = Instant::now();
        let mut spoke = Instant::now();
        while !self.leaving.load(Ordering::SeqCst) {
            let wait = limits::LOOK_EVERY
                .saturating_sub(looked.elapsed())
                .min(limits::BEAT_EVERY.saturating_sub(spoke.elapsed()));
            let woken = lock(&self.wake.0);
            if !*woken {
                drop(self.wake.1.wait_timeout(woken, wait));
            }
            if self.leaving.load(Ordering::SeqCst) {
                break;
            }
            if looked.elapsed() >= limits::LOOK_EVERY {
                looked = Instant::now();
                if let Err(error) = self.hear() {
                    tracing::debug!(%error, "the board could not be read");
                }
            }
            if spoke.elapsed() >= limits::BEAT_EVERY {
                spoke = Instant::now();
                if let Err(error) = self.say(&mut pace) {
                    tracing::debug!(%error, "the board could not be written");
                }
            }
        }
        if let Err(error) = self.leave(&mut pace) {
            tracing::debug!(%error, "the board could not be left");
        }
    }

    /// Says its last words. Who leads sums up those that left, itself among them.
    fn leave(&self, pace: &mut Pace) -> Result<(), BoardError> {
        self.say_as(pace, true)?;
        if self.joining.role == Role::Coordinator {
            super::bury(&*self.board, &|beat| beat.left)?;
        }
        Ok(())
    }

    /// Looks at the board. How many other processes are there.
    fn hear(&self) -> Result<usize, BoardError> {
        let _look = lock(&self.looks);
        let control = self.board.control()?;
        let brief = self.board.brief()?;
        let beats = self.board.beats()?;
        let found = super::muster(&control, beats, self.board.now());
        let joining = &self.joining;
        let wanted = share(
            &control,
            &found.there,
            &joining.id,
            joining.role,
            joining.able,
            joining.most,
        );
        self.wanted.store(wanted, Ordering::SeqCst);
        let mut heard = lock(&self.heard);
        heard.note(&found.there, &control, brief.as_ref());
        let own = (joining.id.as_str(), wanted);
        *lock(&self.part) = part(&control, &found.there, own, |beat| heard.begins(beat));
        let first = heard.at.is_none();
        for beat in found.beats() {
            if beat.id == joining.id {
                continue;
            }
            // What they did before this process joined is in the items' own progress.
            let began = if first {
                beat.counts
            } else {
                Counts::default()
            };
            let known = heard
                .others
                .entry(beat.id.clone())
                .or_insert((began, began));
            known.0 = beat.counts;
        }
        heard.control = control;
        heard.brief = brief;
        heard.at = Some(Instant::now());
        drop(heard);
        if joining.role == Role::Coordinator {
            // No load ends for want of figures.
            if let Err(error) = self.sum_up(&found) {
                tracing::debug!(%error, "the figures of the fleet could not be summed up");
            }
        }
        let others = found.there.iter();
        Ok(others.filter(|beat| beat.id != joining.id).count())
    }

    /// Sums up what the others measured, and moves those that are gone out of the way.
    fn sum_up(&self, found: &Muster) -> Result<(), BoardError> {
        let now = self.board.now();
        let forget_after = i64::try_from(limits::FORGET_AFTER.as_secs()).unwrap_or(i64::MAX);
        let own = self.joining.id.as_str();
        let is_gone = |beat: &Beat| {
            let silent = now.duration_since(beat.at).as_secs();
            beat.id != own && (beat.left || silent > forget_after)
        };
        let mut told = lock(&self.told);
        let (tally, known) = &mut *told;
        if found.beats().any(is_gone) {
            *tally = Some(super::bury(&*self.board, &is_gone)?);
        } else if tally.is_none() {
            *tally = Some(self.board.tally()?);
        }
        let Some(tally) = tally else { return Ok(()) };
        let beats: Vec<Beat> = found.beats().cloned().collect();
        let there = || found.there.iter().filter(|beat| beat.id != own);
        self.joining.meter.heard(Others {
            figures: known
                .others(tally, &beats, own)
                .since(&self.measured_before),
            gauges: there().map(|beat| beat.gauges).sum(),
            processes: u32::try_from(there().count()).unwrap_or(u32::MAX),
            heard: true,
        });
        Ok(())
    }

    fn say(&self, pace: &mut Pace) -> Result<(), BoardError> {
        self.say_as(pace, false)
    }

    fn say_as(&self, pace: &mut Pace, left: bool) -> Result<(), BoardError> {
        let mut said = *lock(&self.said);
        if left {
            said.working = 0;
        }
        let measured = self.joining.meter.look();
        let figures = measured.figures().since(&self.measured_before);
        let control = lock(&self.heard).control.clone();
        let counts = sum(said.before, said.now);
        pace.take(Instant::now(), counts, figures);
        let wanted = self.wanted.load(Ordering::SeqCst);
        let doing = match () {
            () if left || control.stopped => Doing::Leaving,
            () if said.working > 0 => Doing::Working,
            () if control.paused => Doing::Paused,
            () if wanted == 0 && self.joining.able > 0 => Doing::Spare,
            () if said.waiting || said.working == 0 => Doing::Waiting,
            () => Doing::Working,
        };
        let joining = &self.joining;
        let capacity = match joining.role {
            // It takes over what nobody else does.
            Role::Coordinator => wanted.max(joining.able),
            Role::Worker => joining.able,
        };
        let rates = self.rates_now(&control);
        self.board.say(&Beat {
            id: joining.id.clone(),
            role: joining.role,
            host: crate::base::host::name(),
            pid: std::process::id(),
            mig: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            at: self.board.now(),
            doing,
            capacity,
            working: said.working,
            counts,
            docs_per_second: pace.docs_per_second,
            bytes_per_second: pace.bytes_per_second,
            limits: Limits {
                docs: rates.docs,
                bytes: rates.bytes,
                in_flight: Some(rates.in_flight),
                target_cpu: rates.target_cpu,
            },
            figures,
            gauges: Gauges {
                workers: said.working,
                workers_wanted: if left { 0 } else { wanted },
                ..measured.gauges()
            },
            latency_ms: pace.latency_ms,
            left,
        })
    }

    /// The plan's limits, with those of an operator: of all processes together, but for what is on the way at once.
    fn rates_now(&self, control: &Control) -> Rates {
        let plan = self.joining.rates;
        let Limits {
            docs,
            bytes,
            in_flight,
            target_cpu,
        } = control.limits;
        Rates {
            docs: docs.or(plan.docs),
            bytes: bytes.or(plan.bytes),
            in_flight: in_flight.unwrap_or(plan.in_flight),
            target_cpu: target_cpu.or(plan.target_cpu),
            ..plan
        }
    }
}

impl Crew for Member {
    fn wanted(&self) -> u32 {
        self.inner.wanted.load(Ordering::SeqCst)
    }

    fn rates(&self) -> Option<Rates> {
        let control = lock(&self.inner.heard).control.clone();
        let (own, all) = *lock(&self.inner.part);
        let shared = |rate: u64| {
            let rate = u128::from(rate) * u128::from(own);
            u64::try_from(rate.div_ceil(u128::from(all.max(1)))).unwrap_or(u64::MAX)
        };
        let rates = self.inner.rates_now(&control);
        Some(Rates {
            docs: rates.docs.map(shared),
            bytes: rates.bytes.map(shared),
            ..rates
        })
    }

    fn others(&self) -> Counts {
        let heard = lock(&self.inner.heard);
        heard
            .others
            .values()
            .fold(Counts::default(), |all, (now, then)| {
                sum(all, difference(*now, *then))
            })
    }

    fn tell(&self, done: Counts, working: u32) {
        let mut said = lock(&self.inner.said);
        said.now = done;
        said.working = working;
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::engines::bulk::fleet::{Change, ChangeTally, Turn};

    /// A board whose last words take an hour.
    struct Slow;

    impl Board for Slow {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn control(&self) -> Result<Control, BoardError> {
            Ok(Control::default())
        }

        fn change(&self, _: &str, _: &mut Change<'_>) -> Result<Control, BoardError> {
            Ok(Control::default())
        }

        fn brief(&self) -> Result<Option<Brief>, BoardError> {
            Ok(None)
        }

        fn give_out(
            &self,
            _: &str,
            _: Turn,
            _: &BTreeMap<String, Option<String>>,
        ) -> Result<(), BoardError> {
            Ok(())
        }

        fn tally(&self) -> Result<Tally, BoardError> {
            Ok(Tally::default())
        }

        fn change_tally(&self, _: &mut ChangeTally<'_>) -> Result<Tally, BoardError> {
            Ok(Tally::default())
        }

        fn say(&self, beat: &Beat) -> Result<(), BoardError> {
            if !beat.left {
                return Ok(());
            }
            thread::sleep(Duration::from_hours(1));
            Err(BoardError::Io {
                path: PathBuf::from("away"),
                source: std::io::Error::other("away"),
            })
        }

        fn forget(&self, _: &Beat) -> Result<(), BoardError> {
            Ok(())
        }

        fn beats(&self) -> Result<Vec<Beat>, BoardError> {
            Ok(Vec::new())
        }

        fn clear(&self) -> Result<(), BoardError> {
            Ok(())
        }

        fn remove(&self) -> Result<(), BoardError> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_board_that_is_away() {
        let joining = Joining {
            id: "w".into(),
            role: Role::Worker,
            able: 1,
            most: 1,
            rates: Rates::default(),
            meter: Arc::default(),
        };
        let member = Member::join(Arc::new(Slow), joining).unwrap();
        // It would last an hour.
        drop(member);
    }
}
