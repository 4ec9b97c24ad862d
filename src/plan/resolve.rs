//! From decoded sections to the resolved plan: names, references, addresses, versions, access.
//!
//! Relies on `expand` for the sections. Every check goes on after an error. Deliberately absent: the order of phases and what
//! two phases do to one index, which are `graph`'s.

mod clusters;
mod phases;
mod transforms;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use super::codes::{Code, language as code};
use super::decode::{Context, first_of};
use super::diagnostics::{Diagnostic, did_you_mean};
use super::expand::Expanded;
use super::load::{LoadOptions, Texts};
use super::location::Location;
use super::model::{Access, Phase, PhaseSpec, Plan, StateLocation};
use super::names::{self, Names, Thing};
use super::versions;
use crate::base::Address;
use clusters::Written;

/// Resolves a plan; `None` after telling why not.
pub(crate) fn plan(
    expanded: &Expanded,
    texts: &Texts,
    options: &LoadOptions,
    cx: &mut Context<'_>,
) -> Option<Plan> {
    let file = &expanded.plan;
    let name = file.plan.as_ref();
    if let Some(name) = name {
        names::check("plan", name, cx);
    }
    let things = names_of(expanded, cx);
    let sources = phases::sources(expanded);
    let transforms = transforms::transforms(file, texts, options.check_transform, cx);
    let tests = transforms::tests(file, texts, &transforms, cx);
    let mut clusters = clusters::clusters(file, cx);
    let stores = clusters::stores(file, cx);
    let mut resolved: BTreeMap<Address, Phase> = BTreeMap::new();
    let mut whole = true;
    for source in &sources {
        match phases::phase(source, &things, &transforms, options.rules, cx) {
            Some(phase) => {
                resolved.insert(phase.address.clone(), phase);
            }
            None => whole = false,
        }
    }
    whole &= phases::settle_gates(&mut resolved, cx) || !whole;
    let phases_given = file
        .phases
        .as_ref()
        .is_some_and(|phases| phases.0.is_empty());
    if sources.is_empty() && file.hops.is_none() && phases_given {
        cx.push(
            Diagnostic::new(code::EMPTY_PLAN, "the plan has no phases")
                .at(first_of(file.location))
                .help("add `phases`, or `hops` with `each-hop`"),
        );
    }
    check_hops(expanded, &things, cx);
    settle_access(&mut clusters, &resolved, cx);
    let renamed = renamed(expanded, &things, cx);
    check_allow(expanded, cx);
    let state = state(expanded, cx);
    let clusters: BTreeMap<_, _> = clusters
        .into_iter()
        .filter_map(|(address, cluster)| Some((address, cluster?.cluster)))
        .collect();
    let name = name?;
    whole.then(|| Plan {
        name: name.value.clone(),
        description: file.description.as_ref().map(|text| text.value.clone()),
        vars: expanded
            .values
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
            .collect(),
        state,
        clusters,
        stores,
        phases: resolved,
        renamed,
        hops: expanded.hops.iter().map(|hop| hop.hop.clone()).collect(),
        allow: expanded.allowed().into_iter().collect(),
        transforms: transforms
            .into_iter()
            .filter_map(|(name, transform)| Some((name, transform?)))
            .collect(),
        tests,
        files: Vec::new(),
        directory: std::path::PathBuf::new(),
    })
}

fn names_of(expanded: &Expanded, cx: &mut Context<'_>) -> Names {
    let mut things = Names::default();
    let file = &expanded.plan;
    for (name, cluster) in file.clusters.iter().flat_map(|clusters| &clusters.0) {
        names::check("cluster", name, cx);
        let thing = if cluster.directory.is_some() {
            Thing::Directory
        } else {
            Thing::Cluster
        };
        things.add(Address::new(name.value.clone()), thing, name.location, cx);
    }
    for (name, _) in file.stores.iter().flat_map(|stores| &stores.0) {
        names::check("store", name, cx);
        things.add(
            Address::new(name.value.clone()),
            Thing::Store,
            name.location,
            cx,
        );
    }
    for source in phases::sources(expanded) {
        if let Some(name) = &source.name {
            names::check("phase", name, cx);
        }
        let kind = Thing::Phase(source.kind());
        things.add(source.address.clone(), kind, source.location, cx);
    }
    things
}

fn check_hops(expanded: &Expanded, things: &Names, cx: &mut Context<'_>) {
    for reference in expanded.plan.hops.iter().flatten() {
        things.resolve(
            reference,
            &names::Scope {
                phase: "the plan",
                hop: None,
            },
            "hops",
            "a cluster",
            |thing| matches!(thing, Thing::Cluster | Thing::Directory),
            cx,
        );
    }
}

