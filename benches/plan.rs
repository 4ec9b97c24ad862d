//! Planning at scale: 10 000 indices compiled, decided, put together and rendered, against `terraform plan` of as many
//! resources in the same run.
//!
//! `cargo bench --bench plan`. Observations are built in memory, so that the figure is the planner's alone. terraform (or
//! tofu) runs where it is on `PATH`, with `terraform_data` resources, which need no provider from the network; its figure
//! holds the start of its process, which for `mig` is a few milliseconds.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first thing that is wrong"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mig::base::version::{Product, ProductVersion, Version};
use mig::base::{Address, Fingerprint};
use mig::diff::change::{Action, Item, PhaseChange};
use mig::diff::observation::{
    BackfillObservation, MetadataObservation, ObjectKey, ObjectKind, Observation, SnapshotFacts,
    SnapshotIndexFacts, SnapshotObservation, VerifyObservation,
};
use mig::diff::{Assembling, assemble, overlaps};
use mig::graph::compile;
use mig::phases::kind::DecideContext;
use mig::phases::kind_of;
use mig::plan::LoadOptions;
use mig::plan::load::load_with;
use mig::plan::model::{PhaseKindName, Plan};
use mig::state::model::State;
use mig::ui::plan_json::plan_json;
use mig::ui::plan_markdown::{DEFAULT_MAX_BYTES, plan_markdown};
use mig::ui::plan_text::{TextOptions, plan_text};
use serde_json::json;

const INDICES: usize = 10_000;
const ROUNDS: usize = 11;
const TERRAFORM_ROUNDS: usize = 3;

const STAGES: [&str; 7] = [
    "load and compile",
    "decide snapshot",
    "decide metadata",
    "decide backfill",
    "decide verify",
    "put together",
    "text + markdown + JSON",
];

