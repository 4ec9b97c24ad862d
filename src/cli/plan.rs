//! `mig plan`

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::args::{LockArgs, ParallelArgs, PlanArgs, SelectionArgs, ShowArgs};
use super::error::{CliError, CliResult};
use super::load::{Loaded, choose, load_plan, options};
use super::locking::locked;
use super::printer::Printer;
use super::settings::{plan_file, selection};
use crate::apply::recorded::{self, Recorded};
use crate::apply::session::{Made, Planning, RememberError, open_locked, remember};
use crate::apply::survey::SurveyError;
use crate::base::fs::write_atomic;
use crate::base::{Address, ExitCode};
use crate::diff::change::ChangeClass;
use crate::diff::{PlannedChanges, Selected, compare_plans, exit_code};
use crate::phases::backfill::sample::sample;
use crate::phases::connections::Connections;
use crate::phases::kind::PhaseError;
use crate::phases::kind_of;
use crate::plan::model::PhaseKindName;
use crate::state::model::{Entry, State};

/// Show what an apply would do; changes nothing anywhere
#[derive(clap::Args, Debug)]
pub(super) struct PlanCommand {
    /// The plan file [default: plan.yaml]
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    args: PlanArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    show: ShowArgs,
    #[command(flatten)]
    parallel: ParallelArgs,
    /// Show so many documents of each index before and after its transforms
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    sample: Option<u16>,
    /// Save the plan for `mig apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with 2 when there are changes, 3 when some destroy or can't be undone
    #[arg(long)]
    detailed_exitcode: bool,
    /// Make each kind of index on the targets for a moment, and remove it again, to see what they refuse
    #[arg(long, conflicts_with = "base")]
    probe: bool,
    #[command(flatten)]
    lock: LockArgs,
    /// Show what this plan file changes against another one, without looking at clusters
    #[arg(long, value_name = "OLD")]
    base: Option<PathBuf>,
}

pub(super) fn run(command: &PlanCommand, printer: Printer) -> CliResult {
    let file = plan_file(command.plan.as_deref(), &command.args)?;
    let options = options(&command.args);
    let loaded = load_plan(&file, &options, printer)?;
    if let Some(old) = &command.base {
        let base = old.display().to_string();
        let old = load_plan(old, &options, printer)?;
        let comparison = compare_plans(&old.plan, &loaded.plan, class_of);
        printer.comparison(&base, &comparison, command.show.format)?;
        let changed = command.detailed_exitcode && !comparison.parts.is_empty();
        return Ok(if changed {
            ExitCode::Changes
        } else {
            ExitCode::Success
        });
    }
    let selected = choose(&loaded.graph, &selection(&command.selection))?;
    let (made, lineage) = if command.probe {
        probe(command, &loaded, &selected, printer)?
    } else {
        look(command, &loaded, &selected, printer)?
    };
    printer.new_findings(&loaded.findings, &made.findings, &loaded.plan.files);
    let samples = match command.sample {
        Some(count) => {
            let connections = Connections::new(&loaded.plan, &lineage);
            Some(sample(&loaded.plan, &connections, usize::from(count))?)
        }
        None => None,
    };
    printer.planned(
        &made.planned,
        samples.as_ref(),
        command.show.format,
        command.show.detail,
        command.show.max_bytes,
    )?;
    if let Some(out) = &command.out {
        write_atomic(out, made.planned.to_json().as_bytes()).map_err(|error| {
            CliError::error(format!("can't save the plan as {}: {error}", out.display()))
        })?;
        printer.message(&format!(
            "\nSaved. `mig apply {}` does exactly this, or refuses.",
            out.display()
        ));
    }
    let code = exit_code(&made.planned, command.detailed_exitcode);
    if code == ExitCode::PlanInvalid {
        return Err(undecided(&made.planned));
    }
    Ok(code)
}

/// Plans without writing anything anywhere; with the lineage that it planned for.
fn look(
    command: &PlanCommand,
    loaded: &Loaded,
    selected: &Selected,
    printer: Printer,
) -> Result<(Made, String), CliError> {
    let store = crate::state::open(&loaded.plan.state)?;
    let remembered = remember(&*store, &loaded.plan)?;
    for notice in &remembered.notices {
        printer.warn(&notice.to_string());
    }
    if remembered.adopted {
        printer.warn(&format!(
            "no state in {}: planned with what an earlier run left on the targets; `mig apply` adopts it",
            store.location()
        ));
    }
    let made = make(
        loaded,
        &remembered.state,
        selected,
        command.show.refresh,
        usize::from(command.parallel.parallelism),
        printer,
    )?;
    Ok((made, remembered.state.lineage))
}

