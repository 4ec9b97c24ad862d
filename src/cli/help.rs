//! `mig help`, with topics that are no commands, and the screen of `mig` alone.

use clap::CommandFactory as _;

use super::environment;
use super::error::{CliError, CliResult};
use super::printer::Printer;
use super::root::Cli;
use crate::base::ExitCode;

/// Print help of a command, or of `exit-codes` or `environment`
#[derive(clap::Args, Debug)]
pub(super) struct HelpArgs {
    /// A command or topic
    topic: Vec<String>,
}

pub(super) fn run(args: &HelpArgs, printer: Printer) -> CliResult {
    let text = match args.topic.as_slice() {
        [] => Cli::command().render_long_help().to_string(),
        [topic] if topic == "exit-codes" => exit_codes(),
        [topic] if topic == "environment" => variables(),
        words => {
            let mut command = Cli::command();
            command.build();
            let mut found = &mut command;
            for word in words {
                found = found.find_subcommand_mut(word).ok_or_else(|| {
                    CliError::error(format!(
                        "there is no command or topic `{}`",
                        words.join(" ")
                    ))
                    .help(
                        "`mig help` lists the commands; topics are `exit-codes` and `environment`",
                    )
                })?;
            }
            found.render_long_help().to_string()
        }
    };
    printer.data(&text)?;
    Ok(ExitCode::Success)
}

fn exit_codes() -> String {
    let mut text = String::from("Exit codes\n\n");
    for code in ExitCode::ALL {
        text.push_str(&format!("  {:>3}  {}\n", code as u8, code.meaning()));
    }
    text.push_str("\nWhen several hold, the first of 130, 4, 7, 6, 1, 8, 9, 5, 3, 2 is told.\n");
    text
}

fn variables() -> String {
    let mut text = String::from("Environment variables\n\n");
    for variable in environment::ALL {
        text.push_str(&format!("  {:<21}{}\n", variable.name, variable.meaning));
    }
    text
}

/// `mig` without arguments.
pub(super) const BARE: &str = "\
mig moves search clusters by a plan: see what will happen, apply it, prove it.

  mig init                 write a plan.yaml to begin with
  mig validate             check plan.yaml, without looking at any cluster
  mig plan                 show what an apply would do
  mig check                try it in small: stores, privileges, clocks, samples
  mig apply                do it; after any interruption, do the rest
  mig approve PHASE        let a phase go on that waits for a person
  mig status               what is done, what waits, and what to type next
  mig report               the whole migration in one HTML file
  mig rollback             take back what was done
  mig reset                forget what was begun, so that an apply begins anew
  mig restore-settings     put back what an interrupted backfill changed

Every command takes `-f FILE` where the plan is not plan.yaml.
All commands: mig help        Exit codes: mig help exit-codes
";
