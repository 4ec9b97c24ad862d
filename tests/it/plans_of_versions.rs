//! A plan over the snapshot of every version is accepted, applied to a directory and proved: real snapshots of 1.7.6 to 9.0
//! and of OpenSearch.

use std::path::Path;

use super::support::Place;
use super::versions::SERVERS;

fn place(repository: &Path, snapshot: &str, types: &str) -> Place {
    let place = Place::empty();
    let plan = format!(
        "mig: 1\nplan: t\nstate: state\nclusters:\n  os: {{ directory: out, as: \"2.19\" }}\nstores:\n  \
         snapshots: {{ directory: {} }}\nphases:\n  \
         base: {{ snapshot: {{ existing: {{ store: snapshots, name: {snapshot} }} }} }}\n  \
         meta: {{ metadata: {{ from: base, to: os, include: {{ templates: [streams], component-templates: none }}, \
         rules: {{ MIG129: allow, MIG132: allow, MIG169: allow }}{types} }} }}\n  \
         docs: {{ backfill: {{ from: base, to: os, without-source: skip }} }}\n  \
         same: {{ verify: {{ source: base, target: os }} }}\n",
        repository.display()
    );
    std::fs::write(place.path("plan.yaml"), plan).unwrap();
    place
}

/// In the oldest two, and in 5.6, an index has several types: how they are taken is asked.
#[test]
fn how_several_types_are_taken_is_asked() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for (folder, snapshot, index) in [
        ("es-1.7.6", "snap-2014", "blog"),
        ("versions/elasticsearch-2.4.6", "first", "types"),
        ("versions/elasticsearch-5.6.16", "first", "types"),
    ] {
        let place = place(&fixtures.join(folder).join("repository"), snapshot, "");
        let planned = place.mig(&["plan"]).ends_with(4);
        let planned = planned.says("MIG097").says(&format!("\"!{index}\""));
        planned.says("1 decision is missing");
    }
}

#[test]
fn every_version_is_planned_applied_and_proved() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let old = (
        fixtures.join("es-1.7.6/repository"),
        "snap-2014",
        "Elasticsearch 1.7.6",
    );
    let versions = SERVERS.iter().map(|server| {
        let repository = fixtures.join("versions").join(server).join("repository");
        let line = server.split('.').next().unwrap();
        let made_by = match line.split_once('-') {
            Some(("elasticsearch", major)) => format!("Elasticsearch {major}"),
            Some((_, major)) => format!("OpenSearch {major}"),
            None => unreachable!("{server}"),
        };
        (repository, "first", made_by)
    });
    let old = std::iter::once((old.0, old.1, old.2.to_owned()));
    for (repository, snapshot, made_by) in old.chain(versions) {
        let types = match made_by.as_str() {
            "Elasticsearch 1.7.6" => ", types: { blog: { take: split } }",
            "Elasticsearch 2" | "Elasticsearch 5" => {
                ", types: { types: { take: union, ids: type-prefix } }"
            }
            _ => "",
        };
        let place = place(&repository, snapshot, types);
        let planned = place.mig(&["plan", "--detail", "full"]).ends_with(0);
        // The title is wrapped where it is long.
        let words: Vec<&str> = planned.out.split_whitespace().collect();
        let said = words.join(" ");
        let wanted = format!("existing `{snapshot}` in snapshots of {made_by}");
        assert!(said.contains(&wanted), "{made_by}: {}", planned.out);
        let streams = planned.out.contains(", of data stream");
        let wanted = ["Elasticsearch 8", "Elasticsearch 9", "OpenSearch 2"];
        assert!(
            streams || !wanted.contains(&made_by.as_str()),
            "{made_by}: {}",
            planned.out
        );
        place.apply().ends_with(0).says("documents of");
        place.is_finished();
    }
}
