//! Taking the lock of a plan's state, for the commands that change it.

use super::args::LockArgs;
use super::printer::Printer;
use super::who::holder;
use crate::state::{LockedState, StateError, StateStore};

/// Waits as long as the arguments say; whom for is told.
pub(super) fn locked(
    store: &dyn StateStore,
    operation: &str,
    lock: &LockArgs,
    printer: Printer,
) -> Result<Box<dyn LockedState>, StateError> {
    store.lock(&holder(operation), lock.lock_timeout.0, &mut |other| {
        printer.message(&format!(
            "Waiting for the state, which is locked by {other}"
        ));
    })
}
