//! The work store: leases, fences, and what a kill or a damaged disk leaves of its log.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use mig::base::Fingerprint;
use mig::engines::bulk::work_store::{
    Acquired, ItemKey, ItemProgress, ItemSpec, ItemStatus, Lease, LocalWorkStore,
    TRIES_WITHOUT_PROGRESS, WorkError, WorkIdentity, WorkStore,
};

use crate::bulk_support::identity;

fn items(count: u32) -> Vec<ItemSpec> {
    (0..count)
        .map(|number| ItemSpec {
            key: ItemKey {
                index: "shop".to_owned(),
                shard: number % 3,
                segment: "_0".to_owned(),
                from: number * 10,
                to: number * 10 + 10,
            },
            bytes: 100,
            expected: None,
        })
        .collect()
}

fn now() -> Timestamp {
    Timestamp::from_second(1_000).unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn take(store: &dyn WorkStore, holder: &str, at: Timestamp) -> Lease {
    match store
        .acquire(holder, at, at + SignedDuration::from_secs(60))
        .unwrap()
    {
        Acquired::Lease(lease) => *lease,
        other => panic!("{other:?}"),
    }
}

fn progress(cursor: u32) -> ItemProgress {
    ItemProgress {
        cursor,
        written: u64::from(cursor),
        delivered: u64::from(cursor),
        ..ItemProgress::default()
    }
}

fn log_of(folder: &Path) -> PathBuf {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|it| it == "log"))
        .unwrap()
}

#[test]
fn a_worker_that_wakes_late_can_say_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalWorkStore::open(folder.path(), &identity()).unwrap();
    store.register(&items(1)).unwrap();
    let first = take(&store, "a", now());
    store.checkpoint(&first, &progress(4), later(60)).unwrap();
    assert!(matches!(
        store.acquire("b", later(1), later(61)).unwrap(),
        Acquired::Wait(until) if until == later(60)
    ));
    let second = take(&store, "b", later(61));
    assert_eq!(second.progress.cursor, 4);
    assert!(second.attempt > first.attempt);
    for refused in [
        store.checkpoint(&first, &progress(9), later(200)),
        store.complete(&first, &progress(9)),
        store.release(&first, &progress(9)),
    ] {
        assert!(matches!(refused, Err(WorkError::Fenced { .. })));
    }
    store.complete(&second, &progress(10)).unwrap();
    assert!(matches!(
        store.complete(&second, &progress(10)),
        Err(WorkError::Fenced { .. })
    ));
    assert_eq!(
        store.acquire("c", later(500), later(600)).unwrap(),
        Acquired::Finished
    );
}

#[test]
fn belongs_to_one_work_and_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalWorkStore::open(folder.path(), &identity()).unwrap();
    store.register(&items(2)).unwrap();
    assert!(matches!(
        LocalWorkStore::open(folder.path(), &identity()),
        Err(WorkError::Locked { .. })
    ));
    assert!(LocalWorkStore::remove(folder.path(), "test", "docs").is_err());
    drop(store);
    let other = WorkIdentity {
        digest: Fingerprint::of(&"other"),
        ..identity()
    };
    assert!(matches!(
        LocalWorkStore::open(folder.path(), &other),
        Err(WorkError::Other { .. })
    ));
    let found = LocalWorkStore::peek(folder.path()).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].0, found[0].1.items), (&identity(), 2));
    assert!(LocalWorkStore::remove(folder.path(), "test", "docs").unwrap());
    assert!(LocalWorkStore::peek(folder.path()).unwrap().is_empty());
    LocalWorkStore::open(folder.path(), &other).unwrap();
}

/// A log after some work, and what the store said after each step.
fn worked(folder: &Path) -> Vec<(u64, u64)> {
    let store = LocalWorkStore::open(folder, &identity()).unwrap();
    let mut seen = vec![(0, 0)];
    let mut see = |store: &LocalWorkStore| {
        let facts = store.facts().unwrap();
        seen.push((facts.items_done, facts.docs_done));
    };
    store.register(&items(3)).unwrap();
    for _ in 0..3 {
        let lease = take(&store, "a", now());
        see(&store);
        store.checkpoint(&lease, &progress(5), later(60)).unwrap();
        see(&store);
        store.complete(&lease, &progress(10)).unwrap();
        see(&store);
    }
    seen
}

