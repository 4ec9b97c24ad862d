//! Phases: each kind's references and values.

use std::collections::BTreeMap;

use super::transforms::{Transforms, named};
use super::types::types;
use crate::base::Address;
use crate::plan::codes::language as code;
use crate::plan::decode::{Context, first_of};
use crate::plan::diagnostics::{Diagnostic, did_you_mean};
use crate::plan::expand::Expanded;
use crate::plan::language::{self, HopGate};
use crate::plan::location::{Location, Spanned};
use crate::plan::model::{
    BackfillSpec, GateSpec, Limits, MetadataInclude, MetadataSpec, Phase, PhaseKindName, PhaseSpec,
    Ref, SnapshotSpec, SwitchoverSpec, TuneTarget, VerifySpec,
};
use crate::plan::model::{Proves, SourceQuiet};
use crate::plan::names::{Names, Scope, Thing};
use crate::plan::scalars::{Patterns, Reference};

/// A phase as written, with the address that it gets.
pub(super) struct Source<'a> {
    pub(super) address: Address,
    /// As written; none for the gate that `each-hop` adds.
    pub(super) name: Option<Spanned<String>>,
    pub(super) location: Location,
    hop: Option<&'a str>,
    body: Body<'a>,
}

enum Body<'a> {
    Written(&'a language::Phase),
    /// The gate at the end of a hop, with the addresses of the hop's phases.
    HopGate(&'a HopGate, Vec<Ref>),
}

impl Source<'_> {
    pub(super) fn kind(&self) -> PhaseKindName {
        match &self.body {
            Body::HopGate(..) => PhaseKindName::Gate,
            Body::Written(phase) => match phase {
                language::Phase::Gate(_) => PhaseKindName::Gate,
                language::Phase::Snapshot(_) => PhaseKindName::Snapshot,
                language::Phase::Metadata(_) => PhaseKindName::Metadata,
                language::Phase::Backfill(_) => PhaseKindName::Backfill,
                language::Phase::Verify(_) => PhaseKindName::Verify,
                language::Phase::Switchover(_) => PhaseKindName::Switchover,
            },
        }
    }
}

/// All phases, those of hops with their prefix.
pub(super) fn sources(expanded: &Expanded) -> Vec<Source<'_>> {
    let mut sources = Vec::new();
    for (name, phase) in expanded.plan.phases.iter().flat_map(|phases| &phases.0) {
        sources.push(Source {
            address: Address::new(name.value.clone()),
            name: Some(name.clone()),
            location: name.location,
            hop: None,
            body: Body::Written(phase),
        });
    }
    for hop in &expanded.hops {
        let prefix = hop.hop.name.as_str();
        let address = |leaf: &str| Address::new(format!("{prefix}/{leaf}"));
        for (name, phase) in &hop.phases.0 {
            sources.push(Source {
                address: address(&name.value),
                name: Some(name.clone()),
                location: name.location,
                hop: Some(prefix),
                body: Body::Written(phase),
            });
        }
        if let Some(gate) = &hop.gate {
            let after = hop
                .phases
                .0
                .iter()
                .map(|(name, _)| Spanned::new(address(&name.value), name.location))
                .collect();
            sources.push(Source {
                address: address("gate"),
                name: None,
                location: first_of(gate.location),
                hop: Some(prefix),
                body: Body::HopGate(gate, after),
            });
        }
    }
    sources
}

/// What references are resolved with.
struct Resolver<'a, 'c, 'd> {
    names: &'a Names,
    scope: Scope<'a>,
    cx: &'c mut Context<'d>,
}

