//! The documents of one item on their way: read, transformed, gathered, written, checkpointed.

use std::collections::BTreeMap;
use std::time::Instant;

use super::failed::{BY_TRANSFORM, FailedStream, Failure};
use super::job::BulkError;
use super::source::{Change, SourceDocument, Step, StepError, VisitStopped};
use super::stop::Stop;
use super::transform::{DocumentView, Scratch, Transformed};
use super::work_store::{ItemProgress, Lease, WorkError};
use super::worker::{Shared, lease};
use crate::base::failpoint;
use crate::clients::target::batch::{Action, write_action};
use crate::clients::target::{Batch, PartKey, PartWriter, Settled};

/// Memory that an empty batch keeps beyond the size of a batch.
const SPARE_BYTES: usize = 1 << 20;

/// Bytes of an action line but for the names in it, and of a version.
const ACTION_BYTES: usize = 128;
/// Bytes that one byte of a name takes at most in JSON.
const ESCAPED_BYTES: usize = 6;

/// How work on an item ended.
pub(super) enum End {
    /// The item is done.
    Done,
    /// It was given back, with its progress.
    Stopped,
}

/// Why a document was not taken.
enum Halt {
    Error(BulkError),
    Stopped,
}

/// One item being worked on.
pub(super) struct ItemRun<'a> {
    shared: &'a Shared<'a>,
    lease: &'a Lease,
    /// Of the worker.
    number: u32,
    writer: Box<dyn PartWriter>,
    names_index: bool,
    failed: FailedStream,
    batch: Batch,
    scratch: Scratch,
    /// What is noted in the work store.
    noted: ItemProgress,
    /// What will be noted at the next checkpoint.
    ahead: ItemProgress,
    /// Classes of those that failed and are not noted yet.
    classes: BTreeMap<String, u64>,
    checkpointed: Instant,
    /// When the lease was last made longer.
    renewed: Instant,
}

impl<'a> ItemRun<'a> {
    pub(super) fn new(
        shared: &'a Shared<'a>,
        lease: &'a Lease,
        number: u32,
    ) -> Result<Self, BulkError> {
        let key = &lease.item.key;
        let part = PartKey {
            index: key.index.clone(),
            part: shared.job.options.part_of(key),
        };
        let uuid = shared
            .job
            .indices
            .get(&key.index)
            .and_then(Option::as_deref);
        let progress = &lease.progress;
        shared.rest_after_deletes(key);
        (shared.job.check)(&key.index)?;
        failpoint::hit("bulk-item-taken");
        let writer = shared
            .job
            .target
            .open_part(&part, uuid, progress.mark.as_ref())?;
        let failed = FailedStream::open(
            &shared.job.options,
            key,
            progress.failed_bytes,
            lease.attempt,
        )?;
        Ok(Self {
            shared,
            lease,
            number,
            names_index: writer.names_index(),
            writer,
            failed,
            batch: Batch::default(),
            scratch: Scratch::default(),
            noted: progress.clone(),
            ahead: progress.clone(),
            classes: BTreeMap::new(),
            checkpointed: Instant::now(),
            renewed: Instant::now(),
        })
    }

    pub(super) fn run(mut self) -> Result<End, BulkError> {
        let key = &self.lease.item.key;
        let from = self.noted.cursor.max(key.from);
        let mut reader = self.shared.job.source.open(key, from)?;
        loop {
            match self.shared.stop_of(self.number) {
                Stop::No => {}
                Stop::Drain => {
                    self.checkpoint()?;
                    self.shared.job.store.release(self.lease, &self.noted)?;
                    return Ok(End::Stopped);
                }
                Stop::Now => return self.give_back(),
            }
            let mut halt = None;
            // No more than a batch, so that a slow load comes to a checkpoint in time, too.
            let docs = u32::try_from(self.shared.budget.batch_docs()).unwrap_or(u32::MAX);
            let step = reader.step(docs, &mut |document| {
                self.take(document).map_err(|cause| {
                    halt = Some(cause);
                    VisitStopped
                })
            });
            match (step, halt) {
                (_, Some(Halt::Error(error))) => return Err(error),
                (_, Some(Halt::Stopped)) | (Err(StepError::Stopped), None) => {
                    return self.give_back();
                }
                (Err(StepError::Source(error)), None) => return Err(error.into()),
                (Ok(None), None) => break,
                (Ok(Some(step)), None) => self.stepped(step)?,
            }
        }
        self.finish()
    }

