//! A state in a bucket over objects in memory: sleepers, races, damage, long journals. On a real server: `tests/s3`.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::base::Address;
use crate::clients::objects::MemoryObjects;
use crate::state::model::SideEffect;
use crate::state::new_state;

const TERM: Duration = Duration::from_millis(400);

type Hook = Box<dyn FnMut(&str) + Send>;

/// Objects that count what is asked, can be out of reach, and do something before a write.
struct Watched {
    inner: MemoryObjects,
    asked: AtomicU64,
    cut_off: AtomicBool,
    before_create: Mutex<Option<Hook>>,
}

impl Watched {
    fn over(inner: &MemoryObjects) -> Arc<Self> {
        Arc::new(Self {
            inner: inner.clone(),
            asked: AtomicU64::new(0),
            cut_off: AtomicBool::new(false),
            before_create: Mutex::default(),
        })
    }

    fn ask(&self) -> io::Result<()> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.cut_off.load(Ordering::SeqCst) {
            return Err(io::Error::other("cut off"));
        }
        Ok(())
    }
}

impl ConditionalObjects for Watched {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn get(&self, key: &str, limit_bytes: u64) -> io::Result<Option<(Bytes, Tag)>> {
        self.ask()?;
        self.inner.get(key, limit_bytes)
    }

    fn create(&self, key: &str, bytes: Bytes) -> io::Result<Written> {
        let hook = self.before_create.lock().unwrap().take();
        if let Some(mut hook) = hook {
            hook(key);
        }
        self.ask()?;
        self.inner.create(key, bytes)
    }

    fn replace(&self, key: &str, bytes: Bytes, before: &Tag) -> io::Result<Written> {
        self.ask()?;
        self.inner.replace(key, bytes, before)
    }

    fn put(&self, key: &str, bytes: Bytes) -> io::Result<()> {
        self.ask()?;
        self.inner.put(key, bytes)
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        self.ask()?;
        self.inner.remove(key)
    }

    fn list(&self, folder: &str, after: Option<&str>) -> io::Result<Vec<String>> {
        self.ask()?;
        self.inner.list(folder, after)
    }
}

fn store(objects: &Arc<Watched>) -> RemoteStore {
    RemoteStore {
        objects: Arc::clone(objects) as Arc<dyn ConditionalObjects>,
        term: TERM,
    }
}

fn holder(who: &str, since: &str) -> Holder {
    Holder {
        pid: 7,
        host: "here".into(),
        who: who.into(),
        operation: "apply".into(),
        since: since.parse().unwrap(),
    }
}

fn lock(
    store: &RemoteStore,
    who: &str,
    wait: Duration,
) -> Result<Box<dyn LockedState>, StateError> {
    store.lock(&holder(who, "2026-01-01T00:00:00Z"), wait, &mut |_| ())
}

const LONG: Duration = Duration::from_secs(30);

fn ended(number: u64) -> Entry {
    Entry::RunEnded {
        outcome: number.to_string(),
    }
}

fn add(locked: &mut dyn LockedState, entry: &Entry) -> Result<(), StateError> {
    locked.append(Timestamp::UNIX_EPOCH, entry)
}

#[test]
fn what_is_appended_is_there_for_the_next_one() {
    let objects = Watched::over(&MemoryObjects::default());
    let store = store(&objects);
    assert!(store.load().unwrap().is_none());
    let mut locked = lock(&store, "ann", LONG).unwrap();
    assert!(store.load().unwrap().is_none(), "a fence is no state");
    add(&mut *locked, &new_state("test")).unwrap();
    add(&mut *locked, &ended(1)).unwrap();
    let state = locked.state().clone();
    drop(locked);
    let loaded = store.load().unwrap().unwrap();
    assert_eq!(loaded.state, state);
    assert_eq!(loaded.lines.len(), 2);
    let again = lock(&store, "bob", LONG).unwrap();
    assert_eq!(again.state(), &state);
    assert!(again.notices().is_empty(), "{:?}", again.notices());
    drop(again);
    let derived = objects.inner.get(STATE, 1 << 20).unwrap().unwrap().0;
    assert_eq!(serde_json::from_slice::<State>(&derived).unwrap(), state);
}

