//! What a metadata phase says of itself in a line: what it moves, what the target will see, what is there already. Pure.

use super::super::common;
use super::Desired;
use crate::base::units::{human_count, plural};
use crate::diff::change::{Action, Effect, Item};
use crate::diff::observation::{ObjectKind, ProbeFacts};
use crate::plan::model::MetadataSpec;

pub(super) fn probed(spec: &MetadataSpec, facts: ProbeFacts) -> String {
    let left = match facts.not_probed {
        0 => String::new(),
        left => format!("; {} not probed, there were too many kinds", objects(left)),
    };
    format!(
        "probed: {} made on {} for a moment and removed again{left}",
        common::indices(facts.made),
        spec.to.value
    )
}

/// `11 indices, 2 templates`; with those that are not there yet.
pub(super) fn counts(wanted: &[Desired], awaited: &[Item]) -> String {
    let kinds = [
        (ObjectKind::Index, "index", "indices"),
        (ObjectKind::DataStream, "data stream", "data streams"),
        (
            ObjectKind::LegacyTemplate,
            "legacy template",
            "legacy templates",
        ),
        (
            ObjectKind::IndexTemplate,
            "index template",
            "index templates",
        ),
        (
            ObjectKind::ComponentTemplate,
            "component template",
            "component templates",
        ),
        (ObjectKind::Alias, "alias", "aliases"),
        (ObjectKind::IngestPipeline, "pipeline", "pipelines"),
        (
            ObjectKind::SearchPipeline,
            "search pipeline",
            "search pipelines",
        ),
        (ObjectKind::Script, "script", "scripts"),
        (
            ObjectKind::LifecyclePolicy,
            "lifecycle policy",
            "lifecycle policies",
        ),
        (
            ObjectKind::SnapshotPolicy,
            "snapshot policy",
            "snapshot policies",
        ),
        (ObjectKind::Role, "role", "roles"),
        (ObjectKind::RoleMapping, "role mapping", "role mappings"),
        (
            ObjectKind::ClusterSettings,
            "set of cluster settings",
            "sets of cluster settings",
        ),
    ];
    let parts: Vec<String> = kinds
        .into_iter()
        .filter_map(|(kind, one, many)| {
            let count = wanted
                .iter()
                .filter(|object| object.key.kind == kind)
                .count()
                + awaited
                    .iter()
                    .filter(|item| item.object == kind.as_str())
                    .count();
            let noun = if count == 1 { one } else { many };
            (count > 0).then(|| format!("{} {noun}", human_count(count as u64)))
        })
        .collect();
    if parts.is_empty() {
        "nothing".into()
    } else {
        parts.join(", ")
    }
}

pub(super) fn objects(count: usize) -> String {
    plural(count as u64, "object")
}

pub(super) fn effects(spec: &MetadataSpec, items: &[Item]) -> Vec<Effect> {
    let on = spec.to.value.clone();
    let mut effects = Vec::new();
    let created = |object: &str| {
        items
            .iter()
            .filter(|item| item.action == Action::Create && item.object == object)
            .count()
    };
    let made = created("index");
    if made > 0 {
        effects.push(Effect {
            on: on.clone(),
            text: format!("creates {}", common::indices(made)),
            destroys: false,
        });
    }
    let others: Vec<&str> = items
        .iter()
        .filter(|item| item.action == Action::Create)
        .filter(|item| item.object != "index" && item.object != "data stream")
        .map(|item| item.object.as_str())
        .collect();
    let streams = created("data stream");
    if streams > 0 {
        effects.push(Effect {
            on: on.clone(),
            text: format!("creates {}", plural(streams as u64, "data stream")),
            destroys: false,
        });
    }
    if !others.is_empty() {
        let count = human_count(others.len() as u64);
        let of_indices = |object: &&str| object.ends_with("template") || **object == *"alias";
        effects.push(Effect {
            on: on.clone(),
            text: match (others.iter().all(of_indices), others.as_slice()) {
                (true, [_]) => "creates 1 template or alias".into(),
                (true, _) => format!("creates {count} templates and aliases"),
                (false, [one]) => format!("creates 1 {one}"),
                (false, _) => format!("creates {count} templates, aliases, pipelines and the like"),
            },
            destroys: false,
        });
    }
    let replaced: Vec<&str> = items
        .iter()
        .filter(|item| item.action == Action::Replace)
        .map(|item| item.name.as_str())
        .collect();
    if !replaced.is_empty() {
        effects.push(Effect {
            on,
            text: format!("replaces {}", common::few(&replaced)),
            destroys: true,
        });
    }
    effects
}

pub(super) fn evidence(spec: &MetadataSpec, equal: &[&Desired]) -> Vec<String> {
    let identity: Vec<_> = equal
        .iter()
        .map(|object| (&object.key, &object.body))
        .collect();
    vec![format!(
        "{} on {} are equal to the snapshot's after translation (digest {})",
        objects(equal.len()),
        spec.to.value,
        crate::base::Fingerprint::of(&identity).short()
    )]
}
