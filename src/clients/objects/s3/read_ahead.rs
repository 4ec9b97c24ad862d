//! Large reads, in parts that come at once; and for those who read one range after the other, what comes next before it is
//! asked for.
//!
//! A reader is known by where its last read ended, so that many may read one object from different places. What is fetched
//! ahead of it is its share of one budget of the whole store, so that all connections are busy at any time, in parts whose
//! size follows latency × speed as they are measured. Who reads at random is not read ahead for. Deliberately absent: what
//! a part is fetched with.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use super::limits;
use crate::clients::cluster::runtime;

/// A budget is counted in these.
const PERMIT_BYTES: u64 = 1 << 10;
/// One reader's share is at least so many parts, so that as many connections carry it.
const PARTS_OF_SHARE: u64 = limits::REQUESTS_MAX as u64;
/// What a reader waits for comes in so many parts, if it is large.
const PARTS_OF_READ: u64 = 8;
/// A reader that read nothing for so long has no claim on the budget.
const ACTIVE_FOR: Duration = Duration::from_secs(5);
/// What was fetched for a reader that read nothing for so long makes room for others.
const WAITS_FOR: Duration = Duration::from_secs(1);

/// The bytes of a part, when they are there.
pub(super) type Fetched = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

/// What parts are fetched from.
pub(super) trait Fetch: Send + Sync {
    /// Tells objects apart.
    fn id(&self) -> u64;
    /// Length of the object in bytes.
    fn length(&self) -> u64;
    /// How large a part should be, by what was measured.
    fn part_bytes(&self) -> u64;
    /// The bytes `[offset, offset + length)`, which lie within the object.
    fn fetch(&self, offset: u64, length: usize) -> Fetched;
}

/// The readers of a store.
pub(super) struct ReadAhead {
    streams: Mutex<Vec<Stream>>,
    budget: Arc<Semaphore>,
}

/// One who reads on and on.
struct Stream {
    object: u64,
    /// Where its next read begins if it goes on.
    next: u64,
    /// Where the parts end.
    end: u64,
    /// Behind this it will not read, as far as it has said.
    limit: Option<u64>,
    parts: VecDeque<Arc<Part>>,
    used: Instant,
}

impl Stream {
    fn continues(&self, object: u64, offset: u64) -> bool {
        let held = self
            .parts
            .front()
            .is_some_and(|first| first.offset <= offset);
        self.object == object && (offset == self.next || (held && offset < self.end))
    }

    /// Lets go of what ends before `offset`.
    fn pass(&mut self, offset: u64) {
        while self.parts.front().is_some_and(|part| part.end() <= offset) {
            self.parts.pop_front();
        }
    }
}

/// A part that is there or on its way.
struct Part {
    offset: u64,
    length: usize,
    arrival: Arc<Arrival>,
    task: AbortHandle,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

#[derive(Default)]
struct Arrival {
    bytes: Mutex<Option<Result<Bytes, (io::ErrorKind, String)>>>,
    came: Condvar,
}

impl Part {
    fn end(&self) -> u64 {
        self.offset + self.length as u64
    }

    /// It was asked for by now, and makes room for another one ahead.
    fn claim(&self) {
        let mut permit = self.permit.lock().unwrap_or_else(PoisonError::into_inner);
        drop(permit.take());
    }

