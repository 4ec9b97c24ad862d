//! A load and a target that is slow, says 429, breaks connections, stands still, starts anew, takes small requests alone, or
//! has several nodes: less is sent, what goes by is waited for, and all documents stand there.

use std::thread;
use std::time::{Duration, Instant};

use mig::clients::cluster::Request;
use serde_json::{Value, json};

use super::load::{Load, ends};
use super::proxy::{Fault, Proxy, Seen, Speed};
use super::support::{Options, Server, elasticsearch, is_its_day, opensearch2, opensearch3};

/// Several seconds' worth.
const SLOW: &str = "limits: { docs: 1000/s, batch: 8KiB }";

/// What the requests with documents have in their path, and no other.
pub(crate) const BULK: &str = "/_bulk?pipeline=";

fn port(url: &str) -> u16 {
    url.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// The plan goes to the target by way of a proxy, with more words about the cluster.
pub(crate) fn by_proxy(load: &Load<'_>, speed: Speed, words: &str) -> Proxy {
    let proxy = Proxy::with(port(load.target.url()), speed);
    let url = load.target.url().to_owned();
    load.replace(&url, &format!("http://127.0.0.1:{}", proxy.port));
    let version = "version: \"2.19\"";
    load.replace(version, &format!("{version}, {words}"));
    proxy
}

fn bulks(proxy: &Proxy) -> Vec<Seen> {
    let seen = proxy.seen().into_iter();
    seen.filter(|it| it.path.contains(BULK)).collect()
}

#[test]
fn rejections_lost_answers_and_broken_connections_cost_no_document_and_lessen_what_is_sent() {
    let fields = "workers: 8, limits: { batch: 8KiB, in-flight: 16 }";
    let load = Load::new(opensearch2(), "pushed", 20_000, &[], fields);
    let latency = Duration::from_millis(20);
    let speed = Speed {
        latency,
        ..Speed::default()
    };
    let proxy = by_proxy(&load, speed, "nodes: endpoint");
    proxy.fault("POST", BULK, 40, 12, Fault::Status(429, "Busy"));
    proxy.fault("POST", BULK, 30, 3, Fault::LoseAnswer);
    proxy.fault("POST", BULK, 30, 3, Fault::Refuse);
    proxy.fault("POST", BULK, 10, 4, Fault::Status(503, "Away"));
    let child = load
        .place
        .command(&["apply", "--auto-approve"])
        .env("MIG_LOG", "mig=debug")
        .output()
        .unwrap();
    let ran = super::place::Ran::of(&child).ends_with(0);
    assert_eq!(proxy.met(), 22);
    assert!(ran.err.contains("sent again"), "{}", ran.err);
    load.is_whole();
}

#[test]
fn a_batch_that_is_too_large_for_what_stands_before_the_target_is_sent_in_smaller_ones() {
    let fields = "workers: 1, limits: { batch: 128KiB }";
    let load = Load::new(opensearch2(), "halved", 10_000, &[], fields);
    let proxy = by_proxy(&load, Speed::default(), "nodes: endpoint, compress: none");
    proxy.fault("POST", BULK, 0, 2, Fault::Status(413, "Large"));
    load.place.apply().ends_with(0);
    load.is_whole();
    let sizes: Vec<u64> = bulks(&proxy).iter().map(|it| it.bytes).collect();
    let first = sizes[0];
    // Up to four were on their way, or ready to be, when the first answer came.
    let rest = sizes.get(10..).unwrap();
    assert!(!rest.is_empty(), "{sizes:?}");
    assert!(rest.iter().all(|bytes| *bytes <= first / 2), "{sizes:?}");
}

#[test]
fn a_small_target_gets_requests_of_its_size_stands_still_starts_anew_and_gets_all() {
    let options = Options {
        settings: vec![("http.max_content_length", json!("1mb"))],
        ..Options::default()
    };
    let target = Server::start("opensearch:2.19.1", &options);
    let docs = 12_000;
    let load = Load::new(&target, "small", docs, &[], "max-failed: 2");
    let proxy = by_proxy(&load, Speed::default(), "nodes: endpoint");
    let index = &load.index;
    // One that is larger than any request, and one that just fits into one with its action line.
    let opaque = json!({"properties": {"o": {"type": "object", "enabled": false}}});
    load.source.put(&format!("/{index}/_mapping"), &opaque);
    let large = json!({"n": 1, "o": {"t": "z".repeat(1_200_000)}});
    let fits = json!({"n": 2, "o": {"t": "z".repeat((1 << 20) - 300)}});
    for (id, body) in [("large", &large), ("fits", &fits)] {
        load.source.put(&format!("/{index}/_doc/{id}"), body);
    }
    load.place
        .mig(&["apply", "--auto-approve", "--until", "docs"])
        .ends_with(0);
    let outputs = load.outputs();
    let failed = &outputs["failed-documents"];
    assert_eq!(
        failed["by-class"],
        json!({"document-too-large": 1}),
        "{outputs}"
    );
    let folder = load.place.path(failed["at"].as_str().unwrap()).join(index);
    let texts: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|it| std::fs::read_to_string(it.unwrap().path()).unwrap())
        .collect();
    let text = texts.concat();
    assert!(text.contains("\"id\":\"large\""), "{text:.300}");
    assert!(
        text.contains("the target takes 1048576 in one"),
        "{text:.300}"
    );
    assert_eq!(load.visible(), u64::from(docs) + 1);
    let most = bulks(&proxy).iter().map(|it| it.bytes).max().unwrap();
    assert!(most <= 1 << 20, "a request of {most} bytes was sent");
    assert!(
        most > 1 << 19,
        "{most}: requests are smaller than they need be"
    );

    // The same target stands still, and starts anew.
    drop(proxy);
    let load = Load::new(&target, "still", 6000, &[], SLOW);
    let child = load.begin(500);
    target.pause();
    thread::sleep(Duration::from_secs(3));
    target.resume();
    load.visible();
    target.stop();
    thread::sleep(Duration::from_secs(1));
    target.restart();
    ends(child).ends_with(0);
    load.is_whole();
}

