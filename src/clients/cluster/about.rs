//! Who a cluster is, by its own word.

use serde_json::Value;

use super::error::ClusterError;
use super::request::Response;
use crate::base::version::{Product, ProductVersion, Version};

/// What `GET /` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Product and version.
    pub version: ProductVersion,
    /// The cluster's uuid.
    pub uuid: String,
    /// The cluster's name.
    pub name: String,
}

/// What came of reading the answer of `GET /`.
pub(super) enum Told {
    /// All of it.
    About(About),
    /// An OpenSearch that gives out another version than its own, as `compatibility.override_main_response_version` has
    /// it: its nodes know better ([`NODES`]).
    Disguised(About),
}

/// Where the version of a cluster's nodes stands.
pub(super) const NODES: &str = "/_nodes/_all/none?filter_path=nodes.*.version";

impl About {
    /// Reads the answer of `GET /`. OpenSearch names itself in `version.distribution`; where it plays Elasticsearch 7.10.2
    /// it leaves that out, and its tagline still tells.
    pub(super) fn read(response: &Response) -> Result<Told, ClusterError> {
        let body = response.json()?;
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
        let strange = |reason: String| ClusterError::Unreadable {
            location: response.location.clone(),
            call: response.call.clone(),
            reason,
        };
        let Some(number) = text("/version/number") else {
            let keys: Vec<&str> = body
                .as_object()
                .map(|body| body.keys().map(String::as_str).take(8).collect())
                .unwrap_or_default();
            return Err(strange(format!(
                "neither Elasticsearch nor OpenSearch: there is no `version.number`, but {}",
                match keys.as_slice() {
                    [] => "no field at all".to_owned(),
                    keys => format!("`{}`", keys.join("`, `")),
                }
            )));
        };
        let tagline = text("/tagline").unwrap_or_default();
        let distribution = text("/version/distribution");
        let (product, disguised) = match distribution {
            Some("opensearch") => (Product::OpenSearch, false),
            Some(other) => return Err(strange(format!("an unknown distribution, `{other}`"))),
            None if tagline.starts_with("The OpenSearch Project") => (Product::OpenSearch, true),
            None if tagline == "You Know, for Search" => (Product::Elasticsearch, false),
            None => {
                return Err(strange(format!(
                    "neither Elasticsearch nor OpenSearch: version {number}, and its tagline is `{tagline}`"
                )));
            }
        };
        let about = Self {
            version: ProductVersion {
                product,
                version: version(number)
                    .ok_or_else(|| strange(format!("`{number}` is no version")))?,
            },
            uuid: text("/cluster_uuid").unwrap_or_default().to_owned(),
            name: text("/cluster_name").unwrap_or_default().to_owned(),
        };
        Ok(if disguised {
            Told::Disguised(about)
        } else {
            Told::About(about)
        })
    }

    /// With the version of the cluster's nodes; of the oldest, where they differ.
    pub(super) fn undisguised(mut self, response: &Response) -> Result<Self, ClusterError> {
        let body = response.json()?;
        let nodes = body.get("nodes").and_then(Value::as_object);
        let oldest = nodes
            .into_iter()
            .flat_map(serde_json::Map::values)
            .filter_map(|node| version(node.get("version")?.as_str()?))
            .min_by_key(|version| version.floor());
        self.version.version = oldest.ok_or_else(|| ClusterError::Unreadable {
            location: response.location.clone(),
            call: response.call.clone(),
            reason: format!(
                "an OpenSearch that gives itself out for {}, and none of its nodes says its version",
                self.version.version
            ),
        })?;
        Ok(self)
    }
}

/// `8.0.0-rc1-SNAPSHOT` is 8.0.0.
fn version(number: &str) -> Option<Version> {
    number.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(body: impl Into<bytes::Bytes>) -> Response {
        Response {
            status: 200,
            body: body.into(),
            call: "GET /".into(),
            location: "http://l".into(),
        }
    }

    fn read(body: &Value) -> Result<Told, ClusterError> {
        About::read(&answer(body.to_string()))
    }

    #[test]
    fn products_and_versions_are_told_apart() {
        let opensearch = "The OpenSearch Project: https://opensearch.org/";
        for (version, tagline, text) in [
            (
                json!({"number": "7.10.2", "build_flavor": "oss"}),
                "You Know, for Search",
                "Elasticsearch 7.10.2",
            ),
            (
                json!({"number": "1.7.6"}),
                "You Know, for Search",
                "Elasticsearch 1.7.6",
            ),
            (
                json!({"number": "9.0.0-SNAPSHOT"}),
                "You Know, for Search",
                "Elasticsearch 9.0.0",
            ),
            (
                json!({"number": "3.3.0", "distribution": "opensearch"}),
                opensearch,
                "OpenSearch 3.3.0",
            ),
        ] {
            let Ok(Told::About(about)) = read(&json!({"version": version, "tagline": tagline}))
            else {
                panic!("{version}");
            };
            assert_eq!(about.version.to_string(), text);
        }
    }

    #[test]
    fn an_opensearch_in_disguise_is_asked_for_its_nodes() {
        let body = json!({"version": {"number": "7.10.2"}, "tagline": "The OpenSearch Project: https://opensearch.org/"});
        let Ok(Told::Disguised(about)) = read(&body) else {
            panic!("not seen through");
        };
        let nodes = json!({"nodes": {"a": {"version": "2.19.1"}, "b": {"version": "2.9.0"}}});
        let about = about.undisguised(&answer(nodes.to_string())).unwrap();
        assert_eq!(about.version.to_string(), "OpenSearch 2.9.0");
        assert!(about.undisguised(&answer("{}")).is_err());
    }

    #[test]
    fn odd_answers_name_what_was_found() {
        for (body, words) in [
            (
                "<!DOCTYPE html><html><title>Sign in</title>",
                "a web page, “Sign in”",
            ),
            ("", "it is empty"),
            (
                "hello",
                "no JSON (expected value at line 1 column 1): hello",
            ),
            (r#"{"couchdb":"Welcome","uuid":"x"}"#, "`couchdb`, `uuid`"),
            ("[]", "no field at all"),
            (
                r#"{"version":{"number":"1.0"},"tagline":"Manticore"}"#,
                "its tagline is `Manticore`",
            ),
            (
                r#"{"version":{"number":"x","distribution":"opensearch"}}"#,
                "`x` is no version",
            ),
            (
                r#"{"version":{"number":"1.0","distribution":"other"}}"#,
                "`other`",
            ),
        ] {
            let error = About::read(&answer(body.to_owned())).err().unwrap();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
