//! `mig snapshot inspect`

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;

use super::error::{CliError, CliResult};
use super::printer::Printer;
use crate::base::ExitCode;
use crate::clients::objects::DirectoryStore;
use crate::engines::snapshot::inspect::inspect;
use crate::engines::snapshot::{Repository, SnapshotError};
use crate::ui::inspect::inspect_text;

/// Show what is in a snapshot repository, without a cluster
///
/// Snapshots, indices, shards, segments with their formats, documents, deletions and bytes. No document is read: counts
/// come from the metadata of segments. Ends with 8 when something in the snapshot can't be read.
#[derive(clap::Args, Debug)]
pub(crate) struct SnapshotInspectArgs {
    /// The repository's directory
    #[arg(long, value_name = "DIR")]
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

/// Opens the repository in a directory.
pub(super) fn open(directory: &std::path::Path) -> Result<Repository, CliError> {
    Ok(Repository::open(Arc::new(DirectoryStore::new(directory)))?)
}

impl From<SnapshotError> for CliError {
    fn from(error: SnapshotError) -> Self {
        Self::error(error.to_string())
    }
}
