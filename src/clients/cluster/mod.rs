//! The client of a cluster behind HTTP: one per cluster of the plan, shared by everything that talks to it.
//!
//! Blocking on the outside, since phases and engines run on threads of their own; asynchronous inside, on one small
//! runtime ([`runtime`]). What a cluster may be asked is decided here and nowhere else ([`access`]). Relies on the plan's
//! types for addresses and credentials. Deliberately absent: what requests mean; targets and phases know that.

pub mod about;
pub mod access;
mod client;
mod error;
mod indices;
mod request;
pub mod runtime;

pub use about::About;
pub use client::{ClusterClient, limits};
pub use error::ClusterError;
pub use indices::{LiveIndex, indices};
pub use request::{Body, Method, Request, Response};
