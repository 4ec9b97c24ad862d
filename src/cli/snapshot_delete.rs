//! `mig snapshot delete`

use std::collections::BTreeSet;

use serde_json::json;

use super::args::{LockArgs, PhaseArgs};
use super::backfill_session;
use super::error::{CliError, CliResult};
use super::load::{choose, load_plan, options};
use super::locking::locked;
use super::plan;
use super::printer::Printer;
use super::settings::{dash_f, plan_file};
use super::snapshot_status::chosen;
use super::who::who;
use crate::apply::session::open_locked;
use crate::apply::unsnapshot::{DeleteError, delete, needed_by};
use crate::base::ExitCode;
use crate::diff::Selection;
use crate::phases::connections::Connections;
use crate::phases::snapshot;
use crate::phases::snapshot::status::takes;

/// Phases that are looked at at once.
const PARALLELISM: usize = 4;

/// Delete the snapshots that a phase of the plan took, once nothing rests on them any more
///
/// Asks first. The cluster that took them deletes them, and only those that carry the plan's own mark. Refused while a phase
/// still needs them: a backfill that is not complete, documents that failed, a verification that has not passed. Later plans
/// say that they were deleted, and take no others by themselves: `mig apply --redo PHASE` does. The repository stays.
#[derive(clap::Args, Debug)]
pub(super) struct SnapshotDeleteCommand {
    #[command(flatten)]
    snapshot: PhaseArgs,
    /// Delete them though a phase still needs them
    #[arg(long)]
    force: bool,
    /// Do not ask before deleting
    #[arg(long)]
    auto_approve: bool,
    #[command(flatten)]
    lock: LockArgs,
}

pub(super) fn run(command: &SnapshotDeleteCommand, printer: Printer) -> CliResult {
    let file = plan_file(None, &command.snapshot.args)?;
    let loaded = load_plan(&file, &options(&command.snapshot.args), printer)?;
    let phase = match chosen(&loaded, command.snapshot.phase.as_deref(), takes)?.as_slice() {
        [one] => *one,
        several => {
            let names: Vec<&str> = several.iter().map(|it| it.address.as_str()).collect();
            return Err(CliError::error(format!(
                "the plan has {} phases that take snapshots: which one is meant?",
                several.len()
            ))
            .help(format!("name it with `--phase`: {}", names.join(", "))));
        }
    };
    let address = &phase.address;
    let store = crate::state::open(&loaded.plan.state)?;
    if store.load()?.is_none() {
        return Err(CliError::error(format!(
            "`{address}` took no snapshot, so there is none to delete"
        )));
    }
    let mut locked = locked(&*store, "snapshot delete", &command.lock, printer)?;
    open_locked(&mut *locked, &*store, &loaded.plan)?;
    let state = locked.state().clone();
    let record = state.phases.get(address);
    let taken = record.map(snapshot::taken).unwrap_or_default();
    // A deletion that was killed goes on without asking: its word stands already.
    let is_new = record.is_none_or(|record| record.ended.is_none());
    let connections = Connections::new(&loaded.plan, &state.lineage);
    if is_new && !taken.is_empty() {
        if !command.force {
            let all = choose(&loaded.graph, &Selection::default())?;
            let made = plan::make(&loaded, &state, &all, true, PARALLELISM, printer);
            let made = made
                .map_err(|error| error.help("`--force` deletes it without looking who needs it"))?;
            let needs = needed_by(&loaded.plan, &state, &made.survey.changes, address);
            if !needs.is_empty() {
                let needs: BTreeSet<String> = needs
                    .iter()
                    .map(|(phase, why)| format!("`{phase}`: {why}"))
                    .collect();
                let needs: Vec<String> = needs.into_iter().collect();
                return Err(CliError::error(format!(
                    "the snapshot of `{address}` is still needed by {}",
                    needs.join("; by ")
                ))
                .help(format!("`mig apply{}` goes on; then it may be deleted", dash_f(&file)))
                .help("`--force` deletes it all the same: what is not done can't be done from it any more"));
            }
        }
        printer.message(&format!(
            "Deletes of {address}, and can't be undone:\n    - {}",
            taken.join("\n    - ")
        ));
        if !command.auto_approve {
            printer.confirm("Delete this", "deleted", "snapshot delete", None)?;
        }
    }
    let deleted = delete(&mut *locked, &loaded.plan, phase, &connections, &who())?;
    printer.data(&if command.snapshot.json {
        backfill_session::json(&json!({ "phase": address, "deleted": deleted }))?
    } else if deleted.is_empty() {
        format!("The snapshots of {address} are deleted already.\n")
    } else {
        format!("Snapshot {} deleted.\n", deleted.join(", "))
    })?;
    Ok(ExitCode::Success)
}

impl From<DeleteError> for CliError {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::State(error) => error.into(),
            DeleteError::Phase(error) => error.into(),
        }
    }
}
