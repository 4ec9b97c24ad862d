//! What `mig metadata evaluate` and `migrate` print: the report of the migration console, as text and as JSON.
//!
//! A pure function of what was observed and decided. Objects that the console has no section for stand in sections of
//! their own, after its four. Deliberately absent: decisions, and the differences themselves, which `mig plan` shows.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};

use super::words;
use crate::base::version::{Product, ProductVersion};
use crate::diff::change::{Action, Item, LeftOut, PhaseChange};
use crate::diff::observation::{MetadataObservation, ObjectKind};
use crate::engines::metadata::rules;
use crate::plan::model::{Auth, Cluster, ClusterAt};

/// Whether something is only looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `evaluate`
    Evaluation,
    /// `migrate`
    Migration,
}

/// The report of one metadata phase.
#[derive(Clone, Debug)]
pub struct MetadataReport {
    mode: Mode,
    source: Value,
    target: Value,
    items: Vec<Reported>,
    left_out: Vec<LeftOut>,
    transformations: Vec<(String, String)>,
    errors: Vec<String>,
}

/// What is known of one object.
#[derive(Clone, Debug)]
struct Reported {
    section: &'static Section,
    name: String,
    outcome: Outcome,
}

#[derive(Clone, Debug)]
enum Outcome {
    /// It is made, or would be.
    Made,
    /// It is there as it is wanted.
    There,
    /// It is not, or would not be.
    Failed {
        kind: &'static str,
        message: String,
        /// The question by itself, with its code.
        short: String,
        /// What can be written into the plan.
        answers: Vec<String>,
    },
}

#[derive(Debug)]
struct Section {
    title: &'static str,
    json: &'static str,
    /// Whether it is shown when nothing is in it, as the console does.
    always: bool,
}

const fn section(title: &'static str, json: &'static str, always: bool) -> Section {
    Section {
        title,
        json,
        always,
    }
}

static SECTIONS: [Section; 10] = [
    section("Index Templates", "indexTemplates", true),
    section("Component Templates", "componentTemplates", true),
    section("Indexes", "indexes", true),
    section("Aliases", "aliases", true),
    section("Pipelines", "pipelines", false),
    section("Scripts", "scripts", false),
    section("Cluster Settings", "clusterSettings", false),
    section("Policies", "policies", false),
    section("Roles", "security", false),
    section("Data Streams", "dataStreams", false),
];

fn section_of(kind: ObjectKind) -> &'static Section {
    &SECTIONS[match kind {
        ObjectKind::LegacyTemplate | ObjectKind::IndexTemplate => 0,
        ObjectKind::ComponentTemplate => 1,
        ObjectKind::Index => 2,
        ObjectKind::Alias => 3,
        ObjectKind::IngestPipeline | ObjectKind::SearchPipeline => 4,
        ObjectKind::Script => 5,
        ObjectKind::ClusterSettings => 6,
        ObjectKind::LifecyclePolicy | ObjectKind::SnapshotPolicy => 7,
        ObjectKind::Role | ObjectKind::RoleMapping => 8,
        ObjectKind::DataStream => 9,
    }]
}

/// What a report is made of.
pub struct Material<'a> {
    /// What was observed when it was planned.
    pub observed: &'a MetadataObservation,
    /// What was decided then.
    pub planned: &'a PhaseChange,
    /// What is left to do once it was applied; `None` where nothing was applied.
    pub left: Option<&'a PhaseChange>,
    /// The errors of the phase while it was applied.
    pub errors: &'a [String],
    /// The store that the snapshot stands in, or the source, as a place.
    pub from: &'a str,
    /// The target.
    pub to: &'a Cluster,
}

