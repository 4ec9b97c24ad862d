//! `mig show`

use std::path::PathBuf;

use super::args::{Depth, Format, PlanArgs};
use super::error::{CliError, CliResult};
use super::load::{load_plan, options};
use super::printer::Printer;
use super::saved;
use super::settings::plan_file;
use crate::base::ExitCode;
use crate::ui::show_resolved::show_resolved;

/// Show a plan with every default and variable filled in, or a plan saved by `mig plan --out`
#[derive(clap::Args, Debug)]
pub(super) struct ShowCommand {
    /// The plan file [default: plan.yaml], or a saved plan
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    args: PlanArgs,
    /// How it is shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// How much is shown (text, of a saved plan)
    #[arg(long, value_enum, default_value_t)]
    detail: Depth,
    /// Keep the output under this many bytes (markdown, of a saved plan)
    #[arg(long, value_name = "N")]
    max_bytes: Option<usize>,
}

pub(super) fn run(command: &ShowCommand, printer: Printer) -> CliResult {
    let file = plan_file(command.plan.as_deref(), &command.args)?;
    if let Some(saved) = saved::read_if_saved(&file)? {
        printer.planned(
            saved.planned(),
            None,
            command.format,
            command.detail,
            command.max_bytes,
        )?;
        return Ok(ExitCode::Success);
    }
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let text = if command.format == Format::Json {
        let json = serde_json::to_string_pretty(&loaded.plan);
        json.map_err(|error| CliError::error(error.to_string()))? + "\n"
    } else {
        show_resolved(&loaded.plan, &loaded.graph, printer.theme())
    };
    printer.data(&text)?;
    Ok(ExitCode::Success)
}
