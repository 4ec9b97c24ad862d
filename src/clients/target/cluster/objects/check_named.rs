//! Asks a cluster what it would say to settings of its own, scripts, pipelines and the rest, without storing anything.
//!
//! Pipelines are simulated over one empty document. Of scripts only the language is asked for: no call compiles one
//! without storing it. Deliberately absent: values of settings, which no call judges beforehand.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::ClusterTarget;
use super::{named, refusal, settings};
use crate::clients::cluster::{ClusterError, Request};
use crate::clients::target::TargetError;
use crate::diff::observation::{ObjectKey, ObjectKind};

/// What the cluster would refuse among objects that have no settings of indices, with its words.
pub(super) fn refusals(
    target: &ClusterTarget,
    bodies: &[(ObjectKey, Value)],
) -> Result<Vec<(ObjectKey, String)>, TargetError> {
    let mut found = Vec::new();
    let mut lacking: BTreeMap<ObjectKind, Option<String>> = BTreeMap::new();
    let mut languages = None;
    for (key, body) in bodies {
        let words = match key.kind {
            ObjectKind::ClusterSettings => {
                let unknown = settings::unknown(target, body)?;
                (!unknown.is_empty()).then(|| {
                    let unknown: Vec<&str> = unknown.iter().map(String::as_str).collect();
                    format!("it does not know the settings {}", unknown.join(", "))
                })
            }
            ObjectKind::Script => {
                let known = match &languages {
                    Some(known) => known,
                    None => &*languages.insert(known_languages(target)?),
                };
                unknown_language(known.as_ref(), body)
            }
            kind if kind.has_index_settings() || kind == ObjectKind::Alias => continue,
            kind => {
                if let Entry::Vacant(entry) = lacking.entry(kind) {
                    entry.insert(named::lacks(target, kind)?);
                }
                let words = lacking.get(&kind).cloned().flatten();
                if words.is_none() && kind == ObjectKind::IngestPipeline {
                    simulate(target, body)?
                } else {
                    words
                }
            }
        };
        if let Some(words) = words {
            found.push((key.clone(), words));
        }
    }
    Ok(found)
}

/// What a pipeline does to a document says nothing; only what it is made of is asked about.
fn simulate(target: &ClusterTarget, body: &Value) -> Result<Option<String>, TargetError> {
    let body = json!({ "pipeline": body, "docs": [{ "_source": {} }] });
    let request = Request::post("/_ingest/pipeline/_simulate")
        .json(&body)
        .idempotent();
    match target.client.send(request) {
        Ok(_) => Ok(None),
        Err(error) => Ok(Some(refusal(error)?)),
    }
}

/// The script languages of the cluster; `None` where it does not tell (Elasticsearch before 7.6).
fn known_languages(target: &ClusterTarget) -> Result<Option<BTreeSet<String>>, TargetError> {
    let answer = match target.client.found(Request::get("/_script_language")) {
        Ok(answer) => answer,
        Err(ClusterError::Status {
            status: 400 | 405, ..
        }) => None,
        Err(error) => return Err(error.into()),
    };
    let languages = answer.and_then(|mut it| match it.get_mut("language_contexts")?.take() {
        Value::Array(languages) => Some(languages),
        _ => None,
    });
    Ok(languages.map(|languages| {
        let name = |it: &Value| it.get("language")?.as_str().map(str::to_owned);
        languages.iter().filter_map(name).collect()
    }))
}

fn unknown_language(known: Option<&BTreeSet<String>>, body: &Value) -> Option<String> {
    let language = body.pointer("/script/lang").and_then(Value::as_str)?;
    let known = known?;
    (!known.contains(language)).then(|| format!("it has no script language `{language}`"))
}
