//! The kinds of phases: the only place where the plan's words meet the engines.
//!
//! A kind is one trait: `observe` (read-only) → `decide` (pure) → `perform` (idempotent, checkpointed, cancellable) →
//! `undo`. Relies on `plan`, `diff` and `state` for types, on `engines` and `clients` for work. Deliberately absent: the
//! order of phases, approvals, locks and the journal's file (all `apply`'s).

pub mod kind;
