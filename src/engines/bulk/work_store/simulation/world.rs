//! Virtual time, and who runs next.
//!
//! One thread runs at a time. What will happen stands in a queue by its time; whoever has to wait works the queue until it is
//! its own turn, or another's, which it wakes. So a world does the same at each run, whatever the machine does.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::server::{Answer, Call, Server};

pub(super) const MILLI: u64 = 1_000;
pub(super) const SECOND: u64 = 1_000_000;

/// A way in which the protocol is made wrong, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutation {
    None,
    /// Items are written whatever was written meanwhile.
    WritesWithoutCondition,
    /// A coordinator frees all leases when it opens the store.
    FreesAll,
    /// The machine's clock in the place of the server's.
    OwnClock,
    /// A checkpoint before its documents.
    NotesFirst,
    /// The number of tries is always nought.
    ForgetsTries,
}

/// What a world is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Params {
    pub(super) seed: u64,
    pub(super) workers: usize,
    pub(super) items: usize,
    pub(super) docs_of_an_item: u32,
    pub(super) faults: bool,
    pub(super) mutation: Mutation,
}

impl Params {
    /// A small one in which everything goes wrong.
    pub(super) fn faulty(seed: u64) -> Self {
        let mut random = Random(seed ^ 0x5eed);
        Self {
            seed,
            workers: 1 + usize::try_from(random.below(3)).unwrap(),
            items: 3 + usize::try_from(random.below(4)).unwrap(),
            docs_of_an_item: 2 + 2 * u32::try_from(random.below(3)).unwrap(),
            faults: true,
            mutation: Mutation::None,
        }
    }

    /// One in which nothing does.
    pub(super) fn fleet(workers: usize, items: usize, docs_of_an_item: usize) -> Self {
        Self {
            seed: 7,
            workers,
            items,
            docs_of_an_item: u32::try_from(docs_of_an_item).unwrap(),
            faults: false,
            mutation: Mutation::None,
        }
    }
}

/// What became of a world.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Report {
    pub(super) requests: u64,
    pub(super) requests_of_items: u64,
    pub(super) done: usize,
    pub(super) set_aside: usize,
    pub(super) deaths: u64,
    pub(super) pauses: u64,
    pub(super) restarts: u64,
    pub(super) lost: u64,
    pub(super) late: u64,
    pub(super) twice: u64,
    pub(super) fenced: u64,
    pub(super) clockless: u64,
}

impl Report {
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.requests_of_items += other.requests_of_items;
        self.done += other.done;
        self.set_aside += other.set_aside;
        self.deaths += other.deaths;
        self.pauses += other.pauses;
        self.restarts += other.restarts;
        self.lost += other.lost;
        self.late += other.late;
        self.twice += other.twice;
        self.fenced += other.fenced;
        self.clockless += other.clockless;
    }
}

/// Numbers that only the seed decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What will happen.
enum Event {
    Wake(usize),
    Arrives { from: usize, call: u64, what: Call },
    Up,
}

struct Entry {
    at: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// A process as the world sees it.
#[derive(Default)]
pub(super) struct Seat {
    /// When the incarnation that runs now dies; all that it asks for after that is refused.
    pub(super) dies: Option<u64>,
    /// Until when it sleeps without knowing it.
    pub(super) asleep: u64,
    call: u64,
    answer: Option<Answer>,
    ended: bool,
}

/// Everything, under one lock that is held for an instant at a time.
pub(super) struct State {
    pub(super) now: u64,
    pub(super) random: Random,
    pub(super) server: Server,
    pub(super) seats: Vec<Seat>,
    pub(super) report: Report,
    queue: BinaryHeap<Reverse<Entry>>,
    order: u64,
    running: Option<usize>,
    pub(super) down: bool,
    pub(super) all_done: bool,
}

/// See the module.
pub(super) struct World {
    pub(super) params: Params,
    state: Mutex<State>,
    turns: Vec<Condvar>,
    broken: Mutex<Option<String>>,
    over: AtomicBool,
}

/// When faults cease.
pub(super) const CALM: u64 = 600 * SECOND;
/// When all has to be at its end.
pub(super) const END: u64 = CALM + 3_600 * SECOND;

impl World {
    pub(super) fn new(params: Params) -> Self {
        // The coordinator comes first.
        let processes = params.workers + 1;
        Self {
            state: Mutex::new(State {
                now: 0,
                random: Random(params.seed),
                server: Server::new(params),
                seats: (0..processes).map(|_| Seat::default()).collect(),
                report: Report::default(),
                queue: BinaryHeap::new(),
                order: 0,
                running: None,
                down: false,
                all_done: false,
            }),
            turns: (0..processes).map(|_| Condvar::new()).collect(),
            broken: Mutex::default(),
            over: AtomicBool::new(false),
            params,
        }
    }

    pub(super) fn processes(&self) -> usize {
        self.turns.len()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the first process run.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        for id in 0..self.processes() {
            let at = state.random.below(SECOND);
            push(&mut state, at, Event::Wake(id));
        }
        drop(self.hand_over(state));
    }

