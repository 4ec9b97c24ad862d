//! Verifying: equal is said of what is equal, and everything else is named.

use std::fs;
use std::path::Path;

use mig::base::Fingerprint;
use mig::clients::target::DirectoryTarget;
use mig::engines::bulk::Stop;
use mig::engines::verify::{
    Comparison, Content, DifferenceKind, SourceSide, TargetSide, Verdict, VerifyOptions, run,
};
use proptest::prelude::*;

use crate::bulk_support::{Doc, Memory, Mutation, StopAt, load, options, target, verify, version};

fn loaded(root: &Path, memory: &Memory) {
    target(root, &["shop"]);
    assert!(
        load(memory, root, options(root), &|| Stop::No)
            .unwrap()
            .finished
    );
}

fn part(root: &Path) -> std::path::PathBuf {
    root.join("indices/shop/docs/0-_0-0.ndjson")
}

#[test]
fn a_reader_that_errs_is_found_out_and_the_document_named() {
    let folder = tempfile::tempdir().unwrap();
    let id = "id-41";
    for (mutation, kind) in [
        (Mutation::Drop, DifferenceKind::Missing),
        (Mutation::Duplicate, DifferenceKind::Duplicate),
        (Mutation::Alter, DifferenceKind::Different),
    ] {
        let root = folder.path().join(format!("{mutation:?}"));
        let mut memory = Memory::numbered(2, 40);
        // Without a second path, so that the load itself can't notice.
        memory.counts = false;
        memory.mutation = Some((mutation, id.to_owned()));
        loaded(&root, &memory);
        memory.mutation = None;
        let report = verify(&memory, &root, Content::Full);
        assert_eq!(report.verdict, Verdict::Fail, "{mutation:?}");
        let named = &report.indices["shop"].named;
        assert_eq!(named.len(), 1, "{named:?}");
        assert_eq!((named[0].kind, named[0].id.as_str()), (kind, id));
        assert!(report.statements()[0].contains(id));
        // With a reader that errs in the same way both times, only the second path can tell.
        memory.counts = true;
        memory.mutation = Some((mutation, id.to_owned()));
        let blind = verify(&memory, &root, Content::Full);
        let expected = if mutation == Mutation::Alter {
            Verdict::Pass
        } else {
            Verdict::Fail
        };
        assert_eq!(blind.verdict, expected, "{mutation:?}");
    }
}

#[test]
fn extra_documents_other_spellings_versions_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    let memory = Memory::numbered(1, 15);
    loaded(&root, &memory);
    let whole = fs::read_to_string(part(&root)).unwrap();
    let verdict = |content| {
        let report = verify(&memory, &root, content);
        (report.verdict, report.indices["shop"].clone())
    };

    let extra = "{\"index\":{\"_index\":\"shop\",\"_id\":\"new\"}}\n{}\n";
    fs::write(part(&root), format!("{whole}{extra}")).unwrap();
    for content in [
        Content::Counts,
        Content::Ids,
        Content::Full,
        Content::Sample { one_in: 3 },
    ] {
        let (verdict, index) = verdict(content);
        assert_eq!((verdict, index.extra), (Verdict::Fail, 1), "{content:?}");
    }

    fs::write(part(&root), whole.replace("\"n\":3,", " \"n\" : 3.0e0 ,")).unwrap();
    let (respelled, index) = verdict(Content::Full);
    assert_eq!((respelled, index.respelled), (Verdict::Pass, 1));

    fs::write(
        part(&root),
        whole.replacen("\"version\":2", "\"version\":7", 1),
    )
    .unwrap();
    let (other, index) = verdict(Content::Full);
    assert_eq!((other, index.different), (Verdict::Fail, 1));
    assert!(
        index.named[0].detail.contains("version"),
        "{:?}",
        index.named
    );

    fs::write(part(&root), whole.replace("\"n\":3,", "\"n\":33,")).unwrap();
    assert_eq!(verdict(Content::Full).1.different, 1);
    assert_eq!(verdict(Content::Ids).0, Verdict::Pass);
    assert_eq!(verdict(Content::Sample { one_in: 1 }).1.different, 1);

    fs::write(part(&root), "").unwrap();
    let (none, index) = verdict(Content::Full);
    assert_eq!((none, index.missing, index.found), (Verdict::Fail, 15, 0));
    assert_eq!(verdict(Content::Counts).1.missing, 15);

    fs::write(part(&root), &whole).unwrap();
    assert_eq!(verdict(Content::Full).0, Verdict::Pass);
}

