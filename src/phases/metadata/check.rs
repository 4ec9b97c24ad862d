//! What a metadata phase makes, made in small: the first index of the plan with its real settings and mapping, and the first
//! template, pipeline and script of each kind, under names of the check.
//!
//! Everything goes the way that the phase goes, down to reading back what was made. Templates get a pattern that no index has.
//! Deliberately absent: settings of the cluster, policies and roles, which would take effect, and what no target could take, which
//! the plan says.

use serde_json::{Map, Value, json};

use super::super::check::privileges::Names;
use super::super::check::{Fault, Place, Probes, Said, target_fault};
use super::super::common;
use super::super::connections::Connections;
use super::decide;
use super::desired::{Desired, desired};
use super::{look, spec};
use crate::clients::cluster::ClusterError;
use crate::clients::target::TargetError;
use crate::diff::observation::{MetadataObservation, ObjectKey, ObjectKind, Observation};
use crate::engines::metadata::differences;
use crate::plan::model::{MetadataSpec, Phase};

/// Kinds of which one object is made, with the words for its name.
const PROBED: &[(ObjectKind, &str)] = &[
    (ObjectKind::Script, "script"),
    (ObjectKind::IngestPipeline, "pipeline"),
    (ObjectKind::SearchPipeline, "search-pipeline"),
    (ObjectKind::ComponentTemplate, "component"),
    (ObjectKind::IndexTemplate, "template"),
    (ObjectKind::LegacyTemplate, "legacy-template"),
];

pub(super) fn check(probes: &mut Probes<'_>) {
    let cx = probes.cx;
    let Ok(spec) = spec(cx.phase) else { return };
    let on = &spec.to.value;
    let Some(place) = Place::open(probes, on) else {
        return;
    };
    let mut observed = None;
    let mut wanted = Vec::new();
    let read = probes.probe("objects", on, |_| {
        let all = observation(cx.phase, cx.connections)?;
        wanted = takeable(spec, &all);
        let told = match wanted.len() {
            0 => "nothing is to be made there".to_owned(),
            many => format!(
                "{} of the plan and what is there were read",
                crate::base::units::plural(many as u64, "object")
            ),
        };
        observed = Some(all);
        Ok(Said::Ok(told))
    });
    if !read {
        // What is made for the probe needs no source: privileges show all the same.
        wanted.clear();
    }
    let index = first_index(&wanted);
    let name = probes.name("index");
    let body = index.map_or_else(|| json!({}), |(_, body)| body);
    let of = index_of(&wanted);
    let made = probes.probe("index", on, |probes| {
        make_index(probes, &place, (&name, &body), spec)?;
        Ok(Said::Ok(match &of {
            Some(of) => format!(
                "settings and mapping of {of} are taken, and are read back as they were sent"
            ),
            None => "an index without a mapping is taken".to_owned(),
        }))
    });
    let has = |kind| wanted.iter().any(|object| object.key.kind == kind);
    if has(ObjectKind::Alias) {
        if made {
            probes.probe("alias", on, |probes| {
                let key = key(ObjectKind::Alias, &probes.name("alias"));
                let body = json!({"indices": { name.as_str(): {} }});
                put(probes, &place, &key, &body, spec)?;
                place
                    .target
                    .delete(&key)
                    .map_err(|error| fault(probes, &place, spec, &error))?;
                Ok(Said::Ok("an alias over that index is taken".to_owned()))
            });
        } else {
            probes.left_out("alias", on, "there is no index for it");
        }
    }
    for (kind, what) in PROBED {
        let Some(object) = wanted.iter().find(|object| object.key.kind == *kind) else {
            continue;
        };
        probes.probe(kind.as_str(), on, |probes| {
            let key = key(*kind, &probes.name(what));
            let body = harmless(probes, *kind, &object.body);
            put(probes, &place, &key, &body, spec)?;
            if place
                .target
                .get(&key)
                .map_err(|error| fault(probes, &place, spec, &error))?
                .is_none()
            {
                return Err(Fault::new(
                    format!("{} was taken and is not there", kind.as_str()),
                    "look at the server's log",
                ));
            }
            Ok(Said::Ok(format!("{} is taken", object.key.name)))
        });
    }
    let beyond: Vec<&str> = [
        ObjectKind::ClusterSettings,
        ObjectKind::LifecyclePolicy,
        ObjectKind::SnapshotPolicy,
        ObjectKind::Role,
        ObjectKind::RoleMapping,
    ]
    .into_iter()
    .filter(|kind| has(*kind))
    .map(ObjectKind::as_str)
    .collect();
    if !beyond.is_empty() {
        let why = format!("{}: they would take effect at once", beyond.join(", "));
        probes.left_out("other kinds", on, &why);
    }
}

