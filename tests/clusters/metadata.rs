//! Metadata phases of whole plans: from a snapshot of Elasticsearch 7.10 to OpenSearch 2 and 3.

use serde_json::{Value, json};

use super::place::Place;
use super::support::{Scope, Server, elasticsearch, opensearch2, opensearch3};

/// A snapshot of what a test made on the source, and a plan over it.
struct Run<'a> {
    scope: Scope<'a>,
    target: &'a Server,
    place: Place,
}

impl<'a> Run<'a> {
    fn new(target: &'a Server, what: &str, make: impl FnOnce(&Scope<'_>, &Server)) -> Self {
        let source = elasticsearch();
        let scope = Scope::on(&[source, target], what);
        make(&scope, source);
        let repository = scope.repository(source);
        let repository = json!({"type": "fs", "settings": {"location": repository}});
        source.put(&format!("/_snapshot/{}", scope.prefix()), &repository);
        let snapshot = json!({"indices": scope.name("*"), "expand_wildcards": "all", "include_global_state": true});
        let path = format!("/_snapshot/{}/one?wait_for_completion=true", scope.prefix());
        let taken = source.put(&path, &snapshot);
        assert_eq!(taken["snapshot"]["state"], "SUCCESS", "{taken:#}");
        let run = Self {
            scope,
            target,
            place: Place::empty(),
        };
        run.plan("");
        run
    }

    /// Writes the plan; `more` stands in the metadata phase.
    fn plan(&self, more: &str) {
        let prefix = self.scope.prefix();
        let text = format!(
            "mig: 1\nplan: {prefix}\nstate: state\nclusters:\n  os: {{ endpoint: \"{url}\" }}\n\
             stores:\n  snapshots: {{ directory: {repository} }}\nphases:\n\
             \x20 base: {{ snapshot: {{ existing: {{ store: snapshots, name: one }} }} }}\n\
             \x20 meta: {{ metadata: {{ from: base, to: os, include: {{ templates: [\"{prefix}*\"], component-templates: [\"{prefix}*\"], pipelines: none, scripts: none }}{more} }} }}\n",
            url = self.target.url(),
            repository = self.scope.repository(elasticsearch()).display(),
        );
        std::fs::write(self.place.path("plan.yaml"), text).unwrap();
    }

    fn get(&self, name: &str) -> Value {
        let name = self.scope.name(name);
        self.target.get(&format!("/{name}?flat_settings=true"))[name.as_str()].clone()
    }

    fn is_there(&self, path: &str) -> bool {
        self.target.try_get(path).is_ok()
    }
}

fn shop(scope: &Scope<'_>, source: &Server) {
    let name = |name: &str| scope.name(name);
    let settings = json!({"number_of_shards": 2, "number_of_replicas": 0});
    let put = |index: &str, body: &Value| source.put(&format!("/{}", name(index)), body);
    put(
        "plain",
        &json!({"settings": {"number_of_shards": 2, "number_of_replicas": 0, "merge.policy.max_merge_at_once_explicit": 20},
            "mappings": {"properties": {"title": {"type": "text"}}}}),
    );
    put("closed", &json!({"settings": settings}));
    put(
        "held",
        &json!({"settings": {"number_of_replicas": 0, "blocks.write": true, "auto_expand_replicas": "0-1"}}),
    );
    put(
        "routed",
        &json!({"settings": {"number_of_shards": 3, "number_of_routing_shards": 12, "number_of_replicas": 0},
        "mappings": {"_routing": {"required": true}}}),
    );
    source.post("/_aliases", &json!({"actions": [
        {"add": {"index": name("plain"), "alias": name("read"), "filter": {"term": {"title": "tea"}}}},
        {"add": {"index": name("routed"), "alias": name("read"), "routing": "r", "is_write_index": true}}]}));
    source.put(
        &format!("/_component_template/{}", name("parts")),
        &json!({"template": {"settings": {"number_of_replicas": 0}}}),
    );
    source.put(&format!("/_index_template/{}", name("new")), &json!({"index_patterns": [name("plain*")], "composed_of": [name("parts")],
        "priority": 300, "template": {"mappings": {"properties": {"only-in-template": {"type": "long"}}}, "aliases": {name("all"): {}}}}));
    source.put(&format!("/_template/{}", name("old")), &json!({"index_patterns": [name("closed*")], "order": 3,
        "settings": {"refresh_interval": "30s"}, "mappings": {"properties": {"when": {"type": "date"}}}}));
    source.post(&format!("/{}/_close", name("closed")), &json!({}));
}

