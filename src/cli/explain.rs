//! `mig explain`: what a code means and how to mend it.

use super::error::{CliError, CliResult};
use super::printer::Printer;
use crate::base::ExitCode;
use crate::engines::metadata::rules;
use crate::plan::codes::{self, Code, Row};
use crate::plan::diagnostics::did_you_mean;
use crate::ui::rules as shown;

/// Explain a code that mig shows, such as MIG012; without one, list them all.
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The code.
    code: Option<String>,
}

pub(crate) fn run(args: &ExplainArgs, printer: Printer) -> CliResult {
    let Some(text) = &args.code else {
        printer.data(&list())?;
        return Ok(ExitCode::Success);
    };
    let wanted = text.to_uppercase();
    if let Some(rule) = rules().iter().find(|rule| rule.code == wanted) {
        printer.data(&shown::text(rule))?;
        return Ok(ExitCode::Success);
    }
    let Some(row) = Code::parse(&wanted).and_then(Code::row) else {
        let rules = rules().iter().map(|rule| rule.code.to_owned());
        let known: Vec<String> = codes::all()
            .map(|row| row.code.to_string())
            .chain(rules)
            .collect();
        let error = CliError::error(format!("there is no code `{text}`"));
        return Err(
            match did_you_mean(&wanted, known.iter().map(String::as_str)) {
                Some(code) => error.help(format!("did you mean `{code}`?")),
                None => error.help("`mig explain` lists them"),
            },
        );
    };
    printer.data(&explain(row))?;
    Ok(ExitCode::Success)
}

fn list() -> String {
    let mut out = String::new();
    for row in codes::all() {
        out.push_str(&format!(
            "{}  {:<7}  {}\n",
            row.code,
            row.severity.as_str(),
            row.title
        ));
    }
    for rule in rules() {
        out.push_str(&format!(
            "{}  {:<7}  {}\n",
            rule.code,
            shown::level(rule),
            rule.title
        ));
    }
    out
}

fn explain(row: &Row) -> String {
    let mut out = format!(
        "{}: {} ({})\n\n",
        row.code,
        row.title,
        row.severity.as_str()
    );
    shown::wrap(row.explanation, &mut out);
    if let Some((before, after)) = row.example {
        for (title, text) in [("Before", before), ("After", after)] {
            out.push('\n');
            out.push_str(title);
            out.push_str(":\n\n");
            for line in text.lines() {
                out.push_str("    ");
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    if row.code.is_lint() {
        out.push_str(&format!("\nTurn it off with `allow: [{}]`.\n", row.code));
    }
    out
}