/// Plans with indices that are made for a moment: under the lock, each written down in the journal before.
fn probe(
    command: &PlanCommand,
    loaded: &Loaded,
    selected: &Selected,
    printer: Printer,
) -> Result<(Made, String), CliError> {
    if !command.show.refresh {
        return Err(
            CliError::error("`--probe` looks at the targets, `--refresh=false` does not")
                .help("leave one of them out"),
        );
    }
    let store = crate::state::open(&loaded.plan.state)?;
    let mut locked = locked(&*store, "plan --probe", &command.lock, printer)?;
    for notice in locked.notices() {
        printer.warn(&notice.to_string());
    }
    if open_locked(&mut *locked, &*store, &loaded.plan)? {
        printer.warn("the state was lost; what an earlier run left on the targets was adopted");
    }
    let state = locked.state().clone();
    let planning = planning(
        loaded,
        &state,
        selected,
        usize::from(command.parallel.parallelism),
    );
    let journal = Mutex::new(locked);
    let announce = move |on: &Address, index: &str| {
        let entry = Entry::Probed {
            on: on.clone(),
            index: index.to_owned(),
        };
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal
            .append(Timestamp::now(), &entry)
            .map_err(|error| PhaseError::Failed {
                message: error.to_string(),
                help: Some(error.help()),
            })
    };
    let connections = planning.connections(None).probing(Box::new(announce));
    let made = planning.make(&connections).map_err(survey_error)?;
    Ok((made, state.lineage.clone()))
}

fn planning<'a>(
    loaded: &'a Loaded,
    state: &'a State,
    selected: &'a Selected,
    parallelism: usize,
) -> Planning<'a> {
    Planning {
        plan: &loaded.plan,
        graph: &loaded.graph,
        findings: &loaded.findings,
        state,
        selected,
        parallelism,
        kinds: kind_of,
        now: Timestamp::now(),
    }
}

/// Plans with what is remembered.
pub(super) fn make(
    loaded: &Loaded,
    state: &State,
    selected: &Selected,
    refresh: bool,
    parallelism: usize,
    printer: Printer,
) -> Result<Made, CliError> {
    let planning = planning(loaded, state, selected, parallelism);
    let recorded = if refresh {
        None
    } else {
        Some(last_observations(loaded, printer)?)
    };
    let connections = planning.connections(recorded);
    planning.make(&connections).map_err(survey_error)
}

fn last_observations(loaded: &Loaded, printer: Printer) -> Result<Recorded, CliError> {
    let beside = crate::state::open(&loaded.plan.state)?.artifacts();
    let recorded = recorded::load(&*beside)
        .filter(|recorded| recorded.plan_digest == loaded.plan.digest())
        .ok_or_else(|| {
            CliError::error(
                "nothing was observed for this plan since it was last applied, so there is nothing to plan with",
            )
            .help("leave `--refresh=false` out; an apply that ends well keeps what it observes")
        })?;
    printer.warn(&format!(
        "planned with what was observed at {}, not with how things are now",
        recorded.at
    ));
    Ok(recorded)
}

/// All phases that could not be observed, as one error.
pub(super) fn survey_error(error: SurveyError) -> CliError {
    let mut code = ExitCode::Success;
    let mut lines = Vec::new();
    let mut helps = Vec::new();
    for (address, error) in error.0 {
        lines.push(format!("{address}: {error}"));
        if let CliError::Told(told) = CliError::from(error) {
            code = code.worst(told.code);
            for help in told.help {
                if !helps.contains(&help) {
                    helps.push(help);
                }
            }
        }
    }
    let message = match lines.as_slice() {
        [one] => format!("can't look at {one}"),
        many => format!(
            "can't look at {} phases:\n  {}",
            many.len(),
            many.join("\n  ")
        ),
    };
    helps
        .into_iter()
        .fold(CliError::new(code, message), CliError::help)
}

/// So many questions are repeated in the error; the plan above it has them all.
const QUESTIONS_MAX: usize = 3;

/// What is said where decisions are missing. The questions stand in the plan itself.
pub(super) fn undecided(planned: &PlannedChanges) -> CliError {
    let message = match planned.summary.decisions_missing {
        0 => "the plan can't be applied: see the errors above".to_owned(),
        1 => "1 decision is missing: the plan can't be applied".to_owned(),
        count => format!("{count} decisions are missing: the plan can't be applied"),
    };
    let mut error = CliError::new(ExitCode::PlanInvalid, message);
    let decisions: Vec<_> = planned
        .phases()
        .flat_map(|phase| {
            let items = phase.undecided().filter_map(|item| item.decision.as_ref());
            items.map(|decision| (&phase.address, decision))
        })
        .collect();
    for (address, decision) in decisions.iter().take(QUESTIONS_MAX) {
        error = error.help(format!(
            "phase `{address}`: {} ({}) Write {}",
            decision.question,
            decision.code,
            decision.answers.join(", or ")
        ));
    }
    let more = decisions.len().saturating_sub(QUESTIONS_MAX);
    if more > 0 {
        error = error.help(format!(
            "and {more} more, in the lines with `!` of the plan"
        ));
    }
    error
}

/// What changing a field does, for `--base`.
fn class_of(kind: PhaseKindName, path: &str) -> ChangeClass {
    match crate::plan::change_class(kind, path) {
        crate::plan::ChangeClass::Live => ChangeClass::Live,
        crate::plan::ChangeClass::Gated => ChangeClass::Gated,
        crate::plan::ChangeClass::Redo => ChangeClass::Redo,
        crate::plan::ChangeClass::Never => ChangeClass::Never,
    }
}

impl From<RememberError> for CliError {
    fn from(error: RememberError) -> Self {
        match error {
            RememberError::State(error) => error.into(),
            RememberError::Adopt(error) => error.into(),
        }
    }
}
