//! A state in a bucket, by the whole program on a real server: every command, lost answers, kills, a sleeper, a race.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mig::plan::model::StateLocation;
use mig::state::model::Entry;
use mig::state::{Holder, StateError, new_state, open};
use serde_json::Value;

use crate::gateway::{environment, gateway, with_credentials};
use crate::place::{PHASES, Place, Ran, fixture};
use crate::proxy::{Fault, Proxy};

/// A place whose state is in a bucket of its own, by way of a proxy.
struct Remote {
    place: Place,
    bucket: String,
}

/// A lease of a second, so that what waits for one does not wait long.
const SHORT_LEASE: (&str, &str) = ("MIG_SHORTENED_LEASE_TERM_S", "1");

impl Remote {
    fn new(proxy: &Proxy, phases: &str) -> Self {
        let bucket = gateway().bucket("state");
        let place = Place::of_plan(&format!(
            "mig: 1\nplan: test\nstate: \"{}\"\nclusters:\n  os: {{ directory: out, as: \"2.19\" }}\n\
             stores:\n  snapshots: {{ directory: {} }}\nphases:\n{phases}",
            proxy.uri(&bucket, "team/test"),
            fixture("shop").display(),
        ));
        Self { place, bucket }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(arguments);
        command
            .envs(environment())
            .envs([SHORT_LEASE])
            // What is kept on this machine beside the state is this test's own.
            .env("MIG_CACHE_DIR", self.place.path("cache"));
        command
    }

    fn mig(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().unwrap())
    }

    fn apply(&self) -> Ran {
        self.mig(&["apply", "--auto-approve"])
    }

    fn spawn(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Child {
        self.command(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn object(&self, key: &str) -> Value {
        let bytes = gateway().get(&self.bucket, &format!("team/test/{key}"));
        serde_json::from_slice(&bytes.unwrap()).unwrap()
    }

    fn has(&self, part: &str) -> usize {
        let keys = gateway().keys(&self.bucket);
        keys.iter().filter(|key| key.contains(part)).count()
    }

    /// Finishes what a kill left, and proves that nothing is missing.
    #[track_caller]
    fn recover(&self, what: &str) {
        let ran = self.apply();
        assert_eq!(ran.code, 0, "after {what}\n{}\n{}", ran.out, ran.err);
        let left = self.mig(&["plan", "--detailed-exitcode"]);
        assert_eq!(left.code, 0, "after {what}\n{}\n{}", left.out, left.err);
    }
}

/// A few indices: every boundary is passed, and a run is short.
const FEW: &str = "  base:     { snapshot: { existing: { store: snapshots, name: nightly-1 } } }
  mappings: { metadata: { from: base, to: os, include: { indices: [catalog-*, archive-*] } } }
  docs:     { backfill: { from: base, to: os, indices: [catalog-*, archive-*], workers: 2 } }
  same:     { verify: { source: base, target: os, indices: [catalog-*, archive-*], content: full } }
";

#[test]
fn every_command_works_on_a_state_in_a_bucket() {
    let proxy = Proxy::start(gateway().port);
    let phases = format!(
        "{PHASES}  go:       {{ gate: {{ title: \"All well?\", approve: manual, after: [same] }} }}\n"
    );
    let remote = Remote::new(&proxy, &phases);
    remote.mig(&["plan"]).ends_with(0).says("state s3://state-");
    remote.mig(&["status"]).ends_with(0);
    assert_eq!(remote.has(""), 0, "looking writes nothing");
    remote.apply().ends_with(5).says("approve");
    remote.mig(&["approve", "go", "--auto-approve"]);
    let approved = remote.mig(&["approve", "go"]);
    assert!(
        approved.code == 0 || approved.err.contains("approved"),
        "{approved:?}"
    );
    remote.apply().ends_with(0);
    remote.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
    remote.mig(&["status"]).ends_with(0).says("done");
    let shown = remote.mig(&["state", "show"]).ends_with(0).out;
    let path = remote.mig(&["state", "path"]).ends_with(0);
    path.says(&format!("s3://{}/team/test", remote.bucket));
    let journal = remote.mig(&["state", "journal"]).ends_with(0);
    journal.says("docs: done");
    let state = remote.object("state.json");
    assert_eq!(state["plan"], "test");
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), state);
    assert_eq!(state["phases"]["docs"]["status"], "done");
    assert_eq!(remote.object("lease.json")["released"], true);
    assert!(remote.has("artifacts/evidence/") > 0);
    remote.mig(&["rollback", "--auto-approve"]).ends_with(0);
    assert!(remote.place.ndjson().is_empty());
    // Gone but for what was derived from it.
    for key in gateway().keys(&remote.bucket) {
        if key.contains("/journal/") || key.contains("/rolled/") {
            gateway().remove(&remote.bucket, &key);
        }
    }
    remote
        .apply()
        .ends_with(1)
        .says("the journal is gone")
        .says("s3://state-");
}

