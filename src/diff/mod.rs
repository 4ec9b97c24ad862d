//! What a plan would do: desired × observed → actions with reasons, effects, estimates and evidence.
//!
//! Pure: no IO, no clock (time comes in as a value). Relies on `graph`, `plan` and the types of `state`. The decision of
//! each kind is in `phases`; here are the values they are made of, their composition, comparison and staleness.

pub mod change;
pub mod observation;
