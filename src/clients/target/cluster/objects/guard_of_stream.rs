//! The template that a generation of a data stream is made by: see [`super::super::stream`].

use serde_json::{Value, json};

use super::super::{ClusterTarget, dialect, stream};
use super::{guard, index};
use crate::clients::cluster::Request;
use crate::clients::target::TargetError;

/// What the names of these templates begin with.
pub(super) const PREFIX: &str = "mig-generation-";
/// No index and no stream has a name like this.
const UNUSED: &str = "mig-no-stream-";

fn path(name: &str) -> String {
    format!("/_index_template/{PREFIX}{}", Request::part(name))
}

/// Puts the template up by which the next generation of the stream is made.
pub(in super::super) fn raise(
    target: &ClusterTarget,
    name: &str,
    timestamp_field: &str,
    body: &Value,
) -> Result<(), TargetError> {
    let (settings, mappings) = index::as_requested(body);
    let template = json!({
        "index_patterns": [name],
        "priority": guard::PRIORITY,
        "data_stream": stream::data_stream(timestamp_field),
        "template": {"settings": settings, "mappings": mappings},
        "_meta": {"mig": {"lineage": target.lineage}},
    });
    target
        .client
        .send(Request::put(path(name)).json(&template))?;
    Ok(())
}

/// Takes it down again, where it is there.
pub(in super::super) fn lower(target: &ClusterTarget, name: &str) -> Result<(), TargetError> {
    let has = dialect::has_composable(target.about.version);
    if !has || target.client.found(Request::get(path(name)))?.is_none() {
        return Ok(());
    }
    // A server refuses to remove a template that means a stream by its pattern.
    let unused = json!({
        "index_patterns": [format!("{UNUSED}{name}")],
        "priority": guard::PRIORITY,
        "template": {},
        "_meta": {"mig": {"lineage": target.lineage}},
    });
    target.client.send(Request::put(path(name)).json(&unused))?;
    match target.client.send(Request::delete(path(name))) {
        Ok(_) => Ok(()),
        Err(error) if error.status() == Some(404) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Takes down what a run of the same state left that was killed.
pub(super) fn clean_up(target: &ClusterTarget) -> Result<(), TargetError> {
    for name in guard::left_by(target, PREFIX)? {
        lower(target, &name)?;
    }
    Ok(())
}
