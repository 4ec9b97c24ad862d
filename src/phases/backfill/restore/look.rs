//! What is observed for restores. Reads only.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::super::super::common;
use super::super::super::connections::Connections;
use super::super::super::kind::PhaseError;
use super::super::super::live::SourceView;
use super::super::super::metadata::source::index_body;
use super::super::super::snapshot::repository::{Place, place};
use crate::base::Address;
use crate::base::settings::whole;
use crate::clients::cluster::{ClusterClient, Request};
use crate::clients::target::cluster::restore::{self, Recovered, Restoring, Stage};
use crate::clients::target::{Target, TargetError};
use crate::diff::observation::{
    ObjectKey, ObjectKind, RestoreFacts, RestoreGround, TargetIndexFacts, Unreached, WorkFacts,
};
use crate::engines::metadata::differences;
use crate::engines::snapshot::decode_version_id;
use crate::plan::model::{BackfillSpec, Plan};

/// Whose restores are meant.
#[derive(Clone, Copy)]
pub(in super::super) struct Whose<'a> {
    /// The plan.
    pub(in super::super) plan: &'a Plan,
    /// The phase.
    pub(in super::super) phase: &'a Address,
    /// The lineage of its state.
    pub(in super::super) lineage: &'a str,
    /// Its snapshot.
    pub(in super::super) snapshot: &'a str,
}

impl Whose<'_> {
    /// Whether a note is of these.
    pub(in super::super) fn is(self, restoring: &Restoring) -> bool {
        restoring.plan == self.plan.name
            && restoring.phase == self.phase.as_str()
            && restoring.lineage == self.lineage
            && restoring.snapshot_uuid == self.snapshot
    }
}

/// What the target notes of restores of this phase, for indices that are still the same there. Counts them into what the work
/// store says: both are work of the phase, and which of them holds an index is nobody else's business.
pub(in super::super) fn marks(
    target: &dyn Target,
    whose: Whose<'_>,
    there: &BTreeMap<String, TargetIndexFacts>,
    work: &mut Option<WorkFacts>,
) -> Result<BTreeMap<String, bool>, TargetError> {
    let mut found = BTreeMap::new();
    let Some(cluster) = target.cluster() else {
        return Ok(found);
    };
    let names: Vec<&str> = there.keys().map(String::as_str).collect();
    for restoring in restore::find(cluster, &names)? {
        let is_same = |facts: &TargetIndexFacts| facts.uuid == restoring.uuid;
        if !whose.is(&restoring) || !there.get(&restoring.index).is_some_and(is_same) {
            continue;
        }
        let work = work.get_or_insert_with(WorkFacts::default);
        work.items += 1;
        work.items_done += u64::from(restoring.done);
        work.complete
            .insert(restoring.index.clone(), restoring.done);
        found.insert(restoring.index, restoring.done);
    }
    Ok(found)
}

/// What tells whether indices can be restored; nothing where the plan does not ask for it.
pub(in super::super) fn ground(
    connections: &Connections,
    plan: &Plan,
    spec: &BackfillSpec,
    view: &SourceView,
    target: &dyn Target,
) -> Result<Option<Box<RestoreGround>>, PhaseError> {
    if spec.strategy.is_reindex() {
        return Ok(None);
    }
    if target.cluster().is_none() {
        return Ok(Some(Box::default()));
    }
    let on = &spec.to.value;
    let error = |error| common::target_error(on, &error);
    let bodies = bodies(view);
    let keys: Vec<ObjectKey> = bodies
        .keys()
        .map(|name| ObjectKey {
            kind: ObjectKind::Index,
            name: name.clone(),
        })
        .collect();
    let there: BTreeMap<String, Value> = target
        .get_many(&keys)
        .map_err(error)?
        .into_iter()
        .map(|(key, body)| (key.name, body))
        .collect();
    let indices = bodies
        .into_iter()
        .map(|(name, body)| {
            let found = there.get(&name);
            let differs = found.map(|found| {
                let edits = differences(ObjectKind::Index, &body, found);
                edits.into_iter().map(|edit| edit.path).collect()
            });
            let created = setting(&body, "index.version.created").and_then(whole);
            let created = created.and_then(decode_version_id);
            let facts = RestoreFacts {
                created: created.map(crate::engines::snapshot::IndexVersion::line),
                differs,
            };
            (name, facts)
        })
        .collect();
    let store = common::store_behind(plan, &spec.from.value);
    let place = place(plan, &store);
    let client = connections.open_cluster(on)?;
    Ok(Some(Box::new(RestoreGround {
        cluster: true,
        taken_by: view.made_by(),
        place: place.as_ref().map_or_else(String::new, Place::to_string),
        unreached: place.and_then(|place| unreached(&client, &place)),
        indices,
    })))
}

fn setting<'a>(body: &'a Value, key: &str) -> Option<&'a Value> {
    let settings = body.get("settings")?;
    settings
        .get(key)
        .or_else(|| settings.pointer(&format!("/{}", key.replace('.', "/"))))
}

