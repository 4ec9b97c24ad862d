//! The controller against targets that are models: some servers behind a queue, with time as a number.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::steering::{Ceilings, Controller, limits};
use crate::clients::target::{Answered, Outcome};

const BATCH: usize = 5 << 20;

/// Works on so many requests at once; further ones wait, up to the length of the queue.
#[derive(Clone, Debug)]
struct Model {
    servers: usize,
    queue: usize,
    seconds_a_megabyte: f64,
    /// When each server is free.
    free: Vec<f64>,
    now: f64,
}

impl Model {
    fn new(servers: usize, queue: usize, seconds_a_megabyte: f64) -> Self {
        Self {
            servers,
            queue,
            seconds_a_megabyte,
            free: vec![0.0; servers],
            now: 0.0,
        }
    }

    /// When a request that comes now is answered, and whether it was taken.
    fn take(&mut self, bytes: usize, on_their_way: usize) -> (f64, bool) {
        if on_their_way > self.servers + self.queue {
            return (self.now + 0.002, false);
        }
        let first = self.free.iter_mut().min_by(|a, b| a.total_cmp(b)).unwrap();
        let begins = first.max(self.now);
        *first = begins + 0.001 + bytes as f64 / 1e6 * self.seconds_a_megabyte;
        (*first, true)
    }

    fn bytes_a_second(&self) -> f64 {
        self.servers as f64 * 1e6 / self.seconds_a_megabyte
    }
}

/// A load that always has documents.
struct Run {
    model: Model,
    controller: Controller,
    began: Instant,
    /// When each is answered, its bytes, when it was sent, and whether it was taken.
    way: Vec<(f64, usize, f64, bool)>,
    workers: usize,
}

/// What a stretch of a run did.
#[derive(Debug, Default)]
struct Did {
    bytes: f64,
    seconds: f64,
    answers: usize,
    rejected: usize,
    /// Requests on their way over time, as a mean.
    busy: f64,
}

impl Run {
    fn new(model: Model, in_flight: u32) -> Self {
        let ceilings = Ceilings {
            in_flight,
            batch_bytes: BATCH,
            cpu_percent: None,
        };
        Self {
            model,
            controller: Controller::new(ceilings),
            began: Instant::now(),
            way: Vec::new(),
            workers: usize::MAX,
        }
    }

    fn at(&self, seconds: f64) -> Instant {
        self.began + Duration::from_secs_f64(seconds)
    }

    /// Runs for so many answers; what was rejected is sent again at once, which is worse than any real load.
    fn run(&mut self, answers: usize) -> Did {
        let mut did = Did::default();
        let start = self.model.now;
        for _ in 0..answers {
            while self.way.len() < self.workers.min(self.controller.in_flight() as usize) {
                let bytes = self.controller.batch_bytes();
                let (done, taken) = self.model.take(bytes, self.way.len() + 1);
                self.way.push((done, bytes, self.model.now, taken));
            }
            let next = (0..self.way.len())
                .min_by(|a, b| self.way[*a].0.total_cmp(&self.way[*b].0))
                .unwrap();
            let on_their_way = u32::try_from(self.way.len()).unwrap();
            let (done, bytes, sent, taken) = self.way.swap_remove(next);
            did.busy += f64::from(on_their_way) * (done - self.model.now).max(0.0);
            self.model.now = done.max(self.model.now);
            did.answers += 1;
            did.rejected += usize::from(!taken);
            did.bytes += if taken { bytes as f64 } else { 0.0 };
            let answer = Answered {
                bytes: bytes as u64,
                took: Duration::from_secs_f64(self.model.now - sent),
                outcome: if taken {
                    Outcome::Taken
                } else {
                    Outcome::Rejected
                },
            };
            let now = self.at(self.model.now);
            self.controller.answered(now, on_their_way, answer);
            let pause = self.controller.pause_after(answer.took).as_secs_f64();
            if self.way.is_empty() {
                self.model.now += pause;
            }
        }
        did.seconds = self.model.now - start;
        did.busy /= did.seconds.max(1e-9);
        did
    }
}

