//! What a live source tells of itself for `mig init`: its version, its indices, and which rules would lose something of it.
//!
//! It is only read. Deliberately absent: what becomes of it all, which `mig plan` says.

use std::collections::BTreeMap;

use super::{IndexText, Stop, Words, quoted};
use crate::base::units::{human_bytes, plural, some_of};
use crate::base::version::{Product, ProductVersion, Version};
use crate::cli::error::CliError;
use crate::clients::cluster::{ClusterClient, indices};
use crate::clients::target::cluster::WORKING_STATE;
use crate::diff::observation::ObjectKey;
use crate::engines::metadata::{Level, Versions, translate};
use crate::phases::live::LiveView;
use crate::phases::stream_by_name;
use crate::plan::location::Location;
use crate::plan::model::{Access, Auth, Cluster, ClusterAt, Nodes, Tls};

/// Patterns that are proposed at most; a source with more groups of indices gets `*`.
const PATTERNS_MAX: usize = 40;
/// Decisions that are written as comments at most.
const DECISIONS_MAX: usize = 40;
/// Names that are left out and told one by one.
const LEFT_OUT_MAX: usize = 5;
/// The widest pattern that the comments behind the others stand in line with.
const PATTERN_WIDTH_MAX: usize = 40;

fn open(url: &str) -> Result<ClusterClient, CliError> {
    let client = ClusterClient::open(&Cluster {
        at: ClusterAt::Endpoint(url.trim_end_matches('/').to_owned()),
        product: None,
        version: None,
        access: Access::ReadOnly,
        auth: Auth::None,
        tls: Tls::default(),
        nodes: Nodes::default(),
        compress: None,
        location: Location::default(),
    });
    client.map_err(|error| CliError::error(error.to_string()).help(error.help()))
}

/// `opensearch:2.19` of what a server says of itself.
fn as_asserted(version: ProductVersion) -> String {
    let (major, minor, _) = version.version.floor();
    format!(
        "{}:{major}.{minor}",
        version.product.to_string().to_ascii_lowercase()
    )
}

fn told(error: &crate::clients::cluster::ClusterError, option: &str) -> CliError {
    CliError::error(error.to_string())
        .help(error.help())
        .help(format!(
            "or leave `{option}` out, and write what the cluster is into the plan"
        ))
}

/// Asks the target for its version.
pub(super) fn look_at_target(url: &str, words: &mut Words) -> Result<ProductVersion, CliError> {
    let version = open(url)?
        .about()
        .map_err(|error| told(&error, "--to"))?
        .version;
    if let Some(text) = words.clusters.last_mut() {
        text.version = quoted(&as_asserted(version));
    }
    Ok(version)
}

/// Asks the source. `to` is the version of the cluster that it is read into, where that is known.
pub(super) fn look(
    url: &str,
    to: Option<ProductVersion>,
    words: &mut Words,
) -> Result<(), CliError> {
    let told = |error| told(&error, "--from");
    let client = open(url)?;
    let source = client.about().map_err(told)?.version;
    if let Some(text) = words.clusters.first_mut().filter(|text| text.source) {
        text.version = quoted(&as_asserted(source));
    }
    let live = indices(&client).map_err(told)?;
    let mut names: BTreeMap<&str, u64> = BTreeMap::new();
    let mut streams: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut left_out = Vec::new();
    for (name, facts) in &live {
        if let Some(stream) = stream_by_name(name) {
            let (generations, bytes) = streams.entry(stream).or_default();
            *generations += 1;
            *bytes += facts.bytes;
        } else if name.starts_with('.') {
            // What mig itself keeps on a target is nobody's to move.
            if name != WORKING_STATE {
                left_out.push(name.as_str());
            }
        } else {
            names.insert(name, facts.bytes);
        }
    }
    words.indices = proposed(&names, &streams);
    words.left_out = some_of(&left_out, LEFT_OUT_MAX);
    if let Some(target) = to {
        let view = LiveView::open(&client, |name| !name.starts_with('.'), true).map_err(told)?;
        words.decisions = decisions(&view.objects, Versions { source, target });
    }
    Ok(())
}

/// What a cluster of the command line is to be, as far as that can be told of its text.
pub(super) fn version_of(stop: &Stop) -> Option<ProductVersion> {
    let (product, number) = match stop.version.split_once(':') {
        Some((product, number)) => (Some(product), number),
        None => (None, stop.version.as_str()),
    };
    let version: Version = number.parse().ok()?;
    let product = match product {
        Some("opensearch") => Product::OpenSearch,
        None if version.major <= 3 => Product::OpenSearch,
        _ => Product::Elasticsearch,
    };
    Some(ProductVersion { product, version })
}

