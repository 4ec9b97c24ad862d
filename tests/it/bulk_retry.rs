//! Sending again what failed: everything that can arrive arrives once, whatever stops it, and the counts say so.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mig::clients::objects::{ConditionalObjects as _, MemoryObjects};
use mig::engines::bulk::failed::{self, FailedPlace};
use mig::engines::bulk::retry::Again;
use mig::engines::bulk::work_store::ItemStatus;
use mig::engines::bulk::{Options, Stop};
use mig::engines::verify::{Content, Verdict};
use proptest::prelude::*;

use crate::bulk_support::{Memory, StopAt, items, load, options, retry_by, target, verify};

fn no_stop() -> Stop {
    Stop::No
}

/// The documents with these numbers can't be written.
fn without(memory: &Memory, numbers: &BTreeSet<usize>) -> Memory {
    let mut broken = Memory::new(memory.segments.clone());
    broken.item_docs = memory.item_docs;
    for segment in &mut broken.segments {
        for doc in segment {
            let number: usize = doc.id["id-".len()..].parse().unwrap();
            if numbers.contains(&number) {
                doc.source = None;
            }
        }
    }
    broken
}

fn failing(root: &Path, options: &Options) -> BTreeSet<usize> {
    let mut ids = BTreeSet::new();
    let seen = failed::read(&options.failed, &items(root), &mut |document| {
        let number = document.id["id-".len()..].parse().unwrap();
        assert!(ids.insert(number), "{number} twice");
        Ok(())
    })
    .unwrap();
    assert_eq!(
        (seen.failed, seen.told),
        (ids.len() as u64, ids.len() as u64)
    );
    ids
}

/// Every document of every item is counted once.
fn counts_hold(root: &Path) {
    for item in items(root) {
        let progress = &item.progress;
        assert_eq!(
            progress.written + progress.failed,
            progress.delivered,
            "{item:?}"
        );
        assert_eq!(item.status, ItemStatus::Done);
    }
}

fn in_a_bucket(objects: &MemoryObjects) -> FailedPlace {
    FailedPlace::Objects {
        objects: Arc::new(objects.clone()),
        prefix: "artifacts/failed/docs".to_owned(),
    }
}

#[test]
fn what_was_mended_arrives_and_what_was_not_stays_with_its_reason() {
    let objects = MemoryObjects::default();
    for in_bucket in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("os");
        let options = || Options {
            failed: if in_bucket {
                in_a_bucket(&objects)
            } else {
                options(&root).failed
            },
            ..options(&root)
        };
        let memory = Memory::numbered(2, 50);
        target(&root, &["shop"]);
        let bad: BTreeSet<usize> = [3, 19, 20, 21, 49, 50, 99].into();
        load(&without(&memory, &bad), &root, options(), &no_stop).unwrap();
        assert_eq!(failing(&root, &options()), bad);
        assert_eq!(verify(&memory, &root, Content::Full).verdict, Verdict::Fail);
        // Most are mended.
        let left: BTreeSet<usize> = [20, 99].into();
        let again = |source: &Memory| {
            retry_by(2, source, &root, options(), Again::FromSource, &no_stop).unwrap()
        };
        let outcome = again(&without(&memory, &left));
        assert_eq!(
            (outcome.written, outcome.failed_again, outcome.failed),
            (5, 2, 2)
        );
        assert_eq!(outcome.failed_by_class["source-invalid"], 2);
        assert!(outcome.finished);
        assert_eq!(failing(&root, &options()), left);
        counts_hold(&root);
        // All of them.
        assert_eq!(again(&memory).written, 2);
        assert_eq!(again(&memory).written, 0);
        assert!(failing(&root, &options()).is_empty());
        counts_hold(&root);
        assert_eq!(verify(&memory, &root, Content::Full).verdict, Verdict::Pass);
        // A load that is done anew begins with nothing that failed.
        options().failed.remove(Some("shop")).unwrap();
        assert_eq!(objects.list("artifacts", None).unwrap().len(), 0);
    }
}

#[test]
fn documents_that_no_request_was_made_of_can_not_be_sent_as_they_were_kept() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    let memory = Memory::numbered(1, 30);
    target(&root, &["shop"]);
    let bad: BTreeSet<usize> = [4, 5].into();
    load(&without(&memory, &bad), &root, options(&root), &no_stop).unwrap();
    let outcome = retry_by(1, &memory, &root, options(&root), Again::AsKept, &no_stop).unwrap();
    assert_eq!((outcome.written, outcome.failed_again), (0, 2));
    assert_eq!(failing(&root, &options(&root)), bad);
    let outcome = retry_by(
        1,
        &memory,
        &root,
        options(&root),
        Again::FromSource,
        &no_stop,
    )
    .unwrap();
    assert_eq!(outcome.written, 2);
}

