//! The sampled documents of `mig plan --sample`, below the plan itself.
//!
//! Pure. Deliberately absent: whole documents in text and Markdown, which are in the JSON.

use serde_json::{Value, json};

use super::layout::{cut, width, wrap};
use super::theme::{Paint, Theme};
use crate::base::units::plural;
use crate::diff::PlannedChanges;
use crate::diff::change::Edit;
use crate::phases::backfill::sample::{IndexSample, SampledDocument, SampledFate};

/// Columns of a line for a pull request.
const MARKDOWN_COLUMNS: usize = 100;
/// Columns that a value gets at the least, and of two on one line each.
const VALUE_COLUMNS: usize = 16;
/// Before what becomes of a field.
const FIELD: usize = 4;

/// For a terminal.
pub fn samples_text(
    samples: &[IndexSample],
    beyond: usize,
    (theme, columns): (Theme, usize),
) -> String {
    let mut out = String::new();
    if samples.is_empty() {
        out.push_str("\nSamples: no documents go through transforms.\n");
    }
    for sample in samples {
        out.push('\n');
        for line in wrap(&heading(sample), columns) {
            out.push_str(&theme.paint(Paint::Strong, &line));
            out.push('\n');
        }
        for document in &sample.documents {
            for line in lines(document, columns.saturating_sub(2)) {
                out.push_str(&format!("  {line}\n"));
            }
        }
    }
    if beyond > 0 {
        out.push('\n');
    }
    out.push_str(&more(beyond));
    out
}

/// For a pull request; what is beyond so many bytes is counted.
pub fn samples_markdown(samples: &[IndexSample], beyond: usize, max_bytes: usize) -> String {
    let mut out = String::from("\n### Samples\n\n");
    let mut left = 0;
    for sample in samples {
        let mut section = format!("**{}**\n\n", heading(sample));
        if !sample.documents.is_empty() {
            section.push_str("```\n");
            let all = sample.documents.iter();
            for line in all.flat_map(|it| lines(it, MARKDOWN_COLUMNS)) {
                // A fence in a value would end the block.
                section.push_str(&line.replace("```", "'''"));
                section.push('\n');
            }
            section.push_str("```\n\n");
        }
        if out.len() + section.len() > max_bytes {
            left += 1;
        } else {
            out.push_str(&section);
        }
    }
    if samples.is_empty() {
        out.push_str("No documents go through transforms.\n");
    }
    out.push_str(&more(beyond + left));
    out
}

/// The plan's JSON with the samples under `samples`.
pub fn plan_json_with(planned: &PlannedChanges, samples: &[IndexSample], beyond: usize) -> String {
    let mut plan = serde_json::to_value(planned).unwrap_or_default();
    if let Value::Object(fields) = &mut plan {
        fields.insert(
            "samples".into(),
            json!({ "indices": samples, "not_sampled": beyond }),
        );
    }
    let mut text = serde_json::to_string_pretty(&plan).unwrap_or_default();
    text.push('\n');
    text
}

fn heading(sample: &IndexSample) -> String {
    let unchanged = match sample.unchanged {
        0 => String::new(),
        count => format!(", {count} unchanged"),
    };
    format!(
        "Samples of {} · {} · through {} · {} read{unchanged}",
        sample.index,
        sample.phase,
        sample.transforms.join(", "),
        plural(sample.read, "document"),
    )
}

fn more(beyond: usize) -> String {
    match beyond {
        0 => String::new(),
        1 => "1 more index is not shown.\n".to_owned(),
        count => format!("{count} more indices are not shown.\n"),
    }
}

fn lines(document: &SampledDocument, columns: usize) -> Vec<String> {
    let id = match &document.routing {
        Some(routing) => format!("{} (routing {routing})", document.id),
        None => document.id.clone(),
    };
    let hung = |text: String| {
        let mut head = "";
        let lines = wrap(&text, columns.saturating_sub(FIELD)).into_iter();
        let hang = |line| {
            let line = format!("{head}{line}");
            head = "    ";
            line
        };
        lines.map(hang).collect()
    };
    match &document.fate {
        SampledFate::LeftOut { by } => hung(format!("- {id}: left out by transform {by}")),
        SampledFate::Fails { reason } => hung(format!("! {id}: fails: {reason}")),
        SampledFate::Changed { edits, .. } => {
            let mut all = vec![format!("~ {id}")];
            if edits.is_empty() {
                all.push("    the spelling alone: digits, or the order of keys".to_owned());
            }
            all.extend(edits.iter().flat_map(|edit| fields(edit, columns)));
            all
        }
    }
}

/// What becomes of a field, or of each field of an object that comes or goes as a whole.
fn fields(edit: &Edit, columns: usize) -> Vec<String> {
    let (symbol, whole) = match (&edit.before, &edit.after) {
        (None, Some(after)) => ('+', after),
        (Some(before), None) => ('-', before),
        (before, after) => {
            let room = columns.saturating_sub(FIELD + 7 + width(&edit.path)) / 2;
            let short = |value: &Option<Value>| value.as_ref().map(|it| short(it, room));
            let (before, after) = (short(before), short(after));
            return vec![format!(
                "    ~ {}: {} → {}",
                edit.path,
                before.unwrap_or_default(),
                after.unwrap_or_default()
            )];
        }
    };
    let mut leaves = Vec::new();
    leaves_of(whole, edit.path.clone(), &mut leaves);
    let line = |(path, value): (String, &Value)| {
        let room = columns.saturating_sub(FIELD + 4 + width(&path));
        format!("    {symbol} {path}: {}", short(value, room))
    };
    leaves.into_iter().map(line).collect()
}

fn leaves_of<'v>(value: &'v Value, path: String, leaves: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                leaves_of(value, format!("{path}.{name}"), leaves);
            }
        }
        _ => leaves.push((path, value)),
    }
}

fn short(value: &Value, room: usize) -> String {
    cut(&value.to_string(), room.max(VALUE_COLUMNS))
}
