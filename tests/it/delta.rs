//! What changed between two snapshots, on snapshots of real servers of every version: found, shown, written and proved without a
//! network.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::support::{Place, Ran};
use super::versions::SERVERS;

/// The indices that both snapshots of a version hold.
const BOTH: &str = "[\"ids\", \"merged\", \"segments\", \"empty\"]";

fn repository(folder: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fixtures.join(folder).join("repository")
}

/// A plan that loads one snapshot and then what changed up to another one; `more` are fields of both loads.
fn text(folder: &str, (base, later): (&str, &str), indices: &str, more: &str) -> String {
    format!(
        "mig: 1
plan: t
state: state
clusters:
  os: {{ directory: out, as: \"2.19\" }}
stores:
  snapshots: {{ directory: {} }}
phases:
  base: {{ snapshot: {{ existing: {{ store: snapshots, name: {base} }} }} }}
  later: {{ snapshot: {{ existing: {{ store: snapshots, name: {later} }} }} }}
  meta: {{ metadata: {{ from: base, to: os, include: {{ indices: {indices}, templates: none, component-templates: none, aliases: none }} }} }}
  docs: {{ backfill: {{ from: base, to: os, indices: {indices}, limits: {{ batch: 1KiB }}{more} }} }}
  same: {{ verify: {{ source: base, target: os, indices: {indices} }} }}
  more: {{ backfill: {{ from: later, since: base, to: os, indices: {indices}, limits: {{ batch: 1KiB }}{more} }} }}
  still: {{ verify: {{ source: later, target: os, indices: {indices} }} }}
",
        repository(folder).display()
    )
}

fn of_version(server: &str) -> Place {
    let folder = format!("versions/{server}");
    Place::of_plan(&text(&folder, ("first", "second"), BOTH, ""))
}

fn outputs(place: &Place, phase: &str) -> Value {
    let state = std::fs::read(place.path("state/state.json")).unwrap();
    let state: Value = serde_json::from_slice(&state).unwrap();
    state["phases"][phase]["outputs"].clone()
}

fn change<'a>(plan: &'a Value, phase: &str) -> &'a Value {
    let changes = plan["phase_changes"].as_array().unwrap();
    changes.iter().find(|it| it["address"] == phase).unwrap()
}

fn planned(place: &Place) -> Value {
    let ran = place.mig(&["plan", "--format", "json"]);
    serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}\n{}", ran.out, ran.err))
}

#[test]
fn what_changed_is_moved_and_proved_for_every_version() {
    for server in SERVERS {
        let place = of_version(server);
        place.apply().ends_with(0).says("since `base`");
        place.is_finished();
        let outputs = outputs(&place, "more");
        let ids = &outputs["indices"]["ids"];
        assert!(ids["written"].as_u64() > Some(0), "{server}: {outputs}");
        assert!(ids["deleted"].as_u64() > Some(0), "{server}: {outputs}");
        // What was deleted is a line that a `_bulk` takes, after all that was loaded before.
        let files = place.ndjson();
        let deletes = files.iter().filter(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().any(|line| line.starts_with("{\"delete\":"))
        });
        for path in deletes {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with("delta-0001-1-"), "{server}: {name}");
        }
    }
}

#[test]
fn the_plan_shows_what_a_delta_costs() {
    let place = of_version("elasticsearch-7.10.2");
    let planned = place.mig(&["plan", "--detail", "full"]).ends_with(0);
    let words: Vec<&str> = planned.out.split_whitespace().collect();
    let words = words.join(" ");
    for text in [
        "> index ids 3 to write, 2 to delete; 2 segments shared, 2 replaced;",
        "to read, 2.1 KiB whole",
        "documents to write and 4 to delete of",
        "deletes 4 documents",
    ] {
        assert!(words.contains(text), "{text}: {}", planned.out);
    }
}

fn killed(place: &Place, point: &str) -> bool {
    let output = place
        .command(&["apply", "--auto-approve"])
        .env("MIG_FAILPOINT", point)
        .output()
        .unwrap();
    output.status.code().is_none()
}

