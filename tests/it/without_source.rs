//! What can't be read, and documents without a source: what the plan shows of the rest, and what an apply does of it. With a
//! repository that was changed by hand; real servers' are read in `tests/clusters/without_source.rs`.

use std::fs;

use serde_json::json;

use super::altered_shop::{AlteredShop, INDEX};
use super::support::Place;

const PHASES: &str = "  base: { snapshot: { existing: { store: snapshots, name: nightly-1 } } }
  meta: { metadata: { from: base, to: os } }
  docs: { backfill: { from: base, to: os } }
  same: { verify: { source: base, target: os } }
";

fn place(phases: &str, change: impl FnOnce(&AlteredShop)) -> Place {
    let place = Place::with(phases);
    change(&AlteredShop::at(&place.path("snapshots")));
    write(&place, phases);
    place
}

fn write(place: &Place, phases: &str) {
    place.write_plan(phases);
    let plan = fs::read_to_string(place.path("plan.yaml")).unwrap();
    let shop = super::support::fixture("shop").display().to_string();
    fs::write(place.path("plan.yaml"), plan.replace(&shop, "snapshots")).unwrap();
}

#[test]
fn what_can_not_be_read_is_in_the_way_of_nothing_else() {
    let place = place(PHASES, AlteredShop::damaged);
    let said = "can't be read (MIG096)";
    place.mig(&["plan"]).ends_with(4).says(said);
    place.apply().ends_with(4);
    let only = PHASES.replace(
        "os } }\n  same",
        &format!("os, indices: [\"*\", \"!{INDEX}\"] }} }}\n  same"),
    );
    write(&place, &only);
    place.mig(&["plan"]).ends_with(0).says(said);
    place.apply().ends_with(0).says("7 550 of 7 550 documents");
}

#[test]
fn a_partial_snapshot_is_refused_unless_its_other_shards_are_asked_for() {
    let place = place(PHASES, AlteredShop::partial);
    let reason = "primary shard is not allocated";
    place
        .mig(&["plan"])
        .ends_with(4)
        .says("MIG080")
        .says(reason);
    let take = PHASES.replace("name: nightly-1", "name: nightly-1, partial: take");
    write(&place, &take);
    place.mig(&["plan"]).ends_with(0).says("shard 0 is missing");
    place
        .apply()
        .ends_with(0)
        .says("7 550 of 7 550 documents")
        .says("shard 0 of catalog-attachments is not in the snapshot")
        .says(reason);
    let state = fs::read_to_string(place.path("state/state.json")).unwrap();
    assert!(state.contains("was not compared"), "{state}");
}

#[test]
fn a_choice_that_does_not_fit_is_no_choice() {
    let disabled = |shop: &AlteredShop| {
        shop.metadata(&json!({}), &json!({"_source": {"enabled": false}}));
    };
    for (choice, code) in [
        ("refuse", 4),
        ("as-stored", 4),
        ("skip", 0),
        ("reconstruct", 0),
    ] {
        let phases = PHASES.replace(
            "os } }\n  same",
            &format!("os, without-source: {choice} }} }}\n  same"),
        );
        place(&phases, disabled).mig(&["plan"]).ends_with(code);
    }
    let reduced = |shop: &AlteredShop| {
        shop.metadata(&json!({}), &json!({"_source": {"excludes": ["body"]}}));
    };
    // Its documents have a source all the same: taken as it is, all of it arrives.
    let phases = PHASES.replace(
        "os } }\n  same",
        "os, without-source: as-stored } }\n  same",
    );
    let taken = place(&phases, reduced);
    taken
        .mig(&["plan"])
        .ends_with(0)
        .says("the _source that lacks fields is taken");
    taken.apply().ends_with(0).says("7 560 of 7 560 documents");
    // Left out, they are counted, and the proof says so.
    let phases = phases.replace("as-stored", "skip");
    let skipped = place(&phases, reduced);
    let ran = skipped.apply().ends_with(0);
    ran.says("7 550 of 7 560 documents of 10 indices written to os, 0 failed, 10 left out");
    let state = fs::read_to_string(skipped.path("state/state.json")).unwrap();
    assert!(state.contains("10 documents left out by `docs`"), "{state}");
    skipped.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
    // Made again, they are completed by what the segments hold, and the proof says so.
    let phases = phases.replace("skip", "reconstruct");
    let rebuilt = place(&phases, reduced);
    rebuilt
        .apply()
        .ends_with(0)
        .says("7 560 of 7 560 documents")
        .says("sources made again by `docs`");
}

/// OpenSearch derives the sources of this index when it is asked: what is made again of its segments is what it makes.
#[test]
fn sources_are_made_again_as_the_server_makes_them() {
    let phases = PHASES
        .replace("nightly-1", "first")
        .replace(
            "from: base, to: os } }\n  docs",
            "from: base, to: os, include: { indices: [derived] } } }\n  docs",
        )
        .replace(
            "os } }\n  same",
            "os, indices: [derived], without-source: reconstruct } }\n  same",
        );
    let server = "opensearch-3.3.0";
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/versions");
    let place = Place::with(&phases);
    place.write_plan(&phases);
    let plan = fs::read_to_string(place.path("plan.yaml")).unwrap();
    let shop = super::support::fixture("shop").display().to_string();
    let repository = fixture.join(server).join("repository");
    let plan = plan.replace(&shop, &repository.display().to_string());
    fs::write(place.path("plan.yaml"), plan).unwrap();
    place
        .mig(&["plan"])
        .ends_with(0)
        .says("at")
        .says("comes back to about 1 cm");
    place.apply().ends_with(0).says("6 of 6 documents");
    let taken = super::versions::expected(server).snapshots.remove(0);
    let mut wanted: Vec<(String, serde_json::Value)> = taken.indices["derived"]
        .documents
        .iter()
        .map(|answer| {
            let source = answer.source.as_ref().unwrap();
            (answer.id.clone(), serde_json::from_str(source).unwrap())
        })
        .collect();
    wanted.sort_by(|left, right| left.0.cmp(&right.0));
    let mut found = Vec::new();
    for entry in fs::read_dir(place.path("out/indices/derived/docs")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "ndjson")
        {
            let text = fs::read_to_string(path).unwrap();
            let mut lines = text
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            while let (Some(action), Some(source)) = (lines.next(), lines.next()) {
                found.push((action["index"]["_id"].as_str().unwrap().to_owned(), source));
            }
        }
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(found, wanted);
}
