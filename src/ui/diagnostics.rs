//! Shows findings about a plan: as text for people, as JSON, as SARIF 2.1.0 for code review.
//!
//! Relies on `miette` for the text. All three are pure functions of their arguments, so the same plan gives the same bytes.
//! Deliberately absent: deciding anything; writing anywhere; finding out whether there is a terminal.

use std::fmt;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceSpan};
use serde_json::{Value, json};

use crate::base::units::plural;
use crate::plan::diagnostics::{Diagnostic, Severity};
use crate::plan::location::{Location, SourceFile};

/// How text looks.
#[derive(Clone, Copy, Debug)]
pub struct TextStyle {
    /// Colours and box characters; plain ASCII without.
    pub color: bool,
    /// Columns.
    pub width: usize,
}

impl Default for TextStyle {
    fn default() -> Self {
        Self {
            color: false,
            width: 80,
        }
    }
}

/// As text, ending with a line of counts.
pub fn text(diagnostics: &[Diagnostic], files: &[SourceFile], style: TextStyle) -> String {
    let theme = if style.color {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::none()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(style.width)
        .with_context_lines(1)
        .with_links(false)
        .with_break_words(false);
    let mut out = String::new();
    for diagnostic in diagnostics {
        let report = Report::new(diagnostic, files);
        let mut rendered = String::new();
        if handler.render_report(&mut rendered, &report).is_err() {
            rendered = format!("{} {}\n", diagnostic.code, diagnostic.message);
        }
        for line in rendered.trim_matches('\n').lines() {
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out.push('\n');
    }
    out.push_str(&summary(diagnostics, files));
    out.push('\n');
    out
}

/// `3 errors, 1 warning in plan.yaml`.
pub fn summary(diagnostics: &[Diagnostic], files: &[SourceFile]) -> String {
    let counts: Vec<String> = [
        (Severity::Error, "error"),
        (Severity::Warning, "warning"),
        (Severity::Advice, "piece of advice"),
    ]
    .into_iter()
    .filter_map(|(severity, noun)| {
        let count = diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == severity)
            .count();
        match (count, severity) {
            (0, _) => None,
            (count, Severity::Advice) if count > 1 => Some(format!("{count} pieces of advice")),
            (count, _) => Some(plural(count as u64, noun)),
        }
    })
    .collect();
    let place = files
        .first()
        .map_or(String::new(), |file| format!(" in {}", file.name));
    if counts.is_empty() {
        format!("no errors{place}")
    } else {
        format!("{}{place}", counts.join(", "))
    }
}

/// As a JSON array of `{ code, severity, message, help, file, line, column }`.
pub fn json(diagnostics: &[Diagnostic], files: &[SourceFile]) -> Value {
    diagnostics
        .iter()
        .map(|diagnostic| {
            let place = diagnostic
                .location
                .and_then(|location| place(location, files));
            json!({
                "code": diagnostic.code,
                "severity": diagnostic.severity,
                "message": diagnostic.message,
                "help": diagnostic.help,
                "file": place.as_ref().map(|place| place.file),
                "line": place.as_ref().map(|place| place.start.0),
                "column": place.as_ref().map(|place| place.start.1),
            })
        })
        .collect()
}

/// As SARIF 2.1.0, which code review tools show beside the lines.
pub fn sarif(diagnostics: &[Diagnostic], files: &[SourceFile]) -> Value {
    let mut codes: Vec<_> = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.code)
        .collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<Value> = codes
        .iter()
        .filter_map(|code| code.row())
        .map(|row| {
            json!({
                "id": row.code,
                "shortDescription": { "text": row.title },
                "fullDescription": { "text": row.explanation },
                "defaultConfiguration": { "level": level(row.severity) },
            })
        })
        .collect();
    let results: Vec<Value> = diagnostics
        .iter()
        .map(|diagnostic| {
            let text = match &diagnostic.help {
                Some(help) => format!("{}\nhelp: {help}", diagnostic.message),
                None => diagnostic.message.clone(),
            };
            let mut result = json!({
                "ruleId": diagnostic.code,
                "ruleIndex": codes.binary_search(&diagnostic.code).unwrap_or(0),
                "level": level(diagnostic.severity),
                "message": { "text": text },
            });
            if let Some(location) = diagnostic.location
                && let Some(place) = place(location, files)
            {
                result["locations"] = json!([{ "physicalLocation": physical(&place) }]);
            }
            let related: Vec<Value> = diagnostic
                .related
                .iter()
                .filter_map(|(location, text)| {
                    let place = place(*location, files)?;
                    Some(json!({ "physicalLocation": physical(&place), "message": { "text": text } }))
                })
                .collect();
            if !related.is_empty() {
                result["relatedLocations"] = Value::from(related);
            }
            result
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "mig",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Advice => "note",
    }
}

/// A location with lines and columns.
struct Place<'a> {
    file: &'a str,
    start: (usize, usize),
    end: (usize, usize),
}

