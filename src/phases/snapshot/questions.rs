//! What stands in the way of a snapshot, as questions for a person. Pure.

use super::super::common;
use super::super::kind::DecideContext;
use super::decide::Spec;
use super::found::UNUSABLE;
use super::intent::Take;
use super::repository;
use crate::base::version::{Product, ProductVersion};
use crate::diff::change::Item;
use crate::diff::observation::LiveSource;

/// Whether a server takes snapshots of closed indices. That came with their replication, in Elasticsearch 7.2.
fn takes_closed(version: ProductVersion) -> bool {
    version.product == Product::OpenSearch || version.version.floor() >= (7, 2, 0)
}

/// What stands in the way, one question each. `filled`: whether earlier phases have yet to write to the cluster.
pub(super) fn questions(
    cx: &DecideContext<'_>,
    spec: &Spec<'_>,
    source: &LiveSource,
    take: &Take,
    filled: bool,
) -> Vec<Item> {
    let mut items = Vec::new();
    let mut ask = |object: &str, name: &str, question: String, answers: Vec<String>| {
        items.push(common::question(object, name, UNUSABLE, question, answers));
    };
    if take.indices.is_empty() && !filled {
        ask(
            "cluster",
            spec.of.as_str(),
            format!(
                "no index of {} is chosen by `indices`. Which are to be taken?",
                spec.of
            ),
            vec!["indices: [\"*\"]".to_owned()],
        );
    }
    for name in &take.indices {
        if source.indices.get(name).is_some_and(|facts| facts.red) {
            ask(
                "index",
                name,
                format!(
                    "index {name} has a shard without a primary on {}: a snapshot can't be complete. Is it to be left out?",
                    spec.of
                ),
                vec![
                    format!("indices: [\"*\", \"!{name}\"]"),
                    "# or mend it: GET _cluster/allocation/explain tells why".to_owned(),
                ],
            );
        }
    }
    if !source.version.is_none_or(takes_closed) {
        let is_closed = |name: &&String| source.indices.get(*name).is_some_and(|it| it.closed);
        for name in take.indices.iter().filter(is_closed) {
            ask(
                "index",
                name,
                format!(
                    "index {name} is closed on {}, and a server before Elasticsearch 7.2 takes no snapshot of a closed index. Is it to be left out?",
                    spec.of
                ),
                vec![
                    format!("indices: [\"*\", \"!{name}\"]"),
                    format!(
                        "# or open it: POST {name}/_open, and close it on the target afterwards"
                    ),
                ],
            );
        }
    }
    let repository = &source.repository;
    if let (Some(registered), Some(place)) =
        (&source.registered, repository::place(cx.plan, spec.to))
    {
        let effects = common::record(cx.state, &cx.phase.address)
            .map(|record| record.effects.as_slice())
            .unwrap_or_default();
        if let Some(what) = repository::foreign(registered, &place, effects) {
            ask(
                "repository",
                repository,
                format!(
                    "a repository `{repository}` is registered on {} already, {what}, and mig did not do it. Whose is it?",
                    spec.of
                ),
                vec![
                    "plan: another-name".to_owned(),
                    format!("# or remove it: DELETE _snapshot/{repository} (its snapshots stay)"),
                ],
            );
        }
    }
    if let Some(other) = &source.same_place {
        ask(
            "repository",
            other,
            format!(
                "the directory of store {} is registered on {} as `{other}` too, and two ways into one repository can damage it. Where is the snapshot to go?",
                spec.to, spec.of
            ),
            vec![
                format!(
                    "{}: {{ directory: /another/directory }}   # under stores",
                    spec.to
                ),
                format!("# or remove it: DELETE _snapshot/{other} (its snapshots stay)"),
            ],
        );
    }
    items
}
