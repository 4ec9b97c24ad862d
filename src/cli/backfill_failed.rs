//! `mig backfill failed`

use std::collections::BTreeMap;
use std::io::Write as _;

use clap::Subcommand;
use serde_json::json;

use super::args::PhaseArgs;
use super::backfill_session::{self, Session};
use super::error::{CliError, CliResult};
use super::printer::Printer;
use crate::base::ExitCode;
use crate::engines::bulk::failed::FailedDocument;
use crate::engines::bulk::failed::causes::Causes;
use crate::phases::backfill::failures::Failures;
use crate::phases::kind::PhaseError;
use crate::ui::backfill_failed::{FailedCount, count_text, document_line, untold_text};

/// Look at the documents that could not be written, and why
#[derive(clap::Args, Debug)]
pub(super) struct BackfillFailedCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Name each document that failed and still does: index, id, class and reason; with `--json` a line of JSON each, with the
    /// request as it was or would have been sent
    List(ListArgs),
    /// Count them by cause, class and index
    Count(ListArgs),
    /// Print where their lines are: a folder, or a place in the bucket of the state
    Location(PhaseArgs),
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    backfill: PhaseArgs,
    /// Of this index alone
    #[arg(long, value_name = "INDEX")]
    index: Option<String>,
    /// Of this class alone, such as `mapper_parsing_exception`
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
}

impl ListArgs {
    fn takes(&self, document: &FailedDocument<'_>) -> bool {
        let index = self.index.as_ref().is_none_or(|it| *it == document.index);
        index && self.class.as_ref().is_none_or(|it| *it == document.class)
    }
}

pub(super) fn run(command: &BackfillFailedCommand, printer: Printer) -> CliResult {
    let (Verb::List(ListArgs { backfill, .. })
    | Verb::Count(ListArgs { backfill, .. })
    | Verb::Location(backfill)) = &command.verb;
    let session = Session::open(backfill, printer)?;
    let phase = session.one(backfill.phase.as_deref())?;
    let failures = Failures::look(
        &session.loaded.plan,
        phase,
        &session.state,
        &session.connections,
        &*session.store.artifacts(),
    )?;
    match &command.verb {
        Verb::List(args) => list(args, &failures, printer)?,
        Verb::Count(args) => {
            let count = count(args, &failures)?;
            printer.data(&if backfill.json {
                backfill_session::json(&count)?
            } else {
                count_text(&phase.address, &count, Printer::columns())
            })?;
        }
        Verb::Location(_) if backfill.json => {
            let value = json!({"phase": phase.address, "location": failures.location()});
            printer.data(&backfill_session::json(&value)?)?;
        }
        Verb::Location(_) => printer.data(&format!("{}\n", failures.location()))?,
    }
    Ok(ExitCode::Success)
}

/// Lines go out as they are read: there may be more of them than memory holds.
fn list(args: &ListArgs, failures: &Failures, printer: Printer) -> Result<(), CliError> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut broken = None;
    let seen = failures.each(&mut |document| {
        if !args.takes(&document) {
            return Ok(());
        }
        let line = if args.backfill.json {
            serde_json::to_string(&document).unwrap_or_default()
        } else {
            document_line(&document)
        };
        writeln!(out, "{line}").map_err(|error| {
            let told = error.to_string();
            broken = Some(error);
            PhaseError::Failed {
                message: told,
                help: None,
            }
        })
    });
    if let Some(error) = broken {
        return Err(error.into());
    }
    out.flush()?;
    drop(out);
    if let Some(text) = untold_text(seen?) {
        printer.warn(&text);
    }
    Ok(())
}

fn count(args: &ListArgs, failures: &Failures) -> Result<FailedCount, CliError> {
    let mut causes = Causes::default();
    let mut by_class: BTreeMap<String, u64> = BTreeMap::new();
    let mut by_index: BTreeMap<String, u64> = BTreeMap::new();
    let mut failed = 0;
    let seen = failures.each(&mut |document| {
        if args.takes(&document) {
            failed += 1;
            *by_class.entry(document.class.to_string()).or_default() += 1;
            *by_index.entry(document.index.to_string()).or_default() += 1;
            causes.add(&document);
        }
        Ok(())
    })?;
    Ok(FailedCount {
        failed,
        untold: seen.untold(),
        by_class,
        by_index,
        causes: causes.into_list(),
    })
}
