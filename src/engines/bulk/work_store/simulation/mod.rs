//! The protocol of leases against a simulated server: thousands of worlds, each one decided by its seed alone.
//!
//! Processes run the store as it is, on threads of which one runs at a time: whoever waits for the server, or sleeps, hands
//! over to whoever's turn is next in virtual time ([`world`]). The server keeps documents with sequence numbers and checks at
//! each write what must never happen ([`laws`]). Requests are lost before or after they are done, arrive late and twice; the
//! server restarts; processes die at any step, sleep longer than a lease, and have clocks that are wrong and drift; coordinators
//! die and come back ([`process`]). Then faults cease, and all has to come to its end in bounded time.
//!
//! `MIG_SIM_SEED=n` runs one seed and tells what happened; `MIG_SIM_SEEDS=n` runs so many.

mod laws;
mod process;
mod server;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use self::world::{Mutation, Params, Report, World};

/// Seeds of an ordinary run.
const SEEDS: u64 = 2000;
/// Seeds among which each mutation of the protocol has to be caught.
const SEEDS_OF_A_MUTATION: u64 = 300;

fn seeds(default: u64) -> Vec<u64> {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number("MIG_SIM_SEED") {
        return vec![seed];
    }
    (1..=number("MIG_SIM_SEEDS").unwrap_or(default)).collect()
}

/// Runs one world to its end: `Err` with the law that was broken.
fn run(params: Params) -> Result<Report, String> {
    let world = World::new(params);
    thread::scope(|scope| {
        for id in 0..world.processes() {
            let world = &world;
            thread::Builder::new()
                .spawn_scoped(scope, move || {
                    let ran = catch_unwind(AssertUnwindSafe(|| process::run(world, id)));
                    if ran.is_err() {
                        world.broken(format!("process {id} panicked"));
                    }
                    world.ended(id);
                })
                .unwrap();
        }
        world.begin();
    });
    world.report()
}

#[test]
fn no_seed_breaks_a_law() {
    let alone = env::var_os("MIG_SIM_SEED").is_some();
    let mut sum = Report::default();
    for seed in seeds(SEEDS) {
        match run(Params::faulty(seed)) {
            Ok(report) => sum.add(&report),
            Err(law) => panic!("MIG_SIM_SEED={seed}: {law}"),
        }
    }
    // What a run that is to say something has met.
    if !alone {
        assert!(
            sum.deaths > 0 && sum.pauses > 0 && sum.restarts > 0,
            "{sum:?}"
        );
        assert!(sum.lost > 0 && sum.late > 0 && sum.twice > 0, "{sum:?}");
        assert!(sum.fenced > 0 && sum.set_aside > 0, "{sum:?}");
        assert!(sum.clockless > 0, "{sum:?}");
    }
    #[allow(clippy::print_stdout, reason = "what the worlds met")]
    {
        println!("{sum:?}");
    }
}

/// How a mutated protocol is caught; an error says that it never was.
fn caught(mutation: Mutation) -> String {
    for seed in 1..=SEEDS_OF_A_MUTATION {
        if let Err(law) = run(Params {
            mutation,
            ..Params::faulty(seed)
        }) {
            return law;
        }
    }
    panic!("{mutation:?} was never caught");
}

#[test]
fn a_protocol_that_ignores_the_fence_is_caught() {
    let law = caught(Mutation::WritesWithoutCondition);
    assert!(law.contains("law"), "{law}");
}

#[test]
fn a_coordinator_that_frees_what_workers_hold_is_caught() {
    let law = caught(Mutation::FreesAll);
    assert!(
        law.contains("before its end") || law.contains("freed"),
        "{law}"
    );
}

#[test]
fn a_process_that_goes_by_its_own_clock_is_caught() {
    let law = caught(Mutation::OwnClock);
    assert!(law.contains("before its end"), "{law}");
}

#[test]
fn a_worker_that_notes_documents_before_they_are_written_is_caught() {
    let law = caught(Mutation::NotesFirst);
    assert!(law.contains("not on the target"), "{law}");
}

#[test]
fn an_item_that_kills_whoever_takes_it_ends_nothing_only_because_tries_are_counted() {
    let law = caught(Mutation::ForgetsTries);
    assert!(law.contains("not at its end"), "{law}");
}

#[test]
fn requests_grow_with_items_and_not_with_processes_and_fall_with_the_size_of_items() {
    const ITEMS: usize = 256;
    let mut per_item = Vec::new();
    for workers in [1, 4, 16, 64] {
        let report = run(Params::fleet(workers, ITEMS, 4)).unwrap();
        // What each process asks when it opens and at the end does not belong to any item.
        per_item.push((workers, report.requests_of_items as f64 / ITEMS as f64));
        assert_eq!(report.done, ITEMS);
    }
    for (workers, requests) in &per_item {
        assert!(
            *requests <= 12.0,
            "{workers} processes: {requests} requests an item, of {per_item:?}"
        );
    }
    // As many documents in larger items: fewer requests for each.
    let docs = 4096;
    let mut per_doc = f64::INFINITY;
    for of_an_item in [4, 16, 64, 256] {
        let report = run(Params::fleet(8, docs / of_an_item, of_an_item)).unwrap();
        let requests = report.requests as f64 / docs as f64;
        assert!(
            requests < per_doc,
            "{requests} requests a document in items of {of_an_item}"
        );
        per_doc = requests;
    }
}
