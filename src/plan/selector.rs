//! The one selector language for names in every phase: globs, `!` to exclude, `/regex/`, read in order.
//!
//! Relies on `regex`. Deliberately absent: any knowledge of clusters; callers give the names.

use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::glob::{covers, meet};

/// A list of patterns. A name is chosen when some pattern without `!` matches it and no pattern with `!` does.
/// A name that begins with `.` (a system index) is only matched by patterns that begin with `.` themselves.
#[derive(Clone, Debug)]
pub struct Selector {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    exclude: bool,
    regex: Regex,
    system: bool,
}

/// Why a name was not chosen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOutReason {
    /// The name begins with `.` and no pattern names such indices.
    SystemIndex,
    /// A `!` pattern matches; the pattern is given.
    Excluded(String),
    /// No pattern matches.
    NotSelected,
}

/// Why a pattern is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// The text is empty.
    #[error("a pattern is empty")]
    Empty,
    /// What stands between the slashes is no regular expression.
    #[error("`{pattern}` is no regular expression: {reason}")]
    BadRegex {
        /// As written.
        pattern: String,
        /// What the regex engine says, on one line.
        reason: String,
    },
}

/// How many of the names that a template is for a selection chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// None, as far as patterns tell.
    None,
    /// Some.
    Some,
    /// All.
    All,
}

impl Selector {
    /// Everything but system indices.
    pub fn all() -> Self {
        Self::parse(&["*"]).unwrap_or(Self {
            patterns: Vec::new(),
        })
    }

    /// Nothing at all.
    pub fn none() -> Self {
        Self {
            patterns: Vec::new(),
        }
    }

    /// Compiles patterns as written.
    pub fn parse<S: AsRef<str>>(patterns: &[S]) -> Result<Self, SelectorError> {
        let patterns = patterns
            .iter()
            .map(|text| Pattern::parse(text.as_ref()))
            .collect::<Result<_, _>>()?;
        Ok(Self { patterns })
    }

    /// Whether it has no pattern and so chooses nothing.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The patterns as written.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(|pattern| pattern.text.as_str())
    }

    /// `None` when the name is chosen, else why not.
    pub fn left_out(&self, name: &str) -> Option<LeftOutReason> {
        let system = name.starts_with('.');
        let excluded = self
            .patterns
            .iter()
            .find(|pattern| pattern.exclude && pattern.regex.is_match(name));
        let mut included = self
            .patterns
            .iter()
            .filter(|pattern| !pattern.exclude && pattern.regex.is_match(name))
            .peekable();
        if included.peek().is_none() {
            return Some(LeftOutReason::NotSelected);
        }
        if let Some(pattern) = excluded {
            return Some(LeftOutReason::Excluded(pattern.text.clone()));
        }
        if system && !included.any(|pattern| pattern.system) {
            return Some(LeftOutReason::SystemIndex);
        }
        None
    }

    /// Whether the name is chosen.
    pub fn matches(&self, name: &str) -> bool {
        self.left_out(name).is_none()
    }

    /// Whether something that goes by several names is chosen: one of them is, and no pattern with `!` matches any.
    pub fn matches_any(&self, names: &[impl AsRef<str>]) -> bool {
        let excludes = |name: &str| {
            let mut patterns = self.patterns.iter();
            patterns.any(|pattern| pattern.exclude && pattern.regex.is_match(name))
        };
        names.iter().any(|name| self.matches(name.as_ref()))
            && !names.iter().any(|name| excludes(name.as_ref()))
    }

    /// How many of the names that a pattern of a template (`logs-*`) stands for are chosen. Of a regular expression one such name
    /// (`logs-x`) tells whether it chooses some; that it chooses all of them nothing tells.
    pub fn reach(&self, pattern: &str) -> Reach {
        let system = pattern.starts_with('.');
        let of = |it: &Pattern| match it.glob() {
            Some(glob) if covers(glob, pattern) => Reach::All,
            Some(glob) if meet(glob, pattern) => Reach::Some,
            None if it.regex.is_match(&pattern.replace('*', "x")) => Reach::Some,
            _ => Reach::None,
        };
        let (mut chosen, mut excluded) = (Reach::None, Reach::None);
        for it in &self.patterns {
            if it.exclude {
                excluded = excluded.max(of(it));
            } else if it.system || !system {
                chosen = chosen.max(of(it));
            }
        }
        match excluded {
            Reach::None => chosen,
            Reach::Some => chosen.min(Reach::Some),
            Reach::All => Reach::None,
        }
    }

    /// The including patterns that match none of `names`: a typing error more often than not.
    pub fn unmatched<'a>(&'a self, names: &[impl AsRef<str>]) -> Vec<&'a str> {
        self.patterns
            .iter()
            .filter(|pattern| {
                !pattern.exclude
                    && !names
                        .iter()
                        .any(|name| pattern.regex.is_match(name.as_ref()))
            })
            .map(|pattern| pattern.text.as_str())
            .collect()
    }
}

