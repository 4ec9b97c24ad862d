//! The processes of a world: a coordinator and workers that run the store as it is, die, and come back under other names.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::laws::{TERM, progress};
use super::server::{Answer, Call, is_deadly, is_unreadable, items};
use super::world::{CALM, END, MILLI, Mutation, Random, SECOND, World};
use crate::base::Fingerprint;
use crate::clients::target::TargetError;
use crate::clients::target::cluster::working_state::{Condition, Stored, Tag, Written};
use crate::engines::bulk::work_store::index::documents::{Documents, Time};
use crate::engines::bulk::work_store::{
    Acquired, IndexWorkStore, ItemState, ItemStatus, Lease, Role, WorkError, WorkIdentity,
    WorkStore as _,
};

/// Documents of a step.
const STEP: u32 = 2;
/// Time between two checkpoints where nothing goes wrong.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(3);
/// Times that a coordinator begins anew in calm, for what was set aside.
const BEGINS_ANEW: u32 = 2;

fn identity() -> WorkIdentity {
    WorkIdentity {
        plan: "plan".to_owned(),
        lineage: "lineage".to_owned(),
        work: "docs".to_owned(),
        snapshot_uuid: "snapshot".to_owned(),
        digest: Fingerprint::of(&"digest"),
    }
}

/// One incarnation.
#[derive(Clone)]
struct Life<'w> {
    world: &'w World,
    id: usize,
    name: Arc<str>,
    /// Parts of a million that its monotonic clock is fast or slow.
    drift: i64,
    /// Seconds that its wall clock is wrong.
    wrong: i64,
    /// Whether the server tells it the time.
    told: bool,
}

impl Life<'_> {
    fn ask(&self, call: &Call) -> Result<Answer, TargetError> {
        let mut wait = 200 * MILLI;
        loop {
            if self.world.is_dead(self.id) {
                return Err(dead());
            }
            if let Some(answer) = self.world.send(self.id, call.clone()) {
                // What died while it waited does not hear it.
                return if self.world.is_dead(self.id) {
                    Err(dead())
                } else {
                    Ok(answer)
                };
            }
            self.world.sleep(self.id, wait);
            wait = (wait * 2).min(10 * SECOND);
        }
    }

    fn mutation(&self) -> Mutation {
        self.world.params.mutation
    }

    fn condition(&self, condition: Condition) -> Condition {
        match condition {
            Condition::Unchanged { .. } if self.mutation() == Mutation::WritesWithoutCondition => {
                Condition::Always
            }
            other => other,
        }
    }

    fn body(&self, body: &Value) -> Value {
        let mut body = body.clone();
        if self.mutation() == Mutation::ForgetsTries
            && let Some(fields) = body.as_object_mut()
        {
            fields.remove("tries");
        }
        body
    }
}

fn dead() -> TargetError {
    TargetError::Refused {
        location: "simulation".to_owned(),
        what: "dead".to_owned(),
    }
}

impl Documents for Life<'_> {
    fn ensure(&self) -> Result<(), TargetError> {
        Ok(())
    }

    fn get(&self, id: &str) -> Result<Option<Stored<Value>>, TargetError> {
        match self.ask(&Call::Get(id.to_owned()))? {
            Answer::Got(mut found) => Ok(found.pop()),
            _ => Err(dead()),
        }
    }

    fn get_many(&self, ids: &[String]) -> Result<Vec<Stored<Value>>, TargetError> {
        match self.ask(&Call::GetMany(Arc::new(ids.to_vec())))? {
            Answer::Got(found) => Ok(found),
            _ => Err(dead()),
        }
    }

    fn put(
        &self,
        id: &str,
        _tag: Tag<'_>,
        body: &Value,
        condition: Condition,
        _visible: bool,
    ) -> Result<Written, TargetError> {
        let put = (id.to_owned(), self.body(body), self.condition(condition));
        match self.ask(&Call::Put(self.name.clone(), Arc::new(put)))? {
            Answer::Written(mut written) => written.pop().ok_or_else(dead),
            _ => Err(dead()),
        }
    }

    fn put_many(
        &self,
        _tag: Tag<'_>,
        documents: &[(String, Value, Condition)],
    ) -> Result<Vec<Written>, TargetError> {
        let documents = documents
            .iter()
            .map(|(id, body, condition)| (id.clone(), self.body(body), self.condition(*condition)))
            .collect();
        match self.ask(&Call::PutMany(self.name.clone(), Arc::new(documents)))? {
            Answer::Written(written) => Ok(written),
            _ => Err(dead()),
        }
    }

    fn delete(&self, _id: &str) -> Result<bool, TargetError> {
        Err(dead())
    }

    fn delete_many(&self, _ids: &[String]) -> Result<(), TargetError> {
        Err(dead())
    }

    fn server_time(&self) -> Result<Option<Timestamp>, TargetError> {
        if self.mutation() == Mutation::OwnClock {
            return Ok(Some(self.wall()));
        }
        if !self.told {
            return Ok(None);
        }
        if self.world.is_dead(self.id) {
            return Err(dead());
        }
        match self.world.send(self.id, Call::Time) {
            Some(Answer::Time(time)) => Ok(Some(time)),
            _ => Err(dead()),
        }
    }

    fn place(&self) -> PathBuf {
        PathBuf::from("simulation")
    }
}

