//! Tables of plain text: columns as wide as their widest cell, the first one cut where a line would be too long.
//!
//! Deliberately absent: colour, and what stands in the cells.

use super::layout::{cut, end_line, pad, width};

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Columns between two cells.
const GAP: usize = 2;
/// The first column is never cut to less.
const FIRST_MIN: usize = 12;

/// Appends `rows`, the first of which is the heading, as lines of at most `columns` that begin with two spaces.
pub(super) fn table(out: &mut String, sides: &[Side], rows: &[Vec<String>], columns: usize) {
    let widest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| width(cell)).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..sides.len()).map(widest).collect();
    let all: usize = widths.iter().map(|it| it + GAP).sum();
    if let Some(first) = widths.first_mut() {
        let over = all.saturating_sub(columns);
        *first = (*first).saturating_sub(over).max(FIRST_MIN.min(*first));
    }
    for row in rows {
        for ((cell, side), wide) in row.iter().zip(sides).zip(&widths) {
            out.push_str(&" ".repeat(GAP));
            let cell = cut(cell, *wide);
            match side {
                Side::Left => out.push_str(&pad(&cell, *wide)),
                Side::Right => {
                    out.push_str(&" ".repeat(wide.saturating_sub(width(&cell))));
                    out.push_str(&cell);
                }
            }
        }
        end_line(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_gives_way() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let rows = [
            row(["index", "docs"]),
            row(["a-very-long-name-of-one", "1 000"]),
        ];
        let mut text = String::new();
        table(&mut text, &[Side::Left, Side::Right], &rows, 24);
        assert_eq!(text, "  index             docs\n  a-very-long-na…  1 000\n");
        assert!(text.lines().all(|line| width(line) <= 24));
    }
}