impl MetadataReport {
    /// Puts together what is known.
    pub fn new(mode: Mode, of: &Material<'_>) -> Self {
        let planned: BTreeMap<(&str, &str), &Item> = items_by_name(of.planned);
        let left = of.left.map(items_by_name);
        let outside: HashSet<(&str, &str)> = of
            .planned
            .left_out
            .iter()
            .map(|it| (it.object.as_str(), it.name.as_str()))
            .collect();
        let mut items = Vec::new();
        for (key, body) in &of.observed.source_objects {
            let name = (key.kind.as_str(), key.name.as_str());
            let outcome = match planned.get(&name) {
                Some(item) => {
                    let is_left = left.as_ref().is_some_and(|left| left.contains_key(&name));
                    outcome(item, is_left, of.errors)
                }
                None if outside.contains(&name) => continue,
                None if key.kind == ObjectKind::ClusterSettings && all_outside(body, &outside) => {
                    continue;
                }
                None => Outcome::There,
            };
            items.push(Reported {
                section: section_of(key.kind),
                name: key.name.clone(),
                outcome,
            });
        }
        // Questions about what is no object of the source.
        let mut errors: Vec<String> = of.errors.to_vec();
        let objects: HashSet<(&str, &str)> = of
            .observed
            .source_objects
            .iter()
            .map(|(key, _)| (key.kind.as_str(), key.name.as_str()))
            .collect();
        let is_object =
            |item: &&Item| objects.contains(&(item.object.as_str(), item.name.as_str()));
        let questions = of.planned.items.iter().filter(|item| !is_object(item));
        errors.extend(questions.filter_map(|item| {
            let decision = item.decision.as_ref()?;
            let answers = decision.answers.join(", or ");
            Some(format!(
                "{} ({}) Write {answers}",
                decision.question, decision.code
            ))
        }));
        Self {
            mode,
            source: source(of),
            target: target(of),
            items,
            left_out: of.planned.left_out.clone(),
            transformations: transformations(of.planned),
            errors,
        }
    }

    fn issues(&self) -> Vec<String> {
        let failed = self.items.iter().filter_map(|item| match &item.outcome {
            Outcome::Failed { message, .. } => Some(format!("{}: {message}", item.name)),
            Outcome::Made | Outcome::There => None,
        });
        failed.chain(self.errors.iter().cloned()).collect()
    }

    /// As the console's JSON.
    pub fn json(&self) -> Value {
        let mut items = Map::new();
        items.insert("dryRun".into(), json!(self.mode == Mode::Evaluation));
        for section in &SECTIONS {
            let of_section: Vec<Value> = self.of(section).map(json_of).collect();
            if section.always || !of_section.is_empty() {
                items.insert(section.json.into(), Value::Array(of_section));
            }
        }
        items.insert("errors".into(), json!(self.errors));
        let left_out: Vec<Value> = self
            .left_out
            .iter()
            .map(|it| json!({"kind": it.object, "name": it.name, "reason": it.reason}))
            .collect();
        items.insert("leftOut".into(), Value::Array(left_out));
        let transformers: Vec<Value> = self
            .transformations
            .iter()
            .map(|(name, description)| json!({"name": name, "description": [description]}))
            .collect();
        let issues = self.issues();
        json!({
            "clusters": {"source": self.source, "target": self.target},
            "items": items,
            "transformations": {"transformers": transformers},
            "errors": issues,
            "errorCount": issues.len(),
        })
    }

    fn of<'a>(&'a self, section: &'a Section) -> impl Iterator<Item = &'a Reported> {
        self.items
            .iter()
            .filter(move |item| item.section.json == section.json)
    }

