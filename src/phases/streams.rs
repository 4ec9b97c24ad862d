//! How data streams are taken, for every kind of phase: which of their backing indices a plan means, and where those land.
//!
//! Selectors mean a stream by its own name; its backing indices come along or stay together. As a stream it arrives generation
//! by generation, as indices under names without the dot. Deliberately
//! absent: templates and settings (`metadata`), documents (`backfill`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::common;
use crate::base::version::{Product, ProductVersion};
use crate::clients::target::{Landed, Landing, Target};
use crate::diff::change::LeftOut;
use crate::diff::observation::SnapshotIndexFacts;
use crate::plan::model::DataStreams;
use crate::plan::selector::{LeftOutReason, Selector};

/// Whether a server has data streams: OpenSearch, and Elasticsearch from 7.9 on.
pub(super) fn has_streams(version: ProductVersion) -> bool {
    version.product == Product::OpenSearch || version.version.floor() >= (7, 9, 0)
}

/// What the plan says, or what stands for nothing said; `None`: that can't be told for this target.
pub(super) fn choice(said: Option<DataStreams>, target: ProductVersion) -> Option<DataStreams> {
    match said {
        Some(DataStreams::Streams) | None => has_streams(target).then_some(DataStreams::Streams),
        said => said,
    }
}

/// The data stream in the name of a backing index (`.ds-logs-2026.11.26-000002`, before 7.11 without the day): a snapshot
/// that was taken of indices by their names holds these and no stream.
pub(crate) fn by_name(index: &str) -> Option<String> {
    let digits = |text: &str, count: usize| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (stream, generation) = index.strip_prefix(".ds-")?.rsplit_once('-')?;
    if !digits(generation, 6) {
        return None;
    }
    let without_day = stream.rsplit_once('-').and_then(|(stream, day)| {
        let parts: Vec<&str> = day.split('.').collect();
        let is_day = matches!(parts[..], [year, month, day]
            if digits(year, 4) && digits(month, 2) && digits(day, 2));
        is_day.then_some(stream)
    });
    Some(without_day.unwrap_or(stream).to_owned()).filter(|stream| !stream.is_empty())
}

/// The name of a backing index that becomes an ordinary one: dots in front are for servers.
pub(super) fn ordinary_name(index: &str) -> String {
    index.trim_start_matches('.').to_owned()
}

/// Numbers the generations of each stream that are here. `listed` is the place of an index within its stream where the
/// source tells it; else the number at the end of its name orders it.
pub(super) fn number_generations(
    indices: &mut BTreeMap<String, SnapshotIndexFacts>,
    listed: &BTreeMap<String, usize>,
) {
    let mut streams: BTreeMap<String, Vec<(usize, u64, String)>> = BTreeMap::new();
    for (name, facts) in indices.iter() {
        if let Some(stream) = &facts.data_stream {
            let number = name.rsplit('-').next().and_then(|end| end.parse().ok());
            let place = listed.get(name).copied().unwrap_or(usize::MAX);
            let key = (place, number.unwrap_or(u64::MAX), name.clone());
            streams.entry(stream.clone()).or_default().push(key);
        }
    }
    for mut generations in streams.into_values() {
        generations.sort();
        for (at, (.., name)) in generations.into_iter().enumerate() {
            if let Some(facts) = indices.get_mut(&name) {
                facts.generation = Some(at + 1);
            }
        }
    }
}

/// Whether an index of a live source is chosen: by its own name, or behind a data stream that is.
pub(super) fn takes(selector: &Selector, index: &str) -> bool {
    match selector.left_out(index) {
        None => true,
        Some(LeftOutReason::Excluded(_)) => false,
        Some(_) => by_name(index).is_some_and(|stream| selector.matches(&stream)),
    }
}

/// Why an index is not chosen, in words; `None` when it is. One behind a data stream is chosen with it.
pub(super) fn left_out(
    selector: &Selector,
    choice: Option<DataStreams>,
    (name, facts): (&str, &SnapshotIndexFacts),
) -> Option<LeftOut> {
    let Some(stream) = &facts.data_stream else {
        return common::left_out(selector, "index", name);
    };
    let leave = |reason: String| {
        Some(LeftOut {
            object: "index".to_owned(),
            name: name.to_owned(),
            reason: format!("of data stream {stream}: {reason}"),
        })
    };
    if choice == Some(DataStreams::Skip) {
        return leave("the plan says `data-streams: skip`".to_owned());
    }
    // As an index it can be meant by its own name, too.
    let as_index = choice == Some(DataStreams::Indices);
    match selector.left_out(name) {
        None if as_index => return None,
        Some(LeftOutReason::Excluded(pattern)) if as_index => {
            return leave(format!("excluded by `{pattern}`"));
        }
        _ => {}
    }
    let left_out = common::left_out(selector, "data stream", stream)?;
    leave(left_out.reason)
}

/// Whether an index that earlier phases have yet to make is chosen: of one behind a data stream nothing is known but its name.
pub(super) fn takes_awaited(selector: &Selector, choice: Option<DataStreams>, index: &str) -> bool {
    let facts = SnapshotIndexFacts {
        data_stream: by_name(index),
        ..SnapshotIndexFacts::default()
    };
    left_out(selector, choice, (index, &facts)).is_none()
}

