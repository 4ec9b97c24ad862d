//! The words of the plan language: each section with its fields, what they mean, their defaults, and what changing them
//! does to a phase that was applied already.
//!
//! Relies on the macros of `section`. Transforms and tests stand in a file of their own. Deliberately absent: what values mean together (`resolve`).

mod transforms;

use serde_json::json;

use super::codes::language as code;
use super::decode::{Context, Decode, Later, Named, schema_of};
use super::diagnostics::Diagnostic;
use super::model::{self, PhaseKindName};
use super::scalars::{FilePath, Patterns, Reference, Service, Text, VarType, Whole};
use super::section::{Field, choice, section};
use super::syntax::{Node, Value};
use crate::base::units::{ByteRate, ByteSize, CountRate, Span};
use crate::plan::location::Spanned;
pub(crate) use transforms::*;

section! {
    /// A migration plan: what is where, and the phases that move it.
    pub(crate) struct PlanFile, later ["streams"] {
        /// The version of the plan language.
        mig: FormatVersion = required, live, example "1";
        /// The plan's name. State, work stores and snapshots carry it.
        plan: Text = required, never, example "logs-to-opensearch";
        /// A sentence for people.
        description: Text = optional, live, example "Move the logs cluster to OpenSearch.";
        /// Variables, for `${vars.NAME}` inside strings.
        vars: Named<VarDecl> = optional, live;
        /// A fragment whose clusters, stores and phases are taken over; the keys of this file override it.
        r#use: Text = optional, redo, example "../templates/clusters.yaml";
        /// Values for the variables that the fragment declares.
        with: Named<Text> = optional, redo;
        /// Where the state is kept: a directory, or `s3://bucket/prefix`, behind which `?endpoint=URL&region=NAME&path-style=true` may say what `AWS_ENDPOINT_URL` and `AWS_REGION` don't. Not given: `.mig/` and the plan's name.
        state: Text = optional, never, example ".mig/logs";
        /// Clusters, and directories that stand in the place of one, by name.
        clusters: Named<Cluster> = default "{}", redo;
        /// Snapshot stores by name.
        stores: Named<Store> = default "{}", redo;
        /// Phases by name. Their order here means nothing.
        phases: Named<Phase> = default "{}", redo;
        /// Transforms of documents by name, for `transforms` of phases.
        transforms: Named<Transform> = default "{}", redo;
        /// Tests of transforms and of the translation by name, for `mig test`.
        tests: Named<Test> = default "{}", live;
        /// New name to old name, so that a phase keeps its state over a rename.
        renamed: Named<Text> = default "{}", live;
        /// A path over clusters; each pair of neighbours is one hop.
        hops: Vec<Reference> = optional, redo, example "[\"es56\", \"es710\", \"os2\"]";
        /// The fragment that each hop expands to.
        each_hop: EachHop = optional, redo;
        /// Fields of single phases of single hops: `from->to: { phase: { field: value } }`.
        hop_overrides: Named<Named<Later>> = optional, redo;
        /// Lints that are not told.
        allow: Vec<Text> = default "[]", live, example "[\"MIG060\"]";
    }
}

section! {
    /// A part of a plan in a file of its own. It has variables of its own, which `with` sets.
    pub(crate) struct FragmentFile, later ["streams"] {
        /// The version of the plan language.
        mig: FormatVersion = optional, live, example "1";
        /// A sentence for people.
        description: Text = optional, live;
        /// The variables of this fragment; those without a default must be given by `with`.
        vars: Named<VarDecl> = optional, live;
        /// Another fragment below this one.
        r#use: Text = optional, redo;
        /// Values for the variables of that one.
        with: Named<Text> = optional, redo;
        /// Clusters by name.
        clusters: Named<Later> = optional, redo;
        /// Stores by name.
        stores: Named<Later> = optional, redo;
        /// Phases by name.
        phases: Named<Later> = optional, redo;
        /// Transforms of documents by name.
        transforms: Named<Later> = optional, redo;
        /// Tests by name.
        tests: Named<Later> = optional, live;
    }
}

