//! Templates, pipelines and policies that a product installs by itself: the target has its own, or no use for them.

use serde_json::Value;

use crate::base::settings::meant;
use crate::diff::observation::{ObjectKey, ObjectKind};

/// Names of templates that Elasticsearch 7.x installs and does not mark as managed; `*` at the end stands for any rest.
const NAMES: &[&str] = &[
    "ilm-history*",
    "slm-history*",
    "watch-history*",
    "triggered_watches",
    "watches",
    "logstash-index-template",
    "security_audit_log",
    "security-index-template*",
];

/// Pipelines, likewise.
const PIPELINES: &[&str] = &[
    "xpack_monitoring_*",
    "logs-default-pipeline",
    "logs@*",
    "ent-search-generic-ingestion",
    "search-default-ingestion",
    "behavioral_analytics-events-final_pipeline",
    "ent_search_crawler",
    "apm@*",
    "metrics-apm*@*",
    "traces-apm@*",
];

/// Policies, likewise.
const POLICIES: &[&str] = &[
    "ilm-history-ilm-policy",
    "slm-history-ilm-policy",
    "watch-history-ilm-policy*",
    "ml-size-based-ilm-policy",
    "kibana-event-log-policy",
    "synthetics",
    "7-days-default",
    "30-days-default",
    "90-days-default",
    "180-days-default",
    "365-days-default",
];

/// Why an object is left out as one that the source's product installed by itself.
pub fn built_in(key: &ObjectKey, body: &Value) -> Option<String> {
    let names = match key.kind {
        ObjectKind::ComponentTemplate | ObjectKind::IndexTemplate | ObjectKind::LegacyTemplate => {
            NAMES
        }
        ObjectKind::IngestPipeline => PIPELINES,
        ObjectKind::LifecyclePolicy => POLICIES,
        ObjectKind::SnapshotPolicy | ObjectKind::Role | ObjectKind::RoleMapping => &[],
        _ => return None,
    };
    let what = match key.kind {
        kind if kind.has_index_settings() => "template",
        kind => kind.as_str(),
    };
    let managed = [
        "/_meta/managed",
        "/policy/_meta/managed",
        "/metadata/_reserved",
    ];
    let is_managed = |place: &&str| body.pointer(place) == Some(&Value::Bool(true));
    if managed.iter().any(is_managed) {
        return Some(format!("a {what} that the source's product manages itself"));
    }
    let name = key.name.as_str();
    if names.iter().any(|pattern| meant(pattern, name)) || name.starts_with('.') {
        return Some(format!("a built-in {what} of the source's product"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn managed_and_dotted_templates_are_built_in() {
        let key = |name: &str| ObjectKey {
            kind: ObjectKind::IndexTemplate,
            name: name.to_owned(),
        };
        assert!(built_in(&key("logs"), &json!({"_meta": {"managed": true}})).is_some());
        assert!(built_in(&key(".monitoring-es"), &json!({})).is_some());
        assert!(built_in(&key("ilm-history-3"), &json!({})).is_some());
        assert!(built_in(&key("logs"), &json!({"_meta": {"owner": "web"}})).is_none());
    }
}
