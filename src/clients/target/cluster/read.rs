//! Documents of a cluster read back, shard by shard.

use std::ops::ControlFlow;

use super::ClusterTarget;
use crate::clients::target::{Partition, PartitionRead, TargetDocument, TargetError};

fn not_yet(target: &ClusterTarget) -> TargetError {
    TargetError::Refused {
        location: target.client.location().to_owned(),
        what: "not in this version".to_owned(),
    }
}

pub(super) fn partitions(
    target: &ClusterTarget,
    _index: &str,
) -> Result<Vec<Partition>, TargetError> {
    Err(not_yet(target))
}

pub(super) fn read(
    target: &ClusterTarget,
    _index: &str,
    _partition: &Partition,
    _visit: &mut dyn FnMut(TargetDocument<'_>) -> ControlFlow<()>,
) -> Result<PartitionRead, TargetError> {
    Err(not_yet(target))
}
