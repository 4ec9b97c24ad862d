//! `mig state`

use clap::Subcommand;

use super::args::PlanArgs;
use super::error::{CliError, CliResult};
use super::load::{load_plan, options};
use super::printer::Printer;
use super::settings::plan_file;
use crate::base::ExitCode;
use crate::state::model::Entry;
use crate::state::{JournalLine, LoadedState};

/// Look at what mig remembers of a plan
#[derive(clap::Args, Debug)]
pub(super) struct StateCommand {
    #[command(subcommand)]
    command: StateVerb,
}

#[derive(Debug, Subcommand)]
enum StateVerb {
    /// Print the state as JSON
    Show(PlanArgs),
    /// Print the log of everything that was done
    Journal(PlanArgs),
    /// Print where the state is
    Path(PlanArgs),
}

pub(super) fn run(command: &StateCommand, printer: Printer) -> CliResult {
    let (StateVerb::Show(args) | StateVerb::Journal(args) | StateVerb::Path(args)) =
        &command.command;
    let file = plan_file(None, args)?;
    let loaded = load_plan(&file, &options(args), printer)?;
    let store = crate::state::open(&loaded.plan.state)?;
    if matches!(command.command, StateVerb::Path(_)) {
        printer.data(&format!("{}\n", store.location()))?;
        return Ok(ExitCode::Success);
    }
    let state: LoadedState = store.load()?.ok_or_else(|| {
        CliError::error(format!("there is no state in {} yet", store.location()))
            .help("`mig apply` begins one")
    })?;
    for notice in &state.notices {
        printer.warn(&notice.to_string());
    }
    let text = match command.command {
        StateVerb::Show(_) => {
            let json = serde_json::to_string_pretty(&state.state);
            json.map_err(|error| CliError::error(error.to_string()))? + "\n"
        }
        StateVerb::Journal(_) | StateVerb::Path(_) => state.lines.iter().map(readable).collect(),
    };
    printer.data(&text)?;
    Ok(ExitCode::Success)
}

fn readable(line: &JournalLine) -> String {
    let what = match &line.entry {
        Entry::Opened {
            plan,
            adopted: false,
            ..
        } => format!("state opened for plan {plan}"),
        Entry::Opened { plan, .. } => {
            format!("state of plan {plan} adopted from what a lost one left")
        }
        Entry::RunStarted {
            plan_digest,
            who,
            mig_version,
        } => {
            format!(
                "apply of plan {} by {who}, mig {mig_version}",
                plan_digest.short()
            )
        }
        Entry::PhaseStarted { address, kind, .. } => format!("{address}: {} begins", kind.as_str()),
        Entry::Effect { address, effect } => {
            format!(
                "{address}: {} {} on {}",
                effect.what, effect.name, effect.on
            )
        }
        Entry::PhaseDone {
            address, evidence, ..
        } => match evidence.first() {
            Some(first) => format!("{address}: done: {first}"),
            None => format!("{address}: done"),
        },
        Entry::PhaseFailed { address, error, .. } => {
            format!(
                "{address}: failed: {}",
                error.lines().next().unwrap_or_default()
            )
        }
        Entry::SpecUpdated { address, .. } => format!("{address}: new values taken over"),
        Entry::Approved { address, approval } => format!(
            "{address}: approved by {} for plan {}",
            approval.who,
            approval.plan_digest.short()
        ),
        Entry::Probed { on, index } => format!("{on}: {index} made and removed for a probe"),
        Entry::WentLive { target } => format!("{target} went live"),
        Entry::Renamed { from, to } => format!("{from} renamed to {to}"),
        Entry::RollbackStarted { address } => format!("{address}: rollback begins"),
        Entry::EndedForGood { address, by, .. } => format!("{address}: ended for good by {by}"),
        Entry::Reset { addresses } => {
            let names: Vec<&str> = addresses.iter().map(crate::base::Address::as_str).collect();
            format!("reset: {} begin anew", names.join(", "))
        }
        Entry::RolledBack { address } => format!("{address}: rolled back"),
        Entry::Adopted { address, .. } => format!("{address}: adopted"),
        Entry::RunEnded { outcome } => format!("apply ended: {outcome}"),
    };
    format!("{:>5}  {:.0}  {what}\n", line.seq, line.at)
}