#[test]
fn requests_are_taken_compressed_and_a_load_of_them_is_whole() {
    for server in [elasticsearch(), opensearch2(), opensearch3()] {
        let lines = "{\"index\":{\"_index\":\"packed-by-hand\",\"_id\":\"1\"}}\n{\"n\":1}\n";
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packer, lines.as_bytes()).unwrap();
        let request = Request::post("/_bulk").packed(packer.finish().unwrap().into());
        let answer = server.client().json(request).unwrap();
        assert_eq!(answer["errors"], false, "{answer}");
        server.delete("/packed-by-hand");
    }
    let load = Load::new(
        opensearch2(),
        "packed",
        3000,
        &[],
        "limits: { batch: 64KiB }",
    );
    let proxy = by_proxy(&load, Speed::default(), "compress: gzip, nodes: endpoint");
    load.place.apply().ends_with(0);
    load.is_whole();
    let bulks = bulks(&proxy);
    let packed = |it: &Seen| it.encoding.as_deref() == Some("gzip");
    assert!(bulks.iter().all(packed), "{bulks:?}");
    assert!(!bulks.is_empty());
}

#[test]
fn what_does_not_understand_compressed_requests_gets_plain_ones() {
    let load = Load::new(
        opensearch2(),
        "plain",
        3000,
        &[],
        "limits: { batch: 64KiB }",
    );
    let proxy = by_proxy(&load, Speed::default(), "compress: gzip, nodes: endpoint");
    proxy.fault("POST", BULK, 0, 1, Fault::Status(415, "Encoding"));
    load.place.apply().ends_with(0);
    load.is_whole();
    let plain = bulks(&proxy)
        .iter()
        .filter(|it| it.encoding.is_none())
        .count();
    assert!(plain > 0);
}

#[test]
fn the_target_s_processors_are_looked_at_and_what_is_sent_gets_less() {
    let fields = "limits: { target-cpu: 1, docs: 2500/s, batch: 64KiB }";
    let load = Load::new(opensearch2(), "cpu", 20_000, &[], fields);
    let output = load
        .place
        .command(&["apply", "--auto-approve"])
        .env("MIG_LOG", "mig=debug")
        .output()
        .unwrap();
    let ran = super::place::Ran::of(&output).ends_with(0);
    let looks: Vec<&str> = ran
        .err
        .lines()
        .filter(|line| line.contains("the target's processors"))
        .collect();
    // Above the limit from the first look on, so that one request at once is left.
    assert!(looks.len() > 1, "{}", ran.err);
    let last = looks.last().unwrap();
    assert!(last.contains("in_flight=1"), "{looks:#?}");
    assert!(!ran.out.contains("of no effect"), "{}", ran.out);
    load.is_whole();
}

/// Two nodes of one cluster, the second found by the port that the first one names.
fn pair() -> (Server, Server) {
    let cluster = ("cluster.name", json!("mig-pair"));
    let of = |settings: Vec<(&'static str, Value)>| Options {
        settings,
        ..Options::default()
    };
    let first = Server::start(
        "opensearch:2.19.1",
        &of(vec![
            cluster.clone(),
            ("node.name", json!("one")),
            ("discovery.type", json!("zen")),
            ("discovery.seed_hosts", json!([])),
            ("cluster.initial_cluster_manager_nodes", json!(["one"])),
        ]),
    );
    let nodes = first.get("/_nodes/transport");
    let node = nodes["nodes"].as_object().unwrap().values().next().unwrap();
    let seed = node["transport"]["publish_address"].clone();
    let second = Server::start(
        "opensearch:2.19.1",
        &of(vec![
            cluster,
            ("node.name", json!("two")),
            ("discovery.type", json!("zen")),
            ("discovery.seed_hosts", json!([seed])),
            ("node.roles", json!(["data"])),
        ]),
    );
    let both = first.get("/_cluster/health?wait_for_nodes=2&timeout=60s");
    assert_eq!(both["number_of_nodes"], 2, "{both}");
    (first, second)
}

/// Connections that a node was ever asked for.
fn opened(server: &Server, node: &str) -> u64 {
    let stats = server.get("/_nodes/stats/http");
    let nodes = stats["nodes"].as_object().unwrap();
    let found = nodes.values().find(|it| it["name"] == node);
    found.map_or(0, |it| it["http"]["total_opened"].as_u64().unwrap())
}

/// Starts servers of its own for half a minute: on every third day.
#[test]
fn documents_go_to_all_nodes_and_one_that_dies_is_waited_for_and_used_again() {
    if !is_its_day(1, 3) {
        return;
    }
    let (first, second) = pair();
    let settings = [("index.number_of_shards", json!(2))];
    let load = Load::new(&first, "spread", 12_000, &settings, SLOW);
    let before = opened(&first, "two");
    let child = load.begin(1000);
    let during = opened(&first, "two");
    assert!(during > before, "nothing was sent to the second node");
    second.kill();
    thread::sleep(Duration::from_secs(2));
    second.restart();
    let began = Instant::now();
    while opened(&first, "two") < 2 && began.elapsed() < Duration::from_mins(1) {
        thread::sleep(Duration::from_millis(200));
    }
    ends(child).ends_with(0);
    load.is_whole();
    // The sandbox asks it once while it starts; whoever else comes is the load.
    assert!(opened(&first, "two") >= 2, "it was not used again");
}
