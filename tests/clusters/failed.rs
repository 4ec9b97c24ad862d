//! Documents that a real target refuses: told by cause, and sent again once it takes them, whatever kills the sending.

use serde_json::{Value, json};

use super::load::Load;
use super::place::Ran;
use super::support::opensearch2;

fn mig(load: &Load<'_>, arguments: &[&str]) -> Ran {
    let mut all = vec!["backfill"];
    all.extend_from_slice(arguments);
    load.place.mig(&all)
}

fn count(load: &Load<'_>) -> Value {
    let ran = mig(load, &["failed", "count", "--json"]).ends_with(0);
    serde_json::from_str(&ran.out).unwrap()
}

/// A hundred documents that arrive, and five that the mapping of the target refuses: two for a date, three for a field.
fn refused(what: &str) -> Load<'static> {
    let target = opensearch2();
    let load = Load::new(target, what, 100, &[], "workers: 2");
    let index = load.index.clone();
    load.source.put(
        &format!("/{index}/_mapping"),
        &json!({"properties": {"when": {"type": "keyword"}, "more": {"type": "keyword"}}}),
    );
    for (id, body) in [
        ("bad-1", json!({"when": "no date"})),
        ("bad-2", json!({"when": "nor this"})),
        ("extra-1", json!({"more": "than the target knows"})),
        ("extra-2", json!({"more": "x"})),
        ("extra-3", json!({"more": "y"})),
    ] {
        load.source.put(&format!("/{index}/_doc/{id}"), &body);
    }
    let fields = json!({"n": {"type": "long"}, "t": {"type": "keyword"}, "when": {"type": "date"}});
    target.put(
        &format!("/{index}"),
        &json!({
            "settings": {"index.number_of_shards": 1, "index.number_of_replicas": 0, "index.number_of_routing_shards": 1024},
            "mappings": {"dynamic": "strict", "properties": fields},
        }),
    );
    load.replace(
        "decide: {  }",
        &format!("decide: {{ \"index {index}\": keep-target }}"),
    );
    load
}

#[test]
fn what_a_mapping_refuses_is_grouped_by_cause_and_arrives_once_it_is_mended() {
    let load = refused("failed");
    let mapping = format!("/{}/_mapping", load.index);
    load.replace("workers: 2", "max-failed: 4");
    load.place.apply().ends_with(9);
    // What failed is no less failed by a second apply.
    load.place.apply().ends_with(9).says("tolerates 4");
    let counted = count(&load);
    assert_eq!(
        counted["by_class"],
        json!({"mapper_parsing_exception": 2, "strict_dynamic_mapping_exception": 3})
    );
    let causes = counted["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 2, "{counted:#}");
    assert_eq!(causes[0]["count"], 3);
    assert!(
        causes[0]["cause"].as_str().unwrap().contains("[more]"),
        "{counted:#}"
    );
    mig(&load, &["status"])
        .ends_with(0)
        .says("Failed documents: 5")
        .says("2 of mapper_parsing_exception: failed to parse field [when] of type [date] in document with id …");
    let listed = mig(
        &load,
        &["failed", "list", "--class", "mapper_parsing_exception"],
    );
    assert_eq!(listed.ends_with(0).out.lines().count(), 2);
    // Nothing is mended: nothing arrives, and nothing is lost.
    mig(&load, &["retry-failed", "--auto-approve"])
        .ends_with(9)
        .says("5 failed again");
    assert_eq!(count(&load), counted);

    // One cause is mended; the sending is killed before and after it is noted what became of them.
    let more = json!({"properties": {"more": {"type": "keyword"}}});
    load.target.put(&mapping, &more);
    for at in [
        "backfill.retry.announced",
        "retry-before-note",
        "retry-after-note",
    ] {
        let mut command = load
            .place
            .command(&["backfill", "retry-failed", "--auto-approve"]);
        let killed = command.env("MIG_FAILPOINT", at).output().unwrap();
        assert_eq!(killed.status.code(), None, "{at} was never come to");
        let left = count(&load)["failed"].as_u64().unwrap();
        assert!([2, 5].contains(&left), "{at}: {left}");
    }
    let ran = mig(&load, &["retry-failed", "--auto-approve", "--json"]).ends_with(9);
    let outcome: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(outcome["outcome"]["failed"], 2, "{outcome:#}");
    assert_eq!(
        count(&load)["by_class"],
        json!({"mapper_parsing_exception": 2})
    );
    assert_eq!(load.visible(), 103);

    // Two are tolerated: the apply finishes the phase, with the counts of now, and the proof names what is missing.
    load.place.apply().ends_with(8).says("bad-1");
    assert_eq!(load.recorded()["written"], 103);
    assert_eq!(load.recorded()["failed"], 2);
    // The other one is mended; this time the requests are sent as they were kept.
    load.target.put(
        &mapping,
        &json!({"properties": {"when": {"type": "date", "ignore_malformed": true}}}),
    );
    mig(&load, &["retry-failed", "--auto-approve", "--as-kept"])
        .ends_with(0)
        .says("2 written")
        .says("No document of it is failed any more");
    assert_eq!(load.recorded()["written"], 105);
    assert_eq!(load.outputs()["failed-documents"], Value::Null);
    load.nothing_is_left();
    mig(&load, &["retry-failed", "--auto-approve"]).ends_with(0);
    load.place.apply().ends_with(0);
    load.place
        .mig(&["plan", "--detailed-exitcode"])
        .ends_with(0);
    assert_eq!(load.visible(), 105);
}
