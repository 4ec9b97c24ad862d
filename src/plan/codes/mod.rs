//! The table of codes: what each finding is called, why it is one and how to mend it. `mig explain` prints it.
//!
//! A code is never given another meaning. Ranges: 001–039 the language (`language`), 040–059 order and invariants
//! (`graph`), 060–079 lints (`lints`), 080–099 planning and state (`planning`), 300–339 documents on their way
//! (`documents`), 340–359 objects that a target can't take (`objects`), 360–379 what operators ended (`operators`), 380–389 restores
//! (`restores`). Deliberately absent: the codes of translation rules, which belong to the metadata engine and are shown by `mig rules`.

pub mod documents;
pub mod graph;
pub mod language;
pub mod lints;
pub mod objects;
pub mod operators;
pub mod planning;
pub mod restores;

use std::fmt;

use super::diagnostics::Severity;

/// A stable code such as `MIG005`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

/// What the table holds of a code.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The code.
    pub code: Code,
    /// The severity of its findings.
    pub severity: Severity,
    /// A few words.
    pub title: &'static str,
    /// What, why, how to mend it.
    pub explanation: &'static str,
    /// Text of a plan that has the finding, and of one that doesn't.
    pub example: Option<(&'static str, &'static str)>,
}

/// Makes a constant and a row for each code. `severity "title" "explanation" ["before" => "after"];`
macro_rules! codes {
    ($($name:ident = $number:literal $severity:ident $title:literal $explanation:literal $($before:literal => $after:literal)?;)*) => {
        $(
            #[doc = $title]
            pub const $name: $crate::plan::codes::Code = $crate::plan::codes::Code::new($number);
        )*
        /// The rows of this range.
        pub const ROWS: &[$crate::plan::codes::Row] = &[$(
            $crate::plan::codes::Row {
                code: $name,
                severity: $crate::plan::diagnostics::Severity::$severity,
                title: $title,
                explanation: $explanation,
                example: $crate::plan::codes::codes!(@example $($before => $after)?),
            },
        )*];
    };
    (@example) => { None };
    (@example $before:literal => $after:literal) => { Some(($before, $after)) };
}
pub(crate) use codes;

impl Code {
    /// By number; the tables alone make codes.
    pub(crate) const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The code of a text such as `MIG005`, where the table has it.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text
            .strip_prefix("MIG")
            .or_else(|| text.strip_prefix("mig"))?;
        if digits.len() != 3 {
            return None;
        }
        let code = Self(digits.parse().ok()?);
        code.row().map(|row| row.code)
    }

    /// Its row.
    pub fn row(self) -> Option<&'static Row> {
        all().find(|row| row.code == self)
    }

    /// The severity of its findings.
    pub fn severity(self) -> Severity {
        self.row().map_or(Severity::Error, |row| row.severity)
    }

    /// A few words.
    pub fn title(self) -> &'static str {
        self.row().map_or("", |row| row.title)
    }

    /// Whether `allow:` may name it.
    pub fn is_lint(self) -> bool {
        (60..80).contains(&self.0)
    }
}

/// Every row, by number.
pub fn all() -> impl Iterator<Item = &'static Row> {
    [
        language::ROWS,
        graph::ROWS,
        lints::ROWS,
        planning::ROWS,
        documents::ROWS,
        objects::ROWS,
        operators::ROWS,
        restores::ROWS,
    ]
    .into_iter()
    .flatten()
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("MIG{:03}", self.0))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_within_their_ranges() {
        let numbers: Vec<u16> = all().map(|row| row.code.0).collect();
        assert!(
            numbers.windows(2).all(|pair| pair[0] < pair[1]),
            "{numbers:?}"
        );
        let ranges = [
            (language::ROWS, 1..40),
            (graph::ROWS, 40..60),
            (lints::ROWS, 60..80),
            (planning::ROWS, 80..100),
            (documents::ROWS, 300..340),
            (objects::ROWS, 340..360),
            (operators::ROWS, 360..380),
            (restores::ROWS, 380..390),
        ];
        for (rows, range) in ranges {
            for row in rows {
                assert!(range.contains(&row.code.0), "{}", row.code);
                assert!(
                    !row.title.is_empty() && row.explanation.len() > 40,
                    "{}",
                    row.code
                );
            }
        }
    }

    #[test]
    fn parse_finds_what_the_table_has() {
        assert_eq!(Code::parse("MIG005"), Some(language::UNKNOWN_KEY));
        assert_eq!(Code::parse("MIG5"), None);
        assert_eq!(Code::parse("MIG999"), None);
    }
}
