//! `mig backfill status` as text: first the lines of the migration console, then what they leave out.
//!
//! Pure. Deliberately absent: looking, and JSON, which is the serialized value.

use jiff::Timestamp;

use super::layout::{cut, hang, put, width};
use super::live::{Size, bar, percent};
use super::table::{Side, table, table_leaving_out};
use super::theme::{Paint, Theme};
use super::words::counted_u64;
use crate::base::units::{ByteRate, CountRate, human_bytes, human_count, rounded};
use crate::engines::bulk::failed::causes::Cause;
use crate::engines::bulk::fleet::{Beat, Control, Doing, Limits, Role};
use crate::phases::backfill::status::{BackfillStatus, Deep, FleetStatus, IndexStatus};

/// One status.
pub fn status_text(status: &BackfillStatus, columns: usize) -> String {
    let shards = status.shards;
    let mut text = format!(
        "BackfillStatus.{}\nRunning={}\nPending={}\nDesired={}\n",
        status.status.word(),
        status.running,
        status.pending,
        status.desired
    );
    put!(text, "Shards total: {}\n", shards.total);
    put!(text, "Shards completed: {}\n", shards.completed);
    put!(text, "Shards incomplete: {}\n", shards.incomplete());
    put!(text, "Shards in progress: {}\n", shards.in_progress);
    put!(text, "Shards unclaimed: {}\n", shards.unclaimed);
    if status.deep.is_some() || status.fleet.processes > 0 {
        requests_text(&mut text, &status.fleet, columns);
    }
    if let Some(deep) = &status.deep {
        deep_text(&mut text, status, deep, columns);
    } else if status.failed > 0 {
        failed_text(&mut text, status, columns);
    }
    if !status.says.is_empty() {
        text.push('\n');
    }
    for line in &status.says {
        hang(&mut text, "", 0, line, columns);
    }
    text
}

/// Several, each under its name.
pub fn statuses_text(statuses: &[BackfillStatus], columns: usize) -> String {
    if let [one] = statuses {
        return status_text(one, columns);
    }
    let blocks: Vec<String> = statuses
        .iter()
        .map(|status| format!("{}\n{}", status.phase, status_text(status, columns)))
        .collect();
    blocks.join("\n")
}

/// Several as the lines of a screen that are drawn again and again: above what [`statuses_text`] says a bar for each; every line
/// fits the width and all fit the height.
pub fn watch_lines(statuses: &[BackfillStatus], size: Size, theme: Theme) -> Vec<String> {
    let columns = size.columns.saturating_sub(1).max(20);
    let rows = size.rows.saturating_sub(2).max(3);
    let mut lines: Vec<String> = statuses
        .iter()
        .map(|status| theme.paint(Paint::Work, &cut(&bar_line(status, columns), columns)))
        .collect();
    lines.push(String::new());
    let text = statuses_text(statuses, columns);
    lines.extend(text.lines().map(|line| cut(line, columns)));
    if lines.len() > rows {
        let more = lines.len() + 1 - rows;
        lines.truncate(rows - 1);
        lines.push(theme.paint(Paint::Faint, &format!("… {more} more lines")));
    }
    lines
}

/// `docs  RUNNING  ████░░░░  34%`, by documents where they were asked for, else by shards.
fn bar_line(status: &BackfillStatus, columns: usize) -> String {
    let shards = status.shards;
    let deep = status.deep.as_ref();
    let docs = deep.and_then(|deep| Some((deep.docs_done, deep.docs_total?)));
    let (done, total) = docs.unwrap_or((shards.completed, shards.total));
    let head = format!("{}  {}  ", status.phase, status.status.word());
    let room = columns.saturating_sub(width(&head) + 6).min(48);
    let part = percent(done, total);
    format!("{head}{}  {part}%", bar(done, total, room))
}

/// A length of time as the migration console writes it.
pub(super) fn clock(millis: u64) -> String {
    let seconds = millis.div_ceil(1000);
    let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
    format!("{hours}h {minutes}m {}s", seconds % 60)
}

fn rate(docs_per_second: f64) -> String {
    format!("{} docs/s", human_count(rounded(docs_per_second)))
}

fn of(done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{} of {}", human_count(done), human_count(total)),
        None => human_count(done),
    }
}

