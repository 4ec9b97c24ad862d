//! `mig export`

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;

use super::error::{CliError, CliResult};
use super::printer::Printer;
use super::snapshot_inspect::open;
use crate::base::ExitCode;
use crate::base::units::{human_bytes, plural};
use crate::engines::snapshot::Snapshot;
use crate::engines::snapshot::export::{
    ExportError, ExportForm, ExportReport, ExportRequest, to_directory, to_writer,
};
use crate::plan::selector::{LeftOutReason, Selector};

/// Write the documents of a snapshot as NDJSON, without a cluster
///
/// A `_source` that is stored as JSON is written byte for byte, except that line breaks within it become spaces, so that
/// a document stays on one line. SMILE and CBOR are rendered as JSON with their numbers intact. A document that can't be
/// written (YAML) is named, and the command ends with 9.
#[derive(clap::Args, Debug)]
pub(crate) struct ExportArgs {
    /// The repository: a directory, or `s3://BUCKET/PREFIX[?endpoint=URL&region=NAME&path-style=true]`
    #[arg(long, value_name = "DIR|S3")]
    store: PathBuf,
    /// The snapshot
    #[arg(long, value_name = "NAME")]
    snapshot: String,
    /// Indices: a name, a glob, `/regex/`, or `!` before one to leave out (can be repeated)
    #[arg(long = "index", value_name = "SELECTOR", required = true)]
    indices: Vec<String>,
    /// `-` for standard output, in a stable order; or a directory for one file an index, written by all cores
    #[arg(long, value_name = "-|DIR")]
    to: PathBuf,
    /// `raw`: a line a document with its identity; `bulk`: action and source, ready for `_bulk`
    #[arg(long = "as", value_enum, default_value_t, value_name = "FORM")]
    form: Form,
    /// Only the documents with this `_id` (can be repeated)
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
    /// At most so many documents in all
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// `{"_index":…,"_id":…,"_routing":…,"_source":…}`
    #[default]
    Raw,
    /// `{"index":{…}}` and the source, two lines a document
    Bulk,
}

pub(crate) fn run(args: &ExportArgs, printer: Printer) -> CliResult {
    let started = Instant::now();
    let snapshot = open(&args.store)?.snapshot(&args.snapshot)?;
    let request = ExportRequest {
        indices: choose(&snapshot, &args.indices, printer)?,
        form: match args.form {
            Form::Raw => ExportForm::Raw,
            Form::Bulk => ExportForm::Bulk,
        },
        ids: args.ids.clone(),
        limit: args.limit,
    };
    let to_stdout = args.to == Path::new("-");
    let report = if to_stdout {
        to_writer(&snapshot, &request, &mut std::io::stdout().lock())?
    } else {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        to_directory(&snapshot, &request, &args.to, threads)?
    };
    if !to_stdout {
        let files = plural(report.files.len() as u64, "file");
        printer.message(&format!(
            "{} in {files}, {}, in {:.1} s: {}",
            plural(report.documents, "document"),
            human_bytes(report.bytes),
            started.elapsed().as_secs_f64(),
            args.to.display(),
        ));
    }
    Ok(tell_problems(&report, printer))
}

/// The chosen indices; what a pattern met and the rules left out is told.
fn choose(
    snapshot: &Snapshot,
    patterns: &[String],
    printer: Printer,
) -> Result<Vec<String>, CliError> {
    let selector = Selector::parse(patterns).map_err(|error| CliError::error(error.to_string()))?;
    let names: Vec<&str> = snapshot
        .indices()
        .iter()
        .map(|index| index.name.as_str())
        .collect();
    if let Some(pattern) = selector.unmatched(&names).first() {
        // A plain name gets its did-you-mean from the snapshot.
        return Err(match snapshot.index(pattern) {
            Err(error) => error.into(),
            Ok(_) => CliError::error(format!("`{pattern}` matches no index")),
        });
    }
    let mut chosen = Vec::new();
    for name in names {
        match selector.left_out(name) {
            None => chosen.push(name.to_owned()),
            Some(LeftOutReason::SystemIndex) => printer.message(&format!(
                "left out: {name} (a system index: give a pattern that begins with `.`)"
            )),
            Some(LeftOutReason::Excluded(_) | LeftOutReason::NotSelected) => {}
        }
    }
    if chosen.is_empty() {
        return Err(CliError::error("no index is left to export"));
    }
    Ok(chosen)
}

fn tell_problems(report: &ExportReport, printer: Printer) -> ExitCode {
    for failure in &report.failures {
        printer.warn(&format!(
            "document `{}` of `{}` is not written: {}",
            failure.id.escape_debug(),
            failure.index,
            failure.reason
        ));
    }
    let named = report.failures.len() as u64;
    if report.failed > named {
        printer.warn(&format!(
            "and {} more",
            plural(report.failed - named, "document")
        ));
    }
    if report.without_source > 0 {
        printer.warn(&format!(
            "{} without a stored _source",
            plural(report.without_source, "document")
        ));
    }
    if report.failed + report.without_source > 0 {
        ExitCode::Partial
    } else {
        ExitCode::Success
    }
}

impl From<ExportError> for CliError {
    fn from(error: ExportError) -> Self {
        Self::error(error.to_string())
    }
}
