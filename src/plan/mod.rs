//! The plan language: from YAML files to a resolved [`model::Plan`], with every error of a plan told at once.
//!
//! Relies on `base` alone. Deliberately absent: reading clusters, stores or state; a clock; any order of phases (that is
//! `graph`'s). The one thing read from outside is plan files, variables and the environment, in `load`.

pub mod codes;
pub mod diagnostics;
pub mod location;
pub mod model;
pub mod selector;
