//! How the command line reads when something is amiss.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::support::Place;

#[test]
fn mig_alone_shows_where_to_begin() {
    let ran = Place::empty().mig(&[]).ends_with(0).says("mig plan");
    assert!(ran.out.lines().count() < 24);
    assert!(ran.out.lines().all(|line| line.len() <= 80), "{}", ran.out);
}

#[test]
fn an_empty_folder_says_what_is_missing_and_how_to_begin() {
    let place = Place::empty();
    for command in ["plan", "apply", "status"] {
        let ran = place
            .mig(&[command])
            .ends_with(1)
            .says("there is no plan.yaml");
        assert!(ran.err.contains("mig: 1"), "{}", ran.err);
        assert!(ran.out.is_empty());
    }
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 0);
}

#[test]
fn the_plan_of_the_first_screen_is_valid() {
    let place = Place::empty();
    let text = place.mig(&["plan"]).err;
    let plan: String = text
        .lines()
        .skip_while(|line| !line.contains("mig: 1"))
        .map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n")
        .collect();
    std::fs::write(place.path("plan.yaml"), plan).unwrap();
    let ran = place.mig(&["status"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_typo_is_answered_with_what_was_meant() {
    let place = Place::new();
    place.mig(&["stauts"]).ends_with(1).says("status");
    place
        .mig(&["plan", "--formt", "json"])
        .ends_with(1)
        .says("--format");
    place
        .mig(&["apply", "--max-duration", "5"])
        .ends_with(1)
        .says("15m");
    place
        .mig(&["approve", "dcos"])
        .ends_with(1)
        .says("did you mean `docs`");
    place
        .mig(&["plan", "other.yaml"])
        .ends_with(4)
        .says("other.yaml");
}

#[test]
fn a_plan_of_a_later_version_is_refused_with_words() {
    let place = Place::new();
    let plan = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    std::fs::write(place.path("plan.yaml"), plan.replace("mig: 1", "mig: 9")).unwrap();
    place.mig(&["plan"]).ends_with(4).says("MIG004");
}

#[test]
fn a_damaged_journal_is_named_by_its_line() {
    let place = Place::new();
    place
        .mig(&["apply", "--auto-approve", "--until", "base"])
        .ends_with(0);
    let journal = place.path("state/journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("run-started", "run-strated", 1)).unwrap();
    for command in ["plan", "apply", "status"] {
        place
            .mig(&[command])
            .ends_with(1)
            .says("line 2")
            .says("head -n 1");
    }
}

#[test]
fn a_state_of_another_plan_is_refused() {
    let place = Place::new();
    place
        .mig(&["apply", "--auto-approve", "--until", "base"])
        .ends_with(0);
    let plan = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    std::fs::write(
        place.path("plan.yaml"),
        plan.replace("plan: test", "plan: other"),
    )
    .unwrap();
    place
        .mig(&["plan"])
        .ends_with(1)
        .says("belongs to the plan `test`");
}

#[test]
fn a_directory_that_can_not_be_written_is_named() {
    let place = Place::new();
    // Root may write anywhere; a file in the place of the directory stops everybody.
    std::fs::write(place.path("out"), "a file").unwrap();
    let ran = place.apply();
    assert!([1, 9].contains(&ran.code), "{ran:?}");
    assert!(ran.err.contains("out"), "{}", ran.err);
    std::fs::remove_file(place.path("out")).unwrap();
    if !rustix::process::geteuid().is_root() {
        std::fs::create_dir(place.path("out")).unwrap();
        std::fs::set_permissions(place.path("out"), std::fs::Permissions::from_mode(0o500))
            .unwrap();
        let ran = place.apply();
        assert!([1, 9].contains(&ran.code), "{ran:?}");
        assert!(ran.err.contains("ermission denied"), "{}", ran.err);
        std::fs::set_permissions(place.path("out"), std::fs::Permissions::from_mode(0o700))
            .unwrap();
    }
    place.apply().ends_with(0);
    place.is_finished();
}

#[test]
fn a_full_disk_loses_nothing() {
    let place = Place::new();
    // No file may grow beyond 8 KiB, which stops documents; the signal for it is ignored, so that writing answers an error.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 8; exec '{}' apply --auto-approve",
        env!("CARGO_BIN_EXE_mig")
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &limited])
        .current_dir(place.path(""))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!([1, 9].contains(&output.status.code().unwrap()), "{text}");
    assert!(text.contains("File too large"), "{text}");
    place.apply().ends_with(0);
    place.is_finished();
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let mut child = place.spawn(&["plan", "--format", "json"]);
    drop(child.stdout.take());
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(text, "");
}

#[test]
fn help_and_completions_are_there_for_every_command() {
    let place = Place::empty();
    for command in [
        "plan",
        "apply",
        "approve",
        "status",
        "state",
        "rollback",
        "validate",
        "graph",
        "show",
        "schema",
        "explain",
        "rules",
        "export",
        "snapshot",
        "completions",
    ] {
        let ran = place.mig(&["help", command]).ends_with(0).says("Usage");
        // clap does not wrap the line of the usage.
        let mut lines = ran.out.lines().filter(|line| !line.starts_with("Usage"));
        assert!(lines.all(|line| line.chars().count() <= 80), "{}", ran.out);
        place.mig(&[command, "--help"]).ends_with(0);
    }
    place
        .mig(&["help", "environment"])
        .ends_with(0)
        .says("MIG_LOCK_TIMEOUT");
    place.mig(&["help", "nothing"]).ends_with(1);
    place.mig(&["completions", "bash"]).ends_with(0).says("mig");
}

#[test]
fn every_rule_that_a_plan_can_show_is_explained() {
    let place = Place::empty();
    let listed = place.mig(&["explain"]).ends_with(0).out;
    for code in mig::engines::metadata::codes() {
        assert!(listed.contains(code), "{code} is not listed");
        place
            .mig(&["explain", code])
            .ends_with(0)
            .says("Before:")
            .says("After:");
    }
    place
        .mig(&["explain", "MIG110"])
        .says("soft deletes are always on (rule, allow)");
}

#[test]
fn rules_are_listed_between_servers_and_shown_as_they_are_explained() {
    let place = Place::empty();
    let all = place.mig(&["rules", "list"]).ends_with(0).out;
    assert_eq!(all.lines().count(), mig::engines::metadata::codes().len());
    let old = [
        "rules",
        "list",
        "--from",
        "elasticsearch:2.4",
        "--to",
        "opensearch:3.3",
    ];
    let listed = place.mig(&old).ends_with(0).out;
    assert!(
        listed.contains("MIG105  allow  `string` becomes"),
        "{listed}"
    );
    assert!(!listed.contains("MIG177") && listed.lines().count() < all.lines().count());
    let json = place
        .mig(&[
            "rules",
            "list",
            "--to",
            "opensearch 3.3",
            "--format",
            "json",
        ])
        .ends_with(0)
        .out;
    let json: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert!(json.iter().any(|rule| rule["code"] == "MIG181"));
    for code in ["MIG105", "mig132"] {
        let shown = place.mig(&["rules", "show", code]).ends_with(0).out;
        assert_eq!(shown, place.mig(&["explain", code]).ends_with(0).out);
    }
    place
        .mig(&["rules", "show", "MIG15"])
        .ends_with(1)
        .says("did you mean");
    place
        .mig(&["rules", "list", "--from", "5.6"])
        .ends_with(1)
        .says("elasticsearch:5.6");
}
