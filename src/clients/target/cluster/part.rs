//! Writes the documents of one part by `_bulk`.

use super::ClusterTarget;
use crate::clients::target::{PartKey, PartMark, PartWriter, TargetError};

pub(super) fn open(
    target: &ClusterTarget,
    _part: &PartKey,
    _expected_uuid: Option<&str>,
    _resume: Option<&PartMark>,
) -> Result<Box<dyn PartWriter>, TargetError> {
    Err(TargetError::Refused {
        location: target.client.location().to_owned(),
        what: "not in this version".to_owned(),
    })
}
