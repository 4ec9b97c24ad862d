//! The tally against leaders that are killed between any two of its steps, old leaders that wake, processes that are killed, sleep
//! long and go on: by seeds, in virtual time. `MIG_SIM_SEED` runs one, `MIG_SIM_SEEDS` says how many.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::{Brief, Change, ChangeTally, Control, Turn};
use super::*;

const SEEDS: u64 = 8;
const STEPS: usize = 2_500;
/// Actions of others within one.
const DEPTH: usize = 2;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn beat(id: &str, at_second: i64, requests: u64, left: bool) -> Beat {
    Beat {
        figures: Figures {
            requests,
            ..Figures::default()
        },
        left,
        ..Beat::of_test(id, 0, at_second)
    }
}

/// A process as it is: whatever it told that stands, or stood, on the board.
#[derive(Clone, Copy, Default)]
struct Process {
    did: u64,
    told: u64,
    over: bool,
    asleep_since: Option<i64>,
}

#[derive(Default)]
struct World {
    seed: u64,
    now: i64,
    depth: usize,
    tally: Tally,
    changes: u64,
    beats: BTreeMap<String, Beat>,
    processes: Vec<Process>,
    /// How often each thing that matters happened.
    kills: u64,
    conflicts: u64,
    woken: u64,
    changed: u64,
}

impl World {
    /// A load that went on for long: nearly as many are gone as are kept by name.
    fn late(seed: u64) -> Self {
        let mut world = Self {
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            ..Self::default()
        };
        for number in 0..limits::GONE_BY_NAME - 5 {
            world.tally.take(&beat(&format!("w{number}"), 0, 7, true));
            world.processes.push(Process {
                did: 7,
                told: 7,
                over: true,
                asleep_since: None,
            });
        }
        world
    }

    /// From nothing to less than `below`.
    fn throw(&mut self, below: u64) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    /// What stands on the board has to be all that was ever told.
    fn law(&self) {
        let told: u64 = self.processes.iter().map(|it| it.told).sum();
        let total = self.tally.total(self.beats.values()).requests;
        assert_eq!(total, told, "at {}", self.now);
    }
}

struct Simulated(Mutex<World>);

fn killed() -> BoardError {
    BoardError::Io {
        path: "killed".into(),
        source: std::io::Error::other("killed"),
    }
}

impl Simulated {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Others go on, or whoever calls is killed here.
    fn step(&self) -> Result<(), BoardError> {
        let (meanwhile, dies) = {
            let mut world = self.world();
            // It costs far more than a step.
            if world.throw(4) == 0 {
                world.law();
            }
            world.now += 1;
            (
                world.depth < DEPTH && world.throw(3) == 0,
                world.throw(12) == 0,
            )
        };
        if meanwhile {
            self.world().depth += 1;
            self.anything();
            self.world().depth -= 1;
        }
        if dies {
            self.world().kills += 1;
            return Err(killed());
        }
        Ok(())
    }

    fn anything(&self) {
        let kind = self.world().throw(10);
        if kind < 2 {
            let now = self.world().now;
            let forgotten = |beat: &Beat| beat.left || now - beat.at.as_second() > 900;
            // A kill at any step, also of one who led before.
            drop(bury(self, &forgotten));
            return;
        }
        let mut world = self.world();
        if kind == 2 {
            world.processes.push(Process::default());
            return;
        }
        let count = world.processes.len() as u64;
        if count == 0 {
            return;
        }
        // Mostly the younger ones, as where processes come and go.
        let number = if world.throw(4) == 0 {
            world.throw(count)
        } else {
            count - 1 - world.throw(count.min(8))
        };
        let number = usize::try_from(number).unwrap();
        let (kind, more, sleeps) = (world.throw(8), world.throw(50), world.throw(16) == 0);
        let now = world.now;
        let mut process = world.processes[number];
        if process.over {
            return;
        }
        if let Some(since) = process.asleep_since {
            // Its beat may have been taken away meanwhile.
            if now - since > 1_000 {
                process.asleep_since = None;
                world.processes[number] = process;
                world.woken += 1;
            }
            return;
        }
        if sleeps {
            process.asleep_since = Some(now);
            world.processes[number] = process;
            return;
        }
        process.did += more;
        let last = kind == 0;
        // A kill leaves what was told before.
        let is_killed = kind == 1 && world.throw(8) == 0;
        if !is_killed {
            process.told = process.did;
            let id = format!("w{number}");
            let told = beat(&id, now, process.did, last);
            world.beats.insert(id, told);
        }
        process.over = last || is_killed;
        world.processes[number] = process;
    }
}

