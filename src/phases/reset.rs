//! What a plan left beside what it made, so that a new apply can begin anew: work stores, aliases of loads, settings that loading changed,
//! repositories, and what killed runs left half done.
//!
//! Looking and removing rest on one list. What phases made (indices, documents, templates, snapshots) is `undo`'s and stays here, and so does
//! what is known nowhere else. Settings are put back as `mig restore-settings` does it, repositories taken off as a rollback does it.
//! Deliberately absent: the state, probes of checks (`check::made`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::backfill::orders::named;
use super::backfill::stop::{Awaited, Stopping};
use super::backfill::{self, TunedIndex, restore_tuned, tuned};
use super::common;
use super::connections::Connections;
use super::kind::PhaseError;
use super::snapshot;
use crate::base::units::plural;
use crate::base::{Address, failpoint};
use crate::clients::target::cluster::{WORKING_STATE, leftovers};
use crate::clients::target::{ClusterTarget, Target, TargetError, WorkPlace};
use crate::engines::bulk::failed::FailedPlace;
use crate::engines::bulk::fleet::Beat;
use crate::plan::model::{Phase, PhaseKindName, PhaseSpec, Plan};
use crate::state::Artifacts;
use crate::state::model::{PhaseRecord, PhaseStatus, State};

/// One thing that goes.
pub enum Removal {
    /// Settings that a load changed, and its alias: put back.
    Tuned(TunedIndex),
    /// The alias that documents were written through.
    Alias {
        /// The target.
        on: Address,
        /// The index.
        index: String,
        /// The alias.
        alias: String,
    },
    /// What a killed run left on a target: finished, or taken away.
    HalfDone {
        /// The target.
        on: Address,
        /// In words.
        what: Vec<String>,
    },
    /// A repository that the plan registered.
    Repository {
        /// The cluster.
        on: Address,
        /// Its name.
        name: String,
    },
    /// The work store of one phase.
    Work {
        /// The target.
        on: Address,
        /// The phase.
        phase: Address,
    },
    /// All progress of this state in the working state of a target.
    Progress {
        /// The target.
        on: Address,
        /// Documents.
        docs: u64,
    },
    /// The index of the working state, as long as nothing of anybody is left in it.
    WorkingState {
        /// The target.
        on: Address,
    },
    /// A folder of this machine.
    Folder(PathBuf),
    /// Failed documents in the bucket of the state.
    Failed {
        /// Of this backfill.
        phase: Address,
        /// Where.
        place: FailedPlace,
    },
}

/// What a reset finds.
#[derive(Default)]
pub struct Found {
    /// What goes, in the order in which it goes.
    pub removes: Vec<Removal>,
    /// What stays, and why; one thing a line.
    pub stays: Vec<String>,
}

/// What is looked through.
pub struct Scope<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What is remembered.
    pub state: &'a State,
    /// Opened stores and targets.
    pub connections: &'a Connections,
    /// These phases alone, and nothing that phases share.
    pub only: Option<&'a BTreeSet<Address>>,
    /// What a run takes up again on this machine.
    pub scratch: &'a Path,
    /// What is kept beside the state.
    pub artifacts: &'a dyn Artifacts,
}

impl Scope<'_> {
    fn chooses(&self, address: &Address) -> bool {
        self.only.is_none_or(|only| only.contains(address))
    }

    fn records(&self) -> impl Iterator<Item = (&Address, &PhaseRecord)> {
        let all = self.state.phases.iter();
        all.filter(|(address, record)| {
            self.chooses(address) && record.status != PhaseStatus::RolledBack
        })
    }

    /// The targets of the phases that write to one, in the order of their names.
    fn targets(&self) -> BTreeSet<&Address> {
        let chosen = self.plan.phases.values();
        let chosen = chosen.filter(|phase| self.chooses(&phase.address));
        let to = |phase: &'_ Phase| -> Option<&Address> {
            // A phase of the plan lives as long as the plan.
            let phase = self.plan.phases.get(&phase.address)?;
            match &phase.spec {
                PhaseSpec::Metadata(spec) => Some(&spec.to.value),
                PhaseSpec::Backfill(spec) => Some(&spec.to.value),
                PhaseSpec::Switchover(spec) => Some(&spec.to.value),
                _ => None,
            }
        };
        chosen.filter_map(to).collect()
    }
}