#[cfg(feature = "failpoints")]
#[test]
fn a_delta_that_is_killed_goes_on_at_any_instant() {
    let text = text("versions/opensearch-2.19.1", ("first", "second"), BOTH, "");
    let log = Place::of_plan(&text);
    log.mig(&["apply", "--auto-approve", "--until", "same"])
        .ends_with(0);
    let ran = log
        .command(&["apply", "--auto-approve", "--until", "more"])
        .env("MIG_FAILPOINT_LOG", log.path("points"))
        .output()
        .unwrap();
    Ran::of(&ran).ends_with(0);
    let points = std::fs::read_to_string(log.path("points")).unwrap();
    let points = points.lines().count();
    assert!(points > 50, "{points}");
    // Every twenty-third instant, each in a place of its own.
    for at in (1..=points).step_by(23) {
        let place = Place::of_plan(&text);
        place
            .mig(&["apply", "--auto-approve", "--until", "same"])
            .ends_with(0);
        assert!(killed(&place, &format!("*:{at}")), "{at}");
        place.apply().ends_with(0).says("are equal");
        place.is_finished();
        let (found, wanted) = (outputs(&place, "more"), outputs(&log, "more"));
        for count in ["written", "deleted", "failed"] {
            let of = |it: &Value| it["indices"]["ids"][count].clone();
            assert_eq!(of(&found), of(&wanted), "{count} at {at}");
        }
    }
}

#[test]
fn a_rollback_of_a_directory_gives_the_base_back() {
    let place = of_version("opensearch-3.0.0");
    place.apply().ends_with(0);
    place
        .mig(&["rollback", "--only", "more", "--auto-approve"])
        .ends_with(0);
    assert!(place.ndjson().iter().all(|path| {
        !path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("delta-")
    }));
    let again = planned(&place);
    for phase in ["docs", "same"] {
        let actions = &change(&again, phase)["change"]["actions"];
        assert_eq!(actions, &json!(["no-op"]), "{phase}");
    }
    place.apply().ends_with(0).says("are equal");
    place.is_finished();
}

#[test]
fn a_base_that_is_loaded_again_is_built_upon_again() {
    let place = of_version("elasticsearch-8.17.0");
    place.apply().ends_with(0);
    place
        .mig(&["apply", "--auto-approve", "--redo", "docs"])
        .ends_with(0)
        .says("are equal");
    place.is_finished();
    // What somebody else does to the target is seen, and mended by writing all of it.
    place.lose_a_document();
    let found = place.mig(&["plan"]);
    found.says("--redo");
    place
        .mig(&["apply", "--auto-approve", "--redo", "more"])
        .ends_with(0)
        .says("are equal");
    place.is_finished();
}

/// Restored into another cluster, an index has another uuid: its documents have other histories.
#[test]
fn an_index_that_was_made_anew_is_moved_whole() {
    let folder = "upgraded/elasticsearch-7.17.9-to-8.17.0";
    let snapshots = ("by-elasticsearch-7.17.9", "by-elasticsearch-8.17.0");
    let place = Place::of_plan(&text(folder, snapshots, "[\"carried\"]", ""));
    place.apply().ends_with(0).says("are equal");
    place.is_finished();
    let place = Place::of_plan(&text(folder, snapshots, "[\"carried\"]", ""));
    place
        .mig(&["apply", "--auto-approve", "--until", "same"])
        .ends_with(0);
    let ran = place.mig(&["plan"]).ends_with(0);
    let words: Vec<&str> = ran.out.split_whitespace().collect();
    let words = words.join(" ");
    assert!(
        words.contains("moved whole: it was made anew at the source"),
        "{}",
        ran.out
    );
    assert!(
        words.contains("removes the documents of carried first"),
        "{}",
        ran.out
    );
    place.apply().ends_with(0).says("are equal");
    place.is_finished();
}

/// What a transform leaves out now and did not leave out before is deleted.
#[test]
fn what_a_transform_leaves_out_now_is_deleted() {
    let plan = text(
        "versions/elasticsearch-7.10.2",
        ("first", "second"),
        BOTH,
        ", transforms: [first-only]",
    );
    let plan = plan.replace(
        "phases:\n",
        "transforms:\n  first-only: { steps: [{ jq: { file: first.jq } }] }\nphases:\n",
    );
    let place = Place::of_plan(&plan);
    std::fs::write(place.path("first.jq"), "select(.second | not)").unwrap();
    place.apply().ends_with(0).says("are equal");
    place.is_finished();
    let ids = outputs(&place, "more")["indices"]["ids"].clone();
    // Two updated documents have the field: they were written by the base, and go.
    assert_eq!(
        (&ids["written"], &ids["deleted"]),
        (&json!(1), &json!(4)),
        "{ids}"
    );
}

