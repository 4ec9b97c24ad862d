//! `mig apply`

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::aggregate::Aggregate;
use super::args::{
    Depth, Format, LockArgs, MetricsArgs, ParallelArgs, PlanArgs, SelectionArgs, ShowArgs,
};
use super::error::{CliError, CliResult};
use super::live::{Live, ProgressChoice};
use super::load::{Loaded, choose, load_plan, options};
use super::locking::locked;
use super::metadata_report::{self, Output, Run};
use super::metrics::Metrics;
use super::printer::Printer;
use super::recording::Recording;
use super::settings::{DEFAULT_PLAN, dash_f, plan_file, selection};
use super::who::who;
use super::{plan, report as html_report, saved};
use crate::apply::event::{EVENTS_VERSION, Event, Tally};
use crate::apply::interrupt::Signals;
use crate::apply::picture::Picture;
use crate::apply::recorded::{self, Recorded};
use crate::apply::recording::Recorder;
use crate::apply::session::{Made, Planning, open_locked};
use crate::apply::survey::Ground;
use crate::apply::{Job, run as run_job, settled};
use crate::base::units::{ByteRate, Span};
use crate::base::{Address, ExitCode};
use crate::diff::change::PhaseChange;
use crate::diff::{Selected, exit_code};
use crate::phases::kind_of;
use crate::plan::model::{PhaseSpec, Plan, SnapshotSpec};
use crate::state::{Artifacts, LockedState};
use crate::ui::metadata_report::Mode;
use crate::ui::progress::ProgressReporter;
use crate::ui::theme::Theme;

/// Do what the plan says; after any interruption, do the rest
#[derive(clap::Args, Debug)]
pub(super) struct ApplyCommand {
    /// The plan file [default: plan.yaml], or a plan saved by `mig plan --out`
    #[arg(value_name = "FILE")]
    pub(super) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(super) args: PlanArgs,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    #[command(flatten)]
    pub(super) show: ShowArgs,
    #[command(flatten)]
    pub(super) parallel: ParallelArgs,
    #[command(flatten)]
    pub(super) lock: LockArgs,
    /// Do not ask before applying; gates are still asked for by `mig approve`
    #[arg(long)]
    pub(super) auto_approve: bool,
    /// Stop at a checkpoint after this time; the next apply goes on
    #[arg(long, value_name = "TIME")]
    pub(super) max_duration: Option<Span>,
    /// Write what happens as JSON lines to a file, or to standard output with `-`
    #[arg(long, value_name = "FILE")]
    pub(super) events: Option<PathBuf>,
    /// How it is shown how far the run is
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub(super) progress: ProgressChoice,
    #[command(flatten)]
    pub(super) metrics: MetricsArgs,
    /// What is told on standard output.
    #[arg(skip)]
    pub(super) shown: Shown,
    /// Stands in the place of `rate-per-node` of the chosen snapshot phases.
    #[arg(skip)]
    pub(super) rate_per_node: Option<ByteRate>,
}

impl ApplyCommand {
    /// The apply of some phases that another command stands for.
    pub(super) fn of(
        file: PathBuf,
        args: &PlanArgs,
        only: Vec<String>,
        (parallel, lock): (&ParallelArgs, &LockArgs),
        auto_approve: bool,
    ) -> Self {
        Self {
            plan: None,
            args: PlanArgs {
                file: Some(file),
                ..args.clone()
            },
            selection: SelectionArgs {
                only,
                ..SelectionArgs::default()
            },
            show: ShowArgs {
                format: Format::Text,
                detail: Depth::Normal,
                max_bytes: None,
                refresh: true,
            },
            parallel: parallel.clone(),
            lock: lock.clone(),
            auto_approve,
            max_duration: None,
            events: None,
            progress: ProgressChoice::Auto,
            metrics: MetricsArgs::off(),
            shown: Shown::Plan,
            rate_per_node: None,
        }
    }
}

/// What is told on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shown {
    /// The plan, and a summary at the end.
    #[default]
    Plan,
    /// The report of the metadata phases, once they are done.
    Metadata(Output),
}