impl Board for Simulated {
    fn now(&self) -> Timestamp {
        at(self.world().now)
    }

    fn control(&self) -> Result<Control, BoardError> {
        Ok(Control::default())
    }

    fn change(&self, _: &str, _: &mut Change<'_>) -> Result<Control, BoardError> {
        Ok(Control::default())
    }

    fn brief(&self) -> Result<Option<Brief>, BoardError> {
        Ok(None)
    }

    fn give_out(
        &self,
        _: &str,
        _: Turn,
        _: &BTreeMap<String, Option<String>>,
    ) -> Result<(), BoardError> {
        Ok(())
    }

    fn tally(&self) -> Result<Tally, BoardError> {
        self.step()?;
        Ok(self.world().tally.clone())
    }

    /// As on a server: conditional on that nobody changed it since it was read.
    fn change_tally(&self, change: &mut ChangeTally<'_>) -> Result<Tally, BoardError> {
        loop {
            self.step()?;
            let (mut tally, read) = {
                let world = self.world();
                (world.tally.clone(), world.changes)
            };
            if !change(&mut tally)? {
                return Ok(tally);
            }
            self.step()?;
            let mut world = self.world();
            if world.changes == read {
                world.tally = tally.clone();
                world.changes += 1;
                return Ok(tally);
            }
            world.conflicts += 1;
        }
    }

    fn say(&self, _: &Beat) -> Result<(), BoardError> {
        Ok(())
    }

    fn forget(&self, beat: &Beat) -> Result<(), BoardError> {
        self.step()?;
        let mut world = self.world();
        if world.beats.get(&beat.id) == Some(beat) {
            world.beats.remove(&beat.id);
        } else {
            world.changed += 1;
        }
        Ok(())
    }

    fn beats(&self) -> Result<Vec<Beat>, BoardError> {
        self.step()?;
        Ok(self.world().beats.values().cloned().collect())
    }

    fn clear(&self) -> Result<(), BoardError> {
        Ok(())
    }

    fn remove(&self) -> Result<(), BoardError> {
        Ok(())
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whoever_is_killed_sleeps_or_wakes_the_sum_is_what_was_told() {
    let seeds = match number("MIG_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MIG_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let (mut kills, mut conflicts, mut woken, mut changed, mut folded) = (0, 0, 0, 0, 0);
    let many = seeds.end - seeds.start > 1;
    for seed in seeds {
        println!("MIG_SIM_SEED={seed}");
        let board = Simulated(Mutex::new(World::late(seed)));
        for _ in 0..STEPS {
            board.anything();
        }
        let world = board.world();
        world.law();
        let most = limits::GONE_BY_NAME + world.beats.len() + 20;
        assert!(world.tally.gone.len() <= most, "{}", world.tally.gone.len());
        kills += world.kills;
        conflicts += world.conflicts;
        woken += world.woken;
        changed += world.changed;
        folded += world.tally.more;
    }
    println!(
        "{kills} kills, {conflicts} conflicts, {woken} woken, {changed} beats changed, {folded} summed up"
    );
    if many {
        assert!(kills > 100 && conflicts > 10 && woken > 10 && changed > 10 && folded > 100);
    }
}

#[test]
fn a_look_at_beats_that_is_an_old_one_takes_nothing_back() {
    let mut known = Known::default();
    let tally = Tally::default();
    let sum = |known: &mut Known, beats: &[Beat]| known.others(&tally, beats, "own").requests;
    let early = [beat("own", 1, 100, false), beat("a", 1, 5, false)];
    let late = [beat("a", 2, 9, false), beat("b", 2, 1, false)];
    assert_eq!(sum(&mut known, &early), 5);
    assert_eq!(sum(&mut known, &late), 10);
    assert_eq!(sum(&mut known, &[early[1].clone(), late[1].clone()]), 10);
}
