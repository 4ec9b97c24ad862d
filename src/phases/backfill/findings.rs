//! What stands in the way of an index's documents: that it can't be read, or that they have no source. Pure.

use super::super::common;
use super::super::kind::DecideContext;
use super::super::types;
use super::way;
use crate::diff::change::{Edit, Item};
use crate::diff::observation::{SnapshotIndexFacts, SourceGap, SourceGapKind};
use crate::engines::mapping_types::Route;
use crate::plan::codes::planning::SOURCE_NOT_STORED;
use crate::plan::model::{BackfillSpec, PhaseKindName, Plan, WithoutSource};

/// The questions that have to be answered before documents of an index are written; none where nothing stands in the way.
pub(super) fn questions(spec: &BackfillSpec, name: &str, facts: &SnapshotIndexFacts) -> Vec<Item> {
    let without = format!("indices: [\"*\", \"!{name}\"]");
    let mut items: Vec<Item> = facts
        .unreadable
        .iter()
        .map(|it| {
            let place = match it.shard {
                Some(shard) => format!("shard {shard} of index {name}"),
                None => format!("index {name}"),
            };
            common::question(
                "index",
                name,
                &it.code,
                format!(
                    "{place} can't be moved: {}. Is the index to be left out?",
                    it.what
                ),
                vec![without.clone(), format!("# or mend it: {}", it.mend)],
            )
        })
        .collect();
    if let Some(gap) = undecided(spec.without_source, facts) {
        let question = common::question(
            "index",
            name,
            &SOURCE_NOT_STORED.to_string(),
            format!(
                "index {name} {} ({}). What is to become of its documents?",
                lacks(gap),
                gap.by
            ),
            answers(gap, without),
        );
        items.push(Item {
            edits: lost(gap),
            ..question
        });
    }
    items
}

/// What stands against taking the mapping types of an index, where no metadata phase before asks for it.
pub(super) fn types_question(
    cx: &DecideContext<'_>,
    spec: &BackfillSpec,
    name: &str,
    facts: &SnapshotIndexFacts,
) -> Option<Item> {
    let name = types::of(name, facts);
    let problems = way(cx.plan, spec).choose(name, facts).problems;
    let problem = problems.first()?;
    let asked = cx.earlier.iter().any(|change| {
        let mut items = change.items.iter();
        change.kind == PhaseKindName::Metadata
            && items.any(|it| it.decision.is_some() && it.object == "index" && it.name == name)
    });
    if asked {
        return None;
    }
    let mut answers: Vec<String> = problem
        .answers
        .iter()
        .map(|answer| format!("{answer}; in the metadata phase"))
        .collect();
    answers.push(format!("indices: [\"*\", \"!{name}\"]"));
    let code = types::code(problem).to_string();
    let question = format!(
        "index {name}: {}. What is to become of its documents?",
        problem.what
    );
    Some(common::question("index", name, &code, question, answers))
}

/// The gap that the plan says nothing of, or something that does not fit it.
fn undecided(choice: WithoutSource, facts: &SnapshotIndexFacts) -> Option<&SourceGap> {
    let gap = facts
        .source_gap
        .as_ref()
        .filter(|_| facts.docs != Some(0))?;
    match choice {
        WithoutSource::Skip | WithoutSource::Reconstruct => None,
        WithoutSource::AsStored if gap.kind == SourceGapKind::Reduced => None,
        WithoutSource::AsStored | WithoutSource::Refuse => Some(gap),
    }
}

fn lacks(gap: &SourceGap) -> &'static str {
    match gap.kind {
        SourceGapKind::Disabled => "keeps no _source",
        SourceGapKind::Synthetic | SourceGapKind::Derived => {
            "keeps no _source, the server makes one up when it is asked"
        }
        SourceGapKind::Reduced => "keeps a _source that lacks fields",
    }
}

fn answers(gap: &SourceGap, without: String) -> Vec<String> {
    let mut answers = vec![
        "without-source: reconstruct   # from what the segments hold".to_owned(),
        "without-source: skip   # they are left out and counted".to_owned(),
    ];
    if gap.kind == SourceGapKind::Reduced {
        answers.push("without-source: as-stored   # the source that lacks fields".to_owned());
    }
    answers.push(without);
    answers
}

/// What a source that is made again lacks, or has otherwise, by field; nothing where none is made.
pub(super) fn lost_by(spec: &BackfillSpec, facts: &SnapshotIndexFacts) -> Vec<Edit> {
    match &facts.source_gap {
        Some(gap) if spec.without_source == WithoutSource::Reconstruct => lost(gap),
        _ => Vec::new(),
    }
}

/// Each field with its reason. A document that still has its source as it was sent loses none of them.
fn lost(gap: &SourceGap) -> Vec<Edit> {
    let each = gap.lost.iter().map(|entry| {
        let (field, reason) = entry.split_once(": ").unwrap_or((entry, ""));
        Edit {
            path: field.to_owned(),
            before: None,
            after: None,
            rule: Some(SOURCE_NOT_STORED.to_string()),
            why: reason.to_owned(),
            lossy: true,
        }
    });
    each.collect()
}

/// What is said beside an index whose documents are not all of it, or not as they were sent.
pub(super) fn note(
    plan: &Plan,
    spec: &BackfillSpec,
    name: &str,
    facts: &SnapshotIndexFacts,
) -> Option<String> {
    let mut notes = Vec::new();
    if let Some(route) = way(plan, spec).route(name, facts) {
        notes.extend(of_route(&route));
    }
    for missing in &facts.missing_shards {
        notes.push(format!(
            "without shard {}, which is not in the snapshot: {}",
            missing.shard, missing.reason
        ));
    }
    if let Some(gap) = facts.source_gap.as_ref().filter(|_| facts.docs != Some(0)) {
        let what = match spec.without_source {
            WithoutSource::Refuse => None,
            WithoutSource::Skip => Some("documents without _source are left out".to_owned()),
            WithoutSource::AsStored => Some("the _source that lacks fields is taken".to_owned()),
            WithoutSource::Reconstruct => Some("sources are made again".to_owned()),
        };
        notes.extend(what.map(|what| format!("{what} ({})", gap.by)));
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// How the documents of an index with mapping types are taken.
fn of_route(route: &Route) -> Vec<String> {
    let mut notes = Vec::new();
    let types: Vec<&str> = route.types.iter().map(String::as_str).collect();
    if route.of != route.to {
        let noun = if types.len() == 1 { "type" } else { "types" };
        notes.push(format!("{noun} {} of {}", common::few(&types), route.of));
    }
    if !route.dropped.is_empty() {
        let dropped: Vec<&str> = route.dropped.iter().map(String::as_str).collect();
        notes.push(format!("without type {}", common::few(&dropped)));
    }
    if route.prefix {
        notes.push("each _id becomes type#id".to_owned());
    }
    if let Some(join) = &route.join {
        notes.push(format!("parents in the field {}", join.field));
    }
    if let Some(field) = &route.type_field {
        notes.push(format!("types in the field {field}"));
    }
    notes
}