fn observation(phase: &Phase, connections: &Connections) -> Result<MetadataObservation, Fault> {
    match look(phase, connections)? {
        Observation::Metadata(observed) => Ok(observed),
        _ => Err(Fault::new(
            "the observation is of another kind",
            "plan again",
        )),
    }
}

/// What the phase makes, or has made: without what the plan asks about.
fn takeable(spec: &MetadataSpec, observed: &MetadataObservation) -> Vec<Desired> {
    let seen = decide::seen(observed);
    let (wanted, _) = desired(spec, observed);
    wanted
        .into_iter()
        .filter(|object| object.problems.is_empty() && object.findings.is_empty())
        .filter(|object| !seen.is_refused(&object.key))
        .collect()
}

/// The body of an index as a metadata phase makes it; `None` where it makes none of that name.
pub(in super::super) fn body_of(
    phase: &Phase,
    connections: &Connections,
    index: &str,
) -> Option<Value> {
    let spec = spec(phase).ok()?;
    let observed = observation(phase, connections).ok()?;
    let wanted = takeable(spec, &observed);
    let found = wanted
        .into_iter()
        .find(|object| object.key.kind == ObjectKind::Index && object.key.name == index)?;
    Some(small(&found.body))
}

/// The first index, or the first generation of a data stream, with its body.
fn first_index(wanted: &[Desired]) -> Option<(&str, Value)> {
    let of_kind = |kind| wanted.iter().find(|object| object.key.kind == kind);
    if let Some(object) = of_kind(ObjectKind::Index) {
        return Some((&object.key.name, small(&object.body)));
    }
    let stream = of_kind(ObjectKind::DataStream)?;
    let first = stream.body.pointer("/generations/0")?;
    Some((&stream.key.name, small(first)))
}

fn index_of(wanted: &[Desired]) -> Option<String> {
    first_index(wanted).map(|(name, _)| name.to_owned())
}

/// A body without what waits for the proof, and without copies: a probe stands for a moment.
fn small(body: &Value) -> Value {
    let mut body = body.clone();
    if let Value::Object(fields) = &mut body {
        for name in ["held_back", "closed"] {
            fields.remove(name);
        }
        let settings = fields.entry("settings").or_insert_with(|| json!({}));
        if let Value::Object(settings) = settings {
            settings.remove("index.auto_expand_replicas");
            settings.insert("index.number_of_replicas".into(), json!("0"));
            settings
                .entry("index.number_of_shards")
                .or_insert_with(|| json!("1"));
        }
    }
    body
}

fn key(kind: ObjectKind, name: &str) -> ObjectKey {
    ObjectKey {
        kind,
        name: name.to_owned(),
    }
}

/// Makes the index of a probe, marked as one, and reads it back.
pub(in super::super) fn make_index(
    probes: &mut Probes<'_>,
    place: &Place,
    (name, body): (&str, &Value),
    spec: &MetadataSpec,
) -> Result<(), Fault> {
    make_index_for(
        probes,
        place,
        (name, body),
        &Names::of(&spec.include.indices),
    )
}

