//! The life of an apply: survey (observe and decide), approve, and run the phases in the order of the graph.
//!
//! Three parts joined by the typed [`event::Event`]: the dispatcher owns all state and is the only place that changes it;
//! the executor runs phases on threads; reporters consume events. Relies on `phases`, `state`, `graph`, `diff`, `plan`,
//! and on `engines` for what a load measures of itself.
//! Deliberately absent: how anything looks (`ui`), where arguments come from (`cli`), what a kind does (`phases`).

mod approved;
pub mod check;
pub mod checked;
mod dispatcher;
pub mod event;
mod executor;
pub mod gates;
pub mod interrupt;
mod nodes;
mod passed;
pub mod picture;
mod rate;
pub mod recorded;
pub mod recording;
pub mod report;
pub mod reset;
pub mod retry;
pub mod rollback;
pub mod session;
pub mod stop;
pub mod survey;
pub mod unsnapshot;

pub use dispatcher::{Job, run};
pub use event::{Event, Tally};
pub(crate) use nodes::settled;

use crate::phases::kind::PhaseKind;
use crate::plan::model::PhaseKindName;

/// Where the implementation of a kind comes from; tests bring their own.
pub type Kinds = fn(PhaseKindName) -> &'static dyn PhaseKind;
