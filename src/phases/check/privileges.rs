//! The part of a role that mends a missing privilege, for both security plugins. Pure.
//!
//! OpenSearch names the action that is missing; whether a role has it for the cluster or for indices goes by the action.
//! Elasticsearch names the privileges that grant the action. Deliberately absent: writing roles.

use serde_json::{Value, json};

use super::mark::PREFIX;
use crate::base::version::Product;
use crate::clients::cluster::{ClusterError, Missing};
use crate::clients::target::cluster::WORKING_STATE;

/// The indices that a phase works on, as its plan has them.
pub(in super::super) struct Names<'a> {
    /// Names and patterns; those that exclude are left out.
    pub(in super::super) patterns: Vec<&'a str>,
}

impl Names<'_> {
    /// None: for what concerns the cluster alone.
    pub(in super::super) fn none() -> Self {
        Self {
            patterns: Vec::new(),
        }
    }

    /// For the index that a call was about.
    fn for_call(&self, call: &str) -> Vec<String> {
        if call.contains(WORKING_STATE) {
            return vec![WORKING_STATE.to_owned()];
        }
        let mut all: Vec<String> = self
            .patterns
            .iter()
            .map(|it| {
                if it.starts_with('/') {
                    "*".to_owned()
                } else {
                    (*it).to_owned()
                }
            })
            .collect();
        if all.is_empty() {
            all.push("*".to_owned());
        }
        if !all.iter().any(|it| it == "*") {
            all.push(format!("{PREFIX}*"));
        }
        all.dedup();
        all
    }
}

/// Whether OpenSearch's plugin looks for an action among the permissions of the cluster, though it is about indices.
fn is_of_cluster(action: &str) -> bool {
    const OF_CLUSTER: &[&str] = &[
        "indices:data/write/bulk",
        "indices:data/write/reindex",
        "indices:data/read/mget",
        "indices:data/read/msearch",
        "indices:data/read/scroll",
    ];
    let plain = action.trim_end_matches('*');
    action.starts_with("cluster:")
        || action.starts_with("indices:admin/template/")
        || action.starts_with("indices:admin/index_template/")
        || action.starts_with("indices:admin/component_template/")
        || OF_CLUSTER.contains(&plain)
        || plain.starts_with("indices:data/read/scroll/")
}

/// How a missing privilege is given: words, and the part of a role.
pub(in super::super) fn help(
    product: Product,
    error: &ClusterError,
    missing: &Missing<'_>,
    names: &Names<'_>,
) -> Vec<String> {
    let who = missing.user.map_or_else(
        || "the user of `auth` in the plan".to_owned(),
        |user| format!("user `{user}`"),
    );
    let call = error.to_string();
    let action = missing.privilege;
    if action.starts_with("es:") || action.starts_with("aoss:") {
        return vec![format!(
            "allow the identity of `auth` the action `{action}` on the domain, by its own policy and by that of the domain"
        )];
    }
    let (part, path) = match product {
        Product::OpenSearch if is_of_cluster(action) => (
            json!({"cluster_permissions": [action]}),
            "_plugins/_security/api/roles/ROLE",
        ),
        Product::OpenSearch => (
            json!({"index_permissions": [
                {"index_patterns": names.for_call(&call), "allowed_actions": [action]}
            ]}),
            "_plugins/_security/api/roles/ROLE",
        ),
        Product::Elasticsearch => (
            elasticsearch(error.reason(), action, names, &call),
            "_security/role/ROLE",
        ),
    };
    let mut help = vec![format!(
        "add this to a role of {who} (`PUT {path}`, beside what the role has): {part}"
    )];
    if part.to_string().contains(PREFIX) {
        help.push(format!(
            "what a probe makes is called `{PREFIX}…`: a role that is for the names of the plan alone refuses it too"
        ));
    }
    help
}

/// The part of a role of Elasticsearch: the weakest privilege that its words name, or the action itself.
fn elasticsearch(reason: &str, action: &str, names: &Names<'_>, call: &str) -> Value {
    let granted = |kind: &str| {
        let from = format!("granted by the {kind} privileges [");
        let start = reason.find(&from)? + from.len();
        let end = reason[start..].find(']')? + start;
        reason[start..end].split(',').next().map(str::to_owned)
    };
    if let Some(privilege) = granted("index") {
        return json!({"indices": [{"names": names.for_call(call), "privileges": [privilege]}]});
    }
    if let Some(privilege) = granted("cluster") {
        return json!({"cluster": [privilege]});
    }
    if action.starts_with("cluster:") {
        return json!({"cluster": [action]});
    }
    json!({"indices": [{"names": names.for_call(call), "privileges": [action]}]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden(call: &str, reason: &str) -> ClusterError {
        ClusterError::Forbidden {
            location: "http://127.0.0.1:9200".into(),
            call: call.into(),
            reason: reason.into(),
            kind: "security_exception".into(),
        }
    }

    fn helped(product: Product, call: &str, reason: &str, patterns: &[&str]) -> String {
        let error = forbidden(call, reason);
        let names = Names {
            patterns: patterns.to_vec(),
        };
        let missing = error.missing_privilege().unwrap();
        help(product, &error, &missing, &names).join("\n")
    }

    #[test]
    fn roles_of_opensearch_are_told_apart_by_the_action() {
        let told = |action: &str, call: &str| {
            let reason =
                format!("no permissions for [{action}] and User [name=mig, backend_roles=[]]");
            helped(Product::OpenSearch, call, &reason, &["shop-*"])
        };
        let index = told("indices:admin/create", "PUT /mig-check-1");
        assert!(
            index.contains(r#"{"index_permissions":[{"allowed_actions":["indices:admin/create"],"index_patterns":["shop-*","mig-check-*"]}]}"#),
            "{index}"
        );
        assert!(index.contains("user `mig`"));
        let bulk = told("indices:data/write/bulk", "POST /x/_bulk");
        assert!(
            bulk.contains(r#"{"cluster_permissions":["indices:data/write/bulk"]}"#),
            "{bulk}"
        );
        // The same of shards is a permission for indices.
        let shards = told("indices:data/write/bulk[s]", "POST /x/_bulk");
        assert!(shards.contains("index_permissions"), "{shards}");
        let state = told(
            "indices:data/read/get",
            "GET /.migrations_working_state/_doc/x",
        );
        assert!(
            state.contains(r#"[".migrations_working_state"]"#),
            "{state}"
        );
        assert!(!state.contains("shop-*"));
    }

    #[test]
    fn roles_of_elasticsearch_take_what_its_words_name() {
        let index = helped(
            Product::Elasticsearch,
            "PUT /mig-check-1",
            "action [indices:admin/create] is unauthorized for user [mig] on indices [mig-check-1], this action is granted by the index privileges [create_index,manage,all]",
            &["/shop.*/"],
        );
        assert!(
            index.contains(r#"{"indices":[{"names":["*"],"privileges":["create_index"]}]}"#),
            "{index}"
        );
        let cluster = helped(
            Product::Elasticsearch,
            "PUT /_snapshot/mig-x",
            "action [cluster:admin/repository/put] is unauthorized for user [mig], this action is granted by the cluster privileges [manage,all]",
            &[],
        );
        assert!(cluster.contains(r#"{"cluster":["manage"]}"#), "{cluster}");
        let old = helped(
            Product::Elasticsearch,
            "PUT /_snapshot/mig-x",
            "action [cluster:admin/repository/put] is unauthorized for user [mig]",
            &[],
        );
        assert!(
            old.contains(r#"{"cluster":["cluster:admin/repository/put"]}"#),
            "{old}"
        );
    }
}