impl Resolver<'_, '_, '_> {
    fn get(
        &mut self,
        reference: Option<&Reference>,
        field: &str,
        expected: &str,
        fits: impl Fn(Thing) -> bool,
    ) -> Option<Ref> {
        self.names
            .resolve(reference?, &self.scope, field, expected, fits, self.cx)
    }

    fn snapshot(&mut self, reference: Option<&Reference>, field: &str) -> Option<Ref> {
        self.get(reference, field, "a snapshot phase", |thing| {
            thing == Thing::Phase(PhaseKindName::Snapshot)
        })
    }

    fn target(&mut self, reference: Option<&Reference>, field: &str) -> Option<Ref> {
        self.get(reference, field, "a target cluster", |thing| {
            matches!(thing, Thing::Cluster | Thing::Directory)
        })
    }

    fn cluster(&mut self, reference: Option<&Reference>, field: &str) -> Option<Ref> {
        self.get(reference, field, "a cluster", |thing| {
            thing == Thing::Cluster
        })
    }

    fn store(&mut self, reference: Option<&Reference>, field: &str) -> Option<Ref> {
        self.get(reference, field, "a store", |thing| thing == Thing::Store)
    }

    fn after(&mut self, references: Option<&Vec<Reference>>) -> Option<Vec<Ref>> {
        let resolved: Vec<Option<Ref>> = references?
            .iter()
            .map(|reference| {
                self.get(Some(reference), "after", "a phase", |thing| {
                    matches!(thing, Thing::Phase(_))
                })
            })
            .collect();
        let resolved: Vec<Ref> = resolved.into_iter().collect::<Option<_>>()?;
        if let Some(itself) = resolved
            .iter()
            .find(|after| after.value.as_str() == self.scope.phase)
        {
            self.cx.push(
                Diagnostic::new(
                    code::WRONG_REFERENCE,
                    format!("`{}` can't come after itself", self.scope.phase),
                )
                .at(itself.location)
                .help("take it out"),
            );
            return None;
        }
        Some(resolved)
    }
}

/// Resolves one phase; `None` after telling why not.
pub(super) fn phase(
    source: &Source<'_>,
    names: &Names,
    transforms: &Transforms,
    rules: Option<&[&str]>,
    cx: &mut Context<'_>,
) -> Option<Phase> {
    let mut resolver = Resolver {
        names,
        scope: Scope {
            phase: source.address.as_str(),
            hop: source.hop,
        },
        cx,
    };
    let phase = match &source.body {
        Body::HopGate(gate, after) => {
            return Some(Phase {
                address: source.address.clone(),
                spec: PhaseSpec::Gate(GateSpec {
                    title: gate.title.as_ref()?.value.clone(),
                    proves: None,
                    approve: gate.approve.as_ref()?.value,
                }),
                after: after.clone(),
                timeout: None,
                location: source.location,
            });
        }
        Body::Written(phase) => phase,
    };
    let (after, timeout) = match phase {
        language::Phase::Gate(body) => (&body.after, &body.timeout),
        language::Phase::Snapshot(body) => (&body.after, &body.timeout),
        language::Phase::Metadata(body) => (&body.after, &body.timeout),
        language::Phase::Backfill(body) => (&body.after, &body.timeout),
        language::Phase::Verify(body) => (&body.after, &body.timeout),
        language::Phase::Switchover(body) => (&body.after, &body.timeout),
    };
    let after = resolver.after(after.as_ref());
    let spec = match phase {
        language::Phase::Gate(body) => gate(body, &mut resolver),
        language::Phase::Snapshot(body) => snapshot(body, &mut resolver).map(PhaseSpec::Snapshot),
        language::Phase::Metadata(body) => {
            metadata(body, transforms, rules, &mut resolver).map(PhaseSpec::Metadata)
        }
        language::Phase::Backfill(body) => {
            backfill(body, transforms, &mut resolver).map(PhaseSpec::Backfill)
        }
        language::Phase::Verify(body) => verify(body, &mut resolver).map(PhaseSpec::Verify),
        language::Phase::Switchover(body) => {
            switchover(body, &mut resolver).map(PhaseSpec::Switchover)
        }
    };
    Some(Phase {
        address: source.address.clone(),
        spec: spec?,
        after: after?,
        timeout: timeout.as_ref().map(|timeout| timeout.value),
        location: source.location,
    })
}

fn gate(body: &language::Gate, resolver: &mut Resolver<'_, '_, '_>) -> Option<PhaseSpec> {
    let proves = match &body.proves {
        Some(proves) => Some(proved(proves, resolver)?),
        None if body.given.iter().any(|key| key == "proves") => return None,
        None => None,
    };
    Some(PhaseSpec::Gate(GateSpec {
        title: body.title.as_ref()?.value.clone(),
        proves,
        approve: body.approve.as_ref()?.value,
    }))
}

