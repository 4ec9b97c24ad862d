//! Documents rebuilt without their sources, against what was sent to real servers: every field that a recipe promises is
//! there with its values, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mig::clients::objects::DirectoryStore;
use mig::engines::lucene::{Commit, Scratch, Segment, SegmentFiles};
use mig::engines::reconstruct::{Origin, Rebuilder, Recipe};
use mig::engines::snapshot::{Repository, Snapshot};
use serde_json::{Map, Value};

/// Fixtures of every version, and what else `MIG_TEST_SNAPSHOTS` names.
fn places() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/versions");
    let more = std::env::var_os("MIG_TEST_SNAPSHOTS").map(PathBuf::from);
    let mut places = Vec::new();
    for root in std::iter::once(fixtures).chain(more) {
        for entry in std::fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            if path.join("expected.json").is_file() {
                places.push(path);
            }
        }
    }
    places.sort();
    places
}

#[test]
fn what_a_recipe_promises_comes_back() {
    let mut rebuilt = BTreeMap::new();
    for place in places() {
        let text = std::fs::read_to_string(place.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        for taken in expected["snapshots"].as_array().unwrap() {
            let repository = taken["repository"].as_str().unwrap();
            let store = DirectoryStore::new(place.join(repository));
            let opened = Repository::open(Arc::new(store)).unwrap();
            let snapshot = opened
                .snapshot(taken["snapshot"].as_str().unwrap())
                .unwrap();
            for (index, answer) in taken["indices"].as_object().unwrap() {
                let documents = answer["documents"].as_array().unwrap();
                if index == "empty" {
                    continue;
                }
                let here = format!("{}/{repository}/{index}", place.display());
                *rebuilt.entry(place.clone()).or_insert(0) +=
                    of_index(&here, &snapshot, index, documents, &expected);
            }
        }
    }
    println!("{rebuilt:#?}");
    let newest = rebuilt.iter().filter(|(_, count)| **count > 0).count();
    assert!(
        newest >= 10,
        "documents were rebuilt in {newest} versions only"
    );
}

/// How many documents were rebuilt and compared.
fn of_index(
    here: &str,
    snapshot: &Snapshot,
    index: &str,
    documents: &[Value],
    server: &Value,
) -> usize {
    let metadata = snapshot.index_metadata(index).unwrap();
    let version = server["version"].as_str().unwrap();
    let major: u32 = version.split('.').next().unwrap().parse().unwrap();
    let elasticsearch = server["product"] == "elasticsearch";
    let origin = Origin {
        doc_values: !elasticsearch || major >= 6,
        shifts_unsigned: elasticsearch,
        texts_stored: false,
    };
    let mapping = metadata.mapping();
    let recipe = Recipe::of(&mapping, origin);
    let sent: BTreeMap<&str, &Value> = documents
        .iter()
        .filter(|document| document.get("format").is_none())
        .map(|document| (document["_id"].as_str().unwrap(), document))
        .collect();
    let unhad: BTreeSet<&str> = recipe
        .unavailable()
        .iter()
        .map(|entry| entry.field.as_str())
        .collect();
    let mut compared = 0;
    let listed = snapshot.index(index).unwrap();
    for shard in 0..listed.shards {
        let Ok(files) = snapshot.shard(index, shard) else {
            continue; // a shard that a partial snapshot lacks
        };
        let files: Arc<dyn SegmentFiles> = Arc::clone(files.files()) as _;
        for commit in &Commit::read(&*files).unwrap().segments {
            let segment = Segment::open(Arc::clone(&files), commit).unwrap();
            let mut rebuilder = Rebuilder::open(&recipe, &segment).unwrap();
            let mut scratch = Scratch::new();
            let all = 0..segment.chunks().len();
            segment
                .read_documents(all, &mut scratch, |document| -> Result<(), String> {
                    let here = format!("{here}/{}", document.id);
                    let Some(sent) = sent.get(document.id) else {
                        return Ok(());
                    };
                    let text = sent.get("sent").or_else(|| sent.get("_source"));
                    let Ok(source) = serde_json::from_str::<Value>(text.unwrap().as_str().unwrap())
                    else {
                        return Ok(()); // with comments
                    };
                    match rebuilder.rebuild(&document) {
                        Ok(line) => {
                            let line: Value = serde_json::from_str(line).unwrap();
                            compare(&here, &mapping, &unhad, &source, &line);
                            compared += 1;
                        }
                        Err(error) if error.is_of_document() => println!("{here}: {error}"),
                        Err(error) => panic!("{here}: {error}"),
                    }
                    Ok(())
                })
                .unwrap();
        }
    }
    compared
}

type Leaves = BTreeMap<String, Vec<Value>>;

/// Values by dotted path: what an index sees of a document.
fn leaves(path: &str, value: &Value, points: &BTreeSet<String>, out: &mut Leaves) {
    match value {
        Value::Object(fields) if !points.contains(path) => {
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                leaves(&path, value, points, out);
            }
        }
        Value::Array(values)
            if !points.contains(path) || values.first().is_some_and(|first| !first.is_number()) =>
        {
            for value in values {
                leaves(path, value, points, out);
            }
        }
        Value::Null => {}
        value => out.entry(path.to_owned()).or_default().push(value.clone()),
    }
}

