//! Sends documents that failed once more, by the same loader.
//!
//! A pass goes over the items that have failed documents: `source` gives those alone, read anew or as they were kept, and
//! `store` notes what became of them in the items' own progress. The order is that of a load: a document is durable on the
//! target, then what failed again is durable in the pass's stream, then the progress says so. So a kill loses nothing and
//! nothing is counted twice; a pass that was killed is gone on with before the next begins. Deliberately absent: whether the
//! target may be written to, and items whose failed documents are told on another machine.

mod source;
mod store;

use std::collections::BTreeMap;

use serde::Serialize;

pub use self::source::NoSource;
use self::source::{Kept, ReadAnew};
use self::store::PassStore;
use super::failed::{self, Seen};
use super::job::{BulkError, Job, Options, Part};
use super::pipeline;
use super::source::DocumentSource;
use super::stop::Stop;
use super::transform::Identity;
use super::work_store::{ItemKey, ItemState};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// What the job's source and transform make of the documents now.
    FromSource,
    /// The requests that were kept. Documents that failed before there was one stay failed.
    AsKept,
}

/// What became of documents that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RetryOutcome {
    /// Whether every one was tried that could be.
    pub finished: bool,
    /// Written now.
    pub written: u64,
    /// The target holds a newer version.
    pub newer_present: u64,
    /// Left out by a transform or by the plan's word.
    pub left_out: u64,
    /// Failed again.
    pub failed_again: u64,
    /// Not tried: their lines are on another machine.
    pub untold: u64,
    /// Still failed, of all that the items know.
    pub failed: u64,
    /// Those by class, as far as they are told.
    pub failed_by_class: BTreeMap<String, u64>,
}

impl RetryOutcome {
    /// Documents that failed and don't any more.
    pub fn arrived(&self) -> u64 {
        self.written + self.newer_present + self.left_out
    }
}

/// Tries all failed documents of the job's indices once; a pass that was killed is finished first.
pub fn run(job: &Job<'_>, again: Again) -> Result<RetryOutcome, BulkError> {
    let mut outcome = RetryOutcome {
        finished: true,
        ..RetryOutcome::default()
    };
    let open = |item: &ItemState| {
        let retried = item.progress.retried.as_ref();
        retried
            .filter(|it| item.progress.failed > 0 && !it.is_through(&item.item.key))
            .map(|it| it.pass)
    };
    // There is one such pass at most: the next begins when none is open.
    let resumed = items(job)?.iter().find_map(open);
    if let Some(pass) = resumed {
        pass_over(
            job,
            again,
            pass,
            |item| open(item) == Some(pass),
            &mut outcome,
        )?;
    }
    if outcome.finished {
        let last = items(job)?
            .iter()
            .filter_map(|it| Some(it.progress.retried.as_ref()?.pass))
            .max();
        let next = last.unwrap_or(0) + 1;
        outcome.failed_again = 0;
        outcome.untold = 0;
        pass_over(
            job,
            again,
            next,
            |item| item.progress.failed > 0,
            &mut outcome,
        )?;
    }
    let items = items(job)?;
    outcome.failed = items.iter().map(|it| it.progress.failed).sum();
    outcome.failed_by_class = failed::classes(&job.options.failed, &items)?;
    Ok(outcome)
}

fn items(job: &Job<'_>) -> Result<Vec<ItemState>, BulkError> {
    let mut items = job.store.items()?;
    items.retain(|it| job.indices.contains_key(&it.item.key.index));
    Ok(items)
}

/// One pass over the items that are chosen.
fn pass_over(
    job: &Job<'_>,
    again: Again,
    pass: u32,
    chosen: impl Fn(&ItemState) -> bool,
    outcome: &mut RetryOutcome,
) -> Result<(), BulkError> {
    let mut wanted: BTreeMap<ItemKey, Vec<u32>> = BTreeMap::new();
    let mut tried = Vec::new();
    for item in items(job)?.into_iter().filter(|it| chosen(it)) {
        let from = match &item.progress.retried {
            Some(retried) if retried.pass == pass => retried.cursor,
            _ => 0,
        };
        let mut docs = Vec::new();
        let seen: Seen = failed::read_item(&job.options.failed, &item, &mut |document| {
            if document.doc >= from {
                docs.push(document.doc);
            }
            Ok(())
        })?;
        if seen.untold() > 0 {
            outcome.untold += seen.failed;
            continue;
        }
        docs.sort_unstable();
        wanted.insert(item.item.key.clone(), docs);
        tried.push(item);
    }
    if tried.is_empty() {
        return Ok(());
    }
    let store = PassStore::new(job.store, pass, tried.clone(), &wanted);
    let anew;
    let kept;
    let source: &dyn DocumentSource = match again {
        Again::FromSource => {
            anew = ReadAnew::new(job.source, wanted);
            &anew
        }
        Again::AsKept => {
            kept = Kept::new(&job.options.failed, tried);
            &kept
        }
    };
    let done = pipeline::run(&Job {
        source,
        target: job.target,
        store: &store,
        transform: match again {
            Again::FromSource => job.transform,
            Again::AsKept => &Identity,
        },
        crew: job.crew,
        part: Part::Helping,
        indices: job.indices.clone(),
        options: Options {
            pass,
            max_failed: None,
            ..job.options.clone()
        },
        check: job.check,
        stop: job.stop,
        progress: job.progress,
    })?;
    if let Some(aside) = done.set_aside.first() {
        return Err(BulkError::SetAside {
            count: done.items_set_aside(),
            items: vec![aside.clone()],
        });
    }
    outcome.finished &= done.finished && (job.stop)() == Stop::No;
    for index in done.indices.values() {
        outcome.written += index.written;
        outcome.newer_present += index.newer_present;
        outcome.left_out += index.dropped + index.skipped;
        outcome.failed_again += index.failed;
    }
    Ok(())
}
