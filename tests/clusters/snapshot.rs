//! Snapshots that are taken of a real cluster: adopted instead of taken twice, widened, lost, taken back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::place::{Place, Ran};
use super::support::{Scope, Server, elasticsearch, is_its_day};

/// A plan with a source of its own on a shared server, and a directory as target.
struct Case {
    scope: Scope<'static>,
    server: &'static Server,
    place: Place,
}

impl Case {
    fn new(what: &str) -> Self {
        let server = elasticsearch();
        let scope = Scope::on(&[server], what);
        let case = Self {
            place: Place::empty(),
            scope,
            server,
        };
        case.plan(&["*"], "");
        case
    }

    /// Writes the plan: indices without the prefix of the scope, further fields of the snapshot.
    fn plan(&self, indices: &[&str], more: &str) {
        self.plan_with(self.server.url(), "7.10", indices, more, "");
    }

    fn plan_with(&self, url: &str, version: &str, indices: &[&str], more: &str, docs: &str) {
        let store = self.scope.repository(self.server);
        let indices: Vec<String> = indices.iter().map(|it| self.scope.name(it)).collect();
        let plan = format!(
            "mig: 1\nplan: {}\nstate: state\nclusters:\n  es: {{ endpoint: \"{url}\", version: \"{version}\" }}\n  \
             os: {{ directory: out, as: \"2.19\" }}\nstores:\n  snapshots: {{ directory: {} }}\nphases:\n  \
             base: {{ snapshot: {{ of: es, to: snapshots, indices: {}{more} }} }}\n  \
             mappings: {{ metadata: {{ from: base, to: os, include: {{ templates: none, component-templates: none }} }} }}\n  \
             docs: {{ backfill: {{ from: base, to: os{docs} }} }}\n  \
             same: {{ verify: {{ source: base, target: os, content: full }} }}\n",
            self.scope.prefix(),
            store.display(),
            json!(indices),
        );
        std::fs::write(self.place.path("plan.yaml"), plan).unwrap();
    }

    fn index(&self, name: &str, docs: u32, bytes: usize) {
        let index = self.scope.name(name);
        let body = json!({
            "settings": {"number_of_shards": 2, "number_of_replicas": 0},
            "mappings": {"dynamic": false},
        });
        self.server.put(&format!("/{index}"), &body);
        let mut lines = String::new();
        for number in 0..docs {
            let text = noise(number, bytes);
            let action = json!({"index": {"_id": number.to_string()}});
            lines.push_str(&format!("{action}\n{}\n", json!({ "t": text })));
        }
        if docs > 0 {
            self.server.bulk(&index, &lines);
            self.server.post(&format!("/{index}/_refresh"), &json!({}));
        }
    }

    fn repository(&self) -> String {
        format!("mig-{}-snapshots", self.scope.prefix())
    }

    /// All snapshots of the plan's repository, as the server has them.
    fn snapshots(&self) -> Vec<Value> {
        let answer = self
            .server
            .get(&format!("/_snapshot/{}/_all", self.repository()));
        answer["snapshots"].as_array().unwrap().clone()
    }
}

/// Text that does not compress.
fn noise(seed: u32, bytes: usize) -> String {
    let mut state = u64::from(seed) * 2 + 0x9e37_79b9_7f4a_7c15;
    (0..bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'0' + u8::try_from(state % 75).unwrap())
        })
        .filter(char::is_ascii_alphanumeric)
        .collect()
}

#[test]
fn a_provisional_plan_is_applied_to_its_end_and_taken_back() {
    let case = Case::new("whole");
    case.index("open", 20, 50);
    case.index("closed", 5, 50);
    case.index("empty", 0, 0);
    case.index("tmp", 1, 50);
    let closed = case.scope.name("closed");
    case.server.post(&format!("/{closed}/_close"), &json!({}));
    case.plan(&["open", "closed", "empt*"], ", rate-per-node: 40MiB/s");
    let plan = case.place.mig(&["plan"]).ends_with(0);
    let plan = plan
        .says("provisional")
        .says("20 docs")
        .says("40MiB/s on each of 1 data node");
    plan.says("no pattern chooses it");
    let json = case.place.mig(&["plan", "--format", "json"]).ends_with(0);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    for phase in json["phase_changes"].as_array().unwrap() {
        let wanted = phase["address"] != "base";
        assert_eq!(phase["decided"]["provisional"], wanted, "{phase:#}");
    }
    case.place
        .apply()
        .ends_with(0)
        .says("25 of 25 documents of 3 indices are equal");
    case.place.is_finished();
    let taken = case.snapshots();
    assert_eq!(taken.len(), 1, "{taken:#?}");
    assert_eq!(taken[0]["indices"].as_array().unwrap().len(), 3);
    assert_eq!(taken[0]["metadata"]["mig"]["plan"], case.scope.prefix());
    let undone = case.place.mig(&["rollback", "--auto-approve"]).ends_with(0);
    undone
        .says("deletes snapshot `")
        .says("takes the repository `");
    let registered = case.server.get("/_snapshot");
    assert_eq!(registered.get(case.repository()), None);
}

