//! A running apply as the lines of a screen that are drawn again and again: from what is known of it, for a size, at a time.
//!
//! Pure; every line fits the width, all lines fit the height. Deliberately absent: drawing, and when to draw.

use jiff::Timestamp;

use super::layout::{cut, pad, put, width};
use super::progress::duration;
use super::theme::{Paint, Theme};
use crate::apply::picture::{Amount, PhasePicture, PhaseState, Picture};
use crate::base::units::{human_bytes, human_count, rounded};

/// Lines for words about what went wrong, the newest.
const SAID_LINES: usize = 3;
/// Columns of a bar.
const BAR_MIN: usize = 10;
const BAR_MAX: usize = 48;
/// The longest name of a phase that is shown whole.
const NAME_MAX: usize = 28;
/// A screen of fewer columns has no room for kinds.
const KINDS_FROM: usize = 60;
/// Columns of a kind, and of a state.
const KIND: usize = 10;
const STATE: usize = 10;
/// Lines of figures of a phase that runs, and what stands before them.
const FIGURE_LINES: usize = 3;
const INDENT: usize = 6;
/// What stands before the name of a phase.
const MARGIN: usize = 4;

/// A screen's size, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Characters of a line.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

/// The lines, at most two less than the screen has, so that what is above stays in sight.
pub fn frame(picture: &Picture, now: Timestamp, size: Size, theme: Theme) -> Vec<String> {
    let columns = size.columns.saturating_sub(1).max(20);
    let rows = size.rows.saturating_sub(2).max(3);
    let names = picture
        .phases
        .iter()
        .map(|it| width(it.address.as_str()))
        .max();
    let drawing = Drawing {
        columns,
        names: names.unwrap_or(0).min(NAME_MAX).min(columns / 3),
        kinds: if columns < KINDS_FROM { 0 } else { KIND + 2 },
        now,
        theme,
    };
    let mut lines = vec![drawing.head(picture)];
    let said: Vec<String> = picture
        .said
        .iter()
        .rev()
        .take(SAID_LINES)
        .rev()
        .map(|words| theme.paint(Paint::Careful, &cut(&format!("  ! {words}"), columns)))
        .collect();
    let room = rows.saturating_sub(lines.len() + said.len());
    lines.extend(drawing.phases(&picture.phases, room));
    lines.extend(said);
    lines.truncate(rows);
    lines
}

/// A bar of `columns`: `████░░░░`.
pub(super) fn bar(done: u64, total: u64, columns: usize) -> String {
    let part = if total == 0 {
        0.0
    } else {
        (done as f64 / total as f64).min(1.0)
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a part of the columns
    let full = (part * columns as f64).floor() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(columns - full))
}

/// How much of it is done; 100 only where all is.
pub(super) fn percent(done: u64, total: u64) -> u64 {
    let part = (done.saturating_mul(100)).checked_div(total);
    part.unwrap_or(0).min(100)
}

struct Drawing {
    columns: usize,
    names: usize,
    /// Columns of the kind, with those behind it.
    kinds: usize,
    now: Timestamp,
    theme: Theme,
}

fn look(state: PhaseState) -> (&'static str, Paint) {
    match state {
        PhaseState::Pending | PhaseState::Skipped => ("·", Paint::Faint),
        PhaseState::Running => (">", Paint::Work),
        PhaseState::Waiting => ("‖", Paint::Careful),
        PhaseState::UpToDate => ("=", Paint::Faint),
        PhaseState::Done => ("✓", Paint::Good),
        PhaseState::Stopped => ("-", Paint::Careful),
        PhaseState::Failed => ("✗", Paint::Bad),
    }
}

impl Drawing {
    fn head(&self, picture: &Picture) -> String {
        let over = |it: &&PhasePicture| matches!(it.state, PhaseState::Done | PhaseState::UpToDate);
        let done = picture.phases.iter().filter(over).count();
        let right = format!(
            "{done} of {} phases · {}",
            picture.phases.len(),
            duration(since(picture.began, self.now))
        );
        let right = cut(&right, self.columns);
        let left = format!("mig apply · {}", picture.plan);
        let room = self.columns.saturating_sub(width(&right) + 2);
        let left = cut(&left, room);
        let gap = " ".repeat(self.columns.saturating_sub(width(&left) + width(&right)));
        format!("{}{gap}{right}", self.theme.paint(Paint::Strong, &left))
    }

