//! A secured OpenSearch: TLS with an authority of its own, passwords, certificates, privileges. And nothing that `mig`
//! writes anywhere holds a credential.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine as _;
use mig::clients::cluster::{ClusterClient, ClusterError, Request};
use mig::plan::model::{Auth, Cluster, ClusterAt, SecretRef};
use serde_json::{Value, json};

use crate::place::{Place, Ran, fixture};
use crate::support::{Secured, secured};

/// Of users that these tests make; in no file but where a test puts it.
const PASSWORD: &str = "Quite-S3cret-horse-staple";

fn secret(text: &str) -> SecretRef {
    let directory = tempfile::tempdir().unwrap().keep();
    let path = directory.join("secret");
    std::fs::write(&path, format!("{text}\n")).unwrap();
    SecretRef::File(path)
}

fn basic(user: &str, password: &str) -> Auth {
    Auth::Basic {
        user: user.into(),
        password: secret(password),
    }
}

fn about(cluster: &Cluster) -> Result<String, ClusterError> {
    let client = ClusterClient::open(cluster)?;
    Ok(client.about()?.version.to_string())
}

/// A user that may do what is listed, on the indices that begin with its name.
fn user(server: &Secured, name: &str, on_cluster: &[&str], on_indices: &[&str]) {
    let admin = ClusterClient::open(&server.cluster(server.admin())).unwrap();
    let put = |what: &str, body| {
        let path = format!("/_plugins/_security/api/{what}/{name}");
        admin.send(Request::put(path).json(&body)).unwrap();
    };
    put("internalusers", json!({ "password": PASSWORD }));
    put(
        "roles",
        json!({
            "cluster_permissions": on_cluster,
            "index_permissions": [{ "index_patterns": [format!("{name}*")], "allowed_actions": on_indices }],
        }),
    );
    put("rolesmapping", json!({ "users": [name] }));
}

#[test]
fn who_is_believed_and_who_is_not() {
    let server = secured();
    let mut cluster = server.cluster(server.admin());
    assert_eq!(about(&cluster).unwrap(), "OpenSearch 2.19.1");

    cluster.auth = basic("admin", "wr0ng-passw0rd");
    let error = about(&cluster).unwrap_err();
    assert!(
        matches!(error, ClusterError::Unauthorized { .. }),
        "{error}"
    );
    assert!(error.help().contains("`auth`"));
    assert!(!format!("{error:?}{error}").contains("wr0ng"));
    cluster.auth = Auth::None;
    let error = about(&cluster).unwrap_err();
    assert_eq!(error.status(), Some(401), "{error}");
    cluster.auth = Auth::ApiKey(secret("id:k3y"));
    let error = about(&cluster).unwrap_err();
    assert_eq!(error.status(), Some(401), "{error}");
}

#[test]
fn trust_is_in_the_authority_of_the_plan() {
    let server = secured();
    let mut cluster = server.cluster(server.admin());
    // Of the system's authorities none signed it.
    cluster.tls.ca = None;
    let error = about(&cluster).unwrap_err();
    assert!(matches!(error, ClusterError::Untrusted { .. }), "{error}");
    assert!(error.help().contains("`tls: { ca: FILE }`"));
    // Neither did one that is not an authority.
    cluster.tls.ca = Some(server.file("mig.pem"));
    let error = about(&cluster).unwrap_err();
    assert!(matches!(error, ClusterError::Untrusted { .. }), "{error}");
    cluster.tls.ca = None;
    cluster.tls.insecure = true;
    assert_eq!(about(&cluster).unwrap(), "OpenSearch 2.19.1");
    // Without TLS nobody is there.
    cluster.at = ClusterAt::Endpoint(server.url().replace("https:", "http:"));
    let error = about(&cluster).unwrap_err();
    assert!(
        matches!(
            error,
            ClusterError::Broken { .. } | ClusterError::Unreachable { .. }
        ),
        "{error}"
    );
}

#[test]
fn a_client_certificate_says_who_it_is() {
    let server = secured();
    let mut cluster = server.cluster(Auth::None);
    cluster.tls.certificate = Some(server.file("mig.pem"));
    cluster.tls.key = Some(SecretRef::File(server.file("mig.key")));
    let client = ClusterClient::open(&cluster).unwrap();
    let who = client
        .json(Request::get("/_plugins/_security/authinfo"))
        .unwrap();
    assert_eq!(who["user_name"], "mig", "{who:#}");
}

