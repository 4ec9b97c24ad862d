//! The client of a cluster behind HTTP: one per cluster of the plan, shared by everything that talks to it.
//!
//! Blocking on the outside, since phases and engines run on threads of their own; asynchronous inside, on one small
//! runtime ([`runtime`]). What a cluster may be asked is decided here and nowhere else ([`access`]), and so is what is sent
//! again ([`limits`] has the numbers). Redirects are never followed: credentials go to the plan's address, and to
//! nodes that proved to be of the same cluster (`nodes`). Relies on the
//! plan's types for addresses and credentials. Deliberately absent: what requests mean; targets and phases know that.

pub mod about;
pub mod access;
mod auth;
mod client;
mod error;
mod http;
mod indices;
pub mod limits;
mod nodes;
mod request;
mod retry;
pub mod runtime;
mod words;

pub use about::About;
pub use client::{ClusterClient, Failure};
pub use error::ClusterError;
pub use indices::{LiveIndex, ShardPieces, indices, pieces};
pub use nodes::{Chosen, Nodes};
pub use request::{Body, Method, Request, Response};
pub use words::Missing;
