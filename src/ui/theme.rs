//! Colours and emphasis: what each kind of text looks like, in one place.
//!
//! Whether there is colour at all is a value that the CLI decides (terminal, `NO_COLOR`). Every text reads well without.

use owo_colors::Style;

use crate::diff::change::Action;

/// With or without colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    colour: bool,
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// As it is.
    Plain,
    /// A heading, a name that matters.
    Strong,
    /// What can be skipped in reading.
    Faint,
    /// Something comes into being, or is proved.
    Good,
    /// Something changes, or waits for a person.
    Careful,
    /// Something goes away, fails, or can't be undone.
    Bad,
    /// Work that runs.
    Work,
}

impl Theme {
    /// No escape sequences at all.
    pub const fn plain() -> Self {
        Self { colour: false }
    }

    /// ANSI colours.
    pub const fn coloured() -> Self {
        Self { colour: true }
    }

    /// `text` as `paint`.
    pub fn paint(self, paint: Paint, text: &str) -> String {
        let style = match paint {
            Paint::Plain => return text.to_owned(),
            Paint::Strong => Style::new().bold(),
            Paint::Faint => Style::new().dimmed(),
            Paint::Good => Style::new().green(),
            Paint::Careful => Style::new().yellow(),
            Paint::Bad => Style::new().red(),
            Paint::Work => Style::new().cyan(),
        };
        if self.colour && !text.is_empty() {
            style.style(text).to_string()
        } else {
            text.to_owned()
        }
    }

    /// The symbol of an action.
    pub fn symbol(self, action: Action) -> String {
        self.paint(Paint::of(action), action.symbol())
    }
}

impl Paint {
    /// How an action looks.
    pub fn of(action: Action) -> Self {
        match action {
            Action::Create => Self::Good,
            Action::Change | Action::Wait => Self::Careful,
            Action::Replace | Action::Delete | Action::Decide => Self::Bad,
            Action::Run | Action::RunUntilStopped | Action::Check => Self::Work,
            Action::UpToDate => Self::Faint,
        }
    }
}