fn on_both(test: impl Fn(&'static Server)) {
    test(opensearch2());
    test(opensearch3());
}

#[test]
fn what_a_plan_makes_is_planned_again_as_nothing_and_taken_back() {
    on_both(|target| {
        let run = Run::new(target, "meta", shop);
        let name = |name: &str| run.scope.name(name);
        run.place
            .mig(&["plan", "--detailed-exitcode"])
            .ends_with(2)
            .says("MIG117");
        assert!(
            !run.is_there(&format!("/{}", name("plain"))),
            "planning makes nothing"
        );
        run.place.apply().ends_with(0);
        let plain = run.get("plain");
        assert_eq!(
            plain["mappings"],
            json!({"properties": {"title": {"type": "text"}}}),
            "no template had a say"
        );
        assert_eq!(
            plain["aliases"],
            json!({name("read"): {"filter": {"term": {"title": "tea"}}}})
        );
        let routed = run.get("routed");
        assert_eq!(routed["settings"]["index.number_of_routing_shards"], "12");
        assert_eq!(
            routed["aliases"],
            json!({name("read"): {"index_routing": "r", "search_routing": "r", "is_write_index": true}})
        );
        let held = run.get("held");
        assert_eq!(held["settings"].get("index.blocks.write"), None, "{held:#}");
        let template = target.get(&format!("/_index_template/{}", name("new")));
        assert_eq!(
            template["index_templates"][0]["index_template"]["composed_of"],
            json!([name("parts")])
        );
        assert_eq!(
            target.get(&format!("/_template/{}", name("old")))[name("old")]["order"],
            3
        );
        run.place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
        // With the state lost, what is there is adopted.
        std::fs::rename(run.place.path("state"), run.place.path("lost")).unwrap();
        run.place.apply().ends_with(0);
        run.place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
        // A mapping that grew on the target is no difference.
        target.post(
            &format!("/{}/_doc/1?refresh=true", name("plain")),
            &json!({"grown": 1}),
        );
        run.place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
        run.place
            .mig(&["rollback", "--auto-approve"])
            .ends_with(9)
            .says("it holds 1 document");
        assert!(
            run.is_there(&format!("/{}", name("plain"))),
            "a document is never dropped"
        );
        target.delete(&format!("/{}/_doc/1?refresh=true", name("plain")));
        run.place.mig(&["rollback", "--auto-approve"]).ends_with(0);
        for path in ["plain", "closed", "held", "routed"].map(|index| format!("/{}", name(index))) {
            assert!(!run.is_there(&path), "{path}");
        }
        assert!(!run.is_there(&format!("/_index_template/{}", name("new"))));
        assert!(!run.is_there(&format!("/_template/{}", name("old"))));
        assert!(!run.is_there(&format!("/_component_template/{}", name("parts"))));
    });
}

#[test]
fn an_index_that_is_there_is_left_kept_or_replaced_as_the_plan_says() {
    on_both(|target| {
        let run = Run::new(target, "exists", shop);
        let name = |name: &str| run.scope.name(name);
        let equal = json!({"settings": {"number_of_shards": 2, "number_of_replicas": 0}, "mappings": {"properties": {"title": {"type": "text"}}}});
        target.put(&format!("/{}", name("plain")), &equal);
        let other = json!({"settings": {"number_of_shards": 5, "number_of_replicas": 0}});
        target.put(&format!("/{}", name("routed")), &other);
        let path = format!("/{}/_settings", name("routed"));
        let asked = run.place.mig(&["apply", "--auto-approve"]).ends_with(4);
        assert!(
            asked.out.contains("MIG081") || asked.err.contains("MIG081"),
            "{asked:?}"
        );
        assert!(
            !run.is_there(&format!("/{}", name("held"))),
            "nothing is written before the answer"
        );
        let decide =
            |answer: &str| format!(", decide: {{ \"index {}\": {answer} }}", name("routed"));
        run.plan(&decide("keep-target"));
        run.place.apply().ends_with(0);
        run.place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
        let kept = target.get(&path)[name("routed")]["settings"]["index"].clone();
        assert_eq!(kept["number_of_shards"], "5");
        // Replacing what holds a document is refused, and what is there stays.
        target.put(
            &format!("/{}/_doc/1?refresh=true", name("routed")),
            &json!({"mine": true}),
        );
        run.plan(&decide("replace"));
        run.place.apply().ends_with(9).says("holds 1 document");
        assert_eq!(target.count(&name("routed")), 1);
        target.delete(&format!("/{}/_doc/1?refresh=true", name("routed")));
        run.place.apply().ends_with(0);
        let replaced = target.get(&path)[name("routed")]["settings"]["index"].clone();
        assert_eq!(replaced["number_of_shards"], "3");
        run.place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
    });
}

#[test]
fn what_the_target_does_not_know_is_asked_about_before_anything_is_written() {
    on_both(|target| {
        let run = Run::new(target, "unknown", |scope, source| {
            let body = json!({"settings": {"number_of_replicas": 0, "soft_deletes.retention_lease.period": "1h"}});
            source.put(&format!("/{}", scope.name("fine")), &body);
            source.put(&format!("/{}", scope.name("taken")), &json!({}));
        });
        let name = |name: &str| run.scope.name(name);
        target.put(
            &format!("/{}", run.scope.name("other")),
            &json!({"aliases": {name("taken"): {}}}),
        );
        run.place
            .mig(&["apply", "--auto-approve"])
            .ends_with(4)
            .says("MIG340")
            .says("is the name of an alias on os");
        assert!(!run.is_there(&format!("/{}", name("fine"))));
        target.post(
            "/_aliases",
            &json!({"actions": [{"remove": {"index": name("other"), "alias": name("taken")}}]}),
        );
        run.place.apply().ends_with(0);
        run.place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
    });
}

#[cfg(feature = "failpoints")]
#[test]
fn a_kill_between_any_two_writes_leaves_nothing_to_mend() {
    for hit in [
        "metadata.put.before:2",
        "metadata.put.after:5",
        "target.put.held-back:1",
        "*:4",
        "*:11",
        "*:18",
        "*:25",
    ] {
        let run = Run::new(opensearch2(), "kill", shop);
        let mut command = run.place.command(&["apply", "--auto-approve"]);
        let killed = command.env("MIG_FAILPOINT", hit).output().unwrap();
        assert_eq!(
            killed.status.code(),
            None,
            "{hit} was not reached: {killed:?}"
        );
        run.place.apply().ends_with(0);
        run.place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
        let held = run.get("held");
        assert_eq!(held["settings"].get("index.blocks.write"), None, "{held:#}");
        let path = format!(
            "/.migrations_working_state/_doc/held-back:index:{}",
            run.scope.name("held")
        );
        assert!(run.is_there(&path), "what waits is still written down");
    }
}