#[test]
fn a_fast_target_gets_what_saturates_it() {
    for servers in [1, 2, 4, 8, 16, 24] {
        let mut run = Run::new(Model::new(servers, 1000, 0.02), 32);
        run.run(1500);
        let did = run.run(500);
        let share = did.bytes / did.seconds / run.model.bytes_a_second();
        assert!(share > 0.9, "{servers} servers: {share:.2}");
        // No more wait than are worked on, twice over.
        let most = limits::AS_FAST * servers as f64 + 3.0;
        assert!(did.busy <= most, "{servers} servers: {:.1}", did.busy);
    }
}

#[test]
fn a_target_that_gets_slow_is_left_alone_within_a_few_answers_and_taken_up_again() {
    let mut run = Run::new(Model::new(8, 1000, 0.02), 32);
    run.run(1000);
    let before = run.controller.in_flight();
    assert!(before >= 8, "{before}");
    run.model.seconds_a_megabyte *= 40.0;
    // What is on its way, and then some.
    run.run(before as usize + 3 * limits::IN_A_ROW);
    let slow = run.controller.in_flight();
    assert!(slow <= before / 4, "{before} then {slow}");
    run.model.seconds_a_megabyte /= 40.0;
    run.run(400);
    let after = run.controller.in_flight();
    assert!(after >= 8, "{before}, {slow}, {after}");
}

#[test]
fn rejections_halve_what_is_on_its_way_once_and_the_rest_goes_on() {
    let mut run = Run::new(Model::new(4, 4, 0.02), 32);
    run.run(500);
    let did = run.run(2000);
    let share = did.rejected as f64 / did.answers as f64;
    assert!(share < 0.1, "{share:.2} of the requests are rejected");
    let share = did.bytes / did.seconds / run.model.bytes_a_second();
    assert!(share > 0.85, "{share:.2} of what it can do");
}

#[test]
fn one_burst_of_rejections_is_one_decrease() {
    let mut controller = Run::new(Model::new(1, 1, 1.0), 32).controller;
    let now = Instant::now() + Duration::from_mins(1);
    let rejected = |took| Answered {
        bytes: 1000,
        took,
        outcome: Outcome::Rejected,
    };
    for _ in 0..limits::FIRST_IN_FLIGHT {
        controller.answered(
            now,
            limits::FIRST_IN_FLIGHT,
            rejected(Duration::from_millis(5)),
        );
    }
    assert_eq!(controller.in_flight(), limits::FIRST_IN_FLIGHT / 2);
    let later = now + Duration::from_secs(1);
    for step in 0..20 {
        let later = later + Duration::from_millis(10 * step);
        controller.answered(later, 1, rejected(Duration::from_millis(5)));
    }
    assert_eq!(controller.in_flight(), 1);
    assert_eq!(controller.batch_bytes(), limits::LEAST_BATCH_BYTES);
}

#[test]
fn what_is_not_used_does_not_grow() {
    let mut run = Run::new(Model::new(16, 1000, 0.02), 32);
    run.workers = 2;
    run.run(500);
    assert_eq!(run.controller.in_flight(), limits::FIRST_IN_FLIGHT);
}

#[test]
fn a_request_that_was_too_large_is_never_sent_again_as_large() {
    let mut run = Run::new(Model::new(4, 100, 0.02), 8);
    let answer = Answered {
        bytes: BATCH as u64,
        took: Duration::from_millis(1),
        outcome: Outcome::TooLarge,
    };
    let now = run.at(0.0);
    run.controller.answered(now, 1, answer);
    assert_eq!(run.controller.batch_bytes(), BATCH / 2);
    run.run(500);
    assert_eq!(run.controller.batch_bytes(), BATCH / 2);
    run.controller.set(Ceilings {
        in_flight: 8,
        batch_bytes: 2 * BATCH,
        cpu_percent: None,
    });
    run.run(500);
    assert_eq!(run.controller.batch_bytes(), 2 * BATCH);
}

