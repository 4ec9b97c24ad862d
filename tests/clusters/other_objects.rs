//! What is no index, from real sources to real targets: pipelines, scripts, settings of the cluster, templates of each kind;
//! and the console's commands over them.

use mig::clients::cluster::{ClusterClient, Request};
use mig::clients::target::{ClusterTarget, Target};
use mig::diff::observation::{ObjectKey, ObjectKind};
use mig::engines::metadata::{Proof, Versions, rules, translate};
use serde_json::{Value, json};

use super::place::Place;
use super::support::{Options, Scope, Server, elasticsearch, is_its_day, secured};

fn with_ingest(what: &str) -> Server {
    let options = Options {
        with_ingest: true,
        ..Options::default()
    };
    Server::start(what, &options)
}

fn take_snapshot(scope: &Scope<'_>, source: &Server, indices: &str) {
    let repository = json!({"type": "fs", "settings": {"location": scope.repository(source)}});
    source.put(&format!("/_snapshot/{}", scope.prefix()), &repository);
    let path = format!("/_snapshot/{}/one?wait_for_completion=true", scope.prefix());
    let body = json!({"indices": indices, "include_global_state": true});
    let taken = source.put(&path, &body);
    assert_eq!(taken["snapshot"]["state"], "SUCCESS", "{taken:#}");
}

fn write_plan(place: &Place, scope: &Scope<'_>, source: &Server, target: &Server, more: &str) {
    let text = format!(
        "mig: 1\nplan: {prefix}\nstate: state\nclusters:\n  os: {{ endpoint: \"{url}\" }}\n\
         stores:\n  snapshots: {{ directory: {repository} }}\nphases:\n\
         \x20 base: {{ snapshot: {{ existing: {{ store: snapshots, name: one }} }} }}\n\
         \x20 meta: {{ metadata: {{ from: base, to: os, {more} }} }}\n",
        prefix = scope.prefix(),
        url = target.url(),
        repository = scope.repository(source).display(),
    );
    std::fs::write(place.path("plan.yaml"), text).unwrap();
}

fn intake() -> Value {
    json!({"description": "reads lines of a log", "processors": [
        {"grok": {"field": "line", "patterns": ["%{IP:ip} %{WORD:verb} %{NUMBER:took:int}"],
            "on_failure": [{"set": {"field": "bad", "value": true}}]}},
        {"uppercase": {"field": "verb", "ignore_failure": true}},
        {"rename": {"field": "ip", "target_field": "client.ip", "ignore_missing": true}}]})
}

