//! What stands in the way of an index's documents: that it can't be read, or that they have no source. Pure.

use super::super::common;
use crate::diff::change::Item;
use crate::diff::observation::{SnapshotIndexFacts, SourceGap, SourceGapKind};
use crate::plan::codes::planning::SOURCE_NOT_STORED;
use crate::plan::model::{BackfillSpec, WithoutSource};

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
        items.push(common::question(
            "index",
            name,
            &SOURCE_NOT_STORED.to_string(),
            format!(
                "index {name} {} ({}). What is to become of its documents?",
                lacks(gap),
                gap.by
            ),
            answers(gap, without),
        ));
    }
    items
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

/// What is said beside an index whose documents are not all of it, or not as they were sent.
pub(super) fn note(spec: &BackfillSpec, facts: &SnapshotIndexFacts) -> Option<String> {
    let mut notes = Vec::new();
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
            WithoutSource::Reconstruct if gap.lost.is_empty() => {
                Some("sources are made again".to_owned())
            }
            WithoutSource::Reconstruct => {
                let lost: Vec<&str> = gap.lost.iter().map(String::as_str).collect();
                Some(format!(
                    "sources are made again, where only segments have them without {}",
                    common::few(&lost)
                ))
            }
        };
        notes.extend(what.map(|what| format!("{what} ({})", gap.by)));
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}