    /// As the console's text.
    pub fn text(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        let evaluation = self.mode == Mode::Evaluation;
        lines.push(if evaluation {
            "Starting Metadata Evaluation".into()
        } else {
            "Starting Metadata Migration".into()
        });
        lines.push(String::new());
        lines.push("Clusters:".into());
        for (title, side) in [("Source", &self.source), ("Target", &self.target)] {
            lines.push(format!("   {title}:"));
            for (label, key) in [
                ("Type", "type"),
                ("Version", "version"),
                ("Uri", "uri"),
                ("Protocol", "protocol"),
            ] {
                if let Some(text) = side.get(key).and_then(Value::as_str) {
                    lines.push(format!("      {label}: {text}"));
                }
            }
            if let Some(insecure) = side.get("insecure").and_then(Value::as_bool) {
                let verification = if insecure { "Disabled" } else { "Enabled" };
                lines.push(format!("      TLS Verification: {verification}"));
            }
        }
        lines.push(String::new());
        lines.push(if evaluation {
            "Migration Candidates:".into()
        } else {
            "Migrated Items:".into()
        });
        for section in &SECTIONS {
            let mut of_section = self.of(section).map(line_of).peekable();
            if of_section.peek().is_none() && !section.always {
                continue;
            }
            lines.push(format!("   {}:", section.title));
            if of_section.peek().is_none() {
                lines.push("      - <NONE FOUND>".into());
            }
            lines.extend(of_section);
            lines.push(String::new());
        }
        self.text_of_left_out(&mut lines);
        lines.push("Transformations:".into());
        if self.transformations.is_empty() {
            lines.push("   <NONE FOUND>".into());
        }
        for (name, description) in &self.transformations {
            lines.push(format!("   {name}:"));
            lines.push(format!("      {description}"));
        }
        lines.push(String::new());
        let issues = self.issues();
        lines.push("Results:".into());
        lines.push(format!("   {} issue(s) detected", issues.len()));
        if !issues.is_empty() {
            lines.push(String::new());
            lines.push("Issues:".into());
            self.text_of_issues(&mut lines);
        }
        let mut text = lines.join("\n");
        text.push('\n');
        text
    }

    /// Each with what can be written into the plan, a line each.
    fn text_of_issues(&self, lines: &mut Vec<String>) {
        for item in &self.items {
            let Outcome::Failed { short, answers, .. } = &item.outcome else {
                continue;
            };
            lines.push(format!("   {}: {short}", item.name));
            for (at, answer) in answers.iter().enumerate() {
                let head = if at == 0 { "write" } else { "   or" };
                lines.push(format!("      {head} {answer}"));
            }
        }
        lines.extend(self.errors.iter().map(|error| format!("   {error}")));
    }

    /// What the console passes over.
    fn text_of_left_out(&self, lines: &mut Vec<String>) {
        let groups = super::groups::left_out(&self.left_out);
        if groups.is_empty() {
            return;
        }
        lines.push("Left Out:".into());
        for ((object, reason), names) in groups {
            lines.push(format!("   {object} {}: {reason}", names.join(", ")));
        }
        lines.push(String::new());
    }
}

/// Whether no setting of a cluster is moved: they are chosen one by one.
fn all_outside(body: &Value, outside: &HashSet<(&str, &str)>) -> bool {
    let settings = body.get("persistent").and_then(Value::as_object);
    settings.is_none_or(|settings| {
        let mut names = settings.keys();
        names.all(|name| outside.contains(&("cluster setting", name.as_str())))
    })
}

fn items_by_name(change: &PhaseChange) -> BTreeMap<(&str, &str), &Item> {
    let items = change.items.iter();
    items
        .map(|item| ((item.object.as_str(), item.name.as_str()), item))
        .collect()
}

