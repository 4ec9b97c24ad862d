//! What a backfill does, done in small: the index of the working state is written to, and a few real documents go the whole way
//! into an index of the check, through the phase's transforms, and are read back and compared.
//!
//! Documents come from the snapshot, or from the live source as long as there is none, which is only read. The index has the mapping that
//! the metadata phase of the same way gives to theirs. Deliberately absent: work items and leases, and any document in an
//! index of the plan.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::super::check::privileges::Names;
use super::super::check::{Fault, Made, Place, Probes, Said, Thing, target_fault};
use super::super::live::SourceView;
use super::super::metadata::check::{body_of, make_index_for};
use super::super::transforms;
use super::super::{common, streams, types};
use super::sample::{Raw, Takes, documents};
use super::{cluster, restore, spec, way};
use crate::base::json::canonical;
use crate::base::units::plural;
use crate::clients::cluster::ClusterError;
use crate::clients::target::batch::Action;
use crate::clients::target::cluster::tune;
use crate::clients::target::cluster::working_state::{Condition, Tag, WORKING_STATE, Whose};
use crate::clients::target::{Batch, ClusterTarget, PartKey, TargetError};
use crate::diff::observation::{ObjectKey, ObjectKind, SnapshotIndexFacts};
use crate::engines::bulk::{DocumentView, Identity, Scratch, Transform, Transformed};
use crate::plan::model::{BackfillSpec, PhaseSpec, Versions};

/// Documents that are taken at most.
const DOCUMENTS_MAX: usize = 5;
/// Of documents that differ or fail, so many are named.
const NAMED_MAX: usize = 3;
/// How servers call what a user may not do.
const SECURITY: &str = "security_exception";
/// What a document of the check is, in the working state.
const KIND: &str = "check";

pub(super) fn check(probes: &mut Probes<'_>) {
    let Ok(spec) = spec(probes.cx.phase) else {
        return;
    };
    let on = &spec.to.value;
    let Some(place) = Place::open(probes, on) else {
        return;
    };
    if let Some(cluster) = place.target.cluster() {
        let names = Names::none();
        probes.probe("working state", on, |probes| {
            let made = working_state(probes, cluster, on);
            made.map_err(|error| match error {
                Stopped::Target(error) => target_fault(on, &error, &names, probes.cx.connections),
                Stopped::Told(fault) => fault,
            })
        });
    }
    if place.target.cluster().is_some() && !spec.strategy.is_reindex() {
        probes.probe("restores", on, |probes| restore::try_out(probes, spec));
    }
    let mut taken = None;
    probes.probe("source", on, |probes| {
        let found = sample(probes, spec)?;
        let told = match &found {
            Some(sample) => Said::Ok(format!(
                "{} of {} {} read, and went through what the plan does to them",
                plural(sample.documents.len() as u64, "document"),
                sample.index,
                if sample.documents.len() == 1 {
                    "was"
                } else {
                    "were"
                },
            )),
            None => Said::LeftOut(
                "there is no document to take: an empty one is written instead".to_owned(),
            ),
        };
        taken = found;
        Ok(told)
    });
    let sample = taken.unwrap_or_else(Sample::of_nothing);
    let index = probes.name("documents");
    let names = Names::of(&spec.indices);
    let made = probes.probe("index", on, |probes| {
        make_index_for(probes, &place, (&index, &sample.body), &names)?;
        Ok(Said::Ok(match &sample.mapping_of {
            Some(from) => format!("an index for them is taken, {from}"),
            None => "an index for them is taken".to_owned(),
        }))
    });
    if !made {
        for name in ["documents", "read back", "settings"] {
            probes.left_out(name, on, "there is no index for it");
        }
        return;
    }
    let fault = |probes: &Probes<'_>, error: &TargetError| {
        target_fault(on, error, &names, probes.cx.connections)
    };
    let written = probes.probe("documents", on, |probes| {
        write(&place, spec, &index, &sample).map_err(|error| match error {
            Stopped::Target(error) => fault(probes, &error),
            Stopped::Told(fault) => fault,
        })
    });
    if written {
        probes.probe("read back", on, |probes| {
            read_back(&place, spec, &index, &sample).map_err(|error| match error {
                Stopped::Target(error) => fault(probes, &error),
                Stopped::Told(fault) => fault,
            })
        });
    } else {
        probes.left_out("read back", on, "nothing was written");
    }
    if let Some(target) = place.target.cluster() {
        probes.probe("settings", on, |probes| {
            settings(target, spec, &index).map_err(|error| fault(probes, &error))
        });
    }
}