#[test]
fn answers_that_get_lost_do_no_harm() {
    let proxy = Proxy::start(gateway().port);
    let remote = Remote::new(&proxy, FEW);
    // Of seven writes two are carried out and their answers lost, one is cut off before, one finds the server busy.
    for (first, fault) in [
        (1, Fault::LoseAnswer),
        (3, Fault::Refuse),
        (4, Fault::LoseAnswer),
        (6, Fault::Status(503, "SlowDown")),
    ] {
        proxy.fault_every("PUT", "team/test/", 7, first, fault);
    }
    let ran = remote.apply();
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert!(proxy.met() > 15, "{}", proxy.met());
    remote.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
    // Each entry stands once, under one token.
    let keys = gateway().keys(&remote.bucket);
    let mut tokens = BTreeMap::new();
    for key in keys.iter().filter(|key| key.contains("/journal/")) {
        let text = String::from_utf8(gateway().get(&remote.bucket, key).unwrap()).unwrap();
        let head: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        *tokens.entry(head["token"].to_string()).or_insert(0) += text.lines().count() - 1;
    }
    assert_eq!(tokens.len(), 1, "{tokens:?}");
}

#[test]
fn a_server_that_is_away_is_told_and_nothing_is_done() {
    let proxy = Proxy::start(gateway().port);
    let remote = Remote::new(&proxy, FEW);
    let text = std::fs::read_to_string(remote.place.path("plan.yaml")).unwrap();
    let endpoint = format!("127.0.0.1:{}", proxy.port);
    // Not a place at all.
    let plan = text.replace("?endpoint=", "?endpont=");
    std::fs::write(remote.place.path("plan.yaml"), plan).unwrap();
    remote
        .apply()
        .ends_with(4)
        .says("is no place in S3")
        .says("endpont");
    // Nobody answers there.
    let plan = text.replace(&endpoint, "127.0.0.1:1");
    std::fs::write(remote.place.path("plan.yaml"), plan).unwrap();
    remote
        .apply()
        .ends_with(1)
        .says("the connection failed")
        .says("run `mig apply` again");
    assert!(remote.place.ndjson().is_empty());
    assert_eq!(remote.has(""), 0);
}

