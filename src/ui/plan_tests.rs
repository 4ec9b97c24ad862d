//! The results of `mig test` for a terminal.
//!
//! Pure. Deliberately absent: the exit code.

use super::layout::hang;
use super::theme::{Paint, Theme};
use crate::base::units::plural;
use crate::phases::plan_tests::TestResult;

/// One line a test, what differs below, and a line in sum.
pub fn tests_text(results: &[TestResult], theme: Theme, columns: usize) -> String {
    let mut out = String::new();
    for result in results {
        let word = if result.passed {
            theme.paint(Paint::Good, "ok  ")
        } else {
            theme.paint(Paint::Bad, "FAIL")
        };
        out.push_str(&format!("{word}  {}\n", result.name));
        for finding in &result.findings {
            hang(&mut out, "      ", 8, finding, columns);
        }
        for edit in &result.differences {
            let side = |value: &Option<serde_json::Value>| {
                value
                    .as_ref()
                    .map_or("nothing".to_owned(), ToString::to_string)
            };
            let text = format!(
                "{}: expected {}, got {}",
                edit.path,
                side(&edit.before),
                side(&edit.after)
            );
            hang(&mut out, "      ", 8, &text, columns);
        }
    }
    let failed = results.iter().filter(|result| !result.passed).count();
    let total = plural(results.len() as u64, "test");
    out.push_str(&if failed == 0 {
        format!("{total}, all as expected\n")
    } else {
        format!("{total}, {failed} failed\n")
    });
    out
}
