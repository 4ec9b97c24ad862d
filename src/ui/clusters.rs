//! `mig clusters` as text: indices in the columns of `_cat/indices`, and how clusters answer.
//!
//! Pure. Deliberately absent: asking, and JSON, which is the serialized values.

use std::collections::BTreeMap;

use super::layout::{end_line, hang, pad, put, width};
use crate::base::units::human_count;
use crate::phases::clusters::{COLUMNS, Connection, IndexRow};

/// Columns of numbers.
const NUMBERS: [&str; 6] = [
    "pri",
    "rep",
    "docs.count",
    "docs.deleted",
    "store.size",
    "pri.store.size",
];

/// The indices of one cluster. With `source`, the documents of each index are held against those of the source.
pub fn indices_text(
    title: &str,
    rows: Option<&[IndexRow]>,
    source: Option<&BTreeMap<String, Option<u64>>>,
) -> String {
    let mut text = format!("{title}\n");
    let Some(rows) = rows else {
        text.push_str(
            "a directory lists no indices: `mig backfill status --deep-check` counts what is there\n",
        );
        return text;
    };
    let mut head: Vec<&str> = COLUMNS.to_vec();
    head.push("documents");
    if source.is_some() {
        head.push("match");
    }
    let mut table: Vec<Vec<String>> = vec![head.iter().map(|it| (*it).to_owned()).collect()];
    for row in rows {
        let listed = COLUMNS.iter().map(|key| row.listed.get(*key));
        let mut cells: Vec<String> = listed.map(|it| it.cloned().unwrap_or_default()).collect();
        cells.push(row.documents.map(|it| it.to_string()).unwrap_or_default());
        if let Some(source) = source {
            cells.push(matches(row, source));
        }
        table.push(cells);
    }
    let wide: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = table.iter().filter_map(|row| row.get(column));
            cells.map(|cell| width(cell)).max().unwrap_or(0)
        })
        .collect();
    for row in &table {
        let mut line = String::new();
        for ((cell, wide), name) in row.iter().zip(&wide).zip(&head) {
            if !line.is_empty() {
                line.push(' ');
            }
            if NUMBERS.contains(name) || *name == "documents" {
                line.push_str(&" ".repeat(wide.saturating_sub(width(cell))));
                line.push_str(cell);
            } else {
                line.push_str(&pad(cell, *wide));
            }
        }
        text.push_str(&line);
        end_line(&mut text);
    }
    text
}

/// Whether an index of the target has as many documents as the one of this name at the source.
pub fn matches(row: &IndexRow, source: &BTreeMap<String, Option<u64>>) -> String {
    match (source.get(row.name()), row.documents) {
        (None, _) => "-".to_owned(),
        (Some(Some(there)), Some(here)) if *there == here => "yes".to_owned(),
        (Some(Some(there)), Some(_)) => format!("no, source has {}", human_count(*there)),
        (Some(_), _) => "closed".to_owned(),
    }
}

/// How clusters answer, a paragraph each.
pub fn connections_text(answers: &[Connection], columns: usize) -> String {
    let mut text = String::new();
    for answer in answers {
        let sign = if answer.successful { "ok" } else { "FAILED" };
        let head = format!("{}: {sign}, ", answer.cluster);
        let indent = width(&head);
        hang(&mut text, &head, indent.min(16), &answer.message, columns);
        put!(text, "  location  {}\n", answer.location);
        let fields = [
            ("name", answer.name.as_deref()),
            ("version", answer.version.as_deref()),
            ("uuid", answer.uuid.as_deref()),
            ("auth", Some(answer.auth)),
            ("user", answer.user.as_deref()),
            ("access", Some(answer.access)),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                put!(text, "  {name:<9} {value}\n");
            }
        }
        if let Some(help) = &answer.help {
            hang(&mut text, "  help:     ", 12, help, columns);
        }
        text.push('\n');
    }
    text.truncate(text.trim_end_matches('\n').len());
    text.push('\n');
    text
}