/// The phases that begin anew: all that were begun, but for those whose work is seen in what stays (the objects that a metadata
/// phase made, the mark of a live target).
pub fn anew(scope: &Scope<'_>) -> Vec<Address> {
    let begun = scope.records().filter(|(_, record)| {
        let by_sight = matches!(
            record.kind,
            PhaseKindName::Metadata | PhaseKindName::Switchover
        );
        record.status != PhaseStatus::Reset && !by_sight
    });
    begun.map(|(address, _)| address.clone()).collect()
}

/// Refuses where a process is at work on a backfill of these, or may be: it would go on from what is removed. Whoever leads a
/// backfill has the lock of the state, so that these are workers. Reads only.
pub fn refuse_at_work(scope: &Scope<'_>) -> Result<(), PhaseError> {
    for phase in begun_backfills(scope) {
        let stopping = Stopping::open(scope.plan, phase, scope.state, scope.connections, "")?;
        let address = &phase.address;
        let (message, help) = match stopping.awaited()? {
            None => continue,
            Some(Awaited::Processes(_)) => {
                let fleet = stopping.fleet()?;
                (
                    format!(
                        "`{address}` is being loaded by {}: nothing was removed, since it would go on from that",
                        names(&fleet.muster.there)
                    ),
                    "end them (an interrupt has each come to a checkpoint, `mig backfill stop` all of them for good), then run the same command again".to_owned(),
                )
            }
            Some(Awaited::Lease(until)) => {
                let fleet = stopping.fleet()?;
                let who = match names(fleet.silent()) {
                    names if names.is_empty() => "a worker".to_owned(),
                    names => names,
                };
                (
                    format!(
                        "{who} fell silent at `{address}` and may still write, by its lease until {until:.0}: nothing was removed"
                    ),
                    "run the same command again then, or end the worker".to_owned(),
                )
            }
        };
        return Err(PhaseError::Failed {
            message,
            help: Some(help),
        });
    }
    Ok(())
}

/// The backfills of the scope of which something is remembered.
fn begun_backfills<'a>(scope: &'a Scope<'_>) -> impl Iterator<Item = &'a Phase> {
    scope.plan.phases.values().filter(|phase| {
        matches!(phase.spec, PhaseSpec::Backfill(_))
            && scope.chooses(&phase.address)
            && common::record(scope.state, &phase.address).is_some()
    })
}

/// Processes in words, the first few by name; empty where there are none.
fn names<'a>(beats: impl IntoIterator<Item = &'a Beat>) -> String {
    let names: Vec<String> = beats.into_iter().map(named).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    common::few(&names)
}

/// Processes that fell silent at backfills into a target, and may come back.
fn silent(scope: &Scope<'_>, on: &Address) -> Result<Vec<Beat>, PhaseError> {
    let mut silent = Vec::new();
    for phase in begun_backfills(scope) {
        if matches!(&phase.spec, PhaseSpec::Backfill(spec) if spec.to.value == *on) {
            let stopping = Stopping::open(scope.plan, phase, scope.state, scope.connections, "")?;
            silent.extend(stopping.fleet()?.silent().cloned());
        }
    }
    Ok(silent)
}

/// Looks for what there is. Reads only.
pub fn look(scope: &Scope<'_>) -> Result<Found, PhaseError> {
    let mut found = Found::default();
    let tuned = tuned_of(scope)?;
    let written = written(scope);
    let mut aliases = Vec::new();
    let mut rest = Vec::new();
    for on in scope.targets() {
        let target = scope.connections.open_target(on)?;
        let error = |error| common::target_error(on, &error);
        match target.cluster() {
            Some(cluster) => {
                for (index, uuid) in written.get(on).into_iter().flatten() {
                    let is_tuned = tuned
                        .iter()
                        .any(|it| it.on == *on && it.tuned.index == *index);
                    let alias = leftovers::alias(cluster, index, uuid).map_err(error)?;
                    if let Some(alias) = alias.filter(|_| !is_tuned) {
                        aliases.push(Removal::Alias {
                            on: on.clone(),
                            index: (*index).to_owned(),
                            alias,
                        });
                    }
                }
                of_cluster(scope, on, cluster, &mut rest, &mut found.stays)?;
            }
            None => of_directory(scope, on, &*target, &mut rest)?,
        }
    }
    found.removes.extend(tuned.into_iter().map(Removal::Tuned));
    found.removes.extend(aliases);
    found.removes.extend(rest);
    // After what a target restores: a server keeps a repository that it restores from.
    found.removes.extend(repositories(scope)?);
    found.removes.extend(folders(scope));
    found.removes.extend(failed_documents(scope)?);
    found.stays.extend(made(scope));
    Ok(found)
}

