//! What is told of a fleet's requests, in the status, the report and the figures for Prometheus: held against what a relay before
//! the target saw, also when processes are killed and come back; and what an overloaded target rejects.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::fleet::start;
use super::load::{Load, ends, kill, until};
use super::metrics::serve;
use super::proxy::{Proxy, Seen, Speed};
use super::steering::{BULK, by_proxy};
use super::support::{Options, Server, is_its_day, opensearch2};

/// What `mig backfill status --deep-check --json` says of the one phase.
fn status(load: &Load<'_>) -> Value {
    let ran = load
        .place
        .mig(&["backfill", "status", "--deep-check", "--json"])
        .ends_with(0);
    let all: Value = serde_json::from_str(&ran.out).unwrap();
    all["phases"][0].clone()
}

fn of(fleet: &Value, field: &str) -> u64 {
    fleet[field]
        .as_u64()
        .unwrap_or_else(|| panic!("{field}: {fleet:#}"))
}

/// The newest figures of the backfill in `mig report --json`: by their places in a point.
fn newest_point(load: &Load<'_>) -> Vec<u64> {
    let ran = load.place.mig(&["report", "--json"]).ends_with(0);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let phases = report["phases"].as_array().unwrap();
    let docs = phases.iter().find(|it| it["address"] == "docs").unwrap();
    let last = docs["series"].as_array().unwrap().last().unwrap();
    let point = last["series"]["points"].as_array().unwrap().last().unwrap();
    serde_json::from_value(point.clone()).unwrap()
}

/// Places in a point.
const REQUESTS: usize = 6;
const THROTTLED: usize = 8;
const REJECTED: usize = 9;
const SENT_AGAIN: usize = 10;
const SENT: usize = 11;
const WIRE_BYTES: usize = 13;

fn bulks(proxy: &Proxy) -> Vec<Seen> {
    let seen = proxy.seen().into_iter();
    seen.filter(|it| it.path.contains(BULK)).collect()
}

#[test]
fn what_is_told_of_a_fleet_is_what_a_relay_before_the_target_saw() {
    let fields = "workers: 1, limits: { docs: 80/s, batch: 8KiB }";
    let load = Load::new(opensearch2(), "sight", 9000, &[], fields);
    let proxy = by_proxy(&load, Speed::default(), "nodes: endpoint, compress: gzip");
    // They wait for it.
    let workers = [load.place.spawn(&["worker"]), load.place.spawn(&["worker"])];
    let leader = serve(&load, &["apply", "--auto-approve"]);
    until("it begins", || load.visible() > 0);
    // While they work each is told of, and no more than was sent.
    let mut seen = std::collections::BTreeSet::new();
    until("three are told of", || {
        let status = status(&load);
        let sent = bulks(&proxy).len() as u64;
        let told = of(&status["fleet"], "requests");
        assert!(
            told <= sent,
            "{told} requests are told and {sent} were sent"
        );
        let processes = status["processes"].as_array().unwrap();
        let works = |it: &&Value| {
            let figures = &it["figures"];
            figures["requests"].as_u64() > Some(0) && it["latency-ms"].as_f64() > Some(0.0)
        };
        seen.extend(
            processes
                .iter()
                .filter(works)
                .filter_map(|it| it["pid"].as_u64()),
        );
        seen.len() == 3
    });
    let text = load
        .place
        .mig(&["backfill", "status", "--deep-check"])
        .ends_with(0);
    for word in [
        "Requests: ",
        "on their way",
        "Not taken at once: ",
        "latency",
        "rejected",
    ] {
        assert!(text.out.contains(word), "{word}: {}", text.out);
    }
    let fits = |line: &str| line.chars().count() <= 80;
    assert!(text.out.lines().all(fits), "{}", text.out);
    // All was seen: the rest may come fast.
    load.place
        .mig(&["backfill", "limits", "--docs", "5000/s"])
        .ends_with(0);
    for worker in workers {
        ends(worker).ends_with(0);
    }
    let docs = ("phase", "docs");
    let mut page = leader.page().unwrap();
    // It serves its last figures until they were read.
    until("it ends", || match leader.page() {
        Some(now) => {
            page = now;
            false
        }
        None => true,
    });
    assert!(page.is("docs", "done"));
    let (code, said) = leader.ends();
    assert_eq!(code, 0, "{said}");
    load.is_whole();

    let bulks = bulks(&proxy);
    let (requests, bytes) = (
        bulks.len() as u64,
        bulks.iter().map(|it| it.bytes).sum::<u64>(),
    );
    let status = status(&load);
    let fleet = &status["fleet"];
    println!("{requests} requests of {bytes} bytes went by: {fleet:#}");
    assert_eq!(of(fleet, "requests"), requests);
    assert_eq!(of(fleet, "wire_bytes_sent"), bytes);
    assert_eq!(of(fleet, "docs_sent"), 9000);
    assert_eq!(
        (of(fleet, "processes"), of(fleet, "processes_gone")),
        (0, 3)
    );
    assert!(of(fleet, "bytes_sent") > bytes);
    let point = newest_point(&load);
    assert_eq!((point[SENT], point[WIRE_BYTES]), (requests, bytes));
    assert_eq!(point[REQUESTS], requests);
    assert_eq!(page.sum("mig_fleet_requests_sent_total", &[docs]), requests);
    let own = page.sum("mig_backfill_requests_sent_total", &[docs]);
    assert!((1..requests).contains(&own), "{own} of {requests}");
}