    /// Stops without making more durable: what is noted is what counts.
    fn give_back(self) -> Result<End, BulkError> {
        match self.shared.job.store.release(self.lease, &self.noted) {
            // A target that is down is not waited for: the lease ends by itself, or with the next run.
            Ok(()) | Err(WorkError::Target(_)) => Ok(End::Stopped),
            Err(error) => Err(error.into()),
        }
    }

    fn stepped(&mut self, step: Step) -> Result<(), BulkError> {
        self.ahead.cursor = step.next;
        self.ahead.delivered += step.delivered;
        self.ahead.elsewhere += step.elsewhere;
        self.ahead.dropped += step.dropped;
        self.ahead.bytes_read += step.bytes;
        if let Some(proof) = step.proof {
            let source = self.shared.job.source;
            source.fold(&self.lease.item.key, &mut self.ahead.proofs, proof);
        }
        self.shared
            .count(step.delivered - step.elsewhere, 0, step.bytes);
        self.shared.tell(false);
        if self.checkpointed.elapsed() >= self.shared.job.options.checkpoint_every {
            self.checkpoint()?;
        }
        Ok(())
    }

    fn take(&mut self, document: SourceDocument<'_>) -> Result<(), Halt> {
        let key = &self.lease.item.key;
        if document.change == Change::Removed {
            return self.delete(&document);
        }
        let source = match document.source {
            Ok(source) => source,
            // What was written before must not stay where it would not be written now.
            Err(unusable) if unusable.skip && document.change == Change::Replaces => {
                return self.delete(&document);
            }
            Err(unusable) if unusable.skip => {
                self.ahead.skipped += 1;
                return Ok(());
            }
            Err(unusable) => {
                let failure = (unusable.class, unusable.reason, unusable.raw);
                return self.refuse(&document, failure);
            }
        };
        let view = DocumentView {
            index: &key.index,
            id: document.id,
            routing: document.routing,
            source,
        };
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let taken = match self.shared.job.transform.apply(view, &mut scratch) {
            Transformed::Write(view) => self.push(&document, view),
            Transformed::Drop { .. } if document.change == Change::Replaces => {
                self.delete(&document)
            }
            Transformed::Drop { by } => {
                self.ahead.dropped += 1;
                match self.ahead.dropped_by.get_mut(by) {
                    Some(count) => *count += 1,
                    None => drop(self.ahead.dropped_by.insert(by.to_owned(), 1)),
                }
                Ok(())
            }
            Transformed::Fail { reason } => self.refuse(&document, (BY_TRANSFORM, reason, source)),
        };
        self.scratch = scratch;
        taken
    }

