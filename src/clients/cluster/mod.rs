//! The client of a cluster behind HTTP: one per cluster of the plan, shared by everything that talks to it.
//!
//! Blocking on the outside, since phases and engines run on threads of their own; asynchronous inside, on one small
//! runtime ([`runtime`]). What a cluster may be asked is decided here and nowhere else ([`access`]), and so is what is sent
//! again ([`limits`] has the numbers). Redirects are never followed: credentials go to the plan's address alone. Relies on the
//! plan's types for addresses and credentials. Deliberately absent: what requests mean; targets and phases know that.

pub mod about;
pub mod access;
mod auth;
mod client;
mod error;
mod http;
mod indices;
pub mod limits;
mod request;
mod retry;
pub mod runtime;
mod words;

pub use about::About;
pub use client::ClusterClient;
pub use error::ClusterError;
pub use indices::{LiveIndex, ShardPieces, indices, pieces};
pub use request::{Body, Method, Request, Response};
pub use words::Missing;