/// Why a probe ended early.
enum Stopped {
    Target(TargetError),
    Told(Fault),
}

impl From<TargetError> for Stopped {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Told(fault)
    }
}

/// Makes the index of the working state where it is not there, and writes, reads, finds and removes a document of it.
fn working_state(
    probes: &mut Probes<'_>,
    target: &ClusterTarget,
    on: &crate::base::Address,
) -> Result<Said, Stopped> {
    let state = target.state();
    let there = state.exists()?;
    if !there {
        probes.announce(Made {
            on: on.clone(),
            thing: Thing::WorkingState,
            name: WORKING_STATE.to_owned(),
        })?;
        state.ensure()?;
    }
    let id = probes.name("note");
    probes.announce(Made {
        on: on.clone(),
        thing: Thing::Note,
        name: id.clone(),
    })?;
    let mark = probes.cx.mark;
    let tag = Tag {
        kind: KIND,
        plan: &mark.plan,
        lineage: &mark.lineage,
    };
    let body = json!({ "check": mark.words() });
    state.put(&id, tag, &body, Condition::Always, true)?;
    let read = state.get::<Value>(&id)?.map(|stored| stored.body);
    let found = state.list::<Value>(KIND, Whose::Lineage(&mark.lineage))?;
    let found = found.iter().any(|stored| stored.id == id);
    state.delete_many(std::slice::from_ref(&id))?;
    if read.as_ref() != Some(&body) || !found {
        return Err(Fault::new(
            format!("a document of {WORKING_STATE} was written and is not found"),
            "look whether something removes or changes documents there",
        )
        .into());
    }
    Ok(Said::Ok(if there {
        format!("{WORKING_STATE} is there, and can be written, read and searched")
    } else {
        format!("{WORKING_STATE} can be made, written, read and searched")
    }))
}

/// Documents as they are written, and the index that they are for.
struct Sample {
    index: String,
    body: Value,
    /// Where the mapping is from, in words.
    mapping_of: Option<String>,
    documents: Vec<Document>,
}

struct Document {
    id: String,
    routing: Option<String>,
    version: Option<i64>,
    source: Vec<u8>,
}

impl Sample {
    fn of_nothing() -> Self {
        Self {
            index: String::new(),
            body: json!({}),
            mapping_of: None,
            documents: vec![Document {
                id: "empty".to_owned(),
                routing: None,
                version: None,
                source: b"{}".to_vec(),
            }],
        }
    }
}

/// Gathers documents as the phase would write them.
struct Gathering<'a> {
    index: &'a str,
    transform: &'a dyn Transform,
    documents: Vec<Document>,
    failed: Vec<String>,
}

impl Takes for Gathering<'_> {
    fn index(&self) -> &str {
        self.index
    }

    fn full(&self) -> bool {
        self.enough()
    }

    fn enough(&self) -> bool {
        self.documents.len() + self.failed.len() >= DOCUMENTS_MAX
    }

    fn take(&mut self, document: &Raw<'_>) {
        let view = DocumentView {
            index: self.index,
            id: document.id,
            routing: document.routing,
            source: document.source,
        };
        let mut scratch = Scratch::default();
        match self.transform.apply(view, &mut scratch) {
            Transformed::Write(view) => self.documents.push(Document {
                id: view.id.to_owned(),
                routing: view.routing.map(str::to_owned),
                version: document.version,
                source: view.source.to_vec(),
            }),
            Transformed::Drop { .. } => {}
            Transformed::Fail { reason } => self.failed.push(format!("{}: {reason}", document.id)),
        }
    }
}

