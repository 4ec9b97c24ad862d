//! `mig snapshot status`

use serde_json::json;

use super::args::PhaseArgs;
use super::backfill_session;
use super::error::{CliError, CliResult};
use super::load::{Loaded, load_plan, options};
use super::printer::Printer;
use super::settings::{dash_f, plan_file};
use crate::apply::session::remember;
use crate::base::ExitCode;
use crate::phases::connections::Connections;
use crate::phases::snapshot::status::{NOT_STARTED, SnapshotStatus, look, phases, takes};
use crate::plan::model::Phase;
use crate::state::model::State;
use crate::ui::snapshot_status::statuses_text;

/// The state of a snapshot that an operator deleted.
const DELETED: &str = "DELETED";

/// Show how far the snapshots of a plan are
///
/// Takes no lock and changes nothing. Of a snapshot that is being taken the cluster is asked; of one that is there the
/// repository itself, so that it can be told while the cluster is down. Bytes are those of the files of its indices.
#[derive(clap::Args, Debug)]
pub(super) struct SnapshotStatusCommand {
    #[command(flatten)]
    snapshot: PhaseArgs,
    /// Bytes, shards, times and rate too
    #[arg(long)]
    deep_check: bool,
}

pub(super) fn run(command: &SnapshotStatusCommand, printer: Printer) -> CliResult {
    let file = plan_file(None, &command.snapshot.args)?;
    let loaded = load_plan(&file, &options(&command.snapshot.args), printer)?;
    let store = crate::state::open(&loaded.plan.state)?;
    let remembered = remember(&*store, &loaded.plan)?;
    let connections = Connections::new(&loaded.plan, &remembered.state.lineage);
    let mut statuses = Vec::new();
    for phase in chosen(&loaded, command.snapshot.phase.as_deref(), |_| true)? {
        let create = takes(phase).then(|| format!("mig snapshot create{}", dash_f(&file)));
        let mut status = look(&loaded.plan, phase, &connections, command.deep_check)?;
        if let Some(told) = deleted(&remembered.state, phase)
            && status.state == NOT_STARTED
        {
            DELETED.clone_into(&mut status.state);
            printer.message(&told);
        }
        statuses.push((status, create));
    }
    printer.data(&if command.snapshot.json {
        let statuses: Vec<&SnapshotStatus> = statuses.iter().map(|(status, _)| status).collect();
        backfill_session::json(&json!({ "phases": statuses }))?
    } else {
        statuses_text(&statuses)
    })?;
    Ok(ExitCode::Success)
}

/// What is said of snapshots that an operator deleted.
pub(super) fn deleted(state: &State, phase: &Phase) -> Option<String> {
    let ended = state.phases.get(&phase.address)?.ended.as_ref()?;
    Some(format!(
        "The snapshot of `{}` was deleted by {} at {:.0}: `mig apply --redo {}` takes another",
        phase.address, ended.by, ended.at, phase.address
    ))
}

/// The snapshot phases that are meant, of those that are of the right kind: the named one, or all.
pub(super) fn chosen<'l>(
    loaded: &'l Loaded,
    named: Option<&str>,
    right: impl Fn(&Phase) -> bool,
) -> Result<Vec<&'l Phase>, CliError> {
    let all: Vec<&Phase> = phases(&loaded.plan)
        .into_iter()
        .filter(|phase| right(phase))
        .collect();
    let names: Vec<&str> = all.iter().map(|it| it.address.as_str()).collect();
    let names = names.join(", ");
    let chosen: Vec<&Phase> = all
        .iter()
        .copied()
        .filter(|phase| named.is_none_or(|named| phase.address.as_str() == named))
        .collect();
    match (chosen.is_empty(), named) {
        (true, Some(named)) if !names.is_empty() => Err(CliError::error(format!(
            "`{named}` is no snapshot phase of the plan that this is for"
        ))
        .help(format!("it has {names}"))),
        (true, _) => Err(
            CliError::error("the plan has no snapshot phase that this is for")
                .help("one that takes snapshots: `base: { snapshot: { of: …, to: … } }`"),
        ),
        (false, _) => Ok(chosen),
    }
}