section! {
    /// A variable.
    pub(crate) struct VarDecl {
        /// What its values are.
        r#type: Spanned<VarType> = default "string", live, example "int";
        /// Its value where none is given.
        default: VarValue = optional, live, example "2";
        /// The least value, for `int`, `size` and `duration`.
        min: VarValue = optional, live, example "1";
        /// The greatest value, for `int`, `size` and `duration`.
        max: VarValue = optional, live, example "64";
        /// The only values that it may have.
        allowed: Vec<VarValue> = optional, live, example "[\"small\", \"large\"]";
        /// A sentence for people.
        description: Text = optional, live;
    }
}

section! {
    /// A cluster by its `endpoint`, or a `directory` that stands in the place of a target.
    pub(crate) struct Cluster {
        /// The cluster's address.
        endpoint: Text = optional, gated, example "https://es.internal:9200";
        /// A directory that is written instead of a cluster: metadata as JSON files, documents as NDJSON ready for `_bulk`.
        directory: FilePath = optional, redo, example "../out/preview";
        /// The version that the cluster must have; checked whenever a plan is made.
        version: Version = optional, live, example "7.10";
        /// The version that a directory stands for.
        r#as: Version = optional, redo, example "2.19";
        /// What mig may do there. Not given: `read-write` where a phase writes, else `read-only`.
        access: Spanned<model::Access> = optional, live, example "read-only";
        /// How mig says who it is.
        auth: Auth = optional, live, example "{ \"basic\": { \"user\": \"mig\", \"password\": { \"env\": \"ES_PASSWORD\" } } }";
        /// Transport security.
        tls: Tls = optional, live, example "{ \"ca\": \"certs/ca.pem\" }";
        /// Where documents are sent. `discover`: to all nodes that hold data, where their addresses can be reached and prove to be
        /// of the same cluster, else to the endpoint. `endpoint`: to the endpoint alone, such as a proxy that is to see all of it.
        nodes: Spanned<model::Nodes> = optional, live, example "endpoint";
        /// Whether documents are sent compressed: `gzip` or `none`. Not given: `gzip`, but to this machine itself.
        compress: Spanned<model::Compress> = optional, live, example "none";
    }
}

section! {
    /// Transport security of a cluster.
    pub(crate) struct Tls {
        /// A PEM file with the authorities to trust, instead of those of the system.
        ca: FilePath = optional, live, example "certs/ca.pem";
        /// A PEM file with a client certificate and its chain.
        certificate: FilePath = optional, live, example "certs/mig.pem";
        /// Where the client certificate's key is.
        key: SecretRef = optional, live, example "{ \"file\": \"certs/mig.key\" }";
        /// Trust any certificate.
        insecure: Spanned<bool> = default "false", live;
    }
}

choice! {
    /// How mig says who it is. Secrets are references.
    pub(crate) enum AuthKind, "`auth`" {
        /// User and password.
        Basic(Basic) = "basic";
        /// An Elasticsearch API key in its encoded form.
        ApiKey(SecretRef) = "api-key";
        /// AWS request signing with the credentials of the environment.
        Sigv4(Sigv4) = "sigv4";
    }
}

section! {
    /// User and password.
    pub(crate) struct Basic {
        /// The user's name.
        user: Text = required, live, example "mig";
        /// Where the password is.
        password: SecretRef = required, live, example "{ \"env\": \"ES_PASSWORD\" }";
    }
}

section! {
    /// AWS request signing.
    pub(crate) struct Sigv4 {
        /// The AWS region.
        region: Text = required, live, example "eu-central-1";
        /// `es` for a domain, `aoss` for a serverless collection.
        service: Spanned<Service> = default "es", live;
    }
}

choice! {
    /// Where a secret is.
    pub(crate) enum SecretPlace, "a secret" {
        /// An environment variable.
        Env(Text) = "env";
        /// A file; a line end at its end doesn't count.
        File(FilePath) = "file";
        /// A secret of AWS Secrets Manager, by name or ARN.
        AwsSecret(Text) = "aws-secret";
    }
}

