//! One plan over several clusters, by real servers: Elasticsearch 5.6 → 7.10 → OpenSearch 2.19 → 3.3, applied whole, killed and
//! resumed in each hop, and appended to; and the other Elasticsearch versions that stand in the middle.
//!
//! Every document is compared with what was sent to the first source, by a reader that is not `mig`'s. A test takes up to four
//! servers of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use mig::clients::cluster::Request;
use mig::clients::target::batch::Action;
use mig::clients::target::{Batch, ClusterTarget, PartKey, Target as _, TargetError};
use mig::diff::observation::{ObjectKey, ObjectKind};
use serde_json::{Value, json};

use super::hop_corpus::{Corpus, TYPES, add_in_the_middle, all_there, make};
use super::place::{Place, phase_at_the_kill, print};
use super::support::{Options, Server, is_its_day};

/// Documents of the largest index of the corpus.
const DOCS: usize = 400;

/// A server of a path, and what it is called in the plan.
pub(crate) struct Stop {
    pub(crate) name: &'static str,
    what: &'static str,
    pub(crate) version: &'static str,
}

const fn stop(name: &'static str, what: &'static str, version: &'static str) -> Stop {
    Stop {
        name,
        what,
        version,
    }
}

pub(crate) const ES56: Stop = stop("es56", "elasticsearch:5.6.16", "5.6");
pub(crate) const ES68: Stop = stop("es68", "elasticsearch:6.8.23", "6.8");
pub(crate) const ES710: Stop = stop("es710", "elasticsearch:7.10.2", "7.10");
const AGAIN: Stop = stop("again", "elasticsearch:7.10.2", "7.10");
pub(crate) const ES717: Stop = stop("es717", "elasticsearch:7.17.9", "7.17");
const OS219: Stop = stop("os2", "opensearch:2.19.1", "opensearch:2.19");
const OS33: Stop = stop("os3", "opensearch:3.3.0", "opensearch:3.3");

impl Stop {
    pub(crate) fn start(&self) -> Server {
        // Parents and children are a module that the minimal distributions lack.
        let options = Options {
            with_modules: true,
            ..Options::default()
        };
        Server::start(self.what, &options)
    }
}

/// A plan over some clusters, each of them with a store of its own.
fn plan(name: &str, path: &[(&Stop, String)], stores: &Path) -> String {
    let mut text = format!("mig: 1\nplan: {name}\nstate: state\nallow: [MIG060]\nclusters:\n");
    for (at, (stop, url)) in path.iter().enumerate() {
        let access = if at == 0 { ", access: read-only" } else { "" };
        text.push_str(&format!(
            "  {}: {{ endpoint: \"{url}\", version: \"{}\"{access} }}\n",
            stop.name, stop.version
        ));
    }
    text.push_str("stores:\n");
    for (stop, _) in &path[..path.len() - 1] {
        text.push_str(&format!(
            "  snapshots-{}: {{ directory: \"{}\" }}\n",
            stop.name,
            stores.join(stop.name).display()
        ));
    }
    let names: Vec<&str> = path.iter().map(|(stop, _)| stop.name).collect();
    text.push_str(&format!(
        "hops: [{}]\neach-hop:\n  use: {}\n  with: {{ from: \"${{hop.from}}\", to: \"${{hop.to}}\", store: \"snapshots-${{hop.from}}\" }}\n",
        names.join(", "),
        Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/backfill-hop.yaml").display(),
    ));
    if path[0].0.name == ES56.name {
        let first = format!("{}->{}", names[0], names[1]);
        text.push_str(&format!(
            "hop-overrides:\n  \"{first}\":\n    mappings: {{ types: {TYPES} }}\n"
        ));
    }
    text
}

/// A directory for the stores of a test, that every server may write to.
pub(crate) struct Stores(pub(crate) PathBuf);