#[test]
fn one_who_lives_keeps_the_state_whatever_his_clock_says_and_one_who_died_does_not() {
    // Hours apart in both directions: nothing is decided by a time that somebody else wrote.
    for (ann, bob) in [
        ("2026-01-01T00:00:00Z", "2026-01-01T09:00:00Z"),
        ("2031-01-01T00:00:00Z", "1999-01-01T00:00:00Z"),
    ] {
        let memory = MemoryObjects::default();
        let of_ann = Watched::over(&memory);
        let ann = store(&of_ann).lock(&holder("ann", ann), LONG, &mut |_| ());
        let mut ann = ann.unwrap();
        add(&mut *ann, &new_state("test")).unwrap();
        let mut told = 0;
        let of_bob = Watched::over(&memory);
        let others = store(&of_bob);
        let locked = others.lock(&holder("bob", bob), TERM * 3, &mut |holder| {
            told += 1;
            assert_eq!(holder.who, "ann");
        });
        assert!(
            matches!(locked.err().unwrap(), StateError::Locked { holder, .. } if holder.who == "ann")
        );
        assert_eq!(told, 1);
        // She sleeps: her lease is not written any more.
        of_ann.cut_off.store(true, Ordering::SeqCst);
        let began = Instant::now();
        let locked = others.lock(&holder("bob", bob), Duration::ZERO, &mut |_| ());
        let mut locked = locked.unwrap();
        assert!(began.elapsed() >= TERM);
        assert_eq!(lease::shown(&*of_bob)["epoch"], 2);
        // She wakes, before he wrote anything.
        of_ann.cut_off.store(false, Ordering::SeqCst);
        let error = add(&mut *ann, &ended(1)).unwrap_err();
        assert!(
            matches!(&error, StateError::LeaseLost { holder: Some(it), .. } if it.who == "bob"),
            "{error}"
        );
        add(&mut *locked, &ended(2)).unwrap();
        drop(ann);
        drop(locked);
        let lines = others.load().unwrap().unwrap().lines;
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1].entry, ended(2));
    }
}

#[test]
fn what_a_sleeper_wrote_just_before_the_fence_is_read_and_after_it_refused() {
    let memory = MemoryObjects::default();
    let of_ann = Watched::over(&memory);
    let mut ann = lock(&store(&of_ann), "ann", LONG).unwrap();
    add(&mut *ann, &new_state("test")).unwrap();
    of_ann.cut_off.store(true, Ordering::SeqCst);
    let of_bob = Watched::over(&memory);
    let ann = Arc::new(Mutex::new(ann));
    let (hers, sleeper) = (Arc::clone(&of_ann), Arc::clone(&ann));
    // When the lease is his already and his fence is on its way.
    *of_bob.before_create.lock().unwrap() = Some(Box::new(move |key| {
        assert!(key.starts_with("journal/"), "{key}");
        hers.cut_off.store(false, Ordering::SeqCst);
        // Her keeper has not noticed yet.
        add(&mut **sleeper.lock().unwrap(), &ended(7)).unwrap();
    }));
    let mut bob = lock(&store(&of_bob), "bob", Duration::ZERO).unwrap();
    assert_eq!(bob.state().serial, 2, "her last entry is read");
    assert!(add(&mut **ann.lock().unwrap(), &ended(8)).is_err());
    add(&mut *bob, &ended(9)).unwrap();
    drop(bob);
    let lines = store(&of_bob).load().unwrap().unwrap().lines;
    let entries: Vec<Entry> = lines.into_iter().skip(1).map(|line| line.entry).collect();
    assert_eq!(entries, [ended(7), ended(9)]);
}

