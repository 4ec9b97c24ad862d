//! What can be tried of a snapshot before it is taken, without a word about anybody's indices.
//!
//! The store is registered under a name of the check and verified, which makes every node write and read a file of its own and
//! remove it. No snapshot is taken, not even one of nothing: that would write into the repository's own list, which stays then. That snapshots
//! may be taken is seen from how the cluster refuses one whose name no snapshot can have: whoever lacks the privilege is told so
//! first. That the cluster's directory is the one that is read here shows in the time at which it last changed. All of it is among what
//! a cluster that is read-only may be asked.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::check::clock::{self, Clock, Signs};
use super::super::check::privileges::Names;
use super::super::check::{Fault, Made, Probes, Said, Thing, cluster_fault};
use super::super::common;
use super::repository;
use crate::base::units::plural;
use crate::base::{Address, failpoint};
use crate::clients::cluster::{ClusterClient, ClusterError, Request};
use crate::clients::objects::{BucketFault, BucketProbe, ClockSeen};
use crate::plan::model::{Auth, PhaseSpec, Plan, SnapshotSpec, StoreAt};

/// A name that no server gives to a snapshot, since it has capital letters.
const NO_NAME: &str = "MIG-CHECK-NEVER-TAKEN";
/// The longest that a verified directory may take to show here: shared file systems cache.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The longest that a verification may take: every node writes to the store.
const VERIFIED_WITHIN: Duration = Duration::from_mins(2);

pub(super) fn check(probes: &mut Probes<'_>) {
    let cx = probes.cx;
    match &cx.phase.spec {
        PhaseSpec::Snapshot(SnapshotSpec::Take { of, to, .. }) => {
            take(probes, &of.value, &to.value);
        }
        PhaseSpec::Snapshot(SnapshotSpec::Existing { store, .. }) => {
            own(probes, &store.value, false);
            found(probes, &store.value);
        }
        _ => {}
    }
}

fn take(probes: &mut Probes<'_>, of: &Address, to: &Address) {
    let cx = probes.cx;
    let mut client = None;
    probes.probe("source", of, |_| {
        let opened = cx.connections.open_cluster(of)?;
        let fault = |error| cluster_fault(of, &error, &Names::none(), cx.connections);
        let about = opened.about().map_err(fault)?;
        client = Some(opened);
        Ok(Said::Ok(format!(
            "{} answers as the plan says",
            about.version
        )))
    });
    let bucket = own(probes, to, true);
    let Some(client) = client else {
        let why = format!("{of} was not reached");
        for name in ["repository", "snapshots"] {
            probes.left_out(name, of, &why);
        }
        return;
    };
    let before = directory(probes, to).map(|path| (path.clone(), changed(&path)));
    let registered = probes.probe("repository", of, |probes| register(probes, &client, of, to));
    match (before, registered) {
        (Some((path, before)), true) => {
            probes.probe("same place", to, |_| same_place(cx.plan, to, &path, before));
        }
        (Some(_), false) => probes.left_out("same place", to, "the repository was not verified"),
        (None, _) => {}
    }
    if registered {
        probes.probe("snapshots", of, |probes| {
            let name = probes.name("repository");
            may_take(&client, &name).map_err(|error| match error {
                Refusal::Odd(said) => Fault::new(said, "look at the server's log"),
                Refusal::Cluster(error) => {
                    cluster_fault(of, &error, &Names::none(), cx.connections)
                }
            })
        });
    } else {
        probes.left_out("snapshots", of, "there is no repository to ask about");
    }
    let signs = match cx.plan.clusters.get(of).map(|cluster| &cluster.auth) {
        Some(Auth::Sigv4 { .. }) => Signs::Domain,
        _ => Signs::Nothing,
    };
    let nodes = clock::of_cluster(&client);
    probes.probe("clock", of, |_| {
        let nodes = nodes
            .as_ref()
            .map_err(|error| cluster_fault(of, error, &Names::none(), cx.connections))?;
        clock::told("this machine", nodes, signs)
    });
    if let (Ok(nodes), Some(bucket)) = (nodes, bucket) {
        // Seen from here, the one and the other: what is between them is the difference.
        let beside: Vec<Clock> = nodes
            .into_iter()
            .map(|node| Clock {
                seen: ClockSeen {
                    ahead_ms: node.seen.ahead_ms - bucket.ahead_ms,
                    within: node.seen.within + bucket.within,
                },
                ..node
            })
            .collect();
        probes.probe("clock", of, |_| clock::told("S3", &beside, Signs::S3));
    }
}

