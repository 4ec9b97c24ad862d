//! Clocks beside each other: how far apart they are, and what that breaks.

use serde_json::Value;

use super::{Fault, Said};
use crate::base::units::plural;
use crate::clients::cluster::{ClusterClient, ClusterError, Request};
use crate::clients::objects::ClockSeen;

/// S3 refuses what was signed so far from its own time.
const S3_MINUTES: u64 = 15;
/// AWS refuses a signature for a domain that is older.
const SIGNED_MINUTES: u64 = 5;
/// From this part of a limit on a clock is told to be near it: one half.
const NEAR: u64 = 2;

/// What is signed by a clock, and refused where it is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Signs {
    /// Nothing.
    Nothing,
    /// Requests to S3.
    S3,
    /// Requests to a domain of AWS.
    Domain,
}

/// A clock that was looked at: whose it is, and what its owner signs.
#[derive(Clone, Debug)]
pub(in super::super) struct Clock {
    pub(in super::super) whose: String,
    pub(in super::super) seen: ClockSeen,
}

/// The clocks of a cluster's nodes beside that of this machine.
pub(in super::super) fn of_cluster(client: &ClusterClient) -> Result<Vec<Clock>, ClusterError> {
    let before = jiff::Timestamp::now().as_millisecond();
    let path = "/_nodes/stats/jvm?filter_path=nodes.*.name,nodes.*.jvm.timestamp";
    let answer = client.json(Request::get(path))?;
    let after = jiff::Timestamp::now().as_millisecond();
    let middle = before + (after - before) / 2;
    let within = std::time::Duration::from_millis(u64::try_from(after - before).unwrap_or(0));
    let nodes = answer.get("nodes").and_then(Value::as_object);
    let clocks = nodes.into_iter().flatten().filter_map(|(id, node)| {
        let there = node.pointer("/jvm/timestamp").and_then(Value::as_i64)?;
        let name = node.get("name").and_then(Value::as_str).unwrap_or(id);
        Some(Clock {
            whose: format!("node {name}"),
            seen: ClockSeen {
                ahead_ms: there - middle,
                within,
            },
        })
    });
    Ok(clocks.collect())
}

/// How far apart two are, in words.
fn apart(ahead_ms: i64, within_ms: u64) -> String {
    let off = ahead_ms.unsigned_abs();
    if off <= within_ms.max(1) {
        return format!("the same to {} as", length(within_ms.max(1)));
    }
    let side = if ahead_ms > 0 { "ahead of" } else { "behind" };
    format!("{} {side}", length(off))
}

/// `340 ms`, `12 s`, `20 minutes`.
fn length(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", ms / 1_000),
        _ => plural(ms / 60_000, "minute"),
    }
}

/// What is told of clocks beside a reference (`this machine`, `S3`), by whom requests are signed for it.
pub(in super::super) fn told(
    reference: &str,
    clocks: &[Clock],
    signs: Signs,
) -> Result<Said, Fault> {
    let Some(worst) = clocks
        .iter()
        .max_by_key(|it| it.seen.ahead_ms.unsigned_abs())
    else {
        return Ok(Said::LeftOut("no clock was told".to_owned()));
    };
    let ms = |it: &Clock| u64::try_from(it.seen.within.as_millis()).unwrap_or(u64::MAX);
    let whose = &worst.whose;
    let words = format!(
        "the clock of {whose} is {} {reference}",
        apart(worst.seen.ahead_ms, ms(worst))
    );
    let (limit, who) = match signs {
        Signs::Nothing => (None, ""),
        Signs::S3 => (Some(S3_MINUTES), "S3"),
        Signs::Domain => (Some(SIGNED_MINUTES), "AWS"),
    };
    let off = worst.seen.ahead_ms.unsigned_abs();
    let mend = "set the clocks by a time server (`chronyc tracking` says how far they are off)";
    match limit {
        Some(minutes) if off >= minutes * 60_000 => Err(Fault::new(
            format!(
                "{words}: {who} refuses requests that were signed {minutes} minutes from its own time"
            ),
            mend,
        )),
        Some(minutes) if off >= minutes * 60_000 / NEAR => Ok(Said::Ok(format!(
            "{words}; at {minutes} minutes {who} refuses what is signed: {mend}"
        ))),
        None if off >= 60_000 => Ok(Said::Ok(format!(
            "{words}: nothing here is signed by it, but times in evidence and logs differ by that"
        ))),
        _ => Ok(Said::Ok(words)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn clock(ahead_ms: i64) -> Vec<Clock> {
        vec![Clock {
            whose: "node a".into(),
            seen: ClockSeen {
                ahead_ms,
                within: Duration::from_millis(20),
            },
        }]
    }

    fn ok(ahead_ms: i64, signs: Signs) -> String {
        match told("this machine", &clock(ahead_ms), signs) {
            Ok(Said::Ok(said)) => said,
            Ok(Said::LeftOut(why)) => panic!("left out: {why}"),
            Err(fault) => panic!("failed: {}", fault.said),
        }
    }

    #[test]
    fn clocks_are_told_by_what_they_break() {
        assert_eq!(
            ok(3, Signs::S3),
            "the clock of node a is the same to 20 ms as this machine"
        );
        assert_eq!(
            ok(-4_200, Signs::S3),
            "the clock of node a is 4 s behind this machine"
        );
        assert!(ok(-8 * 60_000, Signs::S3).contains("at 15 minutes S3 refuses"));
        assert!(ok(20 * 60_000, Signs::Nothing).contains("20 minutes ahead"));
        let broken = told("S3", &clock(20 * 60_000), Signs::S3);
        let broken = broken.err().map(|fault| fault.said).unwrap();
        assert!(
            broken.contains("20 minutes ahead of S3: S3 refuses"),
            "{broken}"
        );
        assert!(told("AWS", &clock(6 * 60_000), Signs::Domain).is_err());
        assert!(matches!(told("S3", &[], Signs::S3), Ok(Said::LeftOut(_))));
    }
}
