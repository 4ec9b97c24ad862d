//! What can be wrong with a bucket, said so that a person can act on it: what, where, why, and how to mend it.
//!
//! Relies on the errors of the AWS client. Deliberately absent: anything of the credentials themselves.

use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::limits;

/// Why an object or a bucket can't be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("can't {what} {place}: {problem}{}; {}", tries(*.attempts), problem.help())]
pub(super) struct S3Error {
    /// `read`, `list`, …
    pub(super) what: &'static str,
    /// `s3://bucket/key`
    pub(super) place: String,
    pub(super) problem: Problem,
    /// How often it was tried.
    pub(super) attempts: u32,
}

fn tries(number: u32) -> String {
    if number > 1 {
        format!(" (tried {number} times)")
    } else {
        String::new()
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    /// The chain of providers gave none.
    #[error("there are no AWS credentials ({0})")]
    NoCredentials(String),
    /// No region by plan, environment or profile.
    #[error("the region isn't known")]
    NoRegion,
    /// 403
    #[error("access is denied ({0})")]
    Denied(String),
    /// The key or the signature is not known there.
    #[error("the server does not accept the credentials ({0})")]
    BadCredentials(String),
    /// A token that is over.
    #[error("the credentials have expired ({0})")]
    Expired(String),
    /// The clock of this machine is too far from the server's.
    #[error("the server finds the time of the request too far from its own")]
    Clock,
    /// The bucket is elsewhere.
    #[error("the bucket is in another region{}", region(.0.as_deref()))]
    Region(Option<String>),
    /// `NoSuchBucket`
    #[error("there is no such bucket")]
    NoBucket,
    /// `NoSuchKey`
    #[error("there is no such object")]
    NoKey,
    /// The object is not the one that was opened.
    #[error("the object was replaced or removed while it was read")]
    Changed,
    /// The condition of a write does not hold.
    #[error("the object is not what it was expected to be")]
    Refused,
    /// Another write to the same object at the same instant.
    #[error("another write to the object was under way")]
    Conflict,
    /// 5xx, 429, `SlowDown`.
    #[error("the server is busy or broken ({0})")]
    Busy(String),
    /// No connection, or it was cut.
    #[error("the connection failed ({0})")]
    Connection(String),
    /// Nothing came in time.
    #[error("no answer within {0} s")]
    Silent(u64),
    /// The body ended early.
    #[error("the answer broke off after {got} of {wanted} bytes")]
    Cut {
        /// Bytes that came.
        got: u64,
        /// Bytes that were asked for.
        wanted: u64,
    },
    /// Larger than the caller allows.
    #[error("it has {bytes} bytes, more than the {limit} that are allowed")]
    TooLarge {
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// An answer that no S3 server gives.
    #[error("the server answered what S3 does not: {0}")]
    Odd(String),
    /// Any other error that the server named.
    #[error("the server refused it ({0})")]
    Other(String),
}

fn region(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(", {name}"))
}

impl Problem {
    /// Whether another attempt may go well.
    pub(super) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Busy(_)
                | Self::Connection(_)
                | Self::Silent(_)
                | Self::Cut { .. }
                | Self::Conflict
        )
    }

    /// How to mend it, as the end of a sentence.
    pub(super) fn help(&self) -> &'static str {
        match self {
            Self::NoCredentials(_) => {
                "give them as every AWS tool takes them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE (with \
                 `aws sso login` before), or the role of the machine or container"
            }
            Self::NoRegion => "give `region:`, or set AWS_REGION",
            Self::Denied(_) => {
                "let the identity do s3:ListBucket on the bucket and s3:GetObject below the prefix (for a state \
                 s3:PutObject and s3:DeleteObject too), or give `role:`; kms:Decrypt where the bucket has a key"
            }
            Self::BadCredentials(_) => {
                "see which credentials are found first: `aws sts get-caller-identity`"
            }
            Self::Expired(_) => "get new ones (`aws sso login`, or a fresh session token)",
            Self::Clock => "set the clock of this machine",
            Self::Region(_) => "give the bucket's region: `region:`, or AWS_REGION",
            Self::NoBucket => "check the bucket's name and the `endpoint:`",
            Self::NoKey => "check the prefix",
            Self::Changed => {
                "find out who writes there (lifecycle rules, a cluster that deletes snapshots), then run it again"
            }
            Self::Refused | Self::Conflict => "another process writes there",
            Self::Busy(_) | Self::Connection(_) | Self::Silent(_) | Self::Cut { .. } => {
                "check the `endpoint:` and the network, then run it again"
            }
            Self::TooLarge { .. } => "nothing real is this large: check what was uploaded",
            Self::Odd(_) => {
                "check that the `endpoint:` is an S3 server, and no proxy changes its answers"
            }
            Self::Other(_) => "see what the server says of it",
        }
    }

    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::NoKey | Self::NoBucket => io::ErrorKind::NotFound,
            Self::Denied(_)
            | Self::BadCredentials(_)
            | Self::Expired(_)
            | Self::NoCredentials(_) => io::ErrorKind::PermissionDenied,
            Self::TooLarge { .. } => io::ErrorKind::FileTooLarge,
            Self::Silent(_) => io::ErrorKind::TimedOut,
            Self::Connection(_) | Self::Cut { .. } => io::ErrorKind::ConnectionAborted,
            _ => io::ErrorKind::Other,
        }
    }

    /// What an error of the client means.
    pub(super) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error {
            SdkError::ServiceError(context) => {
                let answer = context.raw();
                let found = context.err();
                let region = answer.headers().get("x-amz-bucket-region");
                Self::of_answer(
                    answer.status().as_u16(),
                    found.code().unwrap_or_default(),
                    found.message().unwrap_or_default(),
                    region,
                )
            }
            SdkError::ResponseError(context) => {
                let answer = context.raw();
                let status = answer.status().as_u16();
                let region = answer.headers().get("x-amz-bucket-region");
                match Self::of_answer(status, "", "", region) {
                    // An answer cut in its headers or its XML.
                    Self::Other(_) => Self::Connection(words(error)),
                    known => known,
                }
            }
            SdkError::TimeoutError(_) => Self::Silent(limits::ANSWER_MAX.as_secs()),
            SdkError::DispatchFailure(failure) => {
                if let Some(words) = credentials(error) {
                    return Self::NoCredentials(words);
                }
                if failure.is_timeout() {
                    return Self::Silent(limits::CONNECT_MAX.as_secs());
                }
                Self::Connection(words(error))
            }
            _ => match credentials(error) {
                Some(words) => Self::NoCredentials(words),
                None => Self::Other(words(error)),
            },
        }
    }

    fn of_answer(status: u16, code: &str, message: &str, region: Option<&str>) -> Self {
        let told = match (code, message) {
            ("", "") => format!("HTTP {status}"),
            (code, "") => format!("HTTP {status}, {code}"),
            (code, message) => format!("HTTP {status}, {code}: {message}"),
        };
        match (status, code) {
            (_, "NoSuchBucket") => Self::NoBucket,
            (_, "NoSuchKey") | (404, "" | "NotFound") => Self::NoKey,
            (_, "RequestTimeTooSkewed") => Self::Clock,
            (_, "ExpiredToken" | "TokenRefreshRequired") => Self::Expired(told),
            (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken") => {
                Self::BadCredentials(told)
            }
            (
                _,
                "PermanentRedirect"
                | "TemporaryRedirect"
                | "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException",
            )
            | (301 | 307, _) => Self::Region(region.map(str::to_owned).or_else(|| named(message))),
            (_, "SlowDown" | "RequestTimeout" | "InternalError" | "ServiceUnavailable")
            | (408 | 429 | 500..=599, _) => Self::Busy(told),
            (409, _) => Self::Conflict,
            (412, _) => Self::Refused,
            // The object became shorter, or was never as long.
            (416, _) => Self::Changed,
            (401 | 403, _) => Self::Denied(told),
            _ => Self::Other(told),
        }
    }
}

