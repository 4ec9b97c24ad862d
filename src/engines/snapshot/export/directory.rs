//! Export to a folder: one file an index, written by several threads, each taking runs of chunks.
//!
//! Memory is bounded by the threads: each holds the chunk it decodes and one buffer. With more than one thread the
//! order of lines in a file is not the same in every run. A file gets its name when all of it is written.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::line;
use super::stream::{lucene_error, segments, shards};
use super::{ExportError, ExportReport, ExportRequest};
use crate::engines::lucene::{ChecksumSpan, ChunkTable, LuceneError, ReadError, Scratch, Segment};
use crate::engines::snapshot::{ShardSnapshot, Snapshot, keys};

/// Compressed bytes of a run of chunks: enough to be worth handing over, small enough to share a segment.
const RUN_BYTES: u64 = 4 << 20;

/// Bytes that a thread gathers before it appends them to the file.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes each index of `request` to `<directory>/<index>.ndjson` with `threads` threads (at least one). The folder is
/// made where it is missing; a file that is there already is not touched.
pub fn to_directory(
    snapshot: &Snapshot,
    request: &ExportRequest,
    directory: &Path,
    threads: usize,
) -> Result<ExportReport, ExportError> {
    std::fs::create_dir_all(directory).map_err(|source| output_error(directory, source))?;
    let mut files = Vec::new();
    for index in &request.indices {
        files.push(OutputFile::create(directory, index)?);
    }
    let shared = Shared {
        request,
        files: &files,
        left: AtomicU64::new(request.limit.unwrap_or(u64::MAX)),
        stopped: AtomicBool::new(false),
        failure: Mutex::new(None),
        report: Mutex::new(ExportReport::default()),
    };
    let threads = threads.max(1);
    let (sender, receiver) = sync_channel::<Run>(threads * 2);
    let receiver = Mutex::new(receiver);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| shared.work(&receiver));
        }
        if let Err(error) = shared.hand_out(snapshot, &sender) {
            shared.fail(error);
        }
        drop(sender);
    });
    let failure = lock(&shared.failure).take();
    if let Some(error) = failure {
        for file in &files {
            // What is left over is only a nuisance; the error that is told is the first one.
            drop(std::fs::remove_file(&file.partial));
        }
        return Err(error);
    }
    let mut report = std::mem::take(&mut *lock(&shared.report));
    for file in files {
        report.files.push(file.finish()?);
    }
    Ok(report)
}

struct OutputFile {
    file: Mutex<File>,
    partial: PathBuf,
    path: PathBuf,
}

impl OutputFile {
    fn create(directory: &Path, index: &str) -> Result<Self, ExportError> {
        let name = keys::part("the snapshot's list of indices", index)?;
        let path = directory.join(format!("{name}.ndjson"));
        let partial = directory.join(format!("{name}.ndjson.partial"));
        if path.exists() {
            return Err(ExportError::Exists { path });
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&partial)
            .map_err(|source| output_error(&partial, source))?;
        Ok(Self {
            file: Mutex::new(file),
            partial,
            path,
        })
    }

    fn append(&self, lines: &[u8]) -> Result<(), ExportError> {
        lock(&self.file)
            .write_all(lines)
            .map_err(|source| output_error(&self.partial, source))
    }

    fn finish(self) -> Result<PathBuf, ExportError> {
        lock(&self.file)
            .sync_all()
            .and_then(|()| std::fs::rename(&self.partial, &self.path))
            .map_err(|source| output_error(&self.path, source))?;
        Ok(self.path)
    }
}

/// A run of chunks of one segment.
struct Run {
    /// Position in the request's list of indices.
    index: usize,
    open: Arc<OpenSegment>,
    chunks: Range<usize>,
}

struct OpenSegment {
    shard: ShardSnapshot,
    segment: Segment,
    runs_left: AtomicUsize,
    spans: Mutex<Vec<ChecksumSpan>>,
}

struct Shared<'a> {
    request: &'a ExportRequest,
    files: &'a [OutputFile],
    /// How many documents may still be written.
    left: AtomicU64,
    stopped: AtomicBool,
    failure: Mutex<Option<ExportError>>,
    report: Mutex<ExportReport>,
}

/// Why a run ended before its end.
enum Stop {
    Limit,
    Error(ExportError),
}