pub(super) fn run(command: &ApplyCommand, printer: Printer) -> CliResult {
    // Before anything else is done, so that an address that can't be had stops nothing half-way.
    let metrics = Metrics::start(&command.metrics, "apply", printer)?;
    let signals = Signals::listen()
        .map_err(|error| CliError::error(format!("can't listen for signals: {error}")))?;
    let ended = apply(command, &metrics, &signals, printer);
    metrics.linger(&signals);
    ended
}

fn apply(
    command: &ApplyCommand,
    metrics: &Metrics,
    signals: &Signals,
    printer: Printer,
) -> CliResult {
    let file = plan_file(command.plan.as_deref(), &command.args)?;
    let saved = saved::read_if_saved(&file)?;
    let (loaded, selected) = if let Some(saved) = &saved {
        refuse_planning_options(command)?;
        saved.reload(printer)?
    } else {
        let mut loaded = load_plan(&file, &options(&command.args), printer)?;
        let selected = choose(&loaded.graph, &selection(&command.selection))?;
        if let Some(rate) = command.rate_per_node {
            with_rate(&mut loaded.plan, &selected.phases, rate);
        }
        (loaded, selected)
    };
    let mut events = EventSink::open(command.events.as_deref())?;
    let store = crate::state::open(&loaded.plan.state)?;
    let artifacts = store.artifacts();
    let mut locked = locked(&*store, "apply", &command.lock, printer)?;
    for notice in locked.notices() {
        printer.warn(&notice.to_string());
    }
    if open_locked(&mut *locked, &*store, &loaded.plan)? {
        printer.warn("the state was lost; what an earlier run left on the targets was adopted");
    }
    let state = locked.state().clone();
    let parallelism = usize::from(command.parallel.parallelism);
    let made = plan::make(
        &loaded,
        &state,
        &selected,
        command.show.refresh,
        parallelism,
        printer,
    )?;
    printer.new_findings(&loaded.findings, &made.findings, &loaded.plan.files);
    keep_observations(&*artifacts, &loaded, &made);
    let approved = if let Some(saved) = &saved {
        saved.approved(&state, &made, &selected)?
    } else {
        show(command, &made, &events, printer)?;
        if exit_code(&made.planned, false) == ExitCode::PlanInvalid {
            report(command, &(&loaded, &selected, &made), None, &[], printer)?;
            return Err(plan::undecided(&made.planned));
        }
        made.survey.changes.clone()
    };
    refuse_unmet(&selected, &approved)?;
    let chosen: BTreeSet<Address> = selected.phases.iter().cloned().collect();
    let nothing_to_do = approved
        .iter()
        .filter(|change| chosen.contains(&change.address))
        .all(|change| change.action.is_noop() && change.fields.is_empty());
    if nothing_to_do {
        let tally = Tally {
            up_to_date: selected.phases.clone(),
            ..Tally::default()
        };
        events.write(&Event::Summary(tally))?;
        if saved.is_some() {
            printer.message("Nothing to do.");
        }
        report(command, &(&loaded, &selected, &made), None, &[], printer)?;
        return Ok(ExitCode::Success);
    }
    if saved.is_none() && !command.auto_approve {
        let or = "or review first: `mig plan --out plan.json`, then `mig apply plan.json`";
        printer.confirm("Apply this", "applied", "apply", Some(or))?;
    }
    let plan_file = loaded.plan.files.first().map(|file| file.name.clone());
    let planning = Planning {
        plan: &loaded.plan,
        graph: &loaded.graph,
        findings: &loaded.findings,
        state: &state,
        selected: &selected,
        parallelism,
        kinds: kind_of,
        now: Timestamp::now(),
    };
    let connections = planning.connections(None);
    let who = who();
    let job = Job {
        ground: Ground {
            plan: &loaded.plan,
            graph: &loaded.graph,
            connections: &connections,
            kinds: kind_of,
        },
        approved: &approved,
        selected: &chosen,
        redo: &selected.redo,
        parallelism,
        max_duration: command.max_duration.map(|span| span.0),
        artifacts: &*artifacts,
        meters: metrics.meters(),
        plan_file: plan_file.as_deref(),
        who: &who,
        signals,
    };
    recorded::forget(&*artifacts).map_err(|error| {
        CliError::error(format!("can't forget what was observed before: {error}"))
    })?;
    let mut aggregate = Aggregate::default();
    let mut errors = Vec::new();
    let recorder = Recorder::new(&made.planned, Timestamp::now());
    let recording = Recording::new(recorder, &*artifacts, state.serial + 1);
    let (tally, not_kept) = recording.while_doing(|| {
        perform(
            &job,
            &mut *locked,
            &made,
            &mut events,
            &mut aggregate,
            &mut errors,
            (metrics, &recording, command.progress, printer),
        )
    });
    let tally = tally?;
    if let Some(error) = not_kept {
        printer.warn(&format!(
            "reports will lack figures over time of this run: {error}"
        ));
    }
    // A report is a convenience: `mig report` makes it again.
    let page = match html_report::keep(&loaded, &*store) {
        Ok(place) => Some(place),
        Err(error) => {
            if let CliError::Told(told) = error {
                printer.warn(&format!("no report was written: {}", told.message));
            }
            None
        }
    };
    if !events.to_stdout && command.shown == Shown::Plan {
        let again = dash_f(Path::new(plan_file.as_deref().unwrap_or(DEFAULT_PLAN)));
        let mut summary = aggregate.summary(&made.planned, &tally, &again);
        summary.report = page;
        printer.summary(&summary)?;
    }
    let succeeded = tally.code() == ExitCode::Success;
    if succeeded || command.shown != Shown::Plan {
        // For `--refresh=false`. What can't be looked at now is said by the next plan.
        let state = locked.state().clone();
        let after = plan::make(&loaded, &state, &selected, true, parallelism, printer).ok();
        if let Some(made) = after.as_ref().filter(|_| succeeded) {
            keep_observations(&*artifacts, &loaded, made);
        }
        let seen = (&loaded, &selected, &made);
        report(command, &seen, after.as_ref(), &errors, printer)?;
    }
    Ok(tally.code())
}

