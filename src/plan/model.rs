//! The resolved plan: what every later stage works on. Variables are substituted, fragments merged, hops expanded to
//! addresses, references typed and checked.
//!
//! Maps are sorted by address, so the order of keys in a file can't matter. Everything serialises without places, for
//! digests and for comparing two plans field by field. Field names in JSON are those of the plan language.

mod chain;
mod gate;
mod sending;
mod strategy;
mod transforms;
mod types;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use super::location::{Location, SourceFile, Spanned};
use super::selector::Selector;
use crate::base::units::{ByteRate, ByteSize, CountRate, Span};
use crate::base::version::{Product, Version};
use crate::base::{Address, Fingerprint};
pub use gate::{Approve, GateSpec, Proves, SourceQuiet};
pub use sending::{Compress, Nodes};
pub use strategy::Strategy;
pub use transforms::{
    CheckTransform, DocumentTest, Expected, FaultKind, MappingEdits, MappingTest, OnFailure,
    PlanTest, Script, SetValue, Step, StepKind, TestKind, Transform, TransformFault,
};
pub use types::{TakeTypes, TypeIds, TypesRule};

/// A reference to a named thing, with the place of the reference.
pub type Ref = Spanned<Address>;

/// A whole plan, valid in itself (nothing outside has been looked at).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// The name under `plan:`.
    pub name: String,
    /// The text under `description:`.
    pub description: Option<String>,
    /// Values of the variables, after precedence, in their text form; secrets can't be variables.
    pub vars: BTreeMap<String, String>,
    /// Where the state lives.
    pub state: StateLocation,
    /// Clusters and directory targets by name.
    pub clusters: BTreeMap<Address, Cluster>,
    /// Snapshot stores by name.
    pub stores: BTreeMap<Address, Store>,
    /// Phases by address.
    pub phases: BTreeMap<Address, Phase>,
    /// New address → old address.
    pub renamed: BTreeMap<Address, Address>,
    /// The hops in order; empty without `hops:`.
    pub hops: Vec<Hop>,
    /// Lint codes that the plan allows.
    pub allow: Vec<String>,
    /// Transforms by name. Each phase that uses some holds them itself, so they are no part of a digest here.
    #[serde(skip)]
    pub transforms: BTreeMap<String, Transform>,
    /// Tests by name; they change nothing that is done.
    #[serde(skip)]
    pub tests: Vec<PlanTest>,
    /// The files that the plan was read from; the first is the plan file.
    #[serde(skip)]
    pub files: Vec<SourceFile>,
    /// The directory that relative paths start from: that of the plan file.
    #[serde(skip)]
    pub directory: PathBuf,
}

impl Plan {
    /// The digest of the plan: over the resolved values, so comments, order and layout don't count, nor does the
    /// directory that `mig` is called from.
    pub fn digest(&self) -> Fingerprint {
        let mut portable = self.clone();
        let directory = &self.directory;
        if let StateLocation::Directory(path) = &mut portable.state {
            make_relative(path, directory);
        }
        for cluster in portable.clusters.values_mut() {
            cluster.make_relative(directory);
        }
        for store in portable.stores.values_mut() {
            if let StoreAt::Directory { path, .. } = &mut store.at {
                make_relative(path, directory);
            }
        }
        Fingerprint::of(&portable)
    }
}

/// The way from `directory` to `path`, by their text alone; `path` stays as it is where that can't be told.
fn make_relative(path: &mut PathBuf, directory: &Path) {
    if path.is_absolute() != directory.is_absolute() {
        return;
    }
    let parts = |path: &Path| -> Vec<OsString> {
        let kept = path
            .components()
            .filter(|part| !matches!(part, Component::CurDir));
        kept.map(|part| part.as_os_str().to_owned()).collect()
    };
    let (to, from) = (parts(path), parts(directory));
    let common = to
        .iter()
        .zip(&from)
        .take_while(|(to, from)| to == from)
        .count();
    if from[common..].iter().any(|part| part == "..") {
        return;
    }
    let up = from[common..].iter().map(|_| OsString::from(".."));
    *path = up.chain(to[common..].iter().cloned()).collect();
}

impl Cluster {
    fn make_relative(&mut self, directory: &Path) {
        if let ClusterAt::Directory(path) = &mut self.at {
            make_relative(path, directory);
        }
        let mut paths: Vec<&mut PathBuf> = Vec::new();
        paths.extend(self.tls.ca.as_mut());
        paths.extend(self.tls.certificate.as_mut());
        let secrets = match &mut self.auth {
            Auth::Basic { password, .. } => Some(password),
            Auth::ApiKey(key) => Some(key),
            Auth::None | Auth::Sigv4 { .. } => None,
        };
        for secret in self.tls.key.as_mut().into_iter().chain(secrets) {
            if let SecretRef::File(path) = secret {
                paths.push(path);
            }
        }
        for path in paths {
            make_relative(path, directory);
        }
    }
}

