//! The journal and what is derived from it: torn ends, damage, locks, other versions.

use std::time::Duration;

use jiff::Timestamp;
use mig::base::{Address, Fingerprint};
use mig::plan::model::{PhaseKindName, StateLocation};
use mig::state::model::{Entry, PhaseStatus, SideEffect};
use mig::state::{Holder, LockedState, StateError, StateStore, new_state, open};
use serde_json::{Value, json};

struct Place {
    directory: tempfile::TempDir,
    store: Box<dyn StateStore>,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let location = StateLocation::Directory(directory.path().join("deep/state"));
    Place {
        store: open(&location).unwrap(),
        directory,
    }
}

fn holder() -> Holder {
    Holder {
        pid: 7,
        host: "here".into(),
        who: "ann@here".into(),
        operation: "apply".into(),
        since: Timestamp::UNIX_EPOCH,
    }
}

impl Place {
    /// A test beside this one that starts a process shares our files with it for the instant before its program begins,
    /// so a lock may be free a little later than it was dropped.
    fn lock(&self) -> Result<Box<dyn LockedState>, StateError> {
        let wait = Duration::from_secs(10);
        self.store.lock(&holder(), wait, &mut |_| {})
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join("deep/state").join(name)
    }

    /// A state with one phase that was done.
    fn filled(&self) {
        let mut locked = self.lock().unwrap();
        for entry in entries() {
            locked.append(Timestamp::UNIX_EPOCH, &entry).unwrap();
        }
    }
}

fn entries() -> Vec<Entry> {
    let docs = || Address::from("docs");
    let effect = |before: bool| Entry::Effect {
        address: docs(),
        effect: SideEffect {
            on: "os".into(),
            what: "create-index".into(),
            name: "logs".into(),
            detail: json!({ "existed": before }),
        },
    };
    vec![
        new_state("test"),
        Entry::PhaseStarted {
            address: docs(),
            kind: PhaseKindName::Backfill,
            spec: json!({}),
            inputs: Fingerprint::of(&1),
        },
        effect(false),
        // As after a kill: announced once more, when it is there already.
        effect(true),
        Entry::PhaseDone {
            address: docs(),
            outputs: json!({ "n": 1 }),
            evidence: vec!["all of it".into()],
        },
    ]
}

#[test]
fn what_was_appended_is_there_again() {
    let place = place();
    assert!(place.store.load().unwrap().is_none());
    place.filled();
    let loaded = place.store.load().unwrap().unwrap();
    assert_eq!(loaded.state.serial, 5);
    assert_eq!(loaded.lines.len(), 5);
    assert!(loaded.notices.is_empty());
    let record = &loaded.state.phases["docs"];
    assert_eq!(record.status, PhaseStatus::Done);
    // The first announcement counts: an undo must know that the index was not there.
    assert_eq!(record.effects.len(), 1);
    assert_eq!(record.effects[0].detail, json!({ "existed": false }));
    let derived: Value =
        serde_json::from_slice(&std::fs::read(place.file("state.json")).unwrap()).unwrap();
    assert_eq!(derived["serial"], 5);
    assert_eq!(derived["phases"]["docs"]["status"], "done");
}

