//! Transforms from end to end with the real binary: loaded, proved, killed, sampled and tested, on the snapshot of a real
//! server. Real targets are in `tests/clusters/transforms.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use mig::clients::objects::DirectoryStore;
use mig::engines::snapshot::Repository;
use serde_json::{Value, json};

use super::altered_shop::dat;
use super::support::Place;

/// Monitoring is left out by a script, the message goes, a field gets another place, a constant is added.
const TIDY: &str = "transforms:
  tidy:
    indices: [\"logs-*\"]
    steps:
      - rename: { client: source.ip, agent: user_agent }
      - drop: [message]
      - set: { field: dataset, value: access }
      - jq: { file: tidy.jq, args: { monitor: shop-monitor } }
    mappings: { add: { dataset: { type: keyword } } }
";
const SCRIPT: &str =
    "if .user_agent | startswith($monitor) then empty else .http.ok = (.http.status < 400) end";

fn place(docs: &str, same: &str) -> Place {
    let place = Place::with(&phases(docs, same));
    script(&place, SCRIPT);
    place
}

fn phases(docs: &str, same: &str) -> String {
    format!(
        "  base:     {{ snapshot: {{ existing: {{ store: snapshots, name: nightly-1 }} }} }}
  mappings: {{ metadata: {{ from: base, to: os, transforms: [tidy] }} }}
  docs:     {{ backfill: {{ from: base, to: os, transforms: [tidy]{docs} }} }}
  same:     {{ verify: {{ source: base, target: os, {same} }} }}
{TIDY}"
    )
}

fn script(place: &Place, text: &str) {
    fs::write(place.path("tidy.jq"), text).unwrap();
}

/// Every source of the logs on the target.
fn logs(place: &Place) -> Vec<Value> {
    let mut sources = Vec::new();
    for file in place.ndjson() {
        if !file.to_string_lossy().contains("logs-2020") {
            continue;
        }
        let text = fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        sources.extend(
            lines
                .chunks(2)
                .map(|pair| serde_json::from_str::<Value>(pair[1]).unwrap()),
        );
    }
    sources
}

/// The documents of the logs in the snapshot, those that the monitor asked for, and all of the snapshot.
fn expected() -> (usize, usize) {
    let place = Place::new();
    place.apply().ends_with(0);
    let all = logs(&place);
    let is_monitor = |it: &&Value| it["agent"].as_str().unwrap().starts_with("shop-monitor");
    (all.len(), all.iter().filter(is_monitor).count())
}

/// Every file of documents with its bytes.
fn bytes(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let root = place.path("out");
    let files = place.ndjson().into_iter();
    let each = files.map(|path| {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        (name, fs::read(path).unwrap())
    });
    each.collect()
}

/// Changes the index templates and component templates of the shop's snapshot in a repository.
pub(crate) fn with_templates(repository: &Path, change: impl FnOnce(&mut Value, &mut Value)) {
    let opened = Repository::open(Arc::new(DirectoryStore::new(repository))).unwrap();
    let snapshot = opened.snapshot("nightly-1").unwrap();
    let global = snapshot.global_metadata().unwrap();
    let mut templates = json!(global.index_templates);
    let mut components = json!(global.component_templates);
    change(&mut templates, &mut components);
    let body = json!({"meta-data": {
        "index_template": {"index_template": templates},
        "component_template": {"component_template": components},
    }});
    let blob = repository.join(format!("meta-{}.dat", snapshot.uuid()));
    fs::write(blob, dat("metadata", &body)).unwrap();
}

#[test]
fn documents_arrive_transformed_and_are_proved_through_the_same() {
    let (all, left_out) = expected();
    assert!(left_out > 0 && left_out < all);
    for content in ["full", "counts", "ids", "sample"] {
        let place = place("", &format!("content: {content}"));
        place
            .mig(&["plan"])
            .ends_with(0)
            .says("through tidy")
            .says("transform tidy");
        let ran = place.apply().ends_with(0);
        if content != "full" {
            continue;
        }
        let told = format!("{left_out} left out by transform tidy");
        let state = fs::read_to_string(place.path("state/state.json")).unwrap();
        assert!(state.contains(&told), "{told}\n{state}\n{}", ran.out);
        assert!(
            state.contains("compared through tidy, as `docs` wrote it"),
            "{state}"
        );
        let sources = logs(&place);
        assert_eq!(sources.len(), all - left_out);
        for source in sources {
            assert!(
                source.get("message").is_none() && source.get("client").is_none(),
                "{source}"
            );
            assert!(
                source["source"]["ip"].is_string() && source["dataset"] == "access",
                "{source}"
            );
            assert!(source["http"]["ok"].is_boolean(), "{source}");
        }
        place.is_finished();
        // A document that somebody changed afterwards is found, and so is one that is lost.
        place.lose_a_document();
        let redo = [
            "apply",
            "--auto-approve",
            "--redo",
            "same",
            "--only",
            "same",
        ];
        place.mig(&redo).ends_with(8).says("missing");
    }
}

#[test]
fn a_document_that_a_script_refuses_fails_by_name() {
    let place = place("", "content: full");
    script(
        &place,
        "if .http.status >= 400 then error(\"status \\(.http.status)\") else . end",
    );
    let ran = place.apply().ends_with(9).says("of transform");
    assert!(!ran.out.contains("left out by"), "{}", ran.out);
    let failed = fs::read_dir(place.path("out")).unwrap().count();
    assert!(failed > 0);
    let mut reasons = Vec::new();
    let mut open = vec![place.path("out")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().contains("failed") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                reasons.extend(text.lines().map(str::to_owned));
            }
        }
    }
    let told = "transform `tidy`, step 4 (jq): status 4";
    assert!(
        reasons.iter().any(|line| line.contains(told)),
        "{reasons:?}"
    );
    // With the script mended, what was written is written again, and all of it is proved.
    script(&place, SCRIPT);
    place
        .mig(&["plan"])
        .ends_with(0)
        .says("its transforms are others");
    place.apply().ends_with(0);
    place.is_finished();
}