fn proved(body: &language::Proves, resolver: &mut Resolver<'_, '_, '_>) -> Option<Proves> {
    let Some(quiet) = &body.source_quiet else {
        if !body.given.iter().any(|key| key == "source-quiet") {
            resolver.cx.push(
                Diagnostic::new(code::MISSING_KEY, "`proves` says nothing")
                    .at(first_of(body.location))
                    .help("write `proves: { source-quiet: { for: 2m } }`"),
            );
        }
        return None;
    };
    let of = match &quiet.of {
        Some(of) => Some(resolver.cluster(Some(of), "proves.source-quiet.of")?),
        None if quiet.given.iter().any(|key| key == "of") => return None,
        None => None,
    };
    Some(Proves::SourceQuiet(SourceQuiet {
        of,
        r#for: quiet.r#for.as_ref()?.value,
        indices: selector(quiet.indices.as_ref())?,
    }))
}

/// Gives gates that name no cluster the one that the plan reads from; `false` after telling that there is no such one.
pub(super) fn settle_gates(phases: &mut BTreeMap<Address, Phase>, cx: &mut Context<'_>) -> bool {
    let mut sources: BTreeMap<Address, Ref> = BTreeMap::new();
    let known: Vec<Address> = phases.keys().cloned().collect();
    for phase in phases.values() {
        let of = match &phase.spec {
            PhaseSpec::Snapshot(SnapshotSpec::Take { of, .. }) => Some(of),
            PhaseSpec::Snapshot(SnapshotSpec::Existing { of, .. }) => of.as_ref(),
            PhaseSpec::Verify(verify) if !known.contains(&verify.source.value) => {
                Some(&verify.source)
            }
            _ => None,
        };
        if let Some(of) = of {
            sources
                .entry(of.value.clone())
                .or_insert_with(|| of.clone());
        }
    }
    let mut whole = true;
    for phase in phases.values_mut() {
        let PhaseSpec::Gate(GateSpec {
            proves: Some(Proves::SourceQuiet(quiet)),
            ..
        }) = &mut phase.spec
        else {
            continue;
        };
        if quiet.of.is_some() {
            continue;
        }
        if sources.len() == 1 {
            quiet.of = sources.values().next().cloned();
            continue;
        }
        whole = false;
        let names: Vec<String> = sources.keys().map(|name| format!("`{name}`")).collect();
        let read = match names.as_slice() {
            [] => "the plan reads from no cluster".to_owned(),
            names => format!("the plan reads from {}", names.join(", ")),
        };
        cx.push(
            Diagnostic::new(
                code::MISSING_KEY,
                format!(
                    "`{}`: which cluster has to be quiet can't be told: {read}",
                    phase.address
                ),
            )
            .at(phase.location)
            .help("write `source-quiet: { of: CLUSTER, for: 2m }`"),
        );
    }
    whole
}