section! {
    /// Where snapshots are: a `directory` or a bucket.
    pub(crate) struct Store {
        /// A directory of this machine.
        directory: FilePath = optional, gated, example "/var/lib/es-snapshots";
        /// The same directory as the cluster's nodes see it, where that is another path.
        on_cluster: Text = optional, gated, example "/mnt/snapshots";
        /// A bucket.
        s3: S3 = optional, gated;
    }
}

section! {
    /// A bucket.
    pub(crate) struct S3 {
        /// The bucket and the prefix of the repository.
        uri: Text = required, gated, example "s3://acme-migrations/snapshots";
        /// The AWS region.
        region: Text = optional, gated, example "eu-central-1";
        /// Another server than AWS.
        endpoint: Text = optional, gated, example "http://127.0.0.1:9000";
        /// Whether the bucket stands in the path of an address and not in its host. Not given: where there is an `endpoint`.
        path_style: Spanned<bool> = optional, gated, example "true";
        /// A role to assume.
        role: Text = optional, live, example "arn:aws:iam::123456789012:role/mig";
    }
}

section! {
    /// What each hop expands to.
    pub(crate) struct EachHop {
        /// The fragment, relative to this file.
        r#use: Text = required, redo, example "../templates/backfill-hop.yaml";
        /// Values for the fragment's variables; `${hop.from}`, `${hop.to}` and `${hop.name}` may stand in them.
        with: Named<Text> = optional, redo, example "{ \"workers\": 4 }";
        /// A gate at the end of each hop but the last.
        gate: HopGate = optional, redo, example "{ \"title\": \"Accept ${hop.name}\" }";
    }
}

section! {
    /// The gate at the end of each hop.
    pub(crate) struct HopGate {
        /// What the person is asked.
        title: Text = required, live, example "Accept ${hop.name} before going on";
        /// Whether a person is needed.
        approve: Spanned<model::Approve> = default "manual", live;
    }
}

choice! {
    /// One phase: exactly one kind, with its fields.
    pub(crate) enum Phase, "a phase", later ["assess", "deploy", "capture", "replay", "compare", "teardown"] {
        /// Waits for a person, for a proof, or for both.
        Gate(Gate) = "gate";
        /// Takes a snapshot, or adopts an existing one.
        Snapshot(Snapshot) = "snapshot";
        /// Moves templates, indices and aliases.
        Metadata(Metadata) = "metadata";
        /// Moves documents.
        Backfill(Backfill) = "backfill";
        /// Proves that every document arrived.
        Verify(Verify) = "verify";
        /// Marks the target live. After it no phase of the plan writes documents there.
        Switchover(Switchover) = "switchover";
    }
}

section! {
    /// Waits for a person, for a proof, or for both.
    pub(crate) struct Gate {
        /// What the person is asked.
        title: Text = required, live, example "Nobody writes to the old cluster any more";
        /// What has to be seen before the gate opens.
        proves: Proves = optional, gated, example "{ \"source-quiet\": { \"for\": \"2m\" } }";
        /// `manual` waits for `mig approve`; `none` only orders the phases around it.
        approve: Spanned<model::Approve> = default "manual", gated;
        /// Phases to wait for, beyond those that references ask for.
        after: Vec<Reference> = default "[]", live, example "[\"base\"]";
        /// The longest that it may look for what it proves in one apply; then the run ends with exit code 9 and can be resumed.
        timeout: Spanned<Span> = optional, live, example "2h";
    }
}

section! {
    /// What has to be seen before a gate opens.
    pub(crate) struct Proves, later ["capture-flowing"] {
        /// Nothing is written to a source for some time.
        source_quiet: SourceQuiet = optional, gated, example "{ \"of\": \"es\", \"for\": \"2m\" }";
    }
}

section! {
    /// Nothing is written to a source for some time: the last sequence number of every shard stays as it is.
    pub(crate) struct SourceQuiet {
        /// The cluster. Not given: the one that the plan's snapshots and verifications are of.
        of: Reference = optional, gated, example "es";
        /// How long it has to be quiet; a write begins the time anew.
        r#for: Spanned<Span> = required, gated, example "2m";
        /// Which of its indices.
        indices: Patterns = default "[\"*\"]", gated, example "[\"logs-*\"]";
    }
}