/// Where the indices behind data streams land.
pub(super) fn landings(
    choice: Option<DataStreams>,
    indices: &BTreeMap<String, SnapshotIndexFacts>,
) -> BTreeMap<String, Landing> {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for facts in indices.values() {
        if let (Some(stream), Some(number)) = (&facts.data_stream, facts.generation) {
            let known = last.entry(stream).or_default();
            *known = number.max(*known);
        }
    }
    let mut landings = BTreeMap::new();
    for (name, facts) in indices {
        let (Some(stream), Some(number)) = (&facts.data_stream, facts.generation) else {
            continue;
        };
        let landing = match choice {
            Some(DataStreams::Streams) => Landing::Generation {
                stream: stream.clone(),
                number,
                last: last.get(stream.as_str()) == Some(&number),
            },
            Some(DataStreams::Indices) => Landing::Index(ordinary_name(name)),
            Some(DataStreams::Skip) | None => continue,
        };
        landings.insert(name.clone(), landing);
    }
    landings
}

/// The target, with the indices behind data streams where they land.
pub(super) fn landed(
    target: Arc<dyn Target>,
    choice: Option<DataStreams>,
    indices: &BTreeMap<String, SnapshotIndexFacts>,
) -> Arc<dyn Target> {
    Landed::over(target, landings(choice, indices))
}

/// The streams behind these indices.
pub(super) fn names<'a>(
    indices: impl Iterator<Item = &'a SnapshotIndexFacts>,
) -> BTreeSet<&'a str> {
    indices
        .filter_map(|facts| facts.data_stream.as_deref())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(stream: &str) -> SnapshotIndexFacts {
        SnapshotIndexFacts {
            data_stream: Some(stream.into()),
            ..SnapshotIndexFacts::default()
        }
    }

    #[test]
    fn streams_are_known_by_the_names_of_their_indices() {
        for (index, stream) in [
            (".ds-stream-web-2026.11.26-000001", Some("stream-web")),
            (".ds-stream-web-000002", Some("stream-web")),
            (".ds-logs-2026.11-000002", Some("logs-2026.11")),
            (".ds-logs-1", None),
            (".ds-000001", None),
            ("ds-logs-000001", None),
        ] {
            assert_eq!(by_name(index).as_deref(), stream, "{index}");
        }
    }

    #[test]
    fn generations_are_numbered_by_their_place_in_the_stream_then_by_name() {
        let mut indices: BTreeMap<_, _> = [
            (".ds-logs-000009", "logs"),
            (".ds-logs-000010", "logs"),
            ("old-logs", "logs"),
            (".ds-web-000004", "web"),
        ]
        .map(|(name, stream)| (name.to_owned(), of(stream)))
        .into();
        let listed = [
            ("old-logs", 0),
            (".ds-logs-000009", 1),
            (".ds-logs-000010", 2),
        ];
        let listed = listed.map(|(name, at)| (name.to_owned(), at)).into();
        number_generations(&mut indices, &listed);
        let number = |name: &str| indices[name].generation;
        assert_eq!(number("old-logs"), Some(1));
        assert_eq!(number(".ds-logs-000010"), Some(3));
        assert_eq!(number(".ds-web-000004"), Some(1));
        let landings = landings(Some(DataStreams::Streams), &indices);
        let last = |name: &str| matches!(landings[name], Landing::Generation { last: true, .. });
        assert!(last(".ds-logs-000010") && last(".ds-web-000004"));
        assert!(!last("old-logs"));
    }

    #[test]
    fn a_stream_is_chosen_by_its_name_and_as_indices_by_theirs() {
        let name = ".ds-logs-app-000001";
        let facts = of("logs-app");
        let out = |patterns: &[&str], choice| {
            let selector = Selector::parse(patterns).expect("patterns");
            left_out(&selector, choice, (name, &facts)).map(|it| it.reason)
        };
        let streams = Some(DataStreams::Streams);
        let indices = Some(DataStreams::Indices);
        assert_eq!(out(&["logs-*"], streams), None);
        assert_eq!(out(&["*"], streams), None);
        assert!(out(&[".ds-*"], streams).is_some());
        assert_eq!(out(&[".ds-*"], indices), None);
        assert_eq!(
            out(&["*", "!logs-app"], streams).as_deref(),
            Some("of data stream logs-app: excluded by `!logs-app`")
        );
        assert!(out(&["*", "!.ds-logs-app-000001"], indices).is_some());
        assert!(out(&["*"], Some(DataStreams::Skip)).is_some());
        let selector = Selector::parse(&["logs-*"]).expect("patterns");
        assert!(takes(&selector, name) && !takes(&selector, ".ds-web-000001"));
        // What is still to come is known by its name alone.
        assert!(takes_awaited(&selector, streams, name));
        assert!(!takes_awaited(&selector, Some(DataStreams::Skip), name));
        assert!(!takes_awaited(&selector, streams, ".ds-web-000001"));
    }
}