#[cfg(feature = "failpoints")]
#[test]
fn killed_anywhere_it_goes_on_with_the_same_snapshot() {
    let case = Case::new("killed");
    case.index("big", 300, 8000);
    case.plan(&["big"], ", rate-per-node: 500KiB/s");
    for point in [
        "snapshot.register.before",
        "snapshot.register.after",
        "snapshot.create.before",
        "snapshot.create.after",
    ] {
        let mut command = case.place.command(&["apply", "--auto-approve"]);
        let ended = command.env("MIG_FAILPOINT", point).output().unwrap();
        assert_eq!(ended.status.code(), None, "{point}: {ended:?}");
    }
    assert_eq!(case.snapshots()[0]["state"], "IN_PROGRESS");
    case.place
        .mig(&["plan"])
        .ends_with(0)
        .says("is being taken: waits for it");
    let mut command = case.place.command(&["apply", "--auto-approve"]);
    let ended = command
        .env("MIG_FAILPOINT", "snapshot.whole")
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), None, "{ended:?}");
    case.place.apply().ends_with(0);
    case.place.is_finished();
    assert_eq!(case.snapshots().len(), 1);
}

#[test]
fn without_its_state_it_knows_its_snapshot_again() {
    let case = Case::new("lost");
    case.index("one", 10, 50);
    case.plan(&["one"], "");
    case.place.apply().ends_with(0);
    std::fs::remove_dir_all(case.place.path("state")).unwrap();
    case.place
        .mig(&["plan"])
        .ends_with(0)
        .says("planned with what an earlier run left");
    case.place.apply().ends_with(0).says("was adopted");
    case.place.is_finished();
    assert_eq!(case.snapshots().len(), 1);
}

#[test]
fn a_wider_selector_takes_the_new_indices_alone() {
    let case = Case::new("wider");
    case.index("one", 10, 50);
    case.index("two", 7, 50);
    case.plan(&["one"], "");
    case.place.apply().ends_with(0);
    case.plan(&["one", "two"], "");
    let plan = case
        .place
        .mig(&["plan"])
        .ends_with(0)
        .says("a further snapshot");
    let two = case.scope.name("two");
    assert!(
        plan.out.matches(&format!("index {two}")).count() >= 3,
        "{}",
        plan.out
    );
    case.place
        .apply()
        .ends_with(0)
        .says("17 of 17 documents of 2 indices are equal");
    case.place.is_finished();
    let taken = case.snapshots();
    assert_eq!(taken.len(), 2);
    assert_eq!(taken[1]["indices"], json!([two]));
}

#[test]
fn what_moved_at_the_source_is_told_and_a_source_that_is_down_is_not_needed() {
    let case = Case::new("moved");
    case.index("anew", 3, 50);
    case.index("gone", 3, 50);
    case.plan(&["*"], "");
    case.place.apply().ends_with(0);
    case.server.delete(&format!("/{}", case.scope.name("gone")));
    case.server.delete(&format!("/{}", case.scope.name("anew")));
    case.index("anew", 1, 50);
    case.index("later", 1, 50);
    let plan = case
        .place
        .mig(&["plan", "--detailed-exitcode"])
        .ends_with(0);
    let text = plan.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for (what, name) in [
        ("made anew", "anew"),
        ("gone at the source", "gone"),
        ("came later", "later"),
    ] {
        assert!(
            text.contains(what) && text.contains(&case.scope.name(name)),
            "{what}: {text}"
        );
    }
    case.plan_with("http://127.0.0.1:9", "7.10", &["*"], "", "");
    let plan = case
        .place
        .mig(&["plan", "--detailed-exitcode"])
        .ends_with(0);
    plan.says("the source was not looked at");
    std::fs::remove_dir_all(case.place.path("state")).unwrap();
    std::fs::remove_dir_all(case.scope.repository(case.server)).ok();
    let other = Case::new("down");
    other.plan_with("http://127.0.0.1:9", "7.10", &["*"], "", "");
    other
        .place
        .mig(&["plan"])
        .ends_with(1)
        .says("can't be reached");
    other.plan_with(other.server.url(), "7.9", &["*"], "", "");
    other
        .place
        .mig(&["plan"])
        .ends_with(1)
        .says("the plan says");
}

