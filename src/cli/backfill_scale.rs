//! `mig backfill scale`

use serde_json::json;

use super::args::PhaseArgs;
use super::backfill_session::{self, Session};
use super::error::CliResult;
use super::printer::Printer;
use super::who::who;
use crate::base::ExitCode;
use crate::phases::backfill::orders::{FLEET_WORKERS, Orders};
use crate::ui::backfill_orders::scaled;

/// Ask for a number of workers over all processes of a backfill; ends a pause
///
/// Workers that joined first work first; `mig apply` makes up what other processes don't, up to 64. None at all is a pause.
/// The number stays for later runs, in the place of the plan's `workers`.
#[derive(clap::Args, Debug)]
pub(super) struct BackfillScaleCommand {
    /// How many workers
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(..=i64::from(FLEET_WORKERS)))]
    workers: u32,
    #[command(flatten)]
    backfill: PhaseArgs,
}

pub(super) fn run(command: &BackfillScaleCommand, printer: Printer) -> CliResult {
    let session = Session::open(&command.backfill, printer)?;
    let phase = session.one(command.backfill.phase.as_deref())?;
    let start = format!("mig backfill start{}", session.then(phase));
    let (plan, state) = (&session.loaded.plan, &session.state);
    let orders = Orders::open(plan, phase, state, &session.connections, &start)?;
    let fleet = orders.change(&phase.address, &who(), |control| {
        control.scale(command.workers);
    })?;
    printer.data(&if command.backfill.json {
        backfill_session::json(&json!({
            "phase": phase.address, "control": fleet.control, "fleet": fleet.muster,
        }))?
    } else {
        scaled(&phase.address, &fleet.muster, &start, Printer::columns())
    })?;
    Ok(ExitCode::Success)
}
