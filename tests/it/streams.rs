//! Data streams on a directory target: real snapshots of Elasticsearch and OpenSearch, as streams, as indices, or not at all.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::support::Place;

/// Servers whose snapshots hold the stream `stream-web` of two generations, with its template.
const SERVERS: [&str; 5] = [
    "elasticsearch-8.11.0",
    "elasticsearch-8.17.0",
    "elasticsearch-9.0.0",
    "opensearch-2.19.1",
    "opensearch-3.3.0",
];

fn place(server: &str, choice: &str, more: &str) -> Place {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/versions");
    let place = Place::empty();
    let plan = format!(
        "mig: 1\nplan: t\nstate: state\nclusters:\n  os: {{ directory: out, as: \"2.19\" }}\nstores:\n  \
         snapshots: {{ directory: {} }}\nphases:\n  \
         base: {{ snapshot: {{ existing: {{ store: snapshots, name: first }} }} }}\n  \
         meta: {{ metadata: {{ from: base, to: os, {choice} include: {{ indices: [stream-web], aliases: none, \
         component-templates: none }} }} }}\n  \
         docs: {{ backfill: {{ from: base, to: os, {choice} indices: [stream-web] }} }}\n{more}",
        fixtures.join(server).join("repository").display()
    );
    std::fs::write(place.path("plan.yaml"), plan).unwrap();
    place
}

const SAME: &str = "  same: { verify: { source: base, target: os, indices: [stream-web] } }\n";

/// The action lines of an index of the target, by id.
fn actions(place: &Place, index: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let folder = place.path("out/indices").join(index).join("docs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines().step_by(2) {
            let action: Value = serde_json::from_str(line).unwrap();
            let body = action.as_object().unwrap().values().next().unwrap();
            found.insert(body["_id"].as_str().unwrap().to_owned(), action);
        }
    }
    found
}

#[test]
fn a_stream_is_created_through_its_name_generation_by_generation() {
    for server in SERVERS {
        let place = place(server, "", SAME);
        place.apply().ends_with(0);
        place.is_finished();
        for generation in 1..=2 {
            let index = format!(".ds-stream-web-{generation:06}");
            let actions = actions(&place, &index);
            let ids: Vec<String> = (1..=3).map(|n| format!("g{generation}-{n}")).collect();
            assert_eq!(
                actions.keys().collect::<Vec<_>>(),
                ids.iter().collect::<Vec<_>>()
            );
            for (id, action) in actions {
                let wanted = serde_json::json!({"create": {"_index": "stream-web", "_id": id}});
                assert_eq!(action, wanted, "{server}: no version, no other name");
            }
        }
        let stream = std::fs::read_to_string(place.path("out/data-streams/stream-web.json"));
        let stream: Value = serde_json::from_str(&stream.unwrap()).unwrap();
        assert_eq!(stream["timestamp_field"], "@timestamp");
        assert_eq!(stream["generations"].as_array().unwrap().len(), 2);
        // A document that is lost is missed by the proof, in its generation.
        place.lose_a_document();
        place
            .mig(&[
                "apply",
                "--auto-approve",
                "--redo",
                "same",
                "--only",
                "same",
            ])
            .ends_with(8)
            .says("missing");
    }
}

#[test]
fn a_stream_becomes_indices_under_an_alias_or_stays_out() {
    for server in SERVERS {
        let taken = place(server, "data-streams: indices,", SAME);
        taken.apply().ends_with(0);
        taken.is_finished();
        let alias = std::fs::read_to_string(taken.path("out/aliases/stream-web.json")).unwrap();
        let alias: Value = serde_json::from_str(&alias).unwrap();
        let indices = alias["indices"].as_object().unwrap();
        assert_eq!(indices.len(), 2, "{alias}");
        let newest = indices.keys().max().unwrap();
        for (name, definition) in indices {
            assert!(name.starts_with("ds-stream-web-"), "{alias}");
            assert_eq!(definition["is_write_index"], *name == *newest, "{alias}");
            for (id, action) in actions(&taken, name) {
                assert_eq!(action["index"]["_index"], **name, "{id}: {action}");
                assert_eq!(action["index"]["version_type"], "external_gte");
            }
            let body =
                std::fs::read_to_string(taken.path(&format!("out/indices/{name}/index.json")));
            assert!(!body.unwrap().contains("_data_stream_timestamp"));
        }
        let out = place(server, "data-streams: skip,", "");
        let planned = out.mig(&["plan", "--detail", "full"]);
        let said = planned.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            said.contains("the plan says `data-streams: skip`"),
            "{}",
            planned.out
        );
    }
}

/// A load that is rolled over to its end and begun again makes all of its generations anew.
#[test]
fn a_redo_and_a_rollback_take_all_generations() {
    let place = place("elasticsearch-8.11.0", "", SAME);
    place.apply().ends_with(0);
    place
        .mig(&["apply", "--auto-approve", "--redo", "docs"])
        .ends_with(0);
    place.is_finished();
    assert_eq!(actions(&place, ".ds-stream-web-000002").len(), 3);
    place.mig(&["rollback", "--auto-approve"]).ends_with(0);
    assert!(!place.path("out/indices/.ds-stream-web-000002").exists());
    assert!(!place.path("out/data-streams/stream-web.json").exists());
    assert!(!place.path("out/indices/.ds-stream-web-000001").exists());
}

/// A kill at every boundary of a load of two generations: the other one finishes it, and neither is short or double.
#[test]
#[cfg(feature = "failpoints")]
fn a_kill_between_generations_is_finished_by_a_plain_apply() {
    let whole = place("elasticsearch-8.11.0", "", SAME);
    let ran = whole
        .command(&["apply", "--auto-approve"])
        .env("MIG_FAILPOINT_LOG", whole.path("points"))
        .output()
        .unwrap();
    assert!(ran.status.success());
    let log = std::fs::read_to_string(whole.path("points")).unwrap();
    let mut hits: BTreeMap<&str, usize> = BTreeMap::new();
    for name in log.lines() {
        *hits.entry(name).or_default() += 1;
    }
    assert!(hits.contains_key("backfill.roll-over.before"), "{hits:?}");
    let mut kills = 0;
    // The others are those of every load, which `crash` goes through.
    let own = ["stream", "roll-over", "backfill", "bulk", "target-"];
    hits.retain(|name, _| own.iter().any(|of| name.contains(of)));
    for (name, hits) in hits {
        let mut chosen = vec![1, hits.div_ceil(2), hits];
        chosen.dedup();
        for hit in chosen {
            let place = place("elasticsearch-8.11.0", "", SAME);
            let ran = place
                .command(&["apply", "--auto-approve"])
                .env("MIG_FAILPOINT", format!("{name}:{hit}"))
                .output()
                .unwrap();
            kills += usize::from(ran.status.code().is_none());
            let ran = place.apply();
            assert_eq!(ran.code, 0, "after {name}:{hit}\n{}\n{}", ran.out, ran.err);
            place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
            for generation in 1..=2 {
                let actions = actions(&place, &format!(".ds-stream-web-{generation:06}"));
                assert_eq!(actions.len(), 3, "after {name}:{hit}");
            }
        }
    }
    assert!(kills > 15, "{kills}");
}
