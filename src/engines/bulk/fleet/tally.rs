//! What processes that are gone did, so that a sum over the fleet loses none of them and counts none twice.
//!
//! Every process tells counters of its own under a name that it alone ever has, and they only grow. So the sum over a load is the sum
//! over all names of the latest that each told, however often and in whatever order it is heard. As long as a process is there, that
//! is its beat; once it is gone (it left, or fell silent long ago), whoever leads first writes the beat's figures into the
//! [`Tally`] under the process's name, and then removes the beat, unless it changed meanwhile. A kill in between leaves both, which are one name and count
//! once; a process that slept so long and goes on tells more under the same name.
//!
//! Names are kept up to [`super::limits::GONE_BY_NAME`]; beyond, those that left by themselves, which never come back, are summed up
//! first. Deliberately absent: what is so just now, which nobody who is gone has.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::beat::Beat;
use super::board::{Board, BoardError};
use super::limits;
use crate::engines::bulk::figures::Figures;

/// Kept on the board; absent means nobody is gone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Tally {
    /// By the names of the processes.
    pub gone: BTreeMap<String, Gone>,
    /// How many more there were.
    pub more: u64,
    /// What those did, together.
    pub figures_of_more: Figures,
}

/// What a process did that is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Gone {
    /// When it told so.
    pub at: Timestamp,
    /// Whether it left by itself.
    pub left: bool,
    /// What it measured.
    #[serde(default)]
    pub figures: Figures,
}

impl Tally {
    /// Processes that are gone.
    pub fn processes(&self) -> u64 {
        self.gone.len() as u64 + self.more
    }

    /// A process is gone. Told twice, it counts once.
    pub fn take(&mut self, beat: &Beat) {
        let told = Gone {
            at: beat.at,
            left: beat.left,
            figures: beat.figures,
        };
        let known = self.gone.remove(&beat.id);
        let gone = match known {
            None => told,
            Some(known) => {
                let (latest, figures) = (known.at <= told.at, known.figures.later(&told.figures));
                let of = if latest { told } else { known };
                Gone { figures, ..of }
            }
        };
        self.gone.insert(beat.id.clone(), gone);
    }

    /// Sums up those beyond the limit, but for those whose beat is `listed` still.
    fn fold(&mut self, listed: &BTreeSet<String>) {
        let over = self.gone.len().saturating_sub(limits::GONE_BY_NAME);
        let mut may: Vec<(bool, Timestamp, String)> = self
            .gone
            .iter()
            .filter(|(id, _)| !listed.contains(*id))
            .map(|(id, gone)| (!gone.left, gone.at, id.clone()))
            .collect();
        may.sort();
        for (_, _, id) in may.into_iter().take(over) {
            if let Some(gone) = self.gone.remove(&id) {
                self.more += 1;
                self.figures_of_more = self.figures_of_more.plus(&gone.figures);
            }
        }
    }

    /// The latest that each process told, by name, of those that are gone and those that `beats` are of.
    fn latest<'a>(
        &'a self,
        beats: impl IntoIterator<Item = &'a Beat>,
    ) -> BTreeMap<&'a str, Figures> {
        let gone = self.gone.iter();
        let mut latest: BTreeMap<&str, Figures> =
            gone.map(|(id, gone)| (id.as_str(), gone.figures)).collect();
        for beat in beats {
            let told = latest.entry(&beat.id).or_default();
            *told = told.later(&beat.figures);
        }
        latest
    }

    /// Of all processes that ever worked on the load.
    pub fn total<'a>(&'a self, beats: impl IntoIterator<Item = &'a Beat>) -> Figures {
        let latest = self.latest(beats);
        latest
            .values()
            .fold(self.figures_of_more, |sum, figures| sum.plus(figures))
    }
}

/// Moves the beats of processes that are gone into the tally: first what they told, then their beats. Any number may do so at once,
/// and each may be killed at any instant.
pub fn bury(board: &dyn Board, is_gone: &dyn Fn(&Beat) -> bool) -> Result<Tally, BoardError> {
    let mut gone = Vec::new();
    let tally = board.change_tally(&mut |tally| {
        // Read after the tally was, so that no beat is from before it was summed up beyond its name.
        let beats = board.beats()?;
        let listed = beats.iter().map(|beat| beat.id.clone()).collect();
        gone = beats.into_iter().filter(|beat| is_gone(beat)).collect();
        for beat in &gone {
            tally.take(beat);
        }
        tally.fold(&listed);
        Ok(!gone.is_empty())
    })?;
    for beat in &gone {
        board.forget(beat)?;
    }
    Ok(tally)
}

/// What one who leads knows: as [`Tally::total`], and never less than it knew, since a look at the beats may be an old one.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<String, Figures>);

impl Known {
    /// Of all but `own`.
    pub(super) fn others(&mut self, tally: &Tally, beats: &[Beat], own: &str) -> Figures {
        let latest = tally.latest(beats).into_iter();
        let latest = latest.filter(|(id, _)| *id != own);
        let now: BTreeMap<String, Figures> = latest
            .map(|(id, told)| {
                let known = self.0.get(id).copied().unwrap_or_default();
                (id.to_owned(), told.later(&known))
            })
            .collect();
        self.0 = now;
        let sum = self.0.values();
        sum.fold(tally.figures_of_more, |sum, figures| sum.plus(figures))
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