#[test]
fn a_snapshot_that_somebody_deletes_is_named_with_the_generations() {
    let case = Case::new("vanished");
    case.index("one", 120, 50);
    case.plan_with(
        case.server.url(),
        "7.10",
        &["one"],
        "",
        ", limits: { docs: 20/s, batch: 1KiB }",
    );
    let mut running = case
        .place
        .spawn(&["apply", "--auto-approve", "--events", "events.jsonl"]);
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        let events = std::fs::read_to_string(case.place.path("events.jsonl")).unwrap_or_default();
        if events.contains("\"address\":\"docs\"") && events.contains("phase_start") {
            break;
        }
        assert!(Instant::now() < until, "{events}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let first = case.snapshots().remove(0);
    let name = first["snapshot"].as_str().unwrap().to_owned();
    case.server
        .delete(&format!("/_snapshot/{}/{name}", case.repository()));
    let ended = running.wait().unwrap();
    assert!(!ended.success());
    let plan = case.place.mig(&["plan"]).ends_with(4);
    let text = plan.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("was at generation 0 then, and at 1 it is not in it"),
        "{text}"
    );
    let events = std::fs::read_to_string(case.place.path("events.jsonl")).unwrap();
    assert!(
        events.contains(&name) && events.contains("the repository was at generation 0"),
        "{events}"
    );
    case.place
        .mig(&[
            "apply",
            "--auto-approve",
            "--redo",
            "base",
            "--only",
            "base",
        ])
        .ends_with(0);
    // The name may be the same, since it is free again; the snapshot is another one.
    assert_ne!(case.snapshots()[0]["uuid"], first["uuid"]);
}

#[test]
fn a_snapshot_that_lacks_shards_is_never_used() {
    let case = Case::new("partial");
    case.index("one", 5, 50);
    case.plan(&["one"], "");
    case.place
        .mig(&["apply", "--auto-approve", "--only", "base"])
        .ends_with(0);
    let red = case.scope.name("red");
    let nowhere = json!({"settings": {"number_of_shards": 1, "number_of_replicas": 0,
        "index.routing.allocation.require._name": "nowhere"}});
    case.server
        .put(&format!("/{red}?wait_for_active_shards=0"), &nowhere);
    case.plan(&["one", "red"], "");
    case.place
        .mig(&["plan"])
        .ends_with(4)
        .says("a shard without a primary");
    // What a cluster leaves where a shard fails in the middle, with the mark of this phase.
    let first = case.snapshots().remove(0);
    let mut mark = first["metadata"].clone();
    mark["mig"]["number"] = json!(2);
    let name = format!("{}-2", first["snapshot"].as_str().unwrap());
    let body = json!({"indices": [red], "partial": true, "metadata": mark});
    let path = format!("/_snapshot/{}/{name}", case.repository());
    drop(
        case.server
            .put(&format!("{path}?wait_for_completion=true"), &body),
    );
    let state = case.snapshots().pop().unwrap()["state"].clone();
    assert_eq!(state, "PARTIAL");
    case.plan(&["one"], "");
    let plan = case.place.mig(&["plan"]).ends_with(4);
    let text = plan.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains(&name) && text.contains("is not complete (PARTIAL)"),
        "{text}"
    );
    assert!(text.contains("--redo base"), "{text}");
}

#[test]
fn a_place_that_the_cluster_may_not_write_to_is_named_with_the_line_that_allows_it() {
    let case = Case::new("place");
    case.index("one", 1, 50);
    let elsewhere = case.place.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    case.plan(&["one"], "");
    let plan = std::fs::read_to_string(case.place.path("plan.yaml")).unwrap();
    let store = case.scope.repository(case.server).display().to_string();
    let plan = plan.replace(&store, &elsewhere.display().to_string());
    std::fs::write(case.place.path("plan.yaml"), plan).unwrap();
    let failed = case
        .place
        .apply()
        .ends_with(9)
        .says("it is in no `path.repo`");
    failed.says(&format!("path.repo: [\"{}\"]", elsewhere.display()));
    assert_eq!(case.server.get("/_snapshot").get(case.repository()), None);
}

