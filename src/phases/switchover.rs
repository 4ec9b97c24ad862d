//! `switchover:` marks a target live, once every document there is proved. After it no phase of the plan writes there.
//!
//! Relies on what verify phases recorded. Deliberately absent: moving the clients' traffic, which without capture is
//! somebody else's doing (a load balancer, a name, a configuration).

use serde_json::json;

use super::check::Probes;
use super::common;
use super::kind::{
    DecideContext, ObserveContext, PerformContext, Performed, PhaseError, PhaseKind, UndoContext,
    UndoPlan,
};
use crate::base::{Address, Fingerprint, failpoint};
use crate::clients::target::LiveMark;
use crate::diff::change::{Action, Effect, Item, PhaseChange, Undo};
use crate::diff::observation::{Observation, SwitchoverObservation};
use crate::plan::model::{Approve, Content, Phase, PhaseKindName, PhaseSpec, SwitchoverSpec};
use crate::state::model::PhaseRecord;

/// No proof of all documents.
const NO_PROOF: &str = "MIG087";
/// A proof that is too old.
const OLD_PROOF: &str = "MIG088";

/// The kind.
pub struct Switchover;

impl PhaseKind for Switchover {
    fn observe(&self, cx: &ObserveContext<'_>) -> Result<Observation, PhaseError> {
        let spec = spec(cx.phase)?;
        let on = &spec.to.value;
        let target = cx.connections.open_target(on)?;
        let error = |error| common::target_error(on, &error);
        let identity = target.identity().map_err(error)?;
        Ok(Observation::Switchover(SwitchoverObservation {
            target: identity.map(|identity| identity.uuid).unwrap_or_default(),
            live: target.live().map_err(error)?.is_some(),
        }))
    }

    fn decide(&self, cx: &DecideContext<'_>) -> PhaseChange {
        let (Observation::Switchover(observed), Ok(spec)) = (cx.observation, spec(cx.phase)) else {
            return super::snapshot::mismatch(cx);
        };
        let on = &spec.to.value;
        let inputs = Fingerprint::of(&(common::ground_of_approval(cx, cx.plan), on));
        let done = common::done(cx.state, &cx.phase.address);
        if let Some(done) = done
            && observed.live
            && !cx.redo
        {
            let title = format!("{on} is live");
            let mut change = PhaseChange::new(cx.phase, Action::UpToDate, "live", title, inputs);
            change.evidence.clone_from(&done.evidence);
            change.fields = common::fields(cx);
            return change;
        }
        let problem = proof_problem(cx, spec);
        let approved = cx
            .state
            .approvals
            .get(&cx.phase.address)
            .is_some_and(|approval| approval.inputs == inputs);
        let (action, reason) = match () {
            () if problem.is_some() => (Action::Decide, "proof-missing"),
            () if spec.approve == Approve::None => (Action::Run, "not-live-yet"),
            () if approved => (Action::Run, "approved"),
            () if cx.state.approvals.contains_key(&cx.phase.address) => {
                (Action::Wait, "approval-lapsed")
            }
            () => (Action::Wait, "approval-missing"),
        };
        let title = format!("marks {on} live");
        let mut change = PhaseChange::new(cx.phase, action, reason, title, inputs);
        change.fields = common::fields(cx);
        change.effects = vec![Effect {
            on: on.clone(),
            text: "is marked live: no phase writes documents there any more".into(),
            destroys: false,
        }];
        change.undo = Undo::Rollback(format!(
            "lifts the mark of {on}; traffic that moved stays moved"
        ));
        change.items = problem.into_iter().collect();
        change
    }

    fn perform(&self, cx: &PerformContext<'_>) -> Result<Performed, PhaseError> {
        let spec = spec(cx.phase)?;
        let on = &spec.to.value;
        let target = cx.connections.open_target(on)?;
        let detail = json!({"lineage": cx.state.lineage});
        (cx.announce)(common::effect_with(on, "go-live", on.as_str(), detail))?;
        failpoint::hit("switchover.mark.before");
        target
            .mark_live(&LiveMark {
                plan: cx.plan.name.clone(),
                lineage: cx.state.lineage.clone(),
                phase: cx.phase.address.as_str().to_owned(),
                at: cx.now,
            })
            .map_err(|error| common::target_error(on, &error))?;
        failpoint::hit("switchover.mark.after");
        let mut evidence = vec![format!("{on} is live since {}", cx.now)];
        if let Some(approval) = cx.state.approvals.get(&cx.phase.address) {
            evidence.push(format!("approved by {} at {}", approval.who, approval.at));
        }
        Ok(Performed::Done {
            outputs: json!({"live": on, "at": cx.now}),
            evidence,
        })
    }