    fn push(&mut self, document: &SourceDocument<'_>, view: DocumentView<'_>) -> Result<(), Halt> {
        let budget = self.shared.budget;
        let most = budget.request_bytes();
        let bound = view.source.len() + self.bound_of_action(view);
        if bound > most {
            let mut line = Vec::new();
            write_action(&mut line, action(self, document, view));
            let size = line.len() + view.source.len() + 1;
            if size > most {
                let reason = format!(
                    "it takes {size} bytes of a request, and the target takes {most} in one (`http.max_content_length`)"
                );
                return self.refuse(document, ("document-too-large", &reason, view.source));
            }
        }
        let batch_bytes = budget.batch_bytes();
        if !self.batch.is_empty() && self.batch.bytes() + bound > batch_bytes {
            self.send()?;
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.push(document.doc, action(self, document, view), view.source);
        self.batch = batch;
        if document.change == Change::Replaces {
            self.batch.last_replaces();
        }
        self.send_if_full()
    }

    /// Deletes a document of an earlier load, unless the target holds a newer one.
    fn delete(&mut self, document: &SourceDocument<'_>) -> Result<(), Halt> {
        let options = &self.shared.job.options;
        let action = Action {
            index: Some(self.lease.item.key.index.as_str()).filter(|_| self.names_index),
            id: document.id,
            routing: document.routing,
            version: document.version.filter(|_| options.keep_versions),
            create: false,
            delete: true,
        };
        self.batch.push_deletion(document.doc, action);
        self.send_if_full()
    }

    fn send_if_full(&mut self) -> Result<(), Halt> {
        let budget = self.shared.budget;
        let docs = self.shared.job.options.batch_docs.min(budget.batch_docs());
        if self.batch.bytes() >= budget.batch_bytes() || self.batch.documents().len() >= docs {
            self.send()?;
        }
        Ok(())
    }

    /// What an action line takes at most, with both line ends.
    fn bound_of_action(&self, view: DocumentView<'_>) -> usize {
        let index = self.writer.written_as().map_or(view.index, |it| &it.index);
        let names = index.len() + view.id.len() + view.routing.map_or(0, str::len);
        names * ESCAPED_BYTES + ACTION_BYTES
    }

    fn refuse(
        &mut self,
        document: &SourceDocument<'_>,
        (class, reason, raw): (&str, &str, &[u8]),
    ) -> Result<(), Halt> {
        let key = &self.lease.item.key;
        let mut request = Vec::with_capacity(raw.len() + 128);
        let written_as = self.writer.written_as();
        let create = written_as.is_some_and(|it| it.create);
        let action = Action {
            index: Some(written_as.map_or(key.index.as_str(), |it| it.index.as_str())),
            id: document.id,
            routing: document.routing,
            version: document
                .version
                .filter(|_| self.shared.job.options.keep_versions && !create),
            create,
            delete: false,
        };
        write_action(&mut request, action);
        request.extend_from_slice(raw);
        let failure = Failure {
            doc: document.doc,
            id: document.id,
            routing: document.routing,
            class,
            reason,
            request: &request,
        };
        self.failed.add(key, &failure).map_err(Halt::Error)?;
        *self.classes.entry(class.to_owned()).or_default() += 1;
        self.ahead.failed += 1;
        self.shared.count(0, 1, 0);
        Ok(())
    }

    fn send(&mut self) -> Result<(), Halt> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.renew().map_err(Halt::Error)?;
        let docs = self.batch.documents().len() as u64;
        let bytes = self.batch.bytes() as u64;
        let shared = self.shared;
        if !self
            .wait_for(self.writer.capacity().saturating_sub(1))
            .map_err(Halt::Error)?
        {
            return Err(Halt::Stopped);
        }
        let permit = shared
            .budget
            .acquire(docs, bytes, &|| shared.stop())
            .ok_or(Halt::Stopped)?;
        let batch = std::mem::take(&mut self.batch);
        let mut batch = self
            .writer
            .submit(batch, Box::new(permit))
            .map_err(|error| Halt::Error(error.into()))?;
        batch.clear(self.shared.budget.batch_bytes() + SPARE_BYTES);
        self.batch = batch;
        Ok(())
    }

    /// Keeps the lease while a step lasts, which a slow limit makes longer than a lease.
    fn renew(&mut self) -> Result<(), BulkError> {
        // A delete undoes what somebody else wrote who has the item by now.
        if self.lease.item.key.removes().is_some() || self.renewed.elapsed() >= lease() / 4 {
            let store = self.shared.job.store;
            store.checkpoint(self.lease, &self.noted, Shared::lease_end(store.now()))?;
            self.renewed = Instant::now();
        }
        Ok(())
    }