fn tuned_of(scope: &Scope<'_>) -> Result<Vec<TunedIndex>, PhaseError> {
    let mut all = tuned(scope.plan, scope.connections)?;
    if scope.only.is_some() {
        let announced = |it: &TunedIndex| {
            scope.records().any(|(_, record)| {
                record.effects.iter().any(|effect| {
                    effect.what == "tune-index"
                        && effect.on == it.on
                        && effect.name == it.tuned.index
                })
            })
        };
        all.retain(announced);
    }
    Ok(all)
}

/// Indices that documents were written to, with their uuids, by target. Those behind data streams have no alias.
fn written<'a>(scope: &'a Scope<'_>) -> BTreeMap<&'a Address, BTreeSet<(&'a str, &'a str)>> {
    let mut written: BTreeMap<&Address, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for (_, record) in scope.records() {
        for effect in &record.effects {
            let uuid = common::text(&effect.detail, "/target-uuid");
            let plain = effect.what == "write-documents" && effect.detail.get("landing").is_none();
            if let Some(uuid) = uuid.filter(|_| plain) {
                written
                    .entry(&effect.on)
                    .or_default()
                    .insert((&effect.name, uuid));
            }
        }
    }
    written
}

fn of_cluster(
    scope: &Scope<'_>,
    on: &Address,
    cluster: &ClusterTarget,
    rest: &mut Vec<Removal>,
    stays: &mut Vec<String>,
) -> Result<(), PhaseError> {
    let error = |error| common::target_error(on, &error);
    match cluster.state().exists() {
        Ok(true) => {}
        Ok(false) => return half_done(scope, on, cluster, rest),
        // Nothing of a plan can be in another tool's index.
        Err(TargetError::Refused { what, .. }) => {
            stays.push(format!("on {on}: {what}"));
            return half_done(scope, on, cluster, rest);
        }
        Err(other) => return Err(error(other)),
    }
    half_done(scope, on, cluster, rest)?;
    if scope.only.is_some() {
        works(scope, on, cluster, rest)?;
        return Ok(());
    }
    let kept = leftovers::kept(cluster).map_err(error)?;
    if kept.progress > 0 {
        rest.push(Removal::Progress {
            on: on.clone(),
            docs: kept.progress,
        });
    }
    for (kind, docs) in &kept.other {
        let docs = *docs;
        match *kind {
            "held-back" => stays.push(format!(
                "settings of {} on {on} that wait for a proof: they are known nowhere else, and the next apply puts them in force",
                plural(docs, "object")
            )),
            "stream" => stays.push(format!(
                "what later generations of {} on {on} are to be like: the next apply makes them by it",
                plural(docs, "data stream")
            )),
            "live" => stays.push(format!(
                "the mark that {on} is live: no phase writes there any more; `mig rollback` lifts it"
            )),
            _ => {}
        }
    }
    let silent = silent(scope, on)?;
    if silent.is_empty() {
        rest.push(Removal::WorkingState { on: on.clone() });
    } else {
        stays.push(format!(
            "the index {WORKING_STATE} on {on}: {} fell silent and may come back, and what it writes must find it",
            names(&silent)
        ));
    }
    Ok(())
}

fn half_done(
    scope: &Scope<'_>,
    on: &Address,
    cluster: &ClusterTarget,
    rest: &mut Vec<Removal>,
) -> Result<(), PhaseError> {
    if scope.only.is_some() {
        return Ok(());
    }
    let what = leftovers::half_done(cluster).map_err(|error| common::target_error(on, &error))?;
    if !what.is_empty() {
        rest.push(Removal::HalfDone {
            on: on.clone(),
            what,
        });
    }
    Ok(())
}

