//! Loading: the right documents and no others, whatever stops it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mig::clients::target::Target as _;
use mig::engines::bulk::source::{ItemReader, SegmentKey, SourceError};
use mig::engines::bulk::work_store::{
    Acquired, ItemKey, ItemProgress, ItemSpec, LocalWorkStore, WorkStore as _,
};
use mig::engines::bulk::{BulkError, DocumentSource, Options, Stop, failed};
use mig::engines::verify::{Content, Verdict};
use proptest::prelude::*;

use crate::bulk_support::{
    Doc, Memory, Mutation, StopAt, identity, items, load, load_by, options, target, verify,
};

fn no_stop() -> Stop {
    Stop::No
}

/// All lines of an index, as (action, source), sorted.
fn lines(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join("indices/shop/docs")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut lines = text.lines();
        while let Some(action) = lines.next() {
            found.push((action.to_owned(), lines.next().unwrap().to_owned()));
        }
    }
    found.sort();
    found
}

fn wanted(memory: &Memory) -> Vec<(String, String)> {
    let mut wanted: Vec<_> = memory
        .docs()
        .map(|doc| {
            let routing = doc.routing.as_ref().map_or(String::new(), |routing| {
                format!(",\"routing\":\"{routing}\"")
            });
            let action = format!(
                "{{\"index\":{{\"_index\":\"shop\",\"_id\":\"{}\"{routing},\"version\":{},\
                 \"version_type\":\"external_gte\"}}}}",
                doc.id,
                doc.version.unwrap()
            );
            (
                action,
                String::from_utf8(doc.source.clone().unwrap()).unwrap(),
            )
        })
        .collect();
    wanted.sort();
    wanted
}

#[test]
fn every_document_lands_once_and_a_second_run_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    let memory = Memory::numbered(3, 50);
    let made = target(&root, &["shop"]);
    let outcome = load(&memory, &root, options(&root), &no_stop).unwrap();
    assert!(outcome.finished);
    let index = &outcome.indices["shop"];
    assert_eq!(
        (index.expected, index.written, index.failed),
        (Some(150), 150, 0)
    );
    assert_eq!(lines(&root), wanted(&memory));
    let facts = made.index_facts("shop", 0).unwrap().unwrap();
    assert_eq!((facts.docs, facts.foreign_docs), (150, 0));
    let again = load(&memory, &root, options(&root), &no_stop).unwrap();
    assert_eq!(again, outcome);
    assert_eq!(made.index_facts("shop", 0).unwrap().unwrap(), facts);
    assert_eq!(verify(&memory, &root, Content::Full).verdict, Verdict::Pass);
}

#[test]
fn a_reader_that_loses_or_doubles_a_document_never_finishes() {
    for mutation in [Mutation::Drop, Mutation::Duplicate] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("os");
        let mut memory = Memory::numbered(2, 30);
        memory.mutation = Some((mutation, "id-41".to_owned()));
        target(&root, &["shop"]);
        let error = load(&memory, &root, options(&root), &no_stop).unwrap_err();
        assert!(matches!(error, BulkError::Count { .. }), "{error}");
        let (_, facts) =
            LocalWorkStore::peek_work(&root.join(".migrations_working_state"), "test", "docs")
                .unwrap()
                .unwrap();
        assert!(!facts.complete["shop"]);
        memory.mutation = None;
        assert!(
            load(&memory, &root, options(&root), &no_stop)
                .unwrap()
                .finished
        );
        assert_eq!(lines(&root), wanted(&memory));
    }
}

