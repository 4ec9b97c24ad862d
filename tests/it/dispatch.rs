//! The dispatcher alone, with phases that do what their titles say: order, failure, panic, time, approval, memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use mig::apply::interrupt::Signals;
use mig::apply::survey::Ground;
use mig::apply::{Event, Job, Tally, run};
use mig::base::{Address, ExitCode, Fingerprint};
use mig::diff::change::{Action, PhaseChange, Undo};
use mig::diff::observation::Observation;
use mig::graph::{Graph, compile};
use mig::phases::connections::Connections;
use mig::phases::kind::{
    DecideContext, ObserveContext, PerformContext, Performed, PhaseError, PhaseKind, UndoContext,
    UndoPlan,
};
use mig::plan::LoadOptions;
use mig::plan::load::load_with;
use mig::plan::model::{PhaseKindName, PhaseSpec, Plan, StateLocation};
use mig::state::model::{PhaseRecord, PhaseStatus, SideEffect, State};
use mig::state::{Holder, LockedState, StateStore, new_state};
use serde_json::Value;

/// Does what the title of a gate says.
struct Acting;

fn title(spec: &PhaseSpec) -> &str {
    match spec {
        PhaseSpec::Gate(gate) => &gate.title,
        _ => "",
    }
}

impl PhaseKind for Acting {
    fn observe(&self, cx: &ObserveContext<'_>) -> Result<Observation, PhaseError> {
        if title(&cx.phase.spec) == "blind" {
            return Err(failed("can't see"));
        }
        Ok(Observation::Nothing)
    }

    fn decide(&self, cx: &DecideContext<'_>) -> PhaseChange {
        let record = cx.state.phases.get(&cx.phase.address);
        let done = record.is_some_and(|record| record.status == PhaseStatus::Done);
        let action = match title(&cx.phase.spec) {
            _ if done => Action::UpToDate,
            "wait" => Action::Wait,
            _ => Action::Run,
        };
        PhaseChange {
            address: cx.phase.address.clone(),
            previous_address: None,
            kind: cx.phase.spec.kind(),
            hop: None,
            action,
            action_reason: "test".into(),
            title: title(&cx.phase.spec).into(),
            fields: Vec::new(),
            items: Vec::new(),
            left_out: Vec::new(),
            effects: Vec::new(),
            estimate: None,
            undo: Undo::Nothing,
            evidence: Vec::new(),
            provisional: false,
            inputs: Fingerprint::of(&cx.phase.spec),
        }
    }

    fn perform(&self, cx: &PerformContext<'_>) -> Result<Performed, PhaseError> {
        (cx.announce)(SideEffect {
            on: "os".into(),
            what: "touch".into(),
            name: cx.phase.address.to_string(),
            detail: Value::Null,
        })?;
        match title(&cx.phase.spec) {
            "fail" => Err(failed("it broke")),
            "stale" => Err(PhaseError::Stale("it moved".into())),
            "panic" => panic!("out of cheese"),
            "check" => Ok(Performed::CheckFailed {
                findings: vec!["two are missing".into()],
                outputs: Value::Null,
            }),
            "partial" => Ok(Performed::Partial {
                reason: "3 documents failed".into(),
                outputs: Value::Null,
            }),
            "endless" => {
                while !cx.interrupt.draining() {
                    std::thread::yield_now();
                }
                Ok(Performed::Interrupted)
            }
            _ => Ok(Performed::Done {
                outputs: Value::Null,
                evidence: vec!["done it".into()],
            }),
        }
    }

    fn undo_plan(&self, _record: &PhaseRecord) -> UndoPlan {
        UndoPlan::default()
    }

    fn undo(&self, _cx: &UndoContext<'_>) -> Result<(), PhaseError> {
        Ok(())
    }
}

fn failed(message: &str) -> PhaseError {
    PhaseError::Failed {
        message: message.into(),
        help: None,
    }
}

fn acting(_: PhaseKindName) -> &'static dyn PhaseKind {
    &Acting
}

