//! What becomes of an order to a backfill: scaling, limits, a pause.
//!
//! Pure. The first line is in the words of the migration console. Deliberately absent: giving the order.

use super::backfill_status::{limits_words, named, role};
use super::layout::{end_line, hang, put};
use super::words::counted_u64;
use crate::base::Address;
use crate::base::units::human_count;
use crate::engines::bulk::fleet::{Beat, Limits, Muster};

/// After `mig backfill scale`. `start` is the command that begins or resumes it.
pub fn scaled(phase: &Address, muster: &Muster, start: &str, columns: usize) -> String {
    let mut text = service_line(phase, muster);
    let are = workers_are(muster.desired);
    let next = match (muster.desired, muster.there.as_slice()) {
        (0, _) => format!("{phase}: no worker is wanted, which is a pause: `{start}` resumes."),
        (_, []) => {
            format!("{phase}: {are} wanted, and nobody runs it: `{start}` begins with that.")
        }
        (desired, there) => {
            let run = if muster.running == 1 { "runs" } else { "run" };
            let more = match desired.cmp(&muster.running) {
                std::cmp::Ordering::Greater => format!(
                    "; {} more begin within seconds, as far as the processes have room: more come with `mig worker`",
                    desired - muster.running
                ),
                std::cmp::Ordering::Equal => String::new(),
                std::cmp::Ordering::Less => format!(
                    "; {} of them end at their next checkpoint",
                    muster.running - desired
                ),
            };
            format!(
                "{phase}: {are} wanted, {} {run} in {}{more}.",
                muster.running,
                processes(there)
            )
        }
    };
    hang(&mut text, "", 0, &next, columns);
    text
}

/// After `mig backfill pause`, once nobody works. `then` stands behind commands; `restoring` are indices that the target restores just
/// now.
pub fn paused(
    phase: &Address,
    muster: &Muster,
    restoring: usize,
    then: &str,
    columns: usize,
) -> String {
    let mut text = service_line(phase, muster);
    let waiting = match muster.there.as_slice() {
        [] => "nobody runs it".to_owned(),
        there => format!("nobody works; waiting: {}", processes(there)),
    };
    let line = format!(
        "{phase} is paused and {waiting}. `mig backfill start{then}` or `mig backfill scale{then} N` resumes."
    );
    hang(&mut text, "", 0, &line, columns);
    if restoring > 0 {
        let line = format!(
            "The target goes on with what it restores just now ({}): no server lets that rest. No further index is begun.",
            indices(restoring as u64)
        );
        hang(&mut text, "", 0, &line, columns);
    }
    text
}

/// `1 index`, `4 indices`.
fn indices(count: u64) -> String {
    let noun = if count == 1 { "index" } else { "indices" };
    format!("{} {noun}", human_count(count))
}

/// After `mig backfill stop`, in the words of the migration console.
pub fn stopped(
    phase: &Address,
    muster: &Muster,
    archive: &str,
    taken_back: u64,
    then: &str,
    columns: usize,
) -> String {
    let mut text = format!(
        "Backfill stopped successfully.\n{}Backfill working state archived to: {archive}\n",
        service_line(phase, muster)
    );
    let line = format!(
        "{phase} can't be started any more. What it loaded stays, and `mig backfill failed list{then}` tells what failed. `mig backfill reset{then}` lets it begin anew."
    );
    hang(&mut text, "", 0, &line, columns);
    if taken_back > 0 {
        let line = format!(
            "What the target was restoring is taken back: {} as empty as before.",
            if taken_back == 1 {
                "1 index is".to_owned()
            } else {
                format!("{} are", indices(taken_back))
            }
        );
        hang(&mut text, "", 0, &line, columns);
    }
    text
}

/// Before `mig backfill reset`: what is forgotten.
pub fn resetting(phase: &Address, lines: &[String], columns: usize) -> String {
    let mut text = format!("Resetting {phase}:\n\n");
    for line in lines {
        hang(&mut text, "    - ", 6, line, columns);
    }
    text.push('\n');
    let stays = "Its working state is archived first. Documents on the target stay until the next start or apply, which removes those of the indices that it loads and writes all of them again.";
    hang(&mut text, "", 0, stays, columns);
    text
}

/// `1 process has`, `3 processes have`.
pub fn processes_have(count: usize) -> String {
    let count = human_count(count as u64);
    if count == "1" {
        "1 process has".to_owned()
    } else {
        format!("{count} processes have")
    }
}

/// `1 worker is`, `5 workers are`.
fn workers_are(count: u32) -> String {
    let is = if count == 1 { "is" } else { "are" };
    format!("{} {is}", counted_u64(count.into(), "worker"))
}

/// The line that the migration console prints of its service.
pub fn service_line(phase: &Address, muster: &Muster) -> String {
    format!(
        "Service {phase} set to {} desired count. Currently {} running and {} pending.\n",
        muster.desired, muster.running, muster.pending
    )
}

fn processes(there: &[Beat]) -> String {
    let names: Vec<String> = there.iter().map(process).collect();
    super::words::list(&names)
}

fn process(beat: &Beat) -> String {
    format!("{} ({}, process {})", role(beat.role), beat.host, beat.pid)
}

/// The limits in force of `mig backfill limits`: those of an operator before those of the plan.
pub fn limits_text(phase: &Address, plan: Limits, ordered: Limits, muster: &Muster) -> String {
    let mut text = format!("Limits of {phase}, of all processes together; in-flight of each:\n\n");
    let now = plan.with(ordered);
    let rows = named(now).into_iter().zip(named(plan)).zip(named(ordered));
    for (((name, now), (_, plan)), (_, ordered)) in rows {
        let value = now.unwrap_or_else(|| "none".to_owned());
        let from = match (ordered, plan) {
            (Some(_), Some(plan)) => {
                format!("set by `mig backfill limits`, in the place of the plan's {plan}")
            }
            (Some(_), None) => "set by `mig backfill limits`".to_owned(),
            (None, Some(_)) => "of the plan".to_owned(),
            (None, None) => String::new(),
        };
        put!(text, "  {name:<12}{value:<12}{from}");
        end_line(&mut text);
    }
    for beat in muster.there.iter().filter(|beat| beat.limits != now) {
        let words = limits_words(beat.limits);
        let words = if words.is_empty() {
            "none".to_owned()
        } else {
            words.join(", ")
        };
        put!(text, "\n{} works by: {words}\n", process(beat));
    }
    text
}
