//! Data streams of a backfill: documents go into the newest generation alone, so that each is loaded to its end before the
//! stream rolls over to the next one.
//!
//! A kill at any instant is told by the number of generations that the target has: a generation is rolled over to only after
//! every item of the one before it is done, and items of the work store are given out for one generation at a time. That
//! a document is there already is known only within the generation that is loaded.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::super::common;
use super::super::kind::{PerformContext, PhaseError};
use super::choice;
use super::fate::Fate;
use crate::base::{Address, failpoint};
use crate::clients::target::{Landing, Target};
use crate::diff::change::{Action, Item};
use crate::diff::observation::{BackfillObservation, SnapshotIndexFacts};
use crate::plan::codes::documents::STREAM_AHEAD;
use crate::plan::codes::planning::DATA_STREAM;
use crate::plan::model::{BackfillSpec, DataStreams};

/// The stream and the generation of an index, where it is taken as one.
pub(super) fn of<'a>(
    spec: &BackfillSpec,
    observed: &BackfillObservation,
    facts: &'a SnapshotIndexFacts,
) -> Option<(&'a str, usize)> {
    if choice(spec, observed) != Some(DataStreams::Streams) {
        return None;
    }
    Some((facts.data_stream.as_deref()?, facts.generation?))
}

/// What becomes of generations beside each other: where one is written again, all of its stream are, and one that is not
/// complete can't be written while the target has later ones.
pub(super) fn settle(
    spec: &BackfillSpec,
    observed: &BackfillObservation,
    chosen: &[(&str, &SnapshotIndexFacts)],
    fates: &mut [Fate],
) {
    if choice(spec, observed).is_none() {
        for ((_, facts), fate) in chosen.iter().zip(fates.iter_mut()) {
            if facts.data_stream.is_some() {
                *fate = Fate::NoStreams;
            }
        }
        return;
    }
    let again: BTreeSet<&str> = chosen
        .iter()
        .zip(fates.iter())
        .filter(|(_, fate)| matches!(fate, Fate::Again(_)))
        .filter_map(|((_, facts), _)| Some(of(spec, observed, facts)?.0))
        .collect();
    for ((name, facts), fate) in chosen.iter().zip(fates.iter_mut()) {
        let Some((stream, number)) = of(spec, observed, facts) else {
            continue;
        };
        let foreign = matches!(fate, Fate::Foreign(_) | Fate::Absent);
        if again.contains(stream) && !foreign {
            if !matches!(fate, Fate::Again(_)) {
                *fate = Fate::Again("its data stream is written again from its first generation");
            }
            continue;
        }
        let there = observed.streams.get(stream).copied().unwrap_or(0);
        let work = observed.work.as_ref();
        let done = work.and_then(|work| work.complete.get(*name).copied());
        let writes = matches!(fate, Fate::Write | Fate::Resume)
            && done != Some(true)
            && facts.docs != Some(0);
        if writes && there > number {
            *fate = Fate::Ahead(there);
        }
    }
}

/// What is said beside a generation.
pub(super) fn note(
    spec: &BackfillSpec,
    observed: &BackfillObservation,
    facts: &SnapshotIndexFacts,
) -> Option<String> {
    let (stream, number) = of(spec, observed, facts)?;
    let all = observed.source.values();
    let all = all.filter(|other| other.data_stream.as_deref() == Some(stream));
    Some(format!(
        "created through data stream {stream}, generation {number} of {}; versions begin anew there",
        all.count()
    ))
}

/// What is asked where a generation can't be written.
pub(super) fn question(
    spec: &BackfillSpec,
    name: &str,
    facts: &SnapshotIndexFacts,
    fate: &Fate,
) -> Option<Item> {
    let stream = facts.data_stream.as_deref()?;
    let to = &spec.to.value;
    let (code, question, first) = match fate {
        Fate::Ahead(there) => (
            STREAM_AHEAD,
            format!(
                "data stream {stream} on {to} has {there} generations, and documents of {name}, generation {} of the source, are still \
                 to be written: they would go to the newest one. What is to become of them?",
                facts.generation.unwrap_or(0)
            ),
            "# stop what rolls it over, then load it anew: mig apply --redo with the name of this phase",
        ),
        Fate::NoStreams => (
            DATA_STREAM,
            format!("{to} has no data streams. How is {stream} to be taken, which {name} is of?"),
            "# or another target",
        ),
        _ => return None,
    };
    let answers = vec![
        first.to_owned(),
        "data-streams: indices   # of the metadata phase, too".to_owned(),
        format!("indices: [\"*\", \"!{stream}\"]"),
    ];
    Some(common::question(
        "index",
        name,
        &code.to_string(),
        question,
        answers,
    ))
}

/// The indices of a load in the order of their turns: all ordinary ones and first generations, then second ones, and so on.
pub(super) fn turns(
    chosen: &BTreeMap<String, Action>,
    landings: &BTreeMap<String, Landing>,
) -> Vec<BTreeMap<String, Action>> {
    let mut turns: BTreeMap<usize, BTreeMap<String, Action>> = BTreeMap::new();
    for (name, action) in chosen {
        let turn = match landings.get(name) {
            Some(Landing::Generation { number, .. }) => *number,
            _ => 1,
        };
        turns.entry(turn).or_default().insert(name.clone(), *action);
    }
    turns.into_values().collect()
}

/// Has the stream roll over to a generation, once and only after the one before it; says whether it is a first one.
pub(super) fn reach(
    cx: &PerformContext<'_>,
    target: &dyn Target,
    on: &Address,
    landing: Option<&Landing>,
) -> Result<bool, PhaseError> {
    let Some(Landing::Generation { stream, number, .. }) = landing else {
        return Ok(true);
    };
    let error = |error| common::target_error(on, &error);
    let found = target.stream(stream).map_err(error)?;
    let Some(found) = found else {
        return Err(PhaseError::Stale(format!(
            "data stream {stream} is not on {on} any more"
        )));
    };
    let have = found.indices.len();
    if have + 1 < *number {
        return Err(PhaseError::Stale(format!(
            "data stream {stream} on {on} has {have} generations where {} were loaded",
            number - 1
        )));
    }
    if have + 1 == *number {
        let detail = json!({"generations": have});
        (cx.announce)(common::effect_with(on, "roll-over", stream, detail))?;
        failpoint::hit("backfill.roll-over.before");
        target.roll_over(stream, have).map_err(error)?;
        failpoint::hit("backfill.roll-over.after");
    }
    Ok(*number == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_take_turns_and_all_else_goes_first() {
        let landing = |number| Landing::Generation {
            stream: "logs".into(),
            number,
            last: number == 3,
        };
        let landings = [("g1", 1), ("g2", 2), ("g3", 3)];
        let landings: BTreeMap<_, _> = landings
            .map(|(name, number)| (name.to_owned(), landing(number)))
            .into();
        let chosen = ["a", "g1", "g2", "g3", "z"].map(|name| (name.to_owned(), Action::Run));
        let turns = turns(&chosen.into(), &landings);
        let names: Vec<Vec<&str>> = turns
            .iter()
            .map(|turn| turn.keys().map(String::as_str).collect())
            .collect();
        assert_eq!(names, [vec!["a", "g1", "z"], vec!["g2"], vec!["g3"]]);
    }
}
