//! Keeps what a run records of itself beside the state, every few seconds, on a thread of its own: a store that is slow or away
//! holds up no document. Losing it loses no work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::apply::event::Event;
use crate::apply::recording::{self, Recorder};
use crate::state::Artifacts;

/// Time between two writings.
const EVERY: Duration = Duration::from_secs(10);

/// The record of a run.
pub(super) struct Recording<'a> {
    recorder: Mutex<Recorder>,
    artifacts: &'a dyn Artifacts,
    name: String,
}

impl<'a> Recording<'a> {
    /// `first_entry` is the number that the run's first entry in the journal will have.
    pub(super) fn new(recorder: Recorder, artifacts: &'a dyn Artifacts, first_entry: u64) -> Self {
        Self {
            recorder: Mutex::new(recorder),
            artifacts,
            name: recording::name(first_entry),
        }
    }

    /// Takes an event of the run.
    pub(super) fn take(&self, event: &Event, at: Timestamp) {
        self.recorder().take(event, at);
    }

    /// Does the work, and keeps the record meanwhile and at its end. Where that could not be kept at the end: why.
    pub(super) fn while_doing<T>(&self, work: impl FnOnce() -> T) -> (T, Option<String>) {
        let ended = AtomicBool::new(false);
        let done = std::thread::scope(|scope| {
            let keeper = scope.spawn(|| {
                while !ended.load(Ordering::SeqCst) {
                    if let Err(error) = self.put() {
                        tracing::debug!(error, "the record of the run could not be kept");
                    }
                    std::thread::park_timeout(EVERY);
                }
            });
            let done = work();
            ended.store(true, Ordering::SeqCst);
            keeper.thread().unpark();
            done
        });
        (done, self.put().err())
    }

    fn put(&self) -> Result<(), String> {
        let record = self.recorder().record();
        let bytes = serde_json::to_vec(&record).map_err(|error| error.to_string())?;
        let put = self.artifacts.put(&self.name, &bytes);
        put.map_err(|error| error.to_string())
    }

    fn recorder(&self) -> std::sync::MutexGuard<'_, Recorder> {
        // Plain values, which a panic elsewhere leaves whole.
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