fn types(path: &str, mapping: &Value, out: &mut BTreeMap<String, Map<String, Value>>) {
    for (name, field) in mapping["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        if field
            .get("type")
            .is_some_and(|kind| kind != "object" && kind != "nested")
        {
            out.insert(path, field.as_object().unwrap().clone());
        } else {
            types(&path, field, out);
        }
    }
}

#[track_caller]
fn compare(here: &str, mapping: &Value, unhad: &BTreeSet<&str>, source: &Value, line: &Value) {
    let mut kinds = BTreeMap::new();
    types("", mapping, &mut kinds);
    let points = kinds
        .iter()
        .filter(|(_, field)| field["type"] == "geo_point");
    let points: BTreeSet<String> = points.map(|(path, _)| path.clone()).collect();
    let (mut was, mut is) = (Leaves::new(), Leaves::new());
    leaves("", source, &points, &mut was);
    leaves("", line, &points, &mut is);
    for (path, values) in &is {
        assert!(
            kinds.contains_key(path),
            "{here}: {path} is not mapped, {values:?}"
        );
    }
    for (path, field) in &kinds {
        let under = |unhad: &&str| path == *unhad || path.starts_with(&format!("{unhad}."));
        if unhad.iter().any(|unhad| under(&unhad))
            || field["type"] == "alias"
            || field["type"] == "constant_keyword"
        {
            assert!(!is.contains_key(path), "{here}: {path}");
            continue;
        }
        let normal = |leaves: &Leaves| -> BTreeSet<String> {
            // What is longer was not indexed, which old versions do not even note.
            let limit = field.get("ignore_above").and_then(Value::as_u64);
            let short = |value: &&Value| {
                let length = value.as_str().map_or(0, |text| text.chars().count() as u64);
                limit.is_none_or(|limit| length <= limit)
            };
            let values = leaves.get(path).into_iter().flatten().filter(short);
            values.map(|value| normal(here, field, value)).collect()
        };
        let hash = |value: &Value| value.as_str().is_some_and(|text| !text.contains(','));
        if field["type"] == "geo_point"
            && was.get(path).is_some_and(|values| values.iter().any(hash))
        {
            // A geohash names a cell; only that its point is there is compared.
            assert_eq!(
                is.get(path).map(Vec::len),
                Some(was[path].len()),
                "{here}: {path}"
            );
            continue;
        }
        assert_eq!(normal(&is), normal(&was), "{here}: {path}");
    }
}

/// A value as its type sees it.
#[track_caller]
#[allow(clippy::cast_possible_truncation)]
fn normal(here: &str, field: &Map<String, Value>, value: &Value) -> String {
    let plain = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let number = || -> f64 { plain.parse().unwrap_or_else(|_| panic!("{here}: {plain}")) };
    match field["type"].as_str().unwrap() {
        "long" | "integer" | "short" | "byte" => match plain.parse::<i64>() {
            Ok(number) => number.to_string(),
            Err(_) => (number().trunc() as i64).to_string(),
        },
        "double" => format!("{:?}", number()),
        "float" => format!("{:?}", number() as f32),
        "half_float" => format!("{:.2e}", number()),
        "scaled_float" => format!("{:.2}", number()),
        "boolean" => (plain == "true").to_string(),
        "date" | "date_nanos" => instant(here, field, &plain),
        "ip" => plain
            .parse::<core::net::IpAddr>()
            .unwrap()
            .to_canonical()
            .to_string(),
        "geo_point" => {
            let (latitude, longitude) = match value {
                Value::Object(point) => (point["lat"].clone(), point["lon"].clone()),
                Value::Array(point) => (point[1].clone(), point[0].clone()),
                _ => {
                    let (latitude, longitude) = plain.split_once(',').unwrap();
                    (latitude.trim().into(), longitude.trim().into())
                }
            };
            let digits = |value: Value| {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                format!("{:.5}", text.parse::<f64>().unwrap() + 1e-9)
            };
            format!("{} {}", digits(latitude), digits(longitude))
        }
        _ => plain,
    }
}

/// Nanoseconds since 1970.
#[track_caller]
fn instant(here: &str, field: &Map<String, Value>, text: &str) -> String {
    let seconds = field
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|format| format.contains("epoch_second"));
    if let Ok(number) = text.parse::<i128>() {
        return (number * if seconds { 1_000_000_000 } else { 1_000_000 }).to_string();
    }
    let iso = text.replace('/', "-");
    let zoned = iso.parse::<jiff::Timestamp>();
    let at = zoned.or_else(|_| {
        let local = iso.replace(' ', "T").parse::<jiff::civil::DateTime>();
        let local = local.or_else(|_| {
            iso.parse::<jiff::civil::Date>()
                .map(|date| date.at(0, 0, 0, 0))
        });
        local.map(|local| jiff::tz::Offset::UTC.to_timestamp(local).unwrap())
    });
    let at = at.unwrap_or_else(|error| panic!("{here}: {text}: {error}"));
    at.as_nanosecond().to_string()
}
