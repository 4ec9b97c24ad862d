//! Snapshots over S3 are what they are in a directory, which `tests/it` holds against the server's own answers.

use std::sync::Arc;
use std::time::Duration;

use mig::base::S3Uri;
use mig::clients::objects::{DirectoryStore, ObjectStore, open_s3};
use mig::engines::snapshot::export::{ExportRequest, to_writer};
use mig::engines::snapshot::{Repository, Snapshot};

use crate::gateway::{environment, fixtures, gateway, with_credentials};
use crate::place::{PHASES, Place, Ran, fixture};
use crate::proxy::{Proxy, Speed};

pub(crate) fn store(uri: &str) -> Arc<dyn ObjectStore> {
    open_s3(&S3Uri::parse(uri).unwrap(), None).unwrap()
}

fn snapshot(store: Arc<dyn ObjectStore>, name: &str) -> Snapshot {
    Repository::open(store).unwrap().snapshot(name).unwrap()
}

fn exported(snapshot: &Snapshot) -> Vec<u8> {
    let indices = snapshot.indices().iter().map(|index| index.name.clone());
    let request = ExportRequest {
        indices: indices.collect(),
        ..ExportRequest::default()
    };
    let mut text = Vec::new();
    to_writer(snapshot, &request, &mut text).unwrap();
    text
}

/// A run of the binary that may use the server.
pub(crate) fn mig(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments);
    Ran::of(&command.envs(environment()).output().unwrap())
}

/// Every document of a repository by the binary.
pub(crate) fn export(place: &Place, store: &str) -> Ran {
    let arguments = ["--snapshot", "nightly-1", "--index", "*", "--to", "-"];
    mig(
        place,
        &[&["export", "--store", store], &arguments[..]].concat(),
    )
}

/// Every document of the shop, as a directory gives them.
pub(crate) fn shop() -> String {
    let ran = export(&Place::empty(), fixture("shop").to_str().unwrap()).ends_with(0);
    assert!(ran.out.lines().count() > 5000);
    ran.out
}

#[test]
fn every_document_of_every_snapshot_is_the_same_as_from_a_directory() {
    with_credentials(
        "reading::every_document_of_every_snapshot_is_the_same_as_from_a_directory",
        || {
            let proxy = Proxy::start(gateway().port);
            for (repository, name) in [("shop", "nightly-1"), ("edge", "first"), ("edge", "second")]
            {
                let local = snapshot(Arc::new(DirectoryStore::new(fixture(repository))), name);
                let remote = snapshot(store(&proxy.uri(fixtures(), repository)), name);
                let (local, remote) = (exported(&local), exported(&remote));
                assert!(
                    local.len() > 100_000 && local == remote,
                    "{repository} {name}"
                );
            }
            let writes = proxy.seen();
            assert!(
                writes
                    .iter()
                    .all(|seen| seen.method == "GET" || seen.method == "HEAD")
            );
        },
    );
}

/// Bytes that are not alike anywhere.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&crate::place::next(&mut state).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn ranges_of_a_large_object_come_in_parts_and_ahead_of_who_reads_on() {
    with_credentials(
        "reading::ranges_of_a_large_object_come_in_parts_and_ahead_of_who_reads_on",
        || {
            let gateway = gateway();
            let bucket = gateway.bucket("large");
            let bytes = noise((70 << 20) + 12_345);
            gateway.put(&bucket, "p/large", bytes.clone());
            let speed = Speed {
                latency: Duration::from_millis(20),
                bytes_per_second: Some(50_000_000),
            };
            let proxy = Proxy::with(gateway.port, speed);
            let store = store(&proxy.uri(&bucket, "p"));
            assert_eq!(store.list("").unwrap(), ["large"]);
            let object = store.open("large").unwrap();
            assert_eq!(object.len(), bytes.len() as u64);
            let before = proxy.seen().len();
            // At random: exactly what is asked for.
            for at in [30 << 20, 5 << 20, 61 << 20] {
                let read = object.read_at(at as u64, 300_000).unwrap();
                assert!(read == bytes[at..at + 300_000]);
            }
            assert_eq!(proxy.seen().len() - before, 3);
            // One after the other.
            proxy.most_at_once();
            let (mut at, began) = (48, std::time::Instant::now());
            while at < bytes.len() {
                let length = (8 << 20).min(bytes.len() - at);
                let read = object.read_at(at as u64, length).unwrap();
                assert!(read == bytes[at..at + length], "at {at}");
                at += length;
            }
            let at_once = proxy.most_at_once();
            // The proxy sees the end of a connection a little later than the client.
            assert!((8..=20).contains(&at_once), "{at_once}");
            // One connection alone would take 1.4 s and more.
            assert!(
                began.elapsed() < Duration::from_millis(1400),
                "{:?}",
                began.elapsed()
            );
            assert!(
                store
                    .get("large", 1 << 20)
                    .unwrap_err()
                    .to_string()
                    .contains("more than")
            );
            assert!(store.get("large", 1 << 30).unwrap() == bytes);
            assert_eq!(
                store.get("none", 9).unwrap_err().kind(),
                std::io::ErrorKind::NotFound
            );
            gateway.put(&bucket, "p/empty", Vec::new());
            assert!(store.get("empty", 9).unwrap().is_empty());
        },
    );
}

