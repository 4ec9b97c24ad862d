//! The reader against a server of Elasticsearch 1.7.6, whose answers hold no versions: those follow from what was asked of
//! it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mig::clients::objects::DirectoryStore;
use mig::engines::lucene::{Commit, Scratch, Segment, SegmentFiles, StoredValue};
use mig::engines::snapshot::{Repository, source_format};
use serde_json::Value;

#[test]
fn every_document_of_1_7_is_as_its_server_gave_it() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/es-1.7.6");
    let expected = std::fs::read(fixture.join("expected.json")).unwrap();
    let expected: BTreeMap<String, Vec<Value>> = serde_json::from_slice(&expected).unwrap();
    let store = DirectoryStore::new(fixture.join("repository"));
    let snapshot = Repository::open(Arc::new(store))
        .unwrap()
        .snapshot("snap-2014");
    let snapshot = snapshot.unwrap();
    let (mut dead, mut stamped, mut compressed) = (0, 0, 0);
    for index in snapshot.indices() {
        let mut read: BTreeMap<(String, String), (Value, Option<String>)> = BTreeMap::new();
        for number in 0..index.shards {
            let files: Arc<dyn SegmentFiles> =
                snapshot.shard(&index.name, number).unwrap().files().clone();
            for info in &Commit::read(files.as_ref()).unwrap().segments {
                let segment = Segment::open(Arc::clone(&files), info).unwrap();
                assert!(segment.stored_format().starts_with("Lucene41"));
                assert_eq!(segment.id(), None);
                let stats = segment.read_documents(0..usize::MAX, &mut Scratch::new(), |found| {
                    let kind = found.legacy_type.unwrap().to_owned();
                    let source = found.source.unwrap();
                    compressed += u32::from(source.starts_with(b"ZV"));
                    let line = source_format::to_json_line(source).unwrap();
                    let source: Value = serde_json::from_slice(&line).unwrap();
                    let updates = found
                        .id
                        .parse::<u32>()
                        .map_or(0, |id| u32::from(id % 5 == 0) + u32::from(id % 7 == 1));
                    let version = if kind == "post" { 1 + updates } else { 1 };
                    assert_eq!(
                        found.version,
                        Some(i64::from(version)),
                        "{kind} {}",
                        found.id
                    );
                    let numbers: Vec<_> = found
                        .stored
                        .iter()
                        .filter_map(|field| match field.unwrap() {
                            (name, StoredValue::Long(value)) => Some((name.to_owned(), value)),
                            _ => None,
                        })
                        .collect();
                    let wanted: &[&str] = match kind.as_str() {
                        "post" => &["_timestamp"],
                        "event" => &["_ttl"],
                        _ => &[],
                    };
                    let names: Vec<&str> = numbers.iter().map(|(name, _)| name.as_str()).collect();
                    assert_eq!(names, wanted);
                    // Milliseconds since 1970, and of 900 days beyond that.
                    stamped += numbers.len();
                    let times = numbers
                        .iter()
                        .all(|(_, time)| (1_400_000_000_000..2_500_000_000_000).contains(time));
                    assert!(times, "{numbers:?}");
                    let key = (kind, found.id.to_owned());
                    let value = (source, found.routing.map(str::to_owned));
                    assert!(read.insert(key, value).is_none());
                    Ok::<(), ()>(())
                });
                let stats = stats.unwrap();
                segment.check_spans(&[stats.span]).unwrap();
                assert_eq!(stats.dead, u64::from(segment.counts().hard_deleted));
                dead += stats.dead;
            }
        }
        for document in &expected[&index.name] {
            let text = |key: &str| document[key].as_str().map(str::to_owned);
            let key = (text("_type").unwrap(), text("_id").unwrap());
            let (source, routing) = read.remove(&key).unwrap();
            assert_eq!(source, document["_source"], "{key:?}");
            assert_eq!(routing, text("_routing"), "{key:?}");
        }
        assert!(read.is_empty(), "{:?} is extra", read.keys().next());
    }
    assert!(
        dead > 20 && stamped > 250 && compressed > 30,
        "{dead} {stamped} {compressed}"
    );
}