struct Bench {
    plan: Plan,
    graph: Graph,
    directory: tempfile::TempDir,
    max_duration: Option<Duration>,
    signals: Signals,
    approved: Option<Vec<PhaseChange>>,
}

struct Outcome {
    tally: Tally,
    events: Vec<Event>,
    state: State,
}

/// Phases as `name: title <- need need`.
fn bench(phases: &[(&str, &str, &[&str])]) -> Bench {
    let mut text = String::from(
        "mig: 1\nplan: test\nstate: s\nclusters:\n  os: { directory: out, as: \"2.19\" }\nphases:\n",
    );
    for (name, title, after) in phases {
        let after = after.join(", ");
        text.push_str(&format!(
            "  {name}: {{ gate: {{ title: {title}, approve: manual, after: [{after}] }} }}\n"
        ));
    }
    let files: BTreeMap<PathBuf, Vec<u8>> = [(PathBuf::from("p.yaml"), text.into_bytes())].into();
    let outcome = load_with(
        &files,
        std::path::Path::new("p.yaml"),
        &LoadOptions::default(),
    );
    let plan = outcome
        .plan
        .unwrap_or_else(|| panic!("{:#?}", outcome.diagnostics));
    let (graph, findings) = compile(&plan);
    assert!(
        findings
            .iter()
            .all(|it| it.severity != mig::plan::diagnostics::Severity::Error)
    );
    Bench {
        plan,
        graph,
        directory: tempfile::tempdir().unwrap(),
        max_duration: None,
        signals: Signals::default(),
        approved: None,
    }
}

impl Bench {
    fn store(&self) -> Box<dyn StateStore> {
        let location = StateLocation::Directory(self.directory.path().to_owned());
        mig::state::open(&location).unwrap()
    }

    fn lock(&self) -> Box<dyn LockedState> {
        let holder = Holder {
            pid: 1,
            host: "h".into(),
            who: "w".into(),
            operation: "test".into(),
            since: Timestamp::UNIX_EPOCH,
        };
        self.store()
            .lock(&holder, Duration::from_secs(10), &mut |_| {})
            .unwrap()
    }

    fn run(&self) -> Outcome {
        let mut locked = self.lock();
        if locked.state().serial == 0 {
            locked
                .append(Timestamp::UNIX_EPOCH, &new_state("test"))
                .unwrap();
        }
        let connections = Connections::new(&self.plan, "");
        let ground = Ground {
            plan: &self.plan,
            graph: &self.graph,
            connections: &connections,
            kinds: acting,
        };
        let none = BTreeSet::new();
        let changes = self.approved.clone().unwrap_or_else(|| {
            let blind = |address: &Address| title(&self.plan.phases[address].spec) == "blind";
            if self.graph.order.iter().any(blind) {
                return Vec::new();
            }
            ground
                .survey(locked.state(), &none, Timestamp::UNIX_EPOCH, 4)
                .unwrap()
                .changes
        });
        let selected: BTreeSet<Address> = self.graph.order.iter().cloned().collect();
        let events = Mutex::new(Vec::new());
        let tally = run(
            &Job {
                ground,
                approved: &changes,
                selected: &selected,
                redo: &none,
                parallelism: 4,
                max_duration: self.max_duration,
                artifacts: &*self.store().artifacts(),
                meters: &mig::phases::meters::Meters::default(),
                plan_file: None,
                who: "tester",
                signals: &self.signals,
            },
            &mut *locked,
            &mut |event| events.lock().unwrap().push(event),
        )
        .unwrap();
        Outcome {
            tally,
            events: events.into_inner().unwrap(),
            state: locked.state().clone(),
        }
    }
}

fn names(addresses: &[Address]) -> Vec<&str> {
    addresses.iter().map(Address::as_str).collect()
}

