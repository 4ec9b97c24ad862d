//! The version matrix: every server that can run here is started, given one varied corpus, made to take snapshots, and
//! asked for every document; what `mig` reads in the snapshots has to be that, source bytes included.
//!
//! `MIG_TEST_ALL=1` takes all versions; otherwise a run takes a part of them, another one each day
//! (`MIG_TEST_PART=n` chooses it). `MIG_TEST_VERSION=opensearch:3.3.0` takes one. `MIG_BLESS=1` writes down in
//! `proved.json` what was proved; the README's table is filled from it.

mod answers;
mod corpus;
mod dialect;
#[path = "../../it/documents.rs"]
mod documents;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use mig::clients::cluster::Request;
use mig::clients::objects::DirectoryStore;
use mig::engines::snapshot::Repository;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::corpus::Corpus;
use self::dialect::Dialect;
use self::documents::{Answer, Compared, Kept, compare};
use super::support::{Options, Server, place};

/// Of how many parts a run takes one.
const PARTS: usize = 7;
/// Servers that run at the same time; each takes 1.5 GB.
const AT_ONCE: usize = 2;

/// What a server's proof came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Proved {
    /// The day of the run.
    date: String,
    /// The version of Lucene that the server names.
    lucene: String,
    /// Documents equal to the server's answers, over all snapshots.
    documents: u64,
    /// Snapshots.
    snapshots: u32,
}

fn ledger() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/versions/proved.json")
}

fn chosen() -> Vec<mig::sandbox::Server> {
    let all: Vec<_> = mig::sandbox::Server::all().collect();
    if let Ok(one) = std::env::var("MIG_TEST_VERSION") {
        return vec![mig::sandbox::Server::parse(&one).unwrap()];
    }
    if std::env::var_os("MIG_TEST_ALL").is_some() {
        return all;
    }
    let days = jiff::Timestamp::now().as_second() / 86_400;
    let part = std::env::var("MIG_TEST_PART")
        .ok()
        .and_then(|part| part.parse().ok());
    let part = part.unwrap_or_else(|| usize::try_from(days).unwrap()) % PARTS;
    let mut at = 0..;
    all.into_iter()
        .filter(|_| at.next().unwrap() % PARTS == part)
        .collect()
}

