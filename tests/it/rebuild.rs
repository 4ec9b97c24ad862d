//! Documents rebuilt without their sources, against what was sent to real servers: every field that a recipe promises is
//! there with its values, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mig::engines::lucene::{Commit, Scratch, Segment, SegmentFiles};
use mig::engines::reconstruct::{Origin, Rebuilder, Recipe};
use mig::engines::snapshot::Snapshot;
use serde_json::{Map, Value};

use super::documents::{Answer, Kept};
use super::versions::{SERVERS, expected, snapshot};

/// What came of the documents of one server.
#[derive(Debug, Default)]
struct Outcome {
    /// Rebuilt, and compared with what was sent.
    compared: usize,
    /// Rebuilt, and compared with what the server itself makes up.
    like_server: usize,
    /// Refused, by reason without the field.
    refused: BTreeMap<&'static str, usize>,
}

#[test]
fn what_a_recipe_promises_comes_back() {
    for server in SERVERS {
        let expected = expected(server);
        let old = expected.version.starts_with(['2', '5']) && expected.product == "elasticsearch";
        let origin = Origin {
            doc_values: !old,
            shifts_unsigned: expected.product == "elasticsearch",
            texts_stored: false,
        };
        let mut outcome = Outcome::default();
        for taken in &expected.snapshots {
            let snapshot = snapshot(server, taken);
            for (name, index) in &taken.indices {
                let here = format!("{server} {}/{name}", taken.snapshot);
                let derived = index.source == Kept::Derived;
                let sent: BTreeMap<&str, &Answer> = index
                    .documents
                    .iter()
                    .filter(|document| document.format.is_none())
                    .map(|document| (document.id.as_str(), document))
                    .collect();
                of_index(&here, &snapshot, name, origin, derived, &sent, &mut outcome);
            }
        }
        println!("{server}: {outcome:?}");
        assert!(outcome.compared > 100, "{server}: {outcome:?}");
        assert_eq!(
            outcome.like_server > 0,
            server == "opensearch-3.3.0",
            "{server}"
        );
        // The corpus has documents with values that were not indexed, and indices in formats of time series.
        let only = ["ignored", "unread", "ignored-source"];
        assert!(
            outcome.refused.keys().all(|why| only.contains(why)),
            "{server}: {outcome:?}"
        );
    }
}

fn of_index(
    here: &str,
    snapshot: &Snapshot,
    index: &str,
    origin: Origin,
    derived: bool,
    sent: &BTreeMap<&str, &Answer>,
    outcome: &mut Outcome,
) {
    let mapping = snapshot.index_metadata(index).unwrap().mapping();
    let recipe = Recipe::of(&mapping, origin);
    let unavailable = recipe.unavailable().iter();
    let unhad: BTreeSet<&str> = unavailable.map(|entry| entry.field.as_str()).collect();
    let listed = snapshot.index(index).unwrap();
    for shard in 0..listed.shards {
        let files = snapshot.shard(index, shard).unwrap();
        let files: Arc<dyn SegmentFiles> = Arc::clone(files.files()) as _;
        for commit in &Commit::read(&*files).unwrap().segments {
            let segment = Segment::open(Arc::clone(&files), commit).unwrap();
            let mut rebuilder = Rebuilder::open(&recipe, &segment).unwrap();
            let mut scratch = Scratch::new();
            let all = 0..segment.chunks().len();
            let read = segment.read_documents(all, &mut scratch, |document| -> Result<(), ()> {
                let here = format!("{here}/{}", document.id);
                let Some(answer) = sent.get(document.id) else {
                    return Ok(());
                };
                let text = answer.sent.as_ref().or(answer.source.as_ref()).unwrap();
                let Ok(source) = serde_json::from_str::<Value>(text) else {
                    return Ok(()); // with comments
                };
                match rebuilder.rebuild(&document) {
                    Ok(line) => {
                        let line: Value = serde_json::from_str(line).unwrap();
                        compare(&here, &mapping, &unhad, &source, &line);
                        outcome.compared += 1;
                        if derived {
                            let own = answer.source.as_ref().unwrap();
                            let own: Value = serde_json::from_str(own).unwrap();
                            assert_eq!(line, own, "{here}");
                            outcome.like_server += 1;
                        }
                    }
                    Err(error) => {
                        assert!(error.is_of_document(), "{here}: {error}");
                        let text = error.to_string();
                        let why = match () {
                            () if text.contains("was not indexed") => "ignored",
                            () if text.contains("_ignored_source") => "ignored-source",
                            () if text.contains("TSDB") => "unread",
                            () => panic!("{here}: {text}"),
                        };
                        *outcome.refused.entry(why).or_default() += 1;
                    }
                }
                Ok(())
            });
            read.unwrap();
        }
    }
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
        if unhad.iter().any(under)
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
