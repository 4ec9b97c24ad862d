//! Which renderer of `ui` shows what.

use std::io::IsTerminal as _;

use super::args::{Depth, Format};
use super::error::CliError;
use super::printer::Printer;
use crate::diff::{PlanComparison, PlannedChanges};
use crate::phases::backfill::sample::IndexSample;
use crate::plan::diagnostics::Diagnostic;
use crate::plan::location::SourceFile;
use crate::ui::diagnostics::{self, TextStyle};
use crate::ui::plan_base::{comparison_markdown, comparison_text};
use crate::ui::plan_json::plan_json;
use crate::ui::plan_markdown::plan_markdown;
use crate::ui::plan_samples::{plan_json_with, samples_markdown, samples_text};
use crate::ui::plan_text::{Detail, TextOptions, plan_text};
use crate::ui::summary::{ApplySummary, apply_summary};
use crate::ui::theme::Theme;

/// Columns where there is no terminal to ask.
const COLUMNS: usize = 80;
/// Fewer than these leave no room for names.
const COLUMNS_MIN: usize = 40;
/// Beyond this, lines are hard to read; whoever asks for more by `COLUMNS` gets it.
const COLUMNS_MAX: usize = 140;
/// The largest comment that GitHub takes.
const MARKDOWN_BYTES: usize = 65_536;

impl Printer {
    /// Colours or none, for standard output.
    pub(crate) fn theme(self) -> Theme {
        if self.colors() {
            Theme::coloured()
        } else {
            Theme::plain()
        }
    }

    /// The width of the terminal, or what `COLUMNS` says where there is none.
    pub(crate) fn columns() -> usize {
        if !std::io::stdout().is_terminal() {
            let said = std::env::var("COLUMNS").ok();
            let said = said.and_then(|said| said.trim().parse().ok());
            return said.filter(|said| *said >= COLUMNS_MIN).unwrap_or(COLUMNS);
        }
        let size = rustix::termios::tcgetwinsize(std::io::stdout());
        let columns = size.map_or(COLUMNS, |size| usize::from(size.ws_col));
        if columns == 0 {
            COLUMNS
        } else {
            columns.min(COLUMNS_MAX)
        }
    }

    fn text_options(self) -> TextOptions {
        TextOptions {
            width: Self::columns(),
            theme: self.theme(),
            ..TextOptions::default()
        }
    }

    /// Findings about a plan, to standard error.
    pub(crate) fn diagnostics(self, findings: &[Diagnostic], files: &[SourceFile]) {
        if findings.is_empty() {
            return;
        }
        let style = TextStyle {
            color: self.colors(),
            width: Self::columns(),
        };
        self.message(diagnostics::text(findings, files, style).trim_end());
    }

    /// Those findings that were not told before.
    pub(crate) fn new_findings(
        self,
        told: &[Diagnostic],
        all: &[Diagnostic],
        files: &[SourceFile],
    ) {
        self.diagnostics(all.get(told.len()..).unwrap_or_default(), files);
    }

    /// What would be done.
    pub(crate) fn planned(
        self,
        planned: &PlannedChanges,
        samples: Option<&(Vec<IndexSample>, usize)>,
        format: Format,
        depth: Depth,
        max_bytes: Option<usize>,
    ) -> Result<(), CliError> {
        let options = TextOptions {
            detail: match depth {
                Depth::Summary => Detail::Summary,
                Depth::Normal => Detail::Normal,
                Depth::Full => Detail::Full,
            },
            ..self.text_options()
        };
        let max_bytes = max_bytes.unwrap_or(MARKDOWN_BYTES);
        let Some((samples, beyond)) = samples else {
            return self.data(&match format {
                Format::Text => plan_text(planned, &options),
                Format::Json => plan_json(planned),
                Format::Markdown => plan_markdown(planned, max_bytes),
            });
        };
        self.data(&match format {
            Format::Text => {
                let layout = (options.theme, options.width);
                plan_text(planned, &options) + &samples_text(samples, *beyond, layout)
            }
            Format::Json => plan_json_with(planned, samples, *beyond),
            Format::Markdown => {
                let plan = plan_markdown(planned, max_bytes);
                let room = max_bytes.saturating_sub(plan.len());
                plan + &samples_markdown(samples, *beyond, room)
            }
        })
    }

    /// What would be done, as a message: where standard output is for something else.
    pub(crate) fn planned_message(self, planned: &PlannedChanges) {
        self.message(&plan_text(planned, &self.text_options()));
    }

    /// What one plan changes against another.
    pub(crate) fn comparison(
        self,
        base: &str,
        comparison: &PlanComparison,
        format: Format,
    ) -> Result<(), CliError> {
        let text = match format {
            Format::Text => comparison_text(base, comparison, &self.text_options()),
            Format::Markdown => comparison_markdown(base, comparison),
            Format::Json => {
                let json = serde_json::to_string_pretty(comparison);
                json.map_err(|error| CliError::error(error.to_string()))? + "\n"
            }
        };
        self.data(&text)
    }

    /// The end of an apply.
    pub(crate) fn summary(self, summary: &ApplySummary) -> Result<(), CliError> {
        self.data(&format!(
            "\n{}",
            apply_summary(summary, Self::columns(), self.theme())
        ))
    }
}
