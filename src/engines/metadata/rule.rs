//! What a translation rule is.
//!
//! Deliberately absent: the rules themselves, one small table or file each under `rules`.

use std::fmt;

use serde::Serialize;

use super::draft::Draft;
use crate::base::version::{Product, ProductVersion};
use crate::diff::observation::ObjectKind;

/// What a finding of a rule means when nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// It is done.
    Allow,
    /// It is shown and done.
    Warn,
    /// A person has to decide.
    Deny,
}

/// From what to what is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The server that holds the original.
    pub source: ProductVersion,
    /// The server that is to take it.
    pub target: ProductVersion,
}

/// One line: versions of a product from `since` on.
pub(super) const fn from(product: Product, since: (u16, u16)) -> Line {
    Line {
        product,
        since,
        before: None,
    }
}

/// One line: versions of a product below `before`.
pub(super) const fn below(product: Product, before: (u16, u16)) -> Line {
    Line {
        product,
        since: (0, 0),
        before: Some(before),
    }
}

/// The versions of one product that a rule is for: `since` and newer, below `before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) product: Product,
    pub(super) since: (u16, u16),
    pub(super) before: Option<(u16, u16)>,
}

impl Line {
    fn holds(self, version: ProductVersion) -> bool {
        let (major, minor, _) = version.version.floor();
        self.product == version.product
            && self.since <= (major, minor)
            && self.before.is_none_or(|before| (major, minor) < before)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.product)?;
        match (self.since, self.before) {
            ((0, 0), None) => Ok(()),
            ((0, 0), Some((major, minor))) => write!(f, " below {major}.{minor}"),
            ((major, minor), None) => write!(f, " {major}.{minor} and newer"),
            ((major, minor), Some((end_major, end_minor))) => {
                write!(f, " {major}.{minor} to below {end_major}.{end_minor}")
            }
        }
    }
}

/// Versions of products; none at all stands for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines(pub(super) &'static [Line]);

impl Lines {
    /// Any product at any version.
    pub(super) const ANY: Self = Self(&[]);

    /// Whether a version is among them.
    pub fn hold(self, version: ProductVersion) -> bool {
        self.0.is_empty() || self.0.iter().any(|line| line.holds(version))
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("any");
        }
        for (at, line) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{line}")?;
        }
        Ok(())
    }
}

/// What a rule's translation was held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// A real target took it, and a document, and answered as the source did.
    Target,
    /// No server at hand has the feature: the translation alone is tested.
    TranslatedOnly,
}

/// One rule.
pub struct Rule {
    /// Its stable code.
    pub code: &'static str,
    /// What it does, in a few words.
    pub title: &'static str,
    /// Versions of the source that it is for.
    pub source: Lines,
    /// Versions of the target that it is for.
    pub target: Lines,
    /// The kinds of objects that it looks at.
    pub objects: &'static [ObjectKind],
    /// What its findings mean when the plan says nothing.
    pub level: Level,
    /// Whether something of the source is lost by it.
    pub lossy: bool,
    /// Why it is needed.
    pub why: &'static str,
    /// Public documentation of what changed.
    pub link: &'static str,
    /// What it was held against.
    pub proof: Proof,
    /// An index or template before, as JSON.
    pub before: &'static str,
    /// The same after.
    pub after: &'static str,
    /// Does it, leaving an edit for each change.
    pub(super) apply: fn(&'static Rule, &mut Draft, Versions),
}

/// Everything that has settings or mappings.
pub(super) const BODIES: &[ObjectKind] = &[
    ObjectKind::ComponentTemplate,
    ObjectKind::IndexTemplate,
    ObjectKind::LegacyTemplate,
    ObjectKind::Index,
];

/// A row for what loses nothing and is done without a word: tables give the rest.
pub(super) const ALLOWED: Rule = Rule {
    code: "",
    title: "",
    source: Lines::ANY,
    target: Lines::ANY,
    objects: BODIES,
    level: Level::Allow,
    lossy: false,
    why: "",
    link: "",
    proof: Proof::Target,
    before: "",
    after: "",
    apply: |_rule, _draft, _versions| (),
};

/// A row for what loses something while documents and usual searches stay right.
pub(super) const WARNED: Rule = Rule {
    level: Level::Warn,
    lossy: true,
    ..ALLOWED
};

/// A row for what changes the answer of a search, or loses a field: a person decides.
pub(super) const DENIED: Rule = Rule {
    level: Level::Deny,
    lossy: true,
    ..ALLOWED
};

impl Rule {
    /// Whether the rule looks at an object of this kind between these versions.
    pub fn applies(&self, kind: ObjectKind, versions: Versions) -> bool {
        self.objects.contains(&kind) && self.is_between(versions)
    }

    /// Whether it is for this source and this target.
    pub fn is_between(&self, versions: Versions) -> bool {
        self.source.hold(versions.source) && self.target.hold(versions.target)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("code", &self.code)
            .field("title", &self.title)
            .finish_non_exhaustive()
    }
}