#[test]
fn an_interrupted_comparison_goes_on_and_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    let memory = Memory::numbered(3, 60);
    loaded(&root, &memory);
    let target = DirectoryTarget::open(&root, version()).unwrap();
    let checkpoint = folder.path().join("digests");
    let compare = |stop: &(dyn Fn() -> Stop + Sync)| {
        run(&Comparison {
            source: &SourceSide::new(&memory, "memory"),
            target: &TargetSide::new(&target),
            indices: vec!["shop".to_owned()],
            options: VerifyOptions {
                settle: std::time::Duration::ZERO,
                content: Content::Full,
                versions: true,
                threads: 1,
                checkpoint: Some(checkpoint.clone()),
                identity: Fingerprint::of(&"test"),
            },
            stop,
            progress: &|_| {},
        })
        .unwrap()
    };
    let whole = verify(&memory, &root, Content::Full);
    for _ in 0..4 {
        let stop = StopAt::new(2, Stop::Drain);
        assert_eq!(compare(&|| stop.ask()).verdict, Verdict::Interrupted);
        assert!(checkpoint.exists());
    }
    let reads = StopAt::new(u64::MAX, Stop::No);
    let report = compare(&|| reads.ask());
    assert_eq!(report.indices, whole.indices);
    assert_eq!(report.verdict, Verdict::Pass);
    let partitions = 18;
    let asked = reads.calls.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(
        asked,
        partitions - 8,
        "two partitions a run were not read again"
    );
    assert!(!checkpoint.exists());
}

/// What happens to a target's documents.
#[derive(Clone, Debug)]
enum Change {
    Remove,
    Double,
    Alter,
    Rename,
    Reroute,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_change_is_found(
        count in 1_usize..60,
        at in any::<prop::sample::Index>(),
        change in prop_oneof![
            Just(Change::Remove), Just(Change::Double), Just(Change::Alter),
            Just(Change::Rename), Just(Change::Reroute),
        ],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("os");
        let source = Memory::numbered(1, count);
        let mut docs = source.segments[0].clone();
        let at = at.index(count);
        let id = docs[at].id.clone();
        match change {
            Change::Remove => { docs.remove(at); }
            Change::Double => docs.push(docs[at].clone()),
            Change::Alter => docs[at].source = Some(b"{\"n\":-1}".to_vec()),
            Change::Rename => docs[at].id = "another".to_owned(),
            Change::Reroute => docs[at].routing = Some("elsewhere".to_owned()),
        }
        loaded(&root, &Memory::new(vec![docs]));
        let report = verify(&source, &root, Content::Full);
        prop_assert_eq!(report.verdict, Verdict::Fail);
        let index = &report.indices["shop"];
        prop_assert!(index.named.iter().any(|named| named.id == id), "{:?}", index);
        let counts = (index.missing, index.different, index.extra, index.duplicates);
        prop_assert_eq!(counts, match change {
            Change::Remove => (1, 0, 0, 0),
            Change::Double => (0, 0, 0, 1),
            Change::Alter => (0, 1, 0, 0),
            Change::Rename | Change::Reroute => (1, 0, 1, 0),
        });
    }

    #[test]
    fn order_does_not_matter(seed in prop::collection::vec(any::<u32>(), 2..60)) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("os");
        let source = Memory::numbered(1, seed.len());
        let mut docs: Vec<(u32, Doc)> =
            seed.into_iter().zip(source.segments[0].iter().cloned()).collect();
        docs.sort_by_key(|(order, _)| *order);
        let docs = docs.into_iter().map(|(_, doc)| doc).collect();
        loaded(&root, &Memory::new(vec![docs]));
        prop_assert_eq!(verify(&source, &root, Content::Full).verdict, Verdict::Pass);
    }
}
