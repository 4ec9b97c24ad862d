//! Translates metadata (index settings and mappings, templates) from one product and version to another, by typed rules.
//!
//! The way in is [`translate()`]; [`rules()`] lists every rule with its code. A rule never changes anything without leaving
//! an [`Edit`](crate::diff::change::Edit) that names it, and says by itself whether something of the source is lost.
//! [`differences`] compares what is wanted with what a target holds, in normal form: dynamically grown mappings and
//! settings that a server adds by itself are no differences.
//!
//! Relies on `base` and on the types of `diff`. Deliberately absent: reading and writing of metadata, the plan's words,
//! and guessing from servers' error messages.

mod built_in;
mod compare;
mod composable;
mod definitions;
mod draft;
mod fields;
mod held_back;
mod limits;
mod normal_fields;
mod normal_objects;
mod not_moved;
mod rule;
mod rules;
mod translate;

pub use crate::base::settings::normal_settings;
pub use built_in::built_in;
pub use compare::{core_fingerprint, differences};
pub use composable::{composable, patterns};
pub use held_back::{held_back, release, stream_setting, withhold};
pub use limits::{beyond, name_problem};
pub use not_moved::{not_moved, system_index, unmovable};
pub use rule::{Level, Lines, Proof, Rule, Versions};
pub use rules::{codes, rules};
pub use translate::{Finding, Translation, translate, translate_without};
