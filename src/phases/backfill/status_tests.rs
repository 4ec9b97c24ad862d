//! States and shards of made-up backfills.

use super::*;
use crate::engines::bulk::fleet::{Counts, Role, muster};
use crate::engines::bulk::work_store::{ItemKey, ItemProgress, ItemSpec};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn item(index: &str, shard: u32, from: u32, status: ItemStatus) -> ItemState {
    let delivered = if status == ItemStatus::Free { 0 } else { 10 };
    ItemState {
        item: ItemSpec {
            key: ItemKey {
                index: index.into(),
                shard,
                segment: "_0".into(),
                from,
                to: from + 10,
            },
            bytes: 100,
            expected: Some(10),
        },
        attempt: 1,
        tries: 0,
        status,
        progress: ItemProgress {
            delivered,
            ..ItemProgress::default()
        },
    }
}

fn held(until: i64) -> ItemStatus {
    ItemStatus::Held {
        holder: "apply-1-abc/0".into(),
        expires: Some(at(until)),
    }
}

fn beat(id: &str, said: i64, working: u32) -> Beat {
    Beat {
        role: Role::Coordinator,
        capacity: 2,
        working,
        counts: Counts {
            docs: 500,
            ..Counts::default()
        },
        docs_per_second: 5.0,
        ..Beat::of_test(id, 1, said)
    }
}

fn facts(shards: u32, docs: u64) -> SnapshotIndexFacts {
    SnapshotIndexFacts {
        shards,
        docs: Some(docs),
        bytes: docs * 10,
        ..SnapshotIndexFacts::default()
    }
}

struct Made {
    items: Vec<ItemState>,
    source: BTreeMap<String, SnapshotIndexFacts>,
    restores: BTreeMap<String, restore::Course>,
    control: Control,
    beats: Vec<Beat>,
}

impl Made {
    fn new(items: Vec<ItemState>) -> Self {
        Self {
            items,
            source: [
                ("a".to_owned(), facts(2, 20)),
                ("b".to_owned(), facts(3, 10)),
                ("empty".to_owned(), facts(1, 0)),
            ]
            .into(),
            restores: BTreeMap::new(),
            control: Control::default(),
            beats: Vec::new(),
        }
    }

    fn with(mut self, beat: Beat) -> Self {
        self.beats.push(beat);
        self
    }

