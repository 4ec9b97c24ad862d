//! The phases over a real snapshot and a directory target, driven through the binary as a user drives it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// A plan in a folder of its own.
struct Place {
    folder: tempfile::TempDir,
}

/// How a command ended.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

const PHASES: &str = "
  base: { snapshot: { existing: { store: snapshots, name: nightly-1 } } }
  mappings: { metadata: { from: base, to: os } }
  docs: { backfill: { from: base, to: os } }
  same: { verify: { source: base, target: os, content: full } }";

impl Place {
    fn new(phases: &str) -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        place.write(phases);
        place
    }

    fn write(&self, phases: &str) {
        let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/es-7.10.2/shop");
        let plan = format!(
            "mig: 1\nplan: shop\nstate: .mig/shop\nclusters:\n  os: {{ directory: ./preview, as: \"2.19\" }}\n\
             stores:\n  snapshots: {{ directory: {} }}\nphases:{phases}\n",
            shop.display()
        );
        fs::write(self.path("plan.yaml"), plan).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn mig(&self, args: &[&str]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_mig"))
            .args(args)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn apply(&self, more: &[&str]) -> Ended {
        let mut args = vec!["apply", "--auto-approve"];
        args.extend(more);
        self.mig(&args)
    }

    /// Each phase with its action's reason, as planned now.
    fn reasons(&self) -> Vec<(String, String)> {
        let plan = self.changes();
        let text = |change: &Value, name: &str| change[name].as_str().unwrap_or("").to_owned();
        plan.iter()
            .map(|change| (text(change, "address"), text(change, "action_reason")))
            .collect()
    }

    fn changes(&self) -> Vec<Value> {
        let ended = self.mig(&["plan", "--format", "json"]);
        let plan: Value = serde_json::from_str(&ended.out).expect(&ended.err);
        plan["phase_changes"].as_array().unwrap().clone()
    }

    fn edit(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        let path = self.path(name);
        let mut body: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        edit(&mut body);
        fs::write(path, serde_json::to_vec_pretty(&body).unwrap()).unwrap();
    }

    /// All files below the target and what is in them, but for locks.
    fn target(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut open = vec![self.path("preview")];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else if path.extension().is_none_or(|it| it != "lock") {
                    let bytes = fs::read(&path).unwrap();
                    found.push((path, bytes));
                }
            }
        }
        found.sort();
        found
    }

    fn spoil(&self, index: &str) -> PathBuf {
        let docs = self.path(&format!("preview/indices/{index}/docs"));
        let mut parts: Vec<_> = fs::read_dir(docs)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        parts.sort();
        let part = parts.remove(0);
        // The last document goes missing: its action line and its source line.
        let text = fs::read_to_string(&part).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.truncate(lines.len() - 2);
        fs::write(&part, lines.join("\n") + "\n").unwrap();
        part
    }
}

#[track_caller]
fn all_are(place: &Place, wanted: &[(&str, &str)]) {
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(address, reason)| ((*address).to_owned(), (*reason).to_owned()))
        .collect();
    assert_eq!(place.reasons(), wanted);
}

const DONE: [(&str, &str); 4] = [
    ("base", "recorded"),
    ("mappings", "equal"),
    ("docs", "verified"),
    ("same", "verified"),
];

#[test]
fn after_an_apply_the_plan_is_empty_and_another_apply_changes_nothing() {
    let place = Place::new(PHASES);
    assert!(place.mig(&["plan"]).code == 0 && !place.path("preview").exists());
    let applied = place.apply(&[]);
    assert_eq!(applied.code, 0, "{}{}", applied.out, applied.err);
    all_are(&place, &DONE);
    assert_eq!(place.mig(&["plan", "--detailed-exitcode"]).code, 0);
    let before = place.target();
    assert_eq!(place.apply(&[]).code, 0);
    assert!(place.target() == before);
    let evidence: Value =
        serde_json::from_slice(&fs::read(place.path(".mig/shop/evidence/same.json")).unwrap())
            .unwrap();
    assert_eq!(evidence["report"]["verdict"], "pass");
    assert_eq!(evidence["report"]["indices"]["products"]["expected"], 1428);
}

#[test]
fn closed_indices_are_closed_last_and_their_documents_are_there() {
    let place = Place::new(PHASES);
    assert_eq!(place.apply(&["--until", "docs"]).code, 0);
    let closed = || {
        let path = place.path("preview/indices/archive-2019/mig-index.json");
        let facts: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        facts["closed"].clone()
    };
    assert_eq!(closed(), json!(false));
    assert_eq!(place.apply(&[]).code, 0);
    assert_eq!(closed(), json!(true));
}

