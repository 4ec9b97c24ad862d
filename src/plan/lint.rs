//! Lints: the plan works and is most likely not what was meant.

use super::diagnostics::Diagnostic;
use super::expand::Expanded;
use super::model::Plan;

/// Tells of everything that looks wrong in a plan without errors.
pub(crate) fn run(_plan: &Plan, _expanded: &Expanded, _found: &mut Vec<Diagnostic>) {}
