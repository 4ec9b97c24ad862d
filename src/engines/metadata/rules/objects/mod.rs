//! Rules for what is no index and no template: pipelines, scripts, settings of the cluster, policies, roles.
//!
//! Conversions (a policy of ILM, a role of Elasticsearch) keep what the other product has no word for, and a rule of its
//! own takes that out: so each loss has a code and a level of its own.

mod cluster_settings;
mod lifecycle;
mod pipelines;
mod processors;
mod roles;
mod scripts;
mod snapshot_policies;
mod templates;

pub(in crate::engines::metadata) use snapshot_policies::unsayable_schedule;

use super::super::rule::Rule;

pub(super) fn all() -> impl Iterator<Item = &'static Rule> {
    [
        pipelines::RULES,
        scripts::RULES,
        cluster_settings::RULES,
        lifecycle::RULES,
        snapshot_policies::RULES,
        roles::RULES,
        templates::RULES,
    ]
    .into_iter()
    .flatten()
}
