//! A long load by four workers and the apply that leads them, while each of them is killed and comes back, stands still, rests
//! and is scaled, and the target starts anew: everything arrives, is proved, and hardly anything is sent twice.
//!
//! 2 000 000 documents with `MIG_TEST_ALL=1`; a tenth of them on its day otherwise. `MIG_CRASH_SEED` repeats a course.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::fleet::start;
use super::load::{Load, ends, kill, signal};
use super::proxy::{Proxy, Speed};
use super::steering::{BULK, by_proxy};
use super::support::{Options, Server, is_its_day};

const WORKERS: usize = 4;
/// How long a load takes that is not disturbed: it is held to it, so that all has time to happen.
const LOAD: Duration = Duration::from_secs(150);
/// Of a hundred documents that there are, so many may be sent.
const SENT_MAX_PERCENT: u64 = 105;
/// The same of the small load, which runs beside other tests, where checkpoints come late.
const SENT_MAX_PERCENT_BESIDE_OTHERS: u64 = 110;

/// What happens, each at least once, in an order that the seed says.
#[derive(Clone, Copy, Debug)]
enum Event {
    Kill(usize),
    KillApply,
    StandStill(usize),
    Pause,
    Scale(u32),
    TargetRestart,
}

const EVENTS: [Event; 14] = [
    Event::Kill(0),
    Event::Kill(1),
    Event::Kill(2),
    Event::Kill(3),
    Event::KillApply,
    Event::StandStill(1),
    Event::StandStill(2),
    Event::Pause,
    Event::Scale(1),
    Event::Scale(4),
    Event::TargetRestart,
    Event::Kill(2),
    Event::Kill(0),
    Event::Scale(5),
];

struct Dice(u64);

impl Dice {
    /// From nothing to less than `below`, by a linear congruential generator.
    fn throw(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn time(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_millis();
        let span = u64::try_from(span).unwrap();
        least + Duration::from_millis(self.throw(span))
    }

    fn shuffled(&mut self) -> Vec<Event> {
        let mut events = EVENTS.to_vec();
        for at in (1..events.len()).rev() {
            let with = self.throw(at as u64 + 1);
            events.swap(at, usize::try_from(with).unwrap());
        }
        events
    }
}

/// The processes that are at it.
struct Fleet<'a> {
    load: &'a Load<'a>,
    apply: Option<Child>,
    workers: Vec<Option<Child>>,
}

impl Fleet<'_> {
    fn worker(&mut self, at: usize) {
        self.workers[at] = Some(start(self.load, &["worker"]));
    }

    /// Has a worker there that lives: none ends by a mistake, and another takes the place of one that is through.
    fn live(&mut self, at: usize) {
        let child = self.workers[at].as_mut().unwrap();
        if child.try_wait().unwrap().is_some() {
            ends(self.workers[at].take().unwrap()).ends_with(0);
            self.worker(at);
        }
    }

    fn is_led(&mut self) -> bool {
        self.apply.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    fn order(&self, arguments: &[&str]) {
        let ran = self.load.place.mig(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}\n{}", ran.out, ran.err);
    }

    fn happens(&mut self, event: Event, dice: &mut Dice) {
        let short = Duration::from_secs(1);
        match event {
            Event::Kill(at) => {
                self.live(at);
                kill(self.workers[at].take().unwrap());
                thread::sleep(dice.time(Duration::ZERO, short));
                self.worker(at);
            }
            Event::KillApply => {
                kill(self.apply.take().unwrap());
                thread::sleep(dice.time(Duration::ZERO, short));
                self.apply = Some(start(self.load, &["apply", "--auto-approve"]));
            }
            // Shorter than a lease, or longer, so that another one has what it held when it wakes.
            Event::StandStill(at) => {
                self.live(at);
                let child = self.workers[at].as_ref().unwrap();
                signal(child, Signal::STOP);
                thread::sleep(dice.time(short, Duration::from_secs(14)));
                signal(child, Signal::CONT);
            }
            Event::Pause => {
                self.order(&["backfill", "pause"]);
                thread::sleep(dice.time(short, Duration::from_secs(5)));
                self.order(&["backfill", "scale", "5"]);
            }
            Event::Scale(workers) => {
                let workers = workers.to_string();
                self.order(&["backfill", "scale", &workers]);
            }
            Event::TargetRestart => {
                self.load.target.stop();
                thread::sleep(dice.time(Duration::ZERO, short));
                self.load.target.restart();
            }
        }
    }
}

impl Drop for Fleet<'_> {
    /// Where the test fails, nobody is left behind.
    fn drop(&mut self) {
        for child in self
            .apply
            .iter_mut()
            .chain(self.workers.iter_mut().flatten())
        {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn sent(proxy: &Proxy) -> u64 {
    // A line that says what to do, and one with the document.
    let passed_on = proxy.passed_on().into_iter();
    let bulks = passed_on.filter(|it| it.path.contains(BULK));
    bulks.map(|it| it.lines / 2).sum()
}

#[test]
fn whatever_happens_to_workers_and_target_all_arrives_and_hardly_any_twice() {
    if !is_its_day(2, 5) {
        return;
    }
    let (docs, percent): (u32, u64) = match std::env::var_os("MIG_TEST_ALL") {
        Some(_) => (2_000_000, SENT_MAX_PERCENT),
        None => (200_000, SENT_MAX_PERCENT_BESIDE_OTHERS),
    };
    let seed = std::env::var("MIG_CRASH_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("MIG_CRASH_SEED={seed}");
    let mut dice = Dice(seed);
    let options = Options {
        heap_mib: Some(1024),
        ..Options::default()
    };
    let target = Server::start("opensearch:2.19.1", &options);
    let rate = u64::from(docs) / LOAD.as_secs();
    let fields = format!("workers: 1, limits: {{ docs: {rate}/s }}");
    let shards = [("index.number_of_shards", json!(4))];
    let began = Instant::now();
    let load = Load::new(&target, "storm", docs, &shards, &fields);
    println!("{docs} documents at the source after {:?}", began.elapsed());
    let proxy = by_proxy(&load, Speed::default(), "nodes: endpoint");
    let began = Instant::now();
    let apply = load.begun(start(&load, &["apply", "--auto-approve"]), 1);
    let mut fleet = Fleet {
        load: &load,
        apply: Some(apply),
        workers: (0..WORKERS).map(|_| None).collect(),
    };
    for at in 0..WORKERS {
        fleet.worker(at);
    }
    let (least, most) = (Duration::from_secs(3), Duration::from_secs(9));
    for event in dice.shuffled() {
        thread::sleep(dice.time(least, most));
        let after = began.elapsed();
        println!(
            "{after:>7.1?} {event:?}, {} sent, {} there",
            sent(&proxy),
            load.visible()
        );
        assert!(
            sent(&proxy) < u64::from(docs),
            "all was sent before {event:?}"
        );
        fleet.happens(event, &mut dice);
    }
    fleet.order(&["backfill", "scale", "5"]);
    assert!(fleet.is_led(), "{:?}", fleet.apply.take().map(ends));
    let ran = ends(fleet.apply.take().unwrap()).ends_with(0);
    println!("{:>7.1?} the apply ended\n{}", began.elapsed(), ran.out);
    for worker in &mut fleet.workers {
        ends(worker.take().unwrap()).ends_with(0);
    }
    let sent = sent(&proxy);
    println!("{sent} documents were sent for {docs}");
    load.is_whole();
    assert!(sent >= u64::from(docs));
    assert!(
        sent * 100 <= u64::from(docs) * percent,
        "{sent} documents were sent for {docs}"
    );
}
