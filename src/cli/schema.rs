//! `mig schema`: the JSON schema of the plan language, for editors.

use super::error::CliResult;
use super::printer::Printer;
use crate::base::ExitCode;

/// Print the JSON schema of plan files, which editors use for completion and checks.
#[derive(Debug, clap::Args)]
pub(crate) struct SchemaArgs {}

pub(crate) fn run(_: &SchemaArgs, printer: Printer) -> CliResult {
    printer.data(&crate::plan::schema::schema_text())?;
    Ok(ExitCode::Success)
}
