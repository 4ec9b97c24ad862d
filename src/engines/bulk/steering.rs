//! Steers how many requests are on their way at once, and how large they are, by what a target answers.
//!
//! ```text
//! answered well, as fast as ever   one request more a round, and larger ones again
//! slower than it can be            no more; far slower: fewer, in proportion
//! rejected, wholly or in part      half of it at once, and smaller ones where it is one request already
//! timed out, broken off            half of it, of half the size
//! too large                        never so large again
//! too hot                          in proportion, down to one request with pauses
//! ```
//!
//! What the target can do is the least time for a byte that was seen lately: while more requests make it faster, each takes
//! as long as before; once it is saturated they wait for each other. A decrease counts once: answers to requests that were
//! sent before it say nothing about it.
//!
//! Pure: time is a value, and who asks does the waiting ([`super::Budget`]). Deliberately absent: rates that a plan asks for.

use std::time::{Duration, Instant};

use crate::clients::target::{Answered, Outcome};

/// Limits with names.
pub mod limits {
    use std::time::Duration;

    /// Requests on their way at the start.
    pub const FIRST_IN_FLIGHT: u32 = 4;
    /// The smallest batch, where no smaller one is asked for.
    pub const LEAST_BATCH_BYTES: usize = 64 << 10;
    /// A batch grows by this share of the largest one a round.
    pub const BATCH_STEPS: usize = 16;
    /// What a request costs a target whatever is in it, as bytes of documents.
    pub const FIXED_BYTES: u64 = 64 << 10;
    /// So many times the least time for a byte is as fast as ever.
    pub const AS_FAST: f64 = 3.0;
    /// So many times the least time for a byte is far slower.
    pub const FAR_SLOWER: f64 = 8.0;
    /// Answers in a row that have to be far slower: one alone is a pause of the target's own.
    pub const IN_A_ROW: usize = 3;
    /// How much one answer counts in the mean.
    pub const SMOOTHING: f64 = 0.3;
    /// The least time for a byte is measured anew so often, with one request alone: else the waiting of many for each other
    /// would be taken for it by and by.
    pub const BEST_FOR: Duration = Duration::from_mins(1);
    /// What a rejection or a loss leaves.
    pub const HALF: f64 = 0.5;
    /// What is left at least where answers are far slower.
    pub const LEAST_LEFT: f64 = 0.25;
    /// Good rounds before as many are tried again as were rejected.
    pub const ROUNDS_BEFORE_AGAIN: u32 = 10;
    /// A request that takes longer is too large to be steered by.
    pub const SLOW_ANSWER: Duration = Duration::from_secs(10);
    /// The least share of the time in which a target that is too hot gets a request.
    pub const LEAST_DUTY: f64 = 0.02;
    /// The longest pause after a request.
    pub const PAUSE_MAX: Duration = Duration::from_secs(5);
    /// So far below the limit a processor has to be for more, in percent of it.
    pub const CPU_ROOM: f64 = 5.0;
    /// The most that one look at the processor raises what is allowed.
    pub const CPU_RAISE: f64 = 1.5;
    /// Bytes of batches on their way over all workers, whatever else is allowed.
    pub const BYTES_IN_FLIGHT: u64 = 40 << 20;
}

/// What is allowed at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ceilings {
    /// Requests on their way at once.
    pub(super) in_flight: u32,
    /// Bytes of a batch.
    pub(super) batch_bytes: usize,
    /// Busy time of the target's processors, in percent.
    pub(super) cpu_percent: Option<u8>,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Controller {
    ceilings: Ceilings,
    /// Requests at once; below one: the share of the time in which there is one.
    window: f64,
    batch: f64,
    /// What the processors allow, likewise; nothing while nobody asks for a limit or none was measured.
    cool: Option<f64>,
    best: Best,
    /// The mean of the seconds for a byte.
    mean: Option<f64>,
    recent: [f64; limits::IN_A_ROW],
    /// Answers until the round ends.
    round_left: u32,
    /// The most that were on their way at once in this round, and since the processors were last looked at.
    used: u32,
    used_since_look: u32,
    /// When the last decrease was.
    decreased: Option<Instant>,
    /// A request of so many bytes was too large.
    too_large: Option<usize>,
    /// So many on their way were too many when the target last rejected some.
    rejected_at: Option<u32>,
    /// Since when one request alone is measured.
    alone_since: Option<Instant>,
    /// Rounds since the last change without anything wrong.
    good_rounds: u32,
}

