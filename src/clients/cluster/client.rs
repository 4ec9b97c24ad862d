//! Sends requests: one connection pool a cluster, retries by kind of error, errors as values.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

use super::about::{About, NODES, Told};
use super::auth::Credentials;
use super::error::ClusterError;
use super::request::{Body, Method, Request, Response};
use super::retry::{self, Failed, Tries};
use super::{access, http, limits, runtime};
use crate::base::version::{Product, ProductVersion, Version};
use crate::plan::model::{Access, Auth, Cluster, ClusterAt, Compress, Nodes};

/// The client of one cluster; cheap to clone.
#[derive(Clone)]
pub struct ClusterClient {
    inner: Arc<Inner>,
}

struct Inner {
    location: String,
    access: Access,
    wanted: Option<(Option<Product>, Version)>,
    http: reqwest::Client,
    credentials: Arc<Credentials>,
    /// Whether a certificate proves who somebody is.
    trusts: bool,
    /// Whether requests may go to nodes by their own addresses.
    spreads: bool,
    /// Whether documents are sent compressed.
    compresses: bool,
    about: OnceLock<About>,
    /// Whether it ever answered: what did may be restarting.
    answered: AtomicBool,
}

/// A try that came to nothing.
pub struct Failure {
    /// Why.
    pub error: ClusterError,
    /// What the server asked for with `Retry-After`, up to [`limits::RETRY_AFTER_MAX`].
    pub retry_after: Option<Duration>,
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        Self {
            error,
            retry_after: None,
        }
    }
}

impl ClusterClient {
    /// For a cluster of a plan. Opens no connection to it yet, but resolves what the plan refers to (secrets,
    /// certificates). Must not be called from within the runtime.
    pub fn open(cluster: &Cluster) -> Result<Self, ClusterError> {
        let location = match &cluster.at {
            ClusterAt::Endpoint(location) => location,
            ClusterAt::Directory(path) => {
                return Err(ClusterError::Setup {
                    location: path.display().to_string(),
                    reason: "a directory takes no requests".to_owned(),
                    help: "name a cluster that has an `endpoint`".to_owned(),
                });
            }
        };
        Ok(Self {
            inner: Arc::new(Inner {
                location: location.clone(),
                access: cluster.access,
                wanted: cluster.version.map(|version| (cluster.product, version)),
                http: http::pool(location, &cluster.tls)?,
                credentials: Arc::new(Credentials::resolve(&cluster.auth, location)?),
                trusts: location.starts_with("https://") && !cluster.tls.insecure,
                // A signature is for the name of the service.
                spreads: cluster.nodes == Nodes::Discover
                    && !matches!(cluster.auth, Auth::Sigv4 { .. }),
                compresses: match cluster.compress {
                    Some(choice) => choice == Compress::Gzip,
                    None => !http::is_loopback(location),
                },
                about: OnceLock::new(),
                answered: AtomicBool::new(false),
            }),
        })
    }

    /// Where it is, for messages: never with credentials.
    pub fn location(&self) -> &str {
        &self.inner.location
    }

    /// Whether requests may go to nodes by their own addresses, as the plan has it.
    pub(super) fn may_spread(&self) -> bool {
        self.inner.spreads
    }

    /// Whether documents are sent to it compressed.
    pub fn compresses(&self) -> bool {
        self.inner.compresses
    }

    /// The client of a node of the cluster that is already known, by the node's own address.
    pub(super) fn at(&self, location: String) -> Self {
        self.with(location, Arc::clone(&self.inner.credentials))
    }

    fn with(&self, location: String, credentials: Arc<Credentials>) -> Self {
        let inner = &self.inner;
        let about = OnceLock::new();
        if let Some(known) = inner.about.get() {
            about.get_or_init(|| known.clone());
        }
        Self {
            inner: Arc::new(Inner {
                location,
                access: inner.access,
                wanted: inner.wanted,
                http: inner.http.clone(),
                credentials,
                trusts: inner.trusts,
                spreads: false,
                compresses: inner.compresses,
                about,
                answered: AtomicBool::new(true),
            }),
        }
    }

