//! Sends requests: one connection pool a cluster, retries by kind of error, errors as values.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::about::About;
use super::access;
use super::error::ClusterError;
use super::request::{Body, Request, Response};
use super::runtime;
use crate::base::version::ProductVersion;
use crate::plan::model::{Access, Cluster, ClusterAt};

/// Limits with names.
pub mod limits {
    use std::time::Duration;

    /// The longest that making a connection may take.
    pub const CONNECT: Duration = Duration::from_secs(10);
    /// The longest that an answer may take where a request says nothing else.
    pub const ANSWER: Duration = Duration::from_secs(90);
    /// The largest answer that is taken.
    pub const ANSWER_BYTES: usize = 512 << 20;
    /// Times that a request is sent at most.
    pub const TRIES: u32 = 6;
    /// Times that a cluster is called at most that can't be reached and never answered yet.
    pub const FIRST_TRIES: u32 = 2;
    /// The first wait between two tries; doubled each time.
    pub const BACKOFF: Duration = Duration::from_millis(250);
    /// The longest wait between two tries.
    pub const BACKOFF_MAX: Duration = Duration::from_secs(10);
}

/// The client of one cluster; cheap to clone.
#[derive(Clone)]
pub struct ClusterClient {
    inner: Arc<Inner>,
}

struct Inner {
    location: String,
    access: Access,
    wanted: Option<(
        Option<crate::base::version::Product>,
        crate::base::version::Version,
    )>,
    http: reqwest::Client,
    about: OnceLock<About>,
}

impl ClusterClient {
    /// For a cluster of a plan. Opens no connection yet, but resolves what the plan refers to (secrets, certificates).
    pub fn open(cluster: &Cluster) -> Result<Self, ClusterError> {
        let ClusterAt::Endpoint(location) = &cluster.at else {
            return Err(ClusterError::Setup {
                location: String::new(),
                reason: "a directory is no cluster".to_owned(),
                help: "give an `endpoint`".to_owned(),
            });
        };
        // The first one to come installs it; all are the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .connect_timeout(limits::CONNECT)
            .user_agent(concat!("mig/", env!("CARGO_PKG_VERSION")))
            .tcp_nodelay(true)
            .build()
            .map_err(|error| ClusterError::Setup {
                location: location.clone(),
                reason: error.to_string(),
                help: "check `tls` of the cluster in the plan".to_owned(),
            })?;
        Ok(Self {
            inner: Arc::new(Inner {
                location: location.clone(),
                access: cluster.access,
                wanted: cluster.version.map(|version| (cluster.product, version)),
                http,
                about: OnceLock::new(),
            }),
        })
    }

    /// Where it is, for messages: never with credentials.
    pub fn location(&self) -> &str {
        &self.inner.location
    }

    /// What it may be asked.
    pub fn access(&self) -> Access {
        self.inner.access
    }

    /// Who it is, asked once; an error where it is not what the plan asserts.
    pub fn about(&self) -> Result<About, ClusterError> {
        if let Some(about) = self.inner.about.get() {
            return Ok(about.clone());
        }
        let about = About::read(&self.send(Request::get("/"))?)?;
        if let Some((product, version)) = self.inner.wanted {
            let product = product.unwrap_or(about.version.product);
            if product != about.version.product || !version.matches(about.version.version) {
                return Err(ClusterError::OtherVersion {
                    location: self.inner.location.clone(),
                    found: about.version.to_string(),
                    wanted: ProductVersion { product, version }.to_string(),
                });
            }
        }
        Ok(self.inner.about.get_or_init(|| about).clone())
    }

    /// Sends a request and waits for the whole answer; a status of 400 and more is an error. Must not be called from
    /// within the runtime.
    pub fn send(&self, request: Request) -> Result<Response, ClusterError> {
        let location = self.inner.location.clone();
        runtime::block_on(self.send_async(request)).unwrap_or_else(|error| {
            Err(ClusterError::Setup {
                location,
                reason: format!("no thread could be started: {error}"),
                help: "raise the limit of processes of this user".to_owned(),
            })
        })
    }

