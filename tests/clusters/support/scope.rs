//! What a test makes on shared servers: named by the scope, removed by it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use mig::clients::cluster::Request;
use serde_json::Value;

use super::Server;
use crate::place::Place;

/// A prefix that nothing else has. When it is dropped, a failed test's too, all indices, templates and repositories that
/// begin with it are removed, and repositories and working state that belong to it.
pub(crate) struct Scope<'a> {
    servers: Vec<&'a Server>,
    prefix: String,
}

impl<'a> Scope<'a> {
    /// `what` is a word for people who look at the servers.
    pub(crate) fn on(servers: &[&'a Server], what: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            servers: servers.to_vec(),
            prefix: format!("t{:x}-{number}-{what}", std::process::id()),
        }
    }

    /// The prefix alone: good for the name of a plan.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A name of the scope.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// A directory for a snapshot repository of the scope; a store of this path is the plan's.
    pub(crate) fn repository(&self, server: &Server) -> PathBuf {
        server.repositories().join(&self.prefix)
    }
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        for server in &self.servers {
            clean(server, &self.prefix);
            drop(std::fs::remove_dir_all(self.repository(server)));
        }
    }
}

/// Removes by exact names what begins with `prefix`. A server that does not answer any more keeps its own.
fn clean(server: &Server, prefix: &str) {
    let client = server.client();
    let get = |path: &str| client.json(Request::get(path)).unwrap_or(Value::Null);
    let remove = |path: String| drop(client.send(Request::delete(path)));
    let own = |name: &&str| name.starts_with(prefix);

    let state = get("/_cluster/state/metadata?filter_path=metadata.data_stream");
    for name in keys(&state["metadata"]["data_stream"]["data_stream"]) {
        if own(&name.as_str()) {
            remove(format!("/_data_stream/{}", Request::part(&name)));
        }
    }
    for index in array(&get(
        "/_cat/indices?format=json&h=index&expand_wildcards=all",
    )) {
        if let Some(name) = index["index"].as_str().filter(own) {
            remove(format!("/{}", Request::part(name)));
        }
    }
    for name in keys(&get("/_template")).filter(|name| own(&name.as_str())) {
        remove(format!("/_template/{}", Request::part(&name)));
    }
    // Templates before the components that they are made of.
    for kind in ["index_template", "component_template"] {
        let plural = format!("{kind}s");
        for template in array(&get(&format!("/_{kind}"))[plural.as_str()]) {
            if let Some(name) = template["name"].as_str().filter(own) {
                remove(format!("/_{kind}/{}", Request::part(name)));
            }
        }
    }
    let repositories = get("/_snapshot");
    for name in keys(&repositories) {
        let location = repositories[&name]["settings"]["location"].as_str();
        if name.starts_with(prefix) || location.is_some_and(|at| at.contains(prefix)) {
            remove(format!("/_snapshot/{}", Request::part(&name)));
        }
    }
    let path = "/.migrations_working_state/_search?size=10000&ignore_unavailable=true";
    for hit in array(&get(path)["hits"]["hits"]) {
        if let Some(id) = hit["_id"]
            .as_str()
            .filter(|_| hit.to_string().contains(prefix))
        {
            remove(format!(
                "/.migrations_working_state/_doc/{}",
                Request::part(id)
            ));
        }
    }
}

fn array(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn keys(value: &Value) -> impl Iterator<Item = String> {
    let keys: Vec<String> = value
        .as_object()
        .map(|object| object.keys().cloned().collect())
        .unwrap_or_default();
    keys.into_iter()
}

/// A place to run the binary in, with this text as its `plan.yaml`.
pub(crate) fn place(plan: &str) -> Place {
    let place = Place::empty();
    std::fs::write(place.path("plan.yaml"), plan).unwrap();
    place
}