/// Waits until a run is in the middle of its work.
fn until(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "{what} never came"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn a_run_that_sleeps_past_its_lease_is_fenced() {
    use rustix::process::Signal;
    let proxy = Proxy::start(gateway().port);
    let remote = Remote::new(&proxy, PHASES);
    let sleeper = remote.spawn(&["apply", "--auto-approve"], &[]);
    until("the journal", || remote.has("/journal/") >= 4);
    signal(&sleeper, Signal::STOP);
    // As long as the lease may live, another is kept out; then it takes over and ends the work.
    let ran = remote.apply();
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    assert_eq!(remote.object("lease.json")["epoch"], 2);
    let before = remote.has("/journal/");
    signal(&sleeper, Signal::CONT);
    let woken = Ran::of(&sleeper.wait_with_output().unwrap());
    woken.ends_with(7).says("lost the state").says("taken over");
    assert_eq!(
        remote.has("/journal/"),
        before,
        "it wrote nothing after that"
    );
    remote.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
}

#[test]
fn while_a_run_lives_another_is_kept_out_with_its_name() {
    let proxy = Proxy::start(gateway().port);
    let remote = Remote::new(&proxy, PHASES);
    // Slow enough to be met: each write of the journal waits, the lease does not.
    let slow = || std::thread::sleep(Duration::from_millis(150));
    proxy.fault_every(
        "PUT",
        "/journal/",
        1,
        4,
        Fault::Before(std::sync::Arc::new(slow)),
    );
    let first = remote.spawn(&["apply", "--auto-approve"], &[]);
    until("the journal", || remote.has("/journal/") >= 5);
    let second = remote.apply();
    second.ends_with(7).says("locked by").says("--lock-timeout");
    let first = Ran::of(&first.wait_with_output().unwrap());
    first.ends_with(0);
    remote.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
}

fn holder(who: &str, since: &str) -> Holder {
    Holder {
        pid: std::process::id(),
        host: "here".into(),
        who: who.into(),
        operation: "apply".into(),
        since: since.parse().unwrap(),
    }
}

#[test]
fn of_many_writers_one_has_the_lease_at_a_time_and_no_entry_is_lost() {
    const WRITERS: u64 = 6;
    const ROUNDS: u64 = 12;
    with_credentials(
        "state::of_many_writers_one_has_the_lease_at_a_time_and_no_entry_is_lost",
        || {
            let proxy = Proxy::start(gateway().port);
            let bucket = gateway().bucket("race");
            let location = StateLocation::S3(proxy.uri(&bucket, "race"));
            let open = || open(&location).unwrap();
            let now = Timestamp::UNIX_EPOCH;
            let wait = Duration::from_mins(3);
            // Now and then an answer is lost while they race.
            proxy.fault_every("PUT", "/race/", 12, 5, Fault::LoseAnswer);
            {
                let store = open();
                let first = holder("first", "2026-01-01T00:00:00Z");
                let mut locked = store.lock(&first, wait, &mut |_| ()).unwrap();
                locked.append(now, &new_state("race")).unwrap();
            }
            let within = AtomicU64::new(0);
            std::thread::scope(|scope| {
                for writer in 0..WRITERS {
                    let (open, within) = (&open, &within);
                    scope.spawn(move || {
                        let store = open();
                        // Clocks that are hours apart.
                        let since = format!("2026-01-01T{:02}:00:00Z", writer * 3);
                        let who = holder(&format!("writer {writer}"), &since);
                        for round in 0..ROUNDS {
                            let mut locked = store.lock(&who, wait, &mut |_| ()).unwrap();
                            assert_eq!(within.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                            let outcome = (writer * ROUNDS + round).to_string();
                            locked.append(now, &Entry::RunEnded { outcome }).unwrap();
                            within.fetch_sub(1, Ordering::SeqCst);
                        }
                    });
                }
            });
            let loaded = open().load().unwrap().unwrap();
            let mut numbers: Vec<u64> = loaded
                .lines
                .iter()
                .filter_map(|line| match &line.entry {
                    Entry::RunEnded { outcome } => outcome.parse().ok(),
                    _ => None,
                })
                .collect();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..WRITERS * ROUNDS));
            assert!(proxy.met() > 10);
        },
    );
}

/// Two processes begin at the same instant, many times: one wins, the other is told or waits, and the work is done once.
#[test]
fn two_processes_that_begin_at_once_do_the_work_once() {
    let proxy = Proxy::start(gateway().port);
    for round in 0..6 {
        let remote = Remote::new(&proxy, FEW);
        let two: Vec<Child> = (0..2)
            .map(|_| remote.spawn(&["apply", "--auto-approve", "--lock-timeout", "60s"], &[]))
            .collect();
        for child in two {
            let ran = Ran::of(&child.wait_with_output().unwrap());
            assert_eq!(ran.code, 0, "round {round}\n{}\n{}", ran.out, ran.err);
        }
        let begun = gateway().keys(&remote.bucket);
        let begun = begun
            .iter()
            .filter(|key| key.contains("/journal/"))
            .filter(|key| {
                let bytes = gateway().get(&remote.bucket, key).unwrap();
                String::from_utf8(bytes)
                    .unwrap()
                    .contains("\"phase-started\":{\"address\":\"docs\"")
            });
        assert_eq!(begun.count(), 1, "round {round}");
        remote.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
    }
}

