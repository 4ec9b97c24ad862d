//! Settings of an index that are changed while it is loaded, and put back afterwards.
//!
//! What they were is kept in the working state before anything is changed, so that whoever comes next can put them back:
//! the end of the load, the next apply, or `mig restore-settings`. The alias that documents are written through
//! (`part`) goes with them. A setting that somebody else changed meanwhile is left as it is found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::working_state::{Condition, Tag, Whose};
use super::{ClusterTarget, part};
use crate::base::failpoint;
use crate::clients::cluster::Request;
use crate::clients::target::TargetError;

/// What such a document is in the working state.
const KIND: &str = "tuned";
const REFRESH: &str = "index.refresh_interval";
const REPLICAS: &str = "index.number_of_replicas";
const AUTO_REPLICAS: &str = "index.auto_expand_replicas";
const GC_DELETES: &str = "index.gc_deletes";
const TRANSLOG: &str = "index.translog.durability";

/// What is changed while an index is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// No refresh by itself.
    pub pause_refresh: bool,
    /// No replicas.
    pub no_replicas: bool,
    /// Answers before the translog is on disk.
    pub async_translog: bool,
    /// Forgets at once what was deleted, so that a document that was made anew at the source may have a lower version.
    pub forget_deletes: bool,
}

impl Tuning {
    fn wanted(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [
            (self.pause_refresh, REFRESH, "-1"),
            (self.no_replicas, REPLICAS, "0"),
            (self.async_translog, TRANSLOG, "async"),
            (self.forget_deletes, GC_DELETES, "0s"),
        ]
        .into_iter()
        .filter(|(wanted, ..)| *wanted)
        .map(|(_, key, value)| (key, value))
    }
}

/// An index that is tuned, as the working state has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tuned {
    /// The index.
    pub index: String,
    /// Its uuid: one that was made anew since is not touched.
    pub uuid: String,
    /// The settings of before; `None` where there was none.
    pub before: BTreeMap<String, Option<String>>,
    /// What they are meanwhile.
    pub during: BTreeMap<String, String>,
}

/// What became of a tuned index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Settings that are as before, with their value; `None`: the server's own.
    pub put_back: BTreeMap<String, Option<String>>,
    /// Settings that somebody else changed meanwhile and that are left alone.
    pub left: Vec<String>,
    /// Whether the index is gone, or is another one.
    pub gone: bool,
}

fn id(index: &str) -> String {
    format!("tuned:{index}")
}

/// The settings of an index that were given to it, flat; `None` where there is no such index.
fn settings(
    target: &ClusterTarget,
    index: &str,
) -> Result<Option<Map<String, Value>>, TargetError> {
    let path = format!("/{}/_settings?flat_settings=true", Request::part(index));
    let Some(mut found) = target.client.found(Request::get(path))? else {
        return Ok(None);
    };
    let settings = found
        .get_mut(index)
        .and_then(|index| index.get_mut("settings"))
        .map(Value::take);
    Ok(match settings {
        Some(Value::Object(settings)) => Some(settings),
        _ => None,
    })
}

fn text<'a>(settings: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    settings.get(key).and_then(Value::as_str)
}

/// Changes settings of an index.
pub fn put(target: &ClusterTarget, index: &str, body: &Value) -> Result<(), TargetError> {
    let path = format!("/{}/_settings", Request::part(index));
    target.client.send(Request::put(path).json(body))?;
    Ok(())
}

/// What would be changed of an index, with what it would be changed from. Nothing is written.
fn plan(
    target: &ClusterTarget,
    index: &str,
    uuid: &str,
    tuning: Tuning,
) -> Result<Option<Tuned>, TargetError> {
    let Some(settings) = settings(target, index)? else {
        return Ok(None);
    };
    if text(&settings, "index.uuid") != Some(uuid) {
        return Ok(None);
    }
    let earlier = target
        .state
        .get::<Tuned>(&id(index))?
        .map(|stored| stored.body)
        .filter(|tuned| tuned.uuid == uuid);
    let mut tuned = earlier.unwrap_or_else(|| Tuned {
        index: index.to_owned(),
        uuid: uuid.to_owned(),
        before: BTreeMap::new(),
        during: BTreeMap::new(),
    });
    for (key, value) in tuning.wanted() {
        let now = text(&settings, key);
        let spread = text(&settings, AUTO_REPLICAS).is_some_and(|it| it != "false");
        if tuned.before.contains_key(key) || now == Some(value) || (key == REPLICAS && spread) {
            continue;
        }
        tuned.before.insert(key.to_owned(), now.map(str::to_owned));
        tuned.during.insert(key.to_owned(), value.to_owned());
    }
    Ok(Some(tuned))
}