/// What mig itself can do with the store, and the clock of a bucket where one was told.
fn own(probes: &mut Probes<'_>, store: &Address, to_be_written: bool) -> Option<ClockSeen> {
    let cx = probes.cx;
    match &cx.plan.stores.get(store)?.at {
        StoreAt::Directory { path, .. } => {
            probes.probe("store", store, |_| read_directory(path, to_be_written));
            None
        }
        StoreAt::S3 { .. } => {
            let mut opened: Option<Box<dyn BucketProbe>> = None;
            let listed = probes.probe("store", store, |_| {
                let bucket = opened.insert(cx.connections.open_probe(store)?);
                let names = bucket.list("")?;
                let at = bucket.location();
                Ok(Said::Ok(if names.is_empty() {
                    format!("mig can list {at}, which is empty")
                } else {
                    format!("mig can list {at}: {}", plural(names.len() as u64, "name"))
                }))
            });
            let bucket = opened?;
            if listed {
                probes.probe("object", store, |probes| object(probes, &*bucket, store));
            }
            let clock = bucket.clock();
            own_clock(probes, store, clock);
            clock
        }
    }
}

fn read_directory(path: &Path, to_be_written: bool) -> Result<Said, Fault> {
    match std::fs::read_dir(path) {
        Ok(entries) => {
            let names = entries.count() as u64;
            Ok(Said::Ok(format!(
                "mig can list {}: {}",
                path.display(),
                plural(names, "name")
            )))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && to_be_written => {
            Ok(Said::Ok(format!(
                "{} is not there yet: the first snapshot makes it",
                path.display()
            )))
        }
        Err(error) => Err(Fault::new(
            format!("mig can't read {}: {error}", path.display()),
            "run mig as a user that may read it (the group that the server runs as, or an ACL)",
        )),
    }
}

/// Writes, reads and removes one object. A store is only read by mig, so that it need not be allowed to write.
fn object(
    probes: &mut Probes<'_>,
    bucket: &dyn BucketProbe,
    store: &Address,
) -> Result<Said, Fault> {
    let key = probes.name("object");
    let need_not = |fault: BucketFault| {
        if fault.denied {
            Ok(Said::LeftOut(format!(
                "mig may not write there ({fault}), and need not: the cluster does"
            )))
        } else {
            Err(fault.into())
        }
    };
    if let Err(fault) = bucket.remove(&key) {
        return need_not(fault);
    }
    probes.announce(Made {
        on: store.clone(),
        thing: Thing::Blob,
        name: key.clone(),
    })?;
    let words = Bytes::from(probes.cx.mark.words());
    if let Err(fault) = bucket.put(&key, words.clone()) {
        return need_not(fault);
    }
    let back = bucket.get(&key)?;
    bucket.remove(&key)?;
    if back != words {
        return Err(Fault::new(
            "what was read is not what was written",
            "check that `endpoint:` is one S3 server, and no proxy changes its answers",
        ));
    }
    Ok(Said::Ok(
        "mig can write, read and remove an object where the snapshots go".to_owned(),
    ))
}

fn own_clock(probes: &mut Probes<'_>, store: &Address, seen: Option<ClockSeen>) {
    let Some(seen) = seen else { return };
    // The other way round: what counts is how far this machine is from S3.
    let clock = Clock {
        whose: "this machine".to_owned(),
        seen: ClockSeen {
            ahead_ms: -seen.ahead_ms,
            within: seen.within,
        },
    };
    probes.probe("clock", store, |_| clock::told("S3", &[clock], Signs::S3));
}

/// The directory of a store on this machine.
fn directory(probes: &Probes<'_>, store: &Address) -> Option<std::path::PathBuf> {
    match &probes.cx.plan.stores.get(store)?.at {
        StoreAt::Directory { path, .. } => Some(path.clone()),
        StoreAt::S3 { .. } => None,
    }
}

/// When a directory last changed; `None` where there is none.
fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|it| it.modified()).ok()
}