impl Time for Life<'_> {
    fn monotonic(&self) -> Duration {
        let now = i64::try_from(self.world.state().now).unwrap();
        let gone = now + now / 1_000_000 * self.drift;
        Duration::from_micros(u64::try_from(gone).unwrap())
    }

    fn wall(&self) -> Timestamp {
        let now = i64::try_from(self.monotonic().as_micros()).unwrap();
        Timestamp::from_second(1_700_000_000 + self.wrong).unwrap()
            + SignedDuration::from_micros(now)
    }

    fn sleep(&self, time: Duration) {
        self.world
            .sleep(self.id, u64::try_from(time.as_micros()).unwrap());
    }
}

/// Lives until all is done.
pub(super) fn run(world: &World, id: usize) {
    world.first_turn(id);
    let mut random = Random(world.params.seed.wrapping_mul(31) + id as u64);
    let mut lives = 0;
    let mut anew = 0;
    loop {
        {
            let mut state = world.state();
            if world.is_over() || state.all_done || state.now >= END {
                return;
            }
            let calm = !world.params.faults || state.now >= CALM;
            let dies = match random.below(10) {
                // While it opens and registers.
                0 => Some(random.below(400 * MILLI)),
                1..=4 => Some(random.between(SECOND, 300 * SECOND)),
                _ => None,
            };
            let now = state.now;
            let dies = dies.map(|after| now + after);
            state.seats[id].dies = dies.filter(|dies| !calm && *dies < CALM);
        }
        lives += 1;
        let kind = if id == 0 { "apply" } else { "worker" };
        let faults = world.params.faults;
        let life = Life {
            world,
            id,
            name: format!("{kind}-{id}-{lives}").into(),
            drift: i64::try_from(random.below(1000)).unwrap() - 500,
            wrong: i64::try_from(random.below(7200)).unwrap() - 3600,
            told: !faults || random.chance(80),
        };
        world.state().report.clockless += u64::from(!life.told);
        live(&life, &mut random, &mut anew);
        let died = world.is_dead(id);
        world.state().report.deaths += u64::from(died);
        let pause = random.between(SECOND, 60 * SECOND);
        world.sleep(id, if died { pause } else { SECOND });
    }
}

/// One life; ends with an error, with death, or with the load.
fn live(life: &Life<'_>, random: &mut Random, anew: &mut u32) {
    let role = if life.id == 0 {
        Role::Coordinator
    } else {
        Role::Worker
    };
    let documents = || Box::new(life.clone()) as Box<dyn Documents + '_>;
    let opened = IndexWorkStore::open_on(documents, Box::new(life.clone()), &identity(), role);
    let store = match opened {
        Ok(store) => store,
        Err(error) => return unless_dead(life, &error),
    };
    if role == Role::Coordinator {
        if life.mutation() == Mutation::FreesAll && free_all(life, &store).is_err() {
            return;
        }
        if let Err(error) = store.register(&items(life.world.params)) {
            return unless_dead(life, &error);
        }
    }
    let opened = store.requests();
    let mut last = opened;
    let ended = work(life, &store, random, anew, &mut last);
    let mut state = life.world.state();
    state.report.requests += store.requests();
    state.report.requests_of_items += last - opened;
    drop(state);
    if let Err(error) = ended {
        unless_dead(life, &error);
    }
}