impl Stores {
    pub(crate) fn new(server: &Server, what: &str) -> Self {
        // Paths run beside each other, and no two clusters may write to one repository.
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("hops-{}-{number}-{what}", std::process::id());
        // The servers make it, whoever they run as.
        Self(server.repositories().join(name))
    }

    /// The snapshots that stand in the store of a cluster.
    fn snapshots(&self, stop: &Stop) -> usize {
        let directory = std::fs::read_dir(self.0.join(stop.name)).unwrap();
        let names = directory.map(|entry| entry.unwrap().file_name());
        let snapshots = names.filter(|name| name.to_string_lossy().starts_with("snap-"));
        snapshots.count()
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Takes all that a plan made off a server, and the repositories that it registered.
fn wipe(server: &Server) {
    let client = server.client();
    for path in [
        "/shop-*",
        "/.migrations_working_state",
        "/_template/shop*",
        "/_ingest/pipeline/shop-in",
    ] {
        drop(client.send(Request::delete(path)));
    }
    for name in server.get("/_snapshot").as_object().unwrap().keys() {
        server.delete(&format!("/_snapshot/{name}"));
    }
}

/// What a plan says of each phase, as JSON.
fn changes(place: &Place, arguments: &[&str]) -> BTreeMap<String, Value> {
    let mut all = vec!["plan", "--format", "json"];
    all.extend(arguments);
    let planned: Value = serde_json::from_str(&place.mig(&all).ends_with(0).out).unwrap();
    let mut found = BTreeMap::new();
    each_change(&planned, &mut |change| {
        let address = change["address"].as_str().unwrap().to_owned();
        found.entry(address).or_insert_with(|| change.clone());
    });
    found
}

/// The phases with work.
fn working(place: &Place, arguments: &[&str]) -> Vec<String> {
    let idle = ["up-to-date", "decide"].map(Value::from);
    let found = changes(place, arguments).into_iter();
    let found = found.filter(|(_, change)| !idle.contains(&change["action"]));
    found.map(|(address, _)| address).collect()
}

/// Every object that has an address and an action, wherever it stands.
fn each_change(value: &Value, visit: &mut dyn FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("address") && fields.contains_key("action") {
                visit(value);
            }
            fields.values().for_each(|value| each_change(value, visit));
        }
        Value::Array(list) => list.iter().for_each(|value| each_change(value, visit)),
        _ => {}
    }
}

fn of_hop(hop: &str) -> Vec<String> {
    let phases = ["base", "docs", "mappings", "same"];
    phases.map(|phase| format!("{hop}/{phase}")).to_vec()
}

/// The servers of the path from 5.6 to 3.3, what the first holds, and where snapshots go.
struct Path4 {
    servers: [Server; 4],
    corpus: Corpus,
    stores: Stores,
}

impl Path4 {
    fn start(docs: usize) -> Self {
        let servers = std::thread::scope(|scope| {
            let two = scope.spawn(|| [OS219.start(), OS33.start()]);
            let [first, second] = [ES56.start(), ES710.start()];
            let [third, fourth] = two.join().unwrap();
            [first, second, third, fourth]
        });
        let corpus = make(&servers[0], docs);
        let stores = Stores::new(&servers[0], "path");
        Self {
            servers,
            corpus,
            stores,
        }
    }

    /// A plan over the first `count` of them.
    fn plan(&self, name: &str, count: usize) -> String {
        let stops = [&ES56, &ES710, &OS219, &OS33];
        let path: Vec<(&Stop, String)> = stops
            .into_iter()
            .zip(self.servers.iter().map(|server| server.url().to_owned()))
            .take(count)
            .collect();
        plan(name, &path, &self.stores.0)
    }
}