/// `is_left`: whether it was to be made and is still not as it is wanted.
fn outcome(item: &Item, is_left: bool, errors: &[String]) -> Outcome {
    if let Some(decision) = &item.decision {
        let exists = item.object == "index";
        let kind = match decision.code.as_str() {
            "MIG081" if exists => "INDEX_ALREADY_EXISTS",
            "MIG081" => "METADATA_ALREADY_EXISTS",
            "MIG089" | "MIG340" | "MIG341" | "MIG342" | "MIG343" | "MIG344" => {
                "TARGET_CLUSTER_FAILURE"
            }
            _ => "UNABLE_TO_TRANSFORM_FAILURE",
        };
        return Outcome::Failed {
            kind,
            message: question(item).unwrap_or_default(),
            short: asked(item).unwrap_or_default(),
            answers: decision.answers.clone(),
        };
    }
    if is_left {
        let why = if errors.is_empty() {
            "not made: it was not come to"
        } else {
            "not made: the phase failed before it"
        };
        return Outcome::Failed {
            kind: "TARGET_CLUSTER_FAILURE",
            message: why.into(),
            short: why.into(),
            answers: Vec::new(),
        };
    }
    if item.action == Action::UpToDate {
        Outcome::There
    } else {
        Outcome::Made
    }
}

fn question(item: &Item) -> Option<String> {
    let answers = item.decision.as_ref()?.answers.join(", or ");
    Some(format!("{} Write {answers}", asked(item)?))
}

/// The question as it is read behind the object's name.
fn asked(item: &Item) -> Option<String> {
    let decision = item.decision.as_ref()?;
    let question = words::without_label(&decision.question, &item.object, &item.name);
    Some(format!("{question} ({})", decision.code))
}

fn json_of(item: &Reported) -> Value {
    match &item.outcome {
        Outcome::Made => json!({"name": item.name, "successful": true}),
        Outcome::There => json!({"name": item.name, "successful": true, "alreadyThere": true}),
        Outcome::Failed { kind, message, .. } => json!({"name": item.name, "successful": false,
            "failure": {"type": kind, "message": message, "fatal": true}}),
    }
}

fn line_of(item: &Reported) -> String {
    let name = &item.name;
    match &item.outcome {
        Outcome::Made => format!("      - {name}"),
        Outcome::There => format!("      - {name} (already there)"),
        Outcome::Failed { short, .. } => format!("      - ERROR - {name}: {short}"),
    }
}

/// The rules that found something, with how often.
fn transformations(change: &PhaseChange) -> Vec<(String, String)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let edits = change.items.iter().flat_map(|item| &item.edits);
    for code in edits.filter_map(|edit| edit.rule.as_deref()) {
        *counts.entry(code).or_default() += 1;
    }
    let known = |code: &str| rules().iter().find(|rule| rule.code == code);
    let told = counts.into_iter().filter_map(|(code, count)| {
        let rule = known(code)?;
        let times = if count == 1 { "once" } else { "times" };
        let times = if count == 1 {
            times.to_owned()
        } else {
            format!("{count} {times}")
        };
        Some((
            format!("{code} {}", rule.title),
            format!("{times}: {}", rule.why),
        ))
    });
    told.collect()
}

fn source(of: &Material<'_>) -> Value {
    let version = of.observed.source.map(spelt);
    let kind = match of.observed.snapshot_uuid {
        Some(_) => "Snapshot",
        None => "Remote Cluster",
    };
    json!({"type": kind, "version": version, "uri": of.from})
}

fn target(of: &Material<'_>) -> Value {
    let version = spelt(of.observed.target);
    match &of.to.at {
        ClusterAt::Directory(path) => {
            json!({"type": "Directory", "version": version, "uri": path.display().to_string()})
        }
        ClusterAt::Endpoint(url) => {
            let protocol = url.split(':').next().unwrap_or_default().to_uppercase();
            let by_aws = !matches!(of.to.auth, Auth::None | Auth::Basic { .. });
            json!({"type": "Remote Cluster", "version": version, "uri": url, "protocol": protocol,
                "insecure": of.to.tls.insecure, "compressionSupported": true,
                "awsSpecificAuthentication": by_aws})
        }
    }
}

/// `OPENSEARCH 2.19.1`, as the console writes it.
fn spelt(version: ProductVersion) -> String {
    let product = match version.product {
        Product::Elasticsearch => "ELASTICSEARCH",
        Product::OpenSearch => "OPENSEARCH",
    };
    format!("{product} {}", version.version)
}
