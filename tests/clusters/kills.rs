//! A kill at any instant of a migration between real clusters leaves nothing to repair by hand: at every named boundary, at
//! random instants, and with the target killed and restarted in between. A plain `mig apply` finishes it, the proof is
//! clean, the snapshot is not taken twice, and the settings that loading tuned are as they were.
//!
//! The boundaries need the cargo feature `failpoints`. `MIG_TEST_ALL=1` kills at every boundary at its first, middle and
//! last hit; otherwise a run takes a part of them, another one each day (`MIG_TEST_PART=n` chooses it). `MIG_CRASH_SEED=n`
//! repeats random instants.

#![allow(
    clippy::print_stdout,
    reason = "seed and histogram are what a failure is repeated with"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mig::clients::cluster::Request;
use serde_json::{Value, json};

use super::corpus::{Documents, Sent, bulk};
use super::place::{Place, next, phase_at_the_kill, print};
use super::support::{Options, Scope, Server, elasticsearch};
use super::whole::all_arrived;

/// Kills at random instants.
const RANDOM_KILLS: u64 = 20;
/// Of so many random kills, one kills the target as well.
const WITH_TARGET: u64 = 5;
/// Parts that the boundaries are divided into; a day takes one.
const PARTS: usize = 3;

/// A few indices that pass every boundary: several shards, deletes, a closed index, held-back settings, an alias.
struct Small<'a> {
    scope: Scope<'a>,
    source: &'a Server,
    corpus: super::corpus::Corpus,
}

impl<'a> Small<'a> {
    fn make(source: &'a Server, docs: u64) -> Self {
        let scope = Scope::on(&[source], "kill");
        let mut documents = Documents::new();
        let mut index = |short: &str, settings: Value, docs: u64| {
            let name = scope.name(short);
            let mappings = json!({"properties": {"n": {"type": "long"}, "t": {"type": "keyword"}}});
            source.put(
                &format!("/{name}"),
                &json!({"settings": settings, "mappings": mappings}),
            );
            let mut lines = String::new();
            let known = documents.entry(name.clone()).or_default();
            for n in 0..docs {
                let text = format!("{{\"n\":{n},\"t\":\"{}\"}}", "x".repeat(40));
                lines.push_str(&format!(
                    "{{\"index\":{{\"_index\":\"{name}\",\"_id\":\"{n}\"}}}}\n{text}\n"
                ));
                known.insert(
                    n.to_string(),
                    Sent {
                        routing: None,
                        source: text,
                    },
                );
            }
            for n in 0..docs / 10 {
                lines.push_str(&format!(
                    "{{\"delete\":{{\"_index\":\"{name}\",\"_id\":\"{n}\"}}}}\n"
                ));
                known.remove(&n.to_string());
            }
            bulk(&source.client(), lines);
            name
        };
        let replicas = json!({"index.number_of_shards": 2, "index.number_of_replicas": 0, "index.refresh_interval": "7s"});
        index("one", replicas, docs);
        let held = index(
            "held",
            json!({"index.number_of_shards": 1, "index.number_of_replicas": 0}),
            docs / 2,
        );
        source.put(
            &format!("/{held}/_settings"),
            &json!({"index.blocks.write": true}),
        );
        let closed = index(
            "closed",
            json!({"index.number_of_shards": 1, "index.number_of_replicas": 0}),
            docs / 2,
        );
        source.post(&format!("/{closed}/_close"), &json!({}));
        let actions = json!({"actions": [{"add": {"index": held, "alias": scope.name("alias")}}]});
        source.post("/_aliases", &actions);
        let corpus = super::corpus::Corpus {
            prefix: scope.prefix().to_owned(),
            documents,
        };
        Self {
            scope,
            source,
            corpus,
        }
    }

    /// A fresh place for attempt `number`, with a repository and a plan name of its own.
    fn place(&self, target: &Server, number: usize) -> Place {
        let text = super::whole::plan(&self.scope, self.source, (target, "2.19"), "");
        let store = self.scope.repository(self.source);
        let text = text
            .replace(
                &format!("plan: {}\n", self.scope.prefix()),
                &format!("plan: {}-{number}\n", self.scope.prefix()),
            )
            .replace(
                &format!("\"{}\"", store.display()),
                &format!("\"{}/{number}\"", store.display()),
            );
        Place::of_plan(&text)
    }

    /// Finishes what a kill left, proves it by another reader, and takes it away again.
    #[track_caller]
    fn recover(&self, target: &Server, place: &Place, what: &str) {
        let ran = place.apply();
        assert_eq!(
            ran.code, 0,
            "after {what}\nstdout:\n{}\nstderr:\n{}",
            ran.out, ran.err
        );
        let left = place.mig(&["plan", "--detailed-exitcode"]);
        assert_eq!(left.code, 0, "after {what}\n{}\n{}", left.out, left.err);
        let held = self.scope.name("held");
        let one = self.scope.name("one");
        let settings = target.get(&format!("/{held},{one}/_settings"));
        let of = |name: &str| settings[name]["settings"]["index"].clone();
        assert_eq!(of(&one)["refresh_interval"], "7s", "after {what}");
        assert_eq!(of(&held)["refresh_interval"], Value::Null, "after {what}");
        assert_eq!(of(&held)["blocks"]["write"], "true", "after {what}");
        all_arrived(target, &self.corpus);
        let kept = target.get("/.migrations_working_state/_search?size=100&q=kind:tuned");
        assert_eq!(kept["hits"]["hits"], json!([]), "after {what}");
        self.remove(target);
    }

