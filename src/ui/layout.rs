//! Lines of text to a width: wrapping with a hanging indent, cutting, padding.
//!
//! Works on plain text; colour is put on afterwards, so that it never counts as width. Deliberately absent: terminals.

/// Characters of a text, as columns.
pub fn width(text: &str) -> usize {
    text.chars().count()
}

/// `text` with spaces behind it up to `columns`.
pub fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// `text` cut to `columns`, with `…` where something is missing.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(columns.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// `text` in lines of at most `columns`, broken at spaces; a longer word stands alone, whole, so that it can be copied.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// `text` behind `head`, which has `indent` columns; further lines begin under the first one's text.
pub fn hang(out: &mut String, head: &str, indent: usize, text: &str, columns: usize) {
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
pub fn end_line(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}