#[test]
fn another_script_writes_again_what_was_proved() {
    let place = place("", "content: full");
    place.apply().ends_with(0);
    place.is_finished();
    let before = logs(&place).len();
    // The same text in another file is no change; a comment is one, as any edit of a script.
    script(&place, ".");
    let planned = place
        .mig(&["plan"])
        .ends_with(0)
        .says("its transforms are others");
    assert!(!planned.out.contains("customers"), "{}", planned.out);
    place.apply().ends_with(0);
    place.is_finished();
    let after = logs(&place);
    assert!(after.len() > before);
    assert!(after.iter().all(|it| it["http"].get("ok").is_none()));
}

#[test]
#[cfg(feature = "failpoints")]
fn a_kill_in_the_middle_ends_with_the_same_bytes() {
    let whole = place("", "content: full");
    whole.apply().ends_with(0);
    let wanted = bytes(&whole);
    for point in [
        "bulk-before-finish:3",
        "bulk-before-complete:5",
        "bulk-after-complete:2",
        "backfill.loaded",
    ] {
        let place = place("", "content: full");
        let ran = place
            .command(&["apply", "--auto-approve"])
            .env("MIG_FAILPOINT", point)
            .output()
            .unwrap();
        assert!(ran.status.code().is_none(), "{point} was not reached");
        place.apply().ends_with(0);
        place.is_finished();
        assert!(
            bytes(&place) == wanted,
            "other bytes after a kill at {point}"
        );
    }
    // Killed while a changed script is written: the old documents never count as the new ones.
    for point in [
        "backfill.reset.before",
        "backfill.reset.after",
        "bulk-before-complete:1",
    ] {
        let place = place("", "content: full");
        place.apply().ends_with(0);
        script(&place, "del(.http)");
        let ran = place
            .command(&["apply", "--auto-approve"])
            .env("MIG_FAILPOINT", point)
            .output()
            .unwrap();
        assert!(ran.status.code().is_none(), "{point} was not reached");
        place.apply().ends_with(0);
        place.is_finished();
        assert!(
            logs(&place).iter().all(|it| it.get("http").is_none()),
            "{point}"
        );
    }
}

#[test]
fn a_lost_state_is_adopted_with_its_transforms() {
    let place = place("", "content: full");
    place.apply().ends_with(0);
    fs::remove_dir_all(place.path("state")).unwrap();
    let planned = place.mig(&["plan"]).ends_with(0);
    assert!(
        !planned.out.contains("its transforms are others"),
        "{}",
        planned.out
    );
    place.apply().ends_with(0);
    place.is_finished();
}

