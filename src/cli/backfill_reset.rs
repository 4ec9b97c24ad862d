//! `mig backfill reset`

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::{LockArgs, PhaseArgs};
use super::backfill_session::{self, Session};
use super::error::{CliError, CliResult};
use super::locking::locked;
use super::printer::Printer;
use super::who::who;
use crate::apply::reset::{begin_anew, preview, reset};
use crate::apply::session::open_locked;
use crate::base::{Address, ExitCode};
use crate::phases::backfill::stop::{Stopping, archived_at, ended};
use crate::phases::connections::Connections;
use crate::phases::reset::{Removal, Scope};
use crate::plan::model::{Phase, PhaseSpec, Plan};
use crate::ui::backfill_orders::{processes_have, resetting};

/// Forget the progress of a backfill, so that the next start loads it anew; after a stop it may be started again then
///
/// Shows what it forgets and asks. The working state is archived before, as by a stop. Refused while a process works on it.
/// Documents on the target stay until the next start or apply: that removes those of the indices it loads and writes all of
/// them again, which its plan shows beforehand as `-/+`. Proofs that rest on the backfill are made anew with it.
#[derive(clap::Args, Debug)]
pub(super) struct BackfillResetCommand {
    #[command(flatten)]
    backfill: PhaseArgs,
    /// Do not ask before resetting
    #[arg(long)]
    auto_approve: bool,
    #[command(flatten)]
    lock: LockArgs,
}

pub(super) fn run(command: &BackfillResetCommand, printer: Printer) -> CliResult {
    let session = Session::open(&command.backfill, printer)?;
    let phase = session.one(command.backfill.phase.as_deref())?;
    let plan = &session.loaded.plan;
    let then = session.then(phase);
    let start = format!("mig backfill start{then}");
    if session.state.serial == 0 {
        return Err(nothing(phase, &start));
    }
    let mut locked = locked(&*session.store, "backfill reset", &command.lock, printer)?;
    open_locked(&mut *locked, &*session.store, plan)?;
    let state = locked.state().clone();
    let connections = Connections::new(plan, &state.lineage);
    if !state.phases.contains_key(&phase.address) {
        return Err(nothing(phase, &start));
    }
    let stopping = Stopping::open(plan, phase, &state, &connections, &start)?;
    let there = stopping.fleet()?.muster.there.len();
    if there > 0 {
        return Err(CliError::error(format!(
            "{} not left `{}` yet: what they load would come back",
            processes_have(there),
            phase.address
        ))
        .help(format!(
            "`mig backfill stop{then}` ends them; then run the same command again"
        )));
    }
    let artifacts = session.store.artifacts();
    let only = with_proofs(plan, phase);
    let scope = Scope {
        plan,
        state: &state,
        connections: &connections,
        only: Some(&only),
        scratch: &artifacts.scratch()?,
        artifacts: &*artifacts,
    };
    let mut found = preview(&scope, &*artifacts)?;
    found.anew.retain(|address| only.contains(address));
    if found.is_empty() {
        printer.data(&format!("{} begins anew already.\n", phase.address))?;
        return Ok(ExitCode::Success);
    }
    let mut lines: Vec<String> = Vec::new();
    lines.extend(found.found.removes.iter().flat_map(Removal::told));
    let anew = found.anew.iter().map(|it| format!("{it} begins anew"));
    lines.extend(anew);
    printer.message(resetting(&phase.address, &lines, Printer::columns()).trim_end());
    if !command.auto_approve {
        printer.confirm("Reset this", "reset", "backfill reset", None)?;
    }
    // After a stop there is an archive already, and nothing more to put into one.
    let archive = if let Some(ended) = ended(&state, &phase.address) {
        Value::from(archived_at(ended))
    } else {
        let archived = stopping.archive(state.serial, &who(), Timestamp::now(), &*artifacts);
        archived?.0.get("at").cloned().unwrap_or_default()
    };
    let again = format!("then `mig backfill reset{then}` does the rest");
    reset(&scope, &found, &*artifacts, &mut |_| {})
        .map_err(|error| CliError::from(error).help(again))?;
    begin_anew(&found, &mut *locked, &*artifacts)?;
    printer.data(&if command.backfill.json {
        backfill_session::json(&json!({
            "phase": phase.address,
            "forgotten": lines,
            "anew": found.anew,
            "archive": archive,
        }))?
    } else {
        format!(
            "Reset {}. Its working state as it was: {}\n`{start}` loads it anew.\n",
            phase.address,
            archive.as_str().unwrap_or_default()
        )
    })?;
    Ok(ExitCode::Success)
}

fn nothing(phase: &Phase, start: &str) -> CliError {
    CliError::error(format!(
        "nothing of `{}` was begun, so there is nothing to reset",
        phase.address
    ))
    .help(format!("`{start}` begins"))
}

/// The backfill and the verifications of its target: their proofs would let it stand as done.
fn with_proofs(plan: &Plan, phase: &Phase) -> BTreeSet<Address> {
    let mut only: BTreeSet<Address> = [phase.address.clone()].into();
    let PhaseSpec::Backfill(backfill) = &phase.spec else {
        return only;
    };
    let proofs = plan.phases.values().filter(|other| match &other.spec {
        PhaseSpec::Verify(verify) => verify.target.value == backfill.to.value,
        _ => false,
    });
    only.extend(proofs.map(|it| it.address.clone()));
    only
}
