//! Whole plans onto the clusters in the middle of an upgrade: Elasticsearch 5.6 onto 6.8, and what stands there onto 7.10 and 7.17, from
//! snapshots that somebody else took.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::hop_corpus::{Corpus, TYPES, all_there, make};
use crate::hops::{ES56, ES68, ES710, ES717, Stop, Stores};

/// Documents of the largest index of the corpus.
const DOCS: usize = 160;

/// Takes a snapshot of all that is the corpus's, by hand.
fn take(server: &Server, place: &Path, name: &str) {
    let body = json!({"type": "fs", "settings": {"location": place, "compress": true}});
    server.put("/_snapshot/by-hand", &body);
    let path = format!("/_snapshot/by-hand/{name}?wait_for_completion=true");
    let body = json!({"indices": "shop-*", "include_global_state": true});
    let taken = server.put(&path, &body);
    assert_eq!(taken["snapshot"]["state"], "SUCCESS", "{taken}");
    server.delete("/_snapshot/by-hand");
}

fn plan(name: &str, place: &Path, to: (&Stop, &Server), more: &str, docs: &str) -> Place {
    let (stop, server) = to;
    Place::of_plan(&format!(
        "mig: 1\nplan: {name}\nstate: state\nclusters:\n  to: {{ endpoint: \"{}\", version: \"{}\" }}\n\
         stores:\n  snapshots: {{ directory: \"{}\" }}\nphases:\n  \
         base: {{ snapshot: {{ existing: {{ store: snapshots, name: one }} }} }}\n  \
         mappings: {{ metadata: {{ from: base, to: to{more} }} }}\n  \
         docs: {{ backfill: {{ from: base, to: to, {docs} }} }}\n  \
         same: {{ verify: {{ source: base, target: to, content: full }} }}\n",
        server.url(),
        stop.version,
        place.display(),
    ))
}

/// What was restored, and what was written.
fn ways(place: &Place) -> (BTreeSet<String>, BTreeSet<String>) {
    let outputs = outputs(place);
    let indices = outputs["indices"].as_object().unwrap().iter();
    let (restored, written): (Vec<_>, Vec<_>) =
        indices.partition(|(_, it)| it["restored"].is_object());
    let names = |of: Vec<(&String, &Value)>| of.into_iter().map(|(name, _)| name.clone()).collect();
    (names(restored), names(written))
}

/// Done, proved, and nothing is left to do, also for a state that knows of nothing.
#[track_caller]
fn is_whole(place: &Place, server: &Server, corpus: &Corpus) {
    place.is_finished();
    all_there(server, corpus);
    let again = || place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
    again();
    std::fs::remove_dir_all(place.path("state")).unwrap();
    place.apply().ends_with(0);
    place.is_finished();
    again();
}

#[test]
#[allow(clippy::print_stdout, reason = "which way each index took, for people")]
fn what_5_6_made_goes_over_6_8_to_7_10_and_7_17_restored_where_it_can_be() {
    if !is_its_day(2, 6) {
        return;
    }
    let first = ES56.start();
    let corpus = make(&first, DOCS);
    let stores = Stores::new(&first, "restored");
    let taken = stores.0.join("of56");
    take(&first, &taken, "one");
    first.stop();
    let second = ES68.start();
    // Elasticsearch 5 had mapping types, which no restore takes apart: it is told, and asked where nothing else was wanted.
    let types = format!(", types: {TYPES}");
    let place = plan(
        "middle",
        &taken,
        (&ES68, &second),
        &types,
        "strategy: restore",
    );
    place
        .mig(&["plan"])
        .ends_with(4)
        .says("MIG381")
        .says("mapping types of shop-items are taken into indices without");
    let place = plan("middle", &taken, (&ES68, &second), &types, "strategy: auto");
    place
        .mig(&["plan"])
        .ends_with(0)
        .says("written, not restored: mapping types of shop-items are taken into indices without");
    place.apply().ends_with(0);
    let (restored, written) = ways(&place);
    assert!(restored.is_empty(), "{restored:?}");
    is_whole(&place, &second, &corpus);

    let taken = stores.0.join("of68");
    take(&second, &taken, "one");
    for (stop, strategy) in [(&ES710, "strategy: restore"), (&ES717, "strategy: auto")] {
        let third = stop.start();
        let place = plan(stop.name, &taken, (stop, &third), "", strategy);
        place
            .mig(&["plan"])
            .ends_with(0)
            .says("stays created by Elasticsearch 6.8.23: Elasticsearch 8 will not open it");
        place.apply().ends_with(0);
        let (all, empty) = ways(&place);
        println!("{} restored {all:?}, wrote {empty:?}", stop.name);
        // What has no documents is not restored.
        assert_eq!(empty, ["shop-empty".to_owned()].into());
        assert_eq!(&all | &empty, written);
        for name in &all {
            assert!(created(&third, name).starts_with("6082399"), "{name}");
        }
        assert!(repositories(&third, stop.name).is_empty());
        is_whole(&place, &third, &corpus);
    }
}