section! {
    /// Takes a snapshot of a cluster, or adopts an existing one with `existing`.
    pub(crate) struct Snapshot {
        /// The cluster to take it of.
        of: Reference = optional, redo, example "es";
        /// The store to put it in.
        to: Reference = optional, redo, example "snapshots";
        /// Which indices. Widening it takes a second snapshot of the new ones alone.
        indices: Patterns = default "[\"*\"]", gated, example "[\"logs-*\", \"!logs-tmp-*\"]";
        /// The snapshot's name. Not given: made from the plan's name and the phase's.
        name: Text = optional, redo, example "logs-1";
        /// The cap on the rate of each node.
        rate_per_node: Spanned<ByteRate> = optional, live, example "40MiB/s";
        /// Whether templates and cluster settings are taken too.
        include_global_state: Spanned<bool> = default "true", redo;
        /// A snapshot that is there already.
        existing: Existing = optional, redo, example "{ \"store\": \"snapshots\", \"name\": \"nightly-1\" }";
        /// Phases to wait for, beyond those that references ask for.
        after: Vec<Reference> = default "[]", live, example "[\"quiet\"]";
        /// The longest that it may run in one apply.
        timeout: Spanned<Span> = optional, live, example "6h";
    }
}

section! {
    /// A snapshot that is there already.
    pub(crate) struct Existing {
        /// The store that holds it.
        store: Reference = required, redo, example "snapshots";
        /// Its name.
        name: Text = required, redo, example "nightly-1";
        /// The cluster that it was taken of, so that `verify` can tell whether that moved since.
        of: Reference = optional, live, example "es";
        /// What is done where shards are missing (state PARTIAL): `take` uses those that are there and tells the others.
        partial: Spanned<model::Partial> = default "refuse", redo;
    }
}

section! {
    /// Moves templates, indices, aliases, pipelines, scripts and, by choice, policies, settings and roles from a snapshot to a target.
    pub(crate) struct Metadata {
        /// The snapshot phase to read.
        from: Reference = required, redo, example "base";
        /// The target.
        to: Reference = required, redo, example "os";
        /// Which things are moved.
        include: Include = default "{}", gated;
        /// What legacy templates become: `keep` leaves them legacy, `composable` makes a composable one of each, which holds what all
        /// legacy ones together gave to its indices.
        legacy_templates: Spanned<model::LegacyTemplates> = default "keep", gated;
        /// What is done with closed indices.
        closed: Spanned<model::Closed> = default "migrate", gated;
        /// How data streams are taken, which `indices` chooses by their names: `streams` makes them again, each generation as it
        /// is at the source; `indices` makes ordinary indices of their backing indices, under an alias of the stream's name; `skip`
        /// leaves them out. Where nothing is said: `streams`, if the target has data streams.
        data_streams: Spanned<model::DataStreams> = optional, gated, example "indices";
        /// What the findings of a translation rule mean, by its code.
        rules: Named<Spanned<model::RuleLevel>> = default "{}", gated, example "{ \"MIG112\": \"allow\" }";
        /// Answers to open questions, by the thing that they are about.
        decide: Named<Text> = default "{}", gated;
        /// How indices with mapping types (made before Elasticsearch 6) are taken, by name or pattern. The name of an index goes before
        /// patterns, a longer pattern before a shorter one. Backfill and verify of the same indices follow it.
        types: Named<Types> = default "{}", redo, example "{ \"shop-*\": { \"take\": \"split\" } }";
        /// Transforms whose `rename` and `drop` steps and `mappings` are applied to the translated mappings of their indices, in order.
        transforms: Vec<Reference> = default "[]", gated, example "[\"tidy\"]";
        /// Phases to wait for, beyond those that references ask for.
        after: Vec<Reference> = default "[]", live, example "[\"accepted\"]";
        /// The longest that it may run in one apply.
        timeout: Spanned<Span> = optional, live, example "10m";
    }
}

