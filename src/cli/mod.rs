//! Arguments in, exit code out: one file a command, each with its arguments and a plain function.
//!
//! Relies on `apply`, `diff`, `graph`, `plan`, `state` for the work and on `ui` for how it looks. Deliberately absent:
//! decisions about phases, and anything that a library user would need.

mod aggregate;
mod apply;
mod approve;
pub(crate) mod args;
mod backfill_failed;
mod backfill_limits;
mod backfill_pause;
mod backfill_reset;
mod backfill_retry_failed;
mod backfill_scale;
mod backfill_session;
mod backfill_start;
mod backfill_status;
mod backfill_stop;
mod background;
mod check;
mod clusters_cat_indices;
mod clusters_connection_check;
mod clusters_curl;
mod completions;
pub(crate) mod environment;
pub(crate) mod error;
mod explain;
mod export;
mod graph;
mod help;
mod init;
pub(crate) mod live;
mod load;
mod locking;
mod logging;
mod metadata_evaluate;
mod metadata_migrate;
mod metadata_report;
mod metrics;
mod plan;
pub(crate) mod printer;
mod recording;
mod render;
mod report;
mod reset;
mod restore_settings;
mod rollback;
mod root;
mod rules;
mod sandbox;
mod saved;
mod schema;
mod screen;
mod settings;
mod show;
mod snapshot_create;
mod snapshot_delete;
mod snapshot_inspect;
mod snapshot_status;
mod state;
mod status;
mod test;
mod validate;
pub(crate) mod who;
mod worker;

pub use root::main;
