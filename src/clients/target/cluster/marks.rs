//! Who made the target what it is, and whether a switchover made it live: documents of the working state.

use serde_json::json;

use super::working_state::{Condition, Tag};
use super::{ClusterTarget, leftovers};
use crate::clients::target::{LiveMark, TargetError, TargetIdentity};

/// The id of the mark of a switchover. One for the whole cluster: live is live, whoever's plan it was.
const LIVE: &str = "live";

fn tag<'a>(target: &'a ClusterTarget, kind: &'a str) -> Tag<'a> {
    Tag {
        kind,
        plan: &target.plan,
        lineage: &target.lineage,
    }
}

fn plan_id(plan: &str) -> String {
    format!("plan:{plan}")
}

pub(super) fn identity(target: &ClusterTarget) -> Result<TargetIdentity, TargetError> {
    let made = if target.state.exists()? {
        target
            .state
            .get::<serde_json::Value>(&plan_id(&target.plan))?
    } else {
        None
    };
    Ok(TargetIdentity {
        uuid: target.about.uuid.clone(),
        version: target.about.version,
        made_by_plan: made.map(|_| target.plan.clone()),
    })
}

pub(super) fn prepare(
    target: &ClusterTarget,
    made_by_plan: &str,
) -> Result<TargetIdentity, TargetError> {
    target.state.ensure()?;
    let body = json!({"plan": made_by_plan});
    let put = || {
        let id = plan_id(made_by_plan);
        let tag = tag(target, "plan");
        target.state.put(&id, tag, &body, Condition::Always, true)
    };
    match put() {
        // A kill of whoever was about to remove the empty index.
        Err(TargetError::Cluster(error)) if error.is_block() && leftovers::unblock(target)? => {
            put()?;
        }
        written => drop(written?),
    }
    super::objects::clean_up(target)?;
    identity(target)
}

pub(super) fn live(target: &ClusterTarget) -> Result<Option<LiveMark>, TargetError> {
    if !target.state.exists()? {
        return Ok(None);
    }
    Ok(target.state.get(LIVE)?.map(|stored| stored.body))
}

pub(super) fn mark_live(target: &ClusterTarget, mark: &LiveMark) -> Result<(), TargetError> {
    target.state.ensure()?;
    target
        .state
        .put(LIVE, tag(target, "live"), mark, Condition::Always, true)?;
    Ok(())
}

pub(super) fn lift_live(target: &ClusterTarget) -> Result<bool, TargetError> {
    target.state.delete(LIVE)
}
