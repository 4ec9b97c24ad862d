//! The plan language: from YAML files to a resolved [`model::Plan`], with every error of a plan told at once.
//!
//! Relies on `base` alone. Deliberately absent: reading clusters, stores or state; a clock; any order of phases (that is
//! `graph`'s). The one thing read from outside is plan files, variables and the environment, in `load`.
//!
//! Text goes through `syntax` (a tree with places), `substitute` and `expand` (variables, fragments, hops), `decode` with the
//! words of `language`, and `resolve` (references), to `model`. Each stage goes on after an error.

pub mod codes;
mod decode;
pub mod diagnostics;
mod expand;
mod language;
mod lint;
pub mod load;
pub mod location;
pub mod model;
mod names;
mod resolve;
mod scalars;
pub mod schema;
mod secrets;
mod section;
pub mod selector;
mod substitute;
mod syntax;
mod vars;
mod versions;

pub use load::{LoadOptions, LoadOutcome, load};
pub use section::{ChangeClass, change_class, change_class_in};
pub use versions::why_no_target;