/// Where the state lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateLocation {
    /// A local directory (absolute, or relative to the working directory after joining with the plan's).
    Directory(PathBuf),
    /// `s3://bucket/prefix`, with `?endpoint=…&region=…&path-style=…` where the server is not said otherwise.
    S3(String),
}

/// One hop of a multi-hop upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// `from->to`, the prefix of the addresses of its phases.
    pub name: String,
    /// The cluster it reads.
    pub from: Address,
    /// The cluster it writes.
    pub to: Address,
}

/// A cluster, or a directory that stands in the place of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cluster {
    /// How it is reached.
    pub at: ClusterAt,
    /// The asserted product, where the version text tells or names it.
    pub product: Option<Product>,
    /// The asserted version.
    pub version: Option<Version>,
    /// What `mig` may do there.
    pub access: Access,
    /// How `mig` says who it is.
    pub auth: Auth,
    /// Transport security.
    pub tls: Tls,
    /// Which addresses documents are sent to.
    #[serde(skip_serializing_if = "Nodes::is_default")]
    pub nodes: Nodes,
    /// Whether documents are sent compressed; nothing said: to other machines they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compress: Option<Compress>,
    /// The place of the definition.
    #[serde(skip)]
    pub location: Location,
}

/// How a cluster is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterAt {
    /// An HTTP(S) address.
    Endpoint(String),
    /// A directory target: metadata as JSON files, documents as NDJSON.
    Directory(PathBuf),
}

/// What `mig` may do on a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Reads, and the snapshot calls that the design lists. The default where no phase writes.
    ReadOnly,
    /// Everything the phases need. The default where a phase writes.
    ReadWrite,
}

/// How `mig` authenticates. Secrets are references only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Auth {
    /// Not at all.
    None,
    /// User and password.
    Basic {
        /// The user's name.
        user: String,
        /// Where the password is.
        password: SecretRef,
    },
    /// An API key.
    ApiKey(SecretRef),
    /// AWS request signing.
    Sigv4 {
        /// The AWS region.
        region: String,
        /// `es` or `aoss`.
        service: String,
    },
}

/// Where a secret is: never the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file whose content, without the final line end, is the secret.
    File(PathBuf),
    /// A secret of AWS Secrets Manager.
    AwsSecret(String),
}

/// Transport security of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tls {
    /// A file with the certificates of the authorities to trust.
    pub ca: Option<PathBuf>,
    /// A file with the client's certificate chain.
    pub certificate: Option<PathBuf>,
    /// Where the client's key is.
    pub key: Option<SecretRef>,
    /// Trust any certificate: warned about at every run.
    pub insecure: bool,
}

/// A snapshot store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Store {
    /// How it is reached.
    pub at: StoreAt,
    /// The place of the definition.
    #[serde(skip)]
    pub location: Location,
}

/// How a store is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum StoreAt {
    /// A directory of this machine; `on_cluster` where the cluster sees it under another path.
    Directory {
        /// The path here.
        path: PathBuf,
        /// The path on the cluster's nodes.
        on_cluster: Option<PathBuf>,
    },
    /// A bucket.
    S3 {
        /// `s3://bucket/prefix`.
        uri: String,
        /// The AWS region.
        region: Option<String>,
        /// Another server than AWS.
        endpoint: Option<String>,
        /// Whether the bucket stands in the path; nothing said: where there is an `endpoint`.
        #[serde(skip_serializing_if = "Option::is_none")]
        path_style: Option<bool>,
        /// A role to assume.
        role: Option<String>,
    },
}

/// A phase with what is common to all kinds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Phase {
    /// Its stable name.
    pub address: Address,
    /// What it does.
    pub spec: PhaseSpec,
    /// Phases it waits for beyond those that its references ask for.
    pub after: Vec<Ref>,
    /// The longest it may run in one apply.
    pub timeout: Option<Span>,
    /// The place of its key.
    #[serde(skip)]
    pub location: Location,
}

/// The kinds of phases, each with its own fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseSpec {
    /// Takes a snapshot or adopts an existing one.
    Snapshot(SnapshotSpec),
    /// Moves templates, indices and aliases.
    Metadata(MetadataSpec),
    /// Moves documents.
    Backfill(BackfillSpec),
    /// Proves that every document arrived.
    Verify(VerifySpec),
    /// Waits for a person, for a proof, or for both.
    Gate(GateSpec),
    /// Marks the target live.
    Switchover(SwitchoverSpec),
}