#[test]
fn snapshots_of_each_version_are_read_as_its_server_answers() {
    let left = Mutex::new(chosen().into_iter());
    let failed = Mutex::new(Vec::new());
    let bless = std::env::var_os("MIG_BLESS").is_some();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(server) = left.lock().unwrap().next() else {
                        return;
                    };
                    let began = Instant::now();
                    // A server that does not start is no reason to leave the others.
                    let outcome = catch_unwind(AssertUnwindSafe(|| prove(server)));
                    let took = began.elapsed().as_secs();
                    let mut failed = failed.lock().unwrap();
                    let Ok(outcome) = outcome else {
                        failed.push(format!("{server}: see above"));
                        continue;
                    };
                    let wrong = outcome.wrong.len();
                    println!("{server}: {:?}, {wrong} wrong, {took} s", outcome.compared);
                    for (what, why) in &outcome.left_out {
                        let why: String = why.chars().take(160).collect();
                        println!("  it has no {what}: {why}");
                    }
                    let told = outcome.wrong.into_iter();
                    failed.extend(told.map(|why| format!("{server} {why}")));
                    if bless && wrong == 0 {
                        write_down(server, outcome.proved);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn write_down(server: mig::sandbox::Server, proved: Proved) {
    let before = std::fs::read(ledger()).ok();
    let mut all: BTreeMap<String, Proved> =
        before.map_or_else(BTreeMap::new, |text| serde_json::from_slice(&text).unwrap());
    all.insert(server.to_string(), proved);
    let text = serde_json::to_string_pretty(&all).unwrap() + "\n";
    std::fs::write(ledger(), text).unwrap();
}

/// The version of Lucene that a server writes, as it says itself.
fn lucene(server: &Server) -> String {
    let segments = server.get("/merged/_segments");
    let shard = &segments["indices"]["merged"]["shards"]["0"][0];
    let segment = shard["segments"].as_object().unwrap().values().next();
    segment.unwrap()["version"].as_str().unwrap().to_owned()
}

/// What came of one server.
struct Outcome {
    proved: Proved,
    compared: Compared,
    /// What the server refused, and why.
    left_out: BTreeMap<String, String>,
    /// Every difference.
    wrong: Vec<String>,
}

/// Boots a server, loads it, takes three snapshots in two repositories, and reads them.
fn prove(which: mig::sandbox::Server) -> Outcome {
    let mut wrong = Vec::new();
    let options = Options {
        heap_mib: Some(1024),
        with_modules: true,
        ..Options::default()
    };
    let server = Server::start(&which.to_string(), &options);
    let name = which.to_string().replace(':', "-");
    let mut corpus = Corpus::new(&server, Dialect::of(which));
    corpus.load_first();
    let plain = server.repositories().join(format!("{name}-plain"));
    let parts = server.repositories().join(format!("{name}-parts"));
    for (repository, location, compress, chunk_size) in [
        ("plain", &plain, true, None),
        ("parts", &parts, false, Some("300kb")),
    ] {
        let mut settings = json!({"location": location, "compress": compress});
        if let Some(size) = chunk_size {
            settings["chunk_size"] = json!(size);
        }
        server.put(
            &format!("/_snapshot/{repository}"),
            &json!({"type": "fs", "settings": settings}),
        );
    }
    let first = corpus.answers();
    take(&server, "plain", "first", &corpus.indices);
    corpus.load_second();
    let second = corpus.answers();
    take(&server, "plain", "second", &corpus.indices);
    take(&server, "parts", "second", &corpus.indices);
    let mut all = Compared::default();
    for (location, snapshot, answers) in [
        (&plain, "first", &first),
        (&plain, "second", &second),
        (&parts, "second", &second),
    ] {
        read(
            location,
            snapshot,
            &corpus.indices,
            answers,
            &mut all,
            &mut wrong,
        );
    }
    whole_program(&plain, &corpus.indices, &mut wrong);
    let proved = Proved {
        date: jiff::Zoned::now().date().to_string(),
        lucene: lucene(&server),
        documents: all.documents,
        snapshots: 3,
    };
    drop(std::fs::remove_dir_all(&plain));
    drop(std::fs::remove_dir_all(&parts));
    Outcome {
        proved,
        compared: all,
        left_out: corpus.left_out,
        wrong,
    }
}

fn take(server: &Server, repository: &str, snapshot: &str, indices: &BTreeMap<String, Kept>) {
    let names: Vec<&str> = indices.keys().map(String::as_str).collect();
    let path = format!("/_snapshot/{repository}/{snapshot}?wait_for_completion=true");
    let request = json!({"indices": names.join(","), "include_global_state": true});
    let answer = server
        .client()
        .json(Request::put(path).json(&request))
        .unwrap();
    assert_eq!(answer["snapshot"]["state"], "SUCCESS", "{answer:#}");
}

fn read(
    location: &Path,
    name: &str,
    indices: &BTreeMap<String, Kept>,
    answers: &BTreeMap<String, Vec<Answer>>,
    all: &mut Compared,
    wrong: &mut Vec<String>,
) {
    let store = DirectoryStore::new(location);
    let opened = Repository::open(Arc::new(store)).and_then(|opened| opened.snapshot(name));
    let snapshot = match opened {
        Ok(snapshot) => snapshot,
        Err(error) => return wrong.push(format!("{name}: {error}")),
    };
    let found: Vec<&String> = snapshot.indices().iter().map(|index| &index.name).collect();
    let wanted: Vec<&String> = indices.keys().collect();
    if found != wanted {
        wrong.push(format!("{name}: has {found:?}, not {wanted:?}"));
    }
    for (index, kept) in indices {
        match compare(&snapshot, index, *kept, &answers[index]) {
            Ok(compared) => *all += compared,
            Err(why) => wrong.push(format!("{name}/{why}")),
        }
    }
}

/// A plan from the snapshot to a directory, its documents proved. Fields that the target has no type for lose their
/// search, which has to be allowed.
fn whole_program(location: &Path, indices: &BTreeMap<String, Kept>, wrong: &mut Vec<String>) {
    let repository = Repository::open(Arc::new(DirectoryStore::new(location))).unwrap();
    let snapshot = repository.snapshot("second").unwrap();
    // One with several types is refused by name, since their identities may collide.
    let several = |name: &str| snapshot.index_metadata(name).unwrap().types.len() > 1;
    let chosen: Vec<&String> = indices
        .iter()
        .filter(|(name, kept)| **kept == Kept::Stored && !several(name))
        .map(|(name, _)| name)
        .collect();
    let chosen = serde_json::to_string(&chosen).unwrap();
    let plan = format!(
        "mig: 1\nplan: matrix\nstate: state\nclusters:\n  os: {{ directory: out, as: \"2.19\" }}\n\
         stores:\n  snapshots: {{ directory: {location} }}\nphases:\n\
         \x20 nightly:\n    snapshot:\n      existing: {{ store: snapshots, name: second }}\n\
         \x20 made:\n    metadata: {{ from: nightly, to: os, include: {{ indices: {chosen} }}, rules: {{ MIG129: allow, MIG132: allow, MIG169: allow }} }}\n\
         \x20 docs:\n    backfill: {{ from: nightly, to: os, indices: {chosen} }}\n\
         \x20 same:\n    verify: {{ source: nightly, target: os, indices: {chosen}, content: full }}\n",
        location = location.display()
    );
    let place = place(&plan);
    for command in [&["plan"][..], &["apply", "--auto-approve"]] {
        let ran = place.mig(command);
        if ran.code != 0 {
            wrong.push(format!(
                "mig {command:?} ended with {}: {}{}",
                ran.code, ran.out, ran.err
            ));
            return;
        }
    }
}