/// The least of what was seen in this stretch of time and in the one before.
#[derive(Clone, Copy, Debug)]
struct Best {
    began: Option<Instant>,
    this: f64,
    before: f64,
}

impl Best {
    /// Says whether a new stretch begins.
    fn see(&mut self, now: Instant, cost: f64) -> bool {
        let began = *self.began.get_or_insert(now);
        let anew = now.saturating_duration_since(began) >= limits::BEST_FOR;
        if anew {
            (self.before, self.this) = (self.this, f64::INFINITY);
            self.began = Some(now);
        }
        self.this = self.this.min(cost);
        anew
    }

    fn get(&self) -> f64 {
        self.this.min(self.before)
    }
}

impl Controller {
    pub(super) fn new(ceilings: Ceilings) -> Self {
        let mut controller = Self {
            ceilings,
            window: f64::from(limits::FIRST_IN_FLIGHT),
            batch: ceilings.batch_bytes as f64,
            cool: None,
            best: Best {
                began: None,
                this: f64::INFINITY,
                before: f64::INFINITY,
            },
            mean: None,
            recent: [0.0; limits::IN_A_ROW],
            round_left: 0,
            used: 0,
            used_since_look: 0,
            decreased: None,
            too_large: None,
            rejected_at: None,
            alone_since: None,
            good_rounds: 0,
        };
        controller.clamp();
        controller
    }

    /// Allows something else. What was learnt about the target stays.
    pub(super) fn set(&mut self, ceilings: Ceilings) {
        if self.ceilings.batch_bytes < ceilings.batch_bytes {
            // Somebody who asks for larger ones may know why they are taken now.
            self.too_large = None;
        }
        if ceilings.cpu_percent.is_none() {
            self.cool = None;
        }
        self.ceilings = ceilings;
        self.clamp();
    }

    /// Requests that may be on their way at once; one at least.
    pub(super) fn in_flight(&self) -> u32 {
        // Between one and the ceiling, so that nothing is cut off.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let whole = self.allowed().max(1.0) as u32;
        whole
    }

    /// The size of the next batch.
    pub(super) fn batch_bytes(&self) -> usize {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let whole = self.batch as usize;
        whole
    }

    pub(super) fn cpu_limit(&self) -> Option<u8> {
        self.ceilings.cpu_percent
    }

    /// How long nothing is sent after a request that took so long.
    pub(super) fn pause_after(&self, took: Duration) -> Duration {
        let duty = self.allowed();
        if duty >= 1.0 {
            return Duration::ZERO;
        }
        took.mul_f64(1.0 / duty - 1.0).min(limits::PAUSE_MAX)
    }

    fn allowed(&self) -> f64 {
        let window = if self.alone_since.is_some() {
            1.0
        } else {
            self.window
        };
        self.cool.map_or(window, |cool| window.min(cool))
    }

    fn most_batch(&self) -> f64 {
        let most = self.ceilings.batch_bytes;
        self.too_large.map_or(most, |it| it.min(most)) as f64
    }

    fn least_batch(&self) -> f64 {
        (limits::LEAST_BATCH_BYTES as f64).min(self.most_batch())
    }

    fn clamp(&mut self) {
        let most = f64::from(self.ceilings.in_flight.max(1));
        self.window = self.window.clamp(1.0, most);
        self.cool = self.cool.map(|it| it.clamp(limits::LEAST_DUTY, most));
        self.batch = self.batch.clamp(self.least_batch(), self.most_batch());
    }

