//! The snapshots that a phase took: their names, the mark that each carries, and which of them hold now. Pure but for
//! the reading of a repository.
//!
//! A phase owns a list. Its first snapshot begins it; a wider selector adds one of the new indices alone; `--redo`, or a
//! change of what a snapshot is (another cluster, with or without global state), begins a new list. All of it stands in
//! the marks, so that nothing but the repository is needed to know it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::name_mark;
use crate::base::{Address, Fingerprint};
use crate::engines::snapshot::{Repository, Snapshot, SnapshotError};
use crate::plan::selector::Selector;

/// The longest part of a name that comes from the plan.
const PART_MAX: usize = 60;
/// Characters of the lineage in a name.
const LINEAGE_CHARS: usize = 8;

/// What `mig` writes beside a snapshot, under `mig` in its metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mark {
    /// The plan.
    pub plan: String,
    /// The lineage of its state.
    pub lineage: String,
    /// The phase.
    pub phase: String,
    /// Its number among the snapshots of the phase, from 1.
    pub number: u32,
    /// The number of the snapshot that begins its list.
    pub first: u32,
    /// The uuid of the cluster.
    pub cluster: String,
    /// Identity of the selector that it was taken for.
    pub indices: String,
    /// Whether templates and settings are in it.
    pub global: bool,
}

impl Mark {
    /// Of a snapshot's metadata, where it carries one.
    pub fn of(metadata: Option<&Value>) -> Option<Self> {
        serde_json::from_value(metadata?.get("mig")?.clone()).ok()
    }

    /// As the metadata of a snapshot.
    pub fn metadata(&self) -> Value {
        json!({ "mig": self })
    }
}

/// Identity of a selector in a mark.
pub fn selector_mark(selector: &Selector) -> String {
    Fingerprint::of(selector).short().to_owned()
}

/// Whose snapshots are looked for.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The plan.
    pub plan: String,
    /// The lineage of its state; empty while there is none.
    pub lineage: String,
    /// The phase.
    pub phase: Address,
    /// Its address before it was renamed.
    pub before: Option<Address>,
    /// The name that the plan gives.
    pub name: Option<String>,
}

impl Owner {
    /// Name of a snapshot by its number; `None` where the name is the plan's to give and there is no state yet.
    pub fn name(&self, number: u32) -> Option<String> {
        self.base(&self.phase).map(|base| numbered(&base, number))
    }

    fn base(&self, phase: &Address) -> Option<String> {
        if let Some(name) = &self.name {
            return Some(name.clone());
        }
        let lineage: String = self
            .lineage
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|it| it.to_ascii_lowercase())
            .take(LINEAGE_CHARS)
            .collect();
        (!lineage.is_empty()).then(|| {
            format!(
                "mig-{}-{}-{lineage}",
                part(&self.plan),
                part(phase.as_str())
            )
        })
    }

    /// Names that snapshots of this phase may have: those that begin so.
    fn bases(&self) -> Vec<String> {
        std::iter::once(&self.phase)
            .chain(&self.before)
            .filter_map(|phase| self.base(phase))
            .collect()
    }

    /// The mark of a snapshot of one of these phases: beside it, or in its name.
    pub fn mark(&self, name: &str, metadata: Option<&Value>) -> Option<Mark> {
        Mark::of(metadata).or_else(|| {
            let phases: Vec<&str> = std::iter::once(&self.phase)
                .chain(&self.before)
                .map(Address::as_str)
                .collect();
            name_mark::read(name, &self.plan, &phases)
        })
    }

    /// Whether a mark is this phase's.
    pub fn owns(&self, mark: &Mark) -> bool {
        let phase = |address: &Address| address.as_str() == mark.phase;
        mark.plan == self.plan
            && mark.lineage == self.lineage
            && (phase(&self.phase) || self.before.as_ref().is_some_and(phase))
    }
}

fn numbered(base: &str, number: u32) -> String {
    if number == 1 {
        base.to_owned()
    } else {
        format!("{base}-{number}")
    }
}

fn number_of(base: &str, name: &str) -> Option<u32> {
    if name_mark::is_named(name, base) {
        return Some(1);
    }
    let rest = name.strip_prefix(base)?.strip_prefix('-')?;
    let plain = rest.split('.').next()?;
    let number: u32 = plain.parse().ok()?;
    (number > 1 && name_mark::is_named(rest, plain)).then_some(number)
}

/// A name of the plan as a part of a snapshot's or repository's name: what such names may not hold becomes `-`, and then
/// a few characters of a digest keep two names apart.
pub fn part(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|it| match it {
            'a'..='z' | '0'..='9' | '-' | '_' | '.' => it,
            _ => '-',
        })
        .take(PART_MAX)
        .collect();
    if plain == name {
        plain
    } else {
        format!("{plain}-{}", Fingerprint::of(&name).short())
    }
}

/// One snapshot of the phase.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What it carries.
    pub mark: Mark,
    /// The snapshot.
    pub snapshot: Snapshot,
}