section! {
    /// How the mapping types of an index are taken into indices without types.
    pub(crate) struct Types {
        /// `union` puts all types into the index of the same name, `split` each into an index of its own (types that are parent and
        /// child stay together).
        take: Spanned<model::TakeTypes> = required, redo, example "union";
        /// The names of the indices of a split, with `{type}` and mostly `{index}` in them.
        name: Text = optional, redo, example "{index}-{type}";
        /// Whether an alias of the source index's name is made over the indices of a split.
        alias: Spanned<bool> = default "false", redo;
        /// Types that are left out with their documents.
        drop: Vec<Text> = default "[]", redo, example "[\"scratch\"]";
        /// `keep` leaves each `_id` as it is, `type-prefix` makes it `type#id`, so that the same one in two types stays two documents.
        ids: Spanned<model::TypeIds> = default "keep", redo;
        /// A field that is added to each document and holds the name of its type.
        type_field: Text = optional, redo, example "kind";
        /// The name of the `join` field that takes the place of `_parent`. Not given: `join`, or the first free of `join_2`, `join_3`, ….
        join_field: Text = optional, redo, example "relation";
        /// A date field that each document gets with the value of its `_timestamp`, where one is stored.
        timestamp_field: Text = optional, redo, example "indexed-at";
        /// A date field that each document with a `_ttl` gets with the time at which it was to vanish. Nothing removes it then.
        expiry_field: Text = optional, redo, example "expires-at";
        /// The type whose definition of a field counts where types define it differently.
        prefer: Text = optional, redo, example "post";
    }
}

section! {
    /// Which metadata is moved. Each is a list of patterns, `all` or `none`.
    pub(crate) struct Include {
        /// Indices.
        indices: Patterns = default "[\"*\"]", gated, example "[\"logs-*\"]";
        /// Legacy and composable index templates.
        templates: Patterns = default "[\"*\"]", gated, example "[\"logs*\"]";
        /// Component templates.
        component_templates: Patterns = default "[\"*\"]", gated, example "none";
        /// Aliases.
        aliases: Patterns = default "[\"*\"]", gated, example "all";
        /// Ingest pipelines and search pipelines.
        pipelines: Patterns = default "[\"*\"]", gated, example "[\"*\", \"!old-*\"]";
        /// Stored scripts and search templates.
        scripts: Patterns = default "[\"*\"]", gated, example "none";
        /// Policies of lifecycles and of snapshots. They delete, so that they are moved by choice alone.
        policies: Patterns = default "none", gated, example "[\"logs-*\"]";
        /// Persistent settings of the cluster, by their keys. They are those of another cluster, so that they are moved by choice alone.
        cluster_settings: Patterns = default "none", gated, example "[\"cluster.max_shards_per_node\"]";
        /// Roles and their mappings, where the snapshot holds the index of security. Never passwords, users or keys.
        security: Patterns = default "none", gated, example "[\"analyst*\"]";
    }
}

section! {
    /// Moves documents from a snapshot to a target.
    pub(crate) struct Backfill {
        /// The snapshot phase to read.
        from: Reference = required, redo, example "base";
        /// The snapshot phase that another backfill loaded to the same target: only what changed since is moved, deletes
        /// included. Of an index whose documents can't be told apart the plan says why it is moved whole.
        since: Reference = optional, redo, example "base";
        /// The target.
        to: Reference = required, redo, example "os";
        /// Which indices of the snapshot.
        indices: Patterns = default "[\"*\"]", gated, example "[\"logs-*\"]";
        /// What is done with closed indices.
        closed: Spanned<model::Closed> = default "migrate", gated;
        /// How data streams are taken, as for `metadata`: `streams` creates each document through its stream, generation by
        /// generation with a rollover between; `indices` and `skip`. Where nothing is said: `streams`, if the target has them.
        data_streams: Spanned<model::DataStreams> = optional, redo, example "indices";
        /// How many workers this process runs.
        workers: Spanned<Whole<1, 1024>> = default "2", live, example "8";
        /// Budgets over all workers.
        limits: Limits = default "{}", live;
        /// `keep` writes each document with the source's version; `drop` lets the target count anew.
        versions: Spanned<model::Versions> = default "keep", redo;
        /// What is done when the target changed after its documents were proved: `report` shows it, `mend` writes again.
        on_drift: Spanned<model::OnDrift> = default "report", live;
        /// What is changed on an index of a cluster while it is loaded, and put back at every end.
        tune_target: TuneTarget = default "{}", live;
        /// How many documents may fail before the phase does.
        max_failed: Spanned<Whole<0, { u64::MAX }>> = default "0", live;
        /// What becomes of documents whose `_source` was not stored as it was sent: `refuse` asks, `skip` leaves them out and
        /// counts them, `reconstruct` makes one from what the segments hold, `as-stored` takes one that lacks fields as it is.
        without_source: Spanned<model::WithoutSource> = default "refuse", redo;
        /// How documents get onto a target that is a cluster: `reindex` reads and writes each of them; `restore` has the target restore the
        /// indices from the snapshot as they are, and stops the plan where one can't be; `auto` restores those that can be and
        /// writes the others, each with the reason. An index that was begun one way is finished that way.
        strategy: Spanned<model::Strategy> = default "reindex", live, example "auto";
        /// Transforms that each document goes through, in order. The verification of these documents uses the same.
        transforms: Vec<Reference> = default "[]", redo, example "[\"tidy\"]";
        /// Phases to wait for, beyond those that references ask for.
        after: Vec<Reference> = default "[]", live, example "[\"accepted\"]";
        /// The longest that it may run in one apply.
        timeout: Spanned<Span> = optional, live, example "5h";
    }
}