/// The kind alone.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseKindName {
    /// `gate:`
    Gate,
    /// `snapshot:`
    Snapshot,
    /// `metadata:`
    Metadata,
    /// `backfill:`
    Backfill,
    /// `verify:`
    Verify,
    /// `switchover:`
    Switchover,
}

impl PhaseKindName {
    /// As written in a plan.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Snapshot => "snapshot",
            Self::Metadata => "metadata",
            Self::Backfill => "backfill",
            Self::Verify => "verify",
            Self::Switchover => "switchover",
        }
    }
}

impl PhaseSpec {
    /// The kind alone.
    pub fn kind(&self) -> PhaseKindName {
        match self {
            Self::Snapshot(_) => PhaseKindName::Snapshot,
            Self::Metadata(_) => PhaseKindName::Metadata,
            Self::Backfill(_) => PhaseKindName::Backfill,
            Self::Verify(_) => PhaseKindName::Verify,
            Self::Gate(_) => PhaseKindName::Gate,
            Self::Switchover(_) => PhaseKindName::Switchover,
        }
    }
}

/// `snapshot:` takes one of a cluster, or names an existing one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum SnapshotSpec {
    /// `{ of, to, … }`
    Take {
        /// The cluster.
        of: Ref,
        /// The store.
        to: Ref,
        /// Which indices.
        indices: Selector,
        /// The snapshot's name; made from the plan's name where not given.
        name: Option<String>,
        /// The cap on each node's rate.
        rate_per_node: Option<ByteRate>,
        /// Whether templates and settings are in it.
        include_global_state: bool,
    },
    /// `{ existing: { store, name } }`
    Existing {
        /// The store.
        store: Ref,
        /// The snapshot's name.
        name: String,
        /// The cluster it was taken of, where that is known.
        of: Option<Ref>,
        /// What is done where shards are missing.
        partial: Partial,
    },
}

/// What is done with a snapshot that lacks shards (state PARTIAL).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Partial {
    /// It is not used.
    Refuse,
    /// The shards that are there are used; the others are told.
    Take,
}

/// `metadata:`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MetadataSpec {
    /// The snapshot phase.
    pub from: Ref,
    /// The target cluster.
    pub to: Ref,
    /// What is moved.
    pub include: MetadataInclude,
    /// What legacy templates become.
    #[serde(skip_serializing_if = "LegacyTemplates::is_keep")]
    pub legacy_templates: LegacyTemplates,
    /// What is done with closed indices.
    pub closed: Closed,
    /// How data streams are taken; nothing said: as streams where the target has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_streams: Option<DataStreams>,
    /// Rule code → what its findings mean.
    pub rules: BTreeMap<String, RuleLevel>,
    /// Object → the answer to its open question.
    pub decide: BTreeMap<String, Spanned<String>>,
    /// Transforms that the translated mappings go through, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transforms: Vec<Transform>,
    /// Name or pattern of indices → how their mapping types are taken.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, TypesRule>,
}

/// Which metadata is moved; each a selector by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MetadataInclude {
    /// Indices.
    pub indices: Selector,
    /// Legacy and composable index templates.
    pub templates: Selector,
    /// Component templates.
    pub component_templates: Selector,
    /// Aliases.
    pub aliases: Selector,
    /// Ingest and search pipelines.
    pub pipelines: Selector,
    /// Stored scripts.
    pub scripts: Selector,
    /// Policies of lifecycles and of snapshots.
    #[serde(skip_serializing_if = "Selector::is_empty")]
    pub policies: Selector,
    /// Persistent settings of the cluster, by their keys.
    #[serde(skip_serializing_if = "Selector::is_empty")]
    pub cluster_settings: Selector,
    /// Roles and their mappings.
    #[serde(skip_serializing_if = "Selector::is_empty")]
    pub security: Selector,
}

/// What legacy templates become.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum LegacyTemplates {
    /// They stay legacy templates.
    Keep,
    /// Each becomes a composable one that holds what all the legacy ones gave to its indices.
    Composable,
}

impl LegacyTemplates {
    /// What older states, which do not have the field, stand for.
    pub fn is_keep(&self) -> bool {
        *self == Self::Keep
    }
}

/// What is done with indices that are closed at the source.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Closed {
    /// They are migrated, and closed on the target last.
    Migrate,
    /// They are left out, and listed so.
    Skip,
}

/// How data streams are taken.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum DataStreams {
    /// As data streams, generation by generation.
    Streams,
    /// Each backing index as an ordinary index, under an alias of the stream's name.
    Indices,
    /// They are left out, and listed so.
    Skip,
}

/// What a finding of a rule means.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RuleLevel {
    /// The plan can't be applied.
    Deny,
    /// It is shown and done.
    Warn,
    /// It is done.
    Allow,
}

