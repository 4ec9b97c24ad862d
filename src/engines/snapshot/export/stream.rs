//! Export to one writer: by index, shard, segment and document, on one thread, so that two runs give the same bytes.

use std::io::{self, Write};
use std::sync::Arc;

use super::line;
use super::{ExportError, ExportReport, ExportRequest};
use crate::engines::lucene::{Commit, LuceneError, ReadError, Scratch, Segment, SegmentFiles};
use crate::engines::snapshot::{ShardSnapshot, Snapshot};

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// Writes the documents of `request` to `out`. A reader that goes away (`| head`) ends it without an error.
pub fn to_writer(
    snapshot: &Snapshot,
    request: &ExportRequest,
    out: &mut dyn Write,
) -> Result<ExportReport, ExportError> {
    let mut output = Output {
        out,
        buffer: Vec::new(),
        report: ExportReport::default(),
        limit: request.limit.unwrap_or(u64::MAX),
    };
    let ended = if output.limit == 0 {
        Ok(())
    } else {
        output.run(snapshot, request)
    };
    let flushed = output.flush().and_then(|()| Ok(output.out.flush()?));
    let mut report = output.report;
    for result in [ended, flushed] {
        match result {
            Ok(()) | Err(Stop::Limit) => {}
            Err(Stop::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                report.broken_pipe = true;
            }
            Err(Stop::Io(source)) => {
                return Err(ExportError::Output {
                    to: "the output".to_owned(),
                    source,
                });
            }
            Err(Stop::Error(error)) => return Err(error),
        }
    }
    Ok(report)
}

/// Why reading ended before its end.
enum Stop {
    Limit,
    Io(io::Error),
    Error(ExportError),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

struct Output<'a> {
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
    report: ExportReport,
    limit: u64,
}

impl Output<'_> {
    fn run(&mut self, snapshot: &Snapshot, request: &ExportRequest) -> Result<(), Stop> {
        let mut scratch = Scratch::default();
        for index in &request.indices {
            for shard in shards(snapshot, index).map_err(Stop::Error)? {
                let shard = shard.map_err(Stop::Error)?;
                let wrap = |source| Stop::Error(lucene_error(&shard, source));
                for segment in segments(&shard) {
                    let segment = segment.map_err(wrap)?;
                    let read = segment.read_documents(
                        0..segment.chunks().len(),
                        &mut scratch,
                        |document| {
                            if request.wants(document.id) {
                                line::append(
                                    index,
                                    &document,
                                    request.form,
                                    &mut self.buffer,
                                    &mut self.report,
                                );
                                self.after_document()?;
                            }
                            Ok(())
                        },
                    );
                    match read {
                        Ok(stats) => segment.check_spans(&[stats.span]).map_err(wrap)?,
                        Err(ReadError::Lucene(error)) => return Err(wrap(error)),
                        Err(ReadError::Visitor(stop)) => return Err(stop),
                    }
                }
            }
        }
        Ok(())
    }

    fn after_document(&mut self) -> Result<(), Stop> {
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        if self.report.documents >= self.limit {
            return Err(Stop::Limit);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let written = self.out.write_all(&self.buffer);
        self.buffer.clear();
        Ok(written?)
    }
}

/// The shards of an index, opened one after the other. Reads the metadata of the index first, which proves that the
/// number of shards is the true one.
pub(crate) fn shards<'a>(
    snapshot: &'a Snapshot,
    index: &'a str,
) -> Result<impl Iterator<Item = Result<ShardSnapshot, ExportError>> + 'a, ExportError> {
    let metadata = snapshot.index_metadata(index)?;
    Ok((0..metadata.number_of_shards)
        .map(move |shard| snapshot.shard(index, shard).map_err(ExportError::Snapshot)))
}

/// The segments of a shard in the order of its commit, opened one after the other.
pub(crate) fn segments(
    shard: &ShardSnapshot,
) -> impl Iterator<Item = Result<Segment, LuceneError>> + use<> {
    let files: Arc<dyn SegmentFiles> = Arc::clone(shard.files()) as Arc<dyn SegmentFiles>;
    let (commits, failed) = match Commit::read(&*files) {
        Ok(commit) => (commit.segments, None),
        Err(error) => (Vec::new(), Some(Err(error))),
    };
    let opened = commits
        .into_iter()
        .map(move |commit| Segment::open(Arc::clone(&files), &commit));
    failed.into_iter().chain(opened)
}

pub(crate) fn lucene_error(shard: &ShardSnapshot, source: LuceneError) -> ExportError {
    ExportError::Lucene {
        index: shard.index().to_owned(),
        shard: shard.shard(),
        source,
    }
}
