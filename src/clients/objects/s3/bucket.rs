//! One bucket and the client for it: where it is, with which credentials, and the requests, each sent again where that may
//! help.
//!
//! Relies on `clients::aws` for the chain of credentials. The client's own retries are off, so that there is one limit
//! and a body that broke off goes on where it broke.

use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Region, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::attempts::Attempts;
use super::error::{Problem, S3Error};
use super::limits;
use super::meter::Meter;
use super::probe::Dates;
use crate::base::S3Uri;
use crate::clients::aws;

/// The region of servers that know none.
const ANY_REGION: &str = "us-east-1";

/// A bucket, and what is measured of its server.
pub(super) struct Bucket {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) meter: Meter,
    in_flight: Semaphore,
}

/// The beginning of an object.
pub(super) struct Opened {
    pub(super) length: u64,
    pub(super) etag: String,
    /// Its first page.
    pub(super) head: Bytes,
}

impl Bucket {
    pub(super) async fn connect(uri: &S3Uri, role: Option<&str>) -> Result<Self, S3Error> {
        Self::connect_with(uri, role, None).await
    }

    /// As [`Self::connect`]; `dates` is shown the dates of the answers.
    pub(super) async fn connect_with(
        uri: &S3Uri,
        role: Option<&str>,
        dates: Option<Dates>,
    ) -> Result<Self, S3Error> {
        let failed = |problem| S3Error {
            what: "use",
            place: uri.place(),
            problem,
            attempts: 1,
        };
        let config = Box::pin(aws::config_as(uri.region.as_deref(), role)).await;
        let by_environment = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
        let elsewhere = uri.endpoint.is_some() || config.endpoint_url().is_some() || by_environment;
        let region = match config.region() {
            Some(region) => region.clone(),
            None if elsewhere => Region::new(ANY_REGION),
            None => return Err(failed(Problem::NoRegion)),
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(limits::CONNECT_MAX)
            .read_timeout(limits::ANSWER_MAX)
            .build();
        let mut builder = aws_sdk_s3::config::Builder::from(&config)
            .region(region)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .force_path_style(uri.path_style.unwrap_or(elsewhere));
        if let Some(endpoint) = &uri.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        if let Some(dates) = dates {
            builder = builder.interceptor(dates);
        }
        Ok(Self {
            client: Client::from_conf(builder.build()),
            name: uri.bucket.clone(),
            meter: Meter::default(),
            in_flight: Semaphore::new(limits::REQUESTS_MAX),
        })
    }

    /// `s3://bucket/key`
    pub(super) fn place(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    pub(super) fn failed(
        &self,
        what: &'static str,
        key: &str,
        problem: Problem,
        attempts: u32,
    ) -> S3Error {
        S3Error {
            what,
            place: self.place(key),
            problem,
            attempts,
        }
    }

    /// Waits before another attempt, or tells why there is none.
    pub(super) async fn again(
        &self,
        what: &'static str,
        key: &str,
        attempts: &mut Attempts,
        problem: Problem,
    ) -> Result<(), S3Error> {
        match attempts.next(&problem) {
            Some(wait) => {
                tracing::debug!(bucket = %self.name, key, what, %problem, ?wait, "again");
                tokio::time::sleep(wait).await;
                Ok(())
            }
            None => Err(self.failed(what, key, problem, attempts.failed)),
        }
    }

    /// Length, identity and first page of an object, in one request.
    pub(super) async fn open(&self, key: &str) -> Result<Opened, S3Error> {
        let mut attempts = Attempts::new();
        loop {
            let problem = match Box::pin(self.open_once(key)).await {
                Ok(opened) => return Ok(opened),
                Err(problem) => problem,
            };
            self.again("open", key, &mut attempts, problem).await?;
        }
    }

    async fn open_once(&self, key: &str) -> Result<Opened, Problem> {
        let _permit = self.in_flight.acquire().await;
        let range = format!("bytes=0-{}", limits::PAGE_BYTES - 1);
        let began = Instant::now();
        let request = self.client.get_object().bucket(&self.name).key(key);
        let answer = match answered(request.range(range).send()).await {
            Ok(answer) => answer,
            Err(Problem::Changed) => return self.open_empty(key).await,
            Err(problem) => return Err(problem),
        };
        let latency = began.elapsed();
        let stated = u64::try_from(answer.content_length().unwrap_or(-1)).unwrap_or(u64::MAX);
        let length = match answer.content_range() {
            Some(range) => range
                .rsplit_once('/')
                .and_then(|(_, total)| total.parse().ok())
                .ok_or_else(|| Problem::Odd(format!("Content-Range: {}", range.escape_debug())))?,
            // Of a small object some give all of it.
            None if stated <= limits::PAGE_BYTES => stated,
            None => {
                return Err(Problem::Odd(
                    "all of an object and not the range asked for".into(),
                ));
            }
        };
        let etag = etag(&answer)?;
        let mut head = Vec::new();
        let wanted = length.min(limits::PAGE_BYTES);
        self.receive(answer, wanted, latency, &mut head).await?;
        Ok(Opened {
            length,
            etag,
            head: head.into(),
        })
    }

    /// An empty object has no range that could be asked for.
    async fn open_empty(&self, key: &str) -> Result<Opened, Problem> {
        let request = self.client.head_object().bucket(&self.name).key(key);
        let answer = answered(request.send()).await?;
        if answer.content_length() != Some(0) {
            return Err(Problem::Odd(
                "HTTP 416 for a range within the object".into(),
            ));
        }
        Ok(Opened {
            length: 0,
            etag: answer.e_tag().unwrap_or_default().to_owned(),
            head: Bytes::new(),
        })
    }

    /// The bytes `[offset, offset + length)` of the object that was opened, and of no other.
    pub(super) async fn fetch(
        &self,
        key: &str,
        tag: &str,
        offset: u64,
        length: usize,
    ) -> Result<Bytes, S3Error> {
        let mut bytes = Vec::with_capacity(length);
        let mut attempts = Attempts::new();
        while bytes.len() < length {
            let rest = Box::pin(self.fetch_rest(key, tag, offset, length, &mut bytes));
            let problem = match rest.await {
                Ok(()) => continue,
                Err(Problem::Refused | Problem::NoKey) => Problem::Changed,
                Err(problem) => problem,
            };
            self.again("read", key, &mut attempts, problem).await?;
        }
        Ok(bytes.into())
    }

    async fn fetch_rest(
        &self,
        key: &str,
        tag: &str,
        offset: u64,
        length: usize,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        let _permit = self.in_flight.acquire().await;
        let from = offset + bytes.len() as u64;
        let to = offset + length as u64 - 1;
        let began = Instant::now();
        let request = self.client.get_object().bucket(&self.name).key(key);
        let request = request.range(format!("bytes={from}-{to}")).if_match(tag);
        let answer = answered(request.send()).await?;
        let latency = began.elapsed();
        // Not every server heeds the condition.
        if etag(&answer)? != tag {
            return Err(Problem::Changed);
        }
        let given = answer.content_range().unwrap_or_default();
        if !given.starts_with(&format!("bytes {from}-{to}/")) {
            return Err(Problem::Odd(format!(
                "range `{}` for bytes {from}-{to}",
                given.escape_debug()
            )));
        }
        self.receive(answer, to - from + 1, latency, bytes).await
    }

    /// Takes a body of so many bytes; what came before it broke off stays.
    async fn receive(
        &self,
        answer: GetObjectOutput,
        wanted: u64,
        latency: Duration,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        let mut body = answer.body;
        let began = Instant::now();
        let mut got = 0;
        loop {
            let next = tokio::time::timeout(limits::SILENCE_MAX, body.next()).await;
            let chunk = match next {
                Err(_) => return Err(Problem::Silent(limits::SILENCE_MAX.as_secs())),
                Ok(None) => break,
                Ok(Some(Err(error))) => {
                    tracing::debug!(%error, got, wanted, "the body broke off");
                    return Err(Problem::Cut { got, wanted });
                }
                Ok(Some(Ok(chunk))) => chunk,
            };
            got += chunk.len() as u64;
            if got > wanted {
                return Err(Problem::Odd(format!(
                    "more than the {wanted} bytes asked for"
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        if got < wanted {
            return Err(Problem::Cut { got, wanted });
        }
        self.meter.add(latency, began.elapsed(), got);
        Ok(())
    }
}

/// The answer, or what its error means; no longer than it may take.
pub(super) async fn answered<T, E>(
    sent: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, Problem>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match tokio::time::timeout(limits::ANSWER_MAX, Box::pin(sent)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Problem::of(&error)),
        Err(_) => Err(Problem::Silent(limits::ANSWER_MAX.as_secs())),
    }
}

fn etag(answer: &GetObjectOutput) -> Result<String, Problem> {
    match answer.e_tag() {
        Some(etag) if !etag.is_empty() => Ok(etag.to_owned()),
        _ => Err(Problem::Odd("an object without an ETag".into())),
    }
}