/// `backfill:`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BackfillSpec {
    /// The snapshot phase.
    pub from: Ref,
    /// The snapshot phase whose documents stand on the target, where what changed since is moved alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Ref>,
    /// The target cluster.
    pub to: Ref,
    /// Which indices of the snapshot.
    pub indices: Selector,
    /// What is done with closed indices.
    pub closed: Closed,
    /// How data streams are taken; nothing said: as streams where the target has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_streams: Option<DataStreams>,
    /// How many local workers.
    pub workers: u32,
    /// Budgets.
    pub limits: Limits,
    /// Whether the source's `_version` is kept.
    pub versions: Versions,
    /// What is done when the target changed after the documents were proved.
    pub on_drift: OnDrift,
    /// What is changed on an index of a cluster while it is loaded.
    pub tune_target: TuneTarget,
    /// How many failed documents the phase tolerates.
    pub max_failed: u64,
    /// What becomes of documents whose `_source` was not stored as it was sent.
    pub without_source: WithoutSource,
    /// How documents get onto the target.
    #[serde(skip_serializing_if = "Strategy::is_reindex")]
    pub strategy: Strategy,
    /// Transforms that each document goes through, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transforms: Vec<Transform>,
}

/// What becomes of documents whose `_source` was not stored as it was sent.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutSource {
    /// The plan asks.
    #[default]
    Refuse,
    /// They are left out, and counted.
    Skip,
    /// A source is made again from what the segments hold.
    Reconstruct,
    /// A source that lacks fields is taken as it is.
    AsStored,
}

/// Budgets of a backfill.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Limits {
    /// Documents a second, over all workers.
    pub docs: Option<CountRate>,
    /// Bytes a second, over all workers.
    pub bytes: Option<ByteRate>,
    /// Batches on their way at once, over all workers, at most.
    pub in_flight: Option<u32>,
    /// The size of one batch, at most.
    pub batch: Option<ByteSize>,
    /// How busy the processors of the target's busiest node may be, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_cpu: Option<u8>,
}

/// What is changed on an index of a cluster while it is loaded; put back at every end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TuneTarget {
    /// Its refreshes.
    pub refresh: TuneRefresh,
    /// Its replicas.
    pub replicas: TuneReplicas,
    /// Its translog.
    pub translog: TuneTranslog,
}

/// The refreshes of an index while it is loaded.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TuneRefresh {
    /// None by itself.
    Pause,
    /// As they are.
    Keep,
}

/// The replicas of an index while it is loaded.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TuneReplicas {
    /// None.
    None,
    /// As they are.
    Keep,
}

/// The translog of an index while it is loaded.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TuneTranslog {
    /// Written to disk now and then; a checkpoint flushes it.
    Async,
    /// As it is.
    Keep,
}

/// Whether the source's `_version` is kept.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Versions {
    /// Written with the source's version as `external_gte`.
    Keep,
    /// The target counts anew.
    Drop,
}

/// What is done when the target changed after the documents were proved.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum OnDrift {
    /// It is shown; `--redo` writes again.
    Report,
    /// It is written again at the next apply.
    Mend,
}

/// `verify:`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct VerifySpec {
    /// A snapshot phase or a cluster.
    pub source: Ref,
    /// The target cluster.
    pub target: Ref,
    /// Which indices.
    pub indices: Selector,
    /// How deep it looks.
    pub content: Content,
    /// Whether the source may have moved since the snapshot.
    pub source_writes: SourceWrites,
    /// How long differences against a live source may take to vanish.
    pub settle: Option<Span>,
}

/// How deep a verification looks.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Numbers of documents.
    Counts,
    /// Which documents, by identity.
    Ids,
    /// Identity of all, content of a part.
    Sample,
    /// Identity and content of all.
    Full,
}

/// Whether the source may have moved since the snapshot.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SourceWrites {
    /// Moved is a failed check.
    Deny,
    /// Moved is noted.
    Allow,
}

/// `switchover:` without capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SwitchoverSpec {
    /// The target that goes live.
    pub to: Ref,
    /// Whether a person is needed.
    pub approve: Approve,
    /// The oldest that the proof may be.
    pub max_age: Option<Span>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_from_the_plans_directory_wherever_mig_is_called_from() {
        for (path, directory, told) in [
            (".mig/logs", "plans", "../.mig/logs"),
            ("../.mig/logs", "", "../.mig/logs"),
            ("./plans/out", "plans", "out"),
            ("/a/out", "/a/plans", "../out"),
            ("/var/snapshots", "plans", "/var/snapshots"),
            ("out", "..", "out"),
        ] {
            let mut found = PathBuf::from(path);
            make_relative(&mut found, Path::new(directory));
            assert_eq!(found, Path::new(told), "{path} from {directory}");
        }
    }
}