/// Changes settings of an index; notes first what they were. `announce` is told what will be, before anything is written.
pub fn begin<E: From<TargetError>>(
    target: &ClusterTarget,
    index: &str,
    uuid: &str,
    tuning: Tuning,
    announce: impl FnOnce(&Tuned) -> Result<(), E>,
) -> Result<(), E> {
    target.state.ensure()?;
    let Some(tuned) = plan(target, index, uuid, tuning)? else {
        return Ok(());
    };
    announce(&tuned)?;
    failpoint::hit("tune-before-note");
    let tag = Tag {
        kind: KIND,
        plan: &target.plan,
        lineage: &target.lineage,
    };
    target
        .state
        .put(&id(index), tag, &tuned, Condition::Always, true)?;
    failpoint::hit("tune-after-note");
    if !tuned.during.is_empty() {
        put(target, index, &json!(tuned.during))?;
    }
    failpoint::hit("tune-after-put");
    Ok(())
}

/// Puts back what was changed, makes all documents visible, and forgets that the index was tuned. Idempotent.
pub fn restore(target: &ClusterTarget, tuned: &Tuned) -> Result<Restored, TargetError> {
    let mut restored = Restored::default();
    let index = &tuned.index;
    let settings = settings(target, index)?;
    match settings.filter(|settings| text(settings, "index.uuid") == Some(&tuned.uuid)) {
        None => restored.gone = true,
        Some(settings) => {
            let mut body = Map::new();
            for (key, during) in &tuned.during {
                let before = tuned.before.get(key).cloned().flatten();
                let now = text(&settings, key);
                if now == Some(during) {
                    body.insert(key.clone(), json!(before));
                } else if now != before.as_deref() {
                    restored.left.push(key.clone());
                    continue;
                }
                restored.put_back.insert(key.clone(), before);
            }
            failpoint::hit("tune-before-restore");
            if !body.is_empty() {
                put(target, index, &Value::Object(body))?;
            }
            failpoint::hit("tune-after-restore");
            part::remove_alias(target, index, &part::alias(&tuned.uuid))?;
            refresh(target, index)?;
        }
    }
    target.state.delete(&id(index))?;
    failpoint::hit("tune-after-forget");
    Ok(restored)
}

/// Makes all documents of an index visible to searches.
pub fn refresh(target: &ClusterTarget, index: &str) -> Result<(), TargetError> {
    let path = format!("/{}/_refresh", Request::part(index));
    match target.client.send(Request::post(path).idempotent()) {
        Ok(_) => Ok(()),
        // A closed index has nothing to make visible.
        Err(error) if error.kind() == "index_closed_exception" => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The indices that are tuned, of one plan where given.
pub fn list(target: &ClusterTarget, plan: Option<&str>) -> Result<Vec<Tuned>, TargetError> {
    let found = target
        .state
        .list::<Tuned>(KIND, plan.map_or(Whose::All, Whose::Plan))?;
    Ok(found.into_iter().map(|stored| stored.body).collect())
}

/// Forgets that an index was tuned, which goes itself.
pub fn forget(target: &ClusterTarget, index: &str) -> Result<(), TargetError> {
    target.state.delete(&id(index)).map(drop)
}

/// The index as tuned, where it is.
pub fn find(target: &ClusterTarget, index: &str) -> Result<Option<Tuned>, TargetError> {
    Ok(target.state.get(&id(index))?.map(|stored| stored.body))
}