#[test]
fn what_is_held_back_is_in_force_once_the_documents_are_proved() {
    let place = Place::new(PHASES);
    assert_eq!(place.apply(&["--until", "docs"]).code, 0);
    let body = json!({"index_patterns": ["x*"], "settings": {},
        "held_back": {"settings": {"index.final_pipeline": "stamp"}}});
    let template = place.path("preview/templates/extra.json");
    fs::write(&template, body.to_string()).unwrap();
    assert_eq!(place.apply(&[]).code, 0);
    let after: Value = serde_json::from_slice(&fs::read(&template).unwrap()).unwrap();
    assert_eq!(
        after,
        json!({"index_patterns": ["x*"], "settings": {"index.final_pipeline": "stamp"}})
    );
}

#[test]
fn an_object_that_differs_is_neither_overwritten_nor_passed_over() {
    let place = Place::new(PHASES);
    assert_eq!(place.apply(&[]).code, 0);
    let index = "preview/indices/customers/index.json";
    place.edit(index, |body| {
        body["mappings"]["properties"]["city"]["type"] = json!("text");
    });
    let ended = place.apply(&[]);
    assert_eq!(ended.code, 4, "{}", ended.err);
    assert!(
        ended
            .err
            .contains("decide: { \"index customers\": keep-target }"),
        "{}",
        ended.err
    );
    let answered = |answer: &str| {
        PHASES.replace(
            "metadata: { from: base, to: os }",
            &format!(
                "metadata: {{ from: base, to: os, decide: {{ \"index customers\": {answer} }} }}"
            ),
        )
    };
    place.write(&answered("keep-target"));
    let ended = place.apply(&[]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let type_of = || {
        let body: Value = serde_json::from_slice(&fs::read(place.path(index)).unwrap()).unwrap();
        body["mappings"]["properties"]["city"]["type"].clone()
    };
    assert_eq!(type_of(), json!("text"));
    place.write(&answered("replace"));
    let ended = place.apply(&[]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(type_of(), json!("keyword"));
}

#[test]
fn a_denied_rule_asks_and_is_accepted_for_one_object() {
    let denied = PHASES.replace(
        "metadata: { from: base, to: os }",
        "metadata: { from: base, to: os, rules: { MIG110: deny } }",
    );
    let place = Place::new(&denied);
    let ended = place.apply(&[]);
    assert_eq!(ended.code, 4);
    assert!(ended.err.contains("MIG110"), "{}", ended.err);
    assert!(!place.path("preview").exists());
    place.write(&denied.replace(
        "rules: { MIG110: deny }",
        "rules: { MIG110: deny }, decide: { \"index customers\": accept, \"component template shop-settings\": accept }",
    ));
    let ended = place.apply(&[]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
}

#[test]
fn drift_is_reported_and_mended_only_when_the_plan_says_so() {
    let place = Place::new(PHASES);
    assert_eq!(place.apply(&[]).code, 0);
    let part = place.spoil("customers");
    let spoilt = fs::read(&part).unwrap();
    let docs = &place.changes()[2];
    assert_eq!(docs["action_reason"], "drift");
    let ended = place.apply(&[]);
    assert_eq!(ended.code, 8, "{}{}", ended.out, ended.err);
    assert!(
        ended.err.contains("1 missing"),
        "{}{}",
        ended.out,
        ended.err
    );
    assert!(fs::read(&part).unwrap() == spoilt, "nothing is written");
    place.write(&PHASES.replace(
        "backfill: { from: base, to: os }",
        "backfill: { from: base, to: os, on-drift: mend }",
    ));
    let ended = place.apply(&[]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    all_are(&place, &DONE);
}

#[test]
fn a_wider_selector_runs_the_new_indices_alone() {
    let narrow = PHASES.replace(
        "backfill: { from: base, to: os }",
        "backfill: { from: base, to: os, indices: [\"logs-*\"] }",
    );
    let place = Place::new(&narrow);
    assert_eq!(place.apply(&[]).code, 0);
    place.write(&PHASES.replace(
        "backfill: { from: base, to: os }",
        "backfill: { from: base, to: os, indices: [\"logs-*\", customers] }",
    ));
    assert_eq!(place.reasons()[2].1, "new-indices");
    let ended = place.apply(&[]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("570 of 570") || ended.err.contains("570 of 570"));
    all_are(&place, &DONE);
}

#[test]
fn documents_of_somebody_else_are_never_mixed_with_ours() {
    let place = Place::new(PHASES);
    assert_eq!(place.apply(&["--until", "mappings"]).code, 0);
    let docs = place.path("preview/indices/customers/docs");
    fs::create_dir_all(&docs).unwrap();
    fs::write(
        docs.join("mine.ndjson"),
        "{\"index\":{\"_id\":\"1\"}}\n{\"a\":1}\n",
    )
    .unwrap();
    let ended = place.apply(&[]);
    assert_eq!(ended.code, 4, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("did not write"), "{}", ended.err);
}

#[test]
fn a_lost_state_is_adopted() {
    let place = Place::new(PHASES);
    assert_eq!(place.apply(&[]).code, 0);
    let before = place.target();
    fs::remove_dir_all(place.path(".mig")).unwrap();
    all_are(
        &place,
        &[
            ("base", "not-applied-yet"),
            ("mappings", "equal"),
            ("docs", "written"),
            ("same", "not-verified-yet"),
        ],
    );
    let ended = place.apply(&[]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(place.target() == before, "nothing is written again");
    all_are(&place, &DONE);
    assert_eq!(place.mig(&["rollback", "--auto-approve"]).code, 0);
}

#[test]
fn a_rollback_removes_what_was_made_and_nothing_else() {
    let place = Place::new(PHASES);
    assert_eq!(place.apply(&["--until", "mappings"]).code, 0);
    let own = place.path("preview/templates/own.json");
    fs::write(&own, "{\"index_patterns\":[\"own\"]}").unwrap();
    assert_eq!(place.apply(&[]).code, 0);
    let ended = place.mig(&["rollback", "--auto-approve"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let left: Vec<String> = place
        .target()
        .into_iter()
        .map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(left, ["mig-target.json", "own.json"]);
    assert_eq!(place.reasons()[2].1, "not-applied-yet");
}

#[test]
fn a_rollback_keeps_what_changed_since() {
    let place = Place::new(PHASES);
    assert_eq!(place.apply(&[]).code, 0);
    let part = place.spoil("customers");
    let ended = place.mig(&["rollback", "--auto-approve"]);
    assert_ne!(ended.code, 0);
    assert!(ended.err.contains("customers"), "{}", ended.err);
    assert!(part.exists());
}

#[test]
fn after_the_switchover_nothing_writes_documents() {
    let live = format!("{PHASES}\n  live: {{ switchover: {{ to: os, approve: manual }} }}");
    let narrow = live.replace(
        "backfill: { from: base, to: os }",
        "backfill: { from: base, to: os, indices: [\"logs-*\"] }",
    );
    let place = Place::new(&narrow);
    assert_eq!(place.apply(&[]).code, 5);
    assert_eq!(place.mig(&["approve", "live"]).code, 0);
    let ended = place.apply(&[]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(place.path("preview/mig-live.json").exists());
    let before = place.target();
    let ended = place.apply(&["--redo", "docs"]);
    assert_eq!(ended.code, 4, "{}{}", ended.out, ended.err);
    place.write(&live);
    let ended = place.apply(&[]);
    assert_eq!(ended.code, 4, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("is live"), "{}", ended.err);
    assert!(place.target() == before);
}

#[test]
fn a_snapshot_that_is_not_there_is_one_question() {
    let place = Place::new(&PHASES.replace("nightly-1", "nightly-l"));
    let ended = place.apply(&[]);
    assert_eq!(ended.code, 4, "{}{}", ended.out, ended.err);
    assert!(
        ended.err.contains("did you mean `nightly-1`?"),
        "{}",
        ended.err
    );
}

#[test]
fn a_cluster_that_can_not_be_reached_is_named_with_its_address() {
    let place = Place::new(PHASES);
    let plan = fs::read_to_string(place.path("plan.yaml")).unwrap();
    let plan = plan.replace(
        "os: { directory: ./preview, as: \"2.19\" }",
        "os: { endpoint: \"http://127.0.0.1:9\", version: \"2.19\" }",
    );
    fs::write(place.path("plan.yaml"), plan).unwrap();
    let ended = place.mig(&["validate"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let ended = place.mig(&["plan"]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    assert!(
        ended
            .err
            .contains("cluster `os`: http://127.0.0.1:9: can't be reached"),
        "{}",
        ended.err
    );
}