#[test]
fn a_missing_privilege_is_named_by_the_cluster() {
    let server = secured();
    user(
        server,
        "reader",
        &["cluster:monitor/main"],
        &["indices:data/read/*"],
    );
    let client = ClusterClient::open(&server.cluster(basic("reader", PASSWORD))).unwrap();
    client.about().unwrap();
    for (request, privilege) in [
        (
            Request::put("/reader-x").json(&json!({})),
            "indices:admin/create",
        ),
        (Request::get("/_cluster/settings"), "cluster:monitor/state"),
        (
            Request::put("/_snapshot/mig-x")
                .json(&json!({ "type": "fs", "settings": { "location": "x" } })),
            "cluster:admin/repository/put",
        ),
    ] {
        let call = request.call();
        let error = client.send(request).unwrap_err();
        let missing = error.missing_privilege();
        let missing = missing.unwrap_or_else(|| panic!("{call}: {error}"));
        assert_eq!(missing.privilege, privilege, "{call}");
        assert_eq!(missing.user, Some("reader"), "{call}");
        assert!(error.help().contains(privilege), "{call}");
    }
}

#[test]
fn a_block_is_no_missing_privilege() {
    let server = secured();
    let admin = ClusterClient::open(&server.cluster(server.admin())).unwrap();
    let put = |path: &str, body| admin.send(Request::put(path).json(&body)).unwrap();
    put("/blocked-x", json!({}));
    for (block, setting) in [
        ("write", "index.blocks.write"),
        ("read_only", "index.blocks.read_only"),
        ("read_only_allow_delete", "too full"),
    ] {
        let key = format!("index.blocks.{block}");
        put("/blocked-x/_settings", json!({ key.as_str(): true }));
        let error = admin
            .send(Request::put("/blocked-x/_doc/1").json(&json!({})))
            .unwrap_err();
        assert!(error.is_block(), "{error}");
        assert!(error.missing_privilege().is_none());
        assert!(error.help().contains(setting), "{block}: {}", error.help());
        put("/blocked-x/_settings", json!({ key.as_str(): null }));
    }
    admin.send(Request::delete("/blocked-x")).unwrap();
}

/// The small plan over a fixture, with the secured cluster as its target.
fn place(server: &Secured, user: &str) -> Place {
    let place = Place::new();
    let path = place.path("plan.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let target = format!(
        "os: {{ endpoint: \"{}\", version: \"2.19\", auth: {{ basic: {{ user: {user}, password: {{ env: OS_PASSWORD }} }} }}, tls: {{ ca: {} }} }}",
        server.url(),
        server.file("ca.pem").display()
    );
    let text = text.replace("os: { directory: out, as: \"2.19\" }", &target);
    assert!(text.contains(&target));
    std::fs::write(path, text).unwrap();
    place
}

fn mig(place: &Place, password: &str, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments);
    command.env("MIG_LOG", "trace").env("OS_PASSWORD", password);
    Ran::of(&command.output().unwrap())
}

#[test]
fn a_wrong_password_ends_a_plan() {
    let server = secured();
    let place = place(server, "admin");
    let ran = mig(&place, "wr0ng-passw0rd", &["plan"]).ends_with(1);
    assert!(ran.err.contains("not authenticated (401)"), "{}", ran.err);
    assert!(ran.err.contains("help: check `auth`"), "{}", ran.err);
    assert!(!ran.err.contains("wr0ng-passw0rd"));
}