#[test]
fn what_can_not_be_written_goes_to_the_stream_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    let mut memory = Memory::numbered(1, 40);
    for number in [3, 17, 18] {
        memory.segments[0][number].source = None;
    }
    target(&root, &["shop"]);
    let stop = StopAt::of_workers(12, Stop::Now);
    load(&memory, &root, options(&root), &|| stop.ask()).unwrap();
    let outcome = load(&memory, &root, options(&root), &no_stop).unwrap();
    assert!(outcome.finished);
    assert_eq!(outcome.failed_by_class["source-invalid"], 3);
    assert_eq!(outcome.indices["shop"].written, 37);
    let mut ids = Vec::new();
    failed::read(&options(&root).failed, &items(&root), &mut |document| {
        assert!(document.request_base64.is_some());
        ids.push(document.id.into_owned());
        Ok(())
    })
    .unwrap();
    assert_eq!(ids, ["id-3", "id-17", "id-18"]);
    // They are not there, so they are missing, and that is no success.
    let report = verify(&memory, &root, Content::Full);
    assert_eq!(
        (report.verdict, report.indices["shop"].missing),
        (Verdict::Fail, 3)
    );
}

#[test]
fn more_failures_than_tolerated_end_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    let mut memory = Memory::numbered(4, 100);
    for doc in &mut memory.segments[0] {
        doc.source = None;
    }
    target(&root, &["shop"]);
    let options = Options {
        max_failed: Some(2),
        ..options(&root)
    };
    let outcome = load_by(1, &memory, &root, options, &no_stop).unwrap();
    assert!(outcome.too_many_failed && !outcome.finished);
}

#[test]
fn a_tail_cut_at_any_byte_is_made_whole_again() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    let mut memory = Memory::numbered(1, 12);
    memory.step_docs = 2;
    target(&root, &["shop"]);
    let one = || Options {
        checkpoint_every: std::time::Duration::ZERO,
        ..options(&root)
    };
    // Stopped with some steps noted.
    let stop = StopAt::of_workers(6, Stop::Now);
    load_by(1, &memory, &root, one(), &|| stop.ask()).unwrap();
    let part = root.join("indices/shop/docs/0-_0-0.ndjson");
    let state = root.join(".migrations_working_state");
    let store = LocalWorkStore::open(&state, &identity()).unwrap();
    let marked = store.items().unwrap()[0].progress.mark.clone().unwrap();
    drop(store);
    assert!(marked.docs > 0 && marked.docs < 12, "{marked:?}");
    let log = fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|it| it == "log"))
        .unwrap();
    let noted = fs::read(&log).unwrap();
    assert!(
        load_by(1, &memory, &root, one(), &no_stop)
            .unwrap()
            .finished
    );
    let whole = fs::read(&part).unwrap();
    let start = usize::try_from(marked.bytes).unwrap();
    for end in (start..whole.len()).take(160) {
        fs::write(&log, &noted).unwrap();
        fs::write(&part, &whole[..end]).unwrap();
        assert!(
            load_by(1, &memory, &root, one(), &no_stop)
                .unwrap()
                .finished
        );
        assert_eq!(fs::read(&part).unwrap(), whole, "cut at {end}");
    }
    // Shorter than what was durable, or another content: said, and nothing is built on it.
    fs::write(&log, &noted).unwrap();
    fs::write(&part, &whole[..start - 1]).unwrap();
    load_by(1, &memory, &root, one(), &no_stop).unwrap_err();
    let mut other = whole.clone();
    other[10] ^= 1;
    fs::write(&part, &other).unwrap();
    load_by(1, &memory, &root, one(), &no_stop).unwrap_err();
}

