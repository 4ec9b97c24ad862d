//! Mapping types of indices made before Elasticsearch 6, and how they come into indices without types.
//!
//! [`choose()`] makes of a plan's rule and of what an index holds the [`Route`] of each target index, or says what stands
//! against it. [`union()`] makes one mapping of several; `splice` puts fields into a source that stays as it is
//! otherwise. All of it is pure: the metadata engine turns mappings by a route, the bulk engine documents.
//!
//! Deliberately absent: reading documents, and guessing. Where two documents would become one, or two definitions
//! contradict each other, nothing is done without a word of the plan.

mod choose;
mod facts;
mod route;
mod splice;
mod union;

pub use choose::{Chosen, Problem, ProblemKind, choose, rule_for};
pub use facts::{DEFAULT, facts};
pub use route::{Join, Route};
pub use splice::{SpliceError, splice};
pub use union::{Conflict, Union, union};
