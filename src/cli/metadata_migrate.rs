//! `mig metadata migrate`

use std::path::PathBuf;

use super::apply::{self, ApplyCommand, Shown};
use super::args::{Depth, Format, LockArgs, ParallelArgs, PlanArgs, SelectionArgs, ShowArgs};
use super::error::CliResult;
use super::load::{load_plan, options};
use super::metadata_report::{Output, existing_snapshots, phases};
use super::printer::Printer;
use super::settings::plan_file;

/// Do what the metadata phases of a plan say
///
/// As `mig apply --only` these phases and the snapshots that are there for them already, with the same state, locks,
/// approvals and exit codes, and the report of the migration console.
#[derive(clap::Args, Debug)]
pub(super) struct MetadataMigrateCommand {
    /// The plan file [default: plan.yaml]
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    args: PlanArgs,
    /// This metadata phase alone (can be repeated)
    #[arg(long, value_name = "PHASE")]
    only: Vec<String>,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    parallel: ParallelArgs,
    #[command(flatten)]
    lock: LockArgs,
    /// Do not ask before applying
    #[arg(long)]
    auto_approve: bool,
}

pub(super) fn run(command: &MetadataMigrateCommand, printer: Printer) -> CliResult {
    let file = plan_file(command.plan.as_deref(), &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let mut only = phases(&loaded, &command.only)?;
    only.extend(existing_snapshots(&loaded, &only));
    let apply = ApplyCommand {
        plan: None,
        args: PlanArgs {
            file: Some(file),
            ..command.args.clone()
        },
        selection: SelectionArgs {
            only,
            ..SelectionArgs::default()
        },
        show: ShowArgs {
            format: Format::Text,
            detail: Depth::Summary,
            max_bytes: None,
            refresh: true,
        },
        parallel: command.parallel.clone(),
        lock: command.lock.clone(),
        auto_approve: command.auto_approve,
        max_duration: None,
        events: None,
        shown: Shown::Metadata(command.output),
        rate_per_node: None,
    };
    apply::run(&apply, printer)
}
