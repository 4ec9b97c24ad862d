//! The fleet as it is, from its beats. Pure: time is a value.

use jiff::Timestamp;
use serde::Serialize;

use super::beat::{Beat, Doing};
use super::control::Control;
use super::limits;
use crate::engines::bulk::figures::Gauges;
use crate::engines::bulk::work_store::Role;

/// A fleet.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Muster {
    /// Workers at work.
    pub running: u32,
    /// Workers that are wanted and not at work.
    pub pending: u32,
    /// Workers that are wanted.
    pub desired: u32,
    /// Documents a second of all.
    pub docs_per_second: f64,
    /// Bytes of the store a second of all.
    pub bytes_per_second: f64,
    /// The processes that are there, the oldest first.
    pub there: Vec<Beat>,
    /// Those that fell silent.
    pub lost: Vec<Beat>,
    /// Those that left by themselves, as long as nobody summed them up.
    pub left: Vec<Beat>,
}

impl Muster {
    /// What is so just now in those that are there.
    pub fn gauges(&self) -> Gauges {
        self.there.iter().map(|beat| beat.gauges).sum()
    }

    /// All that was said.
    pub fn beats(&self) -> impl Iterator<Item = &Beat> {
        self.there.iter().chain(&self.lost).chain(&self.left)
    }

    /// Whether a process with the plan's state is there.
    pub fn coordinated(&self) -> bool {
        self.there.iter().any(|beat| beat.role == Role::Coordinator)
    }
}

fn silent_for(beat: &Beat, now: Timestamp) -> i64 {
    now.duration_since(beat.at).as_secs()
}

/// Sums up what the processes say.
pub fn muster(control: &Control, mut beats: Vec<Beat>, now: Timestamp) -> Muster {
    let lost_after = i64::try_from(limits::LOST_AFTER.as_secs()).unwrap_or(i64::MAX);
    beats.sort_by(|left, right| (left.started, &left.id).cmp(&(right.started, &right.id)));
    let (left, stays): (Vec<Beat>, Vec<Beat>) = beats.into_iter().partition(|beat| beat.left);
    let (lost, there): (Vec<Beat>, Vec<Beat>) = stays
        .into_iter()
        .partition(|beat| silent_for(beat, now) > lost_after);
    let running = there.iter().map(|beat| beat.working).sum();
    let able = there
        .iter()
        .filter(|beat| beat.doing != Doing::Leaving)
        .map(|beat| beat.capacity)
        .sum();
    let desired = match control {
        Control { stopped: true, .. } | Control { paused: true, .. } => 0,
        Control { desired, .. } => desired.unwrap_or(able),
    };
    Muster {
        running,
        pending: desired.saturating_sub(running),
        desired,
        docs_per_second: there.iter().map(|beat| beat.docs_per_second).sum(),
        bytes_per_second: there.iter().map(|beat| beat.bytes_per_second).sum(),
        there,
        lost,
        left,
    }
}

/// How many workers the process `id` runs: the workers that joined first, up to what is wanted; what is left is the
/// coordinator's, which may run up to `most`. A process that no beat tells of yet counts as the last.
pub fn share(control: &Control, there: &[Beat], id: &str, role: Role, able: u32, most: u32) -> u32 {
    if control.paused || control.stopped {
        return 0;
    }
    let Some(desired) = control.desired else {
        return able;
    };
    let mut left = desired;
    for beat in there {
        if beat.role != Role::Worker || beat.doing == Doing::Leaving {
            continue;
        }
        let taken = beat.capacity.min(left);
        if role == Role::Worker && beat.id == id {
            return taken.min(able);
        }
        left -= taken;
    }
    match role {
        Role::Coordinator => left.min(most),
        Role::Worker => left.min(able),
    }
}

