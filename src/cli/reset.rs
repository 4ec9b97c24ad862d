//! `mig reset`

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::args::{LockArgs, PlanArgs};
use super::error::{CliError, CliResult};
use super::load::{choose, load_plan, options};
use super::locking::locked;
use super::printer::Printer;
use super::settings::{dash_f, plan_file};
use crate::apply::reset::{Preview, ResetError, begin_anew, preview, reset};
use crate::apply::rollback::with_dependents;
use crate::base::units::plural;
use crate::base::{Address, ExitCode};
use crate::diff::Selection;
use crate::phases::connections::Connections;
use crate::phases::reset::{Scope, refuse_at_work};

/// Remove what the plan left beside what it made, so that an apply begins anew
///
/// Work stores, aliases and settings of loads, repositories, what killed runs and checks left, and what is kept on this machine to be taken
/// up again. Documents, indices and snapshots stay (`mig rollback` removes what phases made), and so do evidence and the mark of a
/// live target. The state is archived; phases begin anew. Refused while a worker is at it, or may be.
#[derive(clap::Args, Debug)]
pub(super) struct ResetCommand {
    /// The plan file [default: plan.yaml]
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    /// This phase or hop, and what rests on it; what all phases share stays (can be repeated)
    #[arg(long, value_name = "PHASE|HOP")]
    only: Vec<String>,
    /// Do not ask before resetting
    #[arg(long)]
    auto_approve: bool,
    #[command(flatten)]
    args: PlanArgs,
    #[command(flatten)]
    lock: LockArgs,
}

pub(super) fn run(command: &ResetCommand, printer: Printer) -> CliResult {
    let file = plan_file(command.plan.as_deref(), &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let only: Option<BTreeSet<Address>> = if command.only.is_empty() {
        None
    } else {
        let selection = Selection {
            only: command.only.clone(),
            ..Selection::default()
        };
        let chosen = choose(&loaded.graph, &selection)?;
        let chosen = chosen.phases.into_iter().collect();
        Some(with_dependents(&loaded.graph, &chosen))
    };
    let store = crate::state::open(&loaded.plan.state)?;
    let mut locked = locked(&*store, "reset", &command.lock, printer)?;
    let artifacts = store.artifacts();
    let scratch = artifacts.scratch()?;
    let state = locked.state().clone();
    let connections = Connections::new(&loaded.plan, &state.lineage);
    let scope = Scope {
        plan: &loaded.plan,
        state: &state,
        connections: &connections,
        only: only.as_ref(),
        scratch: &scratch,
        artifacts: &*artifacts,
    };
    refuse_at_work(&scope)?;
    let found = preview(&scope, &*artifacts)?;
    if found.is_empty() {
        printer.data("Nothing to reset: the plan left nothing.\n")?;
        return Ok(ExitCode::Success);
    }
    printer.data(&shown(&found))?;
    if !command.auto_approve {
        printer.confirm("Reset this", "reset", "reset", None)?;
        // Somebody may have joined while it was read.
        refuse_at_work(&scope)?;
    }
    let again = format!("then `mig reset{}` does the rest", dash_f(&file));
    reset(&scope, &found, &*artifacts, &mut |line| {
        printer.message(line);
    })
    .map_err(|error| CliError::from(error).help(again))?;
    let archived = begin_anew(&found, &mut *locked, &*artifacts)?;
    let mut text = String::from("\nReset.");
    if let Some(place) = archived {
        text.push_str(&format!(
            " {} anew with the next `mig apply{}`; the state as it was is in {place}.",
            match found.anew.len() {
                1 => "1 phase begins".to_owned(),
                many => format!("{} begin", plural(many as u64, "phase")),
            },
            dash_f(&file)
        ));
    }
    printer.data(&format!("{text}\n"))?;
    Ok(ExitCode::Success)
}

fn shown(preview: &Preview) -> String {
    let mut text = String::from("Resetting:\n\n");
    for removal in &preview.found.removes {
        for line in removal.told() {
            text.push_str(&format!("    - {line}\n"));
        }
    }
    for left in &preview.probes {
        for line in left.told() {
            text.push_str(&format!("    - removes {line}, which a check left\n"));
        }
    }
    for address in &preview.anew {
        text.push_str(&format!("    ~ {address} begins anew\n"));
    }
    let kept = [
        "evidence files, the journal of the state".to_owned(),
        "whatever no phase of this plan made".to_owned(),
    ];
    text.push_str("\n  Stays:\n\n");
    for line in preview.found.stays.iter().chain(&kept) {
        text.push_str(&format!("    = {line}\n"));
    }
    text.push_str("\n  `mig rollback` removes what phases made.\n");
    text
}

impl From<ResetError> for CliError {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::State(error) => error.into(),
            ResetError::Phase(error) => error.into(),
        }
    }
}
