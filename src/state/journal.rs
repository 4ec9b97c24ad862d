//! The lines of the journal: JSON with a checksum as the last field. Reading tolerates a torn end and nothing else.

use std::path::Path;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::StateError;
use super::fold::FORMAT;
use super::model::{Entry, State};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalLine {
    /// From 1, without gaps.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The run that wrote it.
    pub run: String,
    /// What it says.
    pub entry: Entry,
}

/// Something about the state's files that was noticed and needs no mending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The last line was cut off by a crash: it is left out, as its side effect never began.
    TornLine {
        /// From 1.
        line: u64,
    },
    /// `state.json` was missing, older or damaged, and is derived anew.
    Rebuilt {
        /// Which of them.
        why: &'static str,
    },
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TornLine { line } => write!(
                f,
                "line {line} of the journal was cut off by a crash and is left out; its side effect had not begun"
            ),
            Self::Rebuilt { why } => {
                write!(f, "state.json was {why}: derived again from the journal")
            }
        }
    }
}

/// A journal as it was read.
pub(super) struct ReadJournal {
    /// What it says, derived.
    pub(super) state: State,
    /// Its lines.
    pub(super) lines: Vec<JournalLine>,
    /// Length in bytes of what is whole.
    pub(super) whole_bytes: u64,
    /// The torn end, where there is one.
    pub(super) notice: Option<Notice>,
}

const CHECKSUM_BYTES: usize = ",\"crc\":\"01234567\"}".len();

/// The bytes of one line with its line end.
pub(super) fn encode(line: &JournalLine) -> Result<Vec<u8>, serde_json::Error> {
    seal(line)
}

/// A JSON object on a line of its own, with a checksum as its last field.
pub(super) fn seal(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec(value)?;
    bytes.pop();
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(format!(",\"crc\":\"{crc:08x}\"}}\n").as_bytes());
    Ok(bytes)
}

/// What a sealed line (without its line end) holds.
pub(super) fn unseal<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let split = bytes
        .len()
        .checked_sub(CHECKSUM_BYTES)
        .ok_or("it is too short")?;
    let (body, tail) = bytes.split_at(split);
    let crc = crc32fast::hash(body);
    if tail != format!(",\"crc\":\"{crc:08x}\"}}").as_bytes() {
        return Err("its checksum does not match its content".into());
    }
    let mut json = body.to_vec();
    json.push(b'}');
    serde_json::from_slice(&json).map_err(|error| format!("it is no entry: {error}"))
}

/// Reads a whole journal.
pub(super) fn read(bytes: &[u8], path: &Path) -> Result<ReadJournal, StateError> {
    let mut journal = ReadJournal {
        state: State::default(),
        lines: Vec::new(),
        whole_bytes: 0,
        notice: None,
    };
    let mut number = 0;
    for raw in bytes.split_inclusive(|byte| *byte == b'\n') {
        number += 1;
        let damaged = |problem: String| StateError::Damaged {
            path: path.to_owned(),
            line: number,
            problem,
        };
        let Some(body) = raw.strip_suffix(b"\n") else {
            journal.notice = Some(Notice::TornLine { line: number });
            break;
        };
        let line: JournalLine = unseal(body).map_err(damaged)?;
        if line.seq != number {
            return Err(damaged(format!(
                "its number is {}, {number} is expected",
                line.seq
            )));
        }
        if let Entry::Opened { version, .. } = &line.entry
            && *version > FORMAT
        {
            return Err(StateError::TooNew {
                path: path.to_owned(),
                found: *version,
                known: FORMAT,
            });
        }
        journal.state.fold(line.at, &line.entry).map_err(damaged)?;
        journal.whole_bytes += raw.len() as u64;
        journal.lines.push(line);
    }
    Ok(journal)
}
