//! `mig metadata migrate`

use std::path::PathBuf;

use super::apply::{self, ApplyCommand, Shown};
use super::args::{Depth, LockArgs, ParallelArgs, PlanArgs};
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
    let mut apply = ApplyCommand {
        shown: Shown::Metadata(command.output),
        ..ApplyCommand::of(
            file,
            &command.args,
            only,
            (&command.parallel, &command.lock),
            command.auto_approve,
        )
    };
    apply.show.detail = Depth::Summary;
    apply::run(&apply, printer)
}