/// A few documents of the first index that has some.
fn sample(probes: &Probes<'_>, spec: &BackfillSpec) -> Result<Option<Sample>, Fault> {
    let cx = probes.cx;
    let (plan, connections) = (cx.plan, cx.connections);
    let view = connections.source(&spec.from.value)?;
    let target = connections.open_target(&spec.to.value)?;
    let choice = streams::choice(spec.data_streams, target.version());
    let targets = way(plan, spec).targets(view.indices());
    let chosen: Vec<(&str, &SnapshotIndexFacts)> = targets
        .iter()
        .filter(|(name, facts)| {
            facts.unreadable.is_empty()
                && facts.docs != Some(0)
                && streams::left_out(&spec.indices, choice, (types::of(name, facts), facts))
                    .is_none()
        })
        .map(|(name, facts)| (name.as_str(), facts))
        .collect();
    let versions = transforms::versions(view.made_by(), target.version());
    for (index, facts) in chosen {
        let one = || std::iter::once((index, facts));
        let bodies = transforms::bodies(&view, way(plan, spec), one());
        let ready = transforms::ready(spec, choice, one(), &bodies, versions)?;
        let transform: &dyn Transform = if spec.transforms.is_empty() {
            &Identity
        } else {
            &ready
        };
        let mut gathering = Gathering {
            index,
            transform,
            documents: Vec::new(),
            failed: Vec::new(),
        };
        let read = documents(connections, &view, (plan, spec), facts, &mut gathering);
        match (&view, read) {
            // A live source need not let anybody search it: the phase reads the snapshot that is to come.
            (SourceView::Live(_), Err(_)) => return Ok(None),
            (_, read) => read?,
        }
        if !gathering.failed.is_empty() {
            let named: Vec<&str> = gathering.failed.iter().map(String::as_str).collect();
            return Err(Fault::new(
                format!(
                    "documents of {index} fail in their transforms: {}",
                    common::few(&named)
                ),
                "`mig plan --sample 10` shows documents before and after their transforms",
            ));
        }
        if gathering.documents.is_empty() {
            continue;
        }
        let (body, mapping_of) = mapping(probes, spec, &view, index);
        return Ok(Some(Sample {
            index: index.to_owned(),
            body,
            mapping_of,
            documents: gathering.documents,
        }));
    }
    Ok(None)
}

/// The body that an index of the target has or gets: what the metadata phase of the same way makes of it, or what is there.
fn mapping(
    probes: &Probes<'_>,
    spec: &BackfillSpec,
    view: &SourceView,
    index: &str,
) -> (Value, Option<String>) {
    let cx = probes.cx;
    let name = match view.indices().get(index) {
        Some(facts) => types::of(index, facts),
        None => index,
    };
    for phase in cx.plan.phases.values() {
        let PhaseSpec::Metadata(metadata) = &phase.spec else {
            continue;
        };
        if metadata.to.value != spec.to.value || metadata.from.value != spec.from.value {
            continue;
        }
        let found = body_of(phase, cx.connections, index);
        if let Some(body) = found.or_else(|| body_of(phase, cx.connections, name)) {
            let from = format!("with the mapping that {} gives to {index}", phase.address);
            return (body, Some(from));
        }
    }
    let key = ObjectKey {
        kind: ObjectKind::Index,
        name: index.to_owned(),
    };
    let there = cx.connections.open_target(&spec.to.value);
    let there = there
        .ok()
        .and_then(|target| target.get(&key).ok().flatten());
    match there {
        Some(body) => (
            json!({"settings": {}, "mappings": body.get("mappings").cloned().unwrap_or(json!({}))}),
            Some(format!("with the mapping of {index}")),
        ),
        None => (json!({}), None),
    }
}

/// Writes the documents by the way that the phase writes them.
fn write(
    place: &Place,
    spec: &BackfillSpec,
    index: &str,
    sample: &Sample,
) -> Result<Said, Stopped> {
    let target = &*place.target;
    let uuid = target.index_facts(index, 0)?.map(|facts| facts.uuid);
    let part = PartKey {
        index: index.to_owned(),
        part: "check".to_owned(),
    };
    let mut writer = target.open_part(&part, uuid.as_deref(), None)?;
    let names_index = writer.names_index();
    let mut batch = Batch::default();
    for (number, document) in (0_u32..).zip(&sample.documents) {
        let action = Action {
            index: Some(index).filter(|_| names_index),
            id: &document.id,
            routing: document.routing.as_deref(),
            version: document.version.filter(|_| spec.versions == Versions::Keep),
            create: false,
            delete: false,
        };
        batch.push(number, action, &document.source);
    }
    drop(writer.submit(batch, Box::new(()))?);
    let (_, settled) = writer.finish()?;
    if settled.failed.is_empty() {
        let written = match sample.documents.len() {
            1 => "1 document was".to_owned(),
            many => format!("{many} documents were"),
        };
        return Ok(Said::Ok(match target.cluster() {
            Some(_) => format!("{written} written by `_bulk`, through an alias of the index"),
            None => format!("{written} written"),
        }));
    }
    if let Some(denied) = settled.failed.iter().find(|it| it.class == SECURITY) {
        return Err(TargetError::Cluster(ClusterError::Forbidden {
            location: target.location(),
            call: format!("POST /{index}/_bulk"),
            reason: denied.reason.clone(),
            kind: denied.class.clone(),
        })
        .into());
    }
    let named = settled.failed.iter().take(NAMED_MAX);
    let named: Vec<String> = named
        .map(|refused| format!("{} ({}: {})", refused.id, refused.class, refused.reason))
        .collect();
    Err(Fault::new(
        format!(
            "{} of {} were refused: {}",
            settled.failed.len(),
            plural(sample.documents.len() as u64, "document"),
            named.join("; ")
        ),
        "mend the mapping by the metadata phase, or the documents by `transforms`; `max-failed` says how many the phase tolerates",
    )
    .into())
}

