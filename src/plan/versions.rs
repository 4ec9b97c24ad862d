//! Which lines of the two products there are, and which of them `mig` writes to.

use super::codes::language as code;
use super::diagnostics::Diagnostic;
use crate::base::version::{Product, Version};

/// Major version → last minor version that may be named. Lines that still grow have none.
const ELASTICSEARCH: [(u16, Option<u16>); 7] = [
    (1, Some(7)),
    (2, Some(4)),
    (5, Some(6)),
    (6, Some(8)),
    (7, Some(17)),
    (8, Some(19)),
    (9, None),
];
const OPENSEARCH: [(u16, Option<u16>); 3] = [(1, Some(3)), (2, Some(19)), (3, None)];

/// Reads `7.10` or `opensearch:2.19`. `directory` says that the text stands for a directory target, where a bare 1 or 2 can
/// only be OpenSearch; of a cluster the server tells.
pub(crate) fn read(
    text: &str,
    directory: bool,
) -> Result<(Option<Product>, Version), Box<Diagnostic>> {
    let (prefix, number) = match text.split_once(':') {
        Some((prefix, number)) => (Some(prefix.trim()), number.trim()),
        None => (None, text.trim()),
    };
    let named = match prefix {
        None => None,
        Some("elasticsearch") => Some(Product::Elasticsearch),
        Some("opensearch") => Some(Product::OpenSearch),
        Some(other) => {
            return Err(Box::new(
                Diagnostic::new(code::UNKNOWN_VERSION, format!("`{other}` is no product"))
                    .help("write `elasticsearch:` or `opensearch:` before the version, or neither"),
            ));
        }
    };
    let Ok(version) = number.parse::<Version>() else {
        return Err(Box::new(
            Diagnostic::new(code::UNKNOWN_VERSION, format!("`{text}` is not a version"))
                .help("write it such as `7.10`, `7.10.2` or `opensearch:2.19`"),
        ));
    };
    let product = named.or(match version.major {
        5..=9 => Some(Product::Elasticsearch),
        3 => Some(Product::OpenSearch),
        1 | 2 if directory => Some(Product::OpenSearch),
        _ => None,
    });
    let there = match product {
        Some(product) => exists(product, version),
        // 1 and 2 are lines of both products.
        None => exists(Product::Elasticsearch, version) || exists(Product::OpenSearch, version),
    };
    if there {
        return Ok((product, version));
    }
    let name = product.map_or("either product".to_owned(), |product| product.to_string());
    Err(Box::new(
        Diagnostic::new(
            code::UNKNOWN_VERSION,
            format!("there is no version {version} of {name}"),
        )
        .help(match product {
            Some(Product::Elasticsearch) => "Elasticsearch has 1.0–1.7, 2.0–2.4, 5.0–5.6, 6.0–6.8, 7.0–7.17, 8.0–8.19 and 9",
            Some(Product::OpenSearch) => "OpenSearch has 1.0–1.3, 2.0–2.19 and 3",
            None => {
                "Elasticsearch has 1.0–1.7, 2.0–2.4, 5.0–5.6, 6.0–6.8, 7.0–7.17, 8.0–8.19 and 9; OpenSearch has 1.0–1.3, 2.0–2.19 and 3"
            }
        }),
    ))
}

fn exists(product: Product, version: Version) -> bool {
    let lines: &[(u16, Option<u16>)] = match product {
        Product::Elasticsearch => &ELASTICSEARCH,
        Product::OpenSearch => &OPENSEARCH,
    };
    lines.iter().any(|(major, last)| {
        *major == version.major
            && last.is_none_or(|last| version.minor.is_none_or(|minor| minor <= last))
    })
}

/// Why `mig` doesn't write to a version, with the versions that it does write to; `None` where it writes to it.
pub fn why_no_target(product: Option<Product>, version: Version) -> Option<&'static str> {
    if is_target(product, version) {
        return None;
    }
    Some(match (product, version.major) {
        (Some(Product::Elasticsearch), 8..) => {
            "Elasticsearch from 8 on is a source only, by design: its licence and what it changed since the fork lead away from \
             OpenSearch. Targets are OpenSearch 1 to 3, and Elasticsearch 6.8 to 7.17 as a cluster in the middle"
        }
        (Some(Product::Elasticsearch), _) => {
            "Elasticsearch below 6.8 is a source only: it has types that nothing later takes, and no way to write on the condition \
             that nothing changed. Targets are OpenSearch 1 to 3, and Elasticsearch 6.8 to 7.17"
        }
        _ => "targets are OpenSearch 1 to 3, and Elasticsearch 6.8 to 7.17",
    })
}

/// Whether `mig` writes to it. A version that isn't fully known is given the benefit of the doubt.
pub(crate) fn is_target(product: Option<Product>, version: Version) -> bool {
    match product {
        Some(Product::Elasticsearch) => match version.major {
            6 => version.minor.is_none_or(|minor| minor >= 8),
            7 => true,
            _ => false,
        },
        Some(Product::OpenSearch) | None => (1..=3).contains(&version.major),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, directory: bool) -> String {
        match read(text, directory) {
            Ok((product, version)) => match product {
                Some(product) => format!("{product} {version}"),
                None => format!("? {version}"),
            },
            Err(diagnostic) => diagnostic.message,
        }
    }

    #[test]
    fn bare_versions_name_their_product_where_it_is_certain() {
        for (text, directory, expected) in [
            ("7.10", false, "Elasticsearch 7.10"),
            ("7.10.2", false, "Elasticsearch 7.10.2"),
            ("2.19", false, "? 2.19"),
            ("2.19", true, "OpenSearch 2.19"),
            ("3.3", false, "OpenSearch 3.3"),
            ("elasticsearch:2.4", false, "Elasticsearch 2.4"),
            ("opensearch:2.19", false, "OpenSearch 2.19"),
            ("4.2", false, "there is no version 4.2 of either product"),
            ("opensearch:7", false, "there is no version 7 of OpenSearch"),
            ("99.1", false, "there is no version 99.1 of either product"),
            (
                "elasticsearch:2.19",
                false,
                "there is no version 2.19 of Elasticsearch",
            ),
            ("solr:9", false, "`solr` is no product"),
            ("latest", false, "`latest` is not a version"),
        ] {
            assert_eq!(shown(text, directory), expected, "{text}");
        }
    }

    #[test]
    fn targets_are_those_of_the_design() {
        for (text, expected) in [
            ("opensearch:1.3", true),
            ("opensearch:3.0", true),
            ("6.8", true),
            ("6.7", false),
            ("7.17", true),
            ("8.1", false),
            ("elasticsearch:2.4", false),
        ] {
            let (product, version) = read(text, false).unwrap();
            assert_eq!(is_target(product, version), expected, "{text}");
            let why = why_no_target(product, version);
            assert_eq!(why.is_none(), expected, "{text}");
            assert!(why.is_none_or(|why| why.contains("6.8 to 7.17")), "{text}");
        }
    }
}
