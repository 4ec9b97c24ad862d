//! The servers that a sandbox can run: where each comes from, which Java it takes, and how its settings are spelt.
//!
//! Each was booted by this code: Elasticsearch before 9 and OpenSearch before 3 on Java 17, the others on 21, OpenSearch 3.3.0 on 25 too.
//! The ranges between are what the servers say of themselves; Java 8, which the oldest know, does not have the flags that are
//! given. Deliberately absent: Elasticsearch 1, which does not start on any of these Javas.

use std::fmt;
use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::error::SandboxError;
use super::module;
use super::node::Plugin;
use crate::base::version::{Product, ProductVersion, Version};

/// A server: one row of the catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Server(&'static Row);

#[derive(PartialEq, Eq, Hash)]
struct Row {
    product: Product,
    version: Version,
    java_min: u32,
    java_max: u32,
}

const fn elasticsearch(version: Version, java_min: u32, java_max: u32) -> Row {
    Row {
        product: Product::Elasticsearch,
        version,
        java_min,
        java_max,
    }
}

const fn opensearch(version: Version, java_min: u32, java_max: u32) -> Row {
    Row {
        product: Product::OpenSearch,
        version,
        java_min,
        java_max,
    }
}

/// Oldest first, so that a version that is given in part means the newest by looking from the end.
static ROWS: &[Row] = &[
    elasticsearch(Version::new(2, 4, 6), 11, 17),
    elasticsearch(Version::new(5, 6, 16), 11, 17),
    elasticsearch(Version::new(6, 8, 23), 11, 17),
    elasticsearch(Version::new(7, 10, 2), 11, 17),
    elasticsearch(Version::new(7, 17, 9), 11, 17),
    elasticsearch(Version::new(8, 11, 0), 17, 21),
    elasticsearch(Version::new(8, 17, 0), 17, 23),
    elasticsearch(Version::new(9, 0, 0), 21, 24),
    opensearch(Version::new(1, 3, 20), 11, 17),
    opensearch(Version::new(2, 11, 0), 11, 17),
    opensearch(Version::new(2, 19, 1), 11, 17),
    opensearch(Version::new(3, 0, 0), 21, 24),
    opensearch(Version::new(3, 3, 0), 21, 25),
];

/// How a server is told where its configuration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Launch {
    /// Its own script, which reads a variable.
    Script,
    /// Its own script, told by an argument and another variable for `jvm.options`.
    ScriptWithArguments,
    /// Java itself: its script passes flags that no Java of today takes.
    Java,
}

