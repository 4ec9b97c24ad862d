//! `mig worker`

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::args::{MetricsArgs, PlanArgs};
use super::backfill_session::one;
use super::error::{CliError, CliResult};
use super::load::{load_plan, options};
use super::metrics::Metrics;
use super::printer::Printer;
use super::settings::{dash_f, plan_file};
use crate::apply::interrupt::Signals;
use crate::base::units::{Span, human_count, indices, plural};
use crate::base::{Address, ExitCode};
use crate::engines::bulk::{BulkProgress, limits};
use crate::phases::backfill::join::{Helped, Helping, Told, help};
use crate::phases::kind::Interrupt;

/// Time between two lines about progress, where there is no terminal and where there is one.
const LINE_EVERY: Duration = Duration::from_secs(10);
const LIVE_EVERY: Duration = Duration::from_secs(1);
/// Time between two looks at signals.
const TICK: Duration = Duration::from_millis(50);

/// Help a backfill that `mig apply` leads, from this machine: any number of workers may join, leave or be killed
///
/// A worker needs the plan, the store of the snapshot and the target. It waits until `mig apply` gives out work, takes items
/// as long as there are any, and ends when all is loaded. It holds no lock and changes no state: a kill at any instant loses
/// nothing, and others take over what it held.
#[derive(clap::Args, Debug)]
pub(super) struct WorkerCommand {
    #[command(flatten)]
    args: PlanArgs,
    /// The backfill to help, where the plan has several
    #[arg(long, value_name = "PHASE")]
    phase: Option<String>,
    /// Threads
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::WORKERS)))]
    workers: u32,
    /// End after this time without anything to do [default: never]
    #[arg(long, value_name = "TIME")]
    idle_timeout: Option<Span>,
    #[command(flatten)]
    metrics: MetricsArgs,
}

pub(super) fn run(command: &WorkerCommand, printer: Printer) -> CliResult {
    let file = plan_file(None, &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let phase = one(&loaded, command.phase.as_deref())?;
    let metrics = Metrics::start(&command.metrics, "worker", printer)?;
    let signals = Signals::listen()
        .map_err(|error| CliError::error(format!("can't listen for signals: {error}")))?;
    let store = crate::state::open(&loaded.plan.state)?;
    let artifacts = store.artifacts();
    let interrupt = Interrupt::default();
    let shown = Shown::new(&phase.address, printer);
    let tell = |told: Told| shown.take(&told);
    let helping = Helping {
        plan: &loaded.plan,
        phase,
        artifacts: &*artifacts,
        workers: command.workers,
        idle_max: command.idle_timeout.map(|span| span.0),
        interrupt: &interrupt,
        meter: metrics.meters().of(&phase.address),
        tell: &tell,
    };
    let ended = AtomicBool::new(false);
    let helped = std::thread::scope(|scope| {
        let watched = scope.spawn(|| watch(&signals, &interrupt, &ended, printer));
        let helped = help(&helping);
        ended.store(true, Ordering::SeqCst);
        drop(watched.join());
        helped
    });
    metrics.linger(&signals);
    match helped? {
        Helped::Done => {
            printer.message(&format!("{}: all is loaded.", phase.address));
            Ok(ExitCode::Success)
        }
        Helped::Restored => {
            printer.message(&format!(
                "{}: nothing to do for a worker: by `strategy: restore` the target restores the indices itself.",
                phase.address
            ));
            Ok(ExitCode::Success)
        }
        Helped::Interrupted => Ok(ExitCode::Interrupted),
        Helped::Idle => {
            printer.message(&format!(
                "{}: nothing to do for the time of --idle-timeout; `mig apply{}` gives out work.",
                phase.address,
                dash_f(&file)
            ));
            Ok(ExitCode::Success)
        }
    }
}

/// Hands on what signals ask for.
fn watch(signals: &Signals, interrupt: &Interrupt, ended: &AtomicBool, printer: Printer) {
    let mut told = false;
    while !ended.load(Ordering::SeqCst) {
        if signals.count() >= 1 && !told {
            told = true;
            interrupt.drain();
            printer.message(
                "Stopping at the next checkpoint. Press Ctrl-C again to stop now; no data is lost.",
            );
        }
        if signals.count() >= 2 {
            interrupt.stop();
        }
        std::thread::sleep(TICK);
    }
}

/// What people see of it.
struct Shown<'a> {
    phase: &'a Address,
    printer: Printer,
    every: Duration,
    last: Mutex<Option<(Instant, BulkProgress)>>,
}

impl<'a> Shown<'a> {
    fn new(phase: &'a Address, printer: Printer) -> Self {
        Self {
            phase,
            printer,
            every: if std::io::stderr().is_terminal() {
                LIVE_EVERY
            } else {
                LINE_EVERY
            },
            last: Mutex::new(None),
        }
    }

    fn take(&self, told: &Told) {
        let phase = self.phase;
        match told {
            Told::Waits(what) => self.printer.message(&format!("{phase}: waits for {what}")),
            Told::Joined(name) => self.printer.message(&format!("{phase}: joined as {name}")),
            Told::Turn(count) => self
                .printer
                .message(&format!("{phase}: takes items of {}", indices(*count))),
            Told::Progress(now) => self.progress(now),
        }
    }

    fn progress(&self, now: &BulkProgress) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = match *last {
            None => {
                *last = Some((Instant::now(), *now));
                return;
            }
            Some((at, _)) => at.elapsed() >= self.every,
        };
        if !due {
            return;
        }
        *last = Some((Instant::now(), *now));
        drop(last);
        self.printer.message(&format!(
            "{}: {} of {} documents, {} failed, {}",
            self.phase,
            human_count(now.docs_done),
            human_count(now.docs_total),
            human_count(now.failed),
            plural(u64::from(now.workers), "worker"),
        ));
    }
}
