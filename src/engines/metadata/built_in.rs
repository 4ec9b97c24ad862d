//! Templates that a product installs by itself: the target has its own, or no use for them.

use serde_json::Value;

use crate::base::settings::meant;
use crate::diff::observation::{ObjectKey, ObjectKind};

/// Names of templates that Elasticsearch 7.x installs and does not mark as managed; `*` at the end stands for any rest.
const NAMES: [&str; 8] = [
    "ilm-history*",
    "slm-history*",
    "watch-history*",
    "triggered_watches",
    "watches",
    "logstash-index-template",
    "security_audit_log",
    "security-index-template*",
];

/// Why a template is left out as one that the source's product installed by itself.
pub fn built_in(key: &ObjectKey, body: &Value) -> Option<&'static str> {
    if !matches!(
        key.kind,
        ObjectKind::ComponentTemplate | ObjectKind::IndexTemplate | ObjectKind::LegacyTemplate
    ) {
        return None;
    }
    if body.pointer("/_meta/managed") == Some(&Value::Bool(true)) {
        return Some("a template that the source's product manages itself");
    }
    let name = key.name.as_str();
    let known = NAMES.iter().any(|pattern| meant(pattern, name));
    if known || name.starts_with('.') {
        return Some("a built-in template of the source's product");
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
