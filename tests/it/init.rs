//! `mig init`: what it writes is a plan without a finding, for every scenario and for paths; it overwrites nothing unasked
//! and takes no secret.

use super::support::Place;

const SCENARIOS: [&str; 4] = ["backfill", "existing-snapshot", "dry-run", "gated"];

#[test]
fn every_scenario_validates_without_a_finding() {
    for scenario in SCENARIOS {
        let place = Place::empty();
        place.mig(&["init", "--scenario", scenario]).ends_with(0);
        place.mig(&["validate", "--deny-warnings"]).ends_with(0);
        let text = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
        insta::assert_snapshot!(format!("init_{scenario}"), text);
        // As many lines of comments as a newcomer needs, and none too wide.
        assert!(text.lines().filter(|it| it.trim().starts_with('#')).count() >= 12);
        assert!(text.lines().all(|it| it.len() <= 140), "{text}");
    }
}

#[test]
fn a_path_comes_with_its_fragment() {
    for hops in [
        "es56=5.6,es710=7.10,os2=opensearch:2.19",
        "5.6,6.8,7.17,opensearch:2.19,3.3",
        "a=elasticsearch:2.4,b=opensearch:2.19",
    ] {
        let place = Place::empty();
        place
            .mig(&["init", "--hops", hops, "--name", "way"])
            .ends_with(0)
            .says("backfill-hop.yaml");
        place.mig(&["validate", "--deny-warnings"]).ends_with(0);
        let graph = place.mig(&["graph", "--format", "json"]).ends_with(0).out;
        assert!(graph.contains("/same"), "{graph}");
    }
    let place = Place::empty();
    place
        .mig(&["init", "--hops", "es56=5.6,es710=7.10,os2=opensearch:2.19"])
        .ends_with(0);
    let text = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    insta::assert_snapshot!("init_hops", text);
}

#[test]
fn nothing_is_overwritten_unasked() {
    let place = Place::empty();
    std::fs::write(place.path("plan.yaml"), "mine").unwrap();
    place.mig(&["init"]).ends_with(1).says("--force");
    let mine = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    assert_eq!(mine, "mine");
    place.mig(&["init", "--output", "other.yaml"]).ends_with(0);
    place.mig(&["init", "--force"]).ends_with(0);
    place.mig(&["validate"]).ends_with(0);
    let ran = place.mig(&["init", "--output", "-"]).ends_with(0);
    assert!(ran.out.starts_with('#') && ran.err.is_empty());
}

#[test]
fn what_can_t_stand_in_a_plan_is_refused() {
    for (arguments, words) in [
        (
            &["init", "--from", "https://mig:hunter2@es:9200"][..],
            "a password",
        ),
        (&["init", "--to", "es:9200"], "no address"),
        (&["init", "--hops", "es56=5.6"], "two clusters"),
        (
            &["init", "--hops", "5.6,7.10", "--scenario", "gated"],
            "--scenario backfill",
        ),
        (&["init", "--hops", "5.6,new=est"], "NAME=VERSION"),
    ] {
        let place = Place::empty();
        let ran = place.mig(arguments).ends_with(1).says(words);
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
        assert!(!place.path("plan.yaml").exists());
    }
}