    fn undo_plan(&self, record: &PhaseRecord) -> UndoPlan {
        let lifted = record
            .effects
            .iter()
            .filter(|effect| effect.what == "go-live")
            .map(|effect| format!("lifts the mark that {} is live", effect.on))
            .collect();
        UndoPlan {
            removes: lifted,
            cannot: vec![
                "what clients wrote to it since, and where they send their requests".into(),
            ],
        }
    }

    fn check(&self, probes: &mut Probes<'_>) {
        probes.none("it marks the target, in the index that the probes of a backfill write to");
    }

    fn undo(&self, cx: &UndoContext<'_>) -> Result<(), PhaseError> {
        for effect in cx.record.effects.iter().filter(|it| it.what == "go-live") {
            let target = cx.connections.open_target(&effect.on)?;
            let error = |error| common::target_error(&effect.on, &error);
            match target.live().map_err(error)? {
                Some(mark) if mark.lineage != cx.lineage => {
                    return Err(PhaseError::Failed {
                        message: format!(
                            "{} was marked live by plan `{}` (state {}), not by this one",
                            effect.on, mark.plan, mark.lineage
                        ),
                        help: Some("roll back with the state that marked it".into()),
                    });
                }
                Some(_) => {
                    target.lift_live().map_err(error)?;
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn spec(phase: &Phase) -> Result<&SwitchoverSpec, PhaseError> {
    match &phase.spec {
        PhaseSpec::Switchover(spec) => Ok(spec),
        _ => Err(PhaseError::Failed {
            message: format!("`{}` is no switchover phase", phase.address),
            help: None,
        }),
    }
}

/// The verify phases that prove all documents of a target.
fn proofs<'a>(cx: &'a DecideContext<'_>, on: &'a Address) -> impl Iterator<Item = &'a Phase> {
    cx.plan
        .phases
        .values()
        .filter(move |phase| match &phase.spec {
            PhaseSpec::Verify(verify) => {
                verify.target.value == *on && matches!(verify.content, Content::Full | Content::Ids)
            }
            _ => false,
        })
}

/// What stands in the way: no proof, or one that is too old. A proof that is made before in the same apply is one.
fn proof_problem(cx: &DecideContext<'_>, spec: &SwitchoverSpec) -> Option<Item> {
    let on = &spec.to.value;
    let proofs: Vec<&Phase> = proofs(cx, on).collect();
    if proofs.is_empty() {
        return Some(common::question(
            "proof",
            on.as_str(),
            NO_PROOF,
            format!("no verify phase of this plan proves all documents of {on}. How is it proved?"),
            vec![format!(
                "same: {{ verify: {{ source: a-snapshot, target: {on}, content: full }} }}"
            )],
        ));
    }
    // A backfill that stopped on drift or waits for a decision has not written all that is to be proved.
    let open = cx.earlier.iter().find(|change| {
        change.kind == PhaseKindName::Verify
            && change.action == Action::Decide
            && proofs.iter().any(|phase| phase.address == change.address)
    });
    if let Some(open) = open {
        return Some(common::question(
            "proof",
            open.address.as_str(),
            NO_PROOF,
            format!("`{}` can't be made yet. How is {on} proved?", open.address),
            vec![format!("# answer what `{}` asks first", open.address)],
        ));
    }
    let max_age = spec.max_age?;
    for phase in proofs {
        let made_now = cx
            .earlier
            .iter()
            .any(|change| change.address == phase.address && !change.action.is_noop());
        if made_now {
            continue;
        }
        let finished = common::done(cx.state, &phase.address).and_then(|done| done.finished_at);
        let fresh = finished.is_some_and(|at| {
            let age = cx.now.duration_since(at).unsigned_abs();
            age <= max_age.0
        });
        if !fresh {
            let address = &phase.address;
            return Some(common::question(
                "proof",
                address.as_str(),
                OLD_PROOF,
                format!(
                    "the proof by `{address}` is older than {max_age}. Is it to be made again?"
                ),
                vec![
                    format!("# mig apply --redo {address}"),
                    "max-age: 7d".into(),
                ],
            ));
        }
    }
    None
}
