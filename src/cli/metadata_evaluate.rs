//! `mig metadata evaluate`

use std::path::PathBuf;

use super::args::{ParallelArgs, PlanArgs};
use super::error::CliResult;
use super::load::{choose, load_plan, options};
use super::metadata_report::{Output, Run, phases, print};
use super::plan;
use super::printer::Printer;
use super::settings::plan_file;
use crate::apply::session::remember;
use crate::base::ExitCode;
use crate::diff::exit_code;
use crate::diff::selection::Selection;
use crate::ui::metadata_report::Mode;

/// Tell what the metadata phases of a plan would do; changes nothing anywhere
///
/// As `mig plan --only` these phases, in the words of the migration console. Unlike the console it asks the target beforehand
/// what it would refuse. Ends with 4 where a decision is missing.
#[derive(clap::Args, Debug)]
pub(super) struct MetadataEvaluateCommand {
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
}

pub(super) fn run(command: &MetadataEvaluateCommand, printer: Printer) -> CliResult {
    let file = plan_file(command.plan.as_deref(), &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let only = phases(&loaded, &command.only)?;
    let selection = Selection {
        only,
        ..Selection::default()
    };
    let selected = choose(&loaded.graph, &selection)?;
    let store = crate::state::open(&loaded.plan.state)?;
    let remembered = remember(&*store, &loaded.plan)?;
    for notice in &remembered.notices {
        printer.warn(&notice.to_string());
    }
    let parallelism = usize::from(command.parallel.parallelism);
    let made = plan::make(
        &loaded,
        &remembered.state,
        &selected,
        true,
        parallelism,
        printer,
    )?;
    printer.new_findings(&loaded.findings, &made.findings, &loaded.plan.files);
    let report = Run {
        loaded: &loaded,
        chosen: &selected.phases,
        made: &made,
        after: None,
        errors: &[],
    };
    print(&report, Mode::Evaluation, command.output, printer)?;
    let code = exit_code(&made.planned, false);
    if code == ExitCode::PlanInvalid {
        return Err(plan::undecided(&made.planned));
    }
    Ok(code)
}