fn deep_text(text: &mut String, status: &BackfillStatus, deep: &Deep, columns: usize) {
    text.push('\n');
    put!(
        text,
        "Percent completed: {:.1}%\n",
        deep.percentage_completed
    );
    put!(text, "Documents: {}\n", of(deep.docs_done, deep.docs_total));
    put!(
        text,
        "Bytes of the snapshot: {} of {}\n",
        human_bytes(deep.bytes_done),
        human_bytes(deep.bytes_total)
    );
    if !deep.processes.is_empty() {
        let since = match deep.docs_per_second_since_start {
            Some(since) => format!(", {} since the start", rate(since)),
            None => String::new(),
        };
        put!(text, "Rate: {} now{since}\n", rate(deep.docs_per_second));
    }
    if let Some(started) = deep.started {
        put!(text, "Started: {started:.0}\n");
    }
    if let Some(finished) = deep.finished {
        put!(text, "Finished: {finished:.0}\n");
    }
    let eta = deep.eta_ms.map(|eta| clock(eta) + ", ").unwrap_or_default();
    put!(text, "ETA: {eta}{}\n", deep.eta_basis);
    failed_text(text, status, columns);
    for aside in &deep.set_aside {
        let line = format!("{}: {}", aside.item, aside.reason);
        hang(text, "Set aside: ", 11, &line, columns);
    }
    if let Some(wanted) = wanted_text(&deep.control) {
        hang(text, "Asked for: ", 11, &wanted, columns);
    }
    // Of a fleet there is less than of indices, and it is what somebody who watches acts upon.
    if !deep.processes.is_empty() || !deep.lost.is_empty() {
        text.push('\n');
        processes_text(text, status, deep, columns);
    }
    if !deep.indices.is_empty() {
        text.push('\n');
        indices_text(text, &deep.indices, columns);
    }
}

/// What the fleet measured of its requests; nothing before there was one.
fn requests_text(text: &mut String, fleet: &FleetStatus, columns: usize) {
    // A directory answers nothing.
    if fleet.latency_ms_mean.is_none() {
        return;
    }
    let mut parts = vec![format!("{} sent", human_count(fleet.requests))];
    let bytes = human_bytes(fleet.bytes_sent);
    parts.push(if fleet.wire_bytes_sent < fleet.bytes_sent {
        format!("{bytes}, {} compressed", human_bytes(fleet.wire_bytes_sent))
    } else {
        bytes
    });
    if fleet.processes > 0 {
        parts.push(format!(
            "{} of {} on their way",
            fleet.in_flight, fleet.in_flight_limit
        ));
    }
    parts.extend(
        fleet
            .latency_ms_mean
            .map(|mean| format!("{} on the mean", millis(mean))),
    );
    parts.extend(
        fleet
            .latency_ms_95_within
            .map(|bound| format!("95 of 100 within {}", millis(bound as f64))),
    );
    hang(text, "Requests: ", 10, &parts.join(", "), columns);
    let mut parts = vec![
        format!("{} answered 429", human_count(fleet.answers_429)),
        format!("{} rejected", counted_u64(fleet.docs_rejected, "document")),
        format!("{} sent again", human_count(fleet.docs_sent_again)),
        format!("{} unanswered", human_count(fleet.unanswered)),
    ];
    if fleet.blocked > 0 {
        let blocked = human_count(fleet.blocked);
        parts.push(format!("{blocked} met a block of writes"));
    }
    hang(text, "Not taken at once: ", 19, &parts.join(", "), columns);
}

/// `0.4 ms`, `85 ms`, `12.5 s`
fn millis(millis: f64) -> String {
    match millis {
        it if it < 9.95 => format!("{it:.1} ms"),
        it if it < 9_995.0 => format!("{it:.0} ms"),
        it => format!("{:.1} s", it / 1000.0),
    }
}

fn failed_text(text: &mut String, status: &BackfillStatus, columns: usize) {
    let failed = human_count(status.failed);
    hang(text, "Failed documents: ", 18, &failed, columns);
    causes_text(text, &status.failed_causes, columns);
    if let Some(deep) = status.deep.as_ref().filter(|_| status.failed > 0) {
        put!(
            text,
            "Failed document stream: {}\n",
            deep.failed_document_stream_location
        );
    }
}

/// Causes of failures, each with some of the documents.
pub(super) fn causes_text(text: &mut String, causes: &[Cause], columns: usize) {
    for cause in causes {
        let what = match cause.cause.as_str() {
            "" => cause.class.clone(),
            reason => format!("{}: {reason}", cause.class),
        };
        let line = format!("{} of {what}", human_count(cause.count));
        hang(text, "  ", 4, &line, columns);
        let examples = cause.examples.join(", ");
        let more = cause.count > cause.examples.len() as u64;
        let more = if more { ", …" } else { "" };
        hang(text, "    ", 6, &format!("{examples}{more}"), columns);
    }
}