/// The report of the metadata phases, where that is asked for.
fn report(
    command: &ApplyCommand,
    (loaded, selected, made): &(&Loaded, &Selected, &Made),
    after: Option<&Made>,
    errors: &[(Address, String)],
    printer: Printer,
) -> Result<(), CliError> {
    let Shown::Metadata(output) = command.shown else {
        return Ok(());
    };
    let run = Run {
        loaded,
        chosen: &selected.phases,
        made,
        after,
        errors,
    };
    metadata_report::print(&run, Mode::Migration, output, printer)
}

fn perform(
    job: &Job<'_>,
    locked: &mut dyn LockedState,
    made: &Made,
    events: &mut EventSink,
    aggregate: &mut Aggregate,
    errors: &mut Vec<(Address, String)>,
    (metrics, recording, progress, printer): (&Metrics, &Recording<'_>, ProgressChoice, Printer),
) -> Result<Tally, CliError> {
    let picture = Picture::new(
        &job.ground.plan.name,
        job.ground.plan.digest(),
        Timestamp::now(),
        made.planned.phases().map(|change| {
            let idle = change.action.is_noop();
            (change.address.clone(), change.kind, idle)
        }),
    );
    let theme = if printer.message_colors() {
        Theme::coloured()
    } else {
        Theme::plain()
    };
    let live = progress.is_live().then(|| picture.clone());
    let live = live.and_then(|picture| Live::start(picture, theme));
    metrics.begin(picture);
    let how_far = live.is_none() && progress != ProgressChoice::Off;
    let mut reporter = ProgressReporter::new(how_far, |text| match &live {
        Some(live) => live.print(text),
        None => printer.message(text),
    });
    let mut lost = None;
    let mut report = |event: Event| {
        if let Err(error) = events.write(&event) {
            // The work is worth more than its log: said once, at the end.
            lost.get_or_insert(error);
        }
        if let Event::PhaseFailed { address, error, .. } = &event {
            errors.push((address.clone(), error.clone()));
        }
        let now = Timestamp::now();
        metrics.take(&event, now);
        recording.take(&event, now);
        if let Some(live) = &live {
            live.take(&event, now);
        }
        aggregate.take(&event);
        reporter.take(&event);
    };
    report(Event::Version {
        events: EVENTS_VERSION,
        mig: env!("CARGO_PKG_VERSION"),
    });
    let mut actions = std::collections::BTreeMap::new();
    for change in made.planned.phases() {
        *actions.entry(change.action).or_insert(0) += 1;
    }
    report(Event::PlanSummary {
        plan: job.ground.plan.name.clone(),
        plan_digest: job.ground.plan.digest(),
        actions,
    });
    let tally = run_job(job, locked, &mut report);
    drop(reporter);
    // Before anything else is written.
    drop(live);
    let tally = tally?;
    if let Some(CliError::Told(told)) = lost {
        printer.warn(&format!("events are missing: {}", told.message));
    }
    Ok(tally)
}

fn show(
    command: &ApplyCommand,
    made: &Made,
    events: &EventSink,
    printer: Printer,
) -> Result<(), CliError> {
    if events.to_stdout {
        return Ok(());
    }
    if command.shown != Shown::Plan {
        // What is asked about stands in the plan; the report comes once it is done.
        if !command.auto_approve {
            printer.planned_message(&made.planned);
        }
        return Ok(());
    }
    printer.planned(
        &made.planned,
        None,
        command.show.format,
        command.show.detail,
        command.show.max_bytes,
    )
}

fn refuse_planning_options(command: &ApplyCommand) -> Result<(), CliError> {
    let chosen = &command.selection;
    let lists = [&chosen.only, &chosen.until, &chosen.from, &chosen.redo];
    let given = lists.iter().any(|list| !list.is_empty())
        || !command.args.vars.is_empty()
        || !command.args.var_files.is_empty()
        || !command.show.refresh;
    if !given {
        return Ok(());
    }
    Err(CliError::error(
        "a saved plan is applied as it is: variables and phases were chosen when it was made",
    )
    .help("give these options to `mig plan --out` instead"))
}

/// The plan with another rate of the chosen snapshot phases.
pub(super) fn with_rate(plan: &mut Plan, chosen: &[Address], rate: ByteRate) {
    for phase in plan.phases.values_mut() {
        if let PhaseSpec::Snapshot(SnapshotSpec::Take { rate_per_node, .. }) = &mut phase.spec
            && chosen.contains(&phase.address)
        {
            *rate_per_node = Some(rate);
        }
    }
}

/// A chosen phase whose need is neither chosen nor up to date can't run.
pub(super) fn refuse_unmet(selected: &Selected, approved: &[PhaseChange]) -> Result<(), CliError> {
    let change = |address: &Address| approved.iter().find(|change| change.address == *address);
    for (waits, needed) in &selected.unmet {
        let works = change(waits).is_some_and(|change| !change.action.is_noop());
        let fulfilled = change(needed).is_some_and(|change| settled(change.action));
        if works && !fulfilled {
            return Err(CliError::error(format!(
                "`{waits}` needs `{needed}`, which is not up to date and was not chosen"
            ))
            .help(format!("`--until {waits}` takes along all that it needs")));
        }
    }
    Ok(())
}

fn keep_observations(artifacts: &dyn Artifacts, loaded: &Loaded, made: &Made) {
    let recorded = Recorded {
        at: Timestamp::now(),
        plan_digest: loaded.plan.digest(),
        observations: made.survey.observations.clone(),
    };
    // Only a convenience for `--refresh=false`.
    drop(recorded::save(artifacts, &recorded));
}

/// Where event lines go.
struct EventSink {
    out: Option<Box<dyn Write>>,
    to_stdout: bool,
}

impl EventSink {
    fn open(path: Option<&Path>) -> Result<Self, CliError> {
        let out: Option<Box<dyn Write>> = match path {
            None => None,
            Some(path) if path == Path::new("-") => Some(Box::new(std::io::stdout())),
            Some(path) => {
                let file = std::fs::File::create(path).map_err(|error| {
                    CliError::error(format!("can't write events to {}: {error}", path.display()))
                })?;
                Some(Box::new(file))
            }
        };
        Ok(Self {
            out,
            to_stdout: path == Some(Path::new("-")),
        })
    }

    fn write(&mut self, event: &Event) -> Result<(), CliError> {
        if let Some(out) = &mut self.out {
            out.write_all(event.to_line(Timestamp::now()).as_bytes())?;
            out.flush()?;
        }
        Ok(())
    }
}
