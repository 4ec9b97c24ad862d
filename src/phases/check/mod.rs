//! `mig check`: small probes of what the phases of a plan will do, before they do it.
//!
//! Each kind of phase has its own probes (`snapshot::check`, `metadata::check`, `backfill::check`); what they share is here:
//! whose a probe is ([`mark`]), what was made and has to go again ([`made`]), how a missing privilege is mended
//! (`privileges`), and how clocks are compared ([`clock`]). Every thing that a probe makes is announced before it is
//! made, carries whose it is in its name, and is removed when the phase's probes are through, however they ended. Relies on the
//! clients that the phases use. Deliberately absent: where announcements are kept (`apply`'s), and any thing of the plan's own
//! names: a probe never writes to an index, template, repository or object that a plan could mean.

pub mod clock;
pub mod made;
pub mod mark;
mod place;
pub(super) mod privileges;

use std::fmt;

use serde::Serialize;

use super::connections::Connections;
use super::kind::PhaseError;
use crate::base::version::Product;
use crate::base::{Address, failpoint};
use crate::clients::cluster::ClusterError;
use crate::clients::objects::BucketFault;
use crate::clients::target::TargetError;
use crate::plan::model::{Phase, PhaseKindName, PhaseSpec, Plan};
use crate::state::model::State;

pub use made::{Made, Thing};
pub use mark::Mark;
pub(super) use place::Place;
use privileges::Names;

/// The probe that tells that something could not be removed.
pub const CLEAN_UP: &str = "clean-up";

/// What a check is given.
pub struct CheckContext<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The phase.
    pub phase: &'a Phase,
    /// What is remembered; the default value where there is no state yet.
    pub state: &'a State,
    /// Opened stores and targets.
    pub connections: &'a Connections,
    /// Whose the probes are.
    pub mark: &'a Mark,
    /// Writes down, durably, what is about to be made.
    pub announce: &'a dyn Fn(&Made) -> Result<(), PhaseError>,
    /// Whether the user asked to stop.
    pub stopping: &'a dyn Fn() -> bool,
}

/// The probes of one phase, as they are told.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub struct PhaseChecks {
    /// The phase.
    pub address: Address,
    /// Its kind.
    pub kind: PhaseKindName,
    /// Why there is nothing to probe, where there is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none: Option<String>,
    /// What was probed.
    pub probes: Vec<Probe>,
}

/// One probe.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub struct Probe {
    /// A word or two: `repository`, `index`.
    pub name: String,
    /// The cluster or store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Address>,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen, or why it failed or was left out.
    pub said: String,
    /// What was made for it, and is gone again; one thing a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub touched: Vec<String>,
    /// How to mend it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The phase will get through here.
    Ok,
    /// It would not.
    Failed,
    /// It was not tried.
    LeftOut,
}

/// What a probe that did not fail says.
pub(super) enum Said {
    /// It is well.
    Ok(String),
    /// It was not tried: why.
    LeftOut(String),
}

/// Why a probe failed.
#[derive(Clone, Debug, Default)]
pub(super) struct Fault {
    pub(super) said: String,
    pub(super) help: Vec<String>,
}

impl Fault {
    pub(super) fn new(said: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            said: said.into(),
            help: vec![help.into()],
        }
    }
}

impl From<PhaseError> for Fault {
    fn from(error: PhaseError) -> Self {
        let said = error.to_string();
        let help = match error {
            PhaseError::Failed { help, .. } => help.into_iter().collect(),
            PhaseError::Unreachable { help, .. } | PhaseError::NotYet { help, .. } => vec![help],
            PhaseError::Stale(_) => Vec::new(),
        };
        Self { said, help }
    }
}

impl From<BucketFault> for Fault {
    fn from(fault: BucketFault) -> Self {
        Self::new(fault.message, fault.help)
    }
}

/// The probes of one phase while they run.
pub struct Probes<'a> {
    /// What they are given.
    pub(super) cx: &'a CheckContext<'a>,
    checks: PhaseChecks,
    made: Vec<Made>,
    told: usize,
}

impl<'a> Probes<'a> {
    fn new(cx: &'a CheckContext<'a>) -> Self {
        Self {
            cx,
            checks: PhaseChecks {
                address: cx.phase.address.clone(),
                kind: cx.phase.spec.kind(),
                none: None,
                probes: Vec::new(),
            },
            made: Vec::new(),
            told: 0,
        }
    }

    /// There is nothing to probe.
    pub(super) fn none(&mut self, why: impl Into<String>) {
        self.checks.none = Some(why.into());
    }

    /// Writes down that something is about to be made; it is removed at the end of the phase's probes. Removing what is not there
    /// comes first: whoever may not do that later is told so before anything is made.
    pub(super) fn announce(&mut self, made: Made) -> Result<(), Fault> {
        if !self.made.contains(&made) {
            if made.thing.goes_at_once() {
                made::remove(self.cx.connections, self.cx.mark, &made)?;
            }
            (self.cx.announce)(&made)?;
            self.made.push(made);
        }
        failpoint::hit("check.announced");
        Ok(())
    }

