//! What operators ended (MIG360–MIG379): found when a plan meets a state in which a phase is over for good, explained here.

use super::codes;

codes! {
    BACKFILL_STOPPED = 360 Error "a backfill was stopped before all was loaded"
        "`mig backfill stop` ended this backfill for good: its working state was archived and removed, and no worker begins any more. Some of \
         its indices are not loaded as the plan has it, so that nothing behind it may be called done. `mig backfill reset` lets it begin anew: the next \
         apply removes the documents of these indices and writes all of them again. Or take the phase out of the plan."
        "docs: { backfill: { from: base, to: os } }" => "docs-again: { backfill: { from: base, to: os } }";
}
