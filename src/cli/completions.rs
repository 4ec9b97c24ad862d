//! `mig completions`

use clap::CommandFactory as _;

use super::error::CliResult;
use super::printer::Printer;
use super::root::Cli;
use crate::base::ExitCode;

/// Print a completion script for a shell
#[derive(clap::Args, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &CompletionsArgs, printer: Printer) -> CliResult {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mig", &mut script);
    printer.data(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::Success)
}