    /// The name of a probe's thing.
    pub(super) fn name(&self, what: &str) -> String {
        self.cx.mark.name(&self.cx.phase.address, what)
    }

    /// Runs one probe and tells it; whether it went well. Nothing is run once the user asked to stop.
    pub(super) fn probe(
        &mut self,
        name: &str,
        on: &Address,
        run: impl FnOnce(&mut Self) -> Result<Said, Fault>,
    ) -> bool {
        if (self.cx.stopping)() {
            return false;
        }
        let outcome = run(self);
        failpoint::hit("check.probed");
        let touched = self.made[self.told..].iter().map(ToString::to_string);
        let touched = touched.collect();
        self.told = self.made.len();
        let (outcome, said, help) = match outcome {
            Ok(Said::Ok(said)) => (Outcome::Ok, said, Vec::new()),
            Ok(Said::LeftOut(why)) => (Outcome::LeftOut, why, Vec::new()),
            Err(fault) => {
                let help = self.with_role(on, &fault);
                (Outcome::Failed, fault.said, help)
            }
        };
        self.checks.probes.push(Probe {
            name: name.to_owned(),
            on: Some(on.clone()),
            outcome,
            said,
            touched,
            help,
        });
        outcome == Outcome::Ok
    }

    /// The help of a fault, with the part of a role where its words name a privilege and its help does not.
    fn with_role(&self, on: &Address, fault: &Fault) -> Vec<String> {
        let has = |line: &String| line.starts_with(privileges::BEGINS);
        if fault.help.iter().any(has) || !self.cx.plan.clusters.contains_key(on) {
            return fault.help.clone();
        }
        let names = match &self.cx.phase.spec {
            PhaseSpec::Metadata(spec) => Names::of(&spec.include.indices),
            PhaseSpec::Backfill(spec) => Names::of(&spec.indices),
            _ => Names::none(),
        };
        product(on, self.cx.connections)
            .and_then(|product| privileges::help_of_words(product, &fault.said, &names))
            .unwrap_or_else(|| fault.help.clone())
    }

    /// Tells a probe that was not tried.
    pub(super) fn left_out(&mut self, name: &str, on: &Address, why: &str) {
        self.probe(name, on, |_| Ok(Said::LeftOut(why.to_owned())));
    }

    /// Removes what was made, the last thing first. What can't be removed is told as a failed probe of its own and stays
    /// announced, so that the next check removes it.
    fn clean(&mut self) {
        let mut stays = Vec::new();
        let mut help = Vec::new();
        for made in std::mem::take(&mut self.made).into_iter().rev() {
            if let Err(error) = made::remove(self.cx.connections, self.cx.mark, &made) {
                let fault = Fault::from(error);
                stays.push(format!("{made}: {}", fault.said));
                help.extend(self.with_role(&made.on, &fault));
            }
        }
        if stays.is_empty() {
            return;
        }
        help.dedup();
        help.push("then `mig check` again, or `mig reset`, removes it".to_owned());
        self.checks.probes.push(Probe {
            name: CLEAN_UP.to_owned(),
            on: None,
            outcome: Outcome::Failed,
            said: format!("could not be removed: {}", stays.join("; ")),
            touched: Vec::new(),
            help,
        });
    }
}

/// Probes a phase, and removes what was made for it.
pub fn check(cx: &CheckContext<'_>) -> PhaseChecks {
    let mut probes = Probes::new(cx);
    super::kind_of(cx.phase.spec.kind()).check(&mut probes);
    failpoint::hit("check.before-clean");
    probes.clean();
    probes.checks
}

/// Whose roles a cluster has: by its own word, or by the plan's where it says nothing.
fn product(on: &Address, connections: &Connections) -> Option<Product> {
    let told = connections.open_cluster(on).ok();
    let told = told.and_then(|client| client.about().ok());
    told.map(|about| about.version.product)
        .or_else(|| Some(connections.version_of(on).ok()?.product))
}

/// An error of a cluster, with the snippet of a role where a privilege is missing.
pub(super) fn cluster_fault(
    on: &Address,
    error: &ClusterError,
    names: &Names<'_>,
    connections: &Connections,
) -> Fault {
    let help = match (product(on, connections), error.missing_privilege()) {
        (Some(product), Some(missing)) => privileges::help(product, error, &missing, names),
        _ => vec![error.help()],
    };
    Fault {
        said: error.to_string(),
        help,
    }
}

/// As [`cluster_fault`], of a target.
pub(super) fn target_fault(
    on: &Address,
    error: &TargetError,
    names: &Names<'_>,
    connections: &Connections,
) -> Fault {
    match error {
        TargetError::Cluster(error) => cluster_fault(on, error, names, connections),
        error => Fault::new(error.to_string(), error.help()),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::LeftOut => "left out",
        })
    }
}
