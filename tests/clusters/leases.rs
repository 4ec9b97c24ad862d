//! Several processes' work stores on one real server: leases by its clock whatever theirs say, and workers that are refused.

use jiff::{SignedDuration, Timestamp};
use mig::base::Fingerprint;
use mig::clients::cluster::Request;
use mig::clients::target::cluster::WorkingState;
use mig::engines::bulk::Stop;
use mig::engines::bulk::work_store::{
    Acquired, IndexWorkStore, ItemKey, ItemProgress, ItemSpec, Lease, Role, WorkError,
    WorkIdentity, WorkStore as _,
};
use serde_json::{Value, json};

use super::support::{Server, elasticsearch, opensearch2, opensearch3};

/// Of a lease: no test here waits for its end.
const TERM: SignedDuration = SignedDuration::from_secs(60);

fn identity(work: &str) -> WorkIdentity {
    WorkIdentity {
        plan: "leases".to_owned(),
        lineage: "one".to_owned(),
        work: work.to_owned(),
        snapshot_uuid: "snapshot-1".to_owned(),
        digest: Fingerprint::of(&"digest"),
    }
}

fn items(count: u32) -> Vec<ItemSpec> {
    let item = |number: u32| ItemSpec {
        key: ItemKey {
            index: "shop".to_owned(),
            shard: 0,
            segment: "_0".to_owned(),
            from: number * 10,
            to: number * 10 + 10,
        },
        bytes: 100,
        expected: None,
    };
    (0..count).map(item).collect()
}

fn no_stop() -> Stop {
    Stop::No
}

fn open_at(
    state: &WorkingState,
    identity: &WorkIdentity,
    role: Role,
    wall: Timestamp,
) -> Result<IndexWorkStore<'static>, WorkError> {
    IndexWorkStore::open_at(state, identity, role, &no_stop, wall)
}

fn acquire(store: &IndexWorkStore<'_>, holder: &str) -> Acquired {
    let now = store.now();
    store.acquire(holder, now, now + TERM).unwrap()
}

#[track_caller]
fn take(store: &IndexWorkStore<'_>, holder: &str) -> Lease {
    match acquire(store, holder) {
        Acquired::Lease(lease) => *lease,
        other => panic!("{other:?}"),
    }
}

/// Two processes, one of which thinks that it is ten years later.
fn one_clock_counts(server: &Server, work: &str) {
    let state = WorkingState::new(server.client());
    let identity = identity(work);
    let told = state
        .server_time()
        .unwrap()
        .expect("a server tells its time");
    let apart = told.duration_since(Timestamp::now()).abs();
    assert!(
        apart < SignedDuration::from_secs(30),
        "{apart:?} on this very machine"
    );
    let late = Timestamp::now() + SignedDuration::from_hours(24 * 3650);
    let coordinator = open_at(&state, &identity, Role::Coordinator, Timestamp::now()).unwrap();
    coordinator.register(&items(2)).unwrap();
    let worker = open_at(&state, &identity, Role::Worker, late).unwrap();
    let first = take(&coordinator, "apply-1-a/0");
    let apart = worker.now().duration_since(coordinator.now()).abs();
    assert!(apart < SignedDuration::from_secs(10), "{apart:?}");
    // It takes what is free, whatever it knew, and waits for the rest.
    let second = take(&worker, "worker-1-b/0");
    assert_ne!(first.item, second.item);
    assert!(matches!(
        acquire(&worker, "worker-1-b/1"),
        Acquired::Wait(_)
    ));
    let progress = ItemProgress {
        cursor: first.item.key.from + 5,
        ..ItemProgress::default()
    };
    coordinator
        .checkpoint(&first, &progress, coordinator.now() + TERM)
        .unwrap();
    // A coordinator that comes back frees what its predecessor held, and nothing of a worker's.
    let again = open_at(&state, &identity, Role::Coordinator, late).unwrap();
    let taken = take(&again, "apply-2-c/0");
    assert_eq!((&taken.item, &taken.progress), (&first.item, &progress));
    assert!(matches!(
        coordinator.complete(&first, &progress),
        Err(WorkError::Fenced { .. })
    ));
    assert!(matches!(acquire(&again, "apply-2-c/1"), Acquired::Wait(_)));
    assert_eq!(again.rest_of_segment(&taken.item.key).unwrap(), None);
    worker.set_aside(&second, "its chunk is damaged").unwrap();
    again.complete(&taken, &progress).unwrap();
    let (_, facts) = IndexWorkStore::peek_work(&state, "leases", work)
        .unwrap()
        .unwrap();
    assert_eq!((facts.items_done, facts.items_set_aside), (1, 1));
    let once_more = open_at(&state, &identity, Role::Coordinator, late).unwrap();
    assert_eq!(take(&once_more, "apply-3-d/0").item, second.item);
    assert!(IndexWorkStore::remove(&state, "leases", work).unwrap());
    // Whoever is still at work is told at its next look.
    let now = worker.now();
    let told = worker.acquire("worker-1-b/0", now, now + TERM);
    assert!(!matches!(told, Ok(Acquired::Lease(_))), "{told:?}");
}

