//! Small leaf types that every other module may use: names, versions, sizes, digests, exit codes.
//!
//! Relies on nothing of this crate. Deliberately absent: anything that knows of plans, phases, clusters' APIs
//! or the terminal.

pub mod address;
pub mod cut;
pub mod exit_code;
pub mod failpoint;
pub mod fingerprint;
pub mod fs;
pub mod glob;
pub mod host;
pub mod json;
pub mod process;
pub mod read_at;
pub mod s3_uri;
pub mod settings;
pub mod units;
pub mod version;

pub use address::Address;
pub use exit_code::ExitCode;
pub use fingerprint::Fingerprint;
pub use read_at::ReadAt;
pub use s3_uri::S3Uri;
