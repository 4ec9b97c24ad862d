//! `--metrics-address`: what the real binary serves while it runs, and what it says where it can't.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::exposition::{Served, get};
use super::support::Place;

#[test]
fn figures_at_the_end_are_what_the_run_did() {
    let place = Place::new();
    let address = ["--metrics-address", "127.0.0.1:0"];
    let linger = ["--metrics-linger", "60s"];
    let child = place.spawn(&[&["apply", "--auto-approve"][..], &address, &linger].concat());
    let served = Served::of(child);
    assert!(
        served.address.starts_with("127.0.0.1:"),
        "{}",
        served.address
    );
    let (head, body) = get(&served.address, "/healthz").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && body == "ok\n", "{head}");
    assert!(
        get(&served.address, "/")
            .unwrap()
            .0
            .starts_with("HTTP/1.1 404")
    );
    let began = Instant::now();
    // The run may be over between two looks: then the page before was the last one it gave.
    let mut last = None;
    while let Some(page) = served.page() {
        let over = page.is("same", "done");
        last = Some(page);
        if over {
            break;
        }
        assert!(began.elapsed() < Duration::from_mins(2));
    }
    let (code, said) = served.ends();
    assert_eq!(code, 0, "{said}");
    let page = last.unwrap();
    assert!(page.is("docs", "done"));
    let state: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path("state/state.json")).unwrap()).unwrap();
    let indices = state["phases"]["docs"]["outputs"]["indices"]
        .as_object()
        .unwrap();
    let docs = [("phase", "docs")];
    let mut written = 0;
    for (name, index) in indices {
        let labels = [docs[0], ("index", name.as_str()), ("outcome", "written")];
        let counted = page.sum("mig_backfill_documents_total", &labels);
        assert_eq!(counted, index["written"].as_u64().unwrap(), "{name}");
        written += counted;
    }
    assert!(written > 0);
    assert_eq!(
        page.sum("mig_backfill_documents_sent_total", &docs),
        written
    );
    assert_eq!(
        page.sum("mig_backfill_documents_sent_again_total", &docs),
        0
    );
    assert_eq!(page.sum("mig_phase_done", &docs), written);
    assert_eq!(page.sum("mig_phase_size", &docs), written);
    let items = |state| page.sum("mig_backfill_items", &[docs[0], ("state", state)]);
    assert!(items("done") > 0);
    assert_eq!(
        (items("open"), items("held"), items("set-aside")),
        (0, 0, 0)
    );
    assert_eq!(
        page.sum("mig_build_info", &[("version", env!("CARGO_PKG_VERSION"))]),
        1
    );
    if cfg!(target_os = "linux") {
        assert!(page.sum("process_resident_memory_bytes", &[]) > 1 << 20);
    }
}

#[test]
fn an_address_that_is_taken_or_none_ends_it_before_anything_is_done() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for command in [&["apply", "--auto-approve"][..], &["worker"]] {
        let mut command = place.command(command);
        // As an environment variable too.
        let ran = command
            .env("MIG_METRICS_ADDRESS", &address)
            .output()
            .unwrap();
        super::support::Ran::of(&ran)
            .ends_with(1)
            .says(&format!("can't listen on {address}"))
            .says("--metrics-address");
    }
    place
        .mig(&[
            "apply",
            "--auto-approve",
            "--metrics-address",
            "example.org:80",
        ])
        .ends_with(1)
        .says("is no address to listen on");
    assert!(!place.path("state").exists() && !place.path("out").exists());
}

#[test]
fn nothing_listens_unless_it_is_asked_for() {
    let place = Place::new();
    let ran = place.apply().ends_with(0);
    assert!(!ran.err.contains("Metrics"), "{}", ran.err);
}
