//! Single requests to a bucket, each told by the right that it needs; and the dates of the answers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use jiff::Timestamp;

use super::bucket::{Bucket, answered};
use super::error::Problem;
use super::limits;
use super::store::plain;
use crate::base::S3Uri;
use crate::clients::cluster::runtime;
use crate::clients::objects::{BucketFault, BucketProbe, ClockSeen};

/// Times that one request is sent.
const TRIES_MAX: u32 = 3;
/// Before the second time; twice as long before the third.
const BACKOFF: Duration = Duration::from_millis(200);
/// A date of HTTP has no parts of a second.
const DATE_STEP: Duration = Duration::from_secs(1);
/// Names that are listed.
const NAMES_MAX: i32 = 1000;

/// See the module.
pub(super) struct S3Probe {
    bucket: Bucket,
    /// `""`, or with `/` at its end.
    prefix: String,
    dates: Dates,
}

/// The date of the last answer, beside the time at which it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Dates(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    sent: Option<Instant>,
    clock: Option<ClockSeen>,
}

impl Dates {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Dates {
    fn name(&self) -> &'static str {
        "Dates"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.seen().sent = Some(Instant::now());
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let mut seen = self.seen();
        let took = seen.sent.map_or(Duration::ZERO, |sent| sent.elapsed());
        if let Some(clock) = date.and_then(|date| beside(date, Timestamp::now(), took)) {
            seen.clock = Some(clock);
        }
        Ok(())
    }
}

/// A date that was answered, beside the time of now.
fn beside(date: &str, now: Timestamp, took: Duration) -> Option<ClockSeen> {
    let there = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let within = DATE_STEP + took;
    let half = i64::try_from((DATE_STEP / 2 + took / 2).as_millis()).ok()?;
    Some(ClockSeen {
        // The date was cut down to its second, and is as old as half of the way.
        ahead_ms: there.as_millisecond() - now.as_millisecond() + half,
        within,
    })
}

impl S3Probe {
    /// No request is made yet.
    pub(super) fn open(uri: &S3Uri, role: Option<&str>) -> Result<Self, BucketFault> {
        let dates = Dates::default();
        let connected = runtime::block_on(Box::pin(Bucket::connect_with(
            uri,
            role,
            Some(dates.clone()),
        )));
        let bucket = connected
            .map_err(|error| BucketFault {
                message: format!("no thread could be started: {error}"),
                help: "raise the limit of processes of this user".to_owned(),
                denied: false,
            })?
            .map_err(|error| fault("use", &uri.place(), &error.problem, "s3:ListBucket"))?;
        let prefix = if uri.prefix.is_empty() {
            String::new()
        } else {
            format!("{}/", uri.prefix)
        };
        Ok(Self {
            bucket,
            prefix,
            dates,
        })
    }

    fn key(&self, key: &str) -> Result<String, BucketFault> {
        plain(key).map_err(|error| BucketFault {
            message: error.to_string(),
            help: "this is a fault of mig; please report it".to_owned(),
            denied: false,
        })?;
        Ok(format!("{}{key}", self.prefix))
    }

    /// Sends a request a few times as long as that may help.
    fn ask<T, F>(
        &self,
        (what, right): (&str, &str),
        key: &str,
        request: impl Fn() -> F,
    ) -> Result<T, BucketFault>
    where
        F: Future<Output = Result<T, Problem>>,
    {
        let asked = runtime::block_on(Box::pin(async {
            let mut tries = 1;
            loop {
                match request().await {
                    Err(problem) if problem.is_transient() && tries < TRIES_MAX => {
                        tokio::time::sleep(BACKOFF * tries).await;
                        tries += 1;
                    }
                    answer => return answer,
                }
            }
        }));
        let problem = match asked {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(problem)) => problem,
            Err(error) => Problem::Other(format!("no thread could be started: {error}")),
        };
        Err(fault(what, &self.bucket.place(key), &problem, right))
    }
}

/// What is told of a problem; `right` is what the request needed.
fn fault(what: &str, place: &str, problem: &Problem, right: &str) -> BucketFault {
    let denied = matches!(problem, Problem::Denied(_));
    let help = if denied {
        format!(
            "let the identity that mig runs as do {right} there, by its own policy and by that of the bucket (a bucket of another \
             account needs both), or give `role:`; kms:Decrypt and kms:GenerateDataKey where the bucket has a key"
        )
    } else {
        problem.help().to_owned()
    };
    let missing = if denied {
        format!(": {right} is missing")
    } else {
        String::new()
    };
    BucketFault {
        message: format!("can't {what} {place}: {problem}{missing}"),
        help,
        denied,
    }
}

