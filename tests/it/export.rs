//! Export against the answers of the real server: every document, byte for byte, and nothing else.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mig::clients::objects::DirectoryStore;
use mig::engines::snapshot::export::{
    ExportError, ExportForm, ExportRequest, to_directory, to_writer,
};
use mig::engines::snapshot::{Repository, Snapshot};
use serde::Deserialize;
use serde_json::value::RawValue;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/es-7.10.2")
}

fn snapshot(repository: &str, name: &str) -> Snapshot {
    let store = DirectoryStore::new(fixtures().join(repository));
    let repository = Repository::open(Arc::new(store)).unwrap();
    repository.snapshot(name).unwrap()
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_routing")]
    routing: Option<String>,
    #[serde(rename = "_version")]
    version: Option<i64>,
    #[serde(rename = "_source_format")]
    format: Option<String>,
    #[serde(rename = "_source", borrow)]
    source: &'a RawValue,
}

type Documents = BTreeMap<(String, Option<String>), (Option<i64>, Option<String>, String)>;

/// By identity; fails on a document that stands twice.
fn documents(text: &str) -> Documents {
    let mut documents = Documents::new();
    for line in text.lines() {
        let line: Line<'_> = serde_json::from_str(line).unwrap();
        let value = (line.version, line.format, line.source.get().to_owned());
        let before = documents.insert((line.id, line.routing), value);
        assert!(before.is_none(), "twice");
    }
    documents
}

fn expected(answers: &str, index: &str) -> Documents {
    let path = fixtures().join(format!("expected/{answers}.{index}.ndjson.gz"));
    let file = std::fs::File::open(&path).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    documents(&text)
}

const SNAPSHOTS: [(&str, &str, &str); 3] = [
    ("shop", "nightly-1", "quickstart.nightly-1"),
    ("edge", "first", "edge.first"),
    ("edge", "second", "edge.second"),
];

fn all(snapshot: &Snapshot) -> Vec<String> {
    let indices = snapshot.indices().iter();
    indices.map(|index| index.name.clone()).collect()
}

/// Every document, those in other encodings as the server renders them.
fn compare(answers: &str, index: &str, exported: &str) {
    let expected = expected(answers, index);
    let exported = documents(exported);
    assert_eq!(exported.len(), expected.len(), "{answers} {index}");
    for (identity, (_, format, source)) in &expected {
        let (_, _, mine) = &exported[identity];
        if format.is_none() {
            assert_eq!(mine, source.trim(), "{answers} {index} {identity:?}");
        } else {
            assert_eq!(mine, source, "{answers} {index} {identity:?} {format:?}");
        }
    }
}

#[test]
fn every_document_of_every_snapshot_is_what_the_server_answered() {
    for (repository, name, answers) in SNAPSHOTS {
        let snapshot = snapshot(repository, name);
        for index in all(&snapshot) {
            let request = ExportRequest {
                indices: vec![index.clone()],
                ..ExportRequest::default()
            };
            let mut text = Vec::new();
            let report = to_writer(&snapshot, &request, &mut text).unwrap();
            assert_eq!(report.bytes, text.len() as u64);
            compare(answers, &index, std::str::from_utf8(&text).unwrap());
            assert_eq!(report.failed, 0, "{:?}", report.failures);
            assert_eq!(report.without_source, 0);
        }
    }
}

#[test]
fn a_folder_gets_the_same_documents_by_several_threads() {
    for (repository, name, answers) in SNAPSHOTS {
        let snapshot = snapshot(repository, name);
        let folder = tempfile::tempdir().unwrap();
        let request = ExportRequest {
            indices: all(&snapshot),
            ..ExportRequest::default()
        };
        let report = to_directory(&snapshot, &request, folder.path(), 3).unwrap();
        let mut bytes = 0;
        for (index, path) in request.indices.iter().zip(&report.files) {
            let text = std::fs::read_to_string(path).unwrap();
            bytes += text.len() as u64;
            compare(answers, index, &text);
        }
        assert_eq!(report.bytes, bytes);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            request.indices.len()
        );
        let again = to_directory(&snapshot, &request, folder.path(), 1).unwrap_err();
        assert!(matches!(again, ExportError::Exists { .. }), "{again}");
    }
}

#[test]
fn bulk_lines_hold_the_version_of_the_source() {
    let snapshot = snapshot("shop", "nightly-1");
    let request = ExportRequest {
        indices: vec!["orders-2020-10".to_owned()],
        form: ExportForm::Bulk,
        ..ExportRequest::default()
    };
    let mut text = Vec::new();
    to_writer(&snapshot, &request, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let expected = expected("quickstart.nightly-1", "orders-2020-10");
    assert_eq!(lines.len(), expected.len() * 2);
    for pair in lines.chunks(2) {
        let action: serde_json::Value = serde_json::from_str(pair[0]).unwrap();
        let action = &action["index"];
        let text = |field: &str| action[field].as_str().map(str::to_owned);
        let (version, _, source) = &expected[&(text("_id").unwrap(), text("routing"))];
        assert_eq!(action["version"].as_i64(), *version);
        assert_eq!(action["version_type"], "external_gte");
        assert_eq!(pair[1], source);
    }
}

#[test]
fn ids_and_limits_choose_documents() {
    let snapshot = snapshot("shop", "nightly-1");
    let mut request = ExportRequest {
        indices: vec!["orders-2020-10".to_owned()],
        ids: vec!["2020-10-shared-0".to_owned()],
        ..ExportRequest::default()
    };
    let mut text = Vec::new();
    let report = to_writer(&snapshot, &request, &mut text).unwrap();
    assert_eq!(report.documents, 2, "under two routings");
    request.ids.clear();
    request.limit = Some(7);
    let report = to_writer(&snapshot, &request, &mut Vec::new()).unwrap();
    assert_eq!(report.documents, 7);
    let folder = tempfile::tempdir().unwrap();
    let report = to_directory(&snapshot, &request, folder.path(), 2).unwrap();
    assert_eq!(report.documents, 7);
    request.limit = Some(0);
    let mut text = Vec::new();
    assert_eq!(
        to_writer(&snapshot, &request, &mut text).unwrap().documents,
        0
    );
    assert!(text.is_empty());
}

/// A reader that goes away after some bytes, as `head` does.
struct Head(usize);

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let snapshot = snapshot("shop", "nightly-1");
    let request = ExportRequest {
        indices: all(&snapshot),
        ..ExportRequest::default()
    };
    let report = to_writer(&snapshot, &request, &mut Head(1 << 19)).unwrap();
    assert!(report.broken_pipe);
}