/// The work stores of the chosen phases on a target, if they are of this state.
fn works(
    scope: &Scope<'_>,
    on: &Address,
    target: &dyn Target,
    rest: &mut Vec<Removal>,
) -> Result<(), PhaseError> {
    for phase in scope.plan.phases.values() {
        let PhaseSpec::Backfill(spec) = &phase.spec else {
            continue;
        };
        if spec.to.value != *on || !scope.chooses(&phase.address) {
            continue;
        }
        let found = backfill::peek(target, scope.plan, &phase.address)?;
        let ours = found.map(|(identity, _)| identity.lineage == scope.state.lineage);
        // Of one that was stopped the orders alone are left.
        let ordered = || backfill::is_ordered(target, scope.plan, &phase.address, scope.state);
        if ours.map_or_else(ordered, Ok)? {
            rest.push(Removal::Work {
                on: on.clone(),
                phase: phase.address.clone(),
            });
        }
    }
    Ok(())
}

fn of_directory(
    scope: &Scope<'_>,
    on: &Address,
    target: &dyn Target,
    rest: &mut Vec<Removal>,
) -> Result<(), PhaseError> {
    works(scope, on, target, rest)?;
    if let WorkPlace::Directory(place) = target.work_place() {
        for phase in scope.plan.phases.values() {
            let to = match &phase.spec {
                PhaseSpec::Backfill(spec) => &spec.to.value,
                _ => continue,
            };
            let folder = backfill::failed_folder_in(&place, &phase.address);
            if to == on && scope.chooses(&phase.address) && folder.is_dir() {
                rest.push(Removal::Folder(folder));
            }
        }
    }
    Ok(())
}

/// Repositories that the plan registered and that are still there.
fn repositories(scope: &Scope<'_>) -> Result<Vec<Removal>, PhaseError> {
    let mut found = Vec::new();
    for (_, record) in scope.records() {
        for (on, name) in snapshot::registered(record) {
            if snapshot::is_registered(scope.connections, on, name)? {
                found.push(Removal::Repository {
                    on: on.clone(),
                    name: name.to_owned(),
                });
            }
        }
    }
    Ok(found)
}

/// What is kept on this machine for a run to take up again.
fn folders(scope: &Scope<'_>) -> Vec<Removal> {
    let Some(only) = scope.only else {
        let entries = std::fs::read_dir(scope.scratch).into_iter().flatten();
        return if entries.count() > 0 {
            vec![Removal::Folder(scope.scratch.to_owned())]
        } else {
            Vec::new()
        };
    };
    let folders = only
        .iter()
        .map(|phase| backfill::failed_folder_in(scope.scratch, phase));
    let there = folders.filter(|folder| folder.is_dir());
    there.map(Removal::Folder).collect()
}

/// Failed documents of the chosen backfills that are kept in the bucket of the state.
fn failed_documents(scope: &Scope<'_>) -> Result<Vec<Removal>, PhaseError> {
    let mut found = Vec::new();
    if scope.artifacts.objects().is_none() {
        return Ok(found);
    }
    for phase in scope.plan.phases.values() {
        let PhaseSpec::Backfill(spec) = &phase.spec else {
            continue;
        };
        if !scope.chooses(&phase.address) {
            continue;
        }
        let target = scope.connections.open_target(&spec.to.value)?;
        let place = backfill::failed_place(&phase.address, scope.artifacts, &*target)?;
        let empty = place.is_empty().map_err(|error| PhaseError::Failed {
            message: error.to_string(),
            help: Some(error.help()),
        })?;
        if matches!(place, FailedPlace::Objects { .. }) && !empty {
            found.push(Removal::Failed {
                phase: phase.address.clone(),
                place,
            });
        }
    }
    Ok(found)
}