/// The indices of the source as it has them.
fn bodies(view: &SourceView) -> BTreeMap<String, Value> {
    let live = match view {
        SourceView::Live(live) => Some(&live.objects),
        SourceView::Wider(wider) => Some(&wider.live.objects),
        SourceView::Snapshot(_) | SourceView::Nothing => None,
    };
    let taken = match view {
        SourceView::Snapshot(view) => Some(view),
        SourceView::Wider(wider) => Some(&wider.taken),
        SourceView::Live(_) | SourceView::Nothing => None,
    };
    let live = live.into_iter().flatten();
    let live = live.filter(|(key, _)| key.kind == ObjectKind::Index);
    let mut bodies: BTreeMap<String, Value> = live
        .map(|(key, body)| (key.name.clone(), body.clone()))
        .collect();
    for (name, index) in taken.iter().flat_map(|view| &view.metadata) {
        bodies.insert(name.clone(), index_body(index));
    }
    bodies
}

/// Why the nodes of a cluster don't reach a place, as far as they tell without anything being registered.
fn unreached(client: &ClusterClient, place: &Place) -> Option<Unreached> {
    let untold = || {
        Some(Unreached {
            what: format!("the target does not tell whether its nodes reach {place}"),
            certain: false,
        })
    };
    let (what, fields) = match place {
        Place::Directory(_) => ("settings", "nodes.*.name,nodes.*.settings.path.repo"),
        Place::Bucket { .. } => (
            "plugins",
            "nodes.*.name,nodes.*.plugins.name,nodes.*.modules.name",
        ),
    };
    let request = Request::get(format!("/_nodes/{what}?filter_path={fields}"));
    let Ok(answer) = client.json(request) else {
        return untold();
    };
    let nodes = answer.get("nodes").and_then(Value::as_object);
    let Some(nodes) = nodes.filter(|nodes| !nodes.is_empty()) else {
        return untold();
    };
    let lacking: Vec<&str> = nodes
        .values()
        .filter(|node| !reaches(node, place))
        .map(|node| common::text(node, "/name").unwrap_or("?"))
        .collect();
    if lacking.is_empty() {
        return None;
    }
    let which = if lacking.len() == 1 { "node" } else { "nodes" };
    let lacking = common::few(&lacking);
    Some(Unreached {
        what: match place {
            Place::Directory(_) => {
                format!("{place} is in no `path.repo` of {which} {lacking} of the target")
            }
            Place::Bucket { .. } => {
                format!("{which} {lacking} of the target have no plugin `repository-s3`")
            }
        },
        certain: true,
    })
}

fn reaches(node: &Value, place: &Place) -> bool {
    match place {
        Place::Directory(path) => {
            let roots = node.pointer("/settings/path/repo");
            let roots: Vec<&str> = match roots {
                Some(Value::Array(roots)) => roots.iter().filter_map(Value::as_str).collect(),
                Some(Value::String(root)) => vec![root],
                _ => Vec::new(),
            };
            roots.iter().any(|root| path.starts_with(Path::new(root)))
        }
        Place::Bucket { .. } => ["plugins", "modules"].iter().any(|list| {
            let parts = node.get(*list).and_then(Value::as_array);
            let mut parts = parts.into_iter().flatten();
            parts.any(|part| common::text(part, "/name") == Some("repository-s3"))
        }),
    }
}

/// How far the restore of an index is, for people who wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Course {
    /// Whether it is done, counted too.
    pub(in super::super) done: bool,
    /// Whether the target is at it just now.
    pub(in super::super) under_way: bool,
    /// How much of it is there.
    pub(in super::super) recovered: Recovered,
}

impl Course {
    /// Of one that came to its end.
    pub(in super::super) fn of_done(restoring: &Restoring) -> Self {
        Self {
            done: true,
            under_way: false,
            recovered: Recovered {
                bytes: restoring.bytes,
                of_bytes: restoring.bytes,
                shards: u64::from(restoring.shards),
            },
        }
    }
}

/// How far the restores of these indices are.
pub(in super::super) fn courses(
    target: &dyn Target,
    whose: Whose<'_>,
    indices: &[&str],
) -> Result<BTreeMap<String, Course>, TargetError> {
    let Some(cluster) = target.cluster() else {
        return Ok(BTreeMap::new());
    };
    let noted = restore::find(cluster, indices)?;
    let noted: Vec<&Restoring> = noted.iter().filter(|it| whose.is(it)).collect();
    let open = noted.iter().copied().filter(|it| !it.done);
    let stages = restore::look(cluster, &open.collect::<Vec<_>>())?;
    let is_at_work =
        |name: &str| matches!(stages.get(name), Some(Stage::UnderWay | Stage::Restored));
    let running = noted.iter().filter(|it| !it.done && is_at_work(&it.index));
    let running: Vec<&str> = running.map(|it| it.index.as_str()).collect();
    let recovered = restore::recovered(cluster, &running)?;
    let mut courses = BTreeMap::new();
    for restoring in noted {
        let stage = stages.get(&restoring.index);
        if !restoring.done && matches!(stage, None | Some(Stage::Gone)) {
            continue;
        }
        let known = recovered.get(&restoring.index).copied();
        let course = if restoring.done {
            Course::of_done(restoring)
        } else {
            Course {
                done: false,
                under_way: stage == Some(&Stage::UnderWay),
                recovered: known.unwrap_or_default(),
            }
        };
        courses.insert(restoring.index.clone(), course);
    }
    Ok(courses)
}

/// Whether the target restores something for this phase just now, or is to.
pub(in super::super) fn is_at_work(
    target: &dyn Target,
    whose: Whose<'_>,
) -> Result<bool, TargetError> {
    let Some(cluster) = target.cluster() else {
        return Ok(false);
    };
    let noted = restore::unfinished(cluster)?;
    Ok(noted.iter().any(|it| whose.is(it)))
}
