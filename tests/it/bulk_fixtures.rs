//! From the snapshots of a real server into a directory: every document byte for byte, stopped and gone on with, and
//! proved afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mig::clients::objects::DirectoryStore;
use mig::engines::bulk::snapshot_source::{ITEM_BYTES, SnapshotSource};
use mig::engines::bulk::{Options, Stop};
use mig::engines::snapshot::{Repository, Snapshot};
use mig::engines::verify::{Content, DifferenceKind, Verdict};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bulk_support::{StopAt, load, options, target, verify};

const SNAPSHOTS: [(&str, &str, &str); 3] = [
    ("shop", "nightly-1", "quickstart.nightly-1"),
    ("edge", "first", "edge.first"),
    ("edge", "second", "edge.second"),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/es-7.10.2")
}

fn snapshot(repository: &str, name: &str) -> Snapshot {
    let store = DirectoryStore::new(fixtures().join(repository));
    let repository = Repository::open(Arc::new(store)).unwrap();
    repository.snapshot(name).unwrap()
}

#[derive(Deserialize)]
struct Expected<'a> {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_routing")]
    routing: Option<String>,
    #[serde(rename = "_version")]
    version: i64,
    #[serde(rename = "_source", borrow)]
    source: &'a RawValue,
}

#[derive(Deserialize)]
struct Action {
    index: Meta,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "_index")]
    index: String,
    #[serde(rename = "_id")]
    id: String,
    routing: Option<String>,
    version: i64,
}

type Documents = BTreeMap<(String, Option<String>), (i64, String)>;

/// What the server answered.
fn expected(answers: &str, index: &str) -> Documents {
    let path = fixtures().join(format!("expected/{answers}.{index}.ndjson.gz"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let mut documents = Documents::new();
    for line in text.lines() {
        let line: Expected<'_> = serde_json::from_str(line).unwrap();
        let source = line.source.get().trim().to_owned();
        documents.insert((line.id, line.routing), (line.version, source));
    }
    documents
}

fn landed(root: &Path, index: &str) -> Documents {
    let mut documents = Documents::new();
    for entry in fs::read_dir(root.join("indices").join(index).join("docs")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut lines = text.split_terminator('\n');
        while let Some(action) = lines.next() {
            let meta = serde_json::from_str::<Action>(action).unwrap().index;
            assert_eq!(meta.index, index);
            let source = lines.next().unwrap().trim().to_owned();
            let before = documents.insert((meta.id, meta.routing), (meta.version, source));
            assert!(before.is_none(), "a document twice");
        }
    }
    documents
}

#[test]
fn every_document_of_a_real_server_lands_through_interruptions() {
    for (number, (repository, name, answers)) in SNAPSHOTS.into_iter().enumerate() {
        let snapshot = snapshot(repository, name);
        let indices: Vec<String> = snapshot
            .indices()
            .iter()
            .map(|it| it.name.clone())
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("os");
        let names: Vec<&str> = indices.iter().map(String::as_str).collect();
        target(&root, &names);
        // Small items in one case, so that segments are cut.
        let item_bytes = if number == 1 { 20_000 } else { ITEM_BYTES };
        let source = SnapshotSource::open(&snapshot, &indices, item_bytes).unwrap();
        for at in [3, 11, 40, 7] {
            let how = if at % 2 == 0 { Stop::Now } else { Stop::Drain };
            let stop = StopAt::of_workers(at, how);
            let options = Options {
                checkpoint_every: std::time::Duration::ZERO,
                ..options(&root)
            };
            load(&source, &root, options, &|| stop.ask()).unwrap();
        }
        let outcome = load(&source, &root, options(&root), &|| Stop::No).unwrap();
        assert!(outcome.finished);
        for index in &indices {
            let expected = expected(answers, index);
            let of = &outcome.indices[index];
            assert_eq!(of.expected, Some(expected.len() as u64), "{index}");
            assert_eq!(
                (of.written, of.failed),
                (expected.len() as u64, 0),
                "{index}"
            );
            assert_eq!(landed(&root, index), expected, "{answers} {index}");
        }
        let report = verify(&source, &root, Content::Full);
        for found in report.indices.values() {
            assert_eq!(
                (found.verdict, found.missing),
                (Verdict::Pass, 0),
                "{found:?}"
            );
        }
    }
}

#[test]
fn one_byte_of_one_document_is_found_and_named() {
    let snapshot = snapshot("shop", "nightly-1");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    target(&root, &["orders-2020-10"]);
    let source =
        SnapshotSource::open(&snapshot, &["orders-2020-10".to_owned()], ITEM_BYTES).unwrap();
    assert!(
        load(&source, &root, options(&root), &|| Stop::No)
            .unwrap()
            .finished
    );
    let docs = root.join("indices/orders-2020-10/docs");
    let part = fs::read_dir(docs).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&part).unwrap();
    let digit = bytes.len() - 10
        + bytes[bytes.len() - 10..]
            .iter()
            .position(u8::is_ascii_alphanumeric)
            .unwrap();
    bytes[digit] = if bytes[digit] == b'1' { b'2' } else { b'1' };
    fs::write(&part, bytes).unwrap();
    let report = verify(&source, &root, Content::Full);
    let index = &report.indices["orders-2020-10"];
    assert_eq!((report.verdict, index.different), (Verdict::Fail, 1));
    assert_eq!(index.named[0].kind, DifferenceKind::Different);
}
