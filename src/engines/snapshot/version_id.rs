//! Version ids as repositories hold them: `7100299` is Elasticsearch 7.10.2, `136407927` is OpenSearch 2.19.1.

use std::fmt;

use serde::Serialize;

use crate::base::version::{Product, ProductVersion, Version};

/// Bit 27 marks ids of OpenSearch.
const OPENSEARCH_MASK: u64 = 0x0800_0000;

/// From 8.11 on Elasticsearch writes "index versions", of which only the order means something.
const FIRST_OPAQUE_ID: u64 = 8_500_000;

/// Ids of 9 begin here, and its lines are not told apart.
const FIRST_OF_9: u64 = 9_000_000;

/// The first index version of each release line of Elasticsearch 8, as the list `IndexVersions.csv` in its jars has them (read of
/// 8.17.0 and 9.0.0, which goes up to 8.17.4). Each line has its thousands, so that what is above those of 8.17 is 8.18 or later.
const FIRST_OF_MINOR: [(u64, u16); 8] = [
    (FIRST_OPAQUE_ID, 11),
    (8_500_008, 12),
    (8_503_000, 13),
    (8_505_000, 14),
    (8_512_000, 15),
    (8_518_000, 16),
    (8_521_000, 17),
    (8_522_000, 18),
];

/// What created something: known where its id can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum IndexVersion {
    /// Decoded.
    Release(ProductVersion),
    /// Elasticsearch 8.11 or later wrote an id that names no release.
    Opaque {
        /// The id.
        id: u64,
    },
}

impl IndexVersion {
    /// The version as far as its id tells: of one that names no release, the newest line that is not newer than it, and the major
    /// version alone from 9 on.
    pub fn line(self) -> ProductVersion {
        match self {
            Self::Release(version) => version,
            Self::Opaque { id } => ProductVersion {
                product: Product::Elasticsearch,
                version: Version {
                    major: u16::try_from(id / 1_000_000).unwrap_or(u16::MAX),
                    minor: minor_of(id),
                    patch: None,
                },
            },
        }
    }
}

fn minor_of(id: u64) -> Option<u16> {
    let reached = FIRST_OF_MINOR.iter().rev().find(|(first, _)| *first <= id);
    reached.filter(|_| id < FIRST_OF_9).map(|(_, minor)| *minor)
}

impl fmt::Display for IndexVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(version) => version.fmt(f),
            Self::Opaque { id } => f.pad(&format!("Elasticsearch (id {id})")),
        }
    }
}

/// Decodes `version_id` of a snapshot or `index.version.created` of an index. `None` for numbers that nothing wrote.
pub fn decode_version_id(id: u64) -> Option<IndexVersion> {
    let (product, digits) = if id & OPENSEARCH_MASK == 0 {
        (Product::Elasticsearch, id)
    } else {
        (Product::OpenSearch, id ^ OPENSEARCH_MASK)
    };
    if product == Product::Elasticsearch && id >= FIRST_OPAQUE_ID {
        return Some(IndexVersion::Opaque { id });
    }
    let major = u16::try_from(digits / 1_000_000).ok()?;
    let two = |divisor: u64| u16::try_from(digits / divisor % 100).unwrap_or_default();
    if major == 0 {
        return None;
    }
    Some(IndexVersion::Release(ProductVersion {
        product,
        version: Version::new(major, two(10_000), two(100)),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_both_products_decode() {
        let text = |id| decode_version_id(id).map(|version| version.to_string());
        assert_eq!(text(7_100_299).unwrap(), "Elasticsearch 7.10.2");
        assert_eq!(text(6_082_399).unwrap(), "Elasticsearch 6.8.23");
        assert_eq!(text(136_407_927).unwrap(), "OpenSearch 2.19.1");
        assert_eq!(text(135_249_827).unwrap(), "OpenSearch 1.3.20");
        assert_eq!(text(8_500_003).unwrap(), "Elasticsearch (id 8500003)");
        let line = |id| decode_version_id(id).unwrap().line().to_string();
        assert_eq!(line(8_500_003), "Elasticsearch 8.11");
        assert_eq!(line(8_500_010), "Elasticsearch 8.12");
        assert_eq!(line(8_521_000), "Elasticsearch 8.17");
        assert_eq!(line(8_521_007), "Elasticsearch 8.17");
        assert_eq!(line(8_536_000), "Elasticsearch 8.18");
        assert_eq!(line(9_009_000), "Elasticsearch 9");
        assert_eq!(line(7_100_299), "Elasticsearch 7.10.2");
        assert_eq!(text(0), None);
        assert_eq!(text(u64::MAX), None);
    }
}
