//! Reads the partitions of both sides by several threads. What is done with the documents is the caller's.

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::compare::{Comparison, VerifyError, VerifyProgress, limits};
use super::side::{DocumentSide, Fault, SideDocument};
use crate::clients::target::Partition;
use crate::engines::bulk::{self, Stop};

/// Documents between two looks whether to stop.
const LOOK_EVERY: u32 = 1024;
/// Time between two tellings of progress.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Which side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Source,
    Target,
}

impl Which {
    pub(super) fn number(self) -> usize {
        match self {
            Self::Source => 0,
            Self::Target => 1,
        }
    }

    pub(super) fn of<'a>(self, comparison: &Comparison<'a>) -> &'a dyn DocumentSide {
        match self {
            Self::Source => comparison.source,
            Self::Target => comparison.target,
        }
    }

    /// The source of a document, or what stands for one that its side does not keep: never equal to anything of the other
    /// side.
    pub(super) fn or_no_source(self, source: &[u8]) -> &[u8] {
        match self {
            _ if !source.is_empty() => source,
            Self::Source => b"\0no source on the source",
            Self::Target => b"\0no source on the target",
        }
    }

    pub(super) fn error(self, error: super::SideError) -> VerifyError {
        match self {
            Self::Source => VerifyError::Source(error),
            Self::Target => VerifyError::Target(error),
        }
    }
}

/// A partition to read.
pub(super) type Task = (Which, Partition);

/// What one thread does with documents.
pub(super) trait Collect {
    /// Takes a document.
    fn document(&mut self, which: Which, document: &SideDocument<'_>);
    /// The partition was read to its end: what was taken counts.
    fn done(&mut self, task: &Task) -> Result<(), VerifyError>;
    /// The partition was broken off: what was taken does not count.
    fn broken_off(&mut self);
}

/// Bytes and documents over the whole comparison.
pub(super) struct Meter<'a> {
    pub(super) comparison: &'a Comparison<'a>,
    pub(super) bytes_done: AtomicU64,
    pub(super) bytes_total: AtomicU64,
    pub(super) docs: [AtomicU64; 2],
    told: Mutex<Instant>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(comparison: &'a Comparison<'a>) -> Self {
        Self {
            comparison,
            bytes_done: AtomicU64::new(0),
            bytes_total: AtomicU64::new(0),
            docs: [AtomicU64::new(0), AtomicU64::new(0)],
            told: Mutex::new(Instant::now()),
        }
    }

    pub(super) fn tell(&self, always: bool) {
        let Ok(mut told) = self.told.try_lock() else {
            return;
        };
        if !always && told.elapsed() < TELL_EVERY {
            return;
        }
        *told = Instant::now();
        drop(told);
        (self.comparison.progress)(VerifyProgress {
            bytes_done: self.bytes_done.load(Ordering::Relaxed),
            bytes_total: self.bytes_total.load(Ordering::Relaxed),
            source_docs: self.docs[0].load(Ordering::Relaxed),
            target_docs: self.docs[1].load(Ordering::Relaxed),
        });
    }
}

/// Reads all tasks. `false`: stopped as asked.
pub(super) fn read_all<C: Collect + Send>(
    meter: &Meter<'_>,
    index: &str,
    tasks: &[Task],
    collector: &(dyn Fn() -> C + Sync),
) -> Result<bool, VerifyError> {
    let comparison = meter.comparison;
    let threads = comparison.options.threads.clamp(1, limits::THREADS) as usize;
    let next = AtomicUsize::new(0);
    let stopped = AtomicBool::new(false);
    let error = Mutex::new(None);
    let work = || {
        let mut collect = collector();
        while !stopped.load(Ordering::Relaxed) {
            let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            match read_one(meter, index, task, &mut collect) {
                Ok(true) => {}
                Ok(false) => stopped.store(true, Ordering::Relaxed),
                Err(cause) => {
                    stopped.store(true, Ordering::Relaxed);
                    if let Ok(mut error) = error.lock() {
                        error.get_or_insert(cause);
                    }
                }
            }
        }
    };
    let panicked = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads.min(tasks.len()))
            .map(|_| {
                thread::Builder::new()
                    .stack_size(bulk::limits::STACK_BYTES)
                    .spawn_scoped(scope, work)
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| !matches!(handle.map(thread::ScopedJoinHandle::join), Ok(Ok(()))))
            .fold(false, |any, one| any | one)
    });
    match error.into_inner() {
        Ok(Some(error)) => return Err(error),
        Ok(None) if !panicked => {}
        _ => return Err(VerifyError::Thread),
    }
    Ok(!stopped.into_inner())
}

fn read_one<C: Collect>(
    meter: &Meter<'_>,
    index: &str,
    task: &Task,
    collect: &mut C,
) -> Result<bool, VerifyError> {
    let (which, partition) = task;
    let comparison = meter.comparison;
    let mut since = 0;
    let docs = &meter.docs[which.number()];
    let mut tries = 0;
    let stop = loop {
        let mut stop = (comparison.stop)() != Stop::No;
        if stop {
            break true;
        }
        tries += 1;
        let mut told = 0;
        let read = which
            .of(comparison)
            .read(index, partition, &mut |document| {
                collect.document(*which, &document);
                since += 1;
                if since == LOOK_EVERY {
                    docs.fetch_add(u64::from(since), Ordering::Relaxed);
                    told += u64::from(since);
                    since = 0;
                    meter.tell(false);
                    stop = (comparison.stop)() != Stop::No;
                    if stop {
                        return ControlFlow::Break(());
                    }
                }
                ControlFlow::Continue(())
            });
        match read {
            Ok(()) => break stop,
            Err(error) if error.fault == Fault::Again && tries < limits::READ_AGAIN => {
                tracing::info!(%error, tries, "read again");
                collect.broken_off();
                docs.fetch_sub(told, Ordering::Relaxed);
                since = 0;
            }
            Err(error) => return Err(which.error(error)),
        }
    };
    if stop {
        collect.broken_off();
        return Ok(false);
    }
    docs.fetch_add(u64::from(since), Ordering::Relaxed);
    meter
        .bytes_done
        .fetch_add(partition.bytes, Ordering::Relaxed);
    collect.done(task)?;
    meter.tell(false);
    Ok(true)
}
