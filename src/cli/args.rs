//! Arguments that several commands share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::environment;
use crate::base::units::Span;
use crate::serve::ListenAddress;

/// Which plan, and the values of its variables.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PlanArgs {
    /// The plan file
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Set a variable of the plan
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) vars: Vec<(String, String)>,
    /// Read variables of the plan from a YAML file
    #[arg(long = "var-file", value_name = "FILE")]
    pub(crate) var_files: Vec<PathBuf>,
}

/// Which phases.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SelectionArgs {
    /// This phase alone, or all phases of this hop, such as `es56->os2` (can be repeated)
    #[arg(long, value_name = "PHASE|HOP")]
    pub(crate) only: Vec<String>,
    /// This phase or hop and all that it needs (can be repeated)
    #[arg(long, value_name = "PHASE|HOP")]
    pub(crate) until: Vec<String>,
    /// This phase or hop and all that waits for it (can be repeated)
    #[arg(long, value_name = "PHASE|HOP")]
    pub(crate) from: Vec<String>,
    /// Do this phase or hop again though it is up to date (can be repeated)
    #[arg(long, value_name = "PHASE|HOP")]
    pub(crate) redo: Vec<String>,
}

/// One phase of a plan, and how the answer looks.
#[derive(Args, Clone, Debug)]
pub(crate) struct PhaseArgs {
    #[command(flatten)]
    pub(crate) args: PlanArgs,
    /// The phase that is meant; not needed where the plan has one of the kind
    #[arg(long, value_name = "PHASE")]
    pub(crate) phase: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a plan is made and shown.
#[derive(Args, Clone, Debug)]
pub(crate) struct ShowArgs {
    /// How the plan is shown
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
    /// How much is shown (text)
    #[arg(long, value_enum, default_value_t)]
    pub(crate) detail: Depth,
    /// Keep the output under this many bytes by folding what is alike (markdown)
    #[arg(long, value_name = "N")]
    pub(crate) max_bytes: Option<usize>,
    /// `--refresh=false` takes what was observed the last time instead of looking again
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub(crate) refresh: bool,
}

/// How much of a plan is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Depth {
    /// Phases, and what a person must decide.
    Summary,
    /// Items too, those that are alike once.
    #[default]
    Normal,
    /// Every item and every edit.
    Full,
}

/// A form of output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people at a terminal.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For pull requests.
    Markdown,
}

/// Commands that change the state.
#[derive(Args, Clone, Debug)]
pub(crate) struct LockArgs {
    /// How long to wait when another process holds the state
    #[arg(long, env = environment::MIG_LOCK_TIMEOUT, hide_env_values = true, default_value = "0s", value_name = "TIME")]
    pub(crate) lock_timeout: Span,
}

/// How many phases at once.
#[derive(Args, Clone, Debug)]
pub(crate) struct ParallelArgs {
    /// How many phases may be looked at, or run, at once
    #[arg(long, env = environment::MIG_PARALLELISM, hide_env_values = true, default_value_t = 4, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) parallelism: u16,
}

/// Figures of a run for Prometheus.
#[derive(Args, Clone, Debug)]
pub(crate) struct MetricsArgs {
    /// Serve figures for Prometheus at /metrics of this address: `127.0.0.1:9464`, or a port alone for this machine only;
    /// port 0 takes a free one, which is told [default: off]
    #[arg(long, env = environment::MIG_METRICS_ADDRESS, hide_env_values = true, value_name = "ADDRESS")]
    pub(crate) metrics_address: Option<ListenAddress>,
    /// When all is over, serve the last figures until they were read once, or for this time at most
    #[arg(long, default_value = "0s", value_name = "TIME")]
    pub(crate) metrics_linger: Span,
}

impl MetricsArgs {
    /// Nothing is served.
    pub(crate) fn off() -> Self {
        Self {
            metrics_address: None,
            metrics_linger: Span(Duration::ZERO),
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write it as NAME=VALUE".to_owned())
}