/// The part of what the whole fleet may do that the process `id` may, which runs `own` workers: by workers at work. Of others that
/// `begin`, those count that they are to run; others that have none just now, since nothing is left for them, need none. Those
/// that were silent for a short time still count.
pub fn part(
    control: &Control,
    there: &[Beat],
    (id, own): (&str, u32),
    begins: impl Fn(&Beat) -> bool,
) -> (u32, u32) {
    let most = crate::engines::bulk::limits::WORKERS;
    let to_run = |beat: &Beat| share(control, there, &beat.id, beat.role, beat.capacity, most);
    let others = there.iter().filter(|beat| beat.id != id);
    let others: u32 = others
        .map(|beat| {
            if begins(beat) {
                to_run(beat).max(beat.working)
            } else {
                beat.working
            }
        })
        .sum();
    let own = own.max(1);
    (own, own.saturating_add(others))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(id: &str, role: Role, started: i64, at: i64, capacity: u32, working: u32) -> Beat {
        Beat {
            role,
            capacity,
            working,
            docs_per_second: 10.0,
            ..Beat::of_test(id, started, at)
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_silent_are_lost_and_the_others_counted() {
        let beats = vec![
            beat("w2", Role::Worker, 5, 100, 1, 1),
            beat("apply", Role::Coordinator, 1, 99, 2, 2),
            beat("w1", Role::Worker, 4, 10, 1, 1),
        ];
        let found = muster(&Control::default(), beats, at(101));
        assert_eq!((found.running, found.pending, found.desired), (3, 0, 3));
        assert_eq!(found.lost[0].id, "w1");
        assert_eq!(
            found
                .there
                .iter()
                .map(|it| it.id.as_str())
                .collect::<Vec<_>>(),
            ["apply", "w2"]
        );
        assert!(found.coordinated());
    }

    #[test]
    fn what_is_wanted_and_not_there_is_pending() {
        let mut control = Control::default();
        control.scale(5);
        let found = muster(
            &control,
            vec![beat("a", Role::Coordinator, 1, 1, 2, 2)],
            at(1),
        );
        assert_eq!((found.running, found.pending, found.desired), (2, 3, 5));
        control.pause();
        let found = muster(
            &control,
            vec![beat("a", Role::Coordinator, 1, 1, 2, 2)],
            at(1),
        );
        assert_eq!((found.running, found.pending, found.desired), (2, 0, 0));
    }

    #[test]
    fn those_that_joined_first_work_and_the_coordinator_makes_up_the_rest() {
        let there = [
            beat("a", Role::Coordinator, 1, 1, 2, 2),
            beat("w1", Role::Worker, 2, 1, 1, 1),
            beat("w2", Role::Worker, 3, 1, 2, 2),
        ];
        let mut control = Control::default();
        let of = |control: &Control, id, role, able| share(control, &there, id, role, able, 64);
        assert_eq!(of(&control, "a", Role::Coordinator, 2), 2);
        assert_eq!(of(&control, "w2", Role::Worker, 2), 2);
        for (wanted, shares) in [
            (0, [0, 0, 0]),
            (1, [0, 1, 0]),
            (2, [0, 1, 1]),
            (5, [2, 1, 2]),
            (100, [64, 1, 2]),
        ] {
            control.scale(wanted);
            let found = [
                of(&control, "a", Role::Coordinator, 2),
                of(&control, "w1", Role::Worker, 1),
                of(&control, "w2", Role::Worker, 2),
            ];
            assert_eq!(found, shares, "{wanted}");
            // One that has not said anything yet takes what nobody else does.
            assert!(of(&control, "new", Role::Worker, 1) <= 1);
        }
    }

    #[test]
    fn a_rate_is_shared_by_those_at_work() {
        let there = [
            beat("a", Role::Coordinator, 1, 100, 2, 2),
            beat("b", Role::Worker, 2, 100, 3, 3),
            beat("c", Role::Worker, 3, 100, 4, 0),
        ];
        let control = Control::default();
        let goes_on = |own| part(&control, &there, own, |_| false);
        assert_eq!(goes_on(("a", 2)), (2, 5));
        assert_eq!(goes_on(("b", 3)), (3, 5));
        // One that is about to begin.
        assert_eq!(goes_on(("c", 4)), (4, 9));
        assert_eq!(goes_on(("d", 1)), (1, 6));
        assert_eq!(part(&control, &[], ("d", 0), |_| false), (1, 1));
        // The others know that it is.
        assert_eq!(part(&control, &there, ("a", 2), |it| it.id == "c"), (2, 9));
        let mut control = Control::default();
        control.scale(6);
        assert_eq!(part(&control, &there, ("a", 2), |it| it.id == "c"), (2, 8));
    }
}