/// Indices by the beginning of their names, with how many and how large they are, and data streams by their names; none where
/// there are too many groups, so that `*` stands for all of them.
fn proposed(
    indices: &BTreeMap<&str, u64>,
    streams: &BTreeMap<String, (u64, u64)>,
) -> Vec<IndexText> {
    let group = |name: &str| match name.find(['-', '_', '.']) {
        Some(end) => name[..=end].to_owned(),
        None => name.to_owned(),
    };
    let mut groups: BTreeMap<String, Vec<(&str, u64)>> = BTreeMap::new();
    for (name, bytes) in indices {
        groups.entry(group(name)).or_default().push((name, *bytes));
    }
    if groups.len() + streams.len() > PATTERNS_MAX {
        return Vec::new();
    }
    let of_indices = groups.into_iter().map(|(begin, of_it)| {
        let bytes = human_bytes(of_it.iter().map(|(_, bytes)| bytes).sum());
        match of_it.as_slice() {
            [(name, _)] => (quoted(name), bytes),
            many => (
                quoted(&format!("{begin}*")),
                format!("{}, {bytes}", plural(many.len() as u64, "name")),
            ),
        }
    });
    let of_streams = streams.iter().map(|(name, (generations, bytes))| {
        let generations = plural(*generations, "generation");
        let bytes = human_bytes(*bytes);
        (
            quoted(name),
            format!("a data stream of {generations}, {bytes}"),
        )
    });
    let mut all: Vec<(String, String)> = of_indices.chain(of_streams).collect();
    all.sort();
    let width = |(pattern, _): &(String, String)| pattern.chars().count();
    let width = all.iter().map(width).max().unwrap_or(0);
    let width = width.min(PATTERN_WIDTH_MAX);
    all.into_iter()
        .map(|(pattern, comment)| IndexText {
            pattern: format!("{pattern:<width$}"),
            comment,
        })
        .collect()
}

/// A line for each object of which a rule that stands as `deny` would lose something.
fn decisions(objects: &[(ObjectKey, serde_json::Value)], versions: Versions) -> Vec<String> {
    let nothing = std::collections::BTreeSet::new();
    let mut lines = Vec::new();
    for (key, body) in objects {
        let translation = translate(key, body, versions, &nothing);
        let denied: Vec<&str> = translation
            .findings
            .iter()
            .filter(|finding| finding.rule.level == Level::Deny)
            .map(|finding| finding.rule.code)
            .collect();
        if !denied.is_empty() {
            let object = quoted(&format!("{} {}", key.kind.as_str(), key.name));
            lines.push(format!("{object}: accept   # {}", denied.join(", ")));
        }
    }
    if lines.len() > DECISIONS_MAX {
        let more = lines.len() - DECISIONS_MAX;
        lines.truncate(DECISIONS_MAX);
        lines.push(format!("# and {more} more, which `mig plan` names"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_proposed_by_the_beginning_of_their_names_and_streams_by_theirs() {
        let indices: BTreeMap<&str, u64> =
            [("logs-1", 10), ("logs-2", 20), ("logs", 5), ("shop_a", 7)].into();
        let streams = [("metrics-app".to_owned(), (2, 9))].into();
        let shown: Vec<(String, String)> = proposed(&indices, &streams)
            .into_iter()
            .map(|it| (it.pattern, it.comment))
            .collect();
        let wanted = [
            ("\"logs\"       ", "5 B"),
            ("\"logs-*\"     ", "2 names, 30 B"),
            ("\"metrics-app\"", "a data stream of 2 generations, 9 B"),
            ("\"shop_a\"     ", "7 B"),
        ];
        assert_eq!(shown, wanted.map(|(a, b)| (a.to_owned(), b.to_owned())));
        let names: Vec<String> = (0..100).map(|n| format!("x{n}-1")).collect();
        let many = names.iter().map(|name| (name.as_str(), 1)).collect();
        assert!(proposed(&many, &BTreeMap::new()).is_empty());
    }

    #[test]
    fn a_version_names_its_product() {
        let of = |version: &str| {
            let stop = Stop {
                name: "x".into(),
                version: version.into(),
                url: None,
            };
            version_of(&stop).map(|it| it.to_string())
        };
        assert_eq!(of("7.10").as_deref(), Some("Elasticsearch 7.10"));
        assert_eq!(
            of("elasticsearch:2.4").as_deref(),
            Some("Elasticsearch 2.4")
        );
        assert_eq!(of("opensearch:2.19").as_deref(), Some("OpenSearch 2.19"));
        assert_eq!(of("3.3").as_deref(), Some("OpenSearch 3.3"));
    }
}
