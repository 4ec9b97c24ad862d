//! `drop`: takes fields out. An object that becomes empty by it stays.

use super::fault::Fault;
use super::json::Json;
use super::path::{self, Act};

/// Takes a field out wherever its path leads; whether there was any.
pub(super) fn apply(json: &mut Json<'_>, field: &str) -> Result<bool, Fault> {
    path::visit(json, field, false, &mut |_, _, _| Ok(Act::Remove))
}
