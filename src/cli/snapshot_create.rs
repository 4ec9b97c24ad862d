//! `mig snapshot create`

use std::time::Duration;

use super::apply::{self, ApplyCommand, with_rate};
use super::args::{LockArgs, ParallelArgs, PhaseArgs};
use super::backfill_session;
use super::background::{Background, Waited};
use super::error::{CliError, CliResult};
use super::load::{choose, load_plan, options};
use super::plan;
use super::printer::Printer;
use super::settings::{dash_f, plan_file, selection};
use super::snapshot_status::{chosen, deleted};
use crate::apply::session::remember;
use crate::base::ExitCode;
use crate::base::units::ByteRate;
use crate::diff::exit_code;
use crate::phases::connections::Connections;
use crate::phases::snapshot::status::{NOT_STARTED, look, takes};
use crate::ui::snapshot_status::status_text;

/// The longest that the beginning of a snapshot is waited for.
const BEGUN_WITHIN: Duration = Duration::from_mins(2);
/// A mebibyte, which is what servers mean by `mb`.
const MIB: u64 = 1 << 20;

/// Take the snapshot that a phase of the plan says
///
/// As `mig apply --only` this phase. The cluster does the work: without `--wait` what waits for it runs in the background, and
/// this command returns once the snapshot has begun.
#[derive(clap::Args, Debug)]
pub(super) struct SnapshotCreateCommand {
    #[command(flatten)]
    snapshot: PhaseArgs,
    /// The most that each node writes, MiB a second, in the place of the plan's `rate-per-node`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    max_snapshot_rate_mb_per_node: Option<u64>,
    /// Wait until the snapshot is whole
    #[arg(long)]
    wait: bool,
    /// Do not ask before
    #[arg(long)]
    auto_approve: bool,
    #[command(flatten)]
    parallel: ParallelArgs,
    #[command(flatten)]
    lock: LockArgs,
}

