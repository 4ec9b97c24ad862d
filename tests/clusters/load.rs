//! One index of a live source on its way to a target: what the tests of the backfill begin with.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use mig::clients::cluster::Request;
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use super::corpus::{self, bulk};
use super::place::{Place, Ran};
use super::support::{Scope, Server, elasticsearch};
use super::whole::plan;

/// Documents of one bulk request to the source, and of one segment there: of one work item, then.
const AT_ONCE: usize = 1000;
/// More documents make larger requests.
const REQUESTS_MAX: usize = 200;
/// How long anything is waited for.
const LONGEST: Duration = Duration::from_mins(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// The same of what tests wait for themselves, which ask by commands.
const LONGEST_UNTIL: Duration = Duration::from_mins(3);
const LOOK_UNTIL: Duration = Duration::from_millis(100);

/// The index, and a place with a plan that moves it.
pub(crate) struct Load<'a> {
    pub(crate) index: String,
    pub(crate) place: Place,
    pub(crate) target: &'a Server,
    pub(crate) source: &'a Server,
    pub(crate) scope: Scope<'a>,
    docs: u32,
}

/// `{"n":7,"t":"yyy"}`, or as it was updated.
fn text_of(n: u32) -> String {
    format!("{{\"n\":{n},\"t\":\"{}\"}}", "y".repeat(60))
}

impl<'a> Load<'a> {
    /// With so many documents `0`, `1`…; `settings` go over one shard without replicas, `fields` into the backfill.
    pub(crate) fn new(
        target: &'a Server,
        what: &str,
        docs: u32,
        settings: &[(&str, Value)],
        fields: &str,
    ) -> Self {
        let source = elasticsearch();
        let scope = Scope::on(&[source, target], what);
        let index = scope.name("a");
        let mut all = json!({"index.number_of_shards": 1, "index.number_of_replicas": 0});
        for (name, value) in settings {
            all[*name] = value.clone();
        }
        let mappings = json!({"properties": {"n": {"type": "long"}, "t": {"type": "keyword", "index": false}}});
        source.put(
            &format!("/{index}"),
            &json!({"settings": all, "mappings": mappings}),
        );
        let version = target.get("/")["version"]["number"].clone();
        let version = version.as_str().unwrap().rsplit_once('.').unwrap().0;
        let text = plan(&scope, source, (target, version), "").replace("workers: 2", fields);
        let load = Self {
            place: Place::of_plan(&text),
            index,
            target,
            source,
            scope,
            docs,
        };
        load.send(0..docs);
        load
    }

    /// Sends these documents to the source, anew where they are there.
    pub(crate) fn send(&self, numbers: std::ops::Range<u32>) {
        let index = &self.index;
        let at_once = AT_ONCE.max(numbers.len() / REQUESTS_MAX);
        for chunk in numbers.collect::<Vec<_>>().chunks(at_once) {
            let mut lines = String::new();
            for n in chunk {
                lines.push_str(&format!(
                    "{{\"index\":{{\"_index\":\"{index}\",\"_id\":\"{n}\"}}}}\n{}\n",
                    text_of(*n)
                ));
            }
            bulk(&self.source.client(), lines);
            self.source.post(&format!("/{index}/_refresh"), &json!({}));
        }
    }

