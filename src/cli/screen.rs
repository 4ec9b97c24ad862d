//! Lines at the end of a terminal that are drawn in place, with other lines written above them into its history.
//!
//! Only lines that changed are written, all in one write and, where a terminal knows how, shown at once: nothing flickers.
//! Deliberately absent: what stands in the lines (`ui`), other screens than the one that is there, and keys.

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;

use crate::ui::live::Size;

/// From here to the end of the line, and to the end of the screen.
const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";
/// Shows what is between them at once. Terminals that don't know it ignore it.
const BEGIN: &str = "\u{1b}[?2026h";
const END: &str = "\u{1b}[?2026l";
/// Where a terminal does not tell its size.
const USUAL: Size = Size {
    columns: 80,
    rows: 24,
};

/// See the module.
pub(super) struct Screen<S> {
    stream: S,
    drawn: Vec<String>,
    size: Size,
}

impl<S: Write + AsFd> Screen<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            drawn: Vec::new(),
            size: USUAL,
        }
    }

    /// The terminal's size now.
    pub(super) fn size(&self) -> Size {
        let told = rustix::termios::tcgetwinsize(&self.stream);
        let told = told.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
        match told {
            Ok((columns, rows)) if columns > 0 && rows > 0 => Size { columns, rows },
            _ => USUAL,
        }
    }

    /// Draws these lines in the place of those before. A terminal that is gone is nobody's loss.
    pub(super) fn draw(&mut self, lines: Vec<String>) {
        let size = self.size();
        let mut out = String::from(BEGIN);
        if size == self.size && lines.len() >= self.drawn.len() {
            up(&mut out, self.drawn.len());
            for (number, line) in lines.iter().enumerate() {
                if self.drawn.get(number) == Some(line) {
                    out.push('\n');
                } else {
                    out.push_str(&format!("\r{line}{CLEAR_LINE}\n"));
                }
            }
        } else {
            self.erase_into(&mut out, size);
            for line in &lines {
                out.push_str(&format!("{line}\n"));
            }
        }
        out.push_str(END);
        self.drawn = lines;
        self.size = size;
        self.write(&out);
    }

    /// Writes above the lines what is to stay.
    pub(super) fn print(&mut self, text: &str) {
        let size = self.size();
        let mut out = String::from(BEGIN);
        self.erase_into(&mut out, size);
        out.push_str(text);
        out.push('\n');
        for line in &self.drawn {
            out.push_str(&format!("{line}\n"));
        }
        out.push_str(END);
        self.size = size;
        self.write(&out);
    }

    /// Takes the lines away.
    pub(super) fn erase(&mut self) {
        let size = self.size();
        let mut out = String::new();
        self.erase_into(&mut out, size);
        self.drawn.clear();
        self.write(&out);
    }

    fn erase_into(&self, out: &mut String, size: Size) {
        let breaks = |line: &String| {
            let width = anstream::adapter::strip_str(line)
                .to_string()
                .chars()
                .count();
            width.div_ceil(size.columns.max(1)).max(1)
        };
        // In a terminal that became narrower, long lines take several.
        up(out, self.drawn.iter().map(breaks).sum());
        out.push_str(CLEAR_BELOW);
    }

    fn write(&mut self, out: &str) {
        drop(self.stream.write_all(out.as_bytes()));
        drop(self.stream.flush());
    }
}

fn up(out: &mut String, lines: usize) {
    if lines > 0 {
        out.push_str(&format!("\r\u{1b}[{lines}A"));
    }
}

/// Whether lines can be drawn in place there.
pub(super) fn draws(stream: &impl IsTerminal) -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    stream.is_terminal() && !dumb
}
