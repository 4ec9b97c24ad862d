//! Listening sockets: the only place that binds one for others to connect to.
//!
//! Relies on nothing of this crate: what is answered comes as a function. Deliberately absent: outgoing connections (`clients`),
//! what the pages say (`ui`), and any request that changes something.

pub mod address;
pub mod http;

pub use address::ListenAddress;
pub use http::{Listening, Page, ServeError, listen};