    /// One request was answered, or failed. `on_their_way`: how many were, with this one.
    pub(super) fn answered(&mut self, now: Instant, on_their_way: u32, answer: Answered) {
        self.used = self.used.max(on_their_way);
        self.used_since_look = self.used_since_look.max(on_their_way);
        let sent = now.checked_sub(answer.took).unwrap_or(now);
        let anew = self.decreased.is_none_or(|at| sent >= at);
        if self.alone_since.is_some_and(|since| sent >= since) {
            self.alone_since = None;
        }
        match answer.outcome {
            Outcome::Taken => self.taken(now, anew, answer),
            Outcome::TooLarge => {
                let half = usize::try_from(answer.bytes / 2).unwrap_or(usize::MAX);
                self.too_large = Some(self.too_large.map_or(half, |it| it.min(half)).max(1));
                self.clamp();
            }
            Outcome::Rejected if anew => {
                if self.allowed() <= 1.0 {
                    self.batch *= limits::HALF;
                }
                self.rejected_at = Some(self.used);
                self.decrease(now, limits::HALF);
            }
            Outcome::Lost if anew => {
                self.batch *= limits::HALF;
                self.decrease(now, limits::HALF);
            }
            Outcome::Away if anew => self.decrease(now, limits::HALF),
            Outcome::Rejected | Outcome::Lost | Outcome::Away => {}
        }
    }

    fn taken(&mut self, now: Instant, anew: bool, answer: Answered) {
        let bytes = answer.bytes + limits::FIXED_BYTES;
        let cost = answer.took.as_secs_f64() / bytes as f64;
        if self.best.see(now, cost) && self.window > 1.0 {
            self.alone_since = Some(now);
        }
        let best = self.best.get();
        self.recent.rotate_left(1);
        self.recent[limits::IN_A_ROW - 1] = cost;
        let mean = self.mean.unwrap_or(cost);
        let mean = mean + (cost - mean) * limits::SMOOTHING;
        self.mean = Some(mean);
        let least = self.recent.iter().copied().fold(f64::INFINITY, f64::min);
        if anew && least > best * limits::FAR_SLOWER {
            self.decrease(now, best * limits::AS_FAST / least);
            return;
        }
        self.round_left = self.round_left.saturating_sub(1);
        if self.round_left > 0 || self.alone_since.is_some() {
            return;
        }
        // Only what is used is proved to be good.
        let full = self.used >= self.in_flight();
        if answer.took > limits::SLOW_ANSWER {
            self.batch *= limits::HALF;
        } else if mean <= best * limits::AS_FAST {
            self.batch += self.most_batch() / limits::BATCH_STEPS as f64;
            if full && self.cool.is_none_or(|cool| self.window < cool) {
                self.good_rounds += 1;
                let next = self.window + 1.0;
                let was_rejected = self.rejected_at.is_some_and(|it| next >= f64::from(it));
                if !was_rejected || self.good_rounds >= limits::ROUNDS_BEFORE_AGAIN {
                    self.window = next;
                    self.good_rounds = 0;
                }
            }
        }
        self.clamp();
        self.begin_round();
    }

    /// Leaves `share` of what was used.
    fn decrease(&mut self, now: Instant, share: f64) {
        let used = f64::from(self.used.max(1)).min(self.window);
        self.window = used * share.clamp(limits::LEAST_LEFT, 1.0);
        self.decreased = Some(now);
        self.recent = [0.0; limits::IN_A_ROW];
        self.mean = None;
        self.good_rounds = 0;
        self.clamp();
        self.begin_round();
    }

    fn begin_round(&mut self) {
        self.used = 0;
        self.round_left = self.in_flight();
    }

    /// The busiest node's processors were busy for so many percent of the time.
    pub(super) fn looked_at_cpu(&mut self, percent: u8) {
        let Some(limit) = self.ceilings.cpu_percent else {
            return;
        };
        let (limit, percent) = (f64::from(limit), f64::from(percent).max(1.0));
        let used = f64::from(self.used_since_look.max(1)).min(self.allowed());
        let ratio = limit / percent;
        let cool = self.cool.unwrap_or(self.window);
        if percent > limit {
            self.cool = Some(used * ratio.max(limits::HALF));
        } else if percent < limit - limits::CPU_ROOM {
            self.cool = Some(cool * ratio.min(limits::CPU_RAISE));
        }
        self.used_since_look = 0;
        self.clamp();
    }
}
