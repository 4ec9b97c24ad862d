//! A kill at any instant leaves nothing to repair by hand: at every named boundary, and at random instants.
//!
//! The boundaries need the cargo feature `failpoints`. `MIG_TEST_ALL=1` kills at every hit of every boundary,
//! `MIG_CRASH_SEED=n` repeats the random instants of an earlier run.

#![allow(
    clippy::print_stdout,
    reason = "seed and histogram are what a failure is repeated with"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::{Place, next, phase_at_the_kill, print};

/// A few indices: every boundary is passed, and a run is short.
#[cfg(feature = "failpoints")]
const FEW: &str = "  base:     { snapshot: { existing: { store: snapshots, name: nightly-1 } } }
  mappings: { metadata: { from: base, to: os, include: { indices: [catalog-*, archive-*] } } }
  docs:     { backfill: { from: base, to: os, indices: [catalog-*, archive-*], workers: 2 } }
  same:     { verify: { source: base, target: os, indices: [catalog-*, archive-*], content: full } }
";

/// Finishes what a kill left, and proves that nothing is missing.
#[track_caller]
fn recover(place: &Place, what: &str) {
    let ran = place.apply();
    assert_eq!(
        ran.code, 0,
        "after {what}\nstdout:\n{}\nstderr:\n{}",
        ran.out, ran.err
    );
    let left = place.mig(&["plan", "--detailed-exitcode"]);
    assert_eq!(left.code, 0, "after {what}\n{}\n{}", left.out, left.err);
}

#[test]
#[cfg(feature = "failpoints")]
fn a_kill_at_every_boundary_is_finished_by_a_plain_apply() {
    let place = Place::with(FEW);
    let ran = place
        .command(&["apply", "--auto-approve"])
        .env("MIG_FAILPOINT_LOG", place.path("points"))
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let points = std::fs::read_to_string(place.path("points")).unwrap();
    let mut hits: BTreeMap<&str, usize> = BTreeMap::new();
    for name in points.lines() {
        *hits.entry(name).or_default() += 1;
    }
    let all = std::env::var_os("MIG_TEST_ALL").is_some();
    let mut histogram = BTreeMap::new();
    let mut kills = 0;
    for (name, hits) in &hits {
        let mut chosen: Vec<usize> = if all {
            (1..=*hits).collect()
        } else {
            vec![1, hits.div_ceil(2), *hits]
        };
        chosen.dedup();
        for hit in chosen {
            let place = Place::with(FEW);
            let ran = place
                .command(&["apply", "--auto-approve"])
                .env("MIG_FAILPOINT", format!("{name}:{hit}"))
                .output()
                .unwrap();
            // With several workers a late hit may not come; then the run ended well.
            if ran.status.code().is_none() {
                kills += 1;
                *histogram.entry(phase_at_the_kill(&place)).or_default() += 1;
            }
            recover(&place, &format!("a kill at {name}:{hit}"));
        }
    }
    println!(
        "{} boundaries, {} hits, {kills} kills:",
        hits.len(),
        hits.values().sum::<usize>()
    );
    for (name, hits) in &hits {
        println!("  {hits:>4}  {name}");
    }
    print(&histogram);
    assert!(
        kills >= hits.len(),
        "each boundary was killed at least once"
    );
}

#[test]
#[cfg(feature = "failpoints")]
fn a_kill_in_the_middle_of_a_redo_is_finished_by_a_plain_apply() {
    for point in [
        "backfill.reset.before",
        // The first index is a closed one, the content of which a plan does not look at.
        "backfill.reset.after:1",
        "backfill.reset.after:5",
        "bulk-item-taken:3",
        "bulk-before-complete:2",
        "backfill.loaded",
    ] {
        let place = Place::new();
        place.apply().ends_with(0);
        let ran = place
            .command(&["apply", "--auto-approve", "--redo", "docs"])
            .env("MIG_FAILPOINT", point)
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), None, "{point} was not passed");
        let ran = place.apply();
        assert_eq!(ran.code, 0, "after {point}\n{}\n{}", ran.out, ran.err);
        // Proved by reading both sides, whatever was proved before.
        place
            .mig(&["apply", "--auto-approve", "--redo", "same"])
            .ends_with(0);
    }
}

#[test]
#[cfg(feature = "failpoints")]
fn a_rollback_that_is_killed_goes_on() {
    for point in [
        "phase.undo.before:1",
        "phase.undo.before:3",
        "phase.undo.after:2",
        "phase.undo.after:4",
        "journal.append.torn:3",
        "journal.append.written:4",
    ] {
        let place = Place::with(FEW);
        place.apply().ends_with(0);
        let killed = place
            .command(&["rollback", "--auto-approve"])
            .env("MIG_FAILPOINT", point)
            .status()
            .unwrap();
        assert_eq!(killed.code(), None, "{point}");
        place.mig(&["rollback", "--auto-approve"]).ends_with(0);
        assert!(place.ndjson().is_empty(), "{point}");
        recover(&place, point);
    }
}

#[test]
fn a_kill_at_a_random_instant_is_finished_by_a_plain_apply() {
    const KILLS: usize = 20;
    let seed = std::env::var("MIG_CRASH_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()) * 2_654_435_761 + 1);
    println!("MIG_CRASH_SEED={seed}");
    let mut state = seed;
    let began = Instant::now();
    let place = Place::new();
    place.apply().ends_with(0);
    let whole = began.elapsed();
    let mut histogram = BTreeMap::new();
    let mut killed = 0;
    for number in 0..KILLS {
        let place = Place::new();
        let mut child = place.spawn(&["apply", "--auto-approve"]);
        let micros = u64::try_from(whole.as_micros()).unwrap().max(1);
        let deadline = Instant::now() + Duration::from_micros(next(&mut state) % micros);
        // Until the instant comes or the run ends: whichever is first.
        while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        drop(child.kill());
        if child.wait().unwrap().code().is_none() {
            killed += 1;
            *histogram.entry(phase_at_the_kill(&place)).or_default() += 1;
        }
        recover(&place, &format!("kill {number} of seed {seed}"));
    }
    println!("{killed} of {KILLS} were killed before their end ({whole:?} a run):");
    print(&histogram);
}