/// Applied whole, appended to and planned again; gated by the proof of each hop; told what is added at the source; and good
/// without the clusters that it is through with.
#[test]
fn es_5_6_over_7_10_and_opensearch_2_to_3() {
    if !is_its_day(0, 3) {
        return;
    }
    let mut all = Path4::start(DOCS);
    let [first, second, third, fourth] = &all.servers;
    let place = Place::of_plan(&all.plan("shop", 3));
    assert_eq!(
        working(&place, &["--until", "es56->es710"]),
        of_hop("es56->es710")
    );
    place
        .mig(&["plan", "--detailed-exitcode"])
        .ends_with(2)
        .says("comes with an earlier phase");

    // The next hop waits for the proof of this one.
    place
        .mig(&["apply", "--auto-approve", "--until", "es56->es710/docs"])
        .ends_with(0);
    second.put(
        "/shop-items/_doc/1?refresh=true",
        &json!({"title": "somebody else's"}),
    );
    place
        .mig(&["apply", "--auto-approve", "--only", "es56->es710/same"])
        .ends_with(8);
    place
        .mig(&["apply", "--auto-approve", "--only", "es710->os2"])
        .ends_with(1)
        .says("`es56->es710/same`");
    assert!(third.try_get("/shop-items").is_err());
    place
        .mig(&[
            "apply",
            "--auto-approve",
            "--redo",
            "es56->es710/docs",
            "--until",
            "es56->es710",
        ])
        .ends_with(0);
    all_there(second, &all.corpus);
    add_in_the_middle(second, &mut all.corpus);
    second.put(
        "/_template/shop",
        &json!({"index_patterns": ["shop-*"], "order": 3, "settings": {"index.number_of_replicas": "0"},
            "mappings": {"properties": {"tag": {"type": "keyword"}}}, "aliases": {"everything": {}}}),
    );
    assert_eq!(
        working(&place, &["--from", "es710->os2"]),
        of_hop("es710->os2")
    );
    place.apply().ends_with(0);
    place.is_finished();
    all_there(third, &all.corpus);
    assert_eq!(
        third.get("/_template/shop")["shop"]["index_patterns"],
        json!(["shop-*"])
    );

    // A cluster that is appended adds its hop and nothing else: what is said of the others stays byte for byte.
    let before = changes(&place, &[]);
    let whole = all.plan("shop", 4);
    std::fs::write(place.path("plan.yaml"), &whole).unwrap();
    assert_eq!(working(&place, &[]), of_hop("os2->os3"));
    assert_eq!(working(&place, &["--until", "es710->os2"]), [""; 0]);
    assert_eq!(
        working(&place, &["--until", "os2->os3"]),
        of_hop("os2->os3")
    );
    let mut after = changes(&place, &[]);
    after.retain(|address, _| !address.starts_with("os2->os3/"));
    assert_eq!(before, after);
    place.apply().ends_with(0);
    place.is_finished();
    all_there(fourth, &all.corpus);

    // An early hop that is to be done otherwise: it is said what that means for those behind it, and nothing of them is done.
    let stamp = "transforms:\n  stamp: { indices: [shop-tuned], steps: [{ set: { field: stamped, value: 1 } }] }\nhop-overrides:\n  \"es56->es710\":\n    docs: { transforms: [stamp] }\n";
    let otherwise = whole.replace("hop-overrides:\n  \"es56->es710\":\n", stamp);
    assert_ne!(otherwise, whole);
    std::fs::write(place.path("plan.yaml"), otherwise).unwrap();
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(3);
    let redone = ["es56->es710/docs", "es56->es710/same"];
    assert_eq!(working(&place, &["--redo", "es56->es710/docs"]), redone);
    let told = changes(&place, &[]);
    let told = told["es710->os2/base"].to_string();
    assert!(
        told.contains("is written by `es56->es710/docs` after this snapshot"),
        "{told}"
    );
    // With the snapshot taken anew, what stands behind it is shown as written anew, too.
    std::fs::write(place.path("plan.yaml"), &whole).unwrap();
    let anew = ["es710->os2/base", "es710->os2/docs", "es710->os2/same"];
    assert_eq!(working(&place, &["--redo", "es710->os2/base"]), anew);

    // One cluster by two names, which the addresses don't tell.
    let second_again = second.url().replace("127.0.0.1", "localhost");
    let path = [
        (&ES56, first.url().to_owned()),
        (&ES710, second.url().to_owned()),
        (&AGAIN, second_again),
    ];
    Place::of_plan(&plan("itself", &path, &all.stores.0))
        .mig(&["plan"])
        .ends_with(1)
        .says("`es710` and `again` are one cluster");

    // What is added at the first source is told, and goes nowhere by itself.
    first.put("/shop-late", &json!({}));
    place
        .mig(&["plan", "--detailed-exitcode"])
        .ends_with(0)
        .says("shop-late");
    place.apply().ends_with(0).says("shop-late");
    for server in [second, third, fourth] {
        assert!(server.try_get("/shop-late").is_err());
    }
    first.delete("/shop-late");

    // What the path is through with may go; the last cluster may not.
    first.stop();
    second.stop();
    place
        .mig(&["plan", "--detailed-exitcode"])
        .ends_with(0)
        .says("can't be reached now");
    place.apply().ends_with(0);
    place
        .mig(&["plan", "--redo", "es56->es710/docs"])
        .ends_with(1);
    fourth.stop();
    place.mig(&["plan"]).ends_with(1).says("cluster `os3`");
}