#[test]
fn no_file_and_no_output_holds_a_credential() {
    let server = secured();
    user(server, "loader", &["*"], &["*"]);
    // Its indices have any name.
    let admin = ClusterClient::open(&server.cluster(server.admin())).unwrap();
    let role = json!({
        "cluster_permissions": ["*"],
        "index_permissions": [{ "index_patterns": ["*"], "allowed_actions": ["*"] }],
    });
    admin
        .send(Request::put("/_plugins/_security/api/roles/loader").json(&role))
        .unwrap();
    let place = place(server, "loader");
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("loader:{PASSWORD}"));
    let mut texts = Vec::new();
    for arguments in [
        &["validate", "plan.yaml"][..],
        &["plan", "--out", "plan.json"],
        &["show", "plan.json", "--format", "json"],
        &["apply", "plan.json", "--events", "events.jsonl"],
        &["apply", "--auto-approve", "--events", "more-events.jsonl"],
        &["status", "--format", "json"],
        &["state", "show"],
        &["state", "journal"],
        &["plan", "--format", "json"],
        // A failure says no more.
        &["apply", "--auto-approve", "--redo", "docs"],
    ] {
        let ran = mig(&place, PASSWORD, arguments);
        if arguments[..2] == ["apply", "plan.json"] {
            assert_eq!(ran.code, 0, "{}", ran.err);
        }
        texts.push((format!("stdout of {arguments:?}"), ran.out.into_bytes()));
        texts.push((format!("stderr of {arguments:?}"), ran.err.into_bytes()));
    }
    let answered = texts
        .iter()
        .filter(|(_, text)| contains(text, b"answered"))
        .count();
    assert!(answered >= 3, "the cluster was reached and logged");
    let ran = mig(&place, "wr0ng-passw0rd", &["apply", "--auto-approve"]);
    texts.push(("stderr of a wrong password".into(), ran.err.into_bytes()));
    files(&place.path(""), &mut texts);
    for name in [
        "plan.json",
        "events.jsonl",
        "state/journal.jsonl",
        "state/state.json",
        "evidence/same.json",
    ] {
        assert!(
            texts.iter().any(|(path, _)| path.ends_with(name)),
            "{name} was looked at"
        );
    }
    for (name, text) in &texts {
        for secret in [PASSWORD, &encoded, "wr0ng-passw0rd"] {
            assert!(
                !contains(text, secret.as_bytes()),
                "{name} holds `{secret}`"
            );
        }
    }
    // What the run left on the cluster holds none either.
    let left = admin.send(Request::get("/_all/_search?size=1000&expand_wildcards=all"));
    if let Ok(left) = left {
        assert!(!contains(&left.body, PASSWORD.as_bytes()));
    }
    for (name, _) in admin
        .json(Request::get("/_all/_settings"))
        .unwrap()
        .as_object()
        .unwrap()
    {
        if !name.starts_with(".opendistro") && !name.starts_with("blocked") {
            drop(admin.send(Request::delete(format!("/{}", Request::part(name)))));
        }
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

fn files(directory: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

/// What the help of a failed check says is missing: the parts of a role.
fn missing(checked: &Ran) -> Vec<Value> {
    let report: Value = serde_json::from_str(&checked.out)
        .unwrap_or_else(|error| panic!("{error}: {}{}", checked.out, checked.err));
    let phases = report["check"]["phases"].as_array().unwrap().iter();
    let probes = phases.flat_map(|phase| phase["probes"].as_array().unwrap());
    let failed = probes.filter(|probe| probe["outcome"] == "failed");
    let helps = failed.flat_map(|probe| probe["help"].as_array().cloned().unwrap_or_default());
    let parts = helps.filter_map(|help| {
        let (_, part) = help.as_str()?.split_once("beside what the role has): ")?;
        serde_json::from_str(part).ok()
    });
    parts.collect()
}

/// A role that grows by what a check says is missing.
#[derive(Clone, Default)]
struct Role {
    cluster: BTreeSet<String>,
    indices: BTreeSet<(String, String)>,
}

impl Role {
    /// Adds a part; what is new of it.
    fn add(&mut self, part: &Value) -> usize {
        let texts = |value: &Value| -> Vec<String> {
            let all = value.as_array().into_iter().flatten();
            all.map(|it| it.as_str().unwrap().to_owned()).collect()
        };
        let before = self.cluster.len() + self.indices.len();
        self.cluster.extend(texts(&part["cluster_permissions"]));
        for one in part["index_permissions"].as_array().into_iter().flatten() {
            for pattern in texts(&one["index_patterns"]) {
                for action in texts(&one["allowed_actions"]) {
                    self.indices.insert((pattern.clone(), action));
                }
            }
        }
        self.cluster.len() + self.indices.len() - before
    }

    fn give(&self, admin: &ClusterClient, name: &str) {
        let indices: Vec<Value> = self
            .indices
            .iter()
            .map(|(pattern, action)| json!({"index_patterns": [pattern], "allowed_actions": [action]}))
            .collect();
        let body = json!({"cluster_permissions": self.cluster, "index_permissions": indices});
        let path = format!("/_plugins/_security/api/roles/{name}");
        // All roles are one document, which other tests change at the same time.
        while let Err(error) = admin.send(Request::put(path.as_str()).json(&body)) {
            assert_eq!(error.status(), Some(409), "{error}");
        }
    }
}

#[test]
fn a_check_names_each_privilege_that_is_missing_and_what_it_says_mends_it() {
    let server = secured();
    user(server, "checker", &[], &[]);
    let admin = ClusterClient::open(&server.cluster(server.admin())).unwrap();
    let place = place(server, "checker");
    let plan = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    let plan = plan.replace(
        "mappings: { metadata: { from: base, to: os } }",
        "mappings: { metadata: { from: base, to: os, include: { indices: [products], templates: none, component-templates: [customer-mappings], aliases: all, pipelines: [orders-intake] } } }",
    );
    let plan = plan.replace(
        "backfill: { from: base, to: os,",
        "backfill: { from: base, to: os, indices: [products], strategy: auto, tune-target: { refresh: pause, replicas: none },",
    );
    assert!(plan.contains("include:") && plan.contains("indices: [products],"));
    // The target is to read the snapshot itself, too.
    let store = Secured::repositories().join(format!("checked-{}", std::process::id()));
    crate::restore::versions::copy(&fixture("shop"), &store);
    let plan = plan.replace(
        &fixture("shop").display().to_string(),
        &store.display().to_string(),
    );
    std::fs::write(place.path("plan.yaml"), plan).unwrap();
    let check = || {
        let mut command = place.command(&[
            "check", "--format", "json", "--only", "mappings", "--only", "docs",
        ]);
        Ran::of(&command.env("OS_PASSWORD", PASSWORD).output().unwrap())
    };
    let mut role = Role::default();
    if !super::support::is_its_day(1, 5) {
        // The first step of the way.
        let parts = missing(&check().ends_with(8));
        let new: usize = parts.iter().map(|part| role.add(part)).sum();
        assert!(new > 0);
        return;
    }
    let mut rounds = 0;
    let checked = loop {
        role.give(&admin, "checker");
        let checked = check();
        if checked.code == 0 {
            break checked;
        }
        assert_eq!(checked.code, 8, "{checked:?}");
        let parts = missing(&checked);
        let new: usize = parts.iter().map(|part| role.add(part)).sum();
        assert!(new > 0, "nothing new is named: {}", checked.out);
        rounds += 1;
        assert!(rounds < 60, "it never ends: {}", checked.out);
    };
    // Nothing stays, and what was allowed is no more than was needed: each is named again when it is taken away.
    let left = admin
        .json(Request::get("/_cat/indices/mig-check-*?format=json"))
        .unwrap();
    assert_eq!(left, json!([]));
    for action in &role.cluster {
        let mut less = role.clone();
        less.cluster.remove(action);
        less.give(&admin, "checker");
        let checked = check();
        assert_eq!(checked.code, 8, "without {action}: {}", checked.out);
        assert!(checked.out.contains(action), "{action}: {}", checked.out);
    }
    let actions: BTreeSet<&String> = role.indices.iter().map(|(_, action)| action).collect();
    for needed in [
        "indices:admin/create",
        "indices:admin/delete",
        "indices:admin/refresh",
        "indices:admin/settings/update",
        "indices:data/read/get",
        "indices:data/read/mget*",
        "indices:data/read/search",
        "indices:data/write/bulk*",
        "indices:data/write/index",
        "indices:data/write/delete",
    ] {
        let plain = needed.trim_end_matches('*');
        assert!(
            actions.iter().any(|it| it.starts_with(plain)),
            "{needed}: {actions:?} {:?} {}",
            role.cluster,
            checked.out
        );
    }
    assert!(role.cluster.contains("cluster:admin/snapshot/restore"));
    for action in actions {
        let mut less = role.clone();
        less.indices.retain(|(_, other)| other != action);
        less.give(&admin, "checker");
        let checked = check();
        assert_eq!(checked.code, 8, "without {action}: {}", checked.out);
        // What is told mends it, and nothing else is missing.
        let parts = missing(&checked);
        let is_named = |part: &Value| {
            part["index_permissions"]
                .to_string()
                .contains(action.as_str())
        };
        assert!(parts.iter().any(is_named), "{action}: {}", checked.out);
        let mut parts = parts;
        let mended = (0..4).any(|_| {
            for part in &parts {
                less.add(part);
            }
            less.give(&admin, "checker");
            let checked = check();
            parts = missing(&checked);
            checked.code == 0
        });
        assert!(mended, "{action}: {parts:?}");
    }
    role.give(&admin, "checker");
    let checked = check();
    assert_eq!(checked.code, 0, "{}", checked.out);
    drop(std::fs::remove_dir_all(store));
}
