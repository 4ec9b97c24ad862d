//! What a verification found. Serialised as the evidence of a `verify` phase; kebab-case keys, counts are exact unless
//! `more-than` says that they are lower bounds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Content;

/// The schema of [`Report`] as evidence.
pub(super) const EVIDENCE_VERSION: u32 = 1;

/// Whether the sides are proved equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that was asked for agrees.
    Pass,
    /// Something differs.
    Fail,
    /// Stopped as asked: nothing is proved; a later run goes on.
    Interrupted,
}

/// Of all indices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// `EVIDENCE_VERSION`.
    pub evidence_version: u32,
    /// How deep it looked.
    pub content: Content,
    /// Whether versions were compared.
    pub versions: bool,
    /// The source, for people.
    pub source: String,
    /// The target, for people.
    pub target: String,
    /// Over all indices.
    pub verdict: Verdict,
    /// By index.
    pub indices: BTreeMap<String, IndexReport>,
}

impl Report {
    /// One statement a line: what was proved, or what differs.
    pub fn statements(&self) -> Vec<String> {
        self.indices
            .iter()
            .map(|(name, index)| index.statement(name, self.content))
            .collect()
    }
}

/// Of one index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IndexReport {
    /// Of this index.
    pub verdict: Verdict,
    /// Documents of the source by the second path; `None`: it has none that is exact, and the documents read stand in.
    pub expected: Option<u64>,
    /// Documents that the source's reader delivered; `None` where the content was not looked at.
    pub source_docs: Option<u64>,
    /// Documents found on the target.
    pub found: u64,
    /// On the source and not on the target.
    pub missing: u64,
    /// On both, with another content, or another version where versions are compared.
    pub different: u64,
    /// On the target and not on the source.
    pub extra: u64,
    /// Further copies of an identity on either side.
    pub duplicates: u64,
    /// Same content in another spelling (order of keys, spaces, escapes): equal.
    pub respelled: u64,
    /// Documents of a live source that differed when they were first read and became equal.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub settled: u64,
    /// Set where the four counts above are lower bounds: so many buckets were not looked into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexamined_buckets: Option<u64>,
    /// The digest over all documents of the source, hexadecimal.
    pub source_digest: String,
    /// The digest over all documents of the target, hexadecimal.
    pub target_digest: String,
    /// Samples by name, at most [`super::limits::NAMED`].
    pub named: Vec<Difference>,
    /// Why it failed where that is no matter of single documents; one statement a line.
    pub findings: Vec<String>,
    /// All documents that differ, while they may still become equal.
    #[serde(skip)]
    pub(super) open: Vec<Difference>,
    /// What is a finding unless it vanishes.
    #[serde(skip)]
    pub(super) unsettled: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One document that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// How.
    pub kind: DifferenceKind,
    /// `_id`.
    pub id: String,
    /// `routing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<String>,
    /// What differs, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// How a document differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKind {
    /// Not on the target.
    Missing,
    /// Another content or version on the target.
    Different,
    /// Not on the source.
    Extra,
    /// More than once on a side.
    Duplicate,
}

impl DifferenceKind {
    /// As people say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Different => "different",
            Self::Extra => "extra",
            Self::Duplicate => "duplicate",
        }
    }
}

impl IndexReport {
    fn statement(&self, name: &str, content: Content) -> String {
        let expected = self.expected.or(self.source_docs).unwrap_or(0);
        match self.verdict {
            Verdict::Interrupted => format!("{name}: interrupted, nothing is proved"),
            Verdict::Pass => format!(
                "{name}: {expected} expected, {} found, {}{}",
                self.found,
                match content {
                    Content::Counts => "counts equal".to_owned(),
                    Content::Ids => "every id equal".to_owned(),
                    Content::Sample { one_in } =>
                        format!("every id equal, content of one in {one_in} equal"),
                    Content::Full => "every document equal".to_owned(),
                },
                if self.settled > 0 {
                    format!(" ({} once read again)", self.settled)
                } else {
                    String::new()
                }
            ),
            Verdict::Fail => {
                let bound = if self.unexamined_buckets.is_some() {
                    "at least "
                } else {
                    ""
                };
                let mut text = format!(
                    "{name}: {expected} expected, {} found; {bound}{} missing, {} different, {} extra, {} duplicate",
                    self.found, self.missing, self.different, self.extra, self.duplicates
                );
                for named in self.named.iter().take(3) {
                    text.push_str(&["; ", named.kind.as_str(), " `", &named.id, "`"].concat());
                }
                for finding in &self.findings {
                    text.push_str("; ");
                    text.push_str(finding);
                }
                text
            }
        }
    }
}