    fn wait(&self) -> io::Result<Bytes> {
        let mut held = self
            .arrival
            .bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*held {
                Some(Ok(bytes)) => return Ok(bytes.clone()),
                Some(Err((kind, words))) => return Err(io::Error::new(*kind, words.clone())),
                None => {
                    held = self
                        .arrival
                        .came
                        .wait(held)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells the waiting also where a task ends without a result, which only a panic within the client does.
struct Teller(Arc<Arrival>);

impl Teller {
    fn tell(&self, result: Result<Bytes, (io::ErrorKind, String)>) {
        let mut held = self.0.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        held.get_or_insert(result);
        self.0.came.notify_all();
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.tell(Err((io::ErrorKind::Other, "the fetch was given up".into())));
    }
}

impl ReadAhead {
    pub(super) fn new() -> Self {
        Self::with_budget(limits::AHEAD_BYTES_MAX)
    }

    fn with_budget(bytes: u64) -> Self {
        let permits = usize::try_from(bytes / PERMIT_BYTES).unwrap_or(0);
        Self {
            streams: Mutex::default(),
            budget: Arc::new(Semaphore::new(permits)),
        }
    }

    /// Whether these bytes are fetched already.
    pub(super) fn holds(&self, object: u64, offset: u64, length: usize) -> bool {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let end = offset + length as u64;
        streams.iter().any(|stream| {
            let first = stream.parts.front();
            stream.object == object
                && first.is_some_and(|first| first.offset <= offset)
                && end <= stream.end
        })
    }

    /// Somebody will read these bytes one after the other, and none behind them.
    pub(super) fn expect(&self, object: u64, bytes: Range<u64>) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let known = streams
            .iter_mut()
            .find(|stream| stream.continues(object, bytes.start));
        if let Some(stream) = known {
            stream.limit = Some(bytes.end);
            return;
        }
        make_room(&mut streams);
        streams.push(Stream {
            object,
            next: bytes.start,
            end: bytes.start,
            limit: Some(bytes.end),
            parts: VecDeque::new(),
            used: Instant::now(),
        });
    }

    /// The bytes `[offset, offset + length)`, which lie within the object. Blocks.
    pub(super) fn read(&self, from: &dyn Fetch, offset: u64, length: usize) -> io::Result<Bytes> {
        let needed = self.plan(from, offset, length)?;
        let end = offset + length as u64;
        let mut joined = BytesMut::new();
        for part in needed {
            let bytes = part.wait()?;
            let start = usize::try_from(offset.saturating_sub(part.offset)).unwrap_or(usize::MAX);
            let stop = usize::try_from(end.min(part.end()) - part.offset).unwrap_or(usize::MAX);
            if bytes.len() != part.length || start > stop || stop > bytes.len() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if joined.is_empty() && stop - start == length {
                return Ok(bytes.slice(start..stop));
            }
            if joined.is_empty() {
                joined.reserve(length);
            }
            joined.extend_from_slice(&bytes[start..stop]);
        }
        Ok(joined.freeze())
    }

    /// Asks for what is missing of the range and for what comes behind it; the parts that make up the range.
    fn plan(&self, from: &dyn Fetch, offset: u64, length: usize) -> io::Result<Vec<Arc<Part>>> {
        let object = from.id();
        let end = offset + length as u64;
        let now = Instant::now();
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let known = streams
            .iter()
            .position(|stream| stream.continues(object, offset));
        let goes_on = known.is_some();
        let mut stream = match known {
            Some(at) => streams.swap_remove(at),
            None => Stream {
                object,
                next: offset,
                end: offset,
                limit: None,
                parts: VecDeque::new(),
                used: now,
            },
        };
        let active = streams
            .iter()
            .filter(|stream| now.duration_since(stream.used) < ACTIVE_FOR);
        let share = limits::AHEAD_BYTES_MAX / (active.count() as u64 + 1);
        let part_bytes = from
            .part_bytes()
            .min(share / PARTS_OF_SHARE)
            .max(limits::PART_BYTES_MIN);
        stream.pass(offset);
        if stream.parts.is_empty() {
            stream.end = offset;
        }
        let limit = stream.limit.unwrap_or(u64::MAX).min(from.length()).max(end);
        // One who reads at random gets what was asked for and no more.
        let bound = if goes_on { limit } else { end };
        let asked = part_bytes.min((length as u64 / PARTS_OF_READ).max(limits::PART_BYTES_MIN));
        while stream.end < end {
            let part = start(from, stream.end, asked.min(bound - stream.end), None)?;
            stream.end = part.end();
            stream.parts.push_back(part);
        }
        for part in stream.parts.iter().take_while(|part| part.offset < end) {
            part.claim();
        }
        if goes_on || length as u64 >= limits::SPECULATE_BYTES {
            let bound = limit.min(end.saturating_add(share));
            while stream.end < bound {
                // Smaller ones towards the end, so that all connections end at about the same time.
                let rest = limit - stream.end;
                let even = (rest / PARTS_OF_SHARE).max(limits::PART_BYTES_LAST);
                let length = part_bytes.min(even).min(rest);
                let Some(permit) = self.room(&mut streams, length, now) else {
                    break;
                };
                let part = start(from, stream.end, length, Some(permit))?;
                stream.end = part.end();
                stream.parts.push_back(part);
            }
        }
        let needed: Vec<Arc<Part>> = stream
            .parts
            .iter()
            .take_while(|part| part.offset < end)
            .cloned()
            .collect();
        stream.pass(end);
        stream.next = end;
        stream.used = now;
        // At its end it leaves its share to the others.
        if stream.limit.is_none_or(|limit| end < limit) {
            make_room(&mut streams);
            streams.push(stream);
        }
        Ok(needed)
    }

    /// A part's place in the budget, if need be in that of a reader that reads no more.
    fn room(
        &self,
        others: &mut Vec<Stream>,
        bytes: u64,
        now: Instant,
    ) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(bytes.div_ceil(PERMIT_BYTES)).ok()?;
        loop {
            if let Ok(permit) = Arc::clone(&self.budget).try_acquire_many_owned(permits) {
                return Some(permit);
            }
            let idle = |stream: &Stream| {
                !stream.parts.is_empty() && now.duration_since(stream.used) > WAITS_FOR
            };
            others.swap_remove(longest_unused(others, idle)?);
        }
    }

    /// Nobody reads the object any more.
    pub(super) fn forget(&self, object: u64) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|stream| stream.object != object);
    }
}

/// For one more.
fn make_room(streams: &mut Vec<Stream>) {
    if streams.len() >= limits::STREAMS_MAX
        && let Some(at) = longest_unused(streams, |_| true)
    {
        streams.swap_remove(at);
    }
}

fn longest_unused(streams: &[Stream], which: impl Fn(&Stream) -> bool) -> Option<usize> {
    let of_these = streams
        .iter()
        .enumerate()
        .filter(|(_, stream)| which(stream));
    of_these
        .min_by_key(|(_, stream)| stream.used)
        .map(|(at, _)| at)
}

fn start(
    from: &dyn Fetch,
    offset: u64,
    length: u64,
    permit: Option<OwnedSemaphorePermit>,
) -> io::Result<Arc<Part>> {
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let arrival = Arc::new(Arrival::default());
    let teller = Teller(Arc::clone(&arrival));
    let fetched = from.fetch(offset, length);
    let task = runtime::handle()?.spawn(async move {
        let result = fetched.await;
        teller.tell(result.map_err(|error| (error.kind(), error.to_string())));
    });
    Ok(Arc::new(Part {
        offset,
        length,
        arrival,
        task: task.abort_handle(),
        permit: Mutex::new(permit),
    }))
}

#[cfg(test)]
#[path = "read_ahead_tests.rs"]
mod tests;