    /// All phases where there is room, else those that matter now and a line about the others.
    fn phases(&self, phases: &[PhasePicture], room: usize) -> Vec<String> {
        let all: Vec<String> = phases.iter().flat_map(|it| self.phase(it)).collect();
        if all.len() <= room {
            return all;
        }
        let matters = |state| {
            matches!(
                state,
                PhaseState::Running
                    | PhaseState::Failed
                    | PhaseState::Waiting
                    | PhaseState::Stopped
            )
        };
        let mut lines: Vec<String> = Vec::new();
        let mut shown = vec![false; phases.len()];
        for (number, phase) in phases.iter().enumerate() {
            let more = self.phase(phase);
            if matters(phase.state) && lines.len() + more.len() < room {
                lines.extend(more);
                shown[number] = true;
            }
        }
        let mut counts: Vec<String> = Vec::new();
        for state in PhaseState::ALL {
            let of = phases.iter().zip(&shown);
            let count = of
                .filter(|(it, shown)| it.state == state && !**shown)
                .count();
            if count > 0 {
                counts.push(format!("{count} {}", state.word()));
            }
        }
        let others = cut(&format!("  … {}", counts.join(", ")), self.columns);
        lines.push(self.theme.paint(Paint::Faint, &others));
        lines
    }

    /// State, time and note of a phase that has no figures.
    fn ended(&self, phase: &PhasePicture, room: usize, paint: Paint) -> String {
        let time = match (phase.state, phase.seconds, phase.began) {
            (PhaseState::Running, _, Some(began)) => duration(since(began, self.now)),
            (_, Some(seconds), _) => duration(seconds),
            _ => String::new(),
        };
        let state = pad(phase.state.word(), STATE);
        let words = format!("{state}  {}", pad(&time, 8));
        let note = room.saturating_sub(width(&words) + 2);
        let note = cut(&phase.note, note);
        if note.is_empty() {
            return self.theme.paint(paint, cut(&words, room).trim_end());
        }
        let state = self.theme.paint(paint, &cut(&words, room));
        format!("{state}  {}", self.theme.paint(Paint::Faint, &note))
    }

    /// One line, and some of figures while it runs.
    fn phase(&self, phase: &PhasePicture) -> Vec<String> {
        let (symbol, paint) = look(phase.state);
        let name = pad(&cut(phase.address.as_str(), self.names), self.names);
        let kind: String = pad(phase.kind.as_str(), self.kinds)
            .chars()
            .take(self.kinds)
            .collect();
        let head = MARGIN + self.names + 2 + self.kinds;
        let room = self.columns.saturating_sub(head);
        let running = phase.progress.as_ref().filter(|it| it.total > 0);
        let running = running.filter(|_| phase.state == PhaseState::Running);
        let rest = if let Some(amount) = running {
            self.theme.paint(paint, &progress(amount, room))
        } else {
            self.ended(phase, room, paint)
        };
        let symbol = self.theme.paint(paint, symbol);
        let mut lines = vec![format!("  {symbol} {name}  {kind}{rest}")];
        if let Some(amount) = running {
            for line in figure_lines(&figures(amount), self.columns.saturating_sub(INDENT)) {
                let text = cut(&format!("{}{line}", " ".repeat(INDENT)), self.columns);
                lines.push(self.theme.paint(Paint::Faint, &text));
            }
        }
        lines
    }
}

fn since(then: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(then).as_secs_f64().max(0.0)
}

/// `████░░░░  34%  4h 18m left`
fn progress(amount: &Amount, room: usize) -> String {
    let left = match (&amount.paused_by, amount.eta_s) {
        (Some(by), _) => format!("paused by {by}"),
        (None, Some(seconds)) if seconds > 0 => format!("{} left", duration(seconds as f64)),
        _ => String::new(),
    };
    let words = format!("  {:>3}%  {left}", percent(amount.done, amount.total));
    let columns = room.saturating_sub(width(&words).max(22)).min(BAR_MAX);
    if columns < BAR_MIN {
        return cut(words.trim_start(), room);
    }
    let words = cut(&words, room.saturating_sub(columns));
    format!(
        "{}{}",
        bar(amount.done, amount.total, columns),
        words.trim_end()
    )
}

/// Parts in lines of at most `columns`.
fn figure_lines(parts: &[String], columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        let full = lines.len() == FIGURE_LINES;
        match lines.last_mut() {
            Some(line) if width(line) + 3 + width(part) <= columns => put!(line, " · {part}"),
            _ if full => break,
            _ => lines.push(part.clone()),
        }
    }
    lines
}