/// Killed in each hop while it takes a snapshot, makes indices and writes documents, and resumed by a plain apply.
#[test]
#[cfg(feature = "failpoints")]
#[allow(clippy::print_stdout, reason = "where the kills were, for people")]
fn a_path_that_is_killed_in_each_hop_is_finished_by_a_plain_apply() {
    if !is_its_day(1, 3) {
        return;
    }
    let mut all = Path4::start(DOCS / 2);
    let place = Place::of_plan(&all.plan("killed", 4));
    let mut histogram = BTreeMap::new();
    for hop in ["es56->es710", "es710->os2", "os2->os3"] {
        for (point, hit, phase) in [
            ("snapshot.create.after", 1, "base"),
            ("metadata.put.after", 3, "mappings"),
            ("tune-after-put", 2, "docs"),
            ("cluster-after-bulk", 2, "docs"),
            ("target.read.partition", 3, "same"),
        ] {
            let ran = place
                .command(&["apply", "--auto-approve"])
                .env("MIG_FAILPOINT", format!("{point}:{hit}"))
                .output()
                .unwrap();
            assert_eq!(
                ran.status.code(),
                None,
                "{hop} {point}: {}",
                String::from_utf8_lossy(&ran.stderr)
            );
            let at = phase_at_the_kill(&place);
            assert_eq!(at, format!("{hop}/{phase}"), "{point}:{hit}");
            *histogram.entry(at).or_insert(0) += 1;
        }
        // The proof of this hop, and no further.
        place
            .mig(&["apply", "--auto-approve", "--until", hop])
            .ends_with(0);
        if hop == "es56->es710" {
            add_in_the_middle(&all.servers[1], &mut all.corpus);
        }
    }
    print(&histogram);
    place.apply().ends_with(0);
    place.is_finished();
    for server in &all.servers[1..] {
        all_there(server, &all.corpus);
    }
    for stop in [&ES56, &ES710, &OS219] {
        assert_eq!(all.stores.snapshots(stop), 1, "snapshots of {}", stop.name);
    }
    // The state is lost: what stands on clusters and in stores is enough.
    std::fs::remove_dir_all(place.path("state")).unwrap();
    place.apply().ends_with(0);
    place.is_finished();
    for stop in [&ES56, &ES710, &OS219] {
        assert_eq!(all.stores.snapshots(stop), 1, "snapshots of {}", stop.name);
    }
    all.servers.iter().for_each(wipe);
}

