//! Identity and quantities of the indices of a cluster.

use super::ClusterTarget;
use crate::clients::target::TargetError;
use crate::diff::observation::TargetIndexFacts;

pub(super) fn index_facts(
    target: &ClusterTarget,
    _index: &str,
) -> Result<Option<TargetIndexFacts>, TargetError> {
    Err(TargetError::Refused {
        location: target.client.location().to_owned(),
        what: "not in this version".to_owned(),
    })
}
