//! What can be wrong with a cluster or a call. Texts say what and where; [`ClusterError::help`] says how to mend it.

use std::time::Duration;

use serde_json::Value;

/// Why a call did not do what it should. Never holds a credential.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClusterError {
    /// No connection.
    #[error("{location}: can't be reached: {reason}")]
    Unreachable {
        /// The cluster.
        location: String,
        /// The system's words.
        reason: String,
    },
    /// The connection ended before the answer was there.
    #[error("{location}: {call}: the connection broke: {reason}")]
    Broken {
        /// The cluster.
        location: String,
        /// The call.
        call: String,
        /// The system's words.
        reason: String,
    },
    /// No answer in time.
    #[error("{location}: {call}: no answer within {} s", after.as_secs())]
    Timeout {
        /// The cluster.
        location: String,
        /// The call.
        call: String,
        /// The limit.
        after: Duration,
    },
    /// Who we are is not believed: 401.
    #[error("{location}: {call}: not authenticated (401){}", colon(reason))]
    Unauthorized {
        /// The cluster.
        location: String,
        /// The call.
        call: String,
        /// The server's words.
        reason: String,
    },
    /// We may not: 403.
    #[error("{location}: {call}: not allowed (403){}", colon(reason))]
    Forbidden {
        /// The cluster.
        location: String,
        /// The call.
        call: String,
        /// The server's words: they name the privilege that is missing.
        reason: String,
        /// The server's kind of error: `security_exception`, `cluster_block_exception`.
        kind: String,
    },
    /// Any other status of 400 and more.
    #[error("{location}: {call}: {status} {kind}{}", colon(reason))]
    Status {
        /// The cluster.
        location: String,
        /// The call.
        call: String,
        /// The status.
        status: u16,
        /// The server's kind of error: `index_not_found_exception`.
        kind: String,
        /// The server's words.
        reason: String,
    },
    /// An answer that is not what it should be.
    #[error("{location}: {call}: an answer that can't be read: {reason}")]
    Unreadable {
        /// The cluster.
        location: String,
        /// The call.
        call: String,
        /// What.
        reason: String,
    },
    /// A call that the plan's `access: read-only` does not allow: never sent.
    #[error("{location}: {call} is not sent: the plan says `access: read-only`")]
    ReadOnly {
        /// The cluster.
        location: String,
        /// The call.
        call: String,
    },
    /// Something of the plan's definition of the cluster that can't be used: a secret, a certificate.
    #[error("{location}: {reason}")]
    Setup {
        /// The cluster.
        location: String,
        /// What.
        reason: String,
        /// How to mend it.
        help: String,
    },
    /// The cluster is not what the plan asserts.
    #[error("{location}: is {found}, the plan says {wanted}")]
    OtherVersion {
        /// The cluster.
        location: String,
        /// As it says itself.
        found: String,
        /// As the plan has it.
        wanted: String,
    },
}

fn colon(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}

impl ClusterError {
    /// From an answer of 400 and more.
    pub(super) fn of_status(location: &str, call: &str, status: u16, body: &[u8]) -> Self {
        let (kind, reason) = words(body);
        let (location, call) = (location.to_owned(), call.to_owned());
        match status {
            401 => Self::Unauthorized {
                location,
                call,
                reason,
            },
            403 => Self::Forbidden {
                location,
                call,
                reason,
                kind,
            },
            _ => Self::Status {
                location,
                call,
                status,
                kind,
                reason,
            },
        }
    }

    /// The status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Unauthorized { .. } => Some(401),
            Self::Forbidden { .. } => Some(403),
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The server's kind of error; empty where there is none.
    pub fn kind(&self) -> &str {
        match self {
            Self::Forbidden { kind, .. } | Self::Status { kind, .. } => kind,
            _ => "",
        }
    }

    /// The server's words; empty where there are none.
    pub fn reason(&self) -> &str {
        match self {
            Self::Unauthorized { reason, .. }
            | Self::Forbidden { reason, .. }
            | Self::Status { reason, .. } => reason,
            _ => "",
        }
    }

    /// How to mend it.
    pub fn help(&self) -> String {
        match self {
            Self::Unreachable { .. } => {
                "check that it runs and that `endpoint` is right, then run the same command again"
            }
            Self::Broken { .. } | Self::Timeout { .. } => {
                "run the same command again: it goes on where it was"
            }
            Self::Unauthorized { .. } => "check `auth` of the cluster in the plan, and the secret it names",
            Self::Forbidden { kind, .. } if kind == "cluster_block_exception" => {
                "lift the block (a full disk sets `index.blocks.read_only_allow_delete`), then run the same command again"
            }
            Self::Forbidden { .. } => "give the user of the plan the privilege that is named, then run the same command again",
            Self::Status { .. } | Self::Unreadable { .. } => {
                "look at the server's log, then run the same command again"
            }
            Self::ReadOnly { .. } => "write `access: read-write` if mig may change this cluster",
            Self::Setup { help, .. } => help,
            Self::OtherVersion { .. } => "correct `version` in the plan, or `endpoint`",
        }
        .to_owned()
    }
}

/// Kind and words of a server's error body, whatever its shape.
fn words(body: &[u8]) -> (String, String) {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        let text = String::from_utf8_lossy(body);
        return (String::new(), text.trim().chars().take(300).collect());
    };
    let error = value.get("error").unwrap_or(&value);
    if let Some(text) = error.as_str() {
        return (String::new(), text.to_owned());
    }
    let text = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut reason = text(error, "reason");
    let mut cause = error.get("caused_by");
    while let Some(inner) = cause {
        let more = text(inner, "reason");
        if !more.is_empty() && !reason.contains(&more) {
            reason.push_str(": ");
            reason.push_str(&more);
        }
        cause = inner.get("caused_by");
    }
    (text(error, "type"), reason)
}