/// An error that no death explains breaks a law, but for a worker that comes before the coordinator.
fn unless_dead(life: &Life<'_>, error: &WorkError) {
    let early = life.id != 0 && matches!(error, WorkError::NotBegun { .. });
    if !early && !life.world.is_dead(life.id) {
        life.world.broken(format!("law: {} met {error}", life.name));
    }
}

fn free_all(life: &Life<'_>, store: &IndexWorkStore<'_>) -> Result<(), WorkError> {
    for (number, state) in store.items()?.into_iter().enumerate() {
        if matches!(state.status, ItemStatus::Held { .. }) {
            store.write_for_a_test(number, &ItemState::freed(&state))?;
        }
    }
    drop(life.ask(&Call::Time)?);
    Ok(())
}

fn work(
    life: &Life<'_>,
    store: &IndexWorkStore<'_>,
    random: &mut Random,
    anew: &mut u32,
    last: &mut u64,
) -> Result<(), WorkError> {
    let holder = format!("{}/0", life.name);
    loop {
        {
            let state = life.world.state();
            if life.world.is_over() || state.all_done || state.now >= END {
                return Ok(());
            }
        }
        let now = store.now();
        match store.acquire(&holder, now, now + TERM)? {
            Acquired::Lease(lease) => match item(life, store, &lease, random) {
                Ok(()) => *last = store.requests(),
                Err(WorkError::Fenced { .. }) => life.world.state().report.fenced += 1,
                Err(error) => return Err(error),
            },
            Acquired::Wait(_) => life.sleep(Duration::from_secs(2)),
            Acquired::Finished if life.id == 0 => {
                let aside = store.facts()?.items_set_aside > 0;
                let mut state = life.world.state();
                let calm = !life.world.params.faults || state.now >= CALM;
                if aside && (!calm || *anew < BEGINS_ANEW) {
                    // Begins anew, to try it again.
                    *anew += u32::from(calm);
                    drop(state);
                    life.sleep(Duration::from_mins(2));
                    return Ok(());
                }
                state.all_done = true;
                return Ok(());
            }
            Acquired::Finished => life.sleep(Duration::from_secs(30)),
        }
    }
}

/// Works on one item as a worker does.
fn item(
    life: &Life<'_>,
    store: &IndexWorkStore<'_>,
    lease: &Lease,
    random: &mut Random,
) -> Result<(), WorkError> {
    let params = life.world.params;
    let key = &lease.item.key;
    if is_unreadable(params, key) {
        return store.set_aside(lease, "its chunk is damaged");
    }
    if is_deadly(params, key) {
        let mut state = life.world.state();
        let now = state.now;
        state.seats[life.id].dies = Some(now);
    }
    let mut cursor = lease.progress.cursor.max(key.from);
    let mut noted = life.monotonic();
    while cursor < key.to {
        let next = (cursor + STEP).min(key.to);
        let so_far = progress(key.from, next);
        if life.mutation() == Mutation::NotesFirst {
            store.checkpoint(lease, &so_far, store.now() + TERM)?;
        }
        drop(life.ask(&Call::Documents(cursor..next))?);
        let step = if params.faults {
            random.between(200 * MILLI, 40 * SECOND)
        } else {
            u64::from(STEP) * 100 * MILLI
        };
        life.sleep(Duration::from_micros(step));
        cursor = next;
        if params.faults || life.monotonic().saturating_sub(noted) >= CHECKPOINT_EVERY {
            noted = life.monotonic();
            store.checkpoint(lease, &so_far, store.now() + TERM)?;
            if params.faults && random.chance(5) {
                return store.release(lease, &so_far);
            }
        }
    }
    let all = progress(key.from, key.to);
    if let Some(rest) = store.rest_of_segment(key)? {
        let whole = |state: &ItemState| {
            let key = &state.item.key;
            state.progress.delivered == u64::from(key.to - key.from)
        };
        if !rest.iter().all(whole) {
            life.world
                .broken("law: a segment is done without all of it");
        }
    }
    store.complete(lease, &all)
}
