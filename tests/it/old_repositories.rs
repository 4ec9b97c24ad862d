//! Repositories of versions before 5.0, which have another list at their root and names in the place of uuids: a real one of
//! Elasticsearch 1.7.6, and what an upgrade leaves of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mig::clients::objects::{DirectoryStore, Fault, FaultyStore, MemoryStore, ObjectStore};
use mig::engines::lucene::SegmentFiles as _;
use mig::engines::snapshot::export::{ExportRequest, to_writer};
use mig::engines::snapshot::inspect::inspect;
use mig::engines::snapshot::{IndexState, Repository, SnapshotState};
use serde_json::{Value, json};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/es-1.7.6/repository")
}

fn store() -> Arc<dyn ObjectStore> {
    Arc::new(DirectoryStore::new(fixture()))
}

/// The blobs of the fixture in memory, to be changed.
fn copied() -> MemoryStore {
    let mut store = MemoryStore::default();
    let mut open = vec![fixture()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let key = path.strip_prefix(fixture()).unwrap().to_str().unwrap();
                store = store.with(key, std::fs::read(&path).unwrap());
            }
        }
    }
    store
}

#[test]
fn a_snapshot_of_1_7_is_opened_with_its_metadata() {
    let repository = Repository::open(store()).unwrap();
    assert_eq!(repository.index_blob(), "index");
    assert!(repository.moved().unwrap().is_none());
    let snapshot = repository.snapshot("snap-2014").unwrap();
    let info = snapshot.info();
    assert_eq!(info.state, SnapshotState::Success);
    assert_eq!(info.version.unwrap().to_string(), "Elasticsearch 1.7.6");
    assert_eq!(info.total_shards, info.successful_shards);
    let found: Vec<(&str, u32)> = snapshot
        .indices()
        .iter()
        .map(|index| (index.name.as_str(), index.shards))
        .collect();
    let wanted = [("blog", 2), ("empty", 1), ("logs-2014", 1), ("squeezed", 1)];
    assert_eq!(found, wanted);
    let blog = snapshot.index_metadata("blog").unwrap();
    assert_eq!(blog.state, IndexState::Open);
    let types: Vec<&str> = blog.types.iter().map(|it| it.type_name.as_str()).collect();
    assert_eq!(types, ["post", "comment"]);
    assert_eq!(blog.types[0].mapping["properties"]["n"]["type"], "nested");
    assert_eq!(blog.types[1].mapping["_parent"]["type"], "post");
    assert_eq!(
        blog.aliases["site"]["filter"],
        json!({"term": {"tag": "x"}})
    );
    assert_eq!(blog.created.unwrap().to_string(), "Elasticsearch 1.7.6");
    let squeezed = snapshot.index_metadata("squeezed").unwrap();
    assert_eq!(squeezed.types[0].mapping["_source"]["compress"], true);
    // The list has names alone; the snapshot itself has its state.
    assert_eq!(repository.snapshots()[0].state, SnapshotState::Unknown);
    let listed = inspect(&repository, None).unwrap().snapshots;
    assert_eq!(listed[0].state, SnapshotState::Success);
    assert_eq!(listed[0].version.as_deref(), Some("1.7.6"));
    let global = snapshot.global_metadata().unwrap();
    assert_eq!(global.templates["logs"]["template"], "logs-*");
    assert!(global.data_streams().is_empty());
    assert!(global.other.is_empty(), "{:?}", global.other);
}

#[test]
fn every_file_of_1_7_has_its_checksum() {
    let snapshot = Repository::open(store()).unwrap().snapshot("snap-2014");
    let snapshot = snapshot.unwrap();
    let (mut files, mut within) = (0, 0);
    for index in snapshot.indices() {
        for shard in 0..index.shards {
            let shard = snapshot.shard(&index.name, shard).unwrap();
            let commits = shard.files().names();
            let commits = commits.iter().filter(|name| name.starts_with("segments_"));
            assert_eq!(commits.count(), 1, "{index:?}");
            for file in shard.files().iter() {
                // Lucene 4.10 writes these two without the footer that holds a checksum.
                let extension = Path::new(&file.name).extension();
                if !extension.is_some_and(|it| it == "del" || it == "si") {
                    shard.files().verify(&file.name).unwrap();
                }
                files += 1;
                within += u32::from(file.content.is_some());
            }
        }
    }
    assert!(files > 30 && within > 8, "{files} files, {within} in lists");
}