#[test]
fn leases_end_by_the_clock_of_elasticsearch() {
    one_clock_counts(elasticsearch(), "clock");
}

#[test]
fn leases_end_by_the_clock_of_opensearch() {
    one_clock_counts(opensearch2(), "clock-2");
    one_clock_counts(opensearch3(), "clock-3");
}

#[test]
fn a_worker_is_refused_where_the_store_is_not_the_one_it_was_started_for() {
    let server = opensearch2();
    let state = WorkingState::new(server.client());
    let identity = identity("refused");
    let join = |identity: &WorkIdentity| {
        let joined = open_at(&state, identity, Role::Worker, Timestamp::now());
        let refused = joined.err();
        assert!(refused.as_ref().is_none_or(|it| !it.help().is_empty()));
        refused
    };
    state.ensure().unwrap();
    assert!(matches!(join(&identity), Some(WorkError::NotBegun { .. })));
    let coordinator = open_at(&state, &identity, Role::Coordinator, Timestamp::now()).unwrap();
    coordinator.register(&items(1)).unwrap();
    assert!(join(&identity).is_none());
    for (what, other) in [
        (
            "snapshot",
            WorkIdentity {
                snapshot_uuid: "snapshot-2".to_owned(),
                ..identity.clone()
            },
        ),
        (
            "a plan whose digest is",
            WorkIdentity {
                digest: Fingerprint::of(&"other"),
                ..identity.clone()
            },
        ),
        (
            "lineage",
            WorkIdentity {
                lineage: "two".to_owned(),
                ..identity.clone()
            },
        ),
    ] {
        let refused = join(&other);
        assert!(
            matches!(&refused, Some(WorkError::Differs { what: found, .. }) if *found == what),
            "{refused:?}"
        );
    }
    // As another version of mig, and as the schema before, left it.
    let found = server.post(
        "/.migrations_working_state/_search?size=1000",
        &json!({"query": {"bool": {"filter": [{"term": {"kind": "work"}}, {"term": {"plan": "leases"}}]}}}),
    );
    let hits = found["hits"]["hits"].as_array().unwrap();
    let header = hits
        .iter()
        .find(|hit| hit["_source"]["body"]["work"]["work"] == "refused");
    let (id, source) = (&header.unwrap()["_id"], &header.unwrap()["_source"]);
    let write = |change: &dyn Fn(&mut Value)| {
        let mut source = source.clone();
        change(&mut source["body"]);
        let id = Request::part(id.as_str().unwrap());
        server.put(
            &format!("/.migrations_working_state/_doc/{id}?refresh=true"),
            &source,
        );
    };
    for change in [
        (&|body: &mut Value| body["mig"] = "0.0.1".into()) as &dyn Fn(&mut Value),
        &|body: &mut Value| {
            body["schema"] = 1.into();
            body.as_object_mut().unwrap().remove("mig");
        },
    ] {
        write(change);
        assert!(matches!(join(&identity), Some(WorkError::Version { .. })));
        // A coordinator takes it over, with what is in it.
        let taken = open_at(&state, &identity, Role::Coordinator, Timestamp::now()).unwrap();
        assert_eq!(taken.items().unwrap().len(), 1);
        assert!(join(&identity).is_none());
    }
    write(&|body| body["schema"] = 3.into());
    let refused = open_at(&state, &identity, Role::Coordinator, Timestamp::now()).err();
    assert!(matches!(refused, Some(WorkError::Schema { found: 3, .. })));
    write(&|_| {});
    assert!(IndexWorkStore::remove(&state, "leases", "refused").unwrap());
}
