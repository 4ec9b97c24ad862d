//! `mig backfill status`

use std::time::Duration;

use serde_json::json;

use super::args::PhaseArgs;
use super::backfill_session::{self, Session};
use super::error::CliResult;
use super::printer::Printer;
use super::screen::{Screen, draws};
use crate::base::ExitCode;
use crate::phases::backfill::status::{BackfillStatus, Stage};
use crate::ui::backfill_status::{statuses_text, watch_lines};

/// Time between two looks of `--watch`.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// Show how far a backfill is: workers, shards, and with `--deep-check` documents, rates and failures
///
/// Takes no lock and changes nothing, so it may be asked before, while and after `mig apply` runs. Shards are those of the
/// snapshot's indices that the phase is for. RUNNING means that workers are up, also when all shards are done; PAUSED that
/// something is left and nobody works; COMPLETED that all is loaded and nobody works.
#[derive(clap::Args, Debug)]
pub(super) struct BackfillStatusCommand {
    #[command(flatten)]
    backfill: PhaseArgs,
    /// Documents, bytes, rates, time that is left, failed documents, every index and every process too; a target that is a
    /// cluster is asked for its own counts
    #[arg(long)]
    deep_check: bool,
    /// Look again every 2 seconds until all is done; on a terminal it is drawn in place
    #[arg(long)]
    watch: bool,
}

pub(super) fn run(command: &BackfillStatusCommand, printer: Printer) -> CliResult {
    let mut session = Session::open(&command.backfill, printer)?;
    let live = command.watch && !command.backfill.json && draws(&std::io::stdout());
    let mut screen = live.then(|| Screen::new(std::io::stdout()));
    loop {
        let statuses = look(command, &session)?;
        let text = if command.backfill.json {
            backfill_session::json(&json!({ "phases": statuses }))?
        } else {
            statuses_text(&statuses, Printer::columns())
        };
        let over =
            |status: &BackfillStatus| matches!(status.status, Stage::Completed | Stage::Stopped);
        let over = !command.watch || statuses.iter().all(over);
        match &mut screen {
            // The last look stays in the terminal as a whole, however long it is.
            Some(screen) if over => {
                screen.erase();
                printer.data(&text)?;
            }
            Some(screen) => {
                let lines = watch_lines(&statuses, screen.size(), printer.theme());
                screen.draw(lines);
            }
            None => printer.data(&text)?,
        }
        if over {
            return Ok(ExitCode::Success);
        }
        std::thread::sleep(WATCH_EVERY);
        if screen.is_none() && !command.backfill.json {
            printer.data("\n")?;
        }
        session.again()?;
    }
}

fn look(
    command: &BackfillStatusCommand,
    session: &Session,
) -> Result<Vec<BackfillStatus>, super::error::CliError> {
    let chosen = session.chosen(command.backfill.phase.as_deref())?;
    chosen
        .into_iter()
        .map(|phase| session.look(phase, command.deep_check))
        .collect()
}
