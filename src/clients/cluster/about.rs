//! Who a cluster is, by its own word.

use serde_json::Value;

use super::error::ClusterError;
use super::request::Response;
use crate::base::version::{Product, ProductVersion};

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

impl About {
    /// Reads the answer of `GET /`. OpenSearch names itself in `version.distribution`; everything else is Elasticsearch.
    pub(super) fn read(response: &Response) -> Result<Self, ClusterError> {
        let body = response.json()?;
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
        let unreadable = |reason: &str| ClusterError::Unreadable {
            location: response.location.clone(),
            call: response.call.clone(),
            reason: reason.to_owned(),
        };
        let number = text("/version/number").ok_or_else(|| unreadable("no `version.number`"))?;
        let digits = number.split('-').next().unwrap_or(number);
        let version = digits
            .parse()
            .map_err(|()| unreadable(&format!("`{number}` is no version")))?;
        let product = match text("/version/distribution") {
            Some("opensearch") => Product::OpenSearch,
            _ => Product::Elasticsearch,
        };
        Ok(Self {
            version: ProductVersion { product, version },
            uuid: text("/cluster_uuid").unwrap_or_default().to_owned(),
            name: text("/cluster_name").unwrap_or_default().to_owned(),
        })
    }
}
