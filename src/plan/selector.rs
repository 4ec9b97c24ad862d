//! The one selector language for names in every phase: globs, `!` to exclude, `/regex/`, read in order.
//!
//! Relies on `regex`. Deliberately absent: any knowledge of clusters; callers give the names.

use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