    /// A law was broken: the world ends.
    pub(super) fn broken(&self, law: impl Into<String>) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.get_or_insert(law.into());
        self.over.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(super) fn report(&self) -> Result<Report, String> {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(law) = &*broken {
            return Err(law.clone());
        }
        let state = self.state();
        state.server.at_the_end(self.params)?;
        let mut report = state.report;
        report.done = state.server.done();
        report.set_aside = state.server.set_aside_ever();
        Ok(report)
    }

    /// Works the queue until a process has its turn, and wakes it. Gives the lock back.
    fn hand_over<'s>(&'s self, mut state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        loop {
            if state.running.is_some() {
                return state;
            }
            let Some(Reverse(entry)) = state.queue.pop() else {
                return state;
            };
            state.now = state.now.max(entry.at);
            match entry.event {
                Event::Wake(id) => {
                    let asleep = state.seats[id].asleep;
                    if asleep > state.now && !self.is_over() {
                        push(&mut state, asleep, Event::Wake(id));
                        continue;
                    }
                    if state.seats[id].ended {
                        continue;
                    }
                    state.running = Some(id);
                    self.turns[id].notify_all();
                }
                Event::Arrives { from, call, what } => {
                    if state.down {
                        continue;
                    }
                    let now = state.now;
                    let (answer, broken) = state.server.take(now, from, &what);
                    if let Some(law) = broken {
                        self.broken(law);
                    }
                    let seat = &mut state.seats[from];
                    // A late or second delivery answers nobody.
                    if seat.call == call && seat.answer.is_none() {
                        seat.answer = Some(answer);
                    }
                }
                Event::Up => {
                    let jump = state.random.below(300 * MILLI);
                    state.down = false;
                    state.server.restarted(jump);
                }
            }
        }
    }

    /// Until it is the turn of `id`.
    fn wait<'s>(&'s self, mut state: MutexGuard<'s, State>, id: usize) -> MutexGuard<'s, State> {
        while state.running != Some(id) {
            state = self.turns[id]
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// The first turn of a process.
    pub(super) fn first_turn(&self, id: usize) {
        drop(self.wait(self.state(), id));
    }

    /// A process sleeps.
    pub(super) fn sleep(&self, id: usize, micros: u64) {
        let mut state = self.state();
        let at = state.now + if self.is_over() { 0 } else { micros };
        push(&mut state, at, Event::Wake(id));
        state.running = None;
        let state = self.hand_over(state);
        drop(self.wait(state, id));
    }

    /// A process is at its end.
    pub(super) fn ended(&self, id: usize) {
        let mut state = self.state();
        state.seats[id].ended = true;
        if state.running == Some(id) {
            state.running = None;
        }
        drop(self.hand_over(state));
    }

    /// Whether the incarnation of a process that runs now is dead.
    pub(super) fn is_dead(&self, id: usize) -> bool {
        let state = self.state();
        self.is_over() || state.seats[id].dies.is_some_and(|dies| dies <= state.now)
    }

    /// Sends a request once; `None`: no answer came.
    pub(super) fn send(&self, id: usize, what: Call) -> Option<Answer> {
        let mut state = self.state();
        let state_ref = &mut *state;
        let faults = self.params.faults && state_ref.now < CALM;
        let random = &mut state_ref.random;
        let there = random.between(MILLI, 20 * MILLI);
        let back = random.between(MILLI, 20 * MILLI);
        let timeout = 30 * SECOND;
        let fate = if faults { random.below(100) } else { 100 };
        let restart = faults && random.below(400) == 0;
        let late = there + random.between(0, 200 * SECOND);
        let pause = faults && random.below(40) == 0;
        let length = random.between(10 * SECOND, 400 * SECOND);
        let seat = &mut state_ref.seats[id];
        seat.call += 1;
        seat.answer = None;
        let call = seat.call;
        if pause {
            seat.asleep = state_ref.now + length;
            state_ref.report.pauses += 1;
        }
        if restart && !state_ref.down {
            state_ref.down = true;
            state_ref.report.restarts += 1;
            let up = state_ref.now + 1 + length / 8;
            push(&mut state, up, Event::Up);
        }
        let now = state.now;
        let arrives = |what| Event::Arrives {
            from: id,
            call,
            what,
        };
        let mut wake = now + there + back;
        match fate {
            // Never arrives.
            0 => {
                state.report.lost += 1;
                wake = now + timeout;
            }
            // Is done, and nobody is told.
            1 => {
                state.report.lost += 1;
                state.seats[id].call += 1;
                push(&mut state, now + there, arrives(what));
                wake = now
                    + if call.is_multiple_of(2) {
                        timeout
                    } else {
                        there + back
                    };
            }
            // Arrives after it was given up, or again much later.
            2 => {
                state.report.late += 1;
                push(&mut state, now + timeout + late, arrives(what));
                wake = now + timeout;
            }
            3 => {
                state.report.twice += 1;
                push(&mut state, now + there, arrives(what.clone()));
                push(&mut state, now + late, arrives(what));
            }
            _ => push(&mut state, now + there, arrives(what)),
        }
        push(&mut state, wake, Event::Wake(id));
        state.running = None;
        let state = self.hand_over(state);
        let mut state = self.wait(state, id);
        state.seats[id].answer.take()
    }
}

fn push(state: &mut State, at: u64, event: Event) {
    state.order += 1;
    let order = state.order;
    state.queue.push(Reverse(Entry { at, order, event }));
}