#[test]
fn a_snapshot_of_somebody_else_stays_and_is_not_taken_for_its_own() {
    let case = Case::new("foreign");
    case.index("one", 1, 50);
    case.plan(&["one"], ", name: nightly");
    let location = case.scope.repository(case.server);
    let name = case.scope.name("theirs");
    let theirs = json!({"type": "fs", "settings": {"location": location}});
    case.server.put(&format!("/_snapshot/{name}"), &theirs);
    case.place
        .mig(&["plan"])
        .ends_with(4)
        .says("two ways into one repository");
    let path = format!("/_snapshot/{name}/nightly?wait_for_completion=true");
    case.server
        .put(&path, &json!({"indices": [case.scope.name("one")]}));
    case.server.delete(&format!("/_snapshot/{name}"));
    case.place
        .mig(&["plan"])
        .ends_with(4)
        .says("not taken by mig");
}

#[test]
fn a_snapshot_is_deleted_once_nothing_needs_it_and_a_later_plan_says_so() {
    if !is_its_day(2, 3) {
        return;
    }
    let load = super::load::Load::new(
        super::support::opensearch2(),
        "deleted",
        300,
        &[],
        "workers: 2",
    );
    let place = &load.place;
    let delete = |more: &[&str]| {
        let mut command =
            place.command(&[&["snapshot", "delete", "--auto-approve"], more].concat());
        Ran::of(&command.env("MIG_USER", "ann").output().unwrap())
    };
    delete(&[]).ends_with(1).says("`base` took no snapshot");
    place
        .mig(&["apply", "--auto-approve", "--until", "docs"])
        .ends_with(0);
    let repository = format!("/_snapshot/mig-{}-snapshots", load.scope.prefix());
    let listed = || load.source.get(&format!("{repository}/_all"))["snapshots"].clone();
    // The proof is not made: it is still needed.
    delete(&[])
        .ends_with(1)
        .says("still needed by `same`: it is not done")
        .says("`--force` deletes it all the same");
    assert_eq!(listed().as_array().unwrap().len(), 1);
    place.apply().ends_with(0);
    place
        .mig(&["snapshot", "delete"])
        .ends_with(1)
        .says("there is no terminal to ask on")
        .says("nothing was deleted");
    let mut command = place.command(&["snapshot", "delete", "--auto-approve"]);
    let killed = command.env("MIG_FAILPOINT", "snapshot.delete.journalled");
    assert_eq!(
        killed
            .env("MIG_USER", "ann")
            .output()
            .unwrap()
            .status
            .code(),
        None
    );
    assert_eq!(listed().as_array().unwrap().len(), 1);
    let name = listed()[0]["snapshot"].as_str().unwrap().to_owned();
    let deleted = delete(&["--json"]).ends_with(0);
    assert!(deleted.out.contains(&name), "{deleted:?}");
    assert_eq!(listed(), json!([]));
    delete(&[]).ends_with(0).says("deleted already");

    // Nothing is taken in its place, and what was done stands.
    let plan = place.mig(&["plan", "--detailed-exitcode", "--detail", "full"]);
    plan.ends_with(0).says("deleted by ann");
    place.apply().ends_with(0);
    assert_eq!(listed(), json!([]));
    place
        .mig(&["snapshot", "status"])
        .ends_with(0)
        .says("deleted by ann");
    place
        .mig(&["snapshot", "create", "--auto-approve"])
        .ends_with(1)
        .says("`mig apply --redo base` takes another");
    // What would have to read it asks.
    load.replace("workers: 2", "workers: 2, versions: drop");
    place.mig(&["plan"]).ends_with(4).says("MIG361");
    load.replace("workers: 2, versions: drop", "workers: 2");
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
    // Another one is taken when it is asked for, and all is moved and proved by it.
    place
        .mig(&["apply", "--auto-approve", "--redo", "base"])
        .ends_with(0);
    assert_eq!(listed().as_array().unwrap().len(), 1);
    load.is_whole();
}
