//! Templates: legacy, composable and component templates, as `PUT` takes them.

use serde_json::Value;

use super::super::{ClusterTarget, dialect};
use super::refused;
use crate::clients::cluster::Request;
use crate::clients::target::TargetError;
use crate::diff::observation::ObjectKey;
use crate::diff::observation::ObjectKind;

fn path(target: &ClusterTarget, key: &ObjectKey) -> Result<String, TargetError> {
    let api = match key.kind {
        ObjectKind::ComponentTemplate => "_component_template",
        ObjectKind::IndexTemplate => "_index_template",
        _ => "_template",
    };
    if api != "_template" && !dialect::has_composable(target.about.version) {
        return Err(refused(
            target,
            format!(
                "{} `{}`: {} has legacy templates only",
                key.kind.as_str(),
                key.name,
                target.about.version
            ),
        ));
    }
    Ok(format!("/{api}/{}", Request::part(&key.name)))
}

pub(super) fn put(
    target: &ClusterTarget,
    key: &ObjectKey,
    body: &Value,
) -> Result<(), TargetError> {
    let mut path = path(target, key)?;
    if key.kind == ObjectKind::LegacyTemplate {
        let typeless = dialect::typeless(target.about.version);
        path.push_str(&typeless.replacen('&', "?", 1));
    }
    target.client.send(Request::put(path).json(body))?;
    Ok(())
}

/// Says whether there was one.
pub(super) fn delete(target: &ClusterTarget, key: &ObjectKey) -> Result<bool, TargetError> {
    let path = path(target, key)?;
    match target.client.send(Request::delete(path)) {
        Ok(_) => Ok(true),
        Err(error) if error.status() == Some(404) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