/// Elasticsearch 6.8 with its types, and 7.17, as clusters in the middle.
#[test]
fn es_6_8_and_7_17_stand_in_the_middle() {
    if !is_its_day(2, 3) {
        return;
    }
    let first = ES56.start();
    let corpus = make(&first, 120);
    let (second, third) = (ES68.start(), ES717.start());
    let stores = Stores::new(&first, "old");
    let path = [
        (&ES56, first.url().to_owned()),
        (&ES68, second.url().to_owned()),
        (&ES717, third.url().to_owned()),
    ];
    let place = Place::of_plan(&plan("middle", &path, &stores.0));
    // A server of that time takes no snapshot of a closed index: known before anything is written.
    first.post("/shop-empty/_close", &json!({}));
    place
        .mig(&["plan"])
        .ends_with(4)
        .says("index shop-empty is closed on es56");
    first.post("/shop-empty/_open", &json!({}));
    place.apply().ends_with(0);
    place.is_finished();
    all_there(&second, &corpus);
    all_there(&third, &corpus);
    // A plan that is written from the live source is one without a finding, and names what is there.
    let written = Place::empty();
    written
        .mig(&["init", "--from", second.url(), "--to", third.url()])
        .ends_with(0);
    let text = std::fs::read_to_string(written.path("plan.yaml")).unwrap();
    assert!(
        text.contains("elasticsearch:6.8") && text.contains("\"shop-*\""),
        "{text}"
    );
    written.mig(&["validate", "--deny-warnings"]).ends_with(0);
    // By hand, as applications of that time ask: the type is `_doc`.
    let mapping = second.get("/shop-items/_mapping?include_type_name=true");
    assert!(
        mapping["shop-items"]["mappings"]["_doc"].is_object(),
        "{mapping}"
    );
    // All of it is taken back: snapshots whose mark stands in their names too.
    place.mig(&["rollback", "--auto-approve"]).ends_with(0);
    for stop in [&ES56, &ES68] {
        assert_eq!(stores.snapshots(stop), 0, "snapshots of {}", stop.name);
    }
    for server in [&second, &third] {
        assert!(server.try_get("/shop-items").is_err());
    }
}

/// Elasticsearch 6.8 would make an index for documents by itself, and can't be told not to: what is written through the
/// alias of an index that is removed, or made anew under its name, goes nowhere.
#[test]
fn es_6_8_makes_no_index_for_documents() {
    let server = ES68.start();
    let target = ClusterTarget::open(server.client(), "none", "lineage").unwrap();
    target.prepare("none").unwrap();
    let body = json!({"settings": {"index.number_of_shards": "1"}, "mappings": {"properties": {"n": {"type": "long"}}}});
    let key = ObjectKey {
        kind: ObjectKind::Index,
        name: "shop-a".into(),
    };
    for made_anew in [false, true] {
        target.put(&key, &body).unwrap();
        let part = PartKey {
            index: key.name.clone(),
            part: "0".into(),
        };
        let mut writer = target.open_part(&part, None, None).unwrap();
        let mut send = |id: &str| {
            let mut batch = Batch::default();
            let action = Action {
                index: None,
                id,
                routing: None,
                version: Some(1),
                create: false,
                delete: false,
            };
            batch.push(0, action, b"{\"n\":1}");
            writer
                .submit(batch, Box::new(()))
                .and_then(|_| writer.checkpoint())
        };
        assert_eq!(send("1").unwrap().1.written, 1);
        assert_eq!(server.count("shop-a"), 1);
        server.delete("/shop-a");
        if made_anew {
            target.put(&key, &body).unwrap();
        }
        let error = send("2").unwrap_err();
        assert!(matches!(error, TargetError::Replaced { .. }), "{error}");
        if made_anew {
            assert_eq!(server.count("shop-a"), 0);
            server.delete("/shop-a");
        }
        let indices = server.get("/_cat/indices?format=json&h=index");
        assert_eq!(indices, json!([{"index": ".migrations_working_state"}]));
    }
}
