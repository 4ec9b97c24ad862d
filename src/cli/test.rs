//! `mig test`: runs the tests of a plan, without any cluster.

use std::path::PathBuf;

use super::args::PlanArgs;
use super::error::{CliError, CliResult};
use super::load::{load_plan, options};
use super::printer::Printer;
use super::settings::plan_file;
use crate::base::ExitCode;
use crate::phases::plan_tests;
use crate::plan::diagnostics::did_you_mean;
use crate::plan::model::PlanTest;
use crate::ui::plan_tests::tests_text;

/// Run the tests of a plan: documents through transforms, mappings through the translation. No cluster is needed
#[derive(Debug, clap::Args)]
pub(super) struct TestCommand {
    /// The plan file [default: plan.yaml]
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    args: PlanArgs,
    /// This test alone (can be repeated)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How results are shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How results are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// An array of results.
    Json,
}

pub(super) fn run(command: &TestCommand, printer: Printer) -> CliResult {
    let file = plan_file(command.plan.as_deref(), &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let tests = &loaded.plan.tests;
    for name in &command.only {
        if !tests.iter().any(|test| test.name == *name) {
            let known = tests.iter().map(|test| test.name.as_str());
            let error = CliError::error(format!("the plan has no test `{name}`"));
            return Err(match did_you_mean(name, known) {
                Some(other) => error.help(format!("did you mean `{other}`?")),
                None => error.help("they stand under `tests:`"),
            });
        }
    }
    let chosen = |test: &&PlanTest| command.only.is_empty() || command.only.contains(&test.name);
    let results: Vec<_> = tests.iter().filter(chosen).map(plan_tests::run).collect();
    if results.is_empty() {
        printer.warn("the plan has no tests: write them under `tests:`");
    }
    let text = match command.format {
        Format::Text => tests_text(&results, printer.theme(), Printer::columns()),
        Format::Json => {
            let json = serde_json::to_string_pretty(&results);
            json.map_err(|error| CliError::error(error.to_string()))? + "\n"
        }
    };
    printer.data(&text)?;
    Ok(if results.iter().all(|result| result.passed) {
        ExitCode::Success
    } else {
        ExitCode::CheckFailed
    })
}
