//! What one run of a script may use: steps, bytes and stack, counted and never timed, so that a document meets the same end
//! whenever and wherever it is read.
//!
//! The interpreter asks for its table of terms before each term; that is where a step is counted. Every value it makes goes
//! through the constructors of `value`; that is where bytes are counted. What goes beyond a limit unwinds to [`run`], which
//! is the one way out of an interpreter that knows no interruption. Deliberately absent: a clock.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::super::limits;

/// A limit that a script went beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    Steps,
    Bytes,
    Stack,
    Depth,
    Places,
}

impl Exceeded {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Steps => format!(
                "the script takes more than {} steps on this document",
                limits::SCRIPT_STEPS
            ),
            Self::Bytes => format!(
                "the script makes more than {} MiB of values of this document",
                limits::SCRIPT_BYTES >> 20
            ),
            Self::Stack => "the script calls itself too deeply on this document".to_owned(),
            Self::Places => format!(
                "the script goes through more than {} places one within the other",
                limits::SCRIPT_PLACES
            ),
            Self::Depth => format!(
                "the script makes a value of more than {} levels",
                limits::DEPTH
            ),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    steps: u64,
    bytes: u64,
    /// Where the stack stood at the beginning.
    base: usize,
}

thread_local! {
    static METER: Cell<Meter> = const { Cell::new(Meter { steps: 0, bytes: 0, base: 0 }) };
}

fn stop(exceeded: Exceeded) -> ! {
    // Unwinds without the message of a panic.
    resume_unwind(Box::new(exceeded))
}

/// Where the stack stands.
#[inline(never)]
fn stack() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)).addr()
}

/// Why a run gave no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Exceeded(Exceeded),
    /// The interpreter itself gave up.
    Panicked,
}

/// Runs something on this thread within the limits.
pub(crate) fn run<T>(work: impl FnOnce() -> T) -> Result<T, Broken> {
    METER.set(Meter {
        base: stack(),
        ..Meter::default()
    });
    catch_unwind(AssertUnwindSafe(work)).map_err(|cause| {
        cause
            .downcast_ref::<Exceeded>()
            .map_or(Broken::Panicked, |exceeded| Broken::Exceeded(*exceeded))
    })
}

/// Counts a step.
pub(crate) fn step() {
    let mut meter = METER.get();
    meter.steps += 1;
    METER.set(meter);
    if meter.steps > limits::SCRIPT_STEPS {
        stop(Exceeded::Steps);
    }
    if meter.base.abs_diff(stack()) > limits::SCRIPT_STACK_BYTES {
        stop(Exceeded::Stack);
    }
}

/// Counts work that is done in one go and grows with a size: a step at least.
pub(crate) fn work(units: usize) {
    let mut meter = METER.get();
    // A unit is some nanoseconds, a step some tens.
    meter.steps = meter.steps.saturating_add(1 + units as u64 / 16);
    METER.set(meter);
    if meter.steps > limits::SCRIPT_STEPS {
        stop(Exceeded::Steps);
    }
}

/// Counts what is met within values, a few at a time: parts may be shared, so that a small value may be met without end.
#[derive(Default)]
pub(crate) struct Met(usize);

impl Met {
    /// So many more.
    pub(crate) fn more(&mut self, count: usize) {
        const AT_ONCE: usize = 64;
        let before = self.0 / AT_ONCE;
        self.0 = self.0.saturating_add(count);
        let parts = self.0 / AT_ONCE - before;
        if parts > 0 {
            work(parts * AT_ONCE);
        }
    }

    /// All of them.
    pub(crate) fn count(&self) -> usize {
        self.0
    }
}

/// Of JSON that goes beyond all values that a script may make.
pub(crate) fn too_long() -> ! {
    stop(Exceeded::Bytes)
}

/// Counts bytes before they are made.
pub(crate) fn bytes(count: usize) {
    let mut meter = METER.get();
    meter.bytes = meter.bytes.saturating_add(count as u64);
    METER.set(meter);
    if meter.bytes > limits::SCRIPT_BYTES {
        stop(Exceeded::Bytes);
    }
}

/// Looks at how many places a value was taken from, one within the other.
pub(crate) fn places(places: u32) -> u32 {
    if places as usize > limits::SCRIPT_PLACES {
        stop(Exceeded::Places);
    }
    places
}

/// Looks at the levels of a value that is made.
pub(crate) fn depth(levels: u32) -> u32 {
    if levels as usize > limits::DEPTH {
        stop(Exceeded::Depth);
    }
    levels
}