#[test]
#[cfg(feature = "failpoints")]
fn a_kill_at_every_boundary_of_the_state_is_finished_by_a_plain_apply() {
    let proxy = Proxy::start(gateway().port);
    let remote = Remote::new(&proxy, FEW);
    let log = remote.place.path("points");
    let mut command = remote.command(&["apply", "--auto-approve"]);
    assert!(
        command
            .env("MIG_FAILPOINT_LOG", &log)
            .output()
            .unwrap()
            .status
            .success()
    );
    let mut hits: BTreeMap<String, usize> = BTreeMap::new();
    for name in std::fs::read_to_string(log).unwrap().lines() {
        *hits.entry(name.to_owned()).or_default() += 1;
    }
    let of_state = |name: &str| {
        ["journal.", "state.", "lease."]
            .iter()
            .any(|it| name.starts_with(it))
    };
    hits.retain(|name, _| of_state(name));
    assert!(hits.len() >= 7, "{hits:?}");
    let all = std::env::var_os("MIG_TEST_ALL").is_some();
    let mut kills = 0;
    for (name, hits) in &hits {
        let mut chosen: Vec<usize> = if all {
            (1..=*hits).collect()
        } else {
            vec![1, hits.div_ceil(2)]
        };
        chosen.dedup();
        for hit in chosen {
            let remote = Remote::new(&proxy, FEW);
            let mut command = remote.command(&["apply", "--auto-approve"]);
            let point = format!("{name}:{hit}");
            let ran = command.env("MIG_FAILPOINT", &point).output().unwrap();
            kills += usize::from(ran.status.code().is_none());
            remote.recover(&format!("a kill at {point}"));
        }
    }
    assert!(
        kills >= hits.len(),
        "each boundary was killed at least once"
    );
}

#[test]
#[cfg(feature = "failpoints")]
fn a_rollback_that_is_killed_goes_on() {
    let proxy = Proxy::start(gateway().port);
    for point in ["phase.undo.after:2", "journal.append.written:4"] {
        let remote = Remote::new(&proxy, FEW);
        remote.apply().ends_with(0);
        let mut command = remote.command(&["rollback", "--auto-approve"]);
        let killed = command.env("MIG_FAILPOINT", point).status().unwrap();
        assert_eq!(killed.code(), None, "{point}");
        remote.mig(&["rollback", "--auto-approve"]).ends_with(0);
        assert!(remote.place.ndjson().is_empty(), "{point}");
        remote.recover(point);
    }
}

#[test]
fn a_damaged_object_is_told_by_its_name() {
    with_credentials("state::a_damaged_object_is_told_by_its_name", || {
        let proxy = Proxy::start(gateway().port);
        let bucket = gateway().bucket("damaged");
        let store = open(&StateLocation::S3(proxy.uri(&bucket, "p"))).unwrap();
        let first = holder("first", "2026-01-01T00:00:00Z");
        let mut locked = store.lock(&first, Duration::ZERO, &mut |_| ()).unwrap();
        locked
            .append(Timestamp::UNIX_EPOCH, &new_state("x"))
            .unwrap();
        drop(locked);
        gateway().put(&bucket, "p/journal/000000000002.jsonl", b"{}\n".to_vec());
        let error = store.load().unwrap_err();
        assert!(matches!(error, StateError::DamagedObject { .. }));
        let place = format!("s3://{bucket}/p/journal/000000000002.jsonl");
        assert!(error.to_string().contains(&place), "{error}");
    });
}
