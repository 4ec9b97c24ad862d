//! Which renderer of `ui` shows what.

use super::args::Format;
use super::error::CliError;
use super::printer::Printer;
use crate::diff::{PlanComparison, PlannedChanges};
use crate::plan::diagnostics::Diagnostic;
use crate::plan::location::SourceFile;

impl Printer {
    /// Findings about a plan, to standard error.
    pub(crate) fn diagnostics(self, findings: &[Diagnostic], files: &[SourceFile]) {
        for finding in findings {
            let place = finding.location.and_then(|at| {
                let file = files.get(at.file as usize)?;
                let (line, column) = file.line_column(at.start);
                Some(format!("{}:{line}:{column}: ", file.name))
            });
            self.message(&format!(
                "{}{}[{}]: {}",
                place.unwrap_or_default(),
                finding.severity.as_str(),
                finding.code,
                finding.message
            ));
            if let Some(help) = &finding.help {
                self.message(&format!("  help: {help}"));
            }
        }
    }

    /// Those findings that were not told before.
    pub(crate) fn new_findings(
        self,
        told: &[Diagnostic],
        all: &[Diagnostic],
        files: &[SourceFile],
    ) {
        let new: Vec<Diagnostic> = all.iter().skip(told.len()).cloned().collect();
        self.diagnostics(&new, files);
    }

    /// What would be done.
    pub(crate) fn planned(
        self,
        planned: &PlannedChanges,
        format: Format,
        _max_bytes: Option<usize>,
    ) -> Result<(), CliError> {
        let text = match format {
            Format::Json => planned.to_json(),
            Format::Text | Format::Markdown => planned
                .phases()
                .map(|change| {
                    format!(
                        "  {:<3} {}  {}\n",
                        change.action.symbol(),
                        change.address,
                        change.title
                    )
                })
                .collect(),
        };
        self.data(&text)
    }

    /// What one plan changes against another.
    #[allow(clippy::unused_self)] // the same form as its neighbours
    pub(crate) fn comparison(
        self,
        comparison: &PlanComparison,
        _format: Format,
    ) -> Result<String, CliError> {
        serde_json::to_string_pretty(comparison)
            .map(|text| text + "\n")
            .map_err(|error| CliError::error(error.to_string()))
    }
}
