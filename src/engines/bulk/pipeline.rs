//! The course of a load: registers items, lets workers take them, and adds up what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use super::budget::{Budget, Takes};
use super::crew;
use super::failed;
use super::heat::Heat;
use super::job::{BulkError, BulkOutcome, IndexOutcome, ItemSetAside, Job, Part, limits};
use super::source::{DocumentSource, SegmentKey};
use super::work_store::{ItemState, ItemStatus, WorkStore};
use super::worker::Shared;

/// Loads what is not loaded yet. Returns when all is done, when too much failed, or when asked to stop.
pub fn run(job: &Job<'_>) -> Result<BulkOutcome, BulkError> {
    let meter = Arc::clone(&job.options.meter);
    run_with(job, &Budget::measured(job.options.rates, meter))
}

/// As [`run`], with a budget that the caller may change meanwhile.
pub fn run_with(job: &Job<'_>, budget: &Budget) -> Result<BulkOutcome, BulkError> {
    let mut expected = job.source.expected()?;
    expected.retain(|segment, _| job.indices.contains_key(&segment.index));
    if job.part == Part::Whole {
        register(job.source, job.store, &job.indices)?;
    }
    job.store.limit_to(job.indices.keys().cloned().collect())?;
    let begun = states(job)?;
    let shared = Shared::new(job, budget, &expected, &begun);
    shared.tell(true);
    let heat = Heat::default();
    if shared.open_items() > 0 {
        budget.meet(Takes {
            pushes_back: job.target.capabilities().pushes_back,
            request_bytes: request_bytes(job),
        });
        thread::scope(|scope| {
            let looks =
                thread::Builder::new().spawn_scoped(scope, || heat.watch(job.target, budget));
            if let Err(error) = looks {
                shared.fail(BulkError::Worker(error.to_string()));
            }
            crew::work(&shared);
            heat.end();
        });
    }
    shared.tell(true);
    let too_many_failed = shared.too_many_failed();
    shared.error()?;
    let ended = states(job)?;
    let mut outcome = outcome(job, &expected, &ended, too_many_failed)?;
    if job.part == Part::Whole {
        // Others may have done what this process did not see.
        shared.segments().check_rest(&ended)?;
        outcome.finished &= shared.segments().all_checked(&ended);
    }
    outcome.cpu_unknown = heat.is_unknown();
    Ok(outcome)
}

/// Notes the work items of these indices, as far as they are not noted yet.
pub fn register(
    source: &dyn DocumentSource,
    store: &dyn WorkStore,
    indices: &BTreeMap<String, Option<String>>,
) -> Result<(), BulkError> {
    let mut items = source.items()?;
    items.retain(|item| indices.contains_key(&item.key.index));
    store.register(&items)?;
    Ok(())
}

/// The largest request, and so the largest document, that the target takes.
fn request_bytes(job: &Job<'_>) -> usize {
    let told = job.target.request_bytes();
    told.unwrap_or(limits::DOCUMENT_BYTES)
}

fn states(job: &Job<'_>) -> Result<Vec<ItemState>, BulkError> {
    let mut states = job.store.items()?;
    states.retain(|state| job.indices.contains_key(&state.item.key.index));
    Ok(states)
}

fn outcome(
    job: &Job<'_>,
    expected: &BTreeMap<SegmentKey, Option<u64>>,
    states: &[ItemState],
    too_many_failed: bool,
) -> Result<BulkOutcome, BulkError> {
    let mut indices: BTreeMap<String, IndexOutcome> = job
        .indices
        .keys()
        .map(|name| {
            let start = IndexOutcome {
                expected: Some(0),
                ..IndexOutcome::default()
            };
            (name.clone(), start)
        })
        .collect();
    for (segment, count) in expected {
        if let Some(index) = indices.get_mut(&segment.index) {
            index.expected = index.expected.zip(*count).map(|(sum, count)| sum + count);
        }
    }
    let mut set_aside = Vec::new();
    for state in states {
        let Some(index) = indices.get_mut(&state.item.key.index) else {
            continue;
        };
        index.items += 1;
        index.items_done += u64::from(state.status == ItemStatus::Done);
        if let ItemStatus::SetAside { reason } = &state.status {
            index.items_set_aside += 1;
            if set_aside.len() < limits::SET_ASIDE_TOLD {
                set_aside.push(ItemSetAside {
                    item: state.item.key.to_string(),
                    reason: reason.clone(),
                });
            }
        }
        index.delivered += state.progress.delivered;
        index.written += state.progress.written;
        index.newer_present += state.progress.newer_present;
        index.deleted += state.progress.deleted;
        index.dropped += state.progress.dropped;
        index.elsewhere += state.progress.elsewhere;
        for (by, count) in &state.progress.dropped_by {
            *index.dropped_by.entry(by.clone()).or_default() += count;
        }
        index.skipped += state.progress.skipped;
        index.failed += state.progress.failed;
    }
    let failed_by_class = if indices.values().any(|index| index.failed > 0) {
        let known = |state: &&ItemState| indices.contains_key(&state.item.key.index);
        failed::classes(&job.options.failed, states.iter().filter(known))?
    } else {
        BTreeMap::new()
    };
    Ok(BulkOutcome {
        finished: indices
            .values()
            .all(|index| index.items == index.items_done),
        too_many_failed,
        cpu_unknown: false,
        indices,
        failed_by_class,
        set_aside,
    })
}