    fn remove(&self, target: &Server) {
        let client = target.client();
        for index in self.corpus.documents.keys() {
            drop(client.send(Request::delete(format!("/{index}"))));
        }
        drop(client.send(Request::delete("/.migrations_working_state")));
    }

    /// Snapshots of this attempt's plan in its repository: a kill never makes a second one.
    fn snapshots(&self, number: usize) -> usize {
        let repositories = self.source.get("/_snapshot");
        let end = format!("/{number}");
        let mut count = 0;
        for (name, repository) in repositories.as_object().unwrap() {
            let location = repository["settings"]["location"].as_str().unwrap_or("");
            if location.contains(self.scope.prefix()) && location.ends_with(&end) {
                let all = self.source.get(&format!("/_snapshot/{name}/_all"));
                count += all["snapshots"].as_array().unwrap().len();
            }
        }
        count
    }
}

/// Days since the epoch: what a run that takes only a part goes by.
fn today() -> usize {
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    usize::try_from(seconds / 86_400).unwrap()
}

#[test]
#[cfg(feature = "failpoints")]
fn a_kill_at_every_boundary_between_clusters_is_finished_by_a_plain_apply() {
    let target = Server::start("opensearch:2.19.1", &Options::default());
    let small = Small::make(elasticsearch(), 300);
    let place = small.place(&target, 0);
    let ran = place
        .command(&["apply", "--auto-approve"])
        .env("MIG_FAILPOINT_LOG", place.path("points"))
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    small.recover(&target, &place, "no kill");
    let points = std::fs::read_to_string(place.path("points")).unwrap();
    let mut hits: BTreeMap<&str, usize> = BTreeMap::new();
    for name in points.lines() {
        *hits.entry(name).or_default() += 1;
    }
    let all = std::env::var_os("MIG_TEST_ALL").is_some();
    let part = std::env::var("MIG_TEST_PART")
        .ok()
        .and_then(|part| part.parse().ok())
        .unwrap_or_else(today)
        % PARTS;
    let mut histogram = BTreeMap::new();
    let (mut kills, mut number) = (0, 0);
    for (at, (name, hits)) in hits.iter().enumerate() {
        if !all && at % PARTS != part {
            continue;
        }
        let mut chosen = vec![hits.div_ceil(2)];
        if all {
            chosen = vec![1, hits.div_ceil(2), *hits];
            chosen.dedup();
        }
        for hit in chosen {
            number += 1;
            let place = small.place(&target, number);
            let ran = place
                .command(&["apply", "--auto-approve"])
                .env("MIG_FAILPOINT", format!("{name}:{hit}"))
                .output()
                .unwrap();
            if ran.status.code().is_none() {
                kills += 1;
                *histogram.entry(phase_at_the_kill(&place)).or_default() += 1;
            }
            let what = format!("a kill at {name}:{hit}");
            small.recover(&target, &place, &what);
            assert_eq!(small.snapshots(number), 1, "after {what}");
        }
    }
    println!(
        "{} boundaries, part {part} of {PARTS}{}, {kills} kills:",
        hits.len(),
        if all { " (all)" } else { "" }
    );
    for (name, hits) in &hits {
        println!("  {hits:>4}  {name}");
    }
    print(&histogram);
    assert!(kills > 0, "nothing was killed");
}

#[test]
fn a_kill_at_a_random_instant_between_clusters_is_finished_by_a_plain_apply() {
    let seed = std::env::var("MIG_CRASH_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| u64::from(std::process::id()) * 2_654_435_761 + 1);
    println!("MIG_CRASH_SEED={seed}");
    let mut state = seed;
    let target = Server::start("opensearch:2.19.1", &Options::default());
    let small = Small::make(elasticsearch(), 3000);
    // The second run tells how long one takes: the first finds everything cold.
    let mut whole = Duration::ZERO;
    for number in [0, 1000] {
        let place = small.place(&target, number);
        let began = Instant::now();
        place.apply().ends_with(0);
        whole = began.elapsed();
        small.recover(&target, &place, "no kill");
    }
    let mut histogram = BTreeMap::new();
    let mut killed = 0;
    for kill in 1..=RANDOM_KILLS {
        let number = usize::try_from(kill).unwrap();
        let place = small.place(&target, number);
        let mut child = place.spawn(&["apply", "--auto-approve"]);
        let micros = u64::try_from(whole.as_micros()).unwrap().max(1);
        let deadline = Instant::now() + Duration::from_micros(next(&mut state) % micros);
        // Until the instant comes or the run ends: whichever is first.
        while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let with_target = kill % WITH_TARGET == 0;
        drop(child.kill());
        if with_target {
            target.kill();
        }
        if child.wait().unwrap().code().is_none() {
            killed += 1;
            *histogram.entry(phase_at_the_kill(&place)).or_default() += 1;
        }
        if with_target {
            target.restart();
        }
        let what = format!("kill {kill} of seed {seed}");
        small.recover(&target, &place, &what);
        assert_eq!(small.snapshots(number), 1, "after {what}");
    }
    println!("{killed} of {RANDOM_KILLS} were killed before their end ({whole:?} a run):");
    print(&histogram);
}
