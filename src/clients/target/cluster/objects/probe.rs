//! Makes an index for a moment, to see whether the cluster takes it: what a simulated template does not tell (an order of
//! documents by a field that is missing, numbers of shards that do not fit each other) a real index does, and a server
//! without simulation tells nothing else beforehand.
//!
//! A probe has no copies and no node that it may stand on, so that nothing is moved for it; its name says whose it is, and
//! the next run of the same state removes what a killed one left. Only when asked for: planning else writes nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{ClusterTarget, dialect};
use super::{guard, index, refusal};
use crate::base::{Fingerprint, failpoint};
use crate::clients::cluster::Request;
use crate::clients::target::stream::generations;
use crate::clients::target::{Announce, ProbeOutcome, TargetError};
use crate::diff::observation::{ObjectKey, ObjectKind};

/// What the names of probes begin with.
const PREFIX: &str = "mig-probe-";
/// Digits of a lineage and of a body that a name holds.
const DIGITS: usize = 12;
/// Probes of one plan at most: bodies beyond it are told as not probed.
const PROBES_MAX: usize = 500;
/// No node has such a name, so that no shard is placed.
const NOWHERE: (&str, &str) = (
    "index.routing.allocation.require._name",
    "mig-probes-stand-nowhere",
);

/// Makes and removes an index for each kind of body; says what the cluster refused.
pub(in super::super) fn probe(
    target: &ClusterTarget,
    bodies: &[(ObjectKey, Value)],
    announce: Announce<'_>,
) -> Result<ProbeOutcome, TargetError> {
    clean_up(target)?;
    let mut outcome = ProbeOutcome::default();
    let mut asked: BTreeMap<String, Option<String>> = BTreeMap::new();
    let requests = bodies
        .iter()
        .flat_map(|(key, body)| requests(key, body).into_iter().map(move |it| (key, it)));
    for (key, request) in requests {
        // Of a data stream, one generation that is refused says it.
        if outcome.refused.last().is_some_and(|(last, _)| last == key) {
            continue;
        }
        let digest = Fingerprint::of(&request);
        let digest: String = digest.short().chars().take(DIGITS).collect();
        let words = match asked.get(&digest) {
            Some(words) => words.clone(),
            None if asked.len() >= PROBES_MAX => {
                outcome.not_probed += 1;
                continue;
            }
            None => {
                let name = format!("{}{digest}", own_prefix(target));
                if announce(&name).is_err() {
                    break;
                }
                let words = make(target, &name, &request)?;
                asked.insert(digest, words.clone());
                words
            }
        };
        if let Some(words) = words {
            outcome.refused.push((key.clone(), words));
        }
    }
    outcome.made = asked.len();
    Ok(outcome)
}

fn own_prefix(target: &ClusterTarget) -> String {
    let lineage = target.lineage.chars().filter(char::is_ascii_alphanumeric);
    let lineage: String = lineage.take(DIGITS).collect();
    format!("{PREFIX}{lineage}-")
}

/// What probes ask for: an index for each body with settings and mappings, of a data stream one for each generation.
fn requests(key: &ObjectKey, body: &Value) -> Vec<Value> {
    match key.kind {
        ObjectKind::IndexTemplate | ObjectKind::ComponentTemplate => {
            body.get("template").map(request).into_iter().collect()
        }
        ObjectKind::LegacyTemplate | ObjectKind::Index => vec![request(body)],
        ObjectKind::DataStream => generations(body).iter().map(request).collect(),
        _ => Vec::new(),
    }
}

fn request(section: &Value) -> Value {
    let mut settings = index::settings(section);
    if let Some(shards) = index::routing_shards(section) {
        settings.insert(index::ROUTING_SHARDS.into(), json!(shards));
    }
    settings.insert("index.number_of_replicas".into(), json!("0"));
    settings.insert(NOWHERE.0.into(), json!(NOWHERE.1));
    json!({"settings": settings, "mappings": index::mappings(section)})
}

/// The cluster's words where it refuses.
fn make(target: &ClusterTarget, name: &str, body: &Value) -> Result<Option<String>, TargetError> {
    let path = format!(
        "/{}?wait_for_active_shards=0{}",
        Request::part(name),
        dialect::typeless(target.about.version)
    );
    let guarded = guard::raise(target, name)?;
    let made = target.client.json(Request::put(path).json(body));
    failpoint::hit("target.probe.made");
    if guarded {
        guard::lower(target, name)?;
    }
    remove(target, name)?;
    match made {
        Ok(_) => Ok(None),
        // Sent twice after an answer that was lost: it was taken the first time.
        Err(error) if super::exists_error(&error) => Ok(None),
        Err(error) => Ok(Some(refusal(error)?.replace(name, "…"))),
    }
}

fn remove(target: &ClusterTarget, name: &str) -> Result<(), TargetError> {
    let request = Request::delete(format!("/{}", Request::part(name)));
    match target.client.send(request) {
        Ok(_) => Ok(()),
        Err(error) if error.status() == Some(404) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The probes that a run of the same state left that was killed.
pub(super) fn left_by(target: &ClusterTarget) -> Result<Vec<String>, TargetError> {
    let prefix = own_prefix(target);
    let all = dialect::listed_all(target.about.version);
    let path = format!("/_cat/indices/{prefix}*?format=json&h=index{all}");
    let found = target.client.found(Request::get(path))?.unwrap_or_default();
    let rows = found.as_array().into_iter().flatten();
    let names = rows.filter_map(|row| row.get("index").and_then(Value::as_str));
    let own = names.filter(|name| name.starts_with(&prefix));
    Ok(own.map(str::to_owned).collect())
}

/// Removes them.
pub(super) fn clean_up(target: &ClusterTarget) -> Result<(), TargetError> {
    for name in left_by(target)? {
        remove(target, &name)?;
    }
    Ok(())
}