const PLAN: &str = "
mig: 1
plan: big
state: .mig/big
clusters:
  os: { endpoint: \"http://127.0.0.1:9201\", version: \"2.19\" }
stores:
  snapshots: { directory: /var/lib/snapshots }
phases:
  base:     { snapshot: { existing: { store: snapshots, name: nightly } } }
  mappings: { metadata: { from: base, to: os } }
  docs:     { backfill: { from: base, to: os, workers: 8 } }
  same:     { verify:   { source: base, target: os, content: full } }
";

fn main() {
    let observations = observations();
    let mut rounds: Vec<[Duration; STAGES.len()]> =
        (0..ROUNDS).map(|_| round(&observations)).collect();
    rounds.remove(0);
    println!("plan of {INDICES} indices, {} rounds", rounds.len());
    let mut total = Vec::new();
    for (column, name) in STAGES.iter().enumerate() {
        print_figures(name, rounds.iter().map(|round| round[column]).collect());
    }
    total.extend(rounds.iter().map(|round| round.iter().sum::<Duration>()));
    let ours = print_figures("all of it", total);
    for tool in ["terraform", "tofu"] {
        if let Some(theirs) = terraform(tool) {
            let theirs = print_figures(&format!("{tool} plan, as many resources"), theirs);
            println!(
                "{tool} takes {:.1} times as long (median)",
                theirs.as_secs_f64() / ours.as_secs_f64()
            );
        }
    }
}

fn print_figures(name: &str, mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let median = times[times.len() / 2];
    println!(
        "  {name:32} min {:8.1} ms   median {:8.1} ms",
        times[0].as_secs_f64() * 1e3,
        median.as_secs_f64() * 1e3
    );
    median
}

fn round(observations: &BTreeMap<Address, Observation>) -> [Duration; STAGES.len()] {
    let mut times = [Duration::ZERO; STAGES.len()];
    let mut start = Instant::now();
    let mut lap = |stage: usize| {
        times[stage] = start.elapsed();
        start = Instant::now();
    };
    let files: BTreeMap<PathBuf, Vec<u8>> = [(PathBuf::from("plan.yaml"), PLAN.into())].into();
    let plan = load_with(&files, Path::new("plan.yaml"), &LoadOptions::default())
        .plan
        .unwrap();
    let (graph, mut diagnostics) = compile(&plan);
    lap(0);
    let state = State::default();
    let mut changes = Vec::new();
    for (stage, address) in (1..).zip(&graph.order) {
        let change = decide(&plan, &state, &observations[address], address, &changes);
        changes.push(change);
        lap(stage);
    }
    diagnostics.extend(overlaps(&plan, &changes));
    let planned = assemble(Assembling {
        plan: &plan,
        graph: &graph,
        state: &state,
        observations,
        changes,
        diagnostics: &diagnostics,
        selected: None,
    });
    lap(5);
    let text = plan_text(&planned, &TextOptions::default());
    let markdown = plan_markdown(&planned, DEFAULT_MAX_BYTES);
    let json = plan_json(&planned);
    lap(6);
    assert!(
        text.contains("9 999 alike") && markdown.len() <= DEFAULT_MAX_BYTES,
        "{text}"
    );
    assert!(json.len() > INDICES * 50);
    times
}

fn decide(
    plan: &Plan,
    state: &State,
    observation: &Observation,
    address: &Address,
    earlier: &[PhaseChange],
) -> PhaseChange {
    let phase = &plan.phases[address];
    let mut change = kind_of(phase.spec.kind()).decide(&DecideContext {
        plan,
        phase,
        state,
        observation,
        earlier,
        redo: false,
        now: jiff::Timestamp::UNIX_EPOCH,
    });
    if phase.spec.kind() == PhaseKindName::Backfill && change.items.is_empty() {
        // Until the kind decides by itself: what it would say.
        change.items = (0..INDICES).map(documents).collect();
    }
    change
}

fn documents(number: usize) -> Item {
    Item {
        action: Action::Run,
        object: "documents".into(),
        name: name(number),
        note: format!("{} documents in 5 shards", 1_000 + number),
        edits: Vec::new(),
        docs: Some(1_000 + number as u64),
        bytes: Some(1 << 20),
        decision: None,
    }
}

fn name(number: usize) -> String {
    format!("logs-{number:05}")
}

fn version(product: Product, major: u16, minor: u16) -> ProductVersion {
    ProductVersion {
        product,
        version: Version::new(major, minor, 2),
    }
}

fn observations() -> BTreeMap<Address, Observation> {
    let source: BTreeMap<String, SnapshotIndexFacts> = (0..INDICES)
        .map(|number| {
            let facts = SnapshotIndexFacts {
                id: format!("id-{number}"),
                uuid: Fingerprint::of(&number).as_str()[..22].to_owned(),
                shards: 5,
                closed: false,
                docs: Some(1_000 + number as u64),
                bytes: 1 << 20,
                ..SnapshotIndexFacts::default()
            };
            (name(number), facts)
        })
        .collect();
    let elasticsearch = version(Product::Elasticsearch, 7, 10);
    let snapshot_uuid = Some("snapshot-uuid".to_owned());
    [
        (
            "base",
            Observation::Snapshot(SnapshotObservation {
                found: Some(SnapshotFacts {
                    store: Address::from("snapshots"),
                    name: "nightly".into(),
                    uuid: "snapshot-uuid".into(),
                    state: "SUCCESS".into(),
                    made_by: Some(elasticsearch),
                    repository_generation: 7,
                    indices: source.clone(),
                    failures: Vec::new(),
                    further: Vec::new(),
                }),
                ..SnapshotObservation::default()
            }),
        ),
        (
            "mappings",
            Observation::Metadata(MetadataObservation {
                snapshot_uuid: snapshot_uuid.clone(),
                source: Some(elasticsearch),
                target: version(Product::OpenSearch, 2, 19),
                source_objects: objects(),
                target_objects: Vec::new(),
                unknown_settings: std::collections::BTreeSet::new(),
                refused: Vec::new(),
                not_moved: Vec::new(),
                target_has: Vec::new(),
                target_names: Vec::new(),
                shard_room: None,
                target_templates: Vec::new(),
                probed: None,
                types: std::collections::BTreeMap::new(),
            }),
        ),
        (
            "docs",
            Observation::Backfill(BackfillObservation {
                since: None,
                snapshot_uuid: snapshot_uuid.clone(),
                source: source.clone(),
                target: BTreeMap::new(),
                work: None,
                other_work: None,
                live: false,
                streams: BTreeMap::new(),
                target_version: None,
                restored: BTreeMap::new(),
                restore: None,
            }),
        ),
        (
            "same",
            Observation::Verify(VerifyObservation {
                source_cluster: None,
                snapshot_uuid,
                source,
                target: BTreeMap::new(),
                held_back: Vec::new(),
                to_close: Vec::new(),
                live: false,
                target_version: None,
            }),
        ),
    ]
    .into_iter()
    .map(|(name, observation)| (Address::from(name), observation))
    .collect()
}

/// Indices with twenty fields each, and one alias over a tenth of them.
fn objects() -> Vec<(ObjectKey, serde_json::Value)> {
    let mut properties = serde_json::Map::new();
    for field in 0..20 {
        let kind = ["keyword", "text", "long", "date"][field % 4];
        properties.insert(format!("field_{field}"), json!({ "type": kind }));
    }
    let settings = json!({
        "index.number_of_shards": "5",
        "index.number_of_replicas": "1",
        "index.soft_deletes.enabled": "true",
        "index.refresh_interval": "30s",
    });
    let mut objects: Vec<_> = (0..INDICES)
        .map(|number| {
            let key = ObjectKey {
                kind: ObjectKind::Index,
                name: name(number),
            };
            (
                key,
                json!({ "settings": settings, "mappings": { "properties": properties } }),
            )
        })
        .collect();
    let members: serde_json::Map<_, _> = (0..INDICES / 10)
        .map(|number| (name(number), json!({})))
        .collect();
    let key = ObjectKey {
        kind: ObjectKind::Alias,
        name: "recent".into(),
    };
    objects.push((key, json!({ "indices": members })));
    objects
}

/// The times of `plan`, where the tool is there and works.
fn terraform(tool: &str) -> Option<Vec<Duration>> {
    let directory = std::env::temp_dir().join(format!("mig-bench-{tool}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).ok()?;
    // One block a resource, as one index is one item; `count` would spare terraform the reading of its configuration.
    let blocks: Vec<String> = (0..INDICES)
        .map(|number| format!("resource \"terraform_data\" \"logs_{number:05}\" {{\n  input = {{ shards = 5, docs = {number} }}\n}}\n"))
        .collect();
    std::fs::write(directory.join("main.tf"), blocks.concat()).ok()?;
    let run = |arguments: &[&str]| {
        let start = Instant::now();
        let status = Command::new(tool)
            .args(arguments)
            .current_dir(&directory)
            .env("CHECKPOINT_DISABLE", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .ok()?;
        status.success().then(|| start.elapsed())
    };
    let times = run(&["init", "-input=false"]).and_then(|_| {
        (0..TERRAFORM_ROUNDS)
            .map(|_| run(&["plan", "-input=false", "-lock=false"]))
            .collect()
    });
    drop(std::fs::remove_dir_all(&directory));
    times
}
