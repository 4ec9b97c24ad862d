//! What `mig` has to say about a plan: code, severity, text, fix and place.
//!
//! Relies on `codes` and `location`. Deliberately absent: how it looks (that is `ui::diagnostics`).

use serde::Serialize;

use super::codes::Code;
use super::location::Location;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The plan can't be used.
    Error,
    /// The plan can be used and most likely isn't what was meant.
    Warning,
    /// The plan can be used; there is something better.
    Advice,
}

impl Severity {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Advice => "advice",
        }
    }
}

/// One finding about a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: lower-case start, literals in backticks, no full stop.
    pub message: String,
    /// The exact fix.
    pub help: Option<String>,
    /// Where.
    pub location: Option<Location>,
    /// Other places that matter, each with a short text.
    pub related: Vec<(Location, String)>,
}

impl Diagnostic {
    /// A finding with the severity of its code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            help: None,
            location: None,
            related: Vec::new(),
        }
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// Adds the fix.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the fix where there is one.
    #[must_use]
    pub fn help_if(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn related(mut self, location: Location, text: impl Into<String>) -> Self {
        self.related.push((location, text.into()));
        self
    }
}

/// The word of `candidates` that `written` was most likely meant to be.
pub fn did_you_mean<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let folded = written.to_lowercase().replace('_', "-");
    candidates
        .into_iter()
        .filter(|candidate| *candidate != written)
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| {
            let limit = match candidate.chars().count().max(folded.chars().count()) {
                0..=2 => 1,
                3..=5 => 2,
                _ => 3,
            };
            *distance <= limit && *distance < candidate.chars().count()
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// `` `a`, `b` or `c` ``.
pub fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// Puts findings in the order that they are told: by place, errors before warnings, and each once.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|left, right| {
        let key = |diagnostic: &Diagnostic| {
            (
                diagnostic.severity,
                diagnostic.location.is_none(),
                diagnostic.location,
                diagnostic.code,
            )
        };
        key(left)
            .cmp(&key(right))
            .then_with(|| left.message.cmp(&right.message))
    });
    diagnostics.dedup();
}
