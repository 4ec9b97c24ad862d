//! Lines of text to a width: wrapping with a hanging indent, cutting, padding.
//!
//! Works on plain text; colour is put on afterwards, so that it never counts as width. Deliberately absent: terminals.

use std::fmt;

/// Formats onto the end of a text, without a text in between.
macro_rules! put {
    ($out:expr, $($arguments:tt)*) => {{
        use $crate::ui::layout::Put as _;
        $out.put(format_args!($($arguments)*));
    }};
}
pub(super) use put;

/// What `put!` calls, so that it takes a text and a reference to one alike.
pub(super) trait Put {
    /// Appends.
    fn put(&mut self, arguments: fmt::Arguments<'_>);
}

impl Put for String {
    fn put(&mut self, arguments: fmt::Arguments<'_>) {
        // A text takes whatever is written to it; the error is only in the trait.
        let written = fmt::Write::write_fmt(self, arguments);
        debug_assert_eq!(written, Ok(()));
    }
}

/// Characters of a text, as columns.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

/// `text` with spaces behind it up to `columns`.
pub(super) fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// `text` cut to `columns`, with `…` where something is missing; nothing at all where so little room says nothing.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    if columns < 8 {
        return String::new();
    }
    let mut short: String = text.chars().take(columns.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// `text` in lines of at most `columns`, broken at spaces; a longer word stands alone, whole, so that it can be copied.
/// Runs of spaces within a line stay (they are columns), and a grouped number such as `1 204 331` is never broken.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for (spaces, word) in words(text) {
        if !line.is_empty() && width(&line) + spaces + width(&word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() || lines.is_empty() {
            line.push_str(&" ".repeat(spaces));
        }
        line.push_str(&word);
    }
    lines.push(line);
    lines
}

/// Words with the number of spaces before each; groups of digits belong to one word.
fn words(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut spaces = 0;
    for word in text.split(' ') {
        if word.is_empty() {
            spaces += 1;
            continue;
        }
        let group = word.bytes().take_while(u8::is_ascii_digit).count() == 3;
        match found.last_mut() {
            Some((_, before)) if spaces == 1 && group && ends_in_digit(before) => {
                before.push(' ');
                before.push_str(word);
            }
            _ => found.push((spaces, word.to_owned())),
        }
        spaces = 1;
    }
    found
}

fn ends_in_digit(word: &str) -> bool {
    word.bytes()
        .last()
        .is_some_and(|byte| byte.is_ascii_digit())
}

/// `text` behind `head`, which has `indent` columns; further lines begin under the first one's text.
pub(super) fn hang(out: &mut String, head: &str, indent: usize, text: &str, columns: usize) {
    let room = columns.saturating_sub(indent).max(24);
    for (index, line) in wrap(text, room).into_iter().enumerate() {
        if index == 0 {
            out.push_str(head);
        } else {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(&line);
        end_line(out);
    }
}

/// Ends a line, without spaces at its end.
pub(super) fn end_line(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_columns_and_numbers() {
        assert_eq!(wrap("a  b   c", 80), ["a  b   c"]);
        assert_eq!(
            wrap("in all 1 204 331 docs", 12),
            ["in all", "1 204 331", "docs"]
        );
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(
            wrap("averyveryverylongword x", 5),
            ["averyveryverylongword", "x"]
        );
    }
}