/// As [`make_index`], for indices of other words of the plan.
pub(in super::super) fn make_index_for(
    probes: &mut Probes<'_>,
    place: &Place,
    (name, body): (&str, &Value),
    names: &Names<'_>,
) -> Result<(), Fault> {
    let key = key(ObjectKind::Index, name);
    let mut body = small(body);
    probes.cx.mark.put_into(&mut body, &["mappings"]);
    place.announce(probes, ObjectKind::Index, name)?;
    let connections = probes.cx.connections;
    let fault = |error: TargetError| {
        let mut told = target_fault(&place.on, &error, names, connections);
        if matches!(
            &error,
            TargetError::Cluster(ClusterError::Status { status: 400, .. })
        ) {
            told.help = vec![
                "`mig plan --probe` finds every object that is refused; change it at the source, or leave it out by `include:`"
                    .to_owned(),
            ];
        }
        told
    };
    place.target.put(&key, &body).map_err(fault)?;
    let found = place.target.get(&key).map_err(fault)?;
    let Some(found) = found else {
        return Err(Fault::new(
            "the index was taken and is not there",
            "look who removes indices on the target",
        ));
    };
    let edits = differences(ObjectKind::Index, &body, &found);
    let paths: Vec<&str> = edits.iter().map(|edit| edit.path.as_str()).collect();
    if paths.is_empty() {
        return Ok(());
    }
    Err(Fault::new(
        format!(
            "the index is not as it was asked for: {}",
            common::few(&paths)
        ),
        "look which template or plugin of the target changes new indices",
    ))
}

fn fault(probes: &Probes<'_>, place: &Place, spec: &MetadataSpec, error: &TargetError) -> Fault {
    let names = Names::of(&spec.include.indices);
    target_fault(&place.on, error, &names, probes.cx.connections)
}

fn put(
    probes: &mut Probes<'_>,
    place: &Place,
    key: &ObjectKey,
    body: &Value,
    spec: &MetadataSpec,
) -> Result<(), Fault> {
    // An alias goes with its index.
    if key.kind != ObjectKind::Alias {
        place.announce(probes, key.kind, &key.name)?;
    }
    let put = place.target.put(key, body);
    put.map_err(|error| fault(probes, place, spec, &error))
}

/// The body of an object so that it means nothing that is there, with the mark of the check.
fn harmless(probes: &Probes<'_>, kind: ObjectKind, body: &Value) -> Value {
    let mark = probes.cx.mark;
    let mut body = body.clone();
    if let Value::Object(fields) = &mut body {
        fields.remove("held_back");
        match kind {
            ObjectKind::IndexTemplate => {
                // A component of the plan need not be there yet.
                fields.remove("composed_of");
                fields.remove("ignore_missing_component_templates");
                fields.insert("index_patterns".into(), json!([nothing(probes)]));
            }
            ObjectKind::LegacyTemplate => {
                fields.insert("index_patterns".into(), json!([nothing(probes)]));
            }
            ObjectKind::IngestPipeline | ObjectKind::SearchPipeline => {
                fields.insert("description".into(), json!(mark.words()));
            }
            _ => {}
        }
    }
    if matches!(
        kind,
        ObjectKind::IndexTemplate | ObjectKind::ComponentTemplate
    ) {
        mark.put_into(&mut body, &[]);
    }
    if kind == ObjectKind::LegacyTemplate && has_no_types(&body) {
        mark.put_into(&mut body, &["mappings"]);
    }
    body
}

/// A name that no index has.
fn nothing(probes: &Probes<'_>) -> String {
    probes.name("no-index")
}

/// Whether a mapping is one without types, in which a mark has a place.
fn has_no_types(body: &Value) -> bool {
    let mapping = body.get("mappings").and_then(Value::as_object);
    mapping.is_none_or(|mapping: &Map<String, Value>| {
        mapping.is_empty() || mapping.contains_key("properties")
    })
}