/// The region that a message such as `… is wrong; expecting 'eu-west-1'` names.
fn named(message: &str) -> Option<String> {
    let (_, after) = message.split_once("expecting '")?;
    let (name, _) = after.split_once('\'')?;
    Some(name.to_owned())
}

/// What the search for credentials says, where an error comes from there.
fn credentials(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(found) = inner.downcast_ref::<CredentialsError>() {
            return Some(words(found));
        }
        cause = inner.source();
    }
    None
}

/// An error and its causes. They never hold credentials: the types that do don't show them.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !words.ends_with(&more) {
            words = format!("{words}: {more}");
        }
        cause = inner.source();
    }
    words
}

impl From<S3Error> for io::Error {
    fn from(error: S3Error) -> Self {
        Self::new(error.problem.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_by_what_mends_them() {
        let of = |status, code, message| Problem::of_answer(status, code, message, None);
        assert_eq!(of(404, "NoSuchBucket", ""), Problem::NoBucket);
        assert_eq!(of(404, "", ""), Problem::NoKey);
        assert_eq!(of(412, "PreconditionFailed", ""), Problem::Refused);
        assert_eq!(
            of(
                400,
                "AuthorizationHeaderMalformed",
                "the region 'us-east-1' is wrong; expecting 'eu-west-1'"
            ),
            Problem::Region(Some("eu-west-1".to_owned()))
        );
        assert!(of(503, "SlowDown", "").is_transient());
        assert!(of(500, "", "").is_transient());
        assert!(!of(403, "AccessDenied", "").is_transient());
        assert!(matches!(
            of(403, "SignatureDoesNotMatch", ""),
            Problem::BadCredentials(_)
        ));
    }

    #[test]
    fn an_error_says_what_where_why_and_how_to_mend_it() {
        let error = S3Error {
            what: "read",
            place: "s3://acme/a/index-3".to_owned(),
            problem: Problem::Denied("HTTP 403, AccessDenied".to_owned()),
            attempts: 1,
        };
        let text = io::Error::from(error).to_string();
        assert!(
            text.starts_with(
                "can't read s3://acme/a/index-3: access is denied (HTTP 403, AccessDenied); let the identity"
            ),
            "{text}"
        );
    }
}