section! {
    /// Budgets of a backfill.
    pub(crate) struct Limits {
        /// Documents a second, of all processes that work on it together.
        docs: Spanned<CountRate> = optional, live, example "20000/s";
        /// Bytes a second, of all processes that work on it together.
        bytes: Spanned<ByteRate> = optional, live, example "50MiB/s";
        /// Batches on their way at once, at most. Up to there as many as the target takes without getting slower or rejecting any.
        in_flight: Spanned<Whole<1, 4096>> = optional, live, example "4";
        /// The size of one batch, at most; 5 MiB where nothing is said, and never more than the target takes in one request.
        batch: Spanned<ByteSize> = optional, live, example "10MiB";
        /// How busy the processors of the target's busiest node may be, in percent. Above it less is sent, down to one small
        /// request with pauses.
        target_cpu: Spanned<Whole<1, 100>> = optional, live, example "70";
    }
}

section! {
    /// What is changed on an index of a cluster while it is loaded.
    pub(crate) struct TuneTarget {
        /// `pause` has documents become visible at the end alone, which makes loading faster.
        refresh: Spanned<model::TuneRefresh> = default "pause", live;
        /// `none` has copies of shards made at the end, from the primary ones.
        replicas: Spanned<model::TuneReplicas> = default "none", live;
        /// `async` answers before documents are on disk; checkpoints flush them.
        translog: Spanned<model::TuneTranslog> = default "keep", live;
    }
}

section! {
    /// Proves that every document arrived.
    pub(crate) struct Verify {
        /// A snapshot phase, or a cluster.
        source: Reference = required, redo, example "base";
        /// The target.
        target: Reference = required, redo, example "os";
        /// Which indices.
        indices: Patterns = default "[\"*\"]", redo, example "[\"logs-*\"]";
        /// How deep it looks: `counts`, `ids`, `sample` or `full`.
        content: Spanned<model::Content> = default "full", redo;
        /// Whether the source may have moved since the snapshot: moved is a failed check, or is noted.
        source_writes: Spanned<model::SourceWrites> = default "deny", live;
        /// How long differences against a live source may take to vanish.
        settle: Spanned<Span> = optional, live, example "5m";
        /// Phases to wait for, beyond those that references ask for.
        after: Vec<Reference> = default "[]", live, example "[\"docs\"]";
        /// The longest that it may run in one apply.
        timeout: Spanned<Span> = optional, live, example "2h";
    }
}

section! {
    /// Marks the target live.
    pub(crate) struct Switchover, later ["from", "hold-for", "rollback"] {
        /// The target that goes live.
        to: Reference = required, never, example "os";
        /// `manual` waits for `mig approve`.
        approve: Spanned<model::Approve> = default "manual", gated;
        /// The oldest that the last verification may be.
        max_age: Spanned<Span> = optional, live, example "4h";
        /// Phases to wait for, beyond those that references ask for.
        after: Vec<Reference> = default "[]", live, example "[\"same\"]";
        /// The longest that it may run in one apply.
        timeout: Spanned<Span> = optional, live, example "2h";
    }
}

