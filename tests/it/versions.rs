//! Snapshots of every version: real ones, small, made by `tests/fixtures/versions/make.py`; each document against the
//! answer of the server that made it.
//!
//! `MIG_TEST_SNAPSHOTS=DIR` reads those of another directory, as the script writes them with `--size full --output DIR`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mig::clients::objects::DirectoryStore;
use mig::engines::lucene::{Commit, Segment, SegmentFiles};
use mig::engines::snapshot::{IndexState, Repository, Snapshot, SnapshotState};
use serde::Deserialize;
use serde_json::Value;

use super::documents::{Answer, Compared, Kept, compare};

/// Every server that is to be there.
pub(crate) const SERVERS: [&str; 13] = [
    "elasticsearch-2.4.6",
    "elasticsearch-5.6.16",
    "elasticsearch-6.8.23",
    "elasticsearch-7.10.2",
    "elasticsearch-7.17.9",
    "elasticsearch-8.11.0",
    "elasticsearch-8.17.0",
    "elasticsearch-9.0.0",
    "opensearch-1.3.20",
    "opensearch-2.11.0",
    "opensearch-2.19.1",
    "opensearch-3.0.0",
    "opensearch-3.3.0",
];

/// What a server answered.
#[derive(Deserialize)]
pub(crate) struct Expected {
    pub(crate) product: String,
    pub(crate) version: String,
    pub(crate) snapshots: Vec<Taken>,
}

#[derive(Deserialize)]
pub(crate) struct Taken {
    pub(crate) repository: String,
    pub(crate) snapshot: String,
    answer: Value,
    pub(crate) indices: BTreeMap<String, Index>,
}

#[derive(Deserialize)]
pub(crate) struct Index {
    state: String,
    pub(crate) source: Kept,
    shards: u32,
    docs: u64,
    segments: Vec<Value>,
    pub(crate) documents: Vec<Answer>,
}

/// Two servers that wrote to one repository, the second what it had restored of the first.
const UPGRADED: [&str; 8] = [
    "elasticsearch-2.4.6-to-5.6.16",
    "elasticsearch-5.6.16-to-6.8.23",
    "elasticsearch-6.8.23-to-7.17.9",
    "elasticsearch-7.17.9-to-8.17.0",
    "elasticsearch-8.17.0-to-9.0.0",
    "elasticsearch-7.10.2-to-opensearch-1.3.20",
    "opensearch-1.3.20-to-2.19.1",
    "opensearch-2.19.1-to-3.3.0",
];

fn folder(server: &str) -> PathBuf {
    if UPGRADED.contains(&server) {
        let upgraded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/upgraded");
        return upgraded.join(server);
    }
    let fixtures = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/versions");
    let all = std::env::var_os("MIG_TEST_SNAPSHOTS").map_or_else(fixtures, PathBuf::from);
    all.join(server)
}

pub(crate) fn expected(server: &str) -> Expected {
    let folder = folder(server);
    let text = std::fs::read(folder.join("expected.json")).unwrap_or_else(|_| {
        let packed = std::fs::read(folder.join("expected.json.gz")).unwrap();
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_end(&mut text)
            .unwrap();
        text
    });
    serde_json::from_slice(&text).unwrap()
}

pub(crate) fn snapshot(server: &str, taken: &Taken) -> Snapshot {
    let store = DirectoryStore::new(folder(server).join(&taken.repository));
    let repository = Repository::open(Arc::new(store))
        .unwrap_or_else(|error| panic!("{server} {}: {error}", taken.repository));
    repository
        .snapshot(&taken.snapshot)
        .unwrap_or_else(|error| panic!("{server} {}: {error}", taken.snapshot))
}

/// What the version matrix wrote down of a server.
#[derive(Deserialize)]
struct Proved {
    date: String,
    lucene: String,
    documents: u64,
    snapshots: u32,
}

/// `MIG_BLESS=1` writes the table.
#[test]
fn the_table_of_the_readme_is_what_the_matrix_proved() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let proved = std::fs::read(root.join("tests/fixtures/versions/proved.json")).unwrap();
    let proved: BTreeMap<String, Proved> = serde_json::from_slice(&proved).unwrap();
    let mut table = "| source | its Lucene | proved on |\n|---|---|---|\n".to_owned();
    for server in mig::sandbox::Server::all() {
        let run = &proved[&server.to_string()];
        table.push_str(&format!(
            "| {} | {} | {} documents of {} snapshots, {} |\n",
            server.version(),
            run.lucene,
            run.documents,
            run.snapshots,
            run.date
        ));
    }
    let path = root.join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme
        .split_once("<!-- proved -->\n")
        .expect("the README lost a marker");
    let (found, after) = rest
        .split_once("<!-- / -->\n")
        .expect("the README lost a marker");
    if std::env::var_os("MIG_BLESS").is_some() {
        let readme = format!("{before}<!-- proved -->\n{table}<!-- / -->\n{after}");
        std::fs::write(path, readme).unwrap();
    } else {
        assert_eq!(found, table, "MIG_BLESS=1 writes it");
    }
}

