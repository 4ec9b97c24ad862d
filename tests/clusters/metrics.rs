//! Figures that a run and its worker serve while they load from Elasticsearch 7.10.2 into OpenSearch 2.19.1: at the end they say
//! what the run itself says of its outcome.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::exposition::{Exposition, Served};
use super::load::Load;
use super::support::opensearch2;

const LONGEST: Duration = Duration::from_mins(2);
const DOCS: u32 = 4000;

/// Begins a command that serves its figures until they were read once after its end.
pub(crate) fn serve(load: &Load<'_>, arguments: &[&str]) -> Served {
    let address = [
        "--metrics-address",
        "127.0.0.1:0",
        "--metrics-linger",
        "60s",
    ];
    let mut command = load.place.command(&[arguments, &address].concat());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    Served::of(command.spawn().unwrap())
}

/// Counts of both processes.
struct Both([Exposition; 2]);

impl Both {
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.0.iter().map(|page| page.sum(name, labels)).sum()
    }
}

#[test]
fn figures_are_those_of_the_outcome() {
    let target = opensearch2();
    let fields = "max-failed: 3, workers: 1, limits: { docs: 400/s, batch: 4KiB }";
    let load = Load::new(target, "figures", DOCS, &[], fields);
    let index = load.index.as_str();
    load.source.put(
        &format!("/{index}/_mapping"),
        &json!({"properties": {"when": {"type": "keyword"}}}),
    );
    for id in ["bad-1", "bad-2"] {
        let path = format!("/{index}/_doc/{id}");
        load.source.put(&path, &json!({"when": "no date"}));
    }
    load.source.post(&format!("/{index}/_refresh"), &json!({}));
    target.put(
        &format!("/{index}"),
        &json!({
            "settings": {"index.number_of_shards": 1, "index.number_of_replicas": 0, "index.number_of_routing_shards": 1024},
            "mappings": {"properties": {
                "n": {"type": "long"}, "t": {"type": "keyword", "index": false}, "when": {"type": "date"}}},
        }),
    );
    load.replace(
        "decide: {  }",
        &format!("decide: {{ \"index {index}\": keep-target }}"),
    );

    let leader = serve(&load, &["apply", "--auto-approve", "--until", "docs"]);
    let worker = serve(&load, &["worker"]);
    let began = Instant::now();
    // In the middle of it: counters grow, both work, and gauges are within their limits.
    let docs = ("phase", "docs");
    let sent = |page: &Exposition| page.sum("mig_backfill_documents_sent_total", &[docs]);
    let works =
        |page: &Exposition| page.sum("mig_backfill_workers", &[docs]) == 1 && sent(page) > 0;
    // A process has no figures of a load before it has begun one.
    let has_figures = |served: &Served| {
        let (_, body) = super::exposition::get(&served.address, "/metrics").unwrap();
        body.contains("mig_backfill_workers")
    };
    let in_the_middle = loop {
        assert!(began.elapsed() < LONGEST, "they never worked together");
        if has_figures(&leader) && has_figures(&worker) {
            let pages = [leader.page().unwrap(), worker.page().unwrap()];
            if pages.iter().all(works) {
                break pages;
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(in_the_middle[0].is("docs", "running"));
    let most = in_the_middle[0].sum("mig_backfill_requests_in_flight_limit", &[docs]);
    assert!((1..=32).contains(&most), "{most}");
    let batch = in_the_middle[0].sum("mig_backfill_batch_limit_bytes", &[docs]);
    assert_eq!(batch, 4096);
    assert_eq!(
        in_the_middle[0].sum("mig_backfill_workers_desired", &[docs]),
        1
    );
    assert!(load.visible() < u64::from(DOCS));

    let over = |served: &Served, is: &dyn Fn(&Exposition) -> bool| loop {
        let page = served
            .page()
            .expect("it lingers until it was read at its end");
        if is(&page) {
            return page;
        }
        assert!(began.elapsed() < LONGEST, "it is never over");
        std::thread::sleep(Duration::from_millis(100));
    };
    // A worker knows no phases: it is over when it has nothing any more, by the leader's word.
    let led = over(&leader, &|page| page.is("docs", "done"));
    let helped = over(&worker, &|page| {
        let items = |state| page.sum("mig_backfill_items", &[docs, ("state", state)]);
        items("open") + items("held") == 0
    });
    for served in [leader, worker] {
        let (code, said) = served.ends();
        assert_eq!(code, 0, "{said}");
    }

    let both = Both([led, helped]);
    let recorded = load.recorded();
    let of = |outcome: &str| {
        let labels = [docs, ("index", index), ("outcome", outcome)];
        both.sum("mig_backfill_documents_total", &labels)
    };
    for (outcome, field) in [
        ("written", "written"),
        ("newer-present", "newer-present"),
        ("failed", "failed"),
        ("left-out", "dropped"),
    ] {
        assert_eq!(
            Some(of(outcome)),
            recorded[field].as_u64(),
            "{outcome}: {recorded}"
        );
    }
    assert_eq!(of("failed"), 2);
    assert_eq!(of("written"), load.visible());
    let by_class: BTreeMap<String, Value> =
        serde_json::from_value(load.outputs()["failed-documents"]["by-class"].clone()).unwrap();
    assert_eq!(by_class.len(), 1, "{by_class:?}");
    for (class, count) in by_class {
        let labels = [docs, ("class", class.as_str())];
        let name = "mig_backfill_documents_failed_total";
        assert_eq!(Some(both.sum(name, &labels)), count.as_u64(), "{class}");
    }
    // Each document was in exactly one first request, and each request was answered.
    let total = |name: &str| both.sum(name, &[docs]);
    let first = total("mig_backfill_documents_sent_total")
        - total("mig_backfill_documents_sent_again_total");
    assert_eq!(first, u64::from(DOCS) + 2);
    assert_eq!(
        total("mig_backfill_documents_read_total"),
        u64::from(DOCS) + 2
    );
    let requests = total("mig_backfill_requests_sent_total");
    assert_eq!(requests, total("mig_backfill_requests_total"));
    assert_eq!(
        requests,
        total("mig_backfill_request_duration_seconds_count")
    );
    assert!(total("mig_backfill_sent_bytes_total") > 60 * u64::from(DOCS));
    assert!(
        both.0.iter().all(|page| sent(page) > 0),
        "one of them did nothing"
    );
}
