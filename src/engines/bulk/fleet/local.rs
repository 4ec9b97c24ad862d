//! A board as small files beside the work store of a directory target: one for the control, one for the brief, one for the tally, one a
//! process.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::beat::Beat;
use super::board::{Board, BoardError, Brief, Change, ChangeTally, Turn};
use super::control::Control;
use super::tally::Tally;
use crate::base::fs::write_atomic;
use crate::engines::bulk::work_store::stem;

/// The largest file that is read.
const FILE_BYTES: u64 = 1 << 20;

/// See the module.
pub struct LocalBoard {
    folder: PathBuf,
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> BoardError {
    let path = path.to_owned();
    move |source| BoardError::Io {
        path: path.clone(),
        source,
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, BoardError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(io_error(path))?;
    let found = serde_json::from_slice(&bytes).map_err(|error| BoardError::Corrupt {
        path: path.to_owned(),
        what: error.to_string(),
    })?;
    Ok(Some(found))
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), BoardError> {
    let text = serde_json::to_vec(value).map_err(|error| io_error(path)(error.into()))?;
    write_atomic(path, &text).map_err(io_error(path))
}

fn remove(path: &Path) -> Result<(), BoardError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}

impl LocalBoard {
    /// The board of a plan's work, beside its store in `directory`; makes nothing yet.
    pub fn new(directory: &Path, plan: &str, work: &str) -> Self {
        Self {
            folder: directory.join(format!("{}.fleet", stem(plan, work))),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn beat_file(&self, id: &str) -> PathBuf {
        let name: String = id
            .chars()
            .map(|it| {
                if it.is_ascii_alphanumeric() || it == '-' {
                    it
                } else {
                    '_'
                }
            })
            .collect();
        self.file(&format!("{name}.beat.json"))
    }

    /// Changes are made one after the other; held for the time of a small write.
    fn locked(&self) -> Result<File, BoardError> {
        self.made()?;
        let lock_path = self.file("control.lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(io_error(&lock_path))?;
        lock.lock().map_err(io_error(&lock_path))?;
        Ok(lock)
    }

    fn made(&self) -> Result<(), BoardError> {
        fs::create_dir_all(&self.folder).map_err(io_error(&self.folder))
    }
}

impl Board for LocalBoard {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn control(&self) -> Result<Control, BoardError> {
        Ok(read(&self.file("control.json"))?.unwrap_or_default())
    }

    fn change(&self, by: &str, change: &mut Change<'_>) -> Result<Control, BoardError> {
        let _lock = self.locked()?;
        let mut control = self.control()?;
        change(&mut control);
        control.changed(by, self.now());
        write(&self.file("control.json"), &control)?;
        Ok(control)
    }

    fn brief(&self) -> Result<Option<Brief>, BoardError> {
        read(&self.file("brief.json"))
    }

    fn give_out(
        &self,
        by: &str,
        turn: Turn,
        indices: &BTreeMap<String, Option<String>>,
    ) -> Result<(), BoardError> {
        self.made()?;
        let brief = Brief::after(self.brief()?.as_ref(), by, turn, indices);
        write(&self.file("brief.json"), &brief)
    }

    fn tally(&self) -> Result<Tally, BoardError> {
        Ok(read(&self.file("tally.json"))?.unwrap_or_default())
    }

    fn change_tally(&self, change: &mut ChangeTally<'_>) -> Result<Tally, BoardError> {
        let _lock = self.locked()?;
        let mut tally = self.tally()?;
        if change(&mut tally)? {
            write(&self.file("tally.json"), &tally)?;
        }
        Ok(tally)
    }

    fn say(&self, beat: &Beat) -> Result<(), BoardError> {
        let _lock = self.locked()?;
        let path = self.beat_file(&beat.id);
        // Who cleared the board meanwhile is through with this load.
        if beat.left && !path.exists() {
            return Ok(());
        }
        write(&path, beat)
    }

    fn forget(&self, beat: &Beat) -> Result<(), BoardError> {
        let path = self.beat_file(&beat.id);
        let _lock = self.locked()?;
        match read::<Beat>(&path)? {
            Some(found) if found.at == beat.at => remove(&path),
            _ => Ok(()),
        }
    }

    fn beats(&self) -> Result<Vec<Beat>, BoardError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error(&self.folder)(error)),
        };
        let mut beats = Vec::new();
        for entry in entries {
            let path = entry.map_err(io_error(&self.folder))?.path();
            if path.to_string_lossy().ends_with(".beat.json") {
                beats.extend(read(&path)?);
            }
        }
        Ok(beats)
    }

    fn clear(&self) -> Result<(), BoardError> {
        for beat in self.beats()? {
            remove(&self.beat_file(&beat.id))?;
        }
        remove(&self.file("tally.json"))?;
        remove(&self.file("brief.json"))
    }

    fn remove(&self) -> Result<(), BoardError> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error(&self.folder)(error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::bulk::figures::Figures;
    use crate::engines::bulk::fleet::bury;

    #[test]
    fn what_was_left_is_found_and_vanishes_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let board = LocalBoard::new(folder.path(), "p", "docs");
        assert_eq!(board.control().unwrap(), Control::default());
        assert!(board.beats().unwrap().is_empty());
        board
            .change("ann", &mut |control| control.scale(4))
            .unwrap();
        let control = board.change("bob", &mut Control::pause).unwrap();
        assert_eq!(
            (control.desired, control.paused, control.serial),
            (Some(4), true, 2)
        );
        assert_eq!(board.control().unwrap().by, "bob");
        board
            .give_out("apply-1", Turn::Loading, &[("a".to_owned(), None)].into())
            .unwrap();
        board
            .give_out("apply-1", Turn::Done, &BTreeMap::new())
            .unwrap();
        assert_eq!(board.brief().unwrap().unwrap().serial, 2);
        let last = Beat {
            figures: Figures {
                requests: 7,
                ..Figures::default()
            },
            left: true,
            ..Beat::of_test("worker/1", 1, 1)
        };
        board.say(&last).unwrap();
        assert!(board.beats().unwrap().is_empty(), "it was never there");
        let beat = Beat {
            left: false,
            ..last.clone()
        };
        board.say(&beat).unwrap();
        assert_eq!(board.beats().unwrap(), [beat]);
        board.say(&last).unwrap();
        assert_eq!(board.beats().unwrap(), [last]);
        bury(&board, &|beat| beat.left).unwrap();
        assert!(board.beats().unwrap().is_empty());
        assert_eq!(board.tally().unwrap().total([]).requests, 7);
        board.remove().unwrap();
        assert_eq!(board.control().unwrap(), Control::default());
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
    }

    #[test]
    fn changes_of_many_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let board = LocalBoard::new(folder.path(), "p", "docs");
                    for _ in 0..20 {
                        let more = &mut |control: &mut Control| {
                            control.desired = Some(control.desired.unwrap_or(0) + 1);
                        };
                        board.change("x", more).unwrap();
                    }
                });
            }
        });
        let board = LocalBoard::new(folder.path(), "p", "docs");
        assert_eq!(board.control().unwrap().desired, Some(160));
    }
}
