//! The sampled documents of `mig plan --sample`, below the plan itself.
//!
//! Pure. Deliberately absent: whole documents in text and Markdown, which are in the JSON.

use serde_json::{Value, json};

use super::theme::{Paint, Theme};
use crate::base::units::plural;
use crate::diff::PlannedChanges;
use crate::phases::backfill::sample::{IndexSample, SampledDocument, SampledFate};

/// Characters of a value that are shown.
const VALUE_CHARS: usize = 60;

/// For a terminal.
pub fn samples_text(samples: &[IndexSample], beyond: usize, theme: Theme) -> String {
    let mut out = String::from("\n");
    if samples.is_empty() {
        out.push_str("Samples: no documents go through transforms.\n");
    }
    for sample in samples {
        out.push_str(&theme.paint(Paint::Strong, &heading(sample)));
        out.push('\n');
        for document in &sample.documents {
            for line in lines(document) {
                out.push_str(&format!("  {line}\n"));
            }
        }
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
            for line in sample.documents.iter().flat_map(lines) {
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
    format!(
        "Samples of {} · {} · through {} · {} read, {} unchanged",
        sample.index,
        sample.phase,
        sample.transforms.join(", "),
        plural(sample.read, "document"),
        sample.unchanged
    )
}

fn more(beyond: usize) -> String {
    match beyond {
        0 => String::new(),
        1 => "1 more index is not shown.\n".to_owned(),
        count => format!("{count} more indices are not shown.\n"),
    }
}

fn lines(document: &SampledDocument) -> Vec<String> {
    let id = match &document.routing {
        Some(routing) => format!("{} (routing {routing})", document.id),
        None => document.id.clone(),
    };
    match &document.fate {
        SampledFate::LeftOut { by } => vec![format!("- {id}: left out by transform {by}")],
        SampledFate::Fails { reason } => vec![format!("! {id}: fails: {reason}")],
        SampledFate::Changed { edits, .. } => {
            let mut all = vec![format!("~ {id}")];
            if edits.is_empty() {
                all.push("    the spelling alone: digits, or the order of keys".to_owned());
            }
            all.extend(edits.iter().map(|edit| {
                let path = &edit.path;
                match (&edit.before, &edit.after) {
                    (None, Some(after)) => format!("    + {path}: {}", short(after)),
                    (Some(before), None) => format!("    - {path}: {}", short(before)),
                    (before, after) => format!(
                        "    ~ {path}: {} → {}",
                        before.as_ref().map(short).unwrap_or_default(),
                        after.as_ref().map(short).unwrap_or_default()
                    ),
                }
            }));
            all
        }
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_CHARS) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}