/// What a repository holds of a phase.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// The phase's own, by number.
    pub ours: Vec<Taken>,
    /// The snapshot of somebody else that has the first name, and whose it is.
    pub foreign: Option<(String, String)>,
    /// All names in the repository.
    names: BTreeSet<String>,
}

impl Series {
    /// Looks for them.
    pub fn look(repository: &Repository, owner: &Owner) -> Result<Self, SnapshotError> {
        let bases = owner.bases();
        let mut series = Self::default();
        for entry in repository.snapshots() {
            series.names.insert(entry.name.clone());
            let Some(number) = bases.iter().find_map(|base| number_of(base, &entry.name)) else {
                continue;
            };
            let snapshot = repository.snapshot(&entry.name)?;
            match owner.mark(&entry.name, snapshot.info().metadata.as_ref()) {
                Some(mark) if owner.owns(&mark) => series.ours.push(Taken { mark, snapshot }),
                mark if number == 1 && owner.name.is_some() => {
                    let whose = mark.map_or_else(
                        || "not taken by mig".to_owned(),
                        |mark| {
                            format!(
                                "of phase `{}` of plan `{}`, state {}",
                                mark.phase, mark.plan, mark.lineage
                            )
                        },
                    );
                    series.foreign = Some((entry.name.clone(), whose));
                }
                _ => {}
            }
        }
        series.ours.sort_by_key(|taken| taken.mark.number);
        Ok(series)
    }

    /// The newest.
    pub fn newest(&self) -> Option<&Taken> {
        self.ours.last()
    }

    /// The snapshots of the list that holds now: complete ones, and the newest whatever became of it.
    pub fn current(&self) -> Vec<Snapshot> {
        let Some(newest) = self.newest() else {
            return Vec::new();
        };
        self.ours
            .iter()
            .filter(|taken| taken.mark.first == newest.mark.first)
            .filter(|taken| {
                taken.mark.number == newest.mark.number || taken.snapshot.info().state.is_complete()
            })
            .map(|taken| taken.snapshot.clone())
            .collect()
    }

    /// The number of the next one.
    pub fn next(&self, owner: &Owner) -> u32 {
        let mut number = self.newest().map_or(1, |newest| newest.mark.number + 1);
        let taken = |plain: &str| {
            let mut names = self.names.iter();
            names.any(|name| name_mark::is_named(name, plain))
        };
        while owner.name(number).is_some_and(|name| taken(&name)) {
            number += 1;
        }
        number
    }
}

/// Plan and lineage of the newest snapshot that any state of this plan took for this phase.
pub fn lineage_left(
    repository: &Repository,
    plan: &str,
    phase: &Address,
    name: Option<&str>,
) -> Result<Option<String>, SnapshotError> {
    let automatic = || format!("mig-{}-{}-", part(plan), part(phase.as_str()));
    let prefix = name.map_or_else(automatic, str::to_owned);
    let mut newest: Option<(i64, String)> = None;
    for entry in repository.snapshots() {
        if !entry.name.starts_with(&prefix) {
            continue;
        }
        let snapshot = repository.snapshot(&entry.name)?;
        let info = snapshot.info();
        let in_name = || name_mark::read(&entry.name, plan, &[phase.as_str()]);
        let Some(mark) = Mark::of(info.metadata.as_ref()).or_else(in_name) else {
            continue;
        };
        let at = info.start_time_millis.unwrap_or(0);
        if mark.plan == plan
            && mark.phase == phase.as_str()
            && newest.as_ref().is_none_or(|(then, _)| at >= *then)
        {
            newest = Some((at, mark.lineage));
        }
    }
    Ok(newest.map(|(_, lineage)| lineage))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(lineage: &str, name: Option<&str>) -> Owner {
        Owner {
            plan: "logs".into(),
            lineage: lineage.into(),
            phase: Address::from("es56->es710/base"),
            before: None,
            name: name.map(str::to_owned),
        }
    }

    #[test]
    fn names_are_valid_for_clusters_and_the_same_every_time() {
        let own = owner("0F3a-aaaa-bbbb", None);
        let name = own.name(1).unwrap();
        assert_eq!(own.name(1), Some(name.clone()));
        assert_eq!(own.name(2), Some(format!("{name}-2")));
        assert!(name.starts_with("mig-logs-es56--es710-base-"), "{name}");
        assert!(!name.contains(['/', '>', '*', ' ', ',', '#']), "{name}");
        assert_eq!(owner("", None).name(1), None);
        assert_eq!(owner("", Some("nightly")).name(3), Some("nightly-3".into()));
        assert_ne!(part("a/b"), part("a>b"));
    }

    #[test]
    fn numbers_are_read_back_from_names() {
        for (name, number) in [
            ("nightly", Some(1)),
            ("nightly-2", Some(2)),
            ("nightly-1", None),
            ("nightly-x", None),
            ("nightly2", None),
            ("other", None),
        ] {
            assert_eq!(number_of("nightly", name), number, "{name}");
        }
    }
}
