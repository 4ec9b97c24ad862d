//! A gate: what has to be seen, and who has to say yes, before a plan goes on.
//!
//! Deliberately absent: whether it is open.

use serde::Serialize;

use super::Ref;
use crate::base::units::Span;
use crate::plan::selector::Selector;

/// `gate:`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GateSpec {
    /// What the person is asked.
    pub title: String,
    /// What has to be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proves: Option<Proves>,
    /// Whether a person is needed.
    pub approve: Approve,
}

/// What has to be seen before a gate opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proves {
    /// Nothing is written to a source for some time.
    SourceQuiet(SourceQuiet),
}

/// Nothing is written to a source for some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SourceQuiet {
    /// The cluster; resolved to the only source of the plan where the plan does not say.
    pub of: Option<Ref>,
    /// How long.
    pub r#for: Span,
    /// Which of its indices.
    pub indices: Selector,
}

/// Whether a person is needed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Approve {
    /// `mig approve` by a person.
    Manual,
    /// Nobody.
    None,
}
