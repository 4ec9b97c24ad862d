//! The repository reader against snapshots that a real Elasticsearch 7.10.2 wrote, and against damaged copies.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mig::clients::objects::{CountingStore, DirectoryStore, Fault, FaultyStore, ObjectStore};
use mig::engines::lucene::SegmentFiles as _;
use mig::engines::snapshot::inspect::inspect;
use mig::engines::snapshot::{IndexState, Repository, Snapshot, SnapshotError, SnapshotState};
use mig::ui::inspect::inspect_text;
use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/es-7.10.2")
}

fn store(repository: &str) -> Arc<dyn ObjectStore> {
    Arc::new(DirectoryStore::new(fixtures().join(repository)))
}

fn snapshot(repository: &str, name: &str) -> Snapshot {
    let repository = Repository::open(store(repository)).unwrap();
    repository.snapshot(name).unwrap()
}

fn expected(name: &str) -> Value {
    let path = fixtures().join(format!("expected/{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

const SNAPSHOTS: [(&str, &str, &str); 3] = [
    ("shop", "nightly-1", "quickstart.nightly-1"),
    ("edge", "first", "edge.first"),
    ("edge", "second", "edge.second"),
];

/// As the server's answers have settings: nested, with texts as leaves.
fn flat(prefix: &str, value: &Value, out: &mut Vec<(String, Value)>) {
    if let Value::Object(fields) = value {
        for (name, value) in fields {
            let key = if prefix.is_empty() {
                name.clone()
            } else {
                format!("{prefix}.{name}")
            };
            flat(&key, value, out);
        }
    } else {
        out.push((prefix.to_owned(), value.clone()));
    }
}

#[test]
fn metadata_is_what_the_server_said() {
    for (repository, name, answers) in SNAPSHOTS {
        let expected = expected(answers);
        let snapshot = snapshot(repository, name);
        let info = snapshot.info();
        assert_eq!(info.state, SnapshotState::Success);
        assert_eq!(info.version.unwrap().to_string(), "Elasticsearch 7.10.2");
        assert_eq!(
            info.start_time_millis,
            expected["snapshot"]["start_time_in_millis"].as_i64()
        );
        assert_eq!(
            info.include_global_state,
            expected["snapshot"]["include_global_state"].as_bool()
        );
        let indices = expected["indices"].as_object().unwrap();
        let names: Vec<&String> = indices.keys().collect();
        let found: Vec<&String> = snapshot.indices().iter().map(|index| &index.name).collect();
        assert_eq!(found, names);
        for (index, answer) in indices {
            let metadata = snapshot.index_metadata(index).unwrap();
            assert_eq!(
                u64::from(metadata.number_of_shards),
                answer["shards"].as_u64().unwrap()
            );
            let state = if answer["state"] == "close" {
                IndexState::Close
            } else {
                IndexState::Open
            };
            assert_eq!(metadata.state, state, "{index}");
            assert_eq!(metadata.mapping(), answer["mappings"], "{index}");
            assert_eq!(metadata.legacy_type(), None);
            let aliases: Vec<&String> = metadata.aliases.keys().collect();
            let answered: Vec<&String> = answer["aliases"].as_object().unwrap().keys().collect();
            assert_eq!(aliases, answered, "{index}");
            let mut settings = Vec::new();
            flat("", &answer["settings"], &mut settings);
            for (key, value) in settings {
                assert_eq!(metadata.settings.get(&key), Some(&value), "{index} {key}");
            }
            assert_eq!(
                metadata.created.unwrap().to_string(),
                "Elasticsearch 7.10.2"
            );
            assert_eq!(
                metadata.primary_terms.len(),
                metadata.number_of_shards as usize
            );
            assert!(metadata.routing_num_shards.unwrap() >= metadata.number_of_shards);
        }
    }
}

#[test]
fn global_metadata_is_what_the_server_said() {
    for (repository, name, answers) in SNAPSHOTS {
        let expected = expected(answers);
        let snapshot = snapshot(repository, name);
        let global = snapshot.global_metadata().unwrap();
        if snapshot.info().include_global_state == Some(false) {
            assert!(global.templates.is_empty() && global.index_templates.is_empty());
            continue;
        }
        let keys =
            |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        let names = |value: &Value| -> Vec<String> {
            let mut names: Vec<String> = value
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned())
                .collect();
            names.sort();
            names
        };
        let mine = |section: &serde_json::Map<String, Value>| -> Vec<String> {
            section.keys().cloned().collect()
        };
        assert_eq!(mine(&global.templates), keys(&expected["templates"]));
        assert_eq!(
            mine(&global.component_templates),
            names(&expected["component_templates"])
        );
        assert_eq!(
            mine(&global.index_templates),
            names(&expected["index_templates"])
        );
        assert_eq!(mine(&global.pipelines), keys(&expected["pipelines"]));
        let mut settings = Vec::new();
        flat("", &expected["persistent_settings"], &mut settings);
        for (key, value) in settings {
            assert_eq!(global.persistent_settings.get(&key), Some(&value), "{key}");
        }
        for (name, template) in &global.templates {
            let answer = &expected["templates"][name];
            for field in ["order", "index_patterns", "mappings", "aliases"] {
                assert_eq!(template[field], answer[field], "{name} {field}");
            }
        }
        for item in expected["component_templates"].as_array().unwrap() {
            let template = &global.component_templates[item["name"].as_str().unwrap()];
            assert_eq!(template, &item["component_template"]);
        }
        for item in expected["index_templates"].as_array().unwrap() {
            let template = &global.index_templates[item["name"].as_str().unwrap()];
            assert_eq!(template, &item["index_template"]);
        }
    }
}

#[test]
fn every_file_of_every_shard_has_its_checksum() {
    let (mut virtual_files, mut many_parts, mut files) = (0, 0, 0);
    for (repository, name, _) in SNAPSHOTS {
        let snapshot = snapshot(repository, name);
        for index in snapshot.indices() {
            for shard in 0..index.shards {
                let shard = snapshot.shard(&index.name, shard).unwrap();
                let commits = shard.files().names();
                let commits = commits.iter().filter(|name| name.starts_with("segments_"));
                assert_eq!(commits.count(), 1);
                for file in shard.files().iter() {
                    shard.files().verify(&file.name).unwrap();
                    files += 1;
                    virtual_files += u32::from(file.is_virtual());
                    many_parts += u32::from(file.parts() > 1);
                }
            }
        }
    }
    assert!(
        files > 100 && virtual_files > 50 && many_parts >= 2,
        "{files} {virtual_files} {many_parts}"
    );
}

#[test]
fn names_that_are_not_there_are_told_with_a_suggestion() {
    let repository = Repository::open(store("shop")).unwrap();
    let error = repository.snapshot("nightly-2").unwrap_err().to_string();
    assert!(error.contains("did you mean `nightly-1`?"), "{error}");
    let snapshot = repository.snapshot("nightly-1").unwrap();
    let error = snapshot.shard("product", 0).unwrap_err().to_string();
    assert!(error.contains("did you mean `products`?"), "{error}");
    assert!(matches!(
        snapshot.shard("products", 3),
        Err(SnapshotError::NoShard { shards: 3, .. })
    ));
    let empty = tempfile::tempdir().unwrap();
    let error = Repository::open(Arc::new(DirectoryStore::new(empty.path()))).unwrap_err();
    assert!(
        matches!(error, SnapshotError::NoRepository { .. }),
        "{error}"
    );
}

/// The first physical blob of the shard, and the first of many parts where there is one.
fn a_blob(snapshot: &Snapshot, index: &str) -> (String, String) {
    let shard = snapshot.shard(index, 0).unwrap();
    let file = shard
        .files()
        .iter()
        .filter(|file| !file.is_virtual())
        .max_by_key(|file| file.parts());
    let file = file.unwrap();
    (file.name.clone(), file.blob.clone())
}

#[test]
fn damaged_files_are_told_by_the_name_of_their_blob() {
    let (file, blob) = a_blob(&snapshot("edge", "first"), "random-bytes");
    for fault in [
        Fault::FlippedBit {
            byte: 100_000,
            bit: 3,
        },
        Fault::Truncated(1),
        Fault::ShortReads(1),
        Fault::Error(io::ErrorKind::PermissionDenied),
    ] {
        let faulty = FaultyStore::new(store("edge")).with(&format!("{blob}.part1"), fault);
        let repository = Repository::open(Arc::new(faulty)).unwrap();
        let shard = repository
            .snapshot("first")
            .unwrap()
            .shard("random-bytes", 0)
            .unwrap();
        let error = shard.files().verify(&file).unwrap_err().to_string();
        assert!(error.contains(&blob), "{fault:?}: {error}");
    }
}

#[test]
fn a_shard_without_its_list_is_told_as_missing() {
    let snapshot = snapshot("shop", "nightly-1");
    let id = &snapshot.index("drafts").unwrap().id;
    let faulty = FaultyStore::new(store("shop")).with(
        &format!("indices/{id}/1/snap-"),
        Fault::Error(io::ErrorKind::NotFound),
    );
    let repository = Repository::open(Arc::new(faulty)).unwrap();
    let error = repository
        .snapshot("nightly-1")
        .unwrap()
        .shard("drafts", 1)
        .unwrap_err();
    assert!(
        matches!(error, SnapshotError::ShardMissing { shard: 1, .. }),
        "{error}"
    );
}

#[test]
fn opening_a_snapshot_takes_few_requests() {
    let counting = CountingStore::new(store("shop"));
    let counts = counting.counts();
    let repository = Repository::open(Arc::new(counting)).unwrap();
    assert_eq!(counts.requests(), 2, "a list and the index");
    let snapshot = repository.snapshot("nightly-1").unwrap();
    assert_eq!(counts.requests(), 3);
    let shard = snapshot.shard("products", 0).unwrap();
    assert_eq!(counts.requests(), 4);
    let commit = shard
        .files()
        .names()
        .into_iter()
        .find(|name| name.starts_with("segments_"));
    shard.files().open(&commit.unwrap()).unwrap();
    assert_eq!(
        counts.requests(),
        4,
        "the commit stands in the shard's list"
    );
}

#[test]
fn flipped_bits_in_metadata_are_found() {
    for (repository, name, _) in SNAPSHOTS {
        let snapshot = snapshot(repository, name);
        let index = &snapshot.indices()[0];
        let root = fixtures().join(repository);
        let shard_list = format!("indices/{}/0/snap-{}.dat", index.id, snapshot.uuid());
        for blob in [
            format!("snap-{}.dat", snapshot.uuid()),
            format!("meta-{}.dat", snapshot.uuid()),
            shard_list,
        ] {
            let length = std::fs::metadata(root.join(&blob)).unwrap().len();
            for byte in (0..length).step_by(usize::try_from(length / 61).unwrap().max(1)) {
                let bit = u8::try_from(byte % 8).unwrap();
                let faulty = FaultyStore::new(store(repository))
                    .with(&blob, Fault::FlippedBit { byte, bit });
                let repository = Repository::open(Arc::new(faulty)).unwrap();
                let error = repository
                    .snapshot(name)
                    .and_then(|snapshot| {
                        snapshot.global_metadata()?;
                        snapshot.shard(&index.name, 0)
                    })
                    .unwrap_err();
                assert!(
                    error.to_string().contains(&blob),
                    "{blob} byte {byte}: {error}"
                );
            }
        }
    }
}

#[test]
fn flipped_bits_in_the_index_never_panic() {
    for repository in ["shop", "edge"] {
        let listed = Repository::open(store(repository)).unwrap();
        let blob = format!("index-{}", listed.generation());
        let length = std::fs::metadata(fixtures().join(repository).join(&blob))
            .unwrap()
            .len();
        for byte in (0..length).step_by(7) {
            let bit = u8::try_from(byte / 7 % 8).unwrap();
            let faulty =
                FaultyStore::new(store(repository)).with(&blob, Fault::FlippedBit { byte, bit });
            let Ok(repository) = Repository::open(Arc::new(faulty)) else {
                continue;
            };
            for entry in repository.snapshots() {
                let Ok(snapshot) = repository.snapshot(&entry.name) else {
                    continue;
                };
                for index in snapshot.indices() {
                    drop(snapshot.index_metadata(&index.name));
                    drop(snapshot.shard(&index.name, 0));
                }
            }
        }
    }
}

/// Prints what `mig snapshot inspect` prints: `cargo test --test it -- --nocapture inspect`.
#[test]
fn inspecting_fits_80_columns_and_tells_what_it_can_not_read() {
    for (repository, name, answers) in SNAPSHOTS {
        let repository = Repository::open(store(repository)).unwrap();
        let report = inspect(&repository, Some(name)).unwrap();
        let expected = expected(answers);
        let detail = report.detail.as_ref().unwrap();
        assert_eq!(detail.totals.errors, 0);
        for index in &detail.indices {
            let answer = &expected["indices"][&index.name];
            assert_eq!(
                index.totals.documents,
                answer["docs"].as_u64(),
                "{}",
                index.name
            );
        }
        let text = inspect_text(&report);
        println!("{text}");
        let told = text
            .lines()
            .skip(1)
            .take_while(|line| !line.starts_with('!'));
        for line in told {
            assert!(line.chars().count() <= 80, "{line}");
        }
        serde_json::to_string(&report).unwrap();
    }
    let repository = Repository::open(store("edge")).unwrap();
    assert!(
        inspect(&repository, None).unwrap().detail.is_none(),
        "there are two"
    );
}