#[test]
fn all_run_in_order_once() {
    let bench = bench(&[("a", "ok", &[]), ("b", "ok", &["a"]), ("c", "ok", &["b"])]);
    let outcome = bench.run();
    assert_eq!(outcome.tally.code(), ExitCode::Success);
    let started: Vec<&str> = outcome
        .events
        .iter()
        .filter_map(|event| match event {
            Event::PhaseStart { address, .. } => Some(address.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(started, ["a", "b", "c"]);
    let again = bench.run();
    assert_eq!(again.tally.up_to_date.len(), 3);
    assert!(again.tally.done.is_empty());
}

#[test]
fn what_depends_on_a_failure_is_not_begun_and_what_does_not_goes_on() {
    for (title, code) in [
        ("fail", ExitCode::Partial),
        ("panic", ExitCode::Partial),
        ("partial", ExitCode::Partial),
        ("check", ExitCode::CheckFailed),
        ("stale", ExitCode::Stale),
        ("blind", ExitCode::Partial),
    ] {
        let bench = bench(&[
            ("a", title, &[]),
            ("b", "ok", &["a"]),
            ("c", "ok", &["b"]),
            ("x", "ok", &[]),
            ("y", "ok", &["x"]),
        ]);
        let outcome = bench.run();
        assert_eq!(outcome.tally.code(), code, "{title}");
        assert_eq!(names(&outcome.tally.done), ["x", "y"], "{title}");
        assert_eq!(names(&outcome.tally.failed), ["a"], "{title}");
        assert_eq!(outcome.tally.skipped.len(), 2, "{title}");
        assert_eq!(outcome.tally.skipped["b"], "`a` failed");
        if title != "blind" {
            assert_eq!(
                outcome.state.phases["a"].status,
                PhaseStatus::Failed,
                "{title}"
            );
        }
    }
}

#[test]
fn the_worst_of_several_ends_is_told() {
    let outcome = bench(&[
        ("a", "wait", &[]),
        ("b", "partial", &[]),
        ("c", "check", &[]),
        ("d", "ok", &[]),
    ])
    .run();
    assert_eq!(outcome.tally.code(), ExitCode::CheckFailed);
    assert_eq!(names(&outcome.tally.waiting), ["a"]);
    assert_eq!(names(&outcome.tally.done), ["d"]);
}

#[test]
fn time_and_signals_stop_at_a_checkpoint() {
    let mut bench = bench(&[("a", "endless", &[]), ("b", "ok", &["a"])]);
    bench.max_duration = Some(Duration::from_millis(80));
    let outcome = bench.run();
    assert_eq!(outcome.tally.code(), ExitCode::Partial);
    assert_eq!(names(&outcome.tally.interrupted), ["a"]);
    assert_eq!(outcome.state.phases["a"].status, PhaseStatus::Started);
    bench.max_duration = None;
    bench.signals.raise();
    assert_eq!(bench.run().tally.code(), ExitCode::Interrupted);
}

#[test]
fn what_goes_beyond_the_approved_is_refused() {
    let mut bench = bench(&[("a", "ok", &[]), ("b", "ok", &[])]);
    let outcome = bench.run();
    let mut approved: Vec<PhaseChange> = Vec::new();
    for event in &outcome.events {
        let Event::PhaseStart { address, .. } = event else {
            continue;
        };
        let phase = &bench.plan.phases[address];
        let mut change = Acting.decide(&DecideContext {
            plan: &bench.plan,
            phase,
            state: &State::default(),
            observation: &Observation::Nothing,
            earlier: &[],
            redo: false,
            now: Timestamp::UNIX_EPOCH,
        });
        if address.as_str() == "a" {
            change.action = Action::Check;
        }
        approved.push(change);
    }
    bench.approved = Some(approved);
    bench.directory = tempfile::tempdir().unwrap();
    let outcome = bench.run();
    assert_eq!(outcome.tally.code(), ExitCode::Stale);
    assert_eq!(names(&outcome.tally.failed), ["a"]);
    assert_eq!(names(&outcome.tally.done), ["b"]);
    assert!(!outcome.state.phases.contains_key("a"), "nothing was begun");
}
