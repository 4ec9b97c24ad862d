//! Which documents of an item still fail, by its progress: the truth is there, and not in what files are around.

use std::collections::BTreeMap;

use super::FailedDocument;
use super::place::{FailedPlace, error};
use crate::engines::bulk::job::BulkError;
use crate::engines::bulk::work_store::ItemState;

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Documents that still fail, by the items' counts.
    pub failed: u64,
    /// Those of them whose lines are here.
    pub told: u64,
}

impl Seen {
    /// Those whose lines are on another machine, or were removed.
    pub fn untold(self) -> u64 {
        self.failed.saturating_sub(self.told)
    }
}

/// Takes the documents that still fail.
pub(super) type Visit<'v> = dyn FnMut(FailedDocument<'_>) -> Result<(), BulkError> + 'v;

/// Gives every document of these items that still fails, item by item.
pub fn read<'i>(
    place: &FailedPlace,
    items: impl IntoIterator<Item = &'i ItemState>,
    visit: &mut Visit<'_>,
) -> Result<Seen, BulkError> {
    let mut seen = Seen::default();
    for item in items {
        let of_item = read_item(place, item, visit)?;
        seen.failed += of_item.failed;
        seen.told += of_item.told;
    }
    Ok(seen)
}

/// Gives every document of one item that still fails, once: those of the last pass, and of a pass that is not through those of
/// the pass before that it did not come to.
pub fn read_item(
    place: &FailedPlace,
    item: &ItemState,
    visit: &mut Visit<'_>,
) -> Result<Seen, BulkError> {
    let progress = &item.progress;
    let mut seen = Seen {
        failed: progress.failed,
        told: 0,
    };
    if progress.failed == 0 {
        return Ok(seen);
    }
    let key = &item.item.key;
    let (last, before) = match &progress.retried {
        None => ((0, progress.failed_bytes), None),
        Some(again) => {
            let before =
                (!again.is_through(key)).then_some((again.of, again.of_bytes, again.cursor));
            ((again.pass, again.failed_bytes), before)
        }
    };
    let mut give = |pass, bytes, from: u32| {
        place.lines(key, pass, bytes, &mut |line| {
            let path = place.path(key, pass);
            let document: FailedDocument<'_> =
                serde_json::from_slice(line).map_err(|cause| error(&path)(cause.into()))?;
            if document.doc >= from {
                seen.told += 1;
                visit(document)?;
            }
            Ok(())
        })
    };
    give(last.0, last.1, 0)?;
    if let Some((pass, bytes, cursor)) = before {
        give(pass, bytes, cursor)?;
    }
    Ok(seen)
}

/// Failed documents by class.
pub fn classes<'i>(
    place: &FailedPlace,
    items: impl IntoIterator<Item = &'i ItemState>,
) -> Result<BTreeMap<String, u64>, BulkError> {
    let mut counts = BTreeMap::new();
    read(place, items, &mut |document| {
        *counts.entry(document.class.into_owned()).or_default() += 1;
        Ok(())
    })?;
    Ok(counts)
}