fn place(location: Location, files: &[SourceFile]) -> Option<Place<'_>> {
    let file = files.get(location.file as usize)?;
    Some(Place {
        file: &file.name,
        start: file.line_column(location.start),
        end: file.line_column(location.end),
    })
}

fn physical(place: &Place<'_>) -> Value {
    json!({
        "artifactLocation": { "uri": place.file.replace('\\', "/") },
        "region": {
            "startLine": place.start.0,
            "startColumn": place.start.1,
            "endLine": place.end.0,
            "endColumn": place.end.1,
        },
    })
}

/// What `miette` shows: one finding with the text of one file.
struct Report<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
    /// Places in other files, each a note of its own.
    notes: Vec<Note>,
}

struct Note {
    text: String,
    source: NamedSource<String>,
    label: LabeledSpan,
}

impl<'a> Report<'a> {
    fn new(diagnostic: &'a Diagnostic, files: &[SourceFile]) -> Self {
        let file_of = |location: Location| {
            files
                .get(location.file as usize)
                .filter(|file| !file.text.is_empty())
        };
        let source = diagnostic.location.and_then(file_of);
        let mut labels = Vec::new();
        let mut notes = Vec::new();
        if let (Some(location), Some(file)) = (diagnostic.location, source) {
            labels.push(LabeledSpan::new_primary_with_span(
                Some("here".to_owned()).filter(|_| !diagnostic.related.is_empty()),
                span(location, file),
            ));
        }
        for (location, text) in &diagnostic.related {
            let Some(file) = file_of(*location) else {
                continue;
            };
            let label = LabeledSpan::new_with_span(Some(text.clone()), span(*location, file));
            if diagnostic.location.map(|own| own.file) == Some(location.file) {
                labels.push(label);
            } else {
                notes.push(Note {
                    text: text.clone(),
                    source: NamedSource::new(&file.name, file.text.clone()),
                    label,
                });
            }
        }
        Self {
            diagnostic,
            source: source.map(|file| NamedSource::new(&file.name, file.text.clone())),
            labels,
            notes,
        }
    }
}

/// Cut to the text and to one line, since a marked block of lines hides what is in it.
fn span(location: Location, file: &SourceFile) -> SourceSpan {
    let length = file.text.len();
    let mut start = (location.start as usize).min(length.saturating_sub(1));
    while !file.text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = (location.end as usize).clamp(start, length);
    while !file.text.is_char_boundary(end) {
        end -= 1;
    }
    let marked = file.text.get(start..end).unwrap_or_default();
    let marked = marked.lines().next().unwrap_or_default().trim_end();
    (start, marked.len()).into()
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!(
            "{}[{}]",
            self.diagnostic.severity.as_str(),
            self.diagnostic.code
        )))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Advice => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic
            .help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty())
            .then(|| Box::new(self.labels.iter().cloned()) as Box<dyn Iterator<Item = LabeledSpan>>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source
            .as_ref()
            .map(|source| source as &dyn miette::SourceCode)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        (!self.notes.is_empty()).then(|| {
            Box::new(
                self.notes
                    .iter()
                    .map(|note| note as &dyn miette::Diagnostic),
            ) as Box<dyn Iterator<Item = &'a dyn miette::Diagnostic>>
        })
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Note {}

impl miette::Diagnostic for Note {
    fn severity(&self) -> Option<miette::Severity> {
        Some(miette::Severity::Advice)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(self.label.clone())))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }
}
