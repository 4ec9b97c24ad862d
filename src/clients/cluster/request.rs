//! A request and its answer, as plain values.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::error::ClusterError;
use super::words;
use crate::base::cut;

/// The methods that clusters are called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Asks whether something is there.
    Head,
    /// Searches, counts, acts.
    Post,
    /// Creates or replaces.
    Put,
    /// Removes.
    Delete,
}

impl Method {
    /// As it stands in a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What a request carries.
#[derive(Clone, Debug)]
pub enum Body {
    /// One JSON value.
    Json(Bytes),
    /// Lines of JSON, as `_bulk` and `_msearch` take them.
    Lines(Bytes),
    /// The same, compressed by gzip.
    Packed(Bytes),
}

/// A request. Retried by [`super::ClusterClient`] where doing it twice does no harm.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, beginning with `/`; parts are percent-encoded by [`Request::part`].
    pub path: String,
    /// The body.
    pub body: Option<Body>,
    /// The longest that an answer may take; the client's own where not given.
    pub timeout: Option<Duration>,
    /// Whether it may be sent again when it is not known what became of it. Reads, PUT and DELETE may by default.
    pub idempotent: bool,
    /// The largest answer that is taken, in bytes; the client's own limit where not given.
    pub most: Option<usize>,
    /// Whether it is sent once and no more: whoever sends it deals with every failure.
    pub once: bool,
    /// Headers beside those of the client's own; never credentials.
    pub headers: Vec<(String, String)>,
    /// Whether an answer of any status is given as it came, and is no error.
    pub raw: bool,
}

impl Request {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: None,
            timeout: None,
            idempotent: method != Method::Post,
            most: None,
            once: false,
            headers: Vec::new(),
            raw: false,
        }
    }

    /// `GET path`
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }

    /// `HEAD path`
    pub fn head(path: impl Into<String>) -> Self {
        Self::new(Method::Head, path)
    }

    /// `POST path`
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::Post, path)
    }

    /// `PUT path`
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::Put, path)
    }

    /// `DELETE path`
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::Delete, path)
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = Some(Body::Json(Bytes::from(body.to_string())));
        self
    }

    /// With a body of lines.
    #[must_use]
    pub fn lines(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(Body::Lines(body.into()));
        self
    }

    /// With a body of lines that is compressed by gzip.
    #[must_use]
    pub fn packed(mut self, body: Bytes) -> Self {
        self.body = Some(Body::Packed(body));
        self
    }

    /// With another timeout.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// May be sent again when it is not known what became of it.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Takes no larger answer than this.
    #[must_use]
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.most = Some(bytes);
        self
    }

    /// Is sent once and no more.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Takes an answer of any status.
    #[must_use]
    pub fn raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// A name as one part of a path: everything that is not plain is percent-encoded (`,` and `*` too, so that a name
    /// never becomes a pattern or a list).
    pub fn part(name: &str) -> String {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        let mut text = String::with_capacity(name.len());
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push('%');
                text.push(char::from(HEX[usize::from(byte >> 4)]));
                text.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
        text
    }

    /// For messages: method and path.
    pub fn call(&self) -> String {
        format!("{} {}", self.method.as_str(), self.path)
    }
}

/// An answer that was taken whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status, below 400 unless the request was [`Request::raw`].
    pub status: u16,
    /// The body.
    pub body: Bytes,
    /// The request it answers, for messages.
    pub call: String,
    /// The cluster, for messages.
    pub location: String,
}

impl Response {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value, ClusterError> {
        serde_json::from_slice(&self.body).map_err(|error| self.unreadable(&error))
    }

    /// The body as JSON of metadata: what is nested too deep is marked as [`cut`](cut::CUT).
    pub fn metadata(&self) -> Result<Value, ClusterError> {
        cut::parse(&self.body).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, error: &serde_json::Error) -> ClusterError {
        ClusterError::Unreadable {
            location: self.location.clone(),
            call: self.call.clone(),
            reason: words::not_json(&self.body, error),
        }
    }
}
