//! Lints of paths over clusters: stops that nothing needs, hops that lead back, and what two stops share.
//!
//! Relies on the versions that a plan asserts; where it asserts none, nothing is said. Deliberately absent: a cluster that is
//! named twice, which is an error (`expand`).

use crate::base::Address;
use crate::base::units::plural;
use crate::base::version::{Product, Version};
use crate::plan::codes::lints as code;
use crate::plan::diagnostics::{Diagnostic, one_of};
use crate::plan::expand::{Expanded, ExpandedHop};
use crate::plan::model::{ClusterAt, Hop, PhaseSpec, Plan, SnapshotSpec};

/// Tells what looks wrong in `hops:`.
pub(super) fn run(plan: &Plan, expanded: &Expanded, found: &mut Vec<Diagnostic>) {
    for hop in &expanded.hops {
        backwards(plan, hop, found);
    }
    if expanded.hops.len() > 1 {
        unneeded(plan, expanded, found);
        for hop in &expanded.hops {
            same_version(plan, hop, found);
        }
    }
    one_cluster_twice(plan, expanded, found);
    shared_stores(plan, found);
}

/// ` (7.10)`, where the plan asserts it.
fn version_of(plan: &Plan, name: &Address) -> String {
    let version = plan.clusters.get(name).and_then(|cluster| cluster.version);
    version.map_or_else(String::new, |version| format!(" ({version})"))
}

/// A cluster in the middle is not needed when nothing but the hops uses it: old snapshots are read directly.
fn unneeded(plan: &Plan, expanded: &Expanded, found: &mut Vec<Diagnostic>) {
    let (Some(first), Some(last)) = (expanded.hops.first(), expanded.hops.last()) else {
        return;
    };
    let between: Vec<&Address> = expanded.hops[1..].iter().map(|hop| &hop.hop.from).collect();
    let names: Vec<&str> = between.iter().map(|name| name.as_str()).collect();
    let saved = expanded.hops.len() - 1;
    let (from, to) = (&first.hop.from, &last.hop.to);
    let mut diagnostic = Diagnostic::new(
        code::HOP_NOT_NEEDED,
        format!(
            "snapshots of `{from}`{} can be read straight into `{to}`{}, without {}",
            version_of(plan, from),
            version_of(plan, to),
            one_of(names.iter().copied()).replace(" or ", " and ")
        ),
    )
    .at(expanded.hops[1].from);
    for hop in &expanded.hops[2..] {
        diagnostic = diagnostic.related(hop.from, "nor is this one needed");
    }
    let times = match expanded.hops.len() {
        2 => "twice".to_owned(),
        hops => format!("{hops} times"),
    };
    found.push(diagnostic.help(format!(
        "`hops: [{from}, {to}]` saves {}: as it is, every document is written and compared {times}, and {} needed with room for all \
         of them. Where something else wants what stands between (an application that is moved step by step, a way back), \
         `allow: [MIG060]`",
        plural(saved as u64, "hop"),
        if saved == 1 {
            "one more cluster is".to_owned()
        } else {
            format!("{saved} more clusters are")
        }
    )));
}

fn asserted(plan: &Plan, name: &Address) -> Option<(Product, Version)> {
    let cluster = plan.clusters.get(name)?;
    let version = cluster.version?;
    // Bare 1 and 2 are lines of both products; whatever is written to there is OpenSearch.
    Some((cluster.product?, version))
}

/// Whether a hop leads to what is older, or from OpenSearch to Elasticsearch.
fn is_back(from: (Product, Version), to: (Product, Version)) -> bool {
    match (from.0, to.0) {
        (Product::OpenSearch, Product::Elasticsearch) => true,
        (Product::Elasticsearch, Product::OpenSearch) => false,
        _ => to.1.floor() < from.1.floor() && !to.1.matches(from.1),
    }
}

fn backwards(plan: &Plan, hop: &ExpandedHop, found: &mut Vec<Diagnostic>) {
    let Hop { name, from, to } = &hop.hop;
    let (Some(is), Some(becomes)) = (asserted(plan, from), asserted(plan, to)) else {
        return;
    };
    if is_back(is, becomes) {
        found.push(
            Diagnostic::new(
                code::HOP_BACKWARDS,
                format!(
                    "hop `{name}` leads back from {} {} to {} {}",
                    is.0, is.1, becomes.0, becomes.1
                ),
            )
            .at(hop.from)
            .help("write the clusters under `hops` from the oldest to the newest, or give them the versions that they have"),
        );
    }
}

