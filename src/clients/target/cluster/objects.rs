//! Indices, templates and aliases of a cluster in the one form that all targets share.

use serde_json::Value;

use super::ClusterTarget;
use crate::clients::target::TargetError;
use crate::diff::observation::{ObjectKey, ObjectKind};

fn not_yet(target: &ClusterTarget) -> TargetError {
    TargetError::Refused {
        location: target.client.location().to_owned(),
        what: "not in this version".to_owned(),
    }
}

pub(super) fn list(target: &ClusterTarget, _kind: ObjectKind) -> Result<Vec<String>, TargetError> {
    Err(not_yet(target))
}

pub(super) fn get(target: &ClusterTarget, _key: &ObjectKey) -> Result<Option<Value>, TargetError> {
    Err(not_yet(target))
}

pub(super) fn put(
    target: &ClusterTarget,
    _key: &ObjectKey,
    _body: &Value,
) -> Result<(), TargetError> {
    Err(not_yet(target))
}

pub(super) fn delete(target: &ClusterTarget, _key: &ObjectKey) -> Result<bool, TargetError> {
    Err(not_yet(target))
}

pub(super) fn set_closed(
    target: &ClusterTarget,
    _index: &str,
    _closed: bool,
) -> Result<(), TargetError> {
    Err(not_yet(target))
}

pub(super) fn is_closed(target: &ClusterTarget, _index: &str) -> Result<bool, TargetError> {
    Err(not_yet(target))
}

pub(super) fn clear_documents(target: &ClusterTarget, _index: &str) -> Result<(), TargetError> {
    Err(not_yet(target))
}
