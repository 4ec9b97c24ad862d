//! The part of a role that mends a missing privilege, for both security plugins. Pure.
//!
//! OpenSearch names the action that is missing; whether a role has it for the cluster or for indices goes by the action.
//! Elasticsearch names the privileges that grant the action. Deliberately absent: writing roles.

use serde_json::{Value, json};

use super::mark::PREFIX;
use crate::base::version::Product;
use crate::clients::cluster::{ClusterError, Missing};
use crate::clients::target::cluster::WORKING_STATE;
use crate::plan::selector::Selector;

/// What such a help begins with.
pub(super) const BEGINS: &str = "add this to a role of";

/// Names of a call that a role is told one by one.
const LISTED_MAX: usize = 12;

/// The indices that a phase works on, as its plan has them.
pub(in super::super) struct Names<'a> {
    /// Names and patterns; those that exclude are left out.
    pub(in super::super) patterns: Vec<&'a str>,
}

impl<'a> Names<'a> {
    /// Those that a selector chooses.
    pub(in super::super) fn of(selector: &'a Selector) -> Self {
        let patterns = selector.patterns();
        Self {
            patterns: patterns.filter(|it| !it.starts_with('!')).collect(),
        }
    }

    /// None: for what concerns the cluster alone.
    pub(in super::super) fn none() -> Self {
        Self {
            patterns: Vec::new(),
        }
    }

    /// For the indices that a call was about; `call` may stand anywhere in the words of an error.
    fn for_call(&self, call: &str) -> Vec<String> {
        let first = first_part(call);
        if first == WORKING_STATE {
            return vec![WORKING_STATE.to_owned()];
        }
        let is_pattern = |it: &&str| it.starts_with('/') || **it == *"*";
        let listed: Vec<String> = first.split(',').map(str::to_owned).collect();
        if (2..=LISTED_MAX).contains(&listed.len()) {
            return listed;
        }
        // Without the name of an index a call is about all that there are.
        let all = first.starts_with('_') || first.contains('*') || listed.len() > LISTED_MAX;
        if all || self.patterns.is_empty() || self.patterns.iter().any(is_pattern) {
            return vec!["*".to_owned()];
        }
        let own = std::iter::once(format!("{PREFIX}*"));
        let named = self.patterns.iter().map(|it| (*it).to_owned());
        named.chain(own).collect()
    }
}

/// The first part of the path of a call: `shop` of `GET /shop/_alias`.
fn first_part(call: &str) -> &str {
    let path = ["GET /", "HEAD /", "POST /", "PUT /", "DELETE /"]
        .iter()
        .find_map(|method| Some(&call[call.find(method)? + method.len()..]));
    let path = path.unwrap_or_default();
    let end = path.find(['/', '?', ':', ' ']).unwrap_or(path.len());
    &path[..end]
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
        Product::OpenSearch => (
            opensearch(action, names, &call),
            "_plugins/_security/api/roles/ROLE",
        ),
        Product::Elasticsearch => (
            elasticsearch(error.reason(), action, names, &call),
            "_security/role/ROLE",
        ),
    };
    let mut help = vec![format!(
        "{BEGINS} {who} (`PUT {path}`, beside what the role has): {part}"
    )];
    if part.to_string().contains(PREFIX) {
        help.push(format!(
            "what a probe makes is called `{PREFIX}…`: a role that is for the names of the plan alone refuses it too"
        ));
    }
    help
}

/// The privilege that is missing and who lacks it, from the words of an error: phases pass on no more than these.
fn of_words(said: &str) -> Option<Missing<'_>> {
    let between = |text: &'_ str, from: &str| -> Option<(usize, usize)> {
        let start = text.find(from)? + from.len();
        let end = text[start..].find('`')? + start;
        Some((start, end))
    };
    let (start, end) = between(said, "missing privilege `")?;
    let rest = &said[end..];
    let user = between(rest, "` of user `").map(|(start, end)| &rest[start..end]);
    Some(Missing {
        privilege: &said[start..end],
        user,
    })
}

/// As [`help`], for an error of which the words alone are known; `None` where they name no privilege.
pub(in super::super) fn help_of_words(
    product: Product,
    said: &str,
    names: &Names<'_>,
) -> Option<Vec<String>> {
    let missing = of_words(said)?;
    let error = ClusterError::Forbidden {
        location: String::new(),
        call: said.to_owned(),
        reason: String::new(),
        kind: String::new(),
    };
    Some(help(product, &error, &missing, names))
}

/// The part of a role of OpenSearch; one refusal may name several actions.
fn opensearch(actions: &str, names: &Names<'_>, call: &str) -> Value {
    let all = actions.split(", ");
    let (of_cluster, of_indices): (Vec<&str>, Vec<&str>) = all.partition(|it| is_of_cluster(it));
    let mut part = serde_json::Map::new();
    if !of_cluster.is_empty() {
        part.insert("cluster_permissions".into(), json!(of_cluster));
    }
    if !of_indices.is_empty() {
        let patterns = names.for_call(call);
        let one = json!({"index_patterns": patterns, "allowed_actions": of_indices});
        part.insert("index_permissions".into(), json!([one]));
    }
    Value::Object(part)
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
        let several = told(
            "indices:data/write/bulk[s], indices:data/write/index",
            "POST /x/_bulk",
        );
        assert!(
            several.contains(r#"["indices:data/write/bulk[s]","indices:data/write/index"]"#),
            "{several}"
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
        // What is asked of all indices is allowed for all or not at all.
        let all = told(
            "indices:admin/aliases/get",
            "GET /*/_alias?expand_wildcards=all",
        );
        assert!(all.contains(r#""index_patterns":["*"]"#), "{all}");
        let some = told(
            "indices:admin/get",
            "GET /archive,products?flat_settings=true",
        );
        assert!(
            some.contains(r#""index_patterns":["archive","products"]"#),
            "{some}"
        );
        let list = told(
            "indices:monitor/settings/get",
            "GET /_cat/indices?format=json",
        );
        assert!(list.contains(r#""index_patterns":["*"]"#), "{list}");
    }

    #[test]
    fn words_that_a_phase_passes_on_are_enough() {
        let said = forbidden(
            "GET /_cluster/state",
            "no permissions for [cluster:monitor/state] and User [name=mig, x]",
        );
        let told = help_of_words(
            Product::OpenSearch,
            &format!("target `os`: {said}"),
            &Names::none(),
        )
        .unwrap();
        assert!(
            told[0].contains(r#"{"cluster_permissions":["cluster:monitor/state"]}"#),
            "{told:?}"
        );
        assert!(told[0].contains("user `mig`"), "{told:?}");
        assert_eq!(
            help_of_words(Product::OpenSearch, "blocked", &Names::none()),
            None
        );
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