impl Shared<'_> {
    fn fail(&self, error: ExportError) {
        lock(&self.failure).get_or_insert(error);
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Opens segments one after the other; the channel's bound keeps this a few runs ahead of the workers.
    fn hand_out(&self, snapshot: &Snapshot, sender: &SyncSender<Run>) -> Result<(), ExportError> {
        for (index, name) in self.request.indices.iter().enumerate() {
            for shard in shards(snapshot, name)? {
                let shard = shard?;
                for segment in segments(&shard) {
                    if self.stopped() {
                        return Ok(());
                    }
                    let segment = segment.map_err(|error| lucene_error(&shard, error))?;
                    let runs =
                        runs(segment.chunks()).map_err(|error| lucene_error(&shard, error))?;
                    let open = Arc::new(OpenSegment {
                        shard: shard.clone(),
                        segment,
                        runs_left: AtomicUsize::new(runs.len()),
                        spans: Mutex::default(),
                    });
                    for chunks in runs {
                        let open = Arc::clone(&open);
                        let run = Run {
                            index,
                            open,
                            chunks,
                        };
                        if sender.send(run).is_err() {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes runs until there are no more. After a failure it still takes them, so that the sender never waits.
    fn work(&self, receiver: &Mutex<Receiver<Run>>) {
        let mut scratch = Scratch::default();
        let mut report = ExportReport::default();
        let mut buffer = Vec::new();
        loop {
            let Ok(run) = lock(receiver).recv() else {
                break;
            };
            if self.stopped() {
                continue;
            }
            if let Err(error) = self.run(&run, &mut scratch, &mut buffer, &mut report) {
                self.fail(error);
            }
        }
        lock(&self.report).add(report);
    }

    fn run(
        &self,
        run: &Run,
        scratch: &mut Scratch,
        buffer: &mut Vec<u8>,
        report: &mut ExportReport,
    ) -> Result<(), ExportError> {
        let index = &self.request.indices[run.index];
        let file = &self.files[run.index];
        let read = run
            .open
            .segment
            .read_documents(run.chunks.clone(), scratch, |document| {
                if !self.request.wants(document.id) {
                    return Ok(());
                }
                let taken = self
                    .left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                        left.checked_sub(1)
                    });
                if taken.is_err() {
                    return Err(Stop::Limit);
                }
                line::append(index, &document, self.request.form, buffer, report);
                if buffer.len() >= BUFFER_BYTES {
                    file.append(buffer).map_err(Stop::Error)?;
                    buffer.clear();
                }
                Ok(())
            });
        file.append(buffer)?;
        buffer.clear();
        match read {
            Ok(stats) => {
                lock(&run.open.spans).push(stats.span);
                run.open
                    .check_when_complete()
                    .map_err(|error| lucene_error(&run.open.shard, error))
            }
            Err(ReadError::Lucene(error)) => Err(lucene_error(&run.open.shard, error)),
            Err(ReadError::Visitor(Stop::Error(error))) => Err(error),
            Err(ReadError::Visitor(Stop::Limit)) => {
                self.stopped.store(true, Ordering::Relaxed);
                Ok(())
            }
        }
    }
}

impl OpenSegment {
    /// The last run of a segment compares the checksum of all.
    fn check_when_complete(&self) -> Result<(), LuceneError> {
        if self.runs_left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.segment.check_spans(&lock(&self.spans))?;
        }
        Ok(())
    }
}

/// Chunks in runs of about [`RUN_BYTES`].
fn runs(chunks: &ChunkTable) -> Result<Vec<Range<usize>>, LuceneError> {
    let lengths = chunks.iter().map(|chunk| chunk.map(|chunk| chunk.length));
    runs_of(lengths)
}

fn runs_of<E>(lengths: impl Iterator<Item = Result<u32, E>>) -> Result<Vec<Range<usize>>, E> {
    let mut runs = Vec::new();
    let (mut start, mut end, mut bytes) = (0, 0, 0);
    for length in lengths {
        end += 1;
        bytes += u64::from(length?);
        if bytes >= RUN_BYTES {
            runs.push(start..end);
            (start, bytes) = (end, 0);
        }
    }
    if start < end {
        runs.push(start..end);
    }
    Ok(runs)
}

fn output_error(path: &Path, source: io::Error) -> ExportError {
    ExportError::Output {
        to: path.display().to_string(),
        source,
    }
}

/// A thread that panicked has ended the export already: what it guarded is whole lines.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_all_chunks_once() {
        let runs = |lengths: &[u32]| {
            let lengths = lengths.iter().copied().map(Ok::<_, ()>);
            runs_of(lengths).unwrap()
        };
        assert!(runs(&[]).is_empty());
        assert_eq!(runs(&[1]).first(), Some(&(0..1)));
        let lengths = [1, 5 << 20, 3 << 20, 1 << 20, 7];
        assert_eq!(runs(&lengths), [0..2, 2..4, 4..5]);
    }
}
