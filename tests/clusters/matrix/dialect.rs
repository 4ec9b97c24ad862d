//! How requests are spelt for each version: types before 7, strings before 5, and bodies that are no JSON.
//!
//! Deliberately absent: what a version has no module for. It is asked, and what it refuses is left out.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use mig::base::version::{Product, ProductVersion};
use serde_json::{Value, json};

/// The name of the one type of an index, where there are types.
pub(super) const TYPE: &str = "doc";

/// Of one version.
#[derive(Clone, Copy)]
pub(super) struct Dialect(ProductVersion);

impl Dialect {
    pub(super) fn of(server: mig::sandbox::Server) -> Self {
        Self(server.version())
    }

    /// Whether it is older than the version given for its product.
    pub(super) fn before(self, elasticsearch: (u16, u16), opensearch: (u16, u16)) -> bool {
        let (major, minor, _) = self.0.version.floor();
        (major, minor)
            < match self.0.product {
                Product::Elasticsearch => elasticsearch,
                Product::OpenSearch => opensearch,
            }
    }

    pub(super) fn is_elasticsearch(self) -> bool {
        self.0.product == Product::Elasticsearch
    }

    /// Whether a request for a document names its type.
    pub(super) fn typed(self) -> bool {
        self.before((7, 0), (0, 0))
    }

    /// A mapping as a request to make an index has it.
    pub(super) fn mappings(self, mapping: &Value) -> Value {
        let mapping = self.fields(mapping);
        if self.typed() {
            json!({ TYPE: mapping })
        } else {
            mapping
        }
    }

    /// Fields whose strings are of two types here, and of one before 5.
    pub(super) fn fields(self, mapping: &Value) -> Value {
        let Value::Object(members) = mapping else {
            return mapping.clone();
        };
        let each = members.iter();
        let mut members: serde_json::Map<String, Value> = each
            .map(|(name, member)| (name.clone(), self.fields(member)))
            .collect();
        if self.before((5, 0), (0, 0)) {
            let kind = members.get("type").and_then(Value::as_str);
            let exact = kind == Some("keyword");
            if exact || kind == Some("text") {
                members.insert("type".to_owned(), json!("string"));
            }
            if exact {
                members.insert("index".to_owned(), json!("not_analyzed"));
            }
        }
        Value::Object(members)
    }

    /// The path of a document.
    pub(super) fn document(self, index: &str, id: &str) -> String {
        let kind = if self.typed() { TYPE } else { "_doc" };
        format!("/{index}/{kind}/{id}")
    }
}

/// Sends a document in an encoding that `mig` never sends, over a connection of its own.
pub(super) fn put_encoded(
    url: &str,
    path: &str,
    content_type: &str,
    body: &[u8],
) -> Result<(), String> {
    let address = url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\nContent-Type: {content_type}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(body).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    if answer.starts_with("HTTP/1.1 2") {
        Ok(())
    } else {
        Err(answer.into_owned())
    }
}