fn same_version(plan: &Plan, hop: &ExpandedHop, found: &mut Vec<Diagnostic>) {
    let Hop { name, from, to } = &hop.hop;
    let (Some(is), Some(becomes)) = (asserted(plan, from), asserted(plan, to)) else {
        return;
    };
    if is == becomes {
        found.push(
            Diagnostic::new(
                code::HOP_OF_ONE_VERSION,
                format!("hop `{name}` is between two clusters of {} {}", is.0, is.1),
            )
            .at(hop.from)
            .help(format!(
                "take `{from}` or `{to}` out of `hops`, or give them the versions that they have"
            )),
        );
    }
}

/// Two names of one address.
fn one_cluster_twice(plan: &Plan, expanded: &Expanded, found: &mut Vec<Diagnostic>) {
    let mut stops: Vec<&Address> = Vec::new();
    if let Some(first) = expanded.hops.first() {
        stops.push(&first.hop.from);
    }
    stops.extend(expanded.hops.iter().map(|hop| &hop.hop.to));
    let at = |name: &Address| match &plan.clusters.get(name)?.at {
        ClusterAt::Endpoint(endpoint) => Some(endpoint.to_ascii_lowercase()),
        ClusterAt::Directory(path) => Some(path.display().to_string()),
    };
    for (index, name) in stops.iter().enumerate() {
        let Some(cluster) = plan.clusters.get(*name) else {
            continue;
        };
        let same = |other: &&&Address| at(other).is_some() && at(other) == at(name);
        let Some(other) = stops[..index].iter().find(same) else {
            continue;
        };
        let mut diagnostic = Diagnostic::new(
            code::HOP_TO_ITSELF,
            format!("`{other}` and `{name}` are one address: the path comes by one cluster twice"),
        )
        .at(cluster.location)
        .help("give each of them an address of its own, or take one out of `hops`");
        if let Some(first) = plan.clusters.get(*other) {
            diagnostic = diagnostic.related(first.location, "the same address");
        }
        found.push(diagnostic);
    }
}

/// Two clusters that write snapshots into one repository know nothing of each other's writes there.
fn shared_stores(plan: &Plan, found: &mut Vec<Diagnostic>) {
    let mut seen: Vec<(&Address, &Address)> = Vec::new();
    let mut told: Vec<&Address> = Vec::new();
    for phase in plan.phases.values() {
        let PhaseSpec::Snapshot(SnapshotSpec::Take { of, to, .. }) = &phase.spec else {
            continue;
        };
        let (cluster, store) = (&of.value, &to.value);
        let other = seen
            .iter()
            .find(|(other, there)| *there == store && *other != cluster);
        if let Some((other, _)) = other
            && !told.contains(&store)
        {
            told.push(store);
            let place = plan
                .stores
                .get(store)
                .map_or(phase.location, |it| it.location);
            found.push(
                Diagnostic::new(
                    code::STORE_OF_SEVERAL,
                    format!("`{other}` and `{cluster}` both write snapshots to `{store}`"),
                )
                .at(place)
                .help(format!(
                    "give each a store of its own, such as `snapshots-{other}` and `snapshots-{cluster}`; in a fragment of hops \
                     `with: {{ store: \"snapshots-${{hop.from}}\" }}` names them"
                )),
            );
        }
        seen.push((cluster, store));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_known() {
        let es = |major, minor| (Product::Elasticsearch, Version::new(major, minor, 0));
        let os = |major, minor| (Product::OpenSearch, Version::new(major, minor, 0));
        for (from, to, back) in [
            (es(5, 6), es(7, 10), false),
            (es(7, 10), os(2, 19), false),
            (es(8, 17), os(1, 3), false),
            (os(2, 19), os(3, 3), false),
            (os(1, 3), es(7, 10), true),
            (es(7, 17), es(6, 8), true),
            (os(3, 0), os(2, 19), true),
            (os(2, 19), os(2, 19), false),
        ] {
            assert_eq!(is_back(from, to), back, "{from:?} {to:?}");
        }
        let whole = (Product::OpenSearch, "2".parse().unwrap());
        assert!(!is_back(os(2, 19), whole));
    }
}