    /// As [`Self::send`], and the answer as JSON.
    pub fn json(&self, request: Request) -> Result<Value, ClusterError> {
        self.send(request)?.json()
    }

    /// As [`Self::json`]; `None` where the server says 404.
    pub fn found(&self, request: Request) -> Result<Option<Value>, ClusterError> {
        match self.json(request) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As [`Self::send`], on the runtime.
    pub async fn send_async(&self, request: Request) -> Result<Response, ClusterError> {
        if self.inner.access == Access::ReadOnly && !access::reads_only(&request) {
            return Err(ClusterError::ReadOnly {
                location: self.inner.location.clone(),
                call: request.call(),
            });
        }
        let mut wait = limits::BACKOFF;
        let mut tries = 1;
        loop {
            let error = match self.once(&request).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            // What answered before may be restarting; what never did has a wrong address more often than not.
            let most = match &error {
                ClusterError::Unreachable { .. } if self.inner.about.get().is_none() => {
                    limits::FIRST_TRIES
                }
                _ => limits::TRIES,
            };
            if tries >= most || !may_retry(&error, request.idempotent) {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(limits::BACKOFF_MAX);
            tries += 1;
        }
    }

    async fn once(&self, request: &Request) -> Result<Response, ClusterError> {
        let inner = &self.inner;
        let call = request.call();
        let timeout = request.timeout.unwrap_or(limits::ANSWER);
        let method = match request.method {
            super::Method::Get => reqwest::Method::GET,
            super::Method::Head => reqwest::Method::HEAD,
            super::Method::Post => reqwest::Method::POST,
            super::Method::Put => reqwest::Method::PUT,
            super::Method::Delete => reqwest::Method::DELETE,
        };
        let url = format!("{}{}", inner.location, request.path);
        let mut sent = inner.http.request(method, url).timeout(timeout);
        if let Some(body) = &request.body {
            let (kind, bytes): (&str, &Bytes) = match body {
                Body::Json(bytes) => ("application/json", bytes),
                Body::Lines(bytes) => ("application/x-ndjson", bytes),
            };
            sent = sent.header("content-type", kind).body(bytes.clone());
        }
        let failed = |error: &reqwest::Error| self.transport(error, &call, timeout);
        let mut answer = sent.send().await.map_err(|error| failed(&error))?;
        let status = answer.status().as_u16();
        let mut body = Vec::with_capacity(answer.content_length().map_or(0, |length| {
            usize::try_from(length).unwrap_or(0).min(64 << 20)
        }));
        while let Some(chunk) = answer.chunk().await.map_err(|error| failed(&error))? {
            if body.len() + chunk.len() > limits::ANSWER_BYTES {
                return Err(ClusterError::Unreadable {
                    location: inner.location.clone(),
                    call,
                    reason: format!("more than {} bytes", limits::ANSWER_BYTES),
                });
            }
            body.extend_from_slice(&chunk);
        }
        if status >= 400 {
            return Err(ClusterError::of_status(
                &inner.location,
                &call,
                status,
                &body,
            ));
        }
        Ok(Response {
            status,
            body: body.into(),
            call,
            location: inner.location.clone(),
        })
    }

    fn transport(&self, error: &reqwest::Error, call: &str, timeout: Duration) -> ClusterError {
        let location = self.inner.location.clone();
        let mut reason = String::new();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
        while let Some(inner) = cause {
            reason = inner.to_string();
            cause = inner.source();
        }
        if error.is_connect() {
            ClusterError::Unreachable { location, reason }
        } else if error.is_timeout() {
            ClusterError::Timeout {
                location,
                call: call.to_owned(),
                after: timeout,
            }
        } else {
            ClusterError::Broken {
                location,
                call: call.to_owned(),
                reason,
            }
        }
    }
}

/// Whether sending again may help and does no harm.
fn may_retry(error: &ClusterError, idempotent: bool) -> bool {
    match error {
        // It never got there.
        ClusterError::Unreachable { .. } => true,
        ClusterError::Broken { .. } | ClusterError::Timeout { .. } => idempotent,
        ClusterError::Status { status, .. } => matches!(status, 429 | 502 | 503 | 504),
        _ => false,
    }
}
