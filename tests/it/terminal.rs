//! The real binary in a pseudo terminal: what a person sees while a run goes on, and what is left of it.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::support::{PHASES, Place};

const LONGEST: Duration = Duration::from_mins(2);

/// A screen as a terminal has it, with what scrolled out of it. Knows what `mig` uses and fails at anything else.
struct Terminal {
    columns: usize,
    rows: usize,
    history: Vec<String>,
    screen: Vec<Vec<char>>,
    at: (usize, usize),
    colours: usize,
    rest: Vec<u8>,
}

impl Terminal {
    fn new(columns: usize, rows: usize) -> Self {
        Self {
            columns,
            rows,
            history: Vec::new(),
            screen: vec![Vec::new()],
            at: (0, 0),
            colours: 0,
            rest: Vec::new(),
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let text = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.to_owned(),
            Err(error) => String::from_utf8(self.rest[..error.valid_up_to()].to_vec()).unwrap(),
        };
        let mut chars = text.char_indices().peekable();
        let mut taken = 0;
        while let Some((at, c)) = chars.next() {
            if c == '\u{1b}' {
                let sequence = &text[at..];
                // It may go on in the next piece.
                let Some(end) = sequence
                    .char_indices()
                    .skip(2)
                    .find(|(_, c)| c.is_ascii_alphabetic())
                else {
                    break;
                };
                let whole = &sequence[..=end.0];
                self.escape(whole);
                taken = at + whole.len();
                while chars.peek().is_some_and(|(next, _)| *next < taken) {
                    chars.next();
                }
                continue;
            }
            taken = at + c.len_utf8();
            match c {
                '\r' => self.at.1 = 0,
                '\n' => self.down(),
                c => self.put(c),
            }
        }
        self.rest.drain(..taken);
    }

    fn escape(&mut self, sequence: &str) {
        let inner = sequence
            .strip_prefix("\u{1b}[")
            .unwrap_or_else(|| panic!("{sequence:?}"));
        let (number, kind) = inner.split_at(inner.len() - 1);
        match (number, kind) {
            ("?2026", "h" | "l") => {}
            ("", "K") => self.screen[self.at.0].truncate(self.at.1),
            ("", "J") => {
                self.screen.truncate(self.at.0 + 1);
                self.screen[self.at.0].truncate(self.at.1);
            }
            (number, "A") => {
                let up: usize = number.parse().unwrap();
                assert!(up <= self.at.0, "{up} lines up from line {}", self.at.0);
                self.at.0 -= up;
            }
            (_, "m") => self.colours += 1,
            _ => panic!("{sequence:?}"),
        }
    }

    fn down(&mut self) {
        if self.at.0 + 1 == self.rows {
            let top = self.screen.remove(0);
            self.history.push(top.into_iter().collect());
        } else {
            self.at.0 += 1;
        }
        while self.screen.len() <= self.at.0 {
            self.screen.push(Vec::new());
        }
    }

    fn put(&mut self, c: char) {
        if self.at.1 == self.columns {
            self.at.1 = 0;
            self.down();
        }
        let line = &mut self.screen[self.at.0];
        while line.len() <= self.at.1 {
            line.push(' ');
        }
        line[self.at.1] = c;
        self.at.1 += 1;
    }

    fn lines(&self) -> Vec<String> {
        let text = |line: &Vec<char>| line.iter().collect::<String>().trim_end().to_owned();
        self.screen.iter().map(text).collect()
    }

    /// All that can be scrolled to, and the screen.
    fn all(&self) -> String {
        let history = self.history.iter().map(|line| line.trim_end().to_owned());
        history.chain(self.lines()).collect::<Vec<_>>().join("\n")
    }
}

struct Session {
    child: Child,
    master: File,
    pieces: Receiver<Vec<u8>>,
    terminal: Terminal,
}

