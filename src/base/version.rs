//! Products and versions of search clusters.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The two products that `mig` reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Product {
    /// Elasticsearch 1–9.
    Elasticsearch,
    /// OpenSearch 1–3.
    OpenSearch,
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Elasticsearch => "Elasticsearch",
            Self::OpenSearch => "OpenSearch",
        })
    }
}

/// `7`, `7.10` or `7.10.2`: parts that are not given are not known, and match any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// First number.
    pub major: u16,
    /// Second number, where given.
    pub minor: Option<u16>,
    /// Third number, where given.
    pub patch: Option<u16>,
}

impl Version {
    /// From all three numbers.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor: Some(minor),
            patch: Some(patch),
        }
    }

    /// `(major, minor, patch)` with 0 for what is not given: for comparisons "at least".
    pub const fn floor(self) -> (u16, u16, u16) {
        let minor = match self.minor {
            Some(minor) => minor,
            None => 0,
        };
        let patch = match self.patch {
            Some(patch) => patch,
            None => 0,
        };
        (self.major, minor, patch)
    }

    /// Whether `actual` is what `self` asserts: every part that `self` gives is equal.
    pub fn matches(self, actual: Self) -> bool {
        self.major == actual.major
            && self.minor.is_none_or(|minor| Some(minor) == actual.minor)
            && self.patch.is_none_or(|patch| Some(patch) == actual.patch)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.major.to_string();
        for part in [self.minor, self.patch].into_iter().flatten() {
            text.push('.');
            text.push_str(&part.to_string());
        }
        f.pad(&text)
    }
}

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = [None; 3];
        let mut parts = text.split('.');
        for number in &mut numbers {
            let Some(part) = parts.next() else { break };
            if part.is_empty() || part.len() > 4 || !part.bytes().all(|byte| byte.is_ascii_digit())
            {
                return Err(());
            }
            *number = Some(part.parse().map_err(|_| ())?);
        }
        if parts.next().is_some() {
            return Err(());
        }
        Ok(Self {
            major: numbers[0].ok_or(())?,
            minor: numbers[1],
            patch: numbers[2],
        })
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|()| serde::de::Error::custom("expected a version such as 7.10.2"))
    }
}

/// A product at a version, as a plan asserts it or a server told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProductVersion {
    /// Which product.
    pub product: Product,
    /// Which version.
    pub version: Version,
}

impl fmt::Display for ProductVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.product, self.version))
    }
}