impl BucketProbe for S3Probe {
    fn location(&self) -> String {
        let whole = format!("s3://{}/{}", self.bucket.name, self.prefix);
        whole.trim_end_matches('/').to_owned()
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, BucketFault> {
        let folder = match folder {
            "" => self.prefix.clone(),
            folder => format!("{}/", self.key(folder)?),
        };
        let page = self.ask(("list", "s3:ListBucket"), &folder, || {
            let request = self
                .bucket
                .client
                .list_objects_v2()
                .bucket(&self.bucket.name);
            let request = request.prefix(&folder).delimiter("/").max_keys(NAMES_MAX);
            async move { answered(request.send()).await }
        })?;
        let keys = page.contents().iter().filter_map(|object| object.key());
        let folders = page.common_prefixes().iter();
        let all = keys.chain(folders.filter_map(|folder| folder.prefix()));
        let mut names: Vec<String> = all
            .filter_map(|name| name.strip_prefix(folder.as_str()))
            .map(|name| name.trim_end_matches('/').to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    fn put(&self, key: &str, bytes: Bytes) -> Result<(), BucketFault> {
        let key = self.key(key)?;
        self.ask(("write", "s3:PutObject"), &key, || {
            let request = self.bucket.client.put_object().bucket(&self.bucket.name);
            let request = request.key(&key).body(ByteStream::from(bytes.clone()));
            async move { answered(request.send()).await.map(drop) }
        })
    }

    fn get(&self, key: &str) -> Result<Bytes, BucketFault> {
        let key = self.key(key)?;
        self.ask(("read", "s3:GetObject"), &key, || {
            let request = self.bucket.client.get_object().bucket(&self.bucket.name);
            let range = format!("bytes=0-{}", limits::PAGE_BYTES - 1);
            let request = request.key(&key).range(range);
            async move {
                let answer = answered(request.send()).await?;
                let body = tokio::time::timeout(limits::SILENCE_MAX, answer.body.collect()).await;
                match body {
                    Ok(Ok(body)) => Ok(body.into_bytes()),
                    Ok(Err(error)) => Err(Problem::Connection(error.to_string())),
                    Err(_) => Err(Problem::Silent(limits::SILENCE_MAX.as_secs())),
                }
            }
        })
    }

    fn remove(&self, key: &str) -> Result<(), BucketFault> {
        let key = self.key(key)?;
        self.ask(("remove", "s3:DeleteObject"), &key, || {
            let request = self.bucket.client.delete_object().bucket(&self.bucket.name);
            let request = request.key(&key);
            async move {
                match answered(request.send()).await {
                    Ok(_) | Err(Problem::NoKey) => Ok(()),
                    Err(problem) => Err(problem),
                }
            }
        })
    }

    fn clock(&self) -> Option<ClockSeen> {
        self.dates.seen().clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_held_against_the_time_of_now() {
        let now: Timestamp = "2026-11-26T10:00:00Z".parse().unwrap();
        let seen = |date| beside(date, now, Duration::from_millis(40));
        let same = seen("Thu, 26 Nov 2026 10:00:00 GMT").unwrap();
        assert!(same.ahead_ms.unsigned_abs() <= 1000, "{same:?}");
        let ahead = seen("Thu, 26 Nov 2026 10:20:00 GMT").unwrap();
        assert_eq!(ahead.ahead_ms, 1_200_520);
        let behind = seen("Thu, 26 Nov 2026 09:59:00 GMT").unwrap();
        assert_eq!(behind.ahead_ms, -59_480);
        assert_eq!(seen("yesterday"), None);
    }

    #[test]
    fn a_fault_names_the_right_that_is_missing() {
        let denied = Problem::Denied("HTTP 403, AccessDenied".to_owned());
        let told = fault("write", "s3://acme/base/x", &denied, "s3:PutObject");
        assert!(told.denied);
        assert_eq!(
            told.message,
            "can't write s3://acme/base/x: access is denied (HTTP 403, AccessDenied): s3:PutObject is missing"
        );
        assert!(told.help.contains("s3:PutObject"));
        let elsewhere = Problem::Region(Some("eu-west-1".to_owned()));
        let told = fault("list", "s3://acme/", &elsewhere, "s3:ListBucket");
        assert!(!told.denied);
        assert!(
            told.message.contains("in another region, eu-west-1"),
            "{told}"
        );
        assert!(told.help.contains("`region:`"));
    }
}
