//! `mig snapshot status` as text, in the lines of the migration console.
//!
//! Pure. Deliberately absent: looking, and JSON, which is the serialized value.

use super::backfill_status::clock;
use super::layout::put;
use crate::phases::snapshot::status::{Deep, NOT_STARTED, SnapshotStatus};

/// Bytes of a gibibyte and of a mebibyte.
const GIB: f64 = 1_073_741_824.0;
const MIB: f64 = 1_048_576.0;

/// One status. `create` is the command that takes a snapshot, where the phase takes one.
pub fn status_text(status: &SnapshotStatus, create: Option<&str>) -> String {
    let mut text = format!("{}\n", status.state);
    if let Some(deep) = &status.deep {
        put!(text, "Snapshot is {}.\n", status.state);
        deep_text(&mut text, deep);
    }
    if status.state == NOT_STARTED {
        match create {
            Some(create) => put!(text, "\nThere is no snapshot yet: `{create}` takes it.\n"),
            None => text.push_str("\nThere is no snapshot.\n"),
        }
    }
    text
}

/// Several, each under its name.
pub fn statuses_text(statuses: &[(SnapshotStatus, Option<String>)]) -> String {
    if let [(status, create)] = statuses {
        return status_text(status, create.as_deref());
    }
    let blocks: Vec<String> = statuses
        .iter()
        .map(|(status, create)| {
            format!(
                "{}\n{}",
                status.phase,
                status_text(status, create.as_deref())
            )
        })
        .collect();
    blocks.join("\n")
}

fn deep_text(text: &mut String, deep: &Deep) {
    put!(
        text,
        "Percent completed: {:.2}%\n",
        deep.percentage_completed
    );
    let gib = |bytes: u64| bytes as f64 / GIB;
    put!(
        text,
        "Data GiB done: {:.3}/{:.3}\n",
        gib(deep.bytes_done),
        gib(deep.bytes_total)
    );
    put!(text, "Total shards: {}\n", deep.shards_total);
    put!(text, "Successful shards: {}\n", deep.shards_successful);
    put!(text, "Failed shards: {}\n", deep.shards_failed);
    if let Some(start) = deep.start_time {
        put!(
            text,
            "Start time: {}\n",
            start.strftime("%Y-%m-%d %H:%M:%S")
        );
    }
    put!(text, "Duration: {}\n", clock(deep.duration_ms));
    match deep.anticipated_remaining_ms {
        Some(left) => put!(text, "Anticipated duration remaining: {}\n", clock(left)),
        None => text.push_str("Anticipated duration remaining: not known yet\n"),
    }
    put!(
        text,
        "Throughput: {:.2} MiB/sec\n",
        deep.bytes_per_second / MIB
    );
}
