//! `mig backfill start`

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::apply::{self, ApplyCommand};
use super::args::{LockArgs, ParallelArgs, PhaseArgs};
use super::backfill_session::{self, Session};
use super::background::{Background, Waited};
use super::error::{CliError, CliResult};
use super::load::choose;
use super::plan;
use super::printer::Printer;
use super::settings::selection;
use super::who::who;
use crate::base::fs::write_atomic;
use crate::base::{Address, ExitCode};
use crate::diff::exit_code;
use crate::engines::bulk::fleet::Control;
use crate::phases::backfill::orders::Orders;
use crate::phases::backfill::status::Stage;
use crate::plan::model::Phase;
use crate::ui::backfill_status::status_text;

/// The longest that the first word of what was started is waited for: it looks at snapshot and target first.
const FIRST_WORD_WITHIN: Duration = Duration::from_mins(2);
/// The longest that workers that rested are waited for.
const RESUMED_WITHIN: Duration = Duration::from_secs(10);
/// Time between two looks at workers that rested.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Start a backfill in the background, or resume one that was paused
///
/// Where processes are there, a pause ends. Where nobody is, the plan of the phase is shown as by `mig apply --only`, and once
/// it is approved `mig apply` does it as a process of its own, which outlives this terminal; its output goes to a file beside
/// the state. A backfill that was stopped can't be started.
#[derive(clap::Args, Debug)]
pub(super) struct BackfillStartCommand {
    #[command(flatten)]
    backfill: PhaseArgs,
    #[command(flatten)]
    parallel: ParallelArgs,
    #[command(flatten)]
    lock: LockArgs,
    /// Do not ask before starting
    #[arg(long)]
    auto_approve: bool,
    /// Work in this terminal, as `mig apply --only` does
    #[arg(long)]
    foreground: bool,
}

pub(super) fn run(command: &BackfillStartCommand, printer: Printer) -> CliResult {
    let mut session = Session::open(&command.backfill, printer)?;
    let address = session
        .one(command.backfill.phase.as_deref())?
        .address
        .clone();
    if resume_those_there(command, &session)? {
        let began = Instant::now();
        while began.elapsed() < RESUMED_WITHIN && paused(command, &session)? {
            std::thread::sleep(LOOK_EVERY);
        }
        return show(command, &session, printer);
    }
    if command.foreground {
        end_pause(&session, session.one(Some(address.as_str()))?)?;
        return apply::run(&as_apply(command, &session, &address), printer);
    }
    let Some(mut started) = start(command, &session, &address, printer)? else {
        return show(command, &session, printer);
    };
    printer.message(&format!(
        "Started as process {}; what it says goes to {}",
        started.pid(),
        started.log().display()
    ));
    let pid = started.pid();
    let waited = started.wait(FIRST_WORD_WITHIN, printer, &mut || {
        session.again()?;
        let phase = session.one(Some(address.as_str()))?;
        let Some(orders) = orders(&session, phase)? else {
            return Ok(false);
        };
        let there = orders.fleet()?.muster.there;
        Ok(there.iter().any(|beat| beat.pid == pid))
    })?;
    if matches!(waited, Waited::Slow) {
        printer.warn(&format!(
            "process {pid} runs and has not begun to load yet; `mig backfill status{}` tells when it does",
            session.then(session.one(Some(address.as_str()))?)
        ));
    }
    session.again()?;
    show(command, &session, printer)
}

/// Where orders are left; `None` where nothing was begun.
fn orders(session: &Session, phase: &Phase) -> Result<Option<Orders>, CliError> {
    let (plan, state) = (&session.loaded.plan, &session.state);
    Ok(Orders::find(plan, phase, state, &session.connections)?)
}

