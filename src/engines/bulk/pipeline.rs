//! The course of a load: registers items, lets workers take them, and adds up what became of them.

use std::collections::BTreeMap;
use std::thread;

use super::budget::Budget;
use super::failed;
use super::job::{BulkError, BulkOutcome, IndexOutcome, Job, limits};
use super::source::SegmentKey;
use super::work_store::{ItemState, ItemStatus};
use super::worker::{self, Shared};

/// Loads what is not loaded yet. Returns when all is done, when too much failed, or when asked to stop.
pub fn run(job: &Job<'_>) -> Result<BulkOutcome, BulkError> {
    run_with(job, &Budget::new(job.options.rates))
}

/// As [`run`], with a budget that the caller may change meanwhile.
pub fn run_with(job: &Job<'_>, budget: &Budget) -> Result<BulkOutcome, BulkError> {
    let mut items = job.source.items()?;
    items.retain(|item| job.indices.contains_key(&item.key.index));
    let mut expected = job.source.expected()?;
    expected.retain(|segment, _| job.indices.contains_key(&segment.index));
    job.store.register(&items)?;
    job.store.limit_to(job.indices.keys().cloned().collect())?;
    let states = states(job)?;
    let shared = Shared::new(job, budget, &expected, &states);
    shared.tell(true);
    if shared.open_items() > 0 {
        let workers = job.options.workers.clamp(1, limits::WORKERS);
        thread::scope(|scope| {
            let handles: Vec<_> = (0..workers)
                .map(|number| {
                    let shared = &shared;
                    thread::Builder::new()
                        .stack_size(limits::STACK_BYTES)
                        .spawn_scoped(scope, move || worker::work(shared, number))
                })
                .collect();
            for handle in handles {
                match handle.map(thread::ScopedJoinHandle::join) {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => shared.fail(BulkError::Worker("it panicked".to_owned())),
                    Err(error) => shared.fail(BulkError::Worker(error.to_string())),
                }
            }
        });
    }
    shared.tell(true);
    let too_many_failed = shared.too_many_failed();
    if let Some(error) = shared.into_error() {
        return Err(error);
    }
    outcome(job, &expected, too_many_failed)
}

fn states(job: &Job<'_>) -> Result<Vec<ItemState>, BulkError> {
    let mut states = job.store.items()?;
    states.retain(|state| job.indices.contains_key(&state.item.key.index));
    Ok(states)
}

fn outcome(
    job: &Job<'_>,
    expected: &BTreeMap<SegmentKey, Option<u64>>,
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
    for state in states(job)? {
        let Some(index) = indices.get_mut(&state.item.key.index) else {
            continue;
        };
        index.items += 1;
        index.items_done += u64::from(state.status == ItemStatus::Done);
        index.delivered += state.progress.delivered;
        index.written += state.progress.written;
        index.newer_present += state.progress.newer_present;
        index.dropped += state.progress.dropped;
        index.elsewhere += state.progress.elsewhere;
        for (by, count) in &state.progress.dropped_by {
            *index.dropped_by.entry(by.clone()).or_default() += count;
        }
        index.skipped += state.progress.skipped;
        index.failed += state.progress.failed;
    }
    let failed_by_class = if indices.values().any(|index| index.failed > 0) {
        failed::counts(&job.options.failed)?
    } else {
        BTreeMap::new()
    };
    Ok(BulkOutcome {
        finished: indices
            .values()
            .all(|index| index.items == index.items_done),
        too_many_failed,
        indices,
        failed_by_class,
    })
}