impl Server {
    /// All of them.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        ROWS.iter().map(Self)
    }

    /// `elasticsearch:7.10.2`; the newest that fits where the version is given in part.
    pub fn parse(text: &str) -> Result<Self, SandboxError> {
        let found = text.split_once(':').and_then(|(product, version)| {
            let version: Version = version.parse().ok()?;
            Self::all().rev().find(|server| {
                server.product_word() == product && version.matches(server.0.version)
            })
        });
        found.ok_or_else(|| {
            let known: Vec<String> = Self::all().map(|server| server.to_string()).collect();
            let likeness = |name: &String| strsim::jaro_winkler(text, name);
            let nearest = known
                .iter()
                .filter(|name| likeness(name) > 0.8)
                .max_by(|left, right| likeness(left).total_cmp(&likeness(right)));
            SandboxError::UnknownServer {
                given: text.to_owned(),
                nearest: nearest.cloned(),
                known,
            }
        })
    }

    /// Product and version.
    pub fn version(self) -> ProductVersion {
        ProductVersion {
            product: self.0.product,
            version: self.0.version,
        }
    }

    /// As in coordinates, names of programs and files.
    pub(super) fn product_word(self) -> &'static str {
        match self.0.product {
            Product::Elasticsearch => "elasticsearch",
            Product::OpenSearch => "opensearch",
        }
    }

    /// Whether it is an Elasticsearch older than this.
    fn is_elasticsearch_before(self, major: u16, minor: u16) -> bool {
        self.0.product == Product::Elasticsearch && self.0.version < Version::new(major, minor, 0)
    }

    /// How it is started.
    pub(super) fn launch(self) -> Launch {
        if self.is_elasticsearch_before(5, 0) {
            Launch::Java
        } else if self.is_elasticsearch_before(6, 0) {
            Launch::ScriptWithArguments
        } else {
            Launch::Script
        }
    }

    /// The file of its configuration that says what is logged.
    pub(super) fn logging_file(self) -> &'static str {
        if self.is_elasticsearch_before(5, 0) {
            "logging.yml"
        } else {
            "log4j2.properties"
        }
    }

    /// The setting of the port for nodes, which nobody but the node itself uses here.
    pub(super) fn transport_port_setting(self) -> &'static str {
        if self.is_elasticsearch_before(7, 3) {
            "transport.tcp.port"
        } else {
            "transport.port"
        }
    }

    /// The settings that make it a cluster of one.
    pub(super) fn settings_of_one_node(self, transport_port: u16) -> Vec<(&'static str, Value)> {
        let mut settings = if self.is_elasticsearch_before(6, 8) {
            // Itself: what else listens on this machine is not asked.
            let own = json!([format!("127.0.0.1:{transport_port}")]);
            vec![("discovery.zen.ping.unicast.hosts", own)]
        } else {
            vec![("discovery.type", json!("single-node"))]
        };
        if self.0.product == Product::Elasticsearch && !self.is_elasticsearch_before(7, 17) {
            settings.push(("xpack.security.enabled", json!(false)));
        }
        settings
    }

    /// Maven's name of the distribution. It holds no Java, and before Elasticsearch 6 it is the whole one; later the minimal
    /// one, with one transport and no plugin.
    pub(super) fn coordinates(self) -> String {
        let word = self.product_word();
        let group = match self.0.product {
            Product::Elasticsearch => "org.elasticsearch",
            Product::OpenSearch => "org.opensearch",
        };
        let kind = if self.is_elasticsearch_before(6, 0) {
            "zip"
        } else {
            "integ-test-zip"
        };
        format!("{group}.distribution.{kind}:{word}:{}:zip", self.0.version)
    }

    /// Whether it takes the sample data, which has composable templates.
    pub fn takes_sample(self) -> bool {
        !self.is_elasticsearch_before(7, 8)
    }

    /// The modules that its distribution lacks and that can be added: `join` fields, and fields such as `scaled_float`.
    /// Maven has them up to Elasticsearch 7, and of OpenSearch.
    pub fn modules(self) -> Vec<Plugin> {
        let since = |major, minor| !self.is_elasticsearch_before(major, minor);
        let carried = self.0.product == Product::OpenSearch || self.is_elasticsearch_before(8, 0);
        let word = self.product_word();
        [("parent-join", since(6, 8)), ("mapper-extras", since(7, 0))]
            .into_iter()
            .filter(|(_, lacking)| carried && *lacking)
            .map(|(name, _)| Plugin {
                name: name.to_owned(),
                coordinates: format!("org.{word}.plugin:{name}-client:{}:jar", self.0.version),
            })
            .collect()
    }

    /// The modules that its distribution lacks and that run pipelines and templates of searches: `ingest-common` and
    /// `lang-mustache`. Maven has the first of OpenSearch alone.
    pub fn ingest_modules(self) -> Vec<Plugin> {
        if self.0.product != Product::OpenSearch {
            return Vec::new();
        }
        let version = self.0.version;
        let jar = |name: &str| format!("{name}:{version}:jar");
        let ingest = [
            jar("org.opensearch.plugin:ingest-common"),
            jar("org.opensearch:opensearch-grok"),
            jar("org.opensearch:opensearch-dissect"),
            "org.jruby.joni:joni:2.2.3:jar".to_owned(),
            "org.jruby.jcodings:jcodings:1.0.63:jar".to_owned(),
        ];
        let mustache = [
            jar("org.opensearch.plugin:lang-mustache-client"),
            "com.github.spullara.mustache.java:compiler:0.9.14:jar".to_owned(),
        ];
        vec![
            Plugin {
                name: "ingest-common".to_owned(),
                coordinates: ingest.join(","),
            },
            Plugin {
                name: "lang-mustache".to_owned(),
                coordinates: mustache.join(","),
            },
        ]
    }

    /// The module of `_reindex`, with what it needs to copy from a remote server.
    pub fn reindex_module(self) -> Option<Plugin> {
        let version = self.0.version;
        let known = self.0.product == Product::OpenSearch && version == Version::new(2, 19, 1);
        let own = [
            "org.opensearch.plugin:reindex-client",
            "org.opensearch.client:opensearch-rest-client",
            "org.opensearch:opensearch-ssl-config",
        ]
        .map(|name| format!("{name}:{version}:jar"));
        let beside = [
            "org.apache.httpcomponents:httpasyncclient:4.1.5:jar",
            "org.apache.httpcomponents:httpclient:4.5.14:jar",
            "org.apache.httpcomponents:httpcore:4.4.16:jar",
            "org.apache.httpcomponents:httpcore-nio:4.4.16:jar",
            "commons-logging:commons-logging:1.2:jar",
            "commons-codec:commons-codec:1.16.1:jar",
        ]
        .map(str::to_owned);
        known.then(|| Plugin {
            name: module::REINDEX.to_owned(),
            coordinates: [own.as_slice(), beside.as_slice()].concat().join(","),
        })
    }

    /// What else Maven has that mappings are tested with: analysers, and vectors.
    pub fn extensions(self) -> Vec<Plugin> {
        let version = self.0.version;
        let analysis = match self.0.product {
            Product::OpenSearch if version >= Version::new(2, 11, 0) => {
                Some("org.opensearch.plugin")
            }
            Product::Elasticsearch if version == Version::new(7, 10, 2) => {
                Some("org.codelibs.elasticsearch.module")
            }
            _ => None,
        };
        let analysis = analysis.map(|group| Plugin {
            name: "analysis-common".to_owned(),
            coordinates: format!("{group}:analysis-common:{version}:jar"),
        });
        let vectors = [Version::new(2, 19, 1), Version::new(3, 3, 0)];
        let vectors =
            (self.0.product == Product::OpenSearch && vectors.contains(&version)).then(|| Plugin {
                name: "opensearch-knn".to_owned(),
                coordinates: format!("org.opensearch.plugin:opensearch-knn:{version}.0:zip"),
            });
        analysis.into_iter().chain(vectors).collect()
    }

    /// The Java versions that it runs on.
    pub(super) fn java(self) -> RangeInclusive<u32> {
        self.0.java_min..=self.0.java_max
    }

    /// The Java that is fetched for it where none is there.
    pub(super) fn java_to_fetch(self) -> u32 {
        if self.java().contains(&17) { 17 } else { 21 }
    }

    /// The beginning of its environment variables.
    pub(super) fn environment_prefix(self) -> &'static str {
        match self.0.product {
            Product::Elasticsearch => "ES",
            Product::OpenSearch => "OPENSEARCH",
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}:{}", self.product_word(), self.0.version))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_found_by_name_and_by_part_of_their_version() {
        for (given, found) in [
            ("elasticsearch:7.10.2", "elasticsearch:7.10.2"),
            ("elasticsearch:7.10", "elasticsearch:7.10.2"),
            ("opensearch:2", "opensearch:2.19.1"),
            ("opensearch:3.3", "opensearch:3.3.0"),
            ("elasticsearch:8", "elasticsearch:8.17.0"),
            ("elasticsearch:2", "elasticsearch:2.4.6"),
        ] {
            assert_eq!(Server::parse(given).unwrap().to_string(), found);
        }
    }

    #[test]
    fn what_is_not_there_is_answered_with_what_is() {
        for given in [
            "elasticsearch:7.10.3",
            "elastic:7.10.2",
            "7.10.2",
            "opensearch",
            "opensearch:x",
        ] {
            let error = Server::parse(given).unwrap_err();
            assert!(error.to_string().contains(given), "{error}");
            let help = error.help().join("\n");
            assert!(
                help.contains("there are elasticsearch:2.4.6, elasticsearch:5.6.16,"),
                "{help}"
            );
        }
        let help = Server::parse("opensearch:2.19.2").unwrap_err().help();
        assert_eq!(help[0], "did you mean `opensearch:2.19.1`?");
    }

    #[test]
    fn modules_are_those_that_maven_has() {
        let of = |server| {
            let modules = Server::parse(server).unwrap().modules();
            let names: Vec<String> = modules.into_iter().map(|it| it.coordinates).collect();
            names.join(" ")
        };
        assert_eq!(of("elasticsearch:5.6.16"), "");
        assert_eq!(
            of("elasticsearch:6.8.23"),
            "org.elasticsearch.plugin:parent-join-client:6.8.23:jar"
        );
        assert_eq!(of("elasticsearch:8.17.0"), "");
        assert!(
            of("opensearch:3.3.0")
                .ends_with("org.opensearch.plugin:mapper-extras-client:3.3.0:jar")
        );
    }

    #[test]
    fn coordinates_are_maven_s() {
        assert_eq!(
            Server::parse("opensearch:3.3.0").unwrap().coordinates(),
            "org.opensearch.distribution.integ-test-zip:opensearch:3.3.0:zip"
        );
        assert_eq!(
            Server::parse("elasticsearch:5.6.16").unwrap().coordinates(),
            "org.elasticsearch.distribution.zip:elasticsearch:5.6.16:zip"
        );
    }
}
