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
    table_leaving_out(out, sides, rows, columns, &[]);
}

/// As [`table`]; where a line would be too long even so, without these columns, one after the other.
pub(super) fn table_leaving_out(
    out: &mut String,
    sides: &[Side],
    rows: &[Vec<String>],
    columns: usize,
    dispensable: &[usize],
) {
    let widest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| width(cell)).max().unwrap_or(0)
    };
    let mut shown: Vec<(usize, usize)> = (0..sides.len()).map(|it| (it, widest(it))).collect();
    let least = |shown: &[(usize, usize)]| {
        let first = shown.first().map_or(0, |(_, wide)| *wide);
        let all: usize = shown.iter().map(|(_, wide)| wide + GAP).sum();
        all - first + FIRST_MIN.min(first)
    };
    for column in dispensable {
        if least(&shown) > columns {
            shown.retain(|(shown, _)| shown != column);
        }
    }
    let all: usize = shown.iter().map(|(_, wide)| wide + GAP).sum();
    if let Some((_, first)) = shown.first_mut() {
        let over = all.saturating_sub(columns);
        *first = (*first).saturating_sub(over).max(FIRST_MIN.min(*first));
    }
    for row in rows {
        for (column, wide) in &shown {
            let (Some(cell), Some(side)) = (row.get(*column), sides.get(*column)) else {
                continue;
            };
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

    #[test]
    fn what_can_be_done_without_gives_way_where_the_first_column_can_t() {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let rows = [
            row(["host", "pid", "docs/s", "since"]),
            row(["vm", "1234", "50", "20:06:17Z"]),
        ];
        let sides = [Side::Left, Side::Right, Side::Right, Side::Left];
        let told = |columns| {
            let mut text = String::new();
            table_leaving_out(&mut text, &sides, &rows, columns, &[3, 1]);
            text
        };
        assert_eq!(
            told(31),
            "  host   pid  docs/s  since\n  vm    1234      50  20:06:17Z\n"
        );
        assert_eq!(told(30), "  host   pid  docs/s\n  vm    1234      50\n");
        assert_eq!(told(14), "  host  docs/s\n  vm        50\n");
    }
}