/// `412 600 of 1 210 000 docs · 51 900/s · 0 failed · 2 of 4 workers · 12 of 20 requests · 85 ms`: what matters most stands first.
fn figures(amount: &Amount) -> Vec<String> {
    let mut parts = vec![
        format!(
            "{} of {} {}",
            human_count(amount.done),
            human_count(amount.total),
            amount.unit
        ),
        format!("{}/s", human_count(rounded(amount.rate))),
        format!("{} failed", human_count(amount.failed)),
    ];
    let Some(load) = amount.load else {
        return parts;
    };
    let workers = format!("{} of {} workers", load.workers, load.workers_wanted);
    parts.push(if load.processes > 1 {
        format!("{workers} in {} processes", load.processes)
    } else {
        workers
    });
    if load.requests > 0 {
        parts.push(format!(
            "{} of {} requests",
            load.in_flight, load.in_flight_most
        ));
        parts.extend(load.latency_ms.map(|latency| format!("{latency:.0} ms")));
    }
    if load.throttled > 0 {
        parts.push(format!("{} times 429", human_count(load.throttled)));
    }
    if load.rejected > 0 {
        parts.push(format!("{} rejected", human_count(load.rejected)));
    }
    if load.unanswered > 0 {
        parts.push(format!("{} unanswered", human_count(load.unanswered)));
    }
    if load.items > 0 {
        let (done, all) = (human_count(load.items_done), human_count(load.items));
        parts.push(format!("{done} of {all} items"));
    }
    if load.requests > 0 {
        parts.push(format!("{} sent", human_bytes(load.sent_bytes)));
    }
    parts.push(format!("batches of {}", human_bytes(load.batch_bytes)));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::event::Load;
    use crate::base::{Address, Fingerprint};
    use crate::plan::model::PhaseKindName;

    fn picture(many: usize) -> Picture {
        let zero = Timestamp::UNIX_EPOCH;
        let kinds = [
            ("base", PhaseKindName::Snapshot),
            ("mappings", PhaseKindName::Metadata),
            ("docs", PhaseKindName::Backfill),
            ("same", PhaseKindName::Verify),
        ];
        let names = (0..many).flat_map(|hop| {
            kinds.map(|(name, kind)| {
                let name = if many == 1 {
                    name.to_owned()
                } else {
                    format!("es{hop}->es{}/{name}", hop + 1)
                };
                (Address::new(name), kind, false)
            })
        });
        let digest = Fingerprint::of(&"p");
        let mut picture = Picture::new("logs-to-opensearch", digest, zero, names);
        picture.phases[0].state = PhaseState::Done;
        picture.phases[0].seconds = Some(242.0);
        picture.phases[0].note =
            "snapshot `nightly-1` holds 11 indices, 1 210 000 documents".into();
        picture.phases[1].state = PhaseState::UpToDate;
        picture.phases[2].state = PhaseState::Running;
        picture.phases[2].began = Some(zero);
        picture.phases[2].progress = Some(Amount {
            unit: "docs".into(),
            done: 412_600,
            total: 1_210_000,
            rate: 51_900.0,
            eta_s: Some(15_480),
            bytes: 1 << 30,
            failed: 3,
            workers: 2,
            paused_by: None,
            load: Some(Load {
                processes: 3,
                workers: 6,
                workers_wanted: 8,
                sent: 910,
                sent_bytes: 3 << 30,
                wire_bytes: 1 << 30,
                unanswered: 1,
                in_flight: 12,
                in_flight_most: 20,
                batch_bytes: 5 << 20,
                latency_ms: Some(84.6),
                requests: 900,
                request_micros: 1,
                rejected: 120,
                throttled: 2,
                sent_again: 120,
                items: 48,
                items_done: 17,
            }),
        });
        picture.said.push_back("docs: the target rejected documents: circuit_breaking_exception, and they are sent again by and by until they are taken".into());
        picture
    }

    fn drawn(picture: &Picture, columns: usize, rows: usize) -> String {
        let now = Timestamp::from_second(724).unwrap();
        let lines = frame(picture, now, Size { columns, rows }, Theme::plain());
        assert!(lines.len() <= rows - 2, "{lines:#?}");
        for line in &lines {
            assert!(width(line) < columns, "{} columns: {line}", width(line));
        }
        lines.join("\n")
    }

    #[test]
    fn a_screen_of_80_columns() {
        insta::assert_snapshot!(drawn(&picture(1), 80, 24));
    }

    #[test]
    fn a_screen_of_160_columns() {
        insta::assert_snapshot!(drawn(&picture(1), 160, 24));
    }

    #[test]
    fn more_phases_than_lines_leave_those_that_matter() {
        let mut many = picture(12);
        many.phases[5].state = PhaseState::Failed;
        many.phases[5].note = "the target is away".into();
        insta::assert_snapshot!(drawn(&many, 80, 24));
    }

    #[test]
    fn any_size_fits() {
        let many = picture(12);
        for columns in [21, 40, 79, 81, 200] {
            for rows in [5, 10, 24, 60] {
                drawn(&many, columns, rows);
            }
        }
    }

    #[test]
    fn bars_are_full_only_at_the_end() {
        assert_eq!(bar(999, 1000, 10), "█████████░");
        assert_eq!(bar(1000, 1000, 10), "██████████");
        assert_eq!(percent(999_999, 1_000_000), 99);
        assert_eq!(bar(0, 0, 4), "░░░░");
    }
}