fn snapshot(
    body: &language::Snapshot,
    resolver: &mut Resolver<'_, '_, '_>,
) -> Option<SnapshotSpec> {
    if body.existing.is_none() && body.given.iter().any(|key| key == "existing") {
        return None;
    }
    if let Some(existing) = &body.existing {
        let of = existing.of.as_ref();
        let store = resolver.store(existing.store.as_ref(), "existing.store");
        let resolved_of = resolver.cluster(of, "existing.of");
        let own = body.location;
        let given = [
            ("of", body.of.as_ref().map(|of| of.0.location)),
            ("to", body.to.as_ref().map(|to| to.0.location)),
            ("name", body.name.as_ref().map(|name| name.location)),
            (
                "indices",
                body.indices.as_ref().map(|indices| indices.location),
            ),
            (
                "rate-per-node",
                body.rate_per_node.as_ref().map(|rate| rate.location),
            ),
            (
                "include-global-state",
                body.include_global_state.as_ref().map(|flag| flag.location),
            ),
        ];
        for (key, location) in given {
            // A default stands at the place of the whole section.
            if let Some(location) = location.filter(|location| *location != own) {
                resolver.cx.push(
                    Diagnostic::new(
                        code::NO_MEANING_HERE,
                        format!("`{key}` has no meaning beside `existing`"),
                    )
                    .at(location)
                    .help(match key {
                        "of" | "name" => {
                            format!("move it into `existing`: `existing: {{ {key}: … }}`")
                        }
                        "to" => {
                            "the store stands in `existing`: `existing: { store: … }`".to_owned()
                        }
                        "indices" => {
                            "select indices in the phases that read the snapshot".to_owned()
                        }
                        _ => "take it out: the snapshot is taken already".to_owned(),
                    }),
                );
            }
        }
        if of.is_some() && resolved_of.is_none() {
            return None;
        }
        return Some(SnapshotSpec::Existing {
            store: store?,
            name: existing.name.as_ref()?.value.clone(),
            of: resolved_of,
            partial: existing.partial.as_ref()?.value,
        });
    }
    for (key, missing) in [
        ("of", !body.given.iter().any(|key| key == "of")),
        ("to", !body.given.iter().any(|key| key == "to")),
    ] {
        if missing {
            resolver.cx.push(
                Diagnostic::new(code::MISSING_KEY, format!("`{key}` is missing"))
                    .at(first_of(body.location))
                    .help("write `{ of: CLUSTER, to: STORE }`, or `{ existing: { store: STORE, name: NAME } }`"),
            );
        }
    }
    let of = resolver.cluster(body.of.as_ref(), "of");
    let to = resolver.store(body.to.as_ref(), "to");
    if let Some(name) = &body.name {
        check_snapshot_name(name, resolver.cx);
    }
    Some(SnapshotSpec::Take {
        of: of?,
        to: to?,
        indices: body.indices.as_ref()?.selector.clone(),
        name: body.name.as_ref().map(|name| name.value.clone()),
        rate_per_node: body.rate_per_node.as_ref().map(|rate| rate.value),
        include_global_state: body.include_global_state.as_ref()?.value,
    })
}

/// Clusters refuse these when the snapshot is asked for, which is late.
fn check_snapshot_name(name: &Spanned<String>, cx: &mut Context<'_>) {
    let text = name.value.as_str();
    let bad = text.chars().any(|character| {
        character.is_uppercase() || character.is_whitespace() || "\\/*?\"<>|,#".contains(character)
    }) || text.starts_with('_');
    if bad {
        cx.push(
            Diagnostic::new(code::BAD_NAME, format!("`{text}` is no name of a snapshot"))
                .at(name.location)
                .help("clusters accept lower-case letters, digits, `-`, `_` and `.`, and no `_` in front"),
        );
    }
}

fn selector(patterns: Option<&Patterns>) -> Option<crate::plan::selector::Selector> {
    patterns.map(|patterns| patterns.selector.clone())
}

fn metadata(
    body: &language::Metadata,
    transforms: &Transforms,
    rules: Option<&[&str]>,
    resolver: &mut Resolver<'_, '_, '_>,
) -> Option<MetadataSpec> {
    let from = resolver.snapshot(body.from.as_ref(), "from");
    let to = resolver.target(body.to.as_ref(), "to");
    let mut levels = BTreeMap::new();
    for (name, level) in body.rules.iter().flat_map(|rules| &rules.0) {
        if let Some(known) = rules
            && !known.contains(&name.value.as_str())
        {
            resolver.cx.push(
                Diagnostic::new(
                    code::UNKNOWN_RULE,
                    format!("there is no rule `{}`", name.value),
                )
                .at(name.location)
                .help(match did_you_mean(&name.value, known.iter().copied()) {
                    Some(other) => format!("did you mean `{other}`?"),
                    None => "`mig rules` lists them".to_owned(),
                }),
            );
        }
        levels.insert(name.value.clone(), level.value);
    }
    let used = named(body.transforms.as_ref()?, transforms, resolver.cx);
    let include = body.include.as_ref()?;
    Some(MetadataSpec {
        from: from?,
        to: to?,
        include: MetadataInclude {
            indices: selector(include.indices.as_ref())?,
            templates: selector(include.templates.as_ref())?,
            component_templates: selector(include.component_templates.as_ref())?,
            aliases: selector(include.aliases.as_ref())?,
            pipelines: selector(include.pipelines.as_ref())?,
            scripts: selector(include.scripts.as_ref())?,
            policies: selector(include.policies.as_ref())?,
            cluster_settings: selector(include.cluster_settings.as_ref())?,
            security: selector(include.security.as_ref())?,
        },
        legacy_templates: body.legacy_templates.as_ref()?.value,
        closed: body.closed.as_ref()?.value,
        data_streams: body.data_streams.as_ref().map(|choice| choice.value),
        rules: levels,
        decide: body
            .decide
            .as_ref()?
            .0
            .iter()
            .map(|(name, answer)| (name.value.clone(), answer.clone()))
            .collect(),
        types: types(body.types.as_ref()?, resolver.cx)?,
        transforms: used?,
    })
}

