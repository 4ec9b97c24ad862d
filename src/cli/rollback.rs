//! `mig rollback`

use std::collections::BTreeSet;

use super::args::{LockArgs, PlanArgs};
use super::error::{CliError, CliResult};
use super::load::{choose, load_plan, options};
use super::locking::locked;
use super::printer::Printer;
use super::settings::{dash_f, plan_file};
use crate::apply::interrupt::Signals;
use crate::apply::rollback::{RolledBack, preview, roll_back};
use crate::apply::session::open_locked;
use crate::base::{Address, ExitCode};
use crate::diff::Selection;
use crate::phases::connections::Connections;
use crate::phases::kind::UndoPlan;
use crate::phases::kind_of;

/// Take back what was done, in reverse order; shows first what is removed and what can't be undone
#[derive(clap::Args, Debug)]
pub(super) struct RollbackCommand {
    /// This phase, and what rests on it (can be repeated)
    #[arg(long, value_name = "PHASE")]
    only: Vec<String>,
    /// Do not ask before rolling back
    #[arg(long)]
    auto_approve: bool,
    #[command(flatten)]
    args: PlanArgs,
    #[command(flatten)]
    lock: LockArgs,
}

pub(super) fn run(command: &RollbackCommand, printer: Printer) -> CliResult {
    let file = plan_file(None, &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let only = Selection {
        only: command.only.clone(),
        ..Selection::default()
    };
    let only: Option<BTreeSet<Address>> = if command.only.is_empty() {
        None
    } else {
        Some(choose(&loaded.graph, &only)?.phases.into_iter().collect())
    };
    let signals = Signals::listen()
        .map_err(|error| CliError::error(format!("can't listen for signals: {error}")))?;
    let store = crate::state::open(&loaded.plan.state)?;
    let mut locked = locked(&*store, "rollback", &command.lock, printer)?;
    open_locked(&mut *locked, &*store, &loaded.plan)?;
    let undo = preview(locked.state(), &loaded.graph, kind_of, only.as_ref());
    if undo.is_empty() {
        printer.data("Nothing to roll back: no phase was applied.\n")?;
        return Ok(ExitCode::Success);
    }
    printer.data(&shown(&undo))?;
    if !command.auto_approve {
        printer.confirm("Roll this back", "rolled back", "rollback", None)?;
    }
    let addresses: Vec<Address> = undo.into_iter().map(|(address, _)| address).collect();
    let connections = Connections::new(&loaded.plan, &locked.state().lineage);
    let rolled_back = roll_back(
        &loaded.plan,
        &connections,
        kind_of,
        &addresses,
        &mut *locked,
        &signals,
        &mut |address| printer.message(&format!("{address}: rolled back")),
    )?;
    let again = format!("mig rollback{}", dash_f(&file));
    match rolled_back {
        RolledBack::All => {
            printer.data(&format!(
                "\nRolled back: {}.\n",
                crate::base::units::plural(addresses.len() as u64, "phase")
            ))?;
            Ok(ExitCode::Success)
        }
        RolledBack::Interrupted => Err(CliError::new(
            ExitCode::Interrupted,
            "interrupted between two phases",
        )
        .help(format!("`{again}` does the rest"))),
        RolledBack::Failed(address, error) => {
            let mut told = CliError::new(
                ExitCode::Partial,
                format!("{address} could not be rolled back: {error}"),
            );
            if let CliError::Told(inner) = CliError::from(error) {
                for help in inner.help {
                    told = told.help(help);
                }
            }
            Err(told.help(format!("then `{again}` does the rest")))
        }
    }
}

fn shown(undo: &[(Address, UndoPlan)]) -> String {
    let mut text = String::from("Rolling back, in this order:\n\n");
    for (address, undo) in undo {
        text.push_str(&format!("  {address}\n"));
        for line in &undo.removes {
            text.push_str(&format!("    - {line}\n"));
        }
        for line in &undo.cannot {
            text.push_str(&format!("    ! can't be undone: {line}\n"));
        }
        if undo.removes.is_empty() && undo.cannot.is_empty() {
            text.push_str("    nothing is removed; it counts as not applied afterwards\n");
        }
    }
    text
}
