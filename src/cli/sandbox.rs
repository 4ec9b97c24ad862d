//! `mig sandbox`

use std::path::PathBuf;

use clap::Subcommand;

use super::error::{CliError, CliResult};
use super::printer::Printer;
use crate::base::ExitCode;
use crate::sandbox::{Sandbox, SandboxError, places};

/// Run real clusters on this machine to try a plan on
#[derive(clap::Args, Debug)]
pub(super) struct SandboxCommand {
    #[command(subcommand)]
    command: SandboxVerb,
}

#[derive(Debug, Subcommand)]
enum SandboxVerb {
    Down(DownArgs),
}

/// Which sandbox.
#[derive(clap::Args, Clone, Debug)]
struct WhereArgs {
    /// The sandbox's directory
    #[arg(long, value_name = "DIR", default_value = places::DIRECTORY)]
    dir: PathBuf,
}

/// Stop its servers; their data stays
#[derive(clap::Args, Debug)]
struct DownArgs {
    #[command(flatten)]
    at: WhereArgs,
    /// Remove their data and the snapshots too
    #[arg(long)]
    delete: bool,
}

pub(super) fn run(command: &SandboxCommand, printer: Printer) -> CliResult {
    match &command.command {
        SandboxVerb::Down(args) => down(args, printer),
    }
}

fn down(args: &DownArgs, printer: Printer) -> CliResult {
    let sandbox = Sandbox::at(&args.at.dir)?;
    for name in sandbox.down()? {
        printer.message(&format!("stopped {name}"));
    }
    if args.delete {
        sandbox.delete()?;
    }
    Ok(ExitCode::Success)
}

impl From<SandboxError> for CliError {
    fn from(error: SandboxError) -> Self {
        error
            .help()
            .into_iter()
            .fold(Self::error(error.to_string()), Self::help)
    }
}