/// What phases made: it stays, and what that means for the next apply.
fn made(scope: &Scope<'_>) -> Vec<String> {
    let mut objects: BTreeMap<&Address, u64> = BTreeMap::new();
    let mut documents: BTreeMap<&Address, BTreeSet<&str>> = BTreeMap::new();
    let mut stays = Vec::new();
    for (address, record) in scope.records() {
        for effect in &record.effects {
            match effect.what.as_str() {
                "create-object" | "replace-object" => *objects.entry(&effect.on).or_default() += 1,
                "write-documents" => {
                    documents.entry(&effect.on).or_default().insert(&effect.name);
                }
                "create-snapshot" => stays.push(format!(
                    "snapshot {} in {}: the next apply goes on with it; `mig apply --redo {address}` takes another",
                    effect.name,
                    common::text(&effect.detail, "/store").unwrap_or("its store"),
                )),
                _ => {}
            }
        }
    }
    for (on, count) in objects {
        stays.push(format!(
            "{} on {on} (indices, templates and the like): the next apply finds them equal, or asks",
            plural(count, "object")
        ));
    }
    for (on, indices) in documents {
        stays.push(format!(
            "documents of {} on {on}: the next apply removes them and writes them again",
            common::indices(indices.len())
        ));
    }
    stays
}

/// Does one removal. Idempotent.
pub fn remove(scope: &Scope<'_>, removal: &Removal) -> Result<(), PhaseError> {
    failpoint::hit("reset.remove");
    let open = |on: &Address| scope.connections.open_target(on);
    match removal {
        Removal::Tuned(index) => restore_tuned(scope.connections, index).map(drop),
        Removal::Alias { on, index, alias } => with_cluster(&*open(on)?, on, |it| {
            leftovers::remove_alias(it, index, alias)
        }),
        Removal::HalfDone { on, .. } => with_cluster(&*open(on)?, on, leftovers::finish),
        Removal::Repository { on, name } => snapshot::take_off(scope.connections, on, name),
        Removal::Work { on, phase } => backfill::forget_work(&*open(on)?, scope.plan, phase),
        Removal::Progress { on, .. } => with_cluster(&*open(on)?, on, leftovers::forget_progress),
        Removal::WorkingState { on } => with_cluster(&*open(on)?, on, |it| {
            leftovers::remove_working_state_if_empty(it).map(drop)
        }),
        Removal::Failed { place, .. } => place.remove(None).map_err(|error| PhaseError::Failed {
            message: error.to_string(),
            help: Some(error.help()),
        }),
        Removal::Folder(path) => match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(PhaseError::Failed {
                message: format!("{}: {error}", path.display()),
                help: Some("remove it by hand, then run the same command again".into()),
            }),
            _ => Ok(()),
        },
    }
}

fn with_cluster(
    target: &dyn Target,
    on: &Address,
    act: impl FnOnce(&ClusterTarget) -> Result<(), TargetError>,
) -> Result<(), PhaseError> {
    match target.cluster() {
        Some(cluster) => act(cluster).map_err(|error| common::target_error(on, &error)),
        None => Ok(()),
    }
}

impl Removal {
    /// In words, a thing a line.
    pub fn told(&self) -> Vec<String> {
        match self {
            Self::Tuned(index) => vec![format!(
                "puts back the settings of index {} on {} that loading changed",
                index.tuned.index, index.on
            )],
            Self::Alias { on, index, alias } => vec![format!(
                "removes alias {alias} of index {index} on {on}, which documents were written through"
            )],
            Self::HalfDone { on, what } => what
                .iter()
                .map(|what| format!("removes {what} on {on}, which a killed run left"))
                .collect(),
            Self::Repository { on, name } => vec![format!(
                "takes the repository {name} off {on} (its files and snapshots stay)"
            )],
            Self::Work { on, phase } => vec![format!("removes the work store of {phase} on {on}")],
            Self::Progress { on, docs } => vec![format!(
                "removes the work stores of this plan in {WORKING_STATE} on {on} ({})",
                plural(*docs, "document")
            )],
            Self::WorkingState { on } => vec![format!(
                "removes the index {WORKING_STATE} on {on} if nothing of anybody is left in it"
            )],
            Self::Failed { phase, place } => vec![format!(
                "removes the failed documents of {phase} in {}",
                place.location()
            )],
            Self::Folder(path) => vec![format!("removes the folder {}", path.display())],
        }
    }

    /// Whether it is worth a reset by itself: an index that others may still use is not.
    pub fn counts(&self) -> bool {
        !matches!(self, Self::WorkingState { .. })
    }
}