#[test]
fn every_document_of_every_version_is_as_its_server_answered() {
    let mut failed = Vec::new();
    for server in SERVERS {
        let mut all = Compared::default();
        for taken in expected(server).snapshots {
            let snapshot = snapshot(server, &taken);
            for (name, index) in &taken.indices {
                match compare(&snapshot, name, index.source, &index.documents) {
                    Ok(compared) if compared.documents == index.docs => all += compared,
                    Ok(compared) => failed.push(format!(
                        "{server} {}/{name}: {compared:?} of {}",
                        taken.snapshot, index.docs
                    )),
                    Err(why) => failed.push(format!("{server} {}/{why}", taken.snapshot)),
                }
            }
        }
        println!("{server}: {all:?}");
        let with_types = ["elasticsearch-2.4.6", "elasticsearch-5.6.16"].contains(&server);
        if (all.parents > 0) != with_types {
            failed.push(format!("{server}: {} parents", all.parents));
        }
        let some = [all.documents, all.sources, all.nested, all.dead];
        if some.iter().any(|count| *count < 20) {
            failed.push(format!("{server}: only {all:?}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn indices_of_an_earlier_version_that_were_never_merged_are_read() {
    let mut failed = Vec::new();
    for pair in UPGRADED {
        let taken = expected(pair).snapshots;
        assert_eq!(taken.len(), 2, "{pair}");
        let mut writers = Vec::new();
        for taken in &taken {
            let snapshot = snapshot(pair, taken);
            for (name, index) in &taken.indices {
                match compare(&snapshot, name, index.source, &index.documents) {
                    Ok(compared) if compared.documents == index.docs => {
                        assert!(compared.documents >= 9, "{pair}/{name}: {compared:?}");
                    }
                    other => failed.push(format!("{pair} {}/{name}: {other:?}", taken.snapshot)),
                }
            }
            writers.push(lucenes(&snapshot, "carried"));
        }
        // The second holds segments of both, and the first's are dead in part.
        assert_eq!(writers[0].len(), 1, "{pair}: {writers:?}");
        assert_eq!(writers[1].len(), 2, "{pair}: {writers:?}");
        assert!(writers[0].is_subset(&writers[1]), "{pair}: {writers:?}");
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// The versions of Lucene that wrote the segments of an index.
fn lucenes(snapshot: &Snapshot, index: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for shard in 0..snapshot.index(index).unwrap().shards {
        let shard = snapshot.shard(index, shard).unwrap();
        let files: Arc<dyn SegmentFiles> = Arc::clone(shard.files()) as _;
        for commit in &Commit::read(&*files).unwrap().segments {
            let segment = Segment::open(Arc::clone(&files), commit).unwrap();
            found.insert(segment.lucene_version().to_string());
        }
    }
    found
}

#[test]
fn snapshots_of_every_version_hold_what_their_server_says() {
    for server in SERVERS {
        let expected = expected(server);
        assert_eq!(server, format!("{}-{}", expected.product, expected.version));
        for taken in expected.snapshots {
            let context = format!("{server} {}", taken.snapshot);
            let snapshot = snapshot(server, &taken);
            let partial = taken.answer["state"] == "PARTIAL";
            let info = snapshot.info();
            let state = if partial {
                SnapshotState::Partial
            } else {
                SnapshotState::Success
            };
            assert_eq!(info.state, state, "{context}");
            assert_eq!(partial, !info.failures.is_empty(), "{context}");
            for failure in &info.failures {
                assert_eq!(failure.index, "unassigned", "{context}");
                let shard = snapshot.shard("unassigned", failure.shard);
                assert!(shard.is_err(), "{context}: {failure:?}");
            }
            let found = snapshot.indices().iter().map(|index| &index.name);
            let found: Vec<&String> = found.filter(|name| *name != "unassigned").collect();
            let wanted: Vec<&String> = taken.indices.keys().collect();
            assert_eq!(found, wanted, "{context}");
            for (name, index) in &taken.indices {
                let shards = snapshot.index(name).unwrap().shards;
                assert_eq!(shards, index.shards, "{context}/{name}");
                let metadata = snapshot.index_metadata(name).unwrap();
                let open = metadata.state == IndexState::Open;
                assert_eq!(open, index.state == "open", "{context}/{name}");
                // Only what is empty has no segment.
                assert_eq!(
                    index.docs == 0,
                    index.segments.is_empty(),
                    "{context}/{name}"
                );
            }
        }
    }
}
