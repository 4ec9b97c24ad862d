//! `mig check`

use std::path::PathBuf;

use clap::ValueEnum;
use jiff::Timestamp;

use super::args::{LockArgs, PlanArgs};
use super::error::{CliError, CliResult};
use super::load::{choose, load_plan, options};
use super::locking::locked;
use super::printer::Printer;
use super::settings::{dash_f, plan_file};
use super::who::who;
use crate::apply::check::run as run_check;
use crate::apply::checked::CheckRecord;
use crate::apply::interrupt::Signals;
use crate::base::ExitCode;
use crate::diff::Selection;
use crate::ui::check::{check_json, check_text};

/// Try in small, before the real thing, what the phases of a plan will do
///
/// Each probe makes things of its own, called `mig-check-…`, and removes them at the end, on errors and on Ctrl-C; what a killed check left is
/// removed by the next one, or by `mig reset`.
///
/// snapshot: registers the store as a repository and has every node verify it; looks whether mig sees the same store; asks for a snapshot
/// with a name that none can have, to see the privilege. No snapshot is taken. In a bucket one object is written, read and removed.
/// Clocks are compared.
///
/// metadata: makes the first index of the plan with its translated settings and mapping, an alias, and the first template, pipeline and script
/// of each kind.
///
/// backfill: writes a document of the working state (and makes its index where there is none); writes up to five real documents into an index of
/// its own, reads them back and compares them; changes the settings of that index and puts them back.
///
/// What the last check showed is kept beside the state, and `mig report` tells it.
///
/// Ends with 8 when a probe failed. Nothing of the plan's own names is touched.
#[derive(clap::Args, Debug)]
pub(super) struct CheckCommand {
    /// The plan file [default: plan.yaml]
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    /// This phase alone, or all phases of this hop, such as `es56->os2` (can be repeated)
    #[arg(long, value_name = "PHASE|HOP")]
    only: Vec<String>,
    /// How the result is shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    args: PlanArgs,
    #[command(flatten)]
    lock: LockArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

pub(super) fn run(command: &CheckCommand, printer: Printer) -> CliResult {
    let file = plan_file(command.plan.as_deref(), &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let selected = choose(
        &loaded.graph,
        &Selection {
            only: command.only.clone(),
            ..Selection::default()
        },
    )?;
    let signals = Signals::listen()
        .map_err(|error| CliError::error(format!("can't listen for signals: {error}")))?;
    let store = crate::state::open(&loaded.plan.state)?;
    // Probes have the same names each time, and an apply has the target for itself.
    let locked = locked(&*store, "check", &command.lock, printer)?;
    let artifacts = store.artifacts();
    let checked = run_check(
        &loaded.plan,
        &selected.phases,
        locked.state(),
        &*artifacts,
        &signals,
        &mut |address| printer.message(&format!("checking {address} …")),
    )?;
    let digest = loaded.plan.digest();
    let plan = (loaded.plan.name.as_str(), &digest);
    let record = CheckRecord::of(plan, &checked, &who(), Timestamp::now());
    if let Err(error) = record.keep(&*artifacts) {
        // What was found stands all the same.
        printer.message(&format!(
            "What this check showed could not be kept for `mig report`: {error}"
        ));
    }
    printer.data(&match command.format {
        Format::Text => check_text(plan, &checked, (printer.theme(), Printer::columns())),
        Format::Json => format!("{:#}\n", check_json(plan, &checked)),
    })?;
    if checked.interrupted {
        return Err(
            CliError::new(ExitCode::Interrupted, "interrupted: not all was checked")
                .help(format!("`mig check{}` begins anew", dash_f(&file))),
        );
    }
    Ok(if checked.is_well() {
        ExitCode::Success
    } else {
        ExitCode::CheckFailed
    })
}