#[test]
fn lines_that_are_on_another_machine_are_told_and_their_items_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    let memory = Memory::numbered(1, 30);
    target(&root, &["shop"]);
    let bad: BTreeSet<usize> = [4, 25].into();
    load(&without(&memory, &bad), &root, options(&root), &no_stop).unwrap();
    let elsewhere = root.with_extension("failed").join("shop/0-_0-0.ndjson");
    let text = std::fs::read(&elsewhere).unwrap();
    std::fs::remove_file(&elsewhere).unwrap();
    let outcome = retry_by(
        1,
        &memory,
        &root,
        options(&root),
        Again::FromSource,
        &no_stop,
    )
    .unwrap();
    assert_eq!((outcome.written, outcome.untold, outcome.failed), (1, 1, 1));
    // Where they are, they are sent.
    std::fs::write(&elsewhere, text).unwrap();
    let outcome = retry_by(
        1,
        &memory,
        &root,
        options(&root),
        Again::FromSource,
        &no_stop,
    )
    .unwrap();
    assert_eq!((outcome.written, outcome.untold, outcome.failed), (1, 0, 0));
    counts_hold(&root);
    assert_eq!(verify(&memory, &root, Content::Full).verdict, Verdict::Pass);
}

#[test]
fn a_holder_that_lost_the_item_adds_nothing_to_a_stream_in_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    let objects = MemoryObjects::default();
    let options = Options {
        failed: in_a_bucket(&objects),
        ..options(&root)
    };
    let memory = Memory::numbered(1, 20);
    target(&root, &["shop"]);
    let bad: BTreeSet<usize> = [1, 9, 17].into();
    load(&without(&memory, &bad), &root, options.clone(), &no_stop).unwrap();
    let keys = objects.list("artifacts/failed/docs", None).unwrap();
    let (stream, _) = keys[0].rsplit_once('/').unwrap();
    let folder = format!("artifacts/failed/docs/{stream}");
    // Behind the last checkpoint, and at its beginning by an earlier attempt.
    for name in [
        "00000000000000099999-00000000000000000001",
        "00000000000000000000-00000000000000000000",
    ] {
        objects
            .put(&format!("{folder}/{name}"), "{}\n".into())
            .unwrap();
    }
    assert_eq!(failing(&root, &options), bad);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn stops_at_any_point_of_any_pass_lose_and_double_nothing(
        bad in proptest::collection::btree_set(0_usize..60, 1..40),
        passes in proptest::collection::vec(
            (proptest::collection::btree_set(0_usize..60, 0..30), proptest::option::of((1_u64..20, any::<bool>()))),
            0..5,
        ),
        item_docs in 1_usize..40,
        in_bucket in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("os");
        let objects = MemoryObjects::default();
        let options = || Options {
            checkpoint_every: Duration::ZERO,
            failed: if in_bucket { in_a_bucket(&objects) } else { options(&root).failed },
            ..options(&root)
        };
        let mut memory = Memory::numbered(2, 30);
        memory.item_docs = item_docs;
        target(&root, &["shop"]);
        load(&without(&memory, &bad), &root, options(), &no_stop).unwrap();
        let mut before = failing(&root, &options());
        prop_assert_eq!(&before, &bad);
        for (still_bad, stop) in passes {
            let source = without(&memory, &still_bad);
            let (at, how) = match stop {
                None => (u64::MAX, Stop::Drain),
                Some((at, drain)) => (at, if drain { Stop::Drain } else { Stop::Now }),
            };
            let stop = StopAt::of_workers(at, how);
            retry_by(2, &source, &root, options(), Again::FromSource, &|| stop.ask()).unwrap();
            let now = failing(&root, &options());
            prop_assert!(now.is_subset(&before), "{:?} of {:?}", now, before);
            counts_hold(&root);
            before = now;
        }
        let outcome = retry_by(2, &memory, &root, options(), Again::FromSource, &no_stop).unwrap();
        prop_assert!(outcome.finished && outcome.failed == 0);
        counts_hold(&root);
        let report = verify(&memory, &root, Content::Full);
        prop_assert_eq!(report.verdict, Verdict::Pass, "{:?}", report);
    }
}
