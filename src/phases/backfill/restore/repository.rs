//! The store as a repository of the target: registered read-only under a name of the phase, for as long as it restores.
//!
//! Only the cluster that takes the snapshots writes to a store. Deliberately absent: how a place is spelt for a server
//! (`snapshot::repository`).

use serde_json::{Value, json};

use super::super::super::check::{Fault, Made, Probes, Said, Thing};
use super::super::super::common;
use super::super::super::existing::SnapshotView;
use super::super::super::kind::{PerformContext, PhaseError, UndoContext};
use super::super::super::snapshot::repository::{Place, not_registered, place, snapshot};
use super::super::super::snapshot::series::part;
use super::super::super::snapshot::{registered, take_off};
use super::super::failed;
use crate::base::units::ByteRate;
use crate::base::{Address, failpoint};
use crate::clients::cluster::{ClusterClient, Request};
use crate::plan::model::BackfillSpec;
use crate::state::model::SideEffect;

/// Makes a name one that no index may have: there are no capital letters in those.
const NO_NAME: &str = "NONE";

/// The name under which a phase has its store registered on its target.
pub(super) fn name(plan: &str, phase: &Address) -> String {
    format!("mig-{}-{}-restores", part(plan), part(phase.as_str()))
}

/// The settings of the repository. `rate` is for each node.
fn settings(place: &Place, rate: Option<ByteRate>) -> Value {
    let mut settings = place.settings(None);
    if let Some(fields) = settings.as_object_mut() {
        fields.insert("readonly".into(), json!("true"));
        if let Some(rate) = rate {
            let rate = format!("{}b", rate.0.max(1));
            fields.insert("max_restore_bytes_per_sec".into(), json!(rate));
        }
    }
    settings
}

/// Registers the store, and sees that the target finds the snapshots in it that are meant; says under which name.
pub(super) fn register(
    cx: &PerformContext<'_>,
    spec: &BackfillSpec,
    client: &ClusterClient,
    view: &SnapshotView,
) -> Result<String, PhaseError> {
    let on = &spec.to.value;
    let store = common::store_behind(cx.plan, &spec.from.value);
    let place = place(cx.plan, &store).ok_or_else(|| {
        failed(
            format!("the plan has no store `{store}`, or no place for it"),
            "look at `stores`",
        )
    })?;
    let cluster_error = |error| super::super::super::connections::cluster_error(on, &error);
    let name = name(&cx.plan.name, &cx.phase.address);
    let path = format!("/_snapshot/{}", Request::part(&name));
    let found = client.found(Request::get(path.clone()));
    let before = found
        .map_err(cluster_error)?
        .and_then(|all| all.get(&name).cloned());
    if let Some(there) = &before
        && !place.is(there)
        && !is_ours(cx, &name)
    {
        return Err(PhaseError::Stale(format!(
            "repository `{name}` of {on} is there already, and is not {place}"
        )));
    }
    let nodes = u64::from(data_nodes(client).max(1));
    let rate = spec.limits.bytes.map(|rate| ByteRate(rate.0 / nodes));
    let wanted = settings(&place, rate);
    if before.as_ref().and_then(|it| it.get("settings")) != Some(&wanted) {
        let detail = json!({
            "existed": before.is_some() && !is_ours(cx, &name),
            "before": before,
            "location": place.detail(),
            "read-only": true,
        });
        (cx.announce)(common::effect_with(
            on,
            "register-repository",
            &name,
            detail,
        ))?;
        failpoint::hit("restore.register.before");
        let body = json!({"type": place.kind(), "settings": wanted});
        let made = client.send(Request::put(path.clone()).json(&body));
        failpoint::hit("restore.register.after");
        if let Err(error) = made {
            // The server keeps a registration that it could not verify.
            if before.is_none() && error.status().is_some() {
                drop(client.send(Request::delete(path)));
            }
            return Err(to_be_read(not_registered(client, on, &place, &error)));
        }
    }
    for taken in view.snapshots() {
        let there = snapshot(client, &name, taken.name()).map_err(cluster_error)?;
        let uuid = there.as_ref().and_then(|it| common::text(it, "/uuid"));
        if uuid != Some(taken.uuid()) {
            return Err(failed(
                format!(
                    "{on} finds no snapshot `{}` ({}) in {place}, which mig reads in store `{store}`: they are not the same place",
                    taken.name(),
                    taken.uuid()
                ),
                "mount the same directory under the same path on every node of the target, or write the documents: `strategy: reindex`",
            ));
        }
    }
    Ok(name)
}

