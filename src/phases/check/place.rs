//! Where the probes of a target go: a cluster itself, under names of their own; of a directory a folder beside it.

use std::path::PathBuf;
use std::sync::Arc;

use super::made::beside;
use super::privileges::Names;
use super::{Fault, Made, Probes, Said, Thing, target_fault};
use crate::base::Address;
use crate::clients::target::{DirectoryTarget, Target};
use crate::diff::observation::ObjectKind;
use crate::plan::model::ClusterAt;

/// An opened target with what its probes go by.
pub(in super::super) struct Place {
    /// Where they write to.
    pub(in super::super) target: Arc<dyn Target>,
    /// The target's address.
    pub(in super::super) on: Address,
}

impl Place {
    /// Writes down an object that is about to be made; what is made in a folder goes with it.
    pub(in super::super) fn announce(
        &self,
        probes: &mut Probes<'_>,
        kind: ObjectKind,
        name: &str,
    ) -> Result<(), Fault> {
        if self.target.cluster().is_none() {
            return Ok(());
        }
        probes.announce(Made {
            on: self.on.clone(),
            thing: Thing::Object(kind),
            name: name.to_owned(),
        })
    }

    /// Opens it, which is a probe of its own: that it answers, is what the plan says, and is not live.
    pub(in super::super) fn open(probes: &mut Probes<'_>, on: &Address) -> Option<Self> {
        let mut found = None;
        let mut live = false;
        probes.probe("target", on, |probes| {
            let connections = probes.cx.connections;
            let target = connections.open_target(on)?;
            let fault = |error| target_fault(on, &error, &Names::none(), connections);
            let version = target.version();
            target.identity().map_err(fault)?;
            if target.live().map_err(fault)?.is_some()
                || probes.cx.state.live_targets.contains_key(on)
            {
                live = true;
                return Ok(Said::LeftOut(format!(
                    "{on} is live: no phase writes there any more, and neither do probes"
                )));
            }
            if target.cluster().is_some() {
                let nodes = "answers as the plan says";
                found = Some(target);
                return Ok(Said::Ok(format!("{version} {nodes}")));
            }
            let (folder, target) = folder(probes, on, version)?;
            found = Some(target);
            Ok(Said::Ok(format!(
                "{} takes files: probed in a folder beside it",
                folder.display()
            )))
        });
        found.filter(|_| !live).map(|target| Self {
            target,
            on: on.clone(),
        })
    }
}

fn folder(
    probes: &mut Probes<'_>,
    on: &Address,
    version: crate::base::version::ProductVersion,
) -> Result<(PathBuf, Arc<dyn Target>), Fault> {
    let at = probes.cx.plan.clusters.get(on).map(|cluster| &cluster.at);
    let Some(ClusterAt::Directory(path)) = at else {
        return Err(Fault::new(
            format!("the plan has no directory `{on}`"),
            "look at `clusters` of the plan",
        ));
    };
    let folder = beside(path).join(probes.name("target"));
    probes.announce(Made {
        on: on.clone(),
        thing: Thing::Folder,
        name: folder.display().to_string(),
    })?;
    let connections = probes.cx.connections;
    let fault = |error| target_fault(on, &error, &Names::none(), connections);
    let target = DirectoryTarget::open(folder, version).map_err(fault)?;
    target.prepare(&probes.cx.plan.name).map_err(fault)?;
    Ok((path.clone(), Arc::new(target)))
}