/// The fields of a phase kind.
pub(crate) fn phase_fields(kind: PhaseKindName) -> Vec<Field> {
    match kind {
        PhaseKindName::Gate => Gate::fields(),
        PhaseKindName::Snapshot => Snapshot::fields(),
        PhaseKindName::Metadata => Metadata::fields(),
        PhaseKindName::Backfill => Backfill::fields(),
        PhaseKindName::Verify => Verify::fields(),
        PhaseKindName::Switchover => Switchover::fields(),
    }
}

/// The fields of the other named things.
pub(crate) fn part_fields(part: &str) -> Vec<Field> {
    match part {
        "clusters" => Cluster::fields(),
        "stores" => Store::fields(),
        _ => PlanFile::fields(),
    }
}

/// `mig: 1`
#[derive(Debug, Clone)]
pub(crate) struct FormatVersion;

impl Decode for FormatVersion {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let (text, _) = cx.text(node, "`1`")?;
        if text == "1" {
            return Some(Self);
        }
        cx.push(
            Diagnostic::new(
                code::FORMAT_VERSION,
                format!("this mig reads format version 1, and the file has `{text}`"),
            )
            .at(node.location)
            .help("write `mig: 1`"),
        );
        None
    }

    fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schema_of(json!({ "const": 1 }))
    }
}

/// A version, quoted or not: always the text as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Version(pub(crate) Text);

impl Decode for Version {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        Text::decode(node, cx).map(Self)
    }

    fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schema_of(json!({ "anyOf": [
            { "type": "string", "pattern": "^((elasticsearch|opensearch):)?[0-9]+(\\.[0-9]+){0,2}$|\\$\\{" },
            { "type": "number" },
        ] }))
    }
}

/// A value of a variable, or a bound of one, in its text form.
#[derive(Debug, Clone)]
pub(crate) struct VarValue(pub(crate) Text);

impl Decode for VarValue {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let (text, _) = cx.text(node, "a value")?;
        Some(Self(Spanned::new(text.to_owned(), node.location)))
    }

    fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schema_of(json!({ "type": ["string", "number", "boolean"] }))
    }
}

/// `auth: none`, or a way.
#[derive(Debug, Clone)]
pub(crate) enum Auth {
    None,
    Kind(AuthKind),
}

impl Decode for Auth {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        match &node.value {
            Value::Scalar(scalar) if scalar.text == "none" => Some(Self::None),
            Value::Scalar(_) => {
                // Not echoed: what stands here may be a token.
                cx.push(
                    Diagnostic::new(code::LITERAL_SECRET, "`auth` is `none` or a way to authenticate")
                        .at(node.location)
                        .help("write `auth: { basic: { user: …, password: { env: … } } }`, or `auth: none`"),
                );
                None
            }
            _ => AuthKind::decode(node, cx).map(Self::Kind),
        }
    }

    fn fields() -> Vec<Field> {
        AuthKind::fields()
    }

    fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let kind = AuthKind::schema(generator).to_value();
        schema_of(json!({ "anyOf": [{ "const": "none" }, kind] }))
    }
}

/// Where a secret is; a literal is refused and never shown.
#[derive(Debug, Clone)]
pub(crate) struct SecretRef(pub(crate) SecretPlace);

impl Decode for SecretRef {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        if let Value::Map(_) = node.value {
            return SecretPlace::decode(node, cx).map(Self);
        }
        cx.push(
            Diagnostic::new(
                code::LITERAL_SECRET,
                "a secret stands in the plan; only references may",
            )
            .at(node.location)
            .help("write `{ env: NAME }`, `{ file: PATH }` or `{ aws-secret: NAME }`"),
        );
        None
    }

    fn fields() -> Vec<Field> {
        SecretPlace::fields()
    }

    fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        SecretPlace::schema(generator)
    }
}