/// Registers the store for a moment under a name of a check; says what was seen.
pub(in super::super) fn try_out(
    probes: &mut Probes<'_>,
    spec: &BackfillSpec,
) -> Result<Said, Fault> {
    let cx = probes.cx;
    let on = &spec.to.value;
    let store = common::store_behind(cx.plan, &spec.from.value);
    let Some(place) = place(cx.plan, &store) else {
        return Ok(Said::LeftOut(format!(
            "the plan has no place for `{store}`"
        )));
    };
    let client = cx.connections.open_cluster(on)?;
    let name = probes.name("restores");
    probes.announce(Made {
        on: on.clone(),
        thing: Thing::Repository,
        name: name.clone(),
    })?;
    // Before the first snapshot there may be no directory, which a verification would miss.
    let path = format!("/_snapshot/{}?verify=false", Request::part(&name));
    let body = json!({"type": place.kind(), "settings": settings(&place, None)});
    let made = client.send(Request::put(path).json(&body));
    made.map_err(|error| Fault::from(to_be_read(not_registered(&client, on, &place, &error))))?;
    let Some(view) = cx.connections.usable_snapshot(&spec.from.value)? else {
        return Ok(Said::Ok(format!(
            "{on} takes {place} as a read-only repository; whether it sees the snapshot shows once there is one"
        )));
    };
    for taken in view.snapshots() {
        let there = snapshot(&client, &name, taken.name());
        let there =
            there.map_err(|error| super::super::super::connections::cluster_error(on, &error))?;
        if there.as_ref().and_then(|it| common::text(it, "/uuid")) != Some(taken.uuid()) {
            return Err(Fault::new(
                format!(
                    "{on} finds no snapshot `{}` in {place}, which mig reads in store `{store}`",
                    taken.name()
                ),
                "mount the same directory under the same path on every node of the target, or write the documents: `strategy: reindex`",
            ));
        }
        let mut names = view.metadata.keys();
        let held = names.find(|it| view.owner(it).is_some_and(|it| it.name() == taken.name()));
        if let Some(index) = held {
            may_restore(&client, on, (&name, taken.name(), index))?;
        }
    }
    Ok(Said::Ok(format!(
        "{on} finds {} in {place}, as a read-only repository",
        view.label()
    )))
}

/// Asks for a restore into an index whose name no server takes: one says first whether somebody may restore at all. So nothing
/// is restored.
fn may_restore(
    client: &ClusterClient,
    on: &Address,
    (repository, snapshot, index): (&str, &str, &str),
) -> Result<(), Fault> {
    let body = json!({
        "indices": [index],
        "ignore_unavailable": false,
        "include_global_state": false,
        "include_aliases": false,
        "rename_pattern": "^.*$",
        "rename_replacement": format!("{repository}-{NO_NAME}"),
    });
    let path = format!(
        "/_snapshot/{}/{}/_restore",
        Request::part(repository),
        Request::part(snapshot)
    );
    match client.send(Request::post(path).json(&body)) {
        Err(error) if error.status() == Some(403) => {
            Err(super::super::super::connections::cluster_error(on, &error).into())
        }
        _ => Ok(()),
    }
}

/// A place that a cluster only has to read.
fn to_be_read(error: PhaseError) -> PhaseError {
    let PhaseError::Failed { message, help } = error else {
        return error;
    };
    let help = help.unwrap_or_default();
    let help = if help.contains("writable") {
        "mount the store's directory under this path on every node of the target, readable for the user that the server runs as"
            .to_owned()
    } else {
        help
    };
    PhaseError::Failed {
        message: message
            .replace("can't write to", "can't read")
            .replace("may not write to", "may not read"),
        help: Some(format!(
            "{help}; or have mig write the documents: `strategy: reindex`"
        )),
    }
}

fn is_ours(cx: &PerformContext<'_>, name: &str) -> bool {
    let record = common::record(cx.state, &cx.phase.address);
    let effects = record.map(|record| record.effects.as_slice());
    let mut effects = effects.unwrap_or_default().iter();
    effects.any(|effect: &SideEffect| {
        effect.what == "register-repository"
            && effect.name == name
            && effect.detail.get("existed") != Some(&Value::Bool(true))
    })
}

/// Nodes that hold data; 1 where the cluster does not tell.
fn data_nodes(client: &ClusterClient) -> u32 {
    let path = "/_cluster/health?filter_path=number_of_data_nodes";
    let answer = client.json(Request::get(path)).unwrap_or_default();
    let nodes = answer.get("number_of_data_nodes").and_then(Value::as_u64);
    nodes.and_then(|it| u32::try_from(it).ok()).unwrap_or(1)
}

/// Takes the repository off the target; the files stay.
pub(super) fn unregister(cx: &PerformContext<'_>, spec: &BackfillSpec) -> Result<(), PhaseError> {
    failpoint::hit("restore.unregister");
    let name = name(&cx.plan.name, &cx.phase.address);
    take_off(cx.connections, &spec.to.value, &name)
}

/// Takes off what a run left registered that never came to its end.
pub(in super::super) fn undo(cx: &UndoContext<'_>) -> Result<(), PhaseError> {
    for (on, name) in registered(cx.record) {
        take_off(cx.connections, on, name)?;
    }
    Ok(())
}