/// What a pipeline makes of lines, one that does not fit among them.
fn made_by(server: &Server, pipeline: &str) -> Vec<Value> {
    let docs = json!({"docs": [
        {"_index": "i", "_type": "_doc", "_id": "1", "_source": {"line": "10.0.0.1 get 42"}},
        {"_index": "i", "_type": "_doc", "_id": "2", "_source": {"line": "?"}}]});
    let docs = if server.get("/")["version"]["distribution"] == "opensearch" {
        let text = docs.to_string().replace(r#""_type":"_doc","#, "");
        serde_json::from_str(&text).unwrap()
    } else {
        docs
    };
    let answer = server.post(&format!("/_ingest/pipeline/{pipeline}/_simulate"), &docs);
    let docs = answer["docs"].as_array().unwrap();
    docs.iter()
        .map(|doc| doc["doc"]["_source"].clone())
        .collect()
}

fn make_old_source(source: &Server) {
    source.put("/_ingest/pipeline/intake", &intake());
    source.put(
        "/_scripts/find",
        &json!({"script": {"lang": "mustache", "source": "{\"query\":{\"term\":{\"verb\":\"{{verb}}\"}}}"}}),
    );
    let groovy = json!({"script": {"lang": "painless", "source": "return 1"}});
    source.put("/_scripts/one", &groovy);
    source.put(
        "/_cluster/settings",
        &json!({"persistent": {
            "cluster.routing.allocation.node_concurrent_recoveries": 3,
            "cluster.routing.allocation.exclude._ip": "10.0.0.7",
            "logger.org.elasticsearch.transport.netty4": "debug"}}),
    );
    source.put(
        "/_template/all",
        &json!({"template": "*", "order": 0, "settings": {"number_of_replicas": 0, "refresh_interval": "30s"}}),
    );
    source.put(
        "/_template/logs",
        &json!({"template": "logs-*", "order": 3, "version": 7, "settings": {"refresh_interval": "7s"},
            "mappings": {"doc": {"properties": {"verb": {"type": "keyword"}}}}, "aliases": {"logs": {}}}),
    );
    source.put("/logs-1", &json!({"settings": {"number_of_shards": 1}}));
}

/// A text without what is another at each run.
fn stable(text: &str, target: &Server) -> String {
    text.replace(target.url(), "URL")
}

#[test]
fn a_cluster_of_5_6_arrives_with_all_that_is_no_index() {
    if !is_its_day(1, 2) {
        return;
    }
    let source = Server::start("elasticsearch:5.6.16", &Options::default());
    let target = with_ingest("opensearch:2.19.1");
    let scope = Scope::on(&[&source, &target], "rest");
    make_old_source(&source);
    take_snapshot(&scope, &source, "logs-*");
    let place = Place::empty();
    let plan = |more: &str| write_plan(&place, &scope, &source, &target, more);

    // What the target does not have is told before anything is written, by the console's command too.
    plan("legacy-templates: composable");
    place
        .mig(&["plan"])
        .ends_with(4)
        .says("it has no script language `painless`");
    let told = place
        .mig(&["metadata", "evaluate", "--output", "json"])
        .ends_with(4);
    let report: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(report["errorCount"], 1, "{report:#}");
    let failed = &report["items"]["scripts"][1];
    assert_eq!(
        failed["failure"]["type"], "TARGET_CLUSTER_FAILURE",
        "{report:#}"
    );
    assert_eq!(failed["name"], "one");

    plan(
        "legacy-templates: composable, include: { scripts: [\"*\", \"!one\"], cluster-settings: [\"*\"] }",
    );
    let told = place.mig(&["metadata", "evaluate"]).ends_with(0);
    insta::assert_snapshot!("evaluate_from_5_6", stable(&told.out, &target));
    assert!(
        target.try_get("/_ingest/pipeline/intake").is_err(),
        "evaluating makes nothing"
    );
    let told = place
        .mig(&["metadata", "migrate", "--auto-approve"])
        .ends_with(0);
    insta::assert_snapshot!("migrate_from_5_6", stable(&told.out, &target));
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
    let told = place
        .mig(&["metadata", "migrate", "--auto-approve", "--output", "json"])
        .ends_with(0);
    let report: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(
        report["items"]["pipelines"][0]["alreadyThere"], true,
        "{report:#}"
    );

    // They do there what they did.
    assert_eq!(made_by(&source, "intake"), made_by(&target, "intake"));
    assert_eq!(made_by(&target, "intake")[0]["took"], 42);
    let asked = json!({"id": "find", "params": {"verb": "GET"}});
    assert_eq!(
        source.post("/_render/template", &asked)["template_output"],
        target.post("/_render/template", &asked)["template_output"]
    );
    let settings = target.get("/_cluster/settings?flat_settings=true");
    assert_eq!(
        settings["persistent"],
        json!({"cluster.routing.allocation.node_concurrent_recoveries": "3",
            "logger.org.opensearch.transport.netty4": "debug"})
    );
    // A new index gets on both what both templates say, the special one last.
    for server in [&source, &target] {
        server.put("/logs-2", &json!({}));
        let made = server.get("/logs-2?flat_settings=true")["logs-2"].clone();
        assert_eq!(made["settings"]["index.refresh_interval"], "7s", "{made:#}");
        assert_eq!(
            made["settings"]["index.number_of_replicas"], "0",
            "{made:#}"
        );
        assert!(made["aliases"].get("logs").is_some(), "{made:#}");
        assert!(
            made["mappings"]
                .to_string()
                .contains(r#""verb":{"type":"keyword"}"#),
            "{made:#}"
        );
    }

    target.delete("/logs-2");
    place.mig(&["rollback", "--auto-approve"]).ends_with(0);
    for path in [
        "/_ingest/pipeline/intake",
        "/_scripts/find",
        "/_index_template/logs",
        "/logs-1",
    ] {
        assert!(target.try_get(path).is_err(), "{path}");
    }
    let settings = target.get("/_cluster/settings?flat_settings=true");
    assert_eq!(settings["persistent"], json!({}));
}

#[test]
fn what_is_named_and_not_there_is_found_when_planning() {
    let source = elasticsearch();
    let target = with_ingest("opensearch:3.3.0");
    let scope = Scope::on(&[source, &target], "named");
    let name = |name: &str| scope.name(name);
    source.put(
        &format!("/_ingest/pipeline/{}", name("in")),
        &json!({"processors": []}),
    );
    let body = json!({"settings": {"number_of_replicas": 0, "default_pipeline": name("in")}});
    source.put(&format!("/{}", name("a")), &body);
    source.put(
        &format!("/_component_template/{}", name("part")),
        &json!({"template": {"settings": {"number_of_shards": 2}}}),
    );
    let template =
        json!({"index_patterns": [name("x-*")], "composed_of": [name("part")], "priority": 3});
    source.put(&format!("/_index_template/{}", name("whole")), &template);
    take_snapshot(&scope, source, &name("*"));
    source.delete(&format!("/_ingest/pipeline/{}", name("in")));
    let place = Place::empty();
    let prefix = scope.prefix();
    let plan = |include: &str| {
        let more = format!("include: {{ templates: [\"{prefix}*\"], {include} }}");
        write_plan(&place, &scope, source, &target, &more);
    };
    plan("pipelines: none, component-templates: none");
    let ran = place.mig(&["plan"]).ends_with(4).says("MIG098");
    assert!(
        ran.out.contains(&format!("pipeline {}", name("in"))),
        "{}",
        ran.out
    );
    assert!(
        ran.out
            .contains(&format!("component template {}", name("part"))),
        "{}",
        ran.out
    );
    // Made on the target by somebody else, they are there.
    target.put(
        &format!("/_ingest/pipeline/{}", name("in")),
        &json!({"processors": []}),
    );
    target.put(
        &format!("/_component_template/{}", name("part")),
        &json!({"template": {"settings": {"number_of_shards": 2}}}),
    );
    place.mig(&["plan"]).ends_with(0);
    target.delete(&format!("/_ingest/pipeline/{}", name("in")));
    target.delete(&format!("/_component_template/{}", name("part")));
    plan(&format!(
        "pipelines: [\"{prefix}*\"], component-templates: [\"{prefix}*\"]"
    ));
    place.apply().ends_with(0);
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
    // What is written to the index goes through the pipeline that came with it.
    target.put(
        &format!("/_ingest/pipeline/{}", name("in")),
        &json!({"processors": [{"set": {"field": "seen", "value": true}}]}),
    );
    target.post(
        &format!("/{}/_doc/1?refresh=true", name("a")),
        &json!({"n": 1}),
    );
    let found = target.get(&format!("/{}/_doc/1", name("a")));
    assert_eq!(found["_source"], json!({"n": 1, "seen": true}));
    // And what somebody changed is never overwritten without a word.
    place.mig(&["plan"]).ends_with(4).says("MIG081");
}

/// The examples of the rules for pipelines, before and after, as a real target judges them; and plugins that it lacks.
#[test]
fn the_target_refuses_what_a_rule_takes_out_and_takes_what_it_leaves() {
    let target = with_ingest("opensearch:3.3.0");
    let scope = Scope::on(&[&target], "rules");
    let cluster = ClusterTarget::open(target.client(), scope.prefix(), scope.prefix()).unwrap();
    let versions = Versions {
        source: mig::base::version::ProductVersion {
            product: mig::base::version::Product::Elasticsearch,
            version: mig::base::version::Version::new(8, 11, 0),
        },
        target: cluster.version(),
    };
    let mut held = 0;
    for rule in rules().iter().filter(|rule| {
        rule.objects.contains(&ObjectKind::IngestPipeline) && rule.proof == Proof::Target
    }) {
        let key = ObjectKey {
            kind: ObjectKind::IngestPipeline,
            name: rule.code.to_lowercase(),
        };
        let before: Value = serde_json::from_str(rule.before).unwrap();
        let refused = cluster.refusals(&[(key.clone(), before.clone())]).unwrap();
        assert_eq!(
            refused.len(),
            1,
            "{}: the target would take it as it is",
            rule.code
        );
        let after = translate(&key, &before, versions, &std::collections::BTreeSet::new());
        assert_eq!(
            after.body,
            serde_json::from_str::<Value>(rule.after).unwrap()
        );
        let refused = cluster
            .refusals(&[(key.clone(), after.body.clone())])
            .unwrap();
        assert_eq!(refused, [], "{}", rule.code);
        cluster.put(&key, &after.body).unwrap();
        let found = cluster.get(&key).unwrap();
        assert_eq!(found.as_ref(), Some(&after.body), "{}", rule.code);
        assert!(cluster.delete(&key).unwrap());
        held += 1;
    }
    assert_eq!(held, 7);
    for (kind, lacks) in [
        (
            ObjectKind::LifecyclePolicy,
            "it has no Index State Management",
        ),
        (ObjectKind::SnapshotPolicy, "it has no Snapshot Management"),
        (ObjectKind::Role, "it has no security"),
    ] {
        let key = ObjectKey {
            kind,
            name: "x".into(),
        };
        assert_eq!(cluster.get(&key).unwrap(), None, "{kind:?}");
        let refused = cluster.refusals(&[(key, json!({}))]).unwrap();
        assert!(refused[0].1.starts_with(lacks), "{refused:?}");
    }
    let settings =
        json!({"persistent": {"cluster.max_shards_per_node": "1500", "no.such.thing": "1"}});
    let key = ObjectKey {
        kind: ObjectKind::ClusterSettings,
        name: "persistent".into(),
    };
    let refused = cluster.refusals(&[(key, settings)]).unwrap();
    assert_eq!(refused[0].1, "it does not know the settings no.such.thing");
}

/// The documents are those that Elasticsearch's security writes, put there by hand: no distribution at hand snapshots them.
#[test]
fn roles_in_a_snapshot_are_made_on_a_secured_target_and_no_user_is() {
    let source = elasticsearch();
    let target = secured();
    let admin = ClusterClient::open(&target.cluster(target.admin())).unwrap();
    let scope = Scope::on(&[source], "roles");
    let name = scope.name("analyst");
    let role = json!({"type": "role", "cluster": ["monitor", "manage_ml"], "run_as": [], "metadata": {}, "applications": [],
        "indices": [{"names": ["logs-*"], "privileges": ["read", "create_doc"], "allow_restricted_indices": false,
            "field_security": {"grant": ["*"], "except": ["salary"]}, "query": "{\"term\": {\"public\": true}}"}]});
    source.put(
        &format!("/.security-7/_doc/role-{name}?refresh=true"),
        &role,
    );
    // All roles are one document of the target: of two that are made at once one would be refused.
    let others: Vec<String> = (0..6).map(|number| format!("{name}-{number}")).collect();
    for other in &others {
        let path = format!("/.security-7/_doc/role-{other}?refresh=true");
        source.put(&path, &role);
    }
    let user = json!({"type": "user", "password": "$2a$10$hash", "roles": [name]});
    source.put("/.security-7/_doc/user-ann?refresh=true", &user);
    take_snapshot(&scope, source, ".security-7");
    source.delete("/.security-7");
    let place = Place::empty();
    let text = format!(
        "mig: 1\nplan: {prefix}\nstate: state\nclusters:\n  os: {{ endpoint: \"{url}\", auth: {{ basic: {{ user: admin, password: {{ file: {password} }} }} }}, tls: {{ ca: {ca} }} }}\n\
         stores:\n  snapshots: {{ directory: {repository} }}\nphases:\n\
         \x20 base: {{ snapshot: {{ existing: {{ store: snapshots, name: one }} }} }}\n\
         \x20 meta: {{ metadata: {{ from: base, to: os, include: {{ indices: none, templates: none, component-templates: none, pipelines: none, scripts: none, security: [\"{prefix}*\"] }} }} }}\n",
        prefix = scope.prefix(),
        url = target.url(),
        password = target.file("admin-password").display(),
        ca = target.file("ca.pem").display(),
        repository = scope.repository(source).display(),
    );
    std::fs::write(place.path("plan.yaml"), text).unwrap();
    let ran = place
        .mig(&["plan", "--detail", "full"])
        .ends_with(0)
        .says("left out 1 user")
        .says("MIG261");
    assert!(!format!("{ran:?}").contains("$2a$"), "{ran:?}");
    place.apply().ends_with(0);
    let all = admin.json(Request::get("/_plugins/_security/api/roles"));
    let all = all.unwrap();
    assert!(others.iter().all(|other| all.get(other).is_some()));
    let path = format!("/_plugins/_security/api/roles/{name}");
    let made = admin.json(Request::get(path.clone())).unwrap()[&name].clone();
    assert_eq!(
        made["cluster_permissions"],
        json!(["cluster_monitor"]),
        "{made:#}"
    );
    let permission = &made["index_permissions"][0];
    assert_eq!(permission["allowed_actions"], json!(["read"]), "{made:#}");
    assert_eq!(permission["fls"], json!(["~salary"]), "{made:#}");
    assert_eq!(
        permission["dls"], r#"{"term": {"public": true}}"#,
        "{made:#}"
    );
    place.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
    let state = std::fs::read_to_string(place.path("state/state.json")).unwrap();
    assert!(!state.contains("$2a$"));
    place.mig(&["rollback", "--auto-approve"]).ends_with(0);
    assert_eq!(admin.found(Request::get(path)).unwrap(), None);
}
