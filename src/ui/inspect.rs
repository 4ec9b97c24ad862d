//! `mig snapshot inspect` as text that fits 80 columns. A pure function of the report.
//!
//! Deliberately absent: colours; the JSON form, which is the report itself.

use crate::base::units::{human_bytes, human_count, plural};
use crate::engines::snapshot::inspect::{Counts, IndexReport, RepositoryReport, SnapshotReport};
use crate::engines::snapshot::{IndexState, SnapshotState};

/// The whole report.
pub fn inspect_text(report: &RepositoryReport) -> String {
    let mut text = String::new();
    line(
        &mut text,
        &format!(
            "Repository {} ({}): {}",
            report.location,
            report.index_blob,
            plural(report.snapshots.len() as u64, "snapshot")
        ),
    );
    if !report.snapshots.is_empty() {
        line(&mut text, "");
        line(
            &mut text,
            &format!("{:<30} {:<12} {:<11} UUID", "SNAPSHOT", "STATE", "VERSION"),
        );
    }
    for entry in &report.snapshots {
        let version = entry.version.as_deref().unwrap_or("not stated");
        line(
            &mut text,
            &format!(
                "{} {:<12} {:<11} {}",
                fit(&entry.name, 30),
                entry.state,
                version,
                entry.uuid
            ),
        );
    }
    match &report.detail {
        Some(detail) => snapshot(&mut text, detail),
        None if report.snapshots.is_empty() => {}
        None => line(
            &mut text,
            "\nName one with --snapshot to see what is in it.",
        ),
    }
    text
}

fn snapshot(text: &mut String, report: &SnapshotReport) {
    let info = &report.info;
    line(text, "");
    line(text, &format!("Snapshot {}", info.name));
    let version = info.version.map_or_else(
        || "an unknown version".to_owned(),
        |version| version.to_string(),
    );
    line(text, &format!("  taken by      {version}"));
    if let Some(started) = info.start_time_millis {
        line(
            text,
            &format!("  taken         {}", times(started, info.end_time_millis)),
        );
    }
    let state = match (info.successful_shards, info.total_shards) {
        (Some(successful), Some(total)) => {
            format!("{}, {successful} of {total} shards", info.state)
        }
        _ => info.state.to_string(),
    };
    line(text, &format!("  state         {state}"));
    let global = match info.include_global_state {
        Some(true) => "included",
        Some(false) => "not included",
        None => "not stated",
    };
    line(text, &format!("  global state  {global}"));
    line(text, "");
    line(
        text,
        &format!(
            "{:<30} {:>6} {:>8} {:>13} {:>9} {:>9}",
            "INDEX", "SHARDS", "SEGMENTS", "DOCUMENTS", "DELETED", "SIZE"
        ),
    );
    for index in &report.indices {
        row(text, &index_name(index), &index.totals);
    }
    row(
        text,
        &format!("total of {}", report.indices.len()),
        &report.totals,
    );
    if report.totals.documents.is_none() && report.totals.live > 0 {
        line(
            text,
            "\n~ Lucene documents, nested ones too: only reading would tell them apart.",
        );
    }
    streams(text, report);
    formats(text, report);
    problems(text, report);
}

fn index_name(index: &IndexReport) -> String {
    if index.state == Some(IndexState::Close) {
        format!("{} (closed)", index.name)
    } else {
        index.name.clone()
    }
}

fn row(text: &mut String, name: &str, counts: &Counts) {
    let documents = match counts.documents {
        Some(documents) => human_count(documents),
        None if counts.live > 0 => format!("~{}", human_count(counts.live)),
        None => "?".to_owned(),
    };
    line(
        text,
        &format!(
            "{} {:>6} {:>8} {:>13} {:>9} {:>9}",
            fit(name, 30),
            counts.shards,
            counts.segments,
            documents,
            human_count(counts.hard_deleted + counts.soft_deleted),
            human_bytes(counts.bytes)
        ),
    );
}

/// Data streams, each with its backing indices, the oldest generation first.
fn streams(text: &mut String, report: &SnapshotReport) {
    let streams = report.data_streams.as_deref().unwrap_or_default();
    if streams.is_empty() {
        return;
    }
    line(text, "\nData streams");
    for stream in streams {
        let count = stream.indices.len() as u64;
        let generations = if count == 1 {
            "generation"
        } else {
            "generations"
        };
        line(
            text,
            &format!(
                "  {} {count} {generations}, the newest {}",
                fit(&stream.name, 30),
                stream.indices.last().map_or("none", String::as_str)
            ),
        );
    }
}

fn formats(text: &mut String, report: &SnapshotReport) {
    let formats = report.formats();
    if formats.is_empty() {
        return;
    }
    line(text, "\nSegments by format");
    for (format, segments) in formats {
        line(text, &format!("  {segments:>6}  {format}"));
    }
}

fn problems(text: &mut String, report: &SnapshotReport) {
    if matches!(
        report.info.state,
        SnapshotState::InProgress | SnapshotState::Failed
    ) {
        line(
            text,
            &format!(
                "\n! The snapshot is {}: it can't be migrated from.",
                report.info.state
            ),
        );
    }
    for failure in &report.info.failures {
        line(
            text,
            &format!(
                "\n! {} shard {} is not in the snapshot: {}",
                failure.index, failure.shard, failure.reason
            ),
        );
    }
    if report.totals.errors == 0 {
        return;
    }
    line(
        text,
        &format!("\n! {} can't be read", plural(report.totals.errors, "part")),
    );
    for index in &report.indices {
        if let Some(error) = &index.error {
            line(text, &format!("  {}: {error}", index.name));
        }
        for shard in &index.shards {
            if let Some(error) = &shard.error {
                line(
                    text,
                    &format!("  {} shard {}: {error}", index.name, shard.shard),
                );
            }
            for segment in &shard.segments {
                if let Some(error) = &segment.error {
                    line(
                        text,
                        &format!(
                            "  {} shard {} {}: {error}",
                            index.name, shard.shard, segment.name
                        ),
                    );
                }
            }
        }
    }
}

/// `2026-11-20 21:18:01 UTC, took 2.9 s`.
fn times(started: i64, ended: Option<i64>) -> String {
    let Ok(at) = jiff::Timestamp::from_millisecond(started) else {
        return format!("{started} ms after 1970");
    };
    let taken = at.strftime("%Y-%m-%d %H:%M:%S UTC");
    match ended.and_then(|ended| ended.checked_sub(started)) {
        Some(took) => format!("{taken}, took {:.1} s", took as f64 / 1000.0),
        None => taken.to_string(),
    }
}

/// `name` in exactly `width` columns: cut with `…`, or padded. Names are hostile: control characters are shown.
fn fit(name: &str, width: usize) -> String {
    let name: String = name
        .chars()
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect();
    if name.chars().count() <= width {
        return format!("{name:<width$}");
    }
    let mut cut: String = name.chars().take(width - 1).collect();
    cut.push('…');
    cut
}

fn line(text: &mut String, content: &str) {
    text.push_str(content);
    text.push('\n');
}