    fn see<T>(&self, look: impl FnOnce(&Seen<'_>) -> T) -> T {
        let muster = muster(&self.control, self.beats.clone(), at(100));
        look(&Seen {
            address: &Address::new("docs"),
            then: "",
            record: None,
            source: Some(&self.source),
            snapshot: Some("s"),
            items: &self.items,
            restores: &self.restores,
            control: &self.control,
            muster: &muster,
            now: at(100),
        })
    }

    fn status(&self) -> BackfillStatus {
        self.see(|seen| sum_up(seen, Vec::new()))
    }

    fn stage(&self) -> Stage {
        self.status().status
    }
}

fn some() -> Vec<ItemState> {
    vec![
        item("a", 0, 0, ItemStatus::Done),
        item("a", 1, 0, ItemStatus::Done),
        item("a", 1, 10, held(200)),
        item("b", 2, 0, ItemStatus::Free),
    ]
}

fn all() -> Vec<ItemState> {
    vec![
        item("a", 0, 0, ItemStatus::Done),
        item("a", 1, 0, ItemStatus::Done),
        item("b", 2, 0, ItemStatus::Done),
    ]
}

#[test]
fn shards_are_counted_by_all_of_their_items() {
    let found = Made::new(some()).with(beat("apply-1", 99, 2)).status();
    // Of `b` two shards hold nothing; `empty` is done when nothing else is left.
    let wanted = Shards {
        total: 6,
        completed: 3,
        in_progress: 1,
        unclaimed: 2,
    };
    assert_eq!(found.shards, wanted);
    assert_eq!(found.shards.incomplete(), 3);
    assert_eq!((found.running, found.pending, found.desired), (2, 0, 2));
}

#[test]
fn what_a_lost_process_holds_or_held_too_long_is_nobodys() {
    let lost = Made::new(some()).with(beat("apply-1", 10, 2)).status();
    assert_eq!(lost.shards.in_progress, 0);
    assert!(
        lost.says
            .iter()
            .any(|it| it.contains("1 process fell silent"))
    );
    let mut items = some();
    items[2].status = held(50);
    assert_eq!(Made::new(items).status().shards.in_progress, 0);
}

#[test]
fn each_state_is_said_when_it_is_so() {
    assert_eq!(Made::new(Vec::new()).stage(), Stage::NotStarted);
    let waiting = beat("apply-1", 99, 0);
    let working = beat("apply-1", 99, 2);
    let starting = Made::new(Vec::new()).with(waiting.clone());
    assert_eq!(starting.stage(), Stage::Starting);
    assert_eq!(
        Made::new(some()).with(working.clone()).stage(),
        Stage::Running
    );
    // Nobody works on it, whether by a pause or since a process died.
    assert_eq!(Made::new(some()).stage(), Stage::Paused);
    let mut paused = Made::new(some()).with(waiting.clone());
    paused.control.pause();
    assert_eq!(paused.stage(), Stage::Paused);
    // Workers that are up mean running, also when all is done.
    assert_eq!(Made::new(all()).with(working).stage(), Stage::Running);
    assert_eq!(Made::new(all()).with(waiting).stage(), Stage::Running);
    assert_eq!(Made::new(all()).stage(), Stage::Completed);
    let mut stopped = Made::new(some());
    stopped.control.stop();
    assert_eq!(stopped.stage(), Stage::Stopped);
}

#[test]
fn what_is_left_is_told_with_what_that_rests_on() {
    let deep =
        |made: &Made| made.see(|seen| deepen(seen, seen.indices(), BTreeMap::new(), String::new()));
    let running = deep(&Made::new(some()).with(beat("apply-1", 99, 2)));
    assert_eq!((running.docs_done, running.docs_total), (30, Some(30)));
    // Every document was read, and something of it is not done.
    assert!((running.percentage_completed - 99.9).abs() < f64::EPSILON);
    assert_eq!(running.eta_basis, "at 5 docs/s of the last beats");
    let nobody = deep(&Made::new(some()));
    assert_eq!(nobody.eta_ms, None);
    let done = deep(&Made::new(all()));
    assert_eq!(done.eta_ms, Some(0));
    assert!((done.percentage_completed - 100.0).abs() < f64::EPSILON);
}

#[test]
fn what_the_target_restores_is_counted_without_items() {
    use crate::clients::target::cluster::restore::Recovered;
    let course = |done: bool, under_way: bool, bytes: u64, shards: u64| restore::Course {
        done,
        under_way,
        recovered: Recovered {
            bytes,
            of_bytes: 4000,
            shards,
        },
    };
    let mut made = Made::new(Vec::new());
    made.restores
        .insert("a".into(), course(true, false, 4000, 2));
    made.restores
        .insert("b".into(), course(false, true, 1000, 3));
    assert_eq!(made.stage(), Stage::Running);
    let status = made.status();
    assert_eq!(
        (status.shards.completed, status.shards.in_progress),
        (5, 1),
        "of b two are there, and it is done only once it is counted; what is empty has nothing to come"
    );
    let says = status.says.join(" ");
    assert!(
        says.contains("The target restores 1 index by itself"),
        "{says}"
    );
    let told = made.see(|seen| {
        let indices = seen.indices().into_iter();
        let told = indices.map(|it| (it.word(), it.bytes_done, it.bytes_total));
        told.collect::<Vec<_>>()
    });
    let empty = told[2].0;
    assert_eq!(
        told,
        [("done", 200, 200), ("loading", 1000, 4000), (empty, 0, 0)]
    );
    // Nobody asked for the rest yet.
    made.restores.insert("b".into(), course(false, false, 0, 0));
    assert_eq!(made.stage(), Stage::Paused);
}