impl Session {
    fn start(place: &Place, arguments: &[&str], size: (u16, u16)) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let master = File::from(master);
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let session_size = winsize(size);
        tcsetwinsize(&master, session_size).unwrap();
        let mut command = place.command(arguments);
        command
            .env("TERM", "xterm-256color")
            .stdin(Stdio::from(slave.try_clone().unwrap()))
            .stdout(Stdio::from(slave.try_clone().unwrap()))
            .stderr(Stdio::from(slave));
        let child = command.spawn().unwrap();
        // With it the last of our own ends of the terminal is closed, so that reading ends with the child.
        drop(command);
        let (to, pieces) = channel();
        let mut reader = master.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // The other end being closed is an error there.
            while let Ok(read @ 1..) = reader.read(&mut piece) {
                if to.send(piece[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            master,
            pieces,
            terminal: Terminal::new(size.0.into(), size.1.into()),
        }
    }

    /// Reads until the screen is as it should be, or the run ends; says whether it was so.
    fn until(&mut self, is: impl Fn(&[String]) -> bool) -> bool {
        let began = Instant::now();
        while began.elapsed() < LONGEST {
            if is(&self.terminal.lines()) {
                return true;
            }
            match self.pieces.recv_timeout(Duration::from_secs(1)) {
                Ok(piece) => self.terminal.feed(&piece),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return false,
            }
        }
        panic!("{}", self.terminal.all());
    }

    fn ends(mut self) -> (i32, Terminal) {
        while self.until(|_| false) {}
        drop(self.master);
        let status = self.child.wait().unwrap();
        (status.code().unwrap_or(-1), self.terminal)
    }
}

fn winsize((columns, rows): (u16, u16)) -> Winsize {
    Winsize {
        ws_col: columns,
        ws_row: rows,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// Slow enough to be seen in the middle.
fn slow() -> Place {
    let slow = "workers: 2, limits: { docs: 2500/s, batch: 16KiB }";
    Place::with(&PHASES.replace("workers: 2", slow))
}

fn has(lines: &[String], words: &[&str]) -> bool {
    lines
        .iter()
        .any(|line| words.iter().all(|word| line.contains(word)))
}

#[test]
fn a_run_is_drawn_in_place_and_leaves_its_lines() {
    let place = slow();
    let mut session = Session::start(&place, &["apply", "--auto-approve"], (100, 24));
    let seen = session.until(|lines| {
        has(lines, &["docs", "backfill", "█", "░", "%"])
            && has(lines, &["of 7 560 docs", "failed", "workers"])
    });
    assert!(seen, "{}", session.terminal.all());
    let lines = session.terminal.lines();
    assert!(
        has(&lines, &["mig apply · test", "of 4 phases"]),
        "{lines:#?}"
    );
    assert!(has(&lines, &["mappings", "metadata", "done"]), "{lines:#?}");
    assert!(has(&lines, &["same", "verify", "pending"]), "{lines:#?}");
    let heads = lines
        .iter()
        .filter(|line| line.contains("of 4 phases"))
        .count();
    assert_eq!(heads, 1, "it is drawn in one place: {lines:#?}");
    let (code, terminal) = session.ends();
    let all = terminal.all();
    assert_eq!(code, 0, "{all}");
    assert_eq!(terminal.colours, 0, "NO_COLOR is set");
    assert!(
        !all.contains('░') && !all.contains("of 4 phases"),
        "nothing of the view is left: {all}"
    );
    for line in ["docs: done in", "same: done in", "Apply complete: 4 done"] {
        assert_eq!(all.matches(line).count(), 1, "{line}: {all}");
    }
}

#[test]
fn a_terminal_that_is_resized_is_drawn_at_its_new_size() {
    let place = slow();
    let mut session = Session::start(
        &place,
        &["apply", "--auto-approve", "--color", "always"],
        (90, 20),
    );
    assert!(session.until(|lines| has(lines, &["docs", "backfill", "█"])));
    session.terminal.columns = 150;
    tcsetwinsize(&session.master, winsize((150, 20))).unwrap();
    let wide = |lines: &[String]| {
        let head = lines.iter().filter(|line| line.contains("of 4 phases"));
        let heads: Vec<usize> = head.map(|line| line.chars().count()).collect();
        heads == [149]
    };
    assert!(session.until(wide), "{}", session.terminal.all());
    let (code, terminal) = session.ends();
    assert_eq!(code, 0, "{}", terminal.all());
    assert!(terminal.colours > 0);
    assert!(terminal.all().contains("Apply complete"));
}

#[test]
fn lines_are_written_where_they_are_asked_for() {
    let place = slow();
    let session = Session::start(
        &place,
        &["apply", "--auto-approve", "--progress", "lines"],
        (100, 24),
    );
    let (code, terminal) = session.ends();
    let all = terminal.all();
    assert_eq!(code, 0, "{all}");
    assert!(!all.contains('░'), "{all}");
    assert!(all.contains("docs: done in"), "{all}");
}