    /// Waits until so many batches of the part are on their way at most; `false` when asked to stop at once.
    fn wait_for(&mut self, on_their_way: usize) -> Result<bool, BulkError> {
        while !self.writer.ready(on_their_way)? {
            if self.shared.stop() == Stop::Now {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn settle(&mut self, settled: &Settled) -> Result<(), BulkError> {
        self.ahead.written += settled.written;
        self.ahead.newer_present += settled.newer_present;
        self.ahead.deleted += settled.deleted;
        for refused in &settled.failed {
            let failure = Failure {
                doc: refused.doc,
                id: &refused.id,
                routing: None,
                class: &refused.class,
                reason: &refused.reason,
                request: &refused.request,
            };
            self.failed.add(&self.lease.item.key, &failure)?;
            *self.classes.entry(refused.class.clone()).or_default() += 1;
            self.ahead.failed += 1;
            self.shared.count(0, 1, 0);
        }
        self.ahead.failed_bytes = self.failed.sync()?;
        Ok(())
    }

    /// What is not noted does not count.
    fn forget_ahead(&mut self) {
        self.ahead = self.noted.clone();
        self.classes.clear();
    }

    /// Makes everything so far durable and notes it: the data first.
    fn checkpoint(&mut self) -> Result<(), BulkError> {
        match self.send() {
            Ok(()) => {}
            // Asked to stop at once while draining: what was noted before stays.
            Err(Halt::Stopped) => {
                self.forget_ahead();
                return Ok(());
            }
            Err(Halt::Error(error)) => return Err(error),
        }
        if !self.wait_for(0)? {
            self.forget_ahead();
            return Ok(());
        }
        let (mark, settled) = self.writer.checkpoint()?;
        self.settle(&settled)?;
        self.ahead.mark = Some(mark);
        failpoint::hit("bulk-before-checkpoint");
        let store = self.shared.job.store;
        store.checkpoint(self.lease, &self.ahead, Shared::lease_end(store.now()))?;
        failpoint::hit("bulk-after-checkpoint");
        let classes = std::mem::take(&mut self.classes);
        let index = &self.lease.item.key.index;
        let meter = &self.shared.job.options.meter;
        meter.noted(index, &self.noted, &self.ahead, &classes);
        self.noted = self.ahead.clone();
        self.checkpointed = Instant::now();
        self.renewed = self.checkpointed;
        Ok(())
    }

    fn finish(mut self) -> Result<End, BulkError> {
        match self.send() {
            Ok(()) => {}
            Err(Halt::Stopped) => return self.give_back(),
            Err(Halt::Error(error)) => return Err(error),
        }
        if !self.wait_for(0)? {
            return self.give_back();
        }
        // What became of every document is known before the part is closed.
        let (mark, settled) = self.writer.checkpoint()?;
        self.settle(&settled)?;
        self.ahead.mark = Some(mark);
        self.ahead.cursor = self.lease.item.key.to;
        let Self {
            shared,
            lease,
            writer,
            noted,
            ahead,
            classes,
            ..
        } = self;
        failpoint::hit("bulk-before-finish");
        writer.finish()?;
        failpoint::hit("bulk-before-complete");
        shared.complete(lease, &ahead)?;
        let meter = &shared.job.options.meter;
        meter.noted(&lease.item.key.index, &noted, &ahead, &classes);
        failpoint::hit("bulk-after-complete");
        shared.tell(false);
        Ok(End::Done)
    }
}

/// The action line of a document that is written.
fn action<'v>(
    run: &'v ItemRun<'_>,
    document: &SourceDocument<'_>,
    view: DocumentView<'v>,
) -> Action<'v> {
    let keep_versions = run.shared.job.options.keep_versions;
    let written_as = run.writer.written_as();
    let create = written_as.is_some_and(|it| it.create);
    let index = written_as.map_or(view.index, |it| it.index.as_str());
    Action {
        index: Some(index).filter(|_| run.names_index),
        id: view.id,
        routing: view.routing,
        version: document.version.filter(|_| keep_versions && !create),
        create,
        delete: false,
    }
}
