//! What operators ended (MIG360–MIG379): found when a plan meets a state in which a phase is over for good, explained here.

use super::codes;

codes! {
    BACKFILL_STOPPED = 360 Error "a backfill was stopped before all was loaded"
        "`mig backfill stop` ended this backfill for good: its working state was archived and removed, and no worker begins any more. Some of \
         its indices are not loaded as the plan has it, so that nothing behind it may be called done. `mig backfill reset` lets it begin anew: the next \
         apply removes the documents of these indices and writes all of them again. Or take the phase out of the plan."
        "docs: { backfill: { from: base, to: os } }" => "docs-again: { backfill: { from: base, to: os } }";
    SNAPSHOT_DELETED = 361 Error "the snapshot of a phase was deleted before the phase was done"
        "`mig snapshot delete` deleted the snapshots of this phase, and another one that reads them is not done, or has changed since. None is \
         taken in their place in silence: the source may hold other documents by now. `mig apply --redo` with the name of the snapshot phase takes another, and \
         what rests on it is written again."
        "docs: { backfill: { from: base, to: os } }" => "docs: { backfill: { from: base-2, to: os } }";
}
