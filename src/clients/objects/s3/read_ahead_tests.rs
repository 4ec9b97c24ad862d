//! Reading ahead of what answers late: every byte right, nothing twice, nothing beyond the budget.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// Bytes that tell where they stand, slowly.
struct Slow {
    length: u64,
    latency: Duration,
    fetched: Arc<AtomicU64>,
    most: Arc<(AtomicU64, AtomicU64)>,
    fails_from: u64,
}

impl Slow {
    fn of(length: u64) -> Self {
        Self {
            length,
            latency: Duration::from_millis(5),
            fetched: Arc::default(),
            most: Arc::default(),
            fails_from: u64::MAX,
        }
    }

    /// Copied from a table, so that a busy machine is not busy with this.
    fn bytes(offset: u64, length: usize) -> Bytes {
        static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
        let table = TABLE.get_or_init(|| {
            let numbers = 0..1_000_003_u64;
            let bytes = numbers.map(|at| u8::try_from((at / 251 + at) % 256).unwrap());
            bytes.collect()
        });
        let period = table.len() as u64;
        let mut bytes = BytesMut::with_capacity(length);
        while bytes.len() < length {
            let start = usize::try_from((offset + bytes.len() as u64) % period).unwrap();
            let stop = table.len().min(start + length - bytes.len());
            bytes.extend_from_slice(&table[start..stop]);
        }
        bytes.freeze()
    }

    fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::SeqCst)
    }
}

impl Fetch for Slow {
    fn id(&self) -> u64 {
        1
    }

    fn length(&self) -> u64 {
        self.length
    }

    fn part_bytes(&self) -> u64 {
        limits::PART_BYTES_MIN
    }

    fn fetch(&self, offset: u64, length: usize) -> Fetched {
        assert!(offset + length as u64 <= self.length);
        self.fetched.fetch_add(length as u64, Ordering::SeqCst);
        let (latency, most, fails) = (self.latency, Arc::clone(&self.most), self.fails_from);
        Box::pin(async move {
            let at_once = most.0.fetch_add(1, Ordering::SeqCst) + 1;
            most.1.fetch_max(at_once, Ordering::SeqCst);
            tokio::time::sleep(latency).await;
            most.0.fetch_sub(1, Ordering::SeqCst);
            if offset >= fails {
                return Err(io::Error::other("broken"));
            }
            Ok(Self::bytes(offset, length))
        })
    }
}

const MIB: usize = 1 << 20;

#[test]
fn one_who_reads_on_gets_the_bytes_and_finds_them_fetched() {
    let ahead = ReadAhead::new();
    let from = Slow::of(40 * MIB as u64 + 7);
    let (mut at, mut step) = (3, 0);
    while at < from.length {
        step += 1;
        let length = (MIB + step * 1001).min(usize::try_from(from.length - at).unwrap());
        let bytes = ahead.read(&from, at, length).unwrap();
        assert!(bytes == Slow::bytes(at, length), "at {at}");
        at += length as u64;
    }
    assert_eq!(from.fetched(), from.length - 3, "nothing came twice");
    assert!(
        from.most.1.load(Ordering::SeqCst) >= 4,
        "parts come at once"
    );
    assert_eq!(
        ahead.budget.available_permits() as u64,
        limits::AHEAD_BYTES_MAX / PERMIT_BYTES
    );
}

#[test]
fn one_who_reads_at_random_gets_what_was_asked_for_and_no_more() {
    let ahead = ReadAhead::new();
    let from = Slow::of(100 * MIB as u64);
    for at in [50, 3, 80, 20, 60, 10, 90, 40] {
        let at = (at * MIB) as u64;
        assert!(ahead.read(&from, at, 3 * MIB).unwrap() == Slow::bytes(at, 3 * MIB));
    }
    assert_eq!(from.fetched(), 8 * 3 * MIB as u64);
}

#[test]
fn what_is_fetched_ahead_stays_within_the_budget_and_idle_readers_make_room() {
    let budget = 8 * MIB as u64;
    let ahead = ReadAhead::with_budget(budget);
    let from = Slow::of(400 * MIB as u64);
    // Four that begin and stop: each would go on holding its parts.
    for reader in 0..4 {
        let start = (reader * 100 * MIB) as u64;
        ahead.read(&from, start, 8 * MIB).unwrap();
    }
    let held = from.fetched() - 32 * MIB as u64;
    assert!(held <= budget && held > 0, "{held}");
    std::thread::sleep(WAITS_FOR + Duration::from_millis(50));
    let before = from.fetched();
    ahead.read(&from, 50 * MIB as u64, 8 * MIB).unwrap();
    assert!(
        from.fetched() > before + 8 * MIB as u64,
        "there was room again"
    );
    ahead.forget(1);
    assert_eq!(
        ahead.budget.available_permits() as u64,
        budget / PERMIT_BYTES
    );
}

#[test]
fn a_part_that_fails_fails_the_read_that_needs_it_and_no_other() {
    let ahead = ReadAhead::new();
    let mut from = Slow::of(20 * MIB as u64);
    from.fails_from = 10 * MIB as u64;
    assert!(ahead.read(&from, 0, 5 * MIB).is_ok());
    assert!(ahead.read(&from, 5 * MIB as u64, 4 * MIB).is_ok());
    let error = ahead.read(&from, 9 * MIB as u64, 4 * MIB).unwrap_err();
    assert_eq!(error.to_string(), "broken");
}

#[test]
fn nothing_is_fetched_behind_what_a_reader_said_it_would_read() {
    let ahead = ReadAhead::new();
    let from = Slow::of(100 * MIB as u64);
    // Two neighbours, each to its own end.
    for start in [10, 42] {
        let end = (start + 32) * MIB as u64;
        let mut at = start * MIB as u64;
        ahead.expect(1, at..end);
        while at < end {
            assert!(
                ahead.read(&from, at, MIB).unwrap() == Slow::bytes(at, MIB),
                "at {at}"
            );
            at += MIB as u64;
        }
    }
    assert_eq!(from.fetched(), 64 * MIB as u64);
    assert!(
        ahead.streams.lock().unwrap().is_empty(),
        "who ended leaves its share"
    );
    assert!(from.most.1.load(Ordering::SeqCst) >= 4);
}