#[test]
fn who_is_killed_and_begun_again_is_neither_lost_nor_counted_twice() {
    if !is_its_day(1, 4) {
        return;
    }
    let fields = "workers: 1, limits: { docs: 300/s, batch: 4KiB }";
    let load = Load::new(opensearch2(), "counted", 12_000, &[], fields);
    let proxy = by_proxy(&load, Speed::default(), "nodes: endpoint, compress: none");
    let sent = || bulks(&proxy).len() as u64;
    let least = std::cell::Cell::new(0);
    let told = || {
        let told = of(&status(&load)["fleet"], "requests");
        let sent = sent();
        assert!(
            told <= sent,
            "{told} requests are told and {sent} were sent"
        );
        // Not even a kill takes anything back.
        assert!(told >= least.get(), "{told} after {}", least.get());
        least.set(told);
        told
    };
    let mut leader = load.begun(start(&load, &["apply", "--auto-approve"]), 100);
    let mut worker = start(&load, &["worker"]);
    for kills in 0..4 {
        let before = told();
        until("they go on", || told() > before + 60);
        if kills % 2 == 0 {
            kill(worker);
            worker = start(&load, &["worker"]);
        } else {
            kill(leader);
            leader = start(&load, &["apply", "--auto-approve"]);
        }
    }
    while leader.try_wait().unwrap().is_none() {
        told();
        thread::sleep(Duration::from_secs(1));
    }
    ends(leader).ends_with(0);
    ends(worker).ends_with(0);
    load.is_whole();
    let (told, sent) = (told(), sent());
    println!("{told} requests are told and {sent} were sent");
    // What each of four did after its last beat nobody knows.
    assert!(told * 100 >= sent * 75, "{told} of {sent}");
    let status = status(&load);
    let gone = of(&status["fleet"], "processes_gone");
    let lost = status["lost"].as_array().unwrap().len();
    assert_eq!((gone, lost), (2, 4), "{status:#}");
    assert!(newest_point(&load)[SENT] <= sent);
}

/// A node that has one thread to write with, and room for one more request.
fn overloaded() -> Server {
    let options = Options {
        settings: vec![
            ("thread_pool.write.size", json!(1)),
            ("thread_pool.write.queue_size", json!(1)),
        ],
        ..Options::default()
    };
    Server::start("opensearch:2.19.1", &options)
}

#[test]
fn an_overloaded_target_is_slowed_down_for_told_of_and_gets_all() {
    if !is_its_day(2, 4) {
        return;
    }
    let target = overloaded();
    let fields = "workers: 8, limits: { batch: 16KiB, in-flight: 16 }";
    let shards = [("index.number_of_shards", json!(4))];
    let load = Load::new(&target, "overload", 60_000, &shards, fields);
    let proxy = by_proxy(&load, Speed::default(), "nodes: endpoint, compress: none");
    let leader = serve(&load, &["apply", "--auto-approve"]);
    let worker = load.place.spawn(&["worker", "--workers", "8"]);
    // Before, a load has no figures.
    until("it begins", || load.visible() > 0);
    let docs = ("phase", "docs");
    let mut page = leader.page().unwrap();
    let mut limits = Vec::new();
    until("it ends", || match leader.page() {
        Some(now) => {
            page = now;
            limits.push(page.sum("mig_backfill_requests_in_flight_limit", &[docs]));
            false
        }
        None => true,
    });
    ends(worker).ends_with(0);
    let (code, said) = leader.ends();
    assert_eq!(code, 0, "{said}");
    load.is_whole();
    let status = status(&load);
    let fleet = &status["fleet"];
    println!(
        "{} requests went by: {fleet:#}\nlimits {limits:?}",
        bulks(&proxy).len()
    );
    let rejected = of(fleet, "answers_429") + of(fleet, "docs_rejected");
    assert!(rejected > 0, "nothing was rejected: {fleet:#}");
    assert_eq!(of(fleet, "docs_sent_again"), of(fleet, "docs_rejected"));
    assert_eq!(
        of(fleet, "docs_sent") - of(fleet, "docs_sent_again"),
        60_000
    );
    // Less was sent than was allowed.
    assert!(limits.iter().any(|it| (1..16).contains(it)), "{limits:?}");
    let point = newest_point(&load);
    assert_eq!(point[THROTTLED] + point[REJECTED], rejected);
    assert_eq!(point[SENT_AGAIN], of(fleet, "docs_sent_again"));
    let told = page.sum("mig_fleet_documents_rejected_total", &[docs])
        + page.sum("mig_fleet_requests_throttled_total", &[docs]);
    assert_eq!(told, rejected);
    let text = load.place.mig(&["backfill", "status", "--deep-check"]);
    assert!(text.out.contains("Not taken at once: "), "{}", text.out);
    let page = load.place.mig(&["report"]).ends_with(0);
    assert!(page.out.contains("Answers 429 and rejected documents"));
}
