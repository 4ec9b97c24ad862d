//! What can be wrong with a cluster or a call. Texts say what and where; [`ClusterError::help`] says how to mend it.

use std::time::Duration;

use super::words::{self, Missing};

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
    /// The cluster shows a certificate that is not believed, or believes none of ours.
    #[error("{location}: no trust: {reason}")]
    Untrusted {
        /// The cluster.
        location: String,
        /// What is wrong with it.
        reason: String,
        /// How to mend it.
        help: String,
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
    #[error("{location}: {call}: {}", refused(kind, reason))]
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

/// A 403 in words: a block, a privilege that is missing, or as the server has it.
fn refused(kind: &str, reason: &str) -> String {
    if kind == BLOCK {
        return format!("blocked (403){}", colon(reason));
    }
    match words::missing(reason) {
        Some(Missing { privilege, user }) => {
            let whose = user.map_or_else(String::new, |user| format!(" of user `{user}`"));
            format!("not allowed (403): missing privilege `{privilege}`{whose}")
        }
        None => format!("not allowed (403){}", colon(reason)),
    }
}

/// How servers call a block on an index or on all of a cluster.
const BLOCK: &str = "cluster_block_exception";

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
        let (kind, reason) = words::of_error(body);
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

    /// Says how often it was tried, where that was more than once.
    pub(super) fn after(mut self, tries: u32) -> Self {
        if tries > 1
            && let Self::Unreachable { reason, .. }
            | Self::Broken { reason, .. }
            | Self::Status { reason, .. } = &mut self
        {
            let comma = if reason.is_empty() { "" } else { ", " };
            reason.push_str(&format!("{comma}tried {tries} times"));
        }
        self
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

    /// The privilege that is missing, where the server names one.
    pub fn missing_privilege(&self) -> Option<Missing<'_>> {
        match self {
            Self::Forbidden { reason, .. } => words::missing(reason),
            _ => None,
        }
    }

    /// Whether a block stands on the index or the cluster: a full disk, `index.blocks.*`, `cluster.blocks.*`.
    pub fn is_block(&self) -> bool {
        self.kind() == BLOCK
    }

    /// How to mend it.
    pub fn help(&self) -> String {
        match self {
            Self::Forbidden { reason, .. } | Self::Status { reason, .. } if self.is_block() => {
                words::unblock(reason)
            }
            Self::Forbidden { .. } => {
                return match self.missing_privilege() {
                    Some(Missing { privilege, user }) => format!(
                        "grant `{privilege}` to {}, then run the same command again",
                        user.map_or_else(
                            || "the user of `auth` in the plan".to_owned(),
                            |user| format!("a role of user `{user}`")
                        )
                    ),
                    None => {
                        "grant the user of `auth` in the plan what this call needs, then run the same command again"
                            .to_owned()
                    }
                };
            }
            Self::Unreachable { .. } => {
                "check that it runs and that `endpoint` is right, then run the same command again"
            }
            Self::Broken { .. } | Self::Timeout { .. } => {
                "run the same command again: it goes on where it was"
            }
            Self::Unauthorized { .. } => "check `auth` of the cluster in the plan, and the secret it names",
            Self::Status { status: 429 | 502..=504, .. } => {
                "the cluster is too busy or not up: wait until it is, then run the same command again"
            }
            Self::Status { .. } => "look at the server's log, then run the same command again",
            Self::Unreadable { .. } => {
                "check that `endpoint` is the cluster itself, then run the same command again"
            }
            Self::ReadOnly { .. } => "write `access: read-write` if mig may change this cluster",
            Self::Setup { help, .. } | Self::Untrusted { help, .. } => help,
            Self::OtherVersion { .. } => "correct `version` in the plan, or `endpoint`",
        }
        .to_owned()
    }
}
