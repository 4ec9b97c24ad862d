//! What a plan would do: desired × observed → actions with reasons, effects, estimates and evidence.
//!
//! Pure: no IO, no clock (time comes in as a value). Relies on `graph`, `plan` and the types of `state`. The decision of
//! each kind is in `phases`; here are the values they are made of, their composition, comparison and staleness.

pub mod assemble;
pub mod base;
pub mod change;
pub mod exit;
pub mod fields;
pub mod observation;
pub mod overlaps;
pub mod planned;
pub mod selection;
pub mod staleness;
pub mod structural;

pub use assemble::{Assembling, assemble};
pub use base::{PlanComparison, compare_plans};
pub use exit::exit_code;
pub use fields::spec_changes;
pub use overlaps::overlaps;
pub use planned::PlannedChanges;
pub use selection::{Selected, Selection, select};
pub use staleness::{StaleNode, beyond_approved, staleness};