#[test]
fn more_names_than_one_page_are_listed_and_what_lies_outside_is_reached() {
    with_credentials(
        "reading::more_names_than_one_page_are_listed_and_what_lies_outside_is_reached",
        || {
            let gateway = gateway();
            let bucket = gateway.bucket("names");
            for number in 0..1103 {
                gateway.put(&bucket, &format!("a/b/f{number:05}"), vec![1]);
            }
            gateway.put(&bucket, "a/b/folder/x", vec![1]);
            gateway.put(&bucket, "hash/a/b/x", vec![7]);
            let proxy = Proxy::start(gateway.port);
            let store = store(&proxy.uri(&bucket, "a/b"));
            let names = store.list("").unwrap();
            assert_eq!((names.len(), names[1102].as_str()), (1104, "f01102"));
            assert_eq!(names[1103], "folder");
            assert_eq!(store.list("folder").unwrap(), ["x"]);
            assert!(store.list("none").unwrap().is_empty());
            let (whole, base) = store.outside().unwrap();
            assert_eq!(&whole.get(&format!("hash/{base}/x"), 9).unwrap()[..], [7]);
            assert!(store.get("../x", 9).is_err());
        },
    );
}

#[test]
fn a_plan_over_a_bucket_plans_applies_and_proves() {
    let proxy = Proxy::start(gateway().port);
    let place = plan_over(&proxy, PHASES);
    mig(&place, &["plan"]).ends_with(0).says("s3://fixtures-");
    mig(&place, &["apply", "--auto-approve"]).ends_with(0);
    mig(&place, &["plan", "--detailed-exitcode"]).ends_with(0);
    let local = Place::new();
    local.apply().ends_with(0);
    let documents = |place: &Place| -> Vec<String> {
        let all = place.ndjson().into_iter();
        let mut lines: Vec<String> = all
            .flat_map(|path| {
                let text = std::fs::read_to_string(path).unwrap();
                let lines: Vec<&str> = text.lines().collect();
                let pairs = lines.chunks(2).map(<[&str]>::concat);
                pairs.collect::<Vec<String>>()
            })
            .collect();
        lines.sort();
        lines
    };
    let (here, there) = (documents(&local), documents(&place));
    assert!(here.len() == 7560 && here == there);
}

/// A plan as those over a directory, with the store behind a proxy.
pub(crate) fn plan_over(proxy: &Proxy, phases: &str) -> Place {
    Place::of_plan(&format!(
        "mig: 1\nplan: test\nstate: state\nclusters:\n  os: {{ directory: out, as: \"2.19\" }}\n\
         stores:\n  snapshots: {{ s3: {{ uri: s3://{}/shop, endpoint: \"http://127.0.0.1:{}\", path-style: true }} }}\n\
         phases:\n{phases}",
        fixtures(),
        proxy.port
    ))
}

#[test]
fn inspect_and_export_take_a_bucket() {
    let proxy = Proxy::start(gateway().port);
    let place = Place::empty();
    let uri = proxy.uri(fixtures(), "shop");
    let remote = mig(&place, &["snapshot", "inspect", "--store", &uri]).ends_with(0);
    let directory = fixture("shop");
    let directory = directory.to_str().unwrap();
    let local = mig(&place, &["snapshot", "inspect", "--store", directory]).ends_with(0);
    let tail = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(tail(&remote.out), tail(&local.out));
    assert_eq!(export(&place, &uri).ends_with(0).out, shop());
}