    /// Gives the backfill other fields.
    pub(crate) fn replace(&self, from: &str, to: &str) {
        let path = self.place.path("plan.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    /// An apply that has written at least so many documents, and goes on.
    #[track_caller]
    pub(crate) fn begin(&self, least: u64) -> Child {
        let child = self.place.spawn(&["apply", "--auto-approve"]);
        self.begun(child, least)
    }

    /// Waits until a run has written at least so many documents.
    #[track_caller]
    pub(crate) fn begun(&self, mut child: Child, least: u64) -> Child {
        let began = Instant::now();
        while self.visible() < least {
            if let Some(status) = child.try_wait().unwrap() {
                let ran = ends(child);
                panic!("it ended with {status}: {}\n{}", ran.out, ran.err);
            }
            assert!(began.elapsed() < LONGEST, "it never wrote {least}");
            thread::sleep(LOOK);
        }
        child
    }

    /// Documents that the target shows after a refresh; none of an index that is not there.
    pub(crate) fn visible(&self) -> u64 {
        let client = self.target.client();
        let index = &self.index;
        drop(client.send(Request::post(format!("/{index}/_refresh"))));
        let count = client.json(Request::get(format!("/{index}/_count")));
        count.map_or(0, |answer| answer["count"].as_u64().unwrap_or(0))
    }

    /// A document as the target has it, with its version; nothing where it is not there.
    pub(crate) fn document(&self, id: u32) -> Option<(u64, Value)> {
        let path = format!("/{}/_doc/{id}", self.index);
        let found = self.target.try_get(&path).ok()?;
        let version = found["_version"].as_u64()?;
        Some((version, found["_source"].clone()))
    }

    /// A setting of the index on the target.
    pub(crate) fn setting(&self, name: &str) -> Value {
        let path = format!("/{}/_settings?flat_settings=true", self.index);
        self.target.get(&path)[&self.index]["settings"][name].clone()
    }

    /// Changes settings of the index on the target.
    pub(crate) fn set(&self, settings: &Value) {
        self.target
            .put(&format!("/{}/_settings", self.index), settings);
    }

    /// What the backfill recorded of the index.
    pub(crate) fn recorded(&self) -> Value {
        self.outputs()["indices"][&self.index].clone()
    }

    /// What the backfill recorded.
    pub(crate) fn outputs(&self) -> Value {
        let text = std::fs::read(self.place.path("state/state.json")).unwrap();
        let state: Value = serde_json::from_slice(&text).unwrap();
        state["phases"]["docs"]["outputs"].clone()
    }

    /// The highest sequence number of the first primary shard: every write raises it. It is -1 where none ever was.
    pub(crate) fn writes(&self) -> i64 {
        let path = format!("/{}/_stats?level=shards", self.index);
        let stats = self.target.get(&path);
        stats["indices"][&self.index]["shards"]["0"][0]["seq_no"]["max_seq_no"]
            .as_i64()
            .unwrap()
    }

    /// All is done and proved, and stands on the target as it was sent to the source.
    #[track_caller]
    pub(crate) fn is_whole(&self) {
        self.place.is_finished();
        self.stands();
    }

    /// All stands on the target as it was sent to the source.
    #[track_caller]
    pub(crate) fn stands(&self) {
        let found = corpus::documents(&self.target.client(), &self.index);
        assert_eq!(found.len(), self.docs as usize);
        for n in 0..self.docs {
            let sent = found.get(&n.to_string()).map(|sent| sent.source.as_str());
            assert_eq!(sent, Some(text_of(n).as_str()), "{n}");
        }
        self.nothing_is_left();
    }

    /// Neither tuned settings nor the alias that is written through.
    #[track_caller]
    pub(crate) fn nothing_is_left(&self) {
        let path = format!(
            "/.migrations_working_state/_doc/{}",
            Request::part(&format!("tuned:{}", self.index))
        );
        assert!(self.target.try_get(&path).is_err(), "it is noted as tuned");
        let aliases = self.target.get(&format!("/{}/_alias", self.index));
        assert_eq!(aliases[&self.index]["aliases"], json!({}));
    }
}

/// Waits until something is so; a lease may have to end before.
#[track_caller]
pub(crate) fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < LONGEST_UNTIL, "{what}");
        thread::sleep(LOOK_UNTIL);
    }
}

/// Waits for the end of a run.
pub(crate) fn ends(child: Child) -> Ran {
    Ran::of(&child.wait_with_output().unwrap())
}

/// Sends a signal to a run.
pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// `kill -9`
pub(crate) fn kill(mut child: Child) {
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it had ended before");
}
