//! A board as documents of the target's working state.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;

use super::beat::Beat;
use super::board::{Board, BoardError, Brief, Change, ChangeTally, Turn};
use super::control::Control;
use super::limits;
use super::tally::Tally;
use crate::clients::target::cluster::WorkingState;
use crate::clients::target::cluster::working_state::{Condition, Stored, Tag, Whose, Written};
use crate::engines::bulk::work_store::documents_of;

const CONTROL: &str = "work-control";
const BRIEF: &str = "work-brief";
const BEAT: &str = "work-beat";
const TALLY: &str = "work-tally";

/// See the module.
pub struct IndexBoard {
    state: WorkingState,
    plan: String,
    lineage: String,
    /// Begins the ids of its documents: one board for each pair of names.
    prefix: String,
    /// What the server's clock said, and when.
    clock: Mutex<Option<(Timestamp, Instant)>>,
}

impl IndexBoard {
    /// The board of a plan's work; asks nothing and makes nothing yet.
    pub fn new(state: &WorkingState, plan: &str, work: &str, lineage: &str) -> Self {
        Self {
            state: state.clone(),
            plan: plan.to_owned(),
            lineage: lineage.to_owned(),
            prefix: documents_of(plan, work),
            clock: Mutex::new(None),
        }
    }

    fn id(&self, what: &str) -> String {
        format!("{}:{what}", self.prefix)
    }

    fn tag<'t>(&'t self, kind: &'t str) -> Tag<'t> {
        Tag {
            kind,
            plan: &self.plan,
            lineage: &self.lineage,
        }
    }

    fn get<T: DeserializeOwned>(&self, what: &str) -> Result<Option<Stored<T>>, BoardError> {
        Ok(self.state.get(&self.id(what))?)
    }
}

fn condition<T>(found: Option<&Stored<T>>) -> Condition {
    found.map_or(Condition::Absent, |found| Condition::Unchanged {
        seq_no: found.seq_no,
        primary_term: found.primary_term,
    })
}

impl Board for IndexBoard {
    fn now(&self) -> Timestamp {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = clock.filter(|(_, at)| at.elapsed() < limits::CLOCK_FOR);
        let (told, at) = fresh.unwrap_or_else(|| {
            // Where it does not tell, this machine's has to do: nothing but what people see depends on it.
            let told = self.state.server_time().ok().flatten();
            (told.unwrap_or_else(Timestamp::now), Instant::now())
        });
        *clock = Some((told, at));
        let since = SignedDuration::try_from(at.elapsed()).unwrap_or(SignedDuration::ZERO);
        told.checked_add(since).unwrap_or(Timestamp::MAX)
    }

    fn control(&self) -> Result<Control, BoardError> {
        Ok(self
            .get::<Control>("control")?
            .map(|found| found.body)
            .unwrap_or_default())
    }

    fn change(&self, by: &str, change: &mut Change<'_>) -> Result<Control, BoardError> {
        self.state.ensure()?;
        for _ in 0..limits::CHANGE_TRIES {
            let found = self.get::<Control>("control")?;
            let mut control = found
                .as_ref()
                .map(|found| found.body.clone())
                .unwrap_or_default();
            change(&mut control);
            control.changed(by, self.now());
            let written = self.state.put(
                &self.id("control"),
                self.tag(CONTROL),
                &control,
                condition(found.as_ref()),
                true,
            )?;
            if written != Written::Conflict {
                return Ok(control);
            }
        }
        Err(BoardError::Contended {
            tries: limits::CHANGE_TRIES,
        })
    }

    fn brief(&self) -> Result<Option<Brief>, BoardError> {
        Ok(self.get::<Brief>("brief")?.map(|found| found.body))
    }

    fn give_out(
        &self,
        by: &str,
        turn: Turn,
        indices: &BTreeMap<String, Option<String>>,
    ) -> Result<(), BoardError> {
        self.state.ensure()?;
        let brief = Brief::after(self.brief()?.as_ref(), by, turn, indices);
        self.state.put(
            &self.id("brief"),
            self.tag(BRIEF),
            &brief,
            Condition::Always,
            true,
        )?;
        Ok(())
    }

    fn tally(&self) -> Result<Tally, BoardError> {
        Ok(self
            .get::<Tally>("tally")?
            .map(|found| found.body)
            .unwrap_or_default())
    }

    fn change_tally(&self, change: &mut ChangeTally<'_>) -> Result<Tally, BoardError> {
        for _ in 0..limits::CHANGE_TRIES {
            let found = self.get::<Tally>("tally")?;
            let mut tally = found
                .as_ref()
                .map(|found| found.body.clone())
                .unwrap_or_default();
            // As of a beat: what a reset removed is not to come back by it.
            if !change(&mut tally)? || !self.state.exists()? {
                return Ok(tally);
            }
            let written = self.state.put(
                &self.id("tally"),
                self.tag(TALLY),
                &tally,
                condition(found.as_ref()),
                false,
            )?;
            if written != Written::Conflict {
                return Ok(tally);
            }
        }
        Err(BoardError::Contended {
            tries: limits::CHANGE_TRIES,
        })
    }

    fn say(&self, beat: &Beat) -> Result<(), BoardError> {
        // For a document a server makes an index as it thinks: one that a reset removed meanwhile is not to come back like that.
        if !self.state.exists()? {
            return Ok(());
        }
        let id = self.id(&format!("beat:{}", beat.id));
        let mut condition = Condition::Always;
        if beat.left {
            // Who cleared the board meanwhile is through with this load.
            let Some(last) = self.state.get::<Beat>(&id)? else {
                return Ok(());
            };
            condition = self::condition(Some(&last));
        }
        // Who waits for last words has them at once.
        self.state
            .put(&id, self.tag(BEAT), beat, condition, beat.left)?;
        Ok(())
    }

    fn forget(&self, beat: &Beat) -> Result<(), BoardError> {
        let found = self.get::<Beat>(&format!("beat:{}", beat.id))?;
        if let Some(found) = found.filter(|found| found.body.at == beat.at) {
            self.state.delete_unchanged(&found)?;
        }
        Ok(())
    }

    fn beats(&self) -> Result<Vec<Beat>, BoardError> {
        let prefix = self.id("beat:");
        let found = self.state.list::<Beat>(BEAT, Whose::Plan(&self.plan))?;
        Ok(found
            .into_iter()
            .filter(|found| found.id.starts_with(&prefix))
            .map(|found| found.body)
            .collect())
    }

    fn clear(&self) -> Result<(), BoardError> {
        self.delete(&[self.id("brief"), self.id("tally")])
    }

    fn remove(&self) -> Result<(), BoardError> {
        self.delete(&[self.id("brief"), self.id("tally"), self.id("control")])
    }
}

impl IndexBoard {
    /// Removes these documents and what processes said.
    fn delete(&self, more: &[String]) -> Result<(), BoardError> {
        if !self.state.exists()? {
            return Ok(());
        }
        let beats = self.beats()?;
        let beats = beats
            .iter()
            .map(|beat| self.id(&format!("beat:{}", beat.id)));
        let ids: Vec<String> = beats.chain(more.iter().cloned()).collect();
        Ok(self.state.delete_many(&ids)?)
    }

    /// Where it is, for messages.
    pub fn place(&self) -> PathBuf {
        PathBuf::from(self.state.location())
    }
}