/// Ends the pause of the processes that are there; says whether there are any. Refused where the backfill was stopped.
fn resume_those_there(command: &BackfillStartCommand, session: &Session) -> Result<bool, CliError> {
    let phase = session.one(command.backfill.phase.as_deref())?;
    let Some(orders) = orders(session, phase)? else {
        return Ok(false);
    };
    let fleet = orders.fleet()?;
    let are_there = !fleet.muster.there.is_empty();
    if fleet.control.stopped || (fleet.control.paused && are_there) {
        orders.change(&phase.address, &who(), Control::resume)?;
    }
    Ok(are_there)
}

/// Ends a pause that would have what is about to be started rest.
fn end_pause(session: &Session, phase: &Phase) -> Result<(), CliError> {
    if let Some(orders) = orders(session, phase)?
        && orders.fleet()?.control.paused
    {
        orders.change(&phase.address, &who(), Control::resume)?;
    }
    Ok(())
}

fn paused(command: &BackfillStartCommand, session: &Session) -> Result<bool, CliError> {
    let phase = session.one(command.backfill.phase.as_deref())?;
    Ok(session.look(phase, false)?.status != Stage::Running)
}

fn show(command: &BackfillStartCommand, session: &Session, printer: Printer) -> CliResult {
    let phase = session.one(command.backfill.phase.as_deref())?;
    let status = session.look(phase, false)?;
    printer.data(&if command.backfill.json {
        backfill_session::json(&json!({ "phases": [status] }))?
    } else {
        status_text(&status, Printer::columns())
    })?;
    Ok(ExitCode::Success)
}

fn as_apply(command: &BackfillStartCommand, session: &Session, phase: &Address) -> ApplyCommand {
    ApplyCommand::of(
        session.file.clone(),
        &command.backfill.args,
        vec![phase.to_string()],
        (&command.parallel, &command.lock),
        command.auto_approve,
    )
}

/// Shows the plan of the phase, asks, and starts what does it: exactly that, or it refuses. `None`: there is nothing to do.
fn start(
    command: &BackfillStartCommand,
    session: &Session,
    address: &Address,
    printer: Printer,
) -> Result<Option<Background>, CliError> {
    let as_apply = as_apply(command, session, address);
    let loaded = &session.loaded;
    let selected = choose(&loaded.graph, &selection(&as_apply.selection))?;
    let parallelism = usize::from(command.parallel.parallelism);
    let made = plan::make(
        loaded,
        &session.state,
        &selected,
        true,
        parallelism,
        printer,
    )?;
    printer.new_findings(&loaded.findings, &made.findings, &loaded.plan.files);
    let chosen: BTreeSet<&Address> = selected.phases.iter().collect();
    let mut changes = made.survey.changes.iter();
    if changes
        .by_ref()
        .filter(|change| chosen.contains(&change.address))
        .all(|change| change.action.is_noop() && change.fields.is_empty())
    {
        return Ok(None);
    }
    // What the answer stands on is no data of this command.
    printer.planned_message(&made.planned);
    if exit_code(&made.planned, false) == ExitCode::PlanInvalid {
        return Err(plan::undecided(&made.planned));
    }
    apply::refuse_unmet(&selected, &made.survey.changes)?;
    if !command.auto_approve {
        printer.confirm(
            "Start this in the background",
            "started",
            "backfill start",
            None,
        )?;
    }
    end_pause(session, session.one(Some(address.as_str()))?)?;
    let folder = session.store.artifacts().scratch()?;
    let name = format!("backfill-{}", address.file_name());
    let saved = folder.join(format!("{name}.plan.json"));
    write_atomic(&saved, made.planned.to_json().as_bytes()).map_err(|error| {
        CliError::error(format!(
            "can't save the plan as {}: {error}",
            saved.display()
        ))
    })?;
    let arguments = [
        "apply".into(),
        saved.into_os_string(),
        "--parallelism".into(),
        command.parallel.parallelism.to_string().into(),
        "--lock-timeout".into(),
        command.lock.lock_timeout.to_string().into(),
    ];
    Background::start(&arguments, &folder, &name).map(Some)
}