pub(super) fn run(command: &SnapshotCreateCommand, printer: Printer) -> CliResult {
    let file = plan_file(None, &command.snapshot.args)?;
    let mut loaded = load_plan(&file, &options(&command.snapshot.args), printer)?;
    let named = command.snapshot.phase.as_deref();
    let phase = match chosen(&loaded, named, takes)?.as_slice() {
        [one] => one.address.clone(),
        several => {
            let names: Vec<&str> = several.iter().map(|it| it.address.as_str()).collect();
            return Err(CliError::error(format!(
                "the plan has {} phases that take snapshots: which one is meant?",
                several.len()
            ))
            .help(format!("name it with `--phase`: {}", names.join(", "))));
        }
    };
    let state = remember(&*crate::state::open(&loaded.plan.state)?, &loaded.plan)?.state;
    let found = loaded.plan.phases.get(&phase);
    if let Some(told) = found.and_then(|found| deleted(&state, found)) {
        return Err(CliError::error(told));
    }
    let rate = command.max_snapshot_rate_mb_per_node;
    let as_apply = ApplyCommand {
        rate_per_node: rate.map(|rate| ByteRate(rate * MIB)),
        ..ApplyCommand::of(
            file.clone(),
            &command.snapshot.args,
            vec![phase.to_string()],
            (&command.parallel, &command.lock),
            command.auto_approve,
        )
    };
    if command.wait {
        return apply::run(&as_apply, printer);
    }
    let selected = choose(&loaded.graph, &selection(&as_apply.selection))?;
    if let Some(rate) = as_apply.rate_per_node {
        with_rate(&mut loaded.plan, &selected.phases, rate);
    }
    let store = crate::state::open(&loaded.plan.state)?;
    let state = remember(&*store, &loaded.plan)?.state;
    let parallelism = usize::from(command.parallel.parallelism);
    let made = plan::make(&loaded, &state, &selected, true, parallelism, printer)?;
    let mut changes = made.survey.changes.iter();
    let change = changes.find(|change| change.address == phase);
    let nothing = change.is_none_or(|it| it.action.is_noop() && it.fields.is_empty());
    if !nothing {
        printer.planned_message(&made.planned);
        if exit_code(&made.planned, false) == ExitCode::PlanInvalid {
            return Err(plan::undecided(&made.planned));
        }
        apply::refuse_unmet(&selected, &made.survey.changes)?;
        if !command.auto_approve {
            printer.confirm("Take it", "taken", "snapshot create", None)?;
        }
        let before = taken(&state, phase.as_str());
        let folder = store.artifacts().scratch()?;
        let name = format!("snapshot-{}", phase.file_name());
        let mut started = Background::start(&again(command, &file), &folder, &name)?;
        printer.message(&format!(
            "Started as process {}; what it says goes to {}",
            started.pid(),
            started.log().display()
        ));
        let waited = started.wait(BEGUN_WITHIN, printer, &mut || {
            let state = remember(&*store, &loaded.plan)?.state;
            if taken(&state, phase.as_str()) == before {
                return Ok(false);
            }
            // It is announced before it is asked for.
            let connections = Connections::new(&loaded.plan, &state.lineage);
            let found = loaded.plan.phases.get(&phase);
            let status = found.map(|it| look(&loaded.plan, it, &connections, false));
            Ok(matches!(status, Some(Ok(status)) if status.state != NOT_STARTED))
        })?;
        if matches!(waited, Waited::Slow) {
            printer.warn("it has not begun yet; `mig snapshot status` tells when it does");
        }
    }
    let state = remember(&*store, &loaded.plan)?.state;
    let connections = Connections::new(&loaded.plan, &state.lineage);
    let found = loaded.plan.phases.get(&phase);
    let found = found.ok_or_else(|| CliError::error("the phase is gone"))?;
    let status = look(&loaded.plan, found, &connections, false)?;
    if command.snapshot.json {
        let value = serde_json::json!({ "phases": [status] });
        printer.data(&backfill_session::json(&value)?)?;
    } else if let (Some(name), true) = (&status.name, status.state != NOT_STARTED) {
        printer.data(&format!("Snapshot {name}: {}\n", status.state))?;
    } else {
        let create = format!("mig snapshot create{}", dash_f(&file));
        printer.data(&status_text(&status, Some(&create)))?;
    }
    Ok(ExitCode::Success)
}

/// Snapshots that the phase ever announced.
fn taken(state: &crate::state::model::State, phase: &str) -> usize {
    let record = state.phases.iter().find(|(it, _)| it.as_str() == phase);
    record.map_or(0, |(_, record)| {
        let effects = record.effects.iter();
        effects.filter(|it| it.what == "create-snapshot").count()
    })
}

/// This command once more, waiting and without asking.
fn again(command: &SnapshotCreateCommand, file: &std::path::Path) -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<std::ffi::OsString> = Vec::new();
    let mut add = |words: &[&std::ffi::OsStr]| {
        arguments.extend(words.iter().map(|word| (*word).to_owned()));
    };
    for word in ["snapshot", "create", "--wait", "--auto-approve"] {
        add(&[word.as_ref()]);
    }
    add(&["-f".as_ref(), file.as_os_str()]);
    for (name, value) in &command.snapshot.args.vars {
        add(&["--var".as_ref(), format!("{name}={value}").as_ref()]);
    }
    for file in &command.snapshot.args.var_files {
        add(&["--var-file".as_ref(), file.as_os_str()]);
    }
    if let Some(phase) = &command.snapshot.phase {
        add(&["--phase".as_ref(), phase.as_ref()]);
    }
    if let Some(rate) = command.max_snapshot_rate_mb_per_node {
        let rate = rate.to_string();
        add(&["--max-snapshot-rate-mb-per-node".as_ref(), rate.as_ref()]);
    }
    let wait = command.lock.lock_timeout.to_string();
    add(&["--lock-timeout".as_ref(), wait.as_ref()]);
    arguments
}
