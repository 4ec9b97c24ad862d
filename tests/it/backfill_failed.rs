//! Failed documents by the program itself, on a directory: what is told of them, and what becomes of them.

use serde_json::Value;

use crate::support::{PHASES, Place, Ran};

/// Every tenth order fails by a script of the plan.
fn place(max_failed: u32) -> Place {
    let phases = PHASES.replace(
        "workers: 2",
        &format!("workers: 2, transforms: [check], max-failed: {max_failed}"),
    );
    let place = Place::with(&format!(
        "{phases}transforms:\n  check: {{ indices: [\"orders*\"], steps: [{{ jq: {{ file: check.jq }} }}] }}\n"
    ));
    let script = "if (tojson | length) % 10 == 3 then error(\"order \\(.) is odd\") else . end";
    std::fs::write(place.path("check.jq"), script).unwrap();
    place
}

fn mig(place: &Place, arguments: &[&str]) -> Ran {
    let mut all = vec!["backfill"];
    all.extend_from_slice(arguments);
    place.mig(&all)
}

fn json(place: &Place, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.push("--json");
    serde_json::from_str(&mig(place, &all).ends_with(0).out).unwrap()
}

#[test]
fn what_failed_is_listed_counted_by_cause_and_found() {
    let place = place(0);
    // Nothing is there yet, and nothing is made by asking.
    mig(&place, &["failed", "count"])
        .ends_with(0)
        .says("No document of docs failed");
    assert!(!place.path("state").exists() && !place.path("out").exists());
    mig(&place, &["retry-failed"])
        .ends_with(1)
        .says("nothing of `docs` was loaded");
    place.mig(&["apply", "--auto-approve"]).ends_with(9);
    // More than are tolerated end a load before it is through; once all is read, all that failed is known.
    let text = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    std::fs::write(
        place.path("plan.yaml"),
        text.replace("max-failed: 0", "max-failed: 100000"),
    )
    .unwrap();
    place
        .mig(&["apply", "--auto-approve", "--until", "docs"])
        .ends_with(0);
    let count = json(&place, &["failed", "count"]);
    let failed = count["failed"].as_u64().unwrap();
    assert!(failed > 10, "{count:#}");
    assert_eq!(
        count["by_class"],
        serde_json::json!({ "transform": failed })
    );
    assert_eq!(count["untold"], 0);
    let causes = count["causes"].as_array().unwrap();
    assert!(
        !causes.is_empty() && causes.len() as u64 <= failed,
        "{count:#}"
    );
    let of_causes: u64 = causes.iter().map(|it| it["count"].as_u64().unwrap()).sum();
    assert_eq!(of_causes, failed);
    let listed = mig(&place, &["failed", "list"]).ends_with(0).out;
    assert_eq!(listed.lines().count() as u64, failed);
    assert!(
        listed
            .lines()
            .all(|it| it.starts_with("orders") && it.contains("  transform  "))
    );
    let lines = mig(
        &place,
        &["failed", "list", "--json", "--class", "transform"],
    );
    for line in lines.ends_with(0).out.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(
            line["request"].as_str().unwrap().starts_with("{\"index\":"),
            "{line}"
        );
    }
    let none = mig(&place, &["failed", "list", "--index", "customers"]).ends_with(0);
    assert_eq!(none.out, "");
    let location = mig(&place, &["failed", "location"]).ends_with(0).out;
    assert!(
        std::path::Path::new(&place.path(location.trim())).is_dir(),
        "{location}"
    );
    // The status tells the same, and what to do.
    mig(&place, &["status"])
        .ends_with(0)
        .says(&format!("Failed documents: {failed}"))
        .says("of transform: ")
        .says("`mig backfill retry-failed` sends them again");
    let status = json(&place, &["status"]);
    assert_eq!(status["phases"][0]["failed"], failed);
    assert_eq!(status["phases"][0]["failed_causes"], count["causes"]);
    mig(&place, &["failed", "list", "--phase", "dosc"])
        .ends_with(1)
        .says("it has docs");
}

#[test]
fn what_is_not_mended_fails_again_and_another_plan_sends_nothing() {
    let place = place(100_000);
    place
        .mig(&["apply", "--auto-approve", "--until", "docs"])
        .ends_with(0);
    let before = json(&place, &["failed", "count"]);
    mig(&place, &["retry-failed"])
        .ends_with(1)
        .says("there is no terminal to ask on");
    let ran = mig(&place, &["retry-failed", "--auto-approve", "--json"]).ends_with(9);
    let outcome: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(outcome["outcome"]["failed-again"], before["failed"]);
    assert_eq!(outcome["outcome"]["written"], 0);
    assert_eq!(json(&place, &["failed", "count"]), before);
    // The phase is what it was: nothing is written again by an apply.
    place
        .mig(&["plan", "--detailed-exitcode", "--only", "docs"])
        .ends_with(0);
    place.apply().ends_with(8);
    // Another script makes other documents of all: then an apply writes the index again.
    std::fs::write(place.path("check.jq"), ".").unwrap();
    mig(&place, &["retry-failed", "--auto-approve"])
        .ends_with(1)
        .says("was loaded by another plan than this one")
        .says("`mig plan` shows what is written again");
    place.apply().ends_with(0);
    place.is_finished();
    assert_eq!(json(&place, &["failed", "count"])["failed"], 0);
}