impl Pattern {
    /// Without `!`; `None` for a regular expression.
    fn glob(&self) -> Option<&str> {
        let body = self.text.strip_prefix('!').unwrap_or(&self.text);
        let is_regex = body.len() > 1 && body.starts_with('/') && body.ends_with('/');
        (!is_regex).then_some(body)
    }

    fn parse(text: &str) -> Result<Self, SelectorError> {
        let (exclude, body) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if body.is_empty() {
            return Err(SelectorError::Empty);
        }
        let as_regex = body
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'));
        let expression = match as_regex {
            Some(regex) => format!("^(?:{regex})$"),
            None => glob_to_regex(body),
        };
        let regex = Regex::new(&expression).map_err(|error| SelectorError::BadRegex {
            pattern: text.to_owned(),
            reason: error
                .to_string()
                .split('\n')
                .next_back()
                .unwrap_or_default()
                .trim()
                .trim_start_matches("error: ")
                .to_owned(),
        })?;
        let system = as_regex.map_or(body.starts_with('.'), |regex| regex.starts_with("\\."));
        Ok(Self {
            text: text.to_owned(),
            exclude,
            regex,
            system,
        })
    }
}

fn glob_to_regex(glob: &str) -> String {
    let mut regex = String::from("^");
    for character in glob.chars() {
        match character {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            other => regex.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push('$');
    regex
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.patterns().eq(other.patterns())
    }
}

impl Eq for Selector {}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.patterns())
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let patterns = Vec::<String>::deserialize(deserializer)?;
        Self::parse(&patterns).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_of_several_names_is_chosen_by_one_and_excluded_by_any() {
        for (patterns, expected) in [
            (vec!["logs"], true),
            (vec!["ds-*"], true),
            (vec!["web"], false),
            (vec!["logs", "!ds-*-000001"], false),
            (vec!["ds-*", "!logs"], false),
            (vec!["!logs"], false),
        ] {
            let selector = Selector::parse(&patterns).expect("patterns");
            let found = selector.matches_any(&["logs", "ds-logs-000001"]);
            assert_eq!(found, expected, "{patterns:?}");
        }
    }

    #[test]
    fn a_selection_reaches_all_some_or_none_of_the_names_of_a_template() {
        for (patterns, template, expected) in [
            (vec!["logs-*"], "logs-*", Reach::All),
            (vec!["log?-*"], "logs-app-*", Reach::All),
            (vec!["*", ".*"], ".ds-*", Reach::All),
            (vec!["*"], ".ds-*", Reach::None),
            (vec!["logs-app-*"], "logs-*", Reach::Some),
            (vec!["logs-1"], "logs-*", Reach::Some),
            (vec!["*-app"], "logs-*", Reach::Some),
            (vec!["metrics-*"], "logs-*", Reach::None),
            (vec!["logs-*", "!logs-tmp-*"], "logs-*", Reach::Some),
            (vec!["logs-*", "!logs-*"], "logs-*", Reach::None),
            (vec!["*", "!metrics-*"], "logs-*", Reach::All),
            (vec!["/logs-.+/"], "logs-*", Reach::Some),
            (vec!["/logs-[a-z]/"], "logs-*", Reach::Some),
            (vec!["/logs-[0-9]+/"], "logs-*", Reach::None),
            (vec![], "logs-*", Reach::None),
        ] {
            let selector = Selector::parse(&patterns).expect("patterns");
            assert_eq!(
                selector.reach(template),
                expected,
                "{patterns:?} {template}"
            );
        }
    }
}