fn refused(old: &str, new: &str, code: &str) {
    let plan = text(
        "versions/elasticsearch-7.10.2",
        ("first", "second"),
        BOTH,
        "",
    );
    assert!(plan.contains(old), "{old}");
    let place = Place::of_plan(&plan.replace(old, new));
    place.mig(&["validate"]).ends_with(4).says(code);
}

#[test]
fn plans_that_can_not_be_meant_are_refused() {
    refused(
        "from: later, since: base",
        "from: base, since: base",
        "MIG050",
    );
    refused(
        "docs: { backfill: { from: base,",
        "docs: { backfill: { from: later,",
        "MIG051",
    );
    refused(
        "existing: { store: snapshots, name: second }",
        "existing: { store: snapshots, name: second, of: b }",
        "is not",
    );
    refused(
        "since: base, to: os,",
        "since: base, to: os, versions: drop,",
        "MIG054",
    );
    // Two that build upon the same one are no chain.
    refused(
        "  still:",
        "  other: { snapshot: { existing: { store: snapshots, name: partial } } }\n  \
         and: { backfill: { from: other, since: base, to: os } }\n  still:",
        "MIG041",
    );
}

#[test]
fn snapshots_of_other_clusters_and_other_indices_are_refused() {
    let plan = |second: &str, indices: &str| {
        format!(
            "mig: 1\nplan: t\nstate: state\nclusters:\n  a: {{ endpoint: \"http://127.0.0.1:1\" }}\n  \
             b: {{ endpoint: \"http://127.0.0.1:2\" }}\n  os: {{ directory: out, as: \"2.19\" }}\nstores:\n  s: {{ directory: repository }}\nphases:\n  \
             base: {{ snapshot: {{ of: a, to: s, indices: [\"logs-*\"] }} }}\n  later: {{ snapshot: {{ of: {second}, to: s, indices: [{indices}] }} }}\n  \
             meta: {{ metadata: {{ from: base, to: os }} }}\n  docs: {{ backfill: {{ from: base, to: os }} }}\n  \
             more: {{ backfill: {{ from: later, since: base, to: os }} }}\n  same: {{ verify: {{ source: later, target: os }} }}\n"
        )
    };
    let of = |second, indices| Place::of_plan(&plan(second, indices)).mig(&["validate"]);
    of("b", "\"logs-*\"").ends_with(4).says("MIG052");
    of("a", "\"metrics-*\"").ends_with(4).says("MIG053");
    // The later snapshot is taken once the base is loaded.
    let place = Place::of_plan(&plan("a", "\"logs-*\""));
    let graph = place.mig(&["graph"]).ends_with(0);
    graph.says("after docs: stands before `more` catches up");
}

/// Documents that failed are sent again by themselves only where nothing else rests on the order of loads.
#[test]
fn documents_of_a_delta_and_of_what_it_went_over_are_not_sent_one_by_one() {
    let place = of_version("elasticsearch-7.10.2");
    let retry = |phase: &str| {
        place.mig(&[
            "backfill",
            "retry-failed",
            "--auto-approve",
            "--phase",
            phase,
        ])
    };
    place
        .mig(&["apply", "--auto-approve", "--until", "same"])
        .ends_with(0);
    retry("docs")
        .ends_with(0)
        .says("No document of docs failed");
    retry("more")
        .ends_with(1)
        .says("`more` moves what changed since `base`: documents of it are not sent one by one")
        .says("`mig apply --redo more` writes its indices whole");
    place.apply().ends_with(0);
    retry("docs")
        .ends_with(1)
        .says(
            "`more` went over what `docs` loaded: older documents would bring back what it deleted",
        )
        .says("`mig apply --redo more` writes its indices whole");
    // What is told instead does it.
    place
        .mig(&["apply", "--auto-approve", "--redo", "more"])
        .ends_with(0)
        .says("are equal");
    place.is_finished();
}