fn backfill(
    body: &language::Backfill,
    transforms: &Transforms,
    resolver: &mut Resolver<'_, '_, '_>,
) -> Option<BackfillSpec> {
    let from = resolver.snapshot(body.from.as_ref(), "from");
    let since = body.since.as_ref();
    let resolved_since = resolver.snapshot(since, "since");
    let to = resolver.target(body.to.as_ref(), "to");
    let used = named(body.transforms.as_ref()?, transforms, resolver.cx);
    let limits = body.limits.as_ref()?;
    let tune = body.tune_target.as_ref()?;
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    if since.is_some() && resolved_since.is_none() {
        return None;
    }
    Some(BackfillSpec {
        from: from?,
        since: resolved_since,
        to: to?,
        indices: selector(body.indices.as_ref())?,
        closed: body.closed.as_ref()?.value,
        data_streams: body.data_streams.as_ref().map(|choice| choice.value),
        workers: small(body.workers.as_ref()?.value.0),
        limits: Limits {
            docs: limits.docs.as_ref().map(|rate| rate.value),
            bytes: limits.bytes.as_ref().map(|rate| rate.value),
            in_flight: limits.in_flight.as_ref().map(|count| small(count.value.0)),
            batch: limits.batch.as_ref().map(|size| size.value),
            target_cpu: limits
                .target_cpu
                .as_ref()
                .map(|percent| u8::try_from(percent.value.0).unwrap_or(100)),
        },
        versions: body.versions.as_ref()?.value,
        on_drift: body.on_drift.as_ref()?.value,
        tune_target: TuneTarget {
            refresh: tune.refresh.as_ref()?.value,
            replicas: tune.replicas.as_ref()?.value,
            translog: tune.translog.as_ref()?.value,
        },
        max_failed: body.max_failed.as_ref()?.value.0,
        without_source: body.without_source.as_ref()?.value,
        strategy: body.strategy.as_ref()?.value,
        transforms: used?,
    })
}

fn verify(body: &language::Verify, resolver: &mut Resolver<'_, '_, '_>) -> Option<VerifySpec> {
    let source = resolver.get(
        body.source.as_ref(),
        "source",
        "a snapshot phase or a cluster",
        |thing| {
            matches!(
                thing,
                Thing::Cluster | Thing::Phase(PhaseKindName::Snapshot)
            )
        },
    );
    let target = resolver.target(body.target.as_ref(), "target");
    Some(VerifySpec {
        source: source?,
        target: target?,
        indices: selector(body.indices.as_ref())?,
        content: body.content.as_ref()?.value,
        source_writes: body.source_writes.as_ref()?.value,
        settle: body.settle.as_ref().map(|settle| settle.value),
    })
}

fn switchover(
    body: &language::Switchover,
    resolver: &mut Resolver<'_, '_, '_>,
) -> Option<SwitchoverSpec> {
    Some(SwitchoverSpec {
        to: resolver.target(body.to.as_ref(), "to")?,
        approve: body.approve.as_ref()?.value,
        max_age: body.max_age.as_ref().map(|age| age.value),
    })
}