fn document() -> impl Strategy<Value = Doc> {
    (
        any::<String>(),
        proptest::option::of("[a-z]{0,3}"),
        proptest::option::of(any::<i64>()),
        any::<String>(),
    )
        .prop_map(|(id, routing, version, text)| Doc {
            id,
            routing,
            version,
            source: Some(serde_json::to_vec(&serde_json::json!({ "text": text })).unwrap()),
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn stops_at_any_point_lose_and_double_nothing(
        docs in proptest::collection::btree_map("[ -~]{1,8}|\\PC{1,4}", document(), 1..80),
        stops in proptest::collection::vec((1_u64..25, any::<bool>()), 0..8),
        item_docs in 1_usize..40,
        segments in 1_usize..4,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("os");
        let docs: Vec<Doc> = docs
            .into_iter()
            .map(|(id, doc)| Doc { id, ..doc })
            .collect();
        let chunk = docs.len().div_ceil(segments);
        let mut memory = Memory::new(docs.chunks(chunk).map(<[Doc]>::to_vec).collect());
        memory.item_docs = item_docs;
        target(&root, &["shop"]);
        for (at, drain) in stops {
            let stop = StopAt::of_workers(at, if drain { Stop::Drain } else { Stop::Now });
            let options = Options {
                checkpoint_every: std::time::Duration::ZERO,
                ..options(&root)
            };
            load(&memory, &root, options, &|| stop.ask()).unwrap();
        }
        let outcome = load(&memory, &root, options(&root), &no_stop).unwrap();
        prop_assert!(outcome.finished);
        prop_assert_eq!(outcome.indices["shop"].written, docs.len() as u64);
        let report = verify(&memory, &root, Content::Full);
        prop_assert_eq!(report.verdict, Verdict::Pass, "{:?}", report);
    }
}

/// A source of which one item can't be read.
struct Damaged {
    memory: Memory,
    from: u32,
}

impl DocumentSource for Damaged {
    fn items(&self) -> Result<Vec<ItemSpec>, SourceError> {
        self.memory.items()
    }

    fn expected(&self) -> Result<BTreeMap<SegmentKey, Option<u64>>, SourceError> {
        self.memory.expected()
    }

    fn open(&self, item: &ItemKey, from: u32) -> Result<Box<dyn ItemReader + '_>, SourceError> {
        if item.segment == "_0" && item.from == self.from {
            return Err(SourceError {
                place: item.to_string(),
                reason: "a chunk is damaged".to_owned(),
            });
        }
        self.memory.open(item, from)
    }

    fn check_segment(
        &self,
        segment: &SegmentKey,
        proofs: &[serde_json::Value],
    ) -> Result<(), SourceError> {
        self.memory.check_segment(segment, proofs)
    }
}

#[test]
fn what_can_not_be_read_is_set_aside_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    let damaged = Damaged {
        memory: Memory::numbered(2, 60),
        from: 20,
    };
    target(&root, &["shop"]);
    for _ in 0..2 {
        // A later run tries it again.
        let outcome = load(&damaged, &root, options(&root), &no_stop).unwrap();
        assert!(!outcome.finished);
        let shop = &outcome.indices["shop"];
        assert_eq!(
            (shop.items, shop.items_done, shop.items_set_aside),
            (6, 5, 1)
        );
        assert_eq!(shop.written, 100);
        assert_eq!(outcome.set_aside.len(), 1);
        assert_eq!(outcome.set_aside[0].item, "shop/0/_0/20-40");
        assert!(outcome.set_aside[0].reason.contains("a chunk is damaged"));
    }
    let outcome = load(&damaged.memory, &root, options(&root), &no_stop).unwrap();
    assert!(outcome.finished && outcome.set_aside.is_empty());
    assert_eq!(lines(&root), wanted(&damaged.memory));
}

#[test]
fn a_segment_that_others_did_is_counted_before_the_load_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    let memory = Memory::numbered(2, 20);
    target(&root, &["shop"]);
    let state = root.join(".migrations_working_state");
    let store = LocalWorkStore::open(&state, &identity()).unwrap();
    store.register(&memory.items().unwrap()).unwrap();
    let now = store.now();
    let later = now + jiff::SignedDuration::from_secs(60);
    let Acquired::Lease(lease) = store.acquire("another", now, later).unwrap() else {
        panic!("nothing was free");
    };
    // It says that it is done, and delivered less than the segment has.
    store.complete(&lease, &ItemProgress::default()).unwrap();
    drop(store);
    let error = load(&memory, &root, options(&root), &no_stop).unwrap_err();
    assert!(
        matches!(
            error,
            BulkError::Count {
                delivered: 0,
                expected: 20,
                ..
            }
        ),
        "{error}"
    );
}
