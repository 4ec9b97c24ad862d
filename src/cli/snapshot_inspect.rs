//! `mig snapshot inspect`

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;

use super::error::{CliError, CliResult};
use super::printer::Printer;
use crate::base::{ExitCode, S3Uri};
use crate::clients::objects::{DirectoryStore, ObjectStore, open_s3};
use crate::engines::snapshot::inspect::inspect;
use crate::engines::snapshot::{Repository, SnapshotError};
use crate::ui::inspect::inspect_text;

/// Show what is in a snapshot repository, without a cluster
///
/// Snapshots, indices, shards, segments with their formats, documents, deletions and bytes. No document is read: counts
/// come from the metadata of segments. Ends with 8 when something in the snapshot can't be read.
#[derive(clap::Args, Debug)]
pub(crate) struct SnapshotInspectArgs {
    /// The repository: a directory, or `s3://BUCKET/PREFIX[?endpoint=URL&region=NAME&path-style=true]`
    #[arg(long, value_name = "DIR|S3")]
    store: PathBuf,
    /// The snapshot to look into; not needed when there is only one
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
    /// How it is shown; `json` has every shard and segment
    #[arg(long, value_enum, default_value_t)]
    format: InspectFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum InspectFormat {
    /// For people at a terminal.
    #[default]
    Text,
    /// For programs.
    Json,
}

pub(crate) fn run(args: &SnapshotInspectArgs, printer: Printer) -> CliResult {
    let repository = open(&args.store)?;
    let report = inspect(&repository, args.snapshot.as_deref())?;
    let text = match args.format {
        InspectFormat::Text => inspect_text(&report),
        InspectFormat::Json => {
            let mut text = serde_json::to_string_pretty(&report)
                .map_err(|error| CliError::error(error.to_string()))?;
            text.push('\n');
            text
        }
    };
    printer.data(&text)?;
    let damaged = report.detail.is_some_and(|detail| detail.totals.errors > 0);
    Ok(if damaged {
        ExitCode::CheckFailed
    } else {
        ExitCode::Success
    })
}

/// Opens the repository in a directory or a bucket.
pub(super) fn open(store: &std::path::Path) -> Result<Repository, CliError> {
    let objects: Arc<dyn ObjectStore> = match store.to_str() {
        Some(uri) if uri.starts_with("s3:") => {
            let place = S3Uri::parse(uri).map_err(|problem| {
                CliError::error(format!("`--store {uri}` {problem}"))
                    .help("write `s3://BUCKET/PREFIX`")
            })?;
            open_s3(&place, None).map_err(|error| CliError::error(error.to_string()))?
        }
        _ => Arc::new(DirectoryStore::new(store)),
    };
    Ok(Repository::open(objects)?)
}

impl From<SnapshotError> for CliError {
    fn from(error: SnapshotError) -> Self {
        Self::error(error.to_string())
    }
}