    /// Whether who answers there is of this cluster. Where no certificate proves it, it is asked without credentials, and one
    /// that wants some is not believed.
    pub(super) async fn is_same_cluster(&self, other: &Self) -> bool {
        let Some(about) = self.inner.about.get() else {
            return false;
        };
        let asked = if self.inner.trusts {
            other.clone()
        } else {
            other.with(other.inner.location.clone(), Arc::new(Credentials::None))
        };
        let request = Request::get("/")
            .at_most(limits::ABOUT_BYTES)
            .within(limits::NODE_ANSWER);
        let answer = asked.try_once(&request).await;
        let told = answer.ok().and_then(|answer| About::read(&answer).ok());
        match told {
            Some(Told::About(it) | Told::Disguised(it)) => {
                // A node without a cluster has none to compare.
                it.uuid == about.uuid && !it.uuid.is_empty() && it.uuid != "_na_"
            }
            None => false,
        }
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
        let about = match About::read(&self.send(Request::get("/").at_most(limits::ABOUT_BYTES))?)?
        {
            Told::About(about) => about,
            Told::Disguised(about) => about.undisguised(&self.send(Request::get(NODES))?)?,
        };
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

    /// Sends a request and waits for the whole answer; a status of 300 and more is an error. Must not be called from
    /// within the runtime.
    pub fn send(&self, request: Request) -> Result<Response, ClusterError> {
        runtime::block_on(self.send_async(request)).unwrap_or_else(|error| {
            Err(self.setup(
                format!("no thread could be started: {error}"),
                "raise the limit of processes of this user",
            ))
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

    /// As [`Self::json`], for mappings and the like, which may be nested deeper than is read.
    pub fn metadata(&self, request: Request) -> Result<Value, ClusterError> {
        self.send(request)?.metadata()
    }

    /// As [`Self::metadata`]; `None` where the server says 404.
    pub fn found_metadata(&self, request: Request) -> Result<Option<Value>, ClusterError> {
        match self.metadata(request) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// As [`Self::send`], on the runtime.
    pub async fn send_async(&self, request: Request) -> Result<Response, ClusterError> {
        self.refuse_unfit(&request)?;
        let inner = &self.inner;
        let mut tries = Tries::new();
        loop {
            let failure = match self.once(&request).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let failed = Failed {
                error: &failure.error,
                retry_after: failure.retry_after,
                idempotent: request.idempotent,
                known: inner.answered.load(Ordering::Relaxed),
            };
            let wait = tries.next(&failed, Instant::now(), retry::chance());
            match wait.filter(|_| !request.once) {
                Some(wait) => {
                    tracing::debug!(error = %failure.error, wait_ms = wait.as_millis(), "sent again");
                    tokio::time::sleep(wait).await;
                }
                None => return Err(failure.error.after(tries.made)),
            }
        }
    }

    /// Sends a request once, for who steers by each try; on the runtime.
    pub async fn try_once(&self, request: &Request) -> Result<Response, Failure> {
        self.refuse_unfit(request)?;
        self.once(request).await
    }

    /// What is never sent, whoever asks.
    fn refuse_unfit(&self, request: &Request) -> Result<(), ClusterError> {
        let inner = &self.inner;
        if !access::is_plain(&request.path) {
            return Err(self.setup(
                format!(
                    "{} is not sent: its path could be taken for another",
                    request.call()
                ),
                "this is a fault of mig; please report it",
            ));
        }
        let version = inner.about.get().map(|about| about.version);
        if inner.access == Access::ReadOnly && !access::reads_only(request, version) {
            return Err(ClusterError::ReadOnly {
                location: inner.location.clone(),
                call: request.call(),
            });
        }
        Ok(())
    }

    fn setup(&self, reason: String, help: &str) -> ClusterError {
        ClusterError::Setup {
            location: self.inner.location.clone(),
            reason,
            help: help.to_owned(),
        }
    }

    async fn once(&self, request: &Request) -> Result<Response, Failure> {
        let inner = &self.inner;
        let started = Instant::now();
        let call = request.call();
        let timeout = request.timeout.unwrap_or(limits::ANSWER);
        let failed = |error: &reqwest::Error| http::failure(error, &inner.location, &call, timeout);
        let mut sent = self.built(request, timeout).map_err(|error| {
            self.setup(
                format!("{call} can't be sent: {}", error.without_url()),
                "check `endpoint` of the cluster in the plan",
            )
        })?;
        inner.credentials.add(&mut sent).await.map_err(|reason| {
            self.setup(
                reason,
                "give this process AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role",
            )
        })?;
        let mut answer = inner.http.execute(sent).await.map_err(|it| failed(&it))?;
        inner.answered.store(true, Ordering::Relaxed);
        let status = answer.status().as_u16();
        let header = |name: &str| answer.headers().get(name)?.to_str().ok();
        let retry_after = header("retry-after")
            .and_then(|value| retry::retry_after(value, jiff::Timestamp::now()))
            .map(|asked| asked.min(limits::RETRY_AFTER_MAX));
        let moved = (300..400).contains(&status).then(|| {
            let to = header("location").unwrap_or_default();
            let to = to.split(['?', '#']).next().unwrap_or_default();
            // Never followed: what comes after the host could be anybody's.
            match to.split_once('@') {
                None if !to.is_empty() => format!("a redirect ({status}) to {to}"),
                _ => format!("a redirect ({status})"),
            }
        });
        if let Some(reason) = moved {
            return Err(self.unreadable(&call, reason).into());
        }
        let most = if status >= 400 && !request.raw {
            limits::ERROR_BYTES
        } else {
            request.most.unwrap_or(limits::ANSWER_BYTES)
        };
        let length = answer.content_length().unwrap_or(0);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let too_large = || self.unreadable(&call, format!("it has more than {most} bytes"));
        if status < 400 && length > most && request.method != Method::Head {
            return Err(too_large().into());
        }
        let mut body = Vec::with_capacity(length.min(limits::ROOM_BYTES));
        while let Some(chunk) = answer.chunk().await.map_err(|error| failed(&error))? {
            if body.len() + chunk.len() <= most {
                body.extend_from_slice(&chunk);
            } else if status >= 400 && !request.raw {
                break; // its beginning says enough
            } else {
                return Err(too_large().into());
            }
        }
        tracing::debug!(
            location = %inner.location,
            call,
            status,
            bytes = body.len(),
            ms = started.elapsed().as_millis(),
            "answered"
        );
        if status >= 400 && !request.raw {
            return Err(Failure {
                error: ClusterError::of_status(&inner.location, &call, status, &body),
                retry_after,
            });
        }
        Ok(Response {
            status,
            body: body.into(),
            call,
            location: inner.location.clone(),
        })
    }

    /// The request as it is sent, without credentials. The body is shared, not copied.
    fn built(&self, request: &Request, timeout: Duration) -> reqwest::Result<reqwest::Request> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Head => reqwest::Method::HEAD,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let url = format!("{}{}", self.inner.location, request.path);
        let mut builder = self.inner.http.request(method, url).timeout(timeout);
        if let Some(body) = &request.body {
            let (kind, bytes): (&str, &Bytes) = match body {
                Body::Json(bytes) => ("application/json", bytes),
                Body::Lines(bytes) | Body::Packed(bytes) => ("application/x-ndjson", bytes),
            };
            if matches!(body, Body::Packed(_)) {
                builder = builder.header("content-encoding", "gzip");
            }
            let said = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
            if !request.headers.iter().any(said) {
                builder = builder.header("content-type", kind);
            }
            builder = builder.body(bytes.clone());
        }
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        builder.build()
    }

    fn unreadable(&self, call: &str, reason: String) -> ClusterError {
        ClusterError::Unreadable {
            location: self.inner.location.clone(),
            call: call.to_owned(),
            reason,
        }
    }
}
