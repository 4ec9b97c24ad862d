//! The nodes of a cluster that hold data, for requests that any of them takes: several of them are faster than one that
//! passes all on.
//!
//! Found by the cluster's own word, used only once they proved to be the same cluster, left out while they fail and proved
//! again before they are used again. Whatever can't be had (addresses of containers, names that no certificate has, a load
//! balancer before it all) leaves the endpoint that the plan gives. Credentials go only to nodes whose certificate is
//! believed, or that show without them who they are. Deliberately absent: what is sent, and whether it is sent again.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{ClusterClient, ClusterError, Request, limits, runtime};

/// See the module.
pub struct Nodes {
    endpoint: ClusterClient,
    members: Vec<Member>,
    next: AtomicUsize,
}

struct Member {
    client: ClusterClient,
    busy: AtomicU32,
    health: Mutex<Health>,
}

/// Whether a node is used. Pure.
#[derive(Debug, Default)]
struct Health {
    out_until: Option<Instant>,
    rest: Duration,
}

impl Health {
    fn failed(&mut self, now: Instant) {
        self.rest = (self.rest * 2).clamp(limits::NODE_REST, limits::NODE_REST_MAX);
        self.out_until = Some(now + self.rest);
    }

    fn proved(&mut self) {
        *self = Self::default();
    }

    fn is_out(&self, now: Instant) -> bool {
        self.out_until.is_some_and(|until| now < until)
    }

    /// It was out, and may be another one now.
    fn needs_proof(&self) -> bool {
        self.out_until.is_some()
    }
}

/// A node that a request is sent to; it counts as busy as long as this lives.
pub struct Chosen<'a> {
    nodes: &'a Nodes,
    member: Option<&'a Member>,
}