#[test]
fn of_many_who_want_it_one_has_it_at_a_time_and_no_entry_is_lost() {
    const WRITERS: u64 = 6;
    const ROUNDS: u64 = 25;
    let memory = MemoryObjects::default();
    {
        let objects = Watched::over(&memory);
        let mut first = lock(&store(&objects), "first", LONG).unwrap();
        add(&mut *first, &new_state("test")).unwrap();
    }
    let within = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (memory, within) = (&memory, &within);
            scope.spawn(move || {
                let objects = Watched::over(memory);
                let store = store(&objects);
                for round in 0..ROUNDS {
                    let mut locked = lock(&store, "one", Duration::from_mins(2)).unwrap();
                    assert_eq!(within.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                    add(&mut *locked, &ended(writer * ROUNDS + round)).unwrap();
                    within.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    let objects = Watched::over(&memory);
    let lines = store(&objects).load().unwrap().unwrap().lines;
    let mut numbers: Vec<u64> = lines
        .iter()
        .filter_map(|line| match &line.entry {
            Entry::RunEnded { outcome } => outcome.parse().ok(),
            _ => None,
        })
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..WRITERS * ROUNDS));
}

#[test]
fn a_long_journal_takes_few_requests_to_read() {
    let objects = Watched::over(&MemoryObjects::default());
    let store = store(&objects);
    let mut locked = lock(&store, "ann", LONG).unwrap();
    add(&mut *locked, &new_state("test")).unwrap();
    for number in 0..3000 {
        add(&mut *locked, &ended(number)).unwrap();
    }
    let state = locked.state().clone();
    drop(locked);
    let before = objects.asked.load(Ordering::SeqCst);
    let loaded = store.load().unwrap().unwrap();
    let asked = objects.asked.load(Ordering::SeqCst) - before;
    assert_eq!(loaded.state, state);
    assert_eq!(loaded.lines.len(), 3001);
    assert!(asked <= ROLL_WITHIN + 4, "{asked} requests");
    // Who takes it next joins the rest.
    drop(lock(&store, "bob", LONG).unwrap());
    let before = objects.asked.load(Ordering::SeqCst);
    assert_eq!(store.load().unwrap().unwrap().state, state);
    let asked = objects.asked.load(Ordering::SeqCst) - before;
    assert!(asked <= 4, "{asked} requests");
    let rolled = objects.inner.list("rolled", None).unwrap();
    assert!(rolled.len() <= 2, "{rolled:?}");
    // What is joined is derived: damaged or gone, the parts are read.
    for damage in [Some("{}\n"), None] {
        for name in &rolled {
            let key = format!("rolled/{name}");
            match damage {
                Some(text) => objects
                    .inner
                    .put(&key, Bytes::from_static(text.as_bytes()))
                    .unwrap(),
                None => objects.inner.remove(&key).unwrap(),
            }
        }
        assert_eq!(store.load().unwrap().unwrap().state, state, "{damage:?}");
    }
}

#[test]
fn foreign_torn_and_missing_objects_are_told() {
    let filled = || {
        let memory = MemoryObjects::default();
        let objects = Watched::over(&memory);
        let mut locked = lock(&store(&objects), "ann", LONG).unwrap();
        for entry in [new_state("test"), ended(1), ended(2)] {
            add(&mut *locked, &entry).unwrap();
        }
        drop(locked);
        (memory, objects)
    };
    let told = |objects: &Arc<Watched>, text: &str| {
        let error = store(objects).load().unwrap_err();
        let words = error.to_string();
        assert!(matches!(error, StateError::DamagedObject { .. }), "{words}");
        assert!(words.contains(text), "{words}");
        assert!(lock(&store(objects), "bob", LONG).is_err());
    };
    let (memory, objects) = filled();
    memory
        .put("journal/readme.txt", Bytes::from_static(b"hello"))
        .unwrap();
    told(&objects, "journal/readme.txt is damaged");
    let (memory, objects) = filled();
    memory.remove(&log::key(3)).unwrap();
    told(&objects, "000000000003.jsonl` is missing");
    let (memory, objects) = filled();
    let (bytes, _) = memory.get(&log::key(4), 1 << 20).unwrap().unwrap();
    memory
        .put(&log::key(4), bytes.slice(..bytes.len() - 9))
        .unwrap();
    told(
        &objects,
        "000000000004.jsonl is damaged, or is no part of a state: it is cut off",
    );
    for at in 0..bytes.len() {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1;
        memory.put(&log::key(4), flipped.into()).unwrap();
        told(&objects, "000000000004.jsonl");
    }
    let (memory, objects) = filled();
    let (other, _) = memory.get(&log::key(3), 1 << 20).unwrap().unwrap();
    memory.put(&log::key(4), other).unwrap();
    told(&objects, "it says that it is number 3, and 4 is expected");
    let (memory, objects) = filled();
    for number in 1..=4 {
        memory.remove(&log::key(number)).unwrap();
    }
    assert!(matches!(
        store(&objects).load().unwrap_err(),
        StateError::JournalGone { .. }
    ));
    memory.put("lease.json", Bytes::from_static(b"{")).unwrap();
    let error = lock(&store(&objects), "bob", LONG).err().unwrap();
    assert!(matches!(error, StateError::DamagedObject { .. }), "{error}");
}

#[test]
fn after_a_write_of_unknown_outcome_nothing_is_appended() {
    let objects = Watched::over(&MemoryObjects::default());
    let store = store(&objects);
    let mut locked = lock(&store, "ann", LONG).unwrap();
    add(&mut *locked, &new_state("test")).unwrap();
    objects.cut_off.store(true, Ordering::SeqCst);
    let effect = Entry::Effect {
        address: Address::from("docs"),
        effect: SideEffect {
            on: "os".into(),
            what: "create-index".into(),
            name: "logs".into(),
            detail: serde_json::Value::Null,
        },
    };
    assert!(
        add(&mut *locked, &effect).is_err(),
        "of a phase that never began"
    );
    assert!(matches!(
        add(&mut *locked, &ended(1)),
        Err(StateError::Remote { .. })
    ));
    objects.cut_off.store(false, Ordering::SeqCst);
    assert!(matches!(
        add(&mut *locked, &ended(1)),
        Err(StateError::Remote { .. })
    ));
    drop(locked);
    assert_eq!(store.load().unwrap().unwrap().lines.len(), 1);
}

#[test]
fn artifacts_stay_below_their_folder() {
    let objects = Watched::over(&MemoryObjects::default());
    let artifacts = store(&objects).artifacts();
    artifacts.put("evidence/same.json", b"{}").unwrap();
    assert_eq!(artifacts.get("evidence/same.json").unwrap().unwrap(), b"{}");
    assert!(
        objects
            .inner
            .get("artifacts/evidence/same.json", 9)
            .unwrap()
            .is_some()
    );
    artifacts.remove("evidence/same.json").unwrap();
    assert_eq!(artifacts.get("evidence/same.json").unwrap(), None);
    assert!(artifacts.put("../lease.json", b"").is_err());
    assert_eq!(artifacts.locate("a/b"), "memory/artifacts/a/b");
}