#[test]
fn a_line_cut_anywhere_is_left_out_and_written_over() {
    let place = place();
    place.filled();
    let journal = std::fs::read(place.file("journal.jsonl")).unwrap();
    let last_line = journal[..journal.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    for end in last_line + 1..journal.len() {
        std::fs::write(place.file("journal.jsonl"), &journal[..end]).unwrap();
        let loaded = place.store.load().unwrap().unwrap();
        assert_eq!(loaded.state.serial, 4, "cut at {end}");
        assert!(
            loaded.notices[0].to_string().contains("line 5"),
            "{:?}",
            loaded.notices
        );
    }
    let mut locked = place.lock().unwrap();
    let last = entries().pop().unwrap();
    locked.append(Timestamp::UNIX_EPOCH, &last).unwrap();
    drop(locked);
    let loaded = place.store.load().unwrap().unwrap();
    assert_eq!((loaded.state.serial, loaded.notices.len()), (5, 0));
}

#[test]
fn any_other_damage_is_an_error_that_names_its_line() {
    let place = place();
    place.filled();
    let journal = std::fs::read(place.file("journal.jsonl")).unwrap();
    let mut expected = 1;
    for at in 0..journal.len() - 1 {
        if journal[at] == b'\n' {
            expected += 1;
            continue;
        }
        let mut damaged = journal.clone();
        damaged[at] ^= 1;
        if damaged[at] == b'\n' {
            continue;
        }
        std::fs::write(place.file("journal.jsonl"), &damaged).unwrap();
        let error = place.store.load().unwrap_err();
        let StateError::Damaged { line, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(*line, expected);
        assert!(error.help().contains("head -n"), "{}", error.help());
    }
}

#[test]
fn a_line_that_is_missing_is_seen() {
    let place = place();
    place.filled();
    let journal = std::fs::read_to_string(place.file("journal.jsonl")).unwrap();
    let mut lines: Vec<&str> = journal.lines().collect();
    lines.remove(2);
    std::fs::write(place.file("journal.jsonl"), lines.join("\n") + "\n").unwrap();
    let error = place.store.load().unwrap_err().to_string();
    assert!(error.contains("line 3"), "{error}");
}

#[test]
fn the_derived_file_is_made_again_when_it_is_missing_older_or_damaged() {
    let place = place();
    place.filled();
    let right = std::fs::read(place.file("state.json")).unwrap();
    let older = String::from_utf8(right.clone())
        .unwrap()
        .replace("\"serial\": 5", "\"serial\": 3");
    for content in [None, Some(&b"{ not json"[..]), Some(older.as_bytes())] {
        match content {
            None => std::fs::remove_file(place.file("state.json")).unwrap(),
            Some(content) => std::fs::write(place.file("state.json"), content).unwrap(),
        }
        drop(place.lock().unwrap());
        assert_eq!(std::fs::read(place.file("state.json")).unwrap(), right);
    }
}

#[test]
fn a_journal_that_is_gone_is_not_taken_for_a_new_state() {
    let place = place();
    place.filled();
    std::fs::remove_file(place.file("journal.jsonl")).unwrap();
    let error = place.store.load().unwrap_err();
    assert!(matches!(error, StateError::JournalGone { .. }), "{error}");
}

#[test]
fn a_journal_of_a_later_format_is_refused() {
    let place = place();
    let mut locked = place.lock().unwrap();
    let Entry::Opened { lineage, plan, .. } = new_state("test") else {
        unreachable!()
    };
    let later = Entry::Opened {
        version: 99,
        lineage,
        plan,
        adopted: false,
    };
    locked.append(Timestamp::UNIX_EPOCH, &later).unwrap();
    drop(locked);
    let error = place.store.load().unwrap_err();
    assert!(
        matches!(error, StateError::TooNew { found: 99, .. }),
        "{error}"
    );
}

#[test]
fn a_second_lock_is_refused_and_names_the_first() {
    let place = place();
    let first = place.lock().unwrap();
    let at_once = place.store.lock(&holder(), Duration::ZERO, &mut |_| {});
    let error = at_once.err().unwrap();
    assert!(
        error.to_string().contains("ann@here, process 7 on here"),
        "{error}"
    );
    let mut told = 0;
    let waited = place
        .store
        .lock(&holder(), Duration::from_millis(150), &mut |_| told += 1);
    assert!(matches!(waited, Err(StateError::Locked { .. })));
    assert_eq!(told, 1);
    drop(first);
    drop(place.lock().unwrap());
}

#[test]
fn what_is_no_place_in_a_bucket_is_told_without_what_may_be_secret() {
    let location = StateLocation::S3("s3://bucket/x?token=hush".into());
    let error = open(&location).err().unwrap();
    assert!(matches!(error, StateError::BadLocation { .. }));
    let words = error.to_string();
    assert!(words.contains("`s3://bucket/x` is no place"), "{words}");
    assert!(!words.contains("hush"), "{words}");
}

#[test]
fn what_is_kept_beside_the_journal_is_whole_and_stays_within() {
    let directory = tempfile::tempdir().unwrap();
    let location = StateLocation::Directory(directory.path().join("deep/state"));
    let beside = open(&location).unwrap().artifacts();
    assert_eq!(beside.get("evidence/same.json").unwrap(), None);
    beside.remove("evidence/same.json").unwrap();
    beside.put("evidence/same.json", b"one").unwrap();
    beside.put("evidence/same.json", b"two").unwrap();
    assert_eq!(beside.get("evidence/same.json").unwrap().unwrap(), b"two");
    let path = directory.path().join("deep/state/evidence/same.json");
    assert_eq!(
        beside.locate("evidence/same.json"),
        path.display().to_string()
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    assert!(beside.put("../outside", b"x").is_err());
    assert!(beside.get("/etc/passwd").is_err());
    assert!(beside.scratch().unwrap().is_dir());
    beside.remove("evidence/same.json").unwrap();
    assert!(!path.exists());
}
