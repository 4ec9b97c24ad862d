//! `mig backfill pause`

use std::time::{Duration, Instant};

use serde_json::json;

use super::args::PhaseArgs;
use super::backfill_session::{self, Session};
use super::error::{CliError, CliResult};
use super::printer::Printer;
use super::who::who;
use crate::base::ExitCode;
use crate::base::units::Span;
use crate::engines::bulk::fleet::Control;
use crate::phases::backfill::orders::Orders;
use crate::ui::backfill_orders::{paused, processes_have};

/// Time between two looks at the board.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Let the workers of a backfill rest: each comes to a checkpoint and gives back what it holds
///
/// Waits until nobody works. `mig apply` and `mig worker` stay and wait, and so does one that comes later; `mig backfill start`
/// or `mig backfill scale N` resumes.
#[derive(clap::Args, Debug)]
pub(super) struct BackfillPauseCommand {
    #[command(flatten)]
    backfill: PhaseArgs,
    /// How long to wait until nobody works; the pause stands all the same
    #[arg(long, value_name = "TIME", default_value = "60s")]
    timeout: Span,
}

pub(super) fn run(command: &BackfillPauseCommand, printer: Printer) -> CliResult {
    let session = Session::open(&command.backfill, printer)?;
    let phase = session.one(command.backfill.phase.as_deref())?;
    let then = session.then(phase);
    let start = format!("mig backfill start{then}");
    let (plan, state) = (&session.loaded.plan, &session.state);
    let orders = Orders::open(plan, phase, state, &session.connections, &start)?;
    let who = who();
    let began = Instant::now();
    let mut fleet = orders.change(&phase.address, &who, Control::pause)?;
    let mut told = false;
    while fleet.at_work() > 0 {
        if began.elapsed() >= command.timeout.0 {
            return Err(CliError::error(format!(
                "`{}` is asked to pause, and {} not said that it rests after {}",
                phase.address,
                processes_have(fleet.at_work()),
                command.timeout
            ))
            .help(format!(
                "`mig backfill status{then}` tells when nobody works any more"
            ))
            .help(
                "a worker comes to a checkpoint within seconds, unless the target keeps it waiting",
            ));
        }
        if !told {
            printer.message(&format!(
                "Waiting until the workers of {} come to a checkpoint",
                phase.address
            ));
            told = true;
        }
        std::thread::sleep(LOOK_EVERY);
        fleet = orders.fleet()?;
    }
    let restoring = session.look(phase, false)?.restoring;
    printer.data(&if command.backfill.json {
        backfill_session::json(&json!({
            "phase": phase.address, "control": fleet.control, "fleet": fleet.muster, "restoring": restoring,
        }))?
    } else {
        let columns = Printer::columns();
        paused(&phase.address, &fleet.muster, restoring, &then, columns)
    })?;
    Ok(ExitCode::Success)
}