#[test]
fn samples_show_documents_before_and_after_and_are_the_same_every_time() {
    let place = place("", "content: full");
    let text = place.mig(&["plan", "--sample", "20"]).ends_with(0);
    let again = place.mig(&["plan", "--sample", "20"]).ends_with(0);
    assert_eq!(text.out, again.out);
    let text = text
        .says("Samples of logs-2020.11.18 · docs · through tidy · 20 documents read")
        .says("- message: ")
        .says("+ source.ip: ")
        .says("+ dataset: \"access\"")
        .says("left out by transform tidy");
    assert!(!text.out.contains("Samples of customers"), "{}", text.out);
    let json = place
        .mig(&["plan", "--sample", "2", "--format", "json"])
        .ends_with(0);
    let plan: Value = serde_json::from_str(&json.out).unwrap();
    let first = &plan["samples"]["indices"][0];
    assert_eq!(first["read"], 2, "{first:#}");
    let changed = &first["documents"][0]["fate"]["changed"];
    assert!(
        changed["before"]["message"].is_string() && changed["after"]["message"].is_null(),
        "{first:#}"
    );
    let markdown = place
        .mig(&["plan", "--sample", "1", "--format", "markdown"])
        .ends_with(0);
    assert!(markdown.out.contains("### Samples"), "{}", markdown.out);
    script(&place, "error(\"no\")");
    place
        .mig(&["plan", "--sample", "1"])
        .ends_with(0)
        .says("fails: transform `tidy`, step 4 (jq): no");
    assert!(!place.path("out").exists() && !place.path("state").exists());
}

#[test]
fn the_tests_of_a_plan_run_without_any_cluster() {
    let root = env!("CARGO_MANIFEST_DIR");
    let place = Place::empty();
    let example = format!("{root}/plans/with-transforms.yaml");
    place
        .mig(&["test", &example])
        .ends_with(0)
        .says("6 tests, all as expected");
    let ran = place
        .mig(&[
            "test",
            &example,
            "--only",
            "other-indices-pass",
            "--format",
            "json",
        ])
        .ends_with(0);
    let results: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(results.as_array().unwrap().len(), 1);
    place
        .mig(&["test", &example, "--only", "other-indices-pas"])
        .ends_with(1)
        .says("did you mean");

    let big = "9".repeat(400);
    let place = self::place("", "content: full");
    fs::write(
        place.path("in.json"),
        format!("{{\"n\": {big}, \"client\": \"a\", \"agent\": \"b\"}}"),
    )
    .unwrap();
    fs::write(place.path("out.json"), format!("{{\"n\": {big}, \"source\": {{\"ip\": \"a\"}}, \"user_agent\": \"b\", \"dataset\": \"access\"}}")).unwrap();
    fs::write(place.path("off.json"), format!("{{\"n\": 1{big}, \"source\": {{\"ip\": \"a\"}}, \"user_agent\": \"b\", \"dataset\": \"access\"}}")).unwrap();
    script(&place, ".");
    let tests = "tests:
  digits: { document: { transforms: [tidy], index: logs-1, in-file: in.json, out-file: out.json } }
  off: { document: { transforms: [tidy], index: logs-1, in-file: in.json, out-file: off.json } }
  wrong: { document: { transforms: [tidy], index: logs-1, in: { message: a }, out: { dataset: acces } } }
  stays: { document: { transforms: [tidy], index: logs-1, in: { message: a }, dropped: true } }
  rules: { mapping: { rules-from: elasticsearch 5.6, rules-to: opensearch 2.19, in: { mappings: { doc: { properties: { a: { type: string } } } } }, codes: [] } }
";
    place.write_plan(&format!("{}{tests}", phases("", "content: full")));
    place
        .mig(&["test"])
        .ends_with(8)
        .says("ok    digits")
        .says("FAIL  off")
        .says("digits or doubled keys differ")
        .says("dataset: expected \"acces\", got \"access\"")
        .says("it is not left out")
        .says("found something too: MIG")
        .says("5 tests, 4 failed");
}

#[test]
fn what_is_wrong_with_a_transform_is_told_by_validate() {
    let place = place("", "content: full");
    script(&place, ".a = now");
    place
        .mig(&["validate"])
        .ends_with(4)
        .says("MIG038")
        .says("there is no filter `now`")
        .says("tidy.jq:1:6");
    fs::remove_file(place.path("tidy.jq")).unwrap();
    place
        .mig(&["validate"])
        .ends_with(4)
        .says("tidy.jq")
        .says("it does not exist");
    script(&place, ".");
    let unused = phases("", "content: full").replace("transforms: [tidy]", "transforms: []");
    place.write_plan(&unused);
    place
        .mig(&["validate"])
        .says("the transform `tidy` is never used");
}