/// What an operator set; `None` where everything is as the plan says.
fn wanted_text(control: &Control) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend(
        control
            .desired
            .map(|count| counted_u64(count.into(), "worker")),
    );
    if control.paused {
        parts.push("a pause".to_owned());
    }
    if control.stopped {
        parts.push("a stop".to_owned());
    }
    parts.extend(limits_words(control.limits));
    if parts.is_empty() {
        return None;
    }
    let by = match control.at {
        Some(at) => format!(", by {} at {at:.0}", control.by),
        None => String::new(),
    };
    Some(format!("{}{by}", parts.join(", ")))
}

/// Limits by the names that they have in a plan.
pub(super) fn named(limits: Limits) -> [(&'static str, Option<String>); 4] {
    [
        ("docs", limits.docs.map(|it| CountRate(it).to_string())),
        ("bytes", limits.bytes.map(|it| ByteRate(it).to_string())),
        ("in-flight", limits.in_flight.map(|it| it.to_string())),
        ("target-cpu", limits.target_cpu.map(|it| format!("{it}%"))),
    ]
}

/// Those limits that are given, in words.
pub(super) fn limits_words(limits: Limits) -> Vec<String> {
    let given = named(limits).into_iter();
    given
        .filter_map(|(name, value)| Some(format!("{name} {}", value?)))
        .collect()
}

fn indices_text(text: &mut String, indices: &[IndexStatus], columns: usize) {
    let counted = indices.iter().any(|it| it.docs_on_target.is_some());
    let mut sides = vec![
        Side::Left,
        Side::Right,
        Side::Right,
        Side::Right,
        Side::Right,
    ];
    let mut head = vec!["index", "docs", "bytes", "shards", "failed"];
    if counted {
        sides.push(Side::Right);
        head.push("on target");
    }
    sides.push(Side::Left);
    head.push("state");
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<String>>()];
    for index in indices {
        let mut row = vec![
            index.index.clone(),
            of(index.docs_done, index.docs_total),
            format!(
                "{} of {}",
                human_bytes(index.bytes_done),
                human_bytes(index.bytes_total)
            ),
            format!("{} of {}", index.shards.completed, index.shards.total),
            human_count(index.failed),
        ];
        if counted {
            let there = index.docs_on_target;
            row.push(there.map_or_else(|| "-".to_owned(), human_count));
        }
        row.push(index.word().to_owned());
        rows.push(row);
    }
    table(text, &sides, &rows, columns);
}

/// `14:03:22Z`: a load rarely takes days, and the day stands above it.
fn clock_time(at: Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}

fn processes_text(text: &mut String, status: &BackfillStatus, deep: &Deep, columns: usize) {
    let sides = [
        Side::Left,
        Side::Right,
        Side::Left,
        Side::Left,
        Side::Right,
        Side::Right,
        Side::Right,
        Side::Right,
        Side::Right,
        Side::Right,
        Side::Left,
    ];
    let head = [
        "host", "pid", "role", "doing", "workers", "items", "docs/s", "requests", "latency",
        "rejected", "since",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let row = |beat: &Beat, lost: bool| {
        let gauges = beat.gauges;
        vec![
            beat.host.clone(),
            beat.pid.to_string(),
            role(beat.role).to_owned(),
            if lost {
                format!("lost since {}", clock_time(beat.at))
            } else {
                doing(beat.doing).to_owned()
            },
            format!("{} of {}", beat.working, beat.capacity),
            human_count(beat.counts.items),
            human_count(rounded(beat.docs_per_second)),
            format!("{} of {}", gauges.in_flight, gauges.in_flight_most),
            beat.latency_ms.map_or_else(|| "-".to_owned(), millis),
            human_count(beat.figures.not_taken()),
            clock_time(beat.started),
        ]
    };
    rows.extend(deep.processes.iter().map(|beat| row(beat, false)));
    rows.extend(deep.lost.iter().map(|beat| row(beat, true)));
    // Since when somebody is there, its items, and which process of the machine it is: JSON has them at any width.
    table_leaving_out(text, &sides, &rows, columns, &[10, 5, 1]);
    let gone = status.fleet.processes_gone;
    if gone > 0 {
        let is = if gone == 1 { "is" } else { "are" };
        put!(
            text,
            "  {} more {is} gone; what they did is counted above.\n",
            human_count(gone)
        );
    }
}

/// The command that a process runs.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Coordinator => "mig apply",
        Role::Worker => "mig worker",
    }
}

fn doing(doing: Doing) -> &'static str {
    match doing {
        Doing::Waiting => "waiting",
        Doing::Working => "working",
        Doing::Paused => "paused",
        Doing::Spare => "spare",
        Doing::Leaving => "leaving",
    }
}
