//! The order of the kinds where nothing else decides: the way a migration goes from left to right.
//!
//! The table holds every kind of the plan language, those of later versions too, so that a plan keeps its order when a
//! kind arrives. Deliberately absent: dependencies. A rank only breaks ties.

use crate::plan::model::PhaseKindName;

/// Every kind with its rank. Gaps leave room.
pub const RANKS: [(&str, u8); 12] = [
    ("assess", 0),
    ("deploy", 10),
    ("capture", 20),
    ("gate", 30),
    ("snapshot", 40),
    ("metadata", 50),
    ("backfill", 60),
    ("verify", 70),
    ("replay", 80),
    ("compare", 90),
    ("switchover", 100),
    ("teardown", 110),
];

/// The rank of a kind; a kind that the table lacks comes last.
pub fn of(kind: PhaseKindName) -> u8 {
    RANKS
        .iter()
        .find(|(name, _)| *name == kind.as_str())
        .map_or(u8::MAX, |(_, rank)| *rank)
}