/// Registers the store under the name of the check, and has every node verify it.
fn register(
    probes: &mut Probes<'_>,
    client: &ClusterClient,
    of: &Address,
    to: &Address,
) -> Result<Said, Fault> {
    let cx = probes.cx;
    let place = repository::place(cx.plan, to).ok_or_else(|| {
        Fault::new(
            format!("the plan has no place for `{to}`"),
            "look at `stores`",
        )
    })?;
    let name = probes.name("repository");
    probes.announce(Made {
        on: of.clone(),
        thing: Thing::Repository,
        name: name.clone(),
    })?;
    let not_registered = |error: ClusterError| {
        if error.missing_privilege().is_some() || error.is_block() {
            return cluster_fault(of, &error, &Names::none(), cx.connections);
        }
        Fault::from(repository::not_registered(client, of, &place, &error))
    };
    let path = format!("/_snapshot/{}", Request::part(&name));
    let body = json!({"type": place.kind(), "settings": place.settings(None)});
    let put = Request::put(format!("{path}?verify=false")).json(&body);
    client.send(put).map_err(not_registered)?;
    failpoint::hit("check.registered");
    let verify = Request::post(format!("{path}/_verify")).within(VERIFIED_WITHIN);
    let answer = client.json(verify.idempotent()).map_err(not_registered)?;
    let nodes = answer.get("nodes").and_then(Value::as_object);
    let names: Vec<&str> = nodes
        .into_iter()
        .flatten()
        .filter_map(|(_, node)| node.get("name").and_then(Value::as_str))
        .collect();
    Ok(Said::Ok(format!(
        "{} of {of} can write to {}: {}",
        plural(names.len() as u64, "node"),
        place,
        common::few(&names)
    )))
}

/// Whether what the cluster wrote while it verified shows in the directory of this machine.
fn same_place(
    plan: &Plan,
    store: &Address,
    path: &Path,
    before: Option<SystemTime>,
) -> Result<Said, Fault> {
    let until = Instant::now() + VISIBLE_WITHIN;
    loop {
        let now = changed(path);
        if now.is_some() && now != before {
            break;
        }
        if Instant::now() >= until {
            let there = repository::place(plan, store);
            let there = there.map_or_else(String::new, |place| place.to_string());
            return Err(Fault::new(
                format!(
                    "the cluster wrote to {there} and removed it again, and {} on this machine did not change: they are not the same \
                     directory",
                    path.display()
                ),
                format!(
                    "mount it here, or tell where the cluster mounts it: `on-cluster:` of store `{store}`"
                ),
            ));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if before.is_some() {
        return Ok(Said::Ok(format!(
            "{} on this machine changed while the cluster verified it",
            path.display()
        )));
    }
    // It was not there before: an empty one goes again, where that is allowed here.
    let gone = std::fs::remove_dir(path).is_ok();
    let after = if gone {
        "removed again"
    } else {
        "it stays, empty, for the snapshot to come"
    };
    Ok(Said::Ok(format!(
        "the cluster made {}, and it is seen here; {after}",
        path.display()
    )))
}

enum Refusal {
    Odd(String),
    Cluster(ClusterError),
}

/// Asks for a snapshot that no server takes: who lacks the privilege is told so before the name is looked at.
fn may_take(client: &ClusterClient, repository: &str) -> Result<Said, Refusal> {
    let path = format!(
        "/_snapshot/{}/{NO_NAME}?wait_for_completion=false",
        Request::part(repository)
    );
    // Should a server take it after all, it is of no index.
    let body = json!({
        "indices": NO_NAME.to_lowercase(),
        "ignore_unavailable": true,
        "include_global_state": false,
    });
    match client.send(Request::put(&path).json(&body)) {
        Err(error)
            if error.kind() == "invalid_snapshot_name_exception"
                || error.reason().contains("InvalidSnapshotName") =>
        {
            Ok(Said::Ok(
                "a snapshot may be taken: one with a name that none can have was refused for its name alone"
                    .to_owned(),
            ))
        }
        Err(error) => Err(Refusal::Cluster(error)),
        Ok(_) => {
            let path = path.split('?').next().unwrap_or_default();
            drop(client.send(Request::delete(path)));
            Err(Refusal::Odd(format!(
                "the cluster took a snapshot with a name that none may have, `{NO_NAME}`; it was removed again"
            )))
        }
    }
}

/// The snapshot that the plan names.
fn found(probes: &mut Probes<'_>, store: &Address) {
    let cx = probes.cx;
    probes.probe("snapshot", store, |_| {
        let view = cx.connections.open_snapshot(&cx.phase.address)?;
        match (&view.problem, &view.facts) {
            (None, Some(facts)) => Ok(Said::Ok(format!(
                "`{}` can be read: {}",
                facts.name,
                common::indices(facts.indices.len())
            ))),
            (Some(problem), _) => Err(Fault::new(
                problem.clone(),
                "`mig plan` asks what can be decided about it",
            )),
            (None, None) => Err(Fault::new(
                format!("{store} holds no such snapshot"),
                "`mig snapshot inspect --store PLACE` lists what is there",
            )),
        }
    });
}