#[test]
fn what_an_upgraded_repository_lists_of_old_snapshots_is_read_alike() {
    let before = Repository::open(store()).unwrap();
    let before = before.snapshot("snap-2014").unwrap();
    let indices: Vec<String> = before.indices().iter().map(|it| it.name.clone()).collect();
    let listed = |snapshot: Value| {
        let indices: serde_json::Map<String, Value> = indices
            .iter()
            .map(|name| {
                (
                    name.clone(),
                    json!({"id": name, "snapshots": [snapshot.clone()]}),
                )
            })
            .collect();
        json!({"snapshots": ["snap-2014"], "indices": indices}).to_string()
    };
    for snapshot in [
        json!("snap-2014"),
        json!({"name": "snap-2014", "uuid": "snap-2014"}),
    ] {
        // The old list stays beside the new one, which counts.
        let store = copied().with("index-0", listed(snapshot));
        let repository = Repository::open(Arc::new(store)).unwrap();
        assert_eq!(repository.index_blob(), "index-0");
        let after = repository.snapshot("snap-2014").unwrap();
        assert_eq!(after.indices(), before.indices());
        let shard = after.shard("blog", 1).unwrap();
        assert_eq!(
            shard.files().names(),
            before.shard("blog", 1).unwrap().files().names()
        );
    }
}

#[test]
fn a_snapshot_taken_or_deleted_moves_an_old_repository() {
    let root = tempfile::tempdir().unwrap();
    let list = root.path().join("index");
    std::fs::write(&list, r#"{"snapshots":["a"]}"#).unwrap();
    let repository = Repository::open(Arc::new(DirectoryStore::new(root.path()))).unwrap();
    assert!(repository.moved().unwrap().is_none());
    std::fs::write(&list, r#"{"snapshots":["a","b"]}"#).unwrap();
    let moved = repository.moved().unwrap().unwrap();
    assert_eq!(moved.snapshots().len(), 2);
    let error = moved.snapshot("b").unwrap_err().to_string();
    assert!(error.contains("snap-b.dat"), "{error}");
    std::fs::remove_file(&list).unwrap();
    let error = repository.moved().unwrap_err().to_string();
    assert!(error.contains("holds no snapshot repository"), "{error}");
}

#[test]
fn flipped_bits_in_old_metadata_never_panic() {
    let keys = [
        "index",
        "snapshot-snap-2014",
        "metadata-snap-2014",
        "blog/snapshot-snap-2014",
        "blog/0/snapshot-snap-2014",
    ];
    let mut told = 0;
    for key in keys {
        for byte in 0..440 {
            let bit = u8::try_from(byte % 8).unwrap();
            let faulty = FaultyStore::new(store()).with(key, Fault::FlippedBit { byte, bit });
            let read = Repository::open(Arc::new(faulty)).and_then(|repository| {
                let snapshot = repository.snapshot("snap-2014")?;
                snapshot.global_metadata()?;
                snapshot.index_metadata("blog")?;
                snapshot.shard("blog", 0)
            });
            told += u32::from(read.is_err());
        }
    }
    assert!(told > 500, "{told} of {} were told", keys.len() * 440);
}

#[test]
fn every_document_of_1_7_is_what_the_server_answered() {
    let expected = fixture().parent().unwrap().join("expected.json");
    let expected: BTreeMap<String, Vec<Value>> =
        serde_json::from_slice(&std::fs::read(expected).unwrap()).unwrap();
    let snapshot = Repository::open(store()).unwrap().snapshot("snap-2014");
    let snapshot = snapshot.unwrap();
    let identity = |document: &Value| {
        ["_type", "_id", "_routing"].map(|key| document[key].as_str().map(str::to_owned))
    };
    for (index, answers) in &expected {
        let request = ExportRequest {
            indices: vec![index.clone()],
            ..ExportRequest::default()
        };
        let mut text = Vec::new();
        let report = to_writer(&snapshot, &request, &mut text).unwrap();
        assert_eq!((report.failed, report.without_source), (0, 0), "{report:?}");
        let mut found = BTreeMap::new();
        for line in std::str::from_utf8(&text).unwrap().lines() {
            let document: Value = serde_json::from_str(line).unwrap();
            let source = document["_source"].clone();
            let before = found.insert(identity(&document), source);
            assert!(before.is_none(), "twice: {line}");
        }
        assert_eq!(found.len(), answers.len(), "{index}");
        for answer in answers {
            let mut wanted = answer.clone();
            // The search gave the routing only where it is no parent's id and not where the source is compressed.
            if wanted["_routing"].is_null() && !wanted["_parent"].is_null() {
                wanted["_routing"] = wanted["_parent"].clone();
            }
            assert_eq!(
                found.get(&identity(&wanted)),
                Some(&answer["_source"]),
                "{answer}"
            );
        }
    }
    let documents: usize = expected.values().map(Vec::len).sum();
    assert_eq!(documents, 479);
}
