//! `mig validate`: checks a plan without looking at anything outside of its files.

use std::path::PathBuf;

use super::args::PlanArgs;
use super::error::CliResult;
use super::load::options;
use super::printer::Printer;
use super::settings::plan_file;
use crate::base::ExitCode;
use crate::plan::diagnostics::{Severity, sort};
use crate::plan::load;
use crate::ui::diagnostics::{self, TextStyle};

/// Check a plan: its language, its references, its order. Nothing outside of its files is read.
#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    /// The plan file [default: plan.yaml]
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    args: PlanArgs,
    /// How findings are shown.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Exit with 4 on warnings too.
    #[arg(long)]
    deny_warnings: bool,
}

/// How findings are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// An array of findings.
    Json,
    /// SARIF 2.1.0, for code review.
    Sarif,
}

pub(crate) fn run(args: &ValidateArgs, printer: Printer) -> CliResult {
    let path = plan_file(args.plan.as_deref(), &args.args)?;
    let outcome = load(&path, &options(&args.args));
    let mut found = outcome.diagnostics;
    if let Some(plan) = &outcome.plan {
        found.extend(crate::graph::compile(plan).1);
        sort(&mut found);
    }
    let worst = found.iter().map(|diagnostic| diagnostic.severity).min();
    let code = match worst {
        Some(Severity::Error) => ExitCode::PlanInvalid,
        Some(Severity::Warning) if args.deny_warnings => ExitCode::PlanInvalid,
        _ => ExitCode::Success,
    };
    let out = match args.format {
        Format::Text => {
            let style = TextStyle {
                color: printer.colors(),
                ..TextStyle::default()
            };
            diagnostics::text(&found, &outcome.files, style)
        }
        Format::Json => pretty(&diagnostics::json(&found, &outcome.files)),
        Format::Sarif => pretty(&diagnostics::sarif(&found, &outcome.files)),
    };
    printer.data(&out)?;
    Ok(code)
}

fn pretty(value: &serde_json::Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