impl Drop for Chosen<'_> {
    fn drop(&mut self) {
        if let Some(member) = self.member {
            member.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Chosen<'_> {
    /// Its client.
    pub fn client(&self) -> &ClusterClient {
        self.member
            .map_or(&self.nodes.endpoint, |member| &member.client)
    }

    /// A request to it failed: the node is left out for a while where that is the node's fault.
    pub fn failed(&self, error: &ClusterError) {
        let of_node = matches!(
            error,
            ClusterError::Unreachable { .. }
                | ClusterError::Broken { .. }
                | ClusterError::Timeout { .. }
                | ClusterError::Untrusted { .. }
        ) || matches!(error.status(), Some(502..=504));
        if let Some(member) = self.member
            && of_node
        {
            tracing::debug!(node = member.client.location(), %error, "left out for a while");
            member.health().failed(Instant::now());
        }
    }
}

impl Member {
    fn new(client: ClusterClient) -> Self {
        Self {
            client,
            busy: AtomicU32::new(0),
            health: Mutex::default(),
        }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Nodes {
    /// The endpoint alone.
    pub fn endpoint(client: ClusterClient) -> Self {
        Self {
            endpoint: client,
            members: Vec::new(),
            next: AtomicUsize::new(0),
        }
    }

    /// Asks the cluster for its nodes, and each of them for the cluster that it belongs to. Never fails; must not be called
    /// from within the runtime.
    pub fn discover(client: &ClusterClient) -> Self {
        let mut nodes = Self::endpoint(client.clone());
        match found(client) {
            // One alone is what the endpoint leads to.
            Ok(members) if members.len() > 1 => {
                nodes.members = members.into_iter().map(Member::new).collect();
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the endpoint alone is used"),
        }
        tracing::debug!(nodes = nodes.members.len(), "nodes that take documents");
        nodes
    }

    /// How many there are beside the endpoint.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is the endpoint alone.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The node with the fewest requests on their way; the endpoint where none can be used.
    pub async fn choose(&self) -> Chosen<'_> {
        loop {
            let Some(member) = self.least_busy(Instant::now()) else {
                return Chosen {
                    nodes: self,
                    member: None,
                };
            };
            member.busy.fetch_add(1, Ordering::Relaxed);
            let chosen = Chosen {
                nodes: self,
                member: Some(member),
            };
            if !member.health().needs_proof() {
                return chosen;
            }
            // Others leave it alone meanwhile.
            member.health().failed(Instant::now());
            if self.endpoint.is_same_cluster(&member.client).await {
                member.health().proved();
                return chosen;
            }
        }
    }

    fn least_busy(&self, now: Instant) -> Option<&Member> {
        let count = self.members.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        (0..count)
            .map(|step| &self.members[(first + step) % count])
            .filter(|member| !member.health().is_out(now))
            .min_by_key(|member| member.busy.load(Ordering::Relaxed))
    }
}

/// The nodes that hold data and proved to be of this cluster.
fn found(client: &ClusterClient) -> Result<Vec<ClusterClient>, ClusterError> {
    if !client.may_spread() {
        return Ok(Vec::new());
    }
    let path = "/_nodes/http?filter_path=nodes.*.roles,nodes.*.http.publish_address";
    let request = Request::get(path).once().within(limits::NODE_ANSWER);
    let addresses = addresses(&client.json(request)?, client.location());
    let Ok(handle) = runtime::handle() else {
        return Ok(Vec::new());
    };
    let asked: Vec<_> = addresses
        .into_iter()
        .take(limits::NODES)
        .map(|address| {
            let (endpoint, node) = (client.clone(), client.at(address));
            handle.spawn(async move { endpoint.is_same_cluster(&node).await.then_some(node) })
        })
        .collect();
    let proved = runtime::block_on(async {
        let mut proved = Vec::new();
        for answer in asked {
            proved.extend(answer.await.ok().flatten());
        }
        proved
    });
    Ok(proved.unwrap_or_default())
}

/// Where nodes that hold data answer, as locations beside that of the endpoint; sorted.
fn addresses(answer: &Value, endpoint: &str) -> Vec<String> {
    let Some((scheme, rest)) = endpoint.split_once("://") else {
        return Vec::new();
    };
    // What has a path is a gateway, and the nodes behind it are its own.
    if rest.contains('/') {
        return Vec::new();
    }
    let nodes = answer.get("nodes").and_then(Value::as_object);
    let mut found: Vec<String> = nodes
        .into_iter()
        .flat_map(serde_json::Map::values)
        .filter(|node| takes_documents(node))
        .filter_map(|node| {
            let address = node.pointer("/http/publish_address")?.as_str()?;
            Some(format!("{scheme}://{}", plain(address, scheme == "https")?))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether documents are loaded there: not on nodes that are kept for what is old.
fn takes_documents(node: &Value) -> bool {
    let roles = node.get("roles").and_then(Value::as_array);
    roles.is_some_and(|roles| {
        let mut roles = roles.iter().filter_map(Value::as_str);
        roles.any(|role| matches!(role, "data" | "data_content" | "data_hot"))
    })
}

/// `host:port` of `name/address:port` or `address:port`: by name where a certificate has to name it.
fn plain(address: &str, by_name: bool) -> Option<String> {
    let plain = match address.split_once('/') {
        None => address.to_owned(),
        Some((name, at)) if by_name && !name.is_empty() => {
            format!("{name}:{}", at.rsplit_once(':')?.1)
        }
        Some((_, at)) => at.to_owned(),
    };
    let (host, port) = plain.rsplit_once(':')?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let is_plain = !host.is_empty() && host.bytes().all(fits) && port.parse::<u16>().is_ok();
    is_plain.then_some(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_are_of_nodes_that_hold_data_and_speak_http() {
        let node = |roles: &[&str], address: &str| json!({"roles": roles, "http": {"publish_address": address}});
        let answer = json!({"nodes": {
            "a": node(&["data", "ingest"], "10.0.0.2:9200"),
            "b": node(&["master"], "10.0.0.3:9200"),
            "c": node(&["data_hot"], "es-1.example/10.0.0.1:9201"),
            "d": node(&["data_cold"], "10.0.0.4:9200"),
            "e": {"roles": ["data"]},
            "f": node(&["data"], "[::1]:9200"),
            "g": node(&["data"], "user@evil:80"),
        }});
        assert_eq!(
            addresses(&answer, "http://es:9200"),
            [
                "http://10.0.0.1:9201",
                "http://10.0.0.2:9200",
                "http://[::1]:9200"
            ]
        );
        assert_eq!(
            addresses(&answer, "https://es:9200"),
            [
                "https://10.0.0.2:9200",
                "https://[::1]:9200",
                "https://es-1.example:9201"
            ]
        );
        assert_eq!(
            addresses(&answer, "https://gateway/es"),
            Vec::<String>::new()
        );
        assert_eq!(
            addresses(&json!({}), "http://es:9200"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_node_that_fails_rests_longer_each_time_and_is_proved_before_it_is_used() {
        let (mut health, now) = (Health::default(), Instant::now());
        assert!(!health.is_out(now) && !health.needs_proof());
        health.failed(now);
        assert!(health.is_out(now) && health.needs_proof());
        let later = now + limits::NODE_REST;
        assert!(!health.is_out(later) && health.needs_proof());
        for _ in 0..20 {
            health.failed(later);
        }
        assert!(health.is_out(later + limits::NODE_REST_MAX / 2));
        assert!(!health.is_out(later + limits::NODE_REST_MAX));
        health.proved();
        assert!(!health.needs_proof());
    }
}