/// Gives each cluster its access, and tells of phases that write where they can't.
fn settle_access(
    clusters: &mut BTreeMap<Address, Option<Written>>,
    phases: &BTreeMap<Address, Phase>,
    cx: &mut Context<'_>,
) {
    let mut written = BTreeSet::new();
    let mut told = BTreeSet::new();
    for phase in phases.values() {
        let to = match &phase.spec {
            PhaseSpec::Metadata(spec) => &spec.to,
            PhaseSpec::Backfill(spec) => &spec.to,
            _ => continue,
        };
        written.insert(to.value.clone());
        let Some(Some(target)) = clusters.get(&to.value) else {
            continue;
        };
        // The phases of a hop stand in a fragment, which is right; what is not is the cluster, and once is enough.
        let hop = phase.address.hop();
        if hop.is_some() && !told.insert(&to.value) {
            continue;
        }
        let at = if hop.is_some() {
            target.cluster.location
        } else {
            to.location
        };
        if let Some(access) = &target.access
            && access.value == Access::ReadOnly
        {
            cx.push(
                Diagnostic::new(
                    code::WRITES_READ_ONLY,
                    format!(
                        "`{}` writes to `{}`, which is read-only",
                        phase.address, to.value
                    ),
                )
                .at(at)
                .related(access.location, "read-only is written here")
                .help(format!(
                    "name the target in `to`, or write `access: read-write` under `clusters.{}`",
                    to.value
                )),
            );
        }
        let cluster = &target.cluster;
        if let Some(version) = cluster.version
            && !versions::is_target(cluster.product, version)
        {
            clusters::unsupported_target((&to.value, hop), cluster, at, cx);
        }
    }
    for (address, cluster) in clusters {
        if let Some(cluster) = cluster {
            cluster.cluster.access = match &cluster.access {
                Some(access) => access.value,
                None if written.contains(address) => Access::ReadWrite,
                None => Access::ReadOnly,
            };
        }
    }
}

fn renamed(
    expanded: &Expanded,
    things: &Names,
    cx: &mut Context<'_>,
) -> BTreeMap<Address, Address> {
    let mut renamed = BTreeMap::new();
    for (new, old) in expanded.plan.renamed.iter().flat_map(|map| &map.0) {
        let new_address = Address::new(new.value.clone());
        let old_address = Address::new(old.value.clone());
        if !things.has(&new_address) {
            let help = match did_you_mean(&new.value, things.phases().map(Address::as_str)) {
                Some(other) => format!("did you mean `{other}`? It is `new: old`"),
                None => {
                    "the left side is the new name, which is in the plan: `new: old`".to_owned()
                }
            };
            cx.push(
                Diagnostic::new(
                    code::BAD_RENAME,
                    format!("`{new_address}` is not in the plan"),
                )
                .at(new.location)
                .help(help),
            );
        } else if things.has(&old_address) {
            cx.push(
                Diagnostic::new(
                    code::BAD_RENAME,
                    format!("`{old_address}` is still in the plan, so it was not renamed"),
                )
                .at(old.location)
                .help("take the rename out, or take the old name out of the plan"),
            );
        } else if let Some(other) = renamed.iter().find(|(_, other)| **other == old_address) {
            let message = format!("`{old_address}` is renamed to `{}` already", other.0);
            cx.error(code::BAD_RENAME, message, old.location);
        } else {
            renamed.insert(new_address, old_address);
        }
    }
    renamed
}

fn check_allow(expanded: &Expanded, cx: &mut Context<'_>) {
    for written in expanded.plan.allow.iter().flatten() {
        if Code::parse(&written.value).is_some_and(Code::is_lint)
            && written.value.starts_with("MIG")
        {
            continue;
        }
        let lints = super::codes::lints::ROWS;
        let names: Vec<String> = lints.iter().map(|row| row.code.to_string()).collect();
        cx.push(
            Diagnostic::new(code::NOT_A_LINT, format!("`{}` is no lint", written.value))
                .at(written.location)
                .help(format!(
                    "lints are {}; `mig explain` tells what they say",
                    super::diagnostics::one_of(names.iter().map(String::as_str))
                )),
        );
    }
}

fn state(expanded: &Expanded, cx: &mut Context<'_>) -> StateLocation {
    let file = &expanded.plan;
    let Some(state) = &file.state else {
        let name = file.plan.as_ref().map_or("", |name| name.value.as_str());
        let place = Location {
            file: 0,
            ..Location::default()
        };
        return StateLocation::Directory(cx.path(&format!(".mig/{name}"), place));
    };
    if state.value.starts_with("s3:") {
        clusters::check_s3(state, true, cx);
        return StateLocation::S3(state.value.clone());
    }
    StateLocation::Directory(cx.path(&state.value, state.location))
}