/// Reads the documents as a proof does, and compares them.
fn read_back(
    place: &Place,
    spec: &BackfillSpec,
    index: &str,
    sample: &Sample,
) -> Result<Said, Stopped> {
    let target = &*place.target;
    let mut found: BTreeMap<String, (Option<i64>, Vec<u8>)> = BTreeMap::new();
    for partition in target.partitions(index)? {
        target.read_partition(index, &partition, &mut |document| {
            found.insert(
                document.id.to_owned(),
                (document.version, document.source.to_vec()),
            );
            ControlFlow::Continue(())
        })?;
    }
    let keeps = spec.versions == Versions::Keep && target.capabilities().checks_versions;
    let mut wrong = Vec::new();
    for document in &sample.documents {
        let id = &document.id;
        match found.get(id) {
            None => wrong.push(format!("{id} is not there")),
            Some((_, source)) if !equal(&document.source, source) => {
                wrong.push(format!("{id} is another than it was"));
            }
            Some((version, _))
                if keeps && document.version.is_some() && *version != document.version =>
            {
                wrong.push(format!("{id} has another version"));
            }
            Some(_) => {}
        }
    }
    if wrong.is_empty() {
        return Ok(Said::Ok(format!(
            "{} equal to {}, read back as a proof reads them",
            plural(sample.documents.len() as u64, "document"),
            if sample.documents.len() == 1 {
                "its source"
            } else {
                "their sources"
            },
        )));
    }
    let named: Vec<&str> = wrong.iter().map(String::as_str).collect();
    Err(Fault::new(
        common::few(&named),
        "look which plugin or pipeline of the target changes documents",
    )
    .into())
}

/// Whether two sources are the same JSON; what has no canonical form goes by its bytes.
fn equal(left: &[u8], right: &[u8]) -> bool {
    let mut forms = (Vec::new(), Vec::new());
    match (
        canonical(left, &mut forms.0),
        canonical(right, &mut forms.1),
    ) {
        (Ok(()), Ok(())) => forms.0 == forms.1,
        _ => left == right,
    }
}

/// Changes the settings that a load changes, and puts them back.
fn settings(target: &ClusterTarget, spec: &BackfillSpec, index: &str) -> Result<Said, TargetError> {
    let tuning = cluster::tuning(spec, false);
    if tuning == tune::Tuning::default() {
        return Ok(Said::LeftOut(
            "the plan changes none while it loads".to_owned(),
        ));
    }
    let Some((uuid, _)) = target.mapping(index)? else {
        return Ok(Said::LeftOut("the index is gone".to_owned()));
    };
    // The index of the check is made as a load needs it: so that something is changed, it is another one first.
    tune::put(target, index, &json!({"index.refresh_interval": "31s"}))?;
    let mut during = Vec::new();
    tune::begin(target, index, &uuid, tuning, |tuned| {
        during.extend(tuned.during.keys().cloned());
        Ok::<(), TargetError>(())
    })?;
    if let Some(tuned) = tune::find(target, index)? {
        tune::restore(target, &tuned)?;
    }
    let names: Vec<&str> = during.iter().map(String::as_str).collect();
    Ok(Said::Ok(if names.is_empty() {
        "settings are as a load needs them".to_owned()
    } else {
        format!(
            "{} can be changed while it loads, and put back",
            common::few(&names)
        )
    }))
}