/// A target whose processors are busy in proportion to what is on its way.
#[test]
fn processors_are_kept_below_their_limit_by_pauses_too() {
    for (load_of_one, limit) in [(10.0, 60_u8), (40.0, 60), (100.0, 30)] {
        let mut run = Run::new(Model::new(32, 1000, 0.02), 32);
        run.controller.set(Ceilings {
            in_flight: 32,
            batch_bytes: BATCH,
            cpu_percent: Some(limit),
        });
        let mut last = Vec::new();
        for look in 0..60 {
            let did = run.run(60);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let percent = (did.busy * load_of_one).min(100.0) as u8;
            run.controller.looked_at_cpu(percent);
            if look >= 40 {
                last.push(f64::from(percent));
            }
        }
        let mean = last.iter().sum::<f64>() / last.len() as f64;
        let limit = f64::from(limit);
        assert!(mean <= limit * 1.1, "{load_of_one}: {last:?} for {limit}");
        assert!(mean >= limit * 0.5, "{load_of_one}: {last:?} for {limit}");
    }
}

#[test]
fn a_limit_that_is_lifted_lets_go() {
    let mut run = Run::new(Model::new(16, 1000, 0.02), 32);
    let limited = |cpu_percent| Ceilings {
        in_flight: 32,
        batch_bytes: BATCH,
        cpu_percent,
    };
    run.controller.set(limited(Some(10)));
    for _ in 0..20 {
        run.controller.looked_at_cpu(100);
    }
    assert_eq!(run.controller.in_flight(), 1);
    assert!(run.controller.pause_after(Duration::from_secs(1)) > Duration::from_secs(2));
    run.controller.set(limited(None));
    assert_eq!(
        run.controller.pause_after(Duration::from_secs(1)),
        Duration::ZERO
    );
    run.run(1000);
    assert!(run.controller.in_flight() >= 16);
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Taken),
        1 => Just(Outcome::Rejected),
        1 => Just(Outcome::Lost),
        1 => Just(Outcome::Away),
        1 => Just(Outcome::TooLarge),
    ]
}

proptest! {
    #[test]
    fn whatever_is_answered_it_stays_within_its_bounds(
        answers in prop::collection::vec((outcome(), 0_u64..200_000, 0_u64..20_000_000, 0_u32..80), 1..200),
        looks in prop::collection::vec(any::<u8>(), 0..20),
        in_flight in 0_u32..100,
        batch_bytes in 1_usize..20_000_000,
        cpu_percent in prop::option::of(1_u8..=100),
    ) {
        let ceilings = Ceilings { in_flight, batch_bytes, cpu_percent };
        let mut controller = Controller::new(ceilings);
        let began = Instant::now() + Duration::from_hours(1);
        let mut looks = looks.into_iter();
        let mut too_large = usize::MAX;
        for (number, (outcome, millis, bytes, way)) in (0_u64..).zip(answers) {
            let took = Duration::from_millis(millis);
            let now = began + Duration::from_millis(number * 37);
            controller.answered(now, way, Answered { bytes, took, outcome });
            if outcome == Outcome::TooLarge {
                too_large = too_large.min(usize::try_from(bytes / 2).unwrap().max(1));
            }
            if number % 7 == 0 && let Some(percent) = looks.next() {
                controller.looked_at_cpu(percent);
            }
            prop_assert!((1..=in_flight.max(1)).contains(&controller.in_flight()));
            let most = batch_bytes.min(too_large);
            let least = limits::LEAST_BATCH_BYTES.min(most);
            prop_assert!((least..=most).contains(&controller.batch_bytes()));
            prop_assert!(controller.pause_after(took) <= limits::PAUSE_MAX);
        }
    }

    #[test]
    fn any_target_gets_most_of_what_it_takes_and_rejects_little(
        servers in 1_usize..20,
        queue in 2_usize..50,
        millis in 1_u32..200,
    ) {
        let mut run = Run::new(Model::new(servers, queue, f64::from(millis) / 1e3), 32);
        run.run(1500);
        let did = run.run(1500);
        let share = did.bytes / did.seconds / run.model.bytes_a_second();
        prop_assert!(share > 0.75, "{share:.2} of what it can do");
        prop_assert!(did.rejected * 8 < did.answers, "{} of {} rejected", did.rejected, did.answers);
    }
}
