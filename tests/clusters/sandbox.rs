//! `mig sandbox` as a user runs it: every part of its life, and what can go wrong in it.

use std::net::TcpListener;

use mig::sandbox::process::ProcessId;
use rustix::process::Signal;
use serde_json::Value;

use super::place::{Place, Ran};

/// Stops what a failed test leaves.
struct Sandbox(Place);

impl Sandbox {
    /// In a place that the servers' user can enter.
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let place = Place::empty();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(place.path(""), open).unwrap();
        Self(place)
    }

    fn mig(&self, arguments: &[&str]) -> Ran {
        self.0.mig(&[&["sandbox"], arguments].concat())
    }

    fn up(&self) -> Ran {
        self.mig(&["up", "--heap", "400"])
    }

    fn nodes(&self) -> Vec<Value> {
        let ran = self.mig(&["status", "--format", "json"]);
        let status: Value = serde_json::from_str(&ran.out).unwrap();
        status["nodes"].as_array().unwrap().clone()
    }

    fn process(&self, at: usize) -> ProcessId {
        let pid = self.nodes()[at]["pid"].as_u64().unwrap();
        ProcessId::of(u32::try_from(pid).unwrap()).unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.mig(&["down", "--delete"]);
    }
}

#[test]
fn a_sandbox_starts_loads_heals_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let first = sandbox.mig(&[
        "up",
        "--source-port",
        "0",
        "--target-port",
        "0",
        "--heap",
        "400",
    ]);
    first
        .ends_with(0)
        .says("Next:\n  mig sandbox load\n")
        .says(" --var source=http://127.0.0.1:");
    let before = sandbox.nodes();

    // 15 documents without those of the numbers 3 and 14.
    sandbox
        .mig(&["load", "--docs", "50"])
        .ends_with(0)
        .says("archive-2019        13 documents, closed");
    let again = sandbox.mig(&["load", "--docs", "50"]).ends_with(0);
    assert_eq!(
        again.out.matches("there already").count(),
        7,
        "{}",
        again.out
    );
    sandbox
        .mig(&["load", "--docs", "60"])
        .ends_with(0)
        .says("products            54 documents");

    // What runs is taken over as it is.
    sandbox
        .up()
        .ends_with(0)
        .says("source: ran already")
        .says("target: ran already");
    assert_eq!(sandbox.nodes(), before);

    // What was killed is seen, and comes back where it was.
    let source = sandbox.process(0);
    assert!(source.signal(Signal::KILL) && source.wait(std::time::Duration::from_secs(20)));
    sandbox.mig(&["status"]).ends_with(8).says("died");
    sandbox
        .mig(&["load"])
        .ends_with(1)
        .says("`source` of the sandbox");
    sandbox
        .up()
        .ends_with(0)
        .says("source: answers")
        .says("target: ran already");
    let after = sandbox.nodes();
    assert_eq!(after[0]["url"], before[0]["url"]);
    sandbox
        .mig(&["load", "--docs", "60"])
        .ends_with(0)
        .says("there already");

    // Another server under the same name would lose the data of this one.
    sandbox
        .mig(&["up", "--target", "opensearch:3.3.0"])
        .ends_with(1)
        .says("`target` is opensearch:2.19.1 here, not opensearch:3.3.0");

    let processes = [sandbox.process(0), sandbox.process(1)];
    sandbox
        .mig(&["down", "--delete"])
        .ends_with(0)
        .says("source: stopped");
    assert!(!processes.iter().any(ProcessId::is_alive));
    assert!(!sandbox.0.path(".mig/sandbox").exists());
    sandbox
        .mig(&["status"])
        .ends_with(0)
        .says("There is no sandbox in");
    sandbox.mig(&["down"]).ends_with(0).says("nothing ran");
}

#[test]
fn a_source_without_templates_of_components_runs_and_is_not_given_the_sample() {
    let sandbox = Sandbox::new();
    let up = [
        "up",
        "--source",
        "elasticsearch:2.4",
        "--target",
        "elasticsearch:8.11",
        "--heap",
        "400",
        "--source-port",
        "0",
        "--target-port",
        "0",
    ];
    sandbox
        .mig(&up)
        .ends_with(0)
        .says("elasticsearch:2.4.6")
        .says("elasticsearch:8.11.0");
    sandbox
        .mig(&["load"])
        .ends_with(1)
        .says("composable templates, which elasticsearch:2.4.6 does not know")
        .says("--source elasticsearch:7");
    let processes = [sandbox.process(0), sandbox.process(1)];
    sandbox.mig(&["down", "--delete"]).ends_with(0);
    assert!(!processes.iter().any(ProcessId::is_alive));
}

#[test]
fn what_stands_in_the_way_is_named_with_a_way_around() {
    let sandbox = Sandbox::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    // Both, so that nothing is started.
    let ports = ["up", "--source-port", &port, "--target-port", &port];
    sandbox
        .mig(&ports)
        .ends_with(1)
        .says(&format!(
            "source: port {port} of 127.0.0.1 is taken by another program"
        ))
        .says("--target-port N");

    let unknown = sandbox.mig(&["up", "--source", "elasticsearch:7.10.3"]);
    unknown
        .ends_with(1)
        .says("did you mean `elasticsearch:7.10.2`?");

    let mut command =
        sandbox
            .0
            .command(&["sandbox", "up", "--source-port", "0", "--target-port", "0"]);
    command
        .env("PATH", sandbox.0.path("no-programs"))
        .env("MIG_CACHE_DIR", sandbox.0.path("cache"));
    Ran::of(&command.output().unwrap())
        .ends_with(1)
        .says("`mvn` is not installed")
        .says("apt-get install maven");
    assert!(sandbox.nodes().is_empty());
}
