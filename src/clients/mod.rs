//! What talks to the outside: object stores and targets. Only modules in here open outgoing sockets or know how a
//! target keeps its data.

pub(crate) mod aws;
pub mod cluster;
pub mod objects;
pub mod secrets;
pub mod target;