/// A test beside this one that starts a process shares our files with it for the instant before its program begins.
fn open_when_free(folder: &std::path::Path) -> LocalWorkStore {
    for _ in 0..1_000_000 {
        match LocalWorkStore::open(folder, &identity()) {
            Err(WorkError::Locked { .. }) => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
    panic!("the lock is never free");
}

#[test]
fn a_log_cut_at_any_byte_opens_with_a_state_it_once_had() {
    let folder = tempfile::tempdir().unwrap();
    let seen = worked(folder.path());
    let log = log_of(folder.path());
    let whole = fs::read(&log).unwrap();
    let mut before = (0, 0);
    for end in 0..=whole.len() {
        fs::write(&log, &whole[..end]).unwrap();
        let store = open_when_free(folder.path());
        let facts = store.facts().unwrap();
        let now = (facts.items_done, facts.docs_done);
        assert!(seen.contains(&now) && now >= before, "{now:?} at {end}");
        before = now;
        // And it can be worked on.
        store.register(&items(3)).unwrap();
        let mut left = 3 - now.0;
        while left > 0 {
            let lease = take(&store, "b", self::now());
            store.complete(&lease, &progress(10)).unwrap();
            left -= 1;
        }
        assert_eq!(store.facts().unwrap().items_done, 3);
    }
}

#[test]
fn damage_before_the_tail_is_no_torn_tail() {
    let folder = tempfile::tempdir().unwrap();
    worked(folder.path());
    let log = log_of(folder.path());
    let whole = fs::read(&log).unwrap();
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap();
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x11;
        fs::write(&log, &damaged).unwrap();
        let opened = LocalWorkStore::open(folder.path(), &identity());
        if at >= second && at < last {
            // Either it says so, or it was a lease alone that was never forced to disk.
            match opened {
                Err(WorkError::Corrupt { .. }) => {}
                Err(error) => panic!("{error} at {at}"),
                Ok(_) => panic!("damage at {at} was taken for a torn tail"),
            }
        }
    }
}

#[test]
fn a_long_log_is_rewritten_and_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalWorkStore::open(folder.path(), &identity()).unwrap();
    store.register(&items(3000)).unwrap();
    let fat = ItemProgress {
        proofs: vec![serde_json::json!("x".repeat(500_000))],
        ..progress(3)
    };
    let lease = take(&store, "a", now());
    for _ in 0..20 {
        store.checkpoint(&lease, &fat, later(60)).unwrap();
    }
    store.checkpoint(&lease, &progress(7), later(60)).unwrap();
    let size = fs::metadata(log_of(folder.path())).unwrap().len();
    assert!(size < 9 << 20, "{size}");
    let items = store.items().unwrap();
    drop(store);
    let store = LocalWorkStore::open(folder.path(), &identity()).unwrap();
    let again = store.items().unwrap();
    assert_eq!(again.len(), items.len());
    assert_eq!(again[0].progress, items[0].progress);
    assert_eq!(take(&store, "b", now()).progress.cursor, 7);
}

#[test]
fn an_item_that_can_not_be_done_is_set_aside_until_the_store_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalWorkStore::open(folder.path(), &identity()).unwrap();
    store.register(&items(2)).unwrap();
    let first = take(&store, "a", now());
    store.checkpoint(&first, &progress(4), later(60)).unwrap();
    store.set_aside(&first, "its chunk is damaged").unwrap();
    for refused in [
        store.checkpoint(&first, &progress(9), later(200)),
        store.set_aside(&first, "once more"),
    ] {
        assert!(matches!(refused, Err(WorkError::Fenced { .. })));
    }
    let second = take(&store, "a", now());
    assert_ne!(second.item, first.item);
    store.complete(&second, &progress(10)).unwrap();
    assert_eq!(
        store.acquire("a", later(9_000), later(9_060)).unwrap(),
        Acquired::Finished
    );
    let facts = store.facts().unwrap();
    assert_eq!((facts.items_done, facts.items_set_aside), (1, 1));
    assert!(!facts.complete["shop"]);
    drop(store);
    let (_, peeked) = &LocalWorkStore::peek(folder.path()).unwrap()[0];
    assert_eq!(*peeked, facts);
    let store = LocalWorkStore::open(folder.path(), &identity()).unwrap();
    let again = take(&store, "b", now());
    assert_eq!((&again.item, again.progress.cursor), (&first.item, 4));
    assert!(again.attempt > first.attempt);
}

#[test]
fn an_item_that_nobody_comes_further_with_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalWorkStore::open(folder.path(), &identity()).unwrap();
    store.register(&items(1)).unwrap();
    let mut at = 0;
    let mut take_next = || {
        at += 61;
        let found = store.acquire("a", later(at), later(at + 60)).unwrap();
        match found {
            Acquired::Lease(lease) => Some(*lease),
            Acquired::Finished => None,
            Acquired::Wait(_) => panic!("nobody holds it"),
        }
    };
    // Given back in good order, or with its cursor moved: neither is a try in vain.
    for cursor in [0, 3, 3, 4] {
        let lease = take_next().unwrap();
        store.release(&lease, &progress(cursor)).unwrap();
    }
    let mut last = None;
    for _ in 0..TRIES_WITHOUT_PROGRESS {
        last = take_next();
        assert!(last.is_some());
    }
    assert_eq!(take_next(), None);
    let refused = store.complete(&last.unwrap(), &progress(10));
    assert!(matches!(refused, Err(WorkError::Fenced { .. })));
    let found = &store.items().unwrap()[0];
    assert!(
        matches!(&found.status, ItemStatus::SetAside { reason } if reason.contains("taken 5 times")),
        "{found:?}"
    );
    assert_eq!(found.progress.cursor, 4);
}

#[test]
fn a_log_of_the_schema_before_is_taken_over_and_one_of_a_later_schema_refused() {
    let folder = tempfile::tempdir().unwrap();
    worked(folder.path());
    let log = log_of(folder.path());
    let now = fs::read_to_string(&log).unwrap();
    let with_schema = |schema: u32| {
        now.lines().fold(String::new(), |text, line| {
            let rest = line[9..].replace("\"schema\":2", &format!("\"schema\":{schema}"));
            text + &format!("{:08x} {rest}\n", crc32fast::hash(rest.as_bytes()))
        })
    };
    fs::write(&log, with_schema(3)).unwrap();
    let refused = LocalWorkStore::open(folder.path(), &identity()).err();
    let refused = refused.unwrap();
    assert!(matches!(refused, WorkError::Schema { found: 3, .. }));
    assert!(
        refused.help().contains("mig rollback"),
        "{}",
        refused.help()
    );
    fs::write(&log, with_schema(1)).unwrap();
    let store = LocalWorkStore::open(folder.path(), &identity()).unwrap();
    assert_eq!(store.facts().unwrap().items_done, 3);
    drop(store);
    let header = fs::read_to_string(&log).unwrap();
    assert!(header.lines().next().unwrap().contains("\"schema\":2"));
}
