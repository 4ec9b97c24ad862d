//! Sends one batch by `_bulk` until every document of it is settled: written, newer there, or refused for good.
//!
//! Documents go to an alias of `mig`'s own that only this index has, with `require_alias` or, where a server does not know
//! that, by a name that no index may have: an index that is removed in between takes the alias along, so that nothing is ever
//! made by itself, and one that is made anew under the same name gets no document. Sending a document twice does no harm: by its `_id`, and by its version where that is kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::answer::{self, Answer};
use super::packer::Packer;
use super::patience::{Patience, limits};
use crate::base::failpoint;
use crate::clients::cluster::{ClusterClient, ClusterError, Failure, Nodes, Request, Response};
use crate::clients::target::batch::{CREATE, DELETE, INDEX, write_string};
use crate::clients::target::{
    Answered, Batch, OnTheWay, Outcome, Refused, Rejected, Sent, Settled, TargetError,
};

/// The longest that one answer may take: a server waits a minute for a shard by itself.
const ANSWER: Duration = Duration::from_mins(3);

/// Sends the batches of one part.
pub(super) struct Sender {
    pub(super) client: ClusterClient,
    pub(super) nodes: Arc<Nodes>,
    pub(super) packer: Packer,
    pub(super) index: String,
    pub(super) path: String,
    /// Answers as long as what the documents are sent to is there.
    pub(super) presence: String,
    /// The data stream that the documents are created through.
    pub(super) stream: Option<String>,
}

/// A batch that is settled, to be filled anew.
pub(super) struct Delivered {
    pub(super) batch: Batch,
    pub(super) settled: Settled,
}

/// What an answer means for a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Written,
    Newer,
    /// The server can't take it now.
    Again,
    /// An error of the server that may go by.
    Unknown,
    /// The index takes no writes.
    Blocked,
    /// The index is not there, or is another one.
    Gone,
    /// The index is closed.
    Closed,
    /// We may not write there.
    Forbidden,
    /// This document will never be taken.
    Refused,
}

fn meaning(status: u16, kind: &str) -> Meaning {
    match (status, kind) {
        (200 | 201, _) => Meaning::Written,
        (409, _) => Meaning::Newer,
        (403 | 429, "cluster_block_exception") => Meaning::Blocked,
        (_, "index_closed_exception") => Meaning::Closed,
        // Without its alias a server would make an index of that name, which no index may have.
        (404, _) | (400, "invalid_index_name_exception") => Meaning::Gone,
        (401 | 403, _) => Meaning::Forbidden,
        (429 | 502 | 503 | 504, _)
        | (
            _,
            "es_rejected_execution_exception"
            | "opensearch_rejected_execution_exception"
            | "rejected_execution_exception"
            | "unavailable_shards_exception"
            | "process_cluster_event_timeout_exception"
            | "circuit_breaking_exception"
            | "node_closed_exception"
            | "node_disconnected_exception"
            | "node_not_connected_exception"
            | "alias_not_ready_exception",
        ) => Meaning::Again,
        (500.., _) => Meaning::Unknown,
        _ => Meaning::Refused,
    }
}

/// Whether a compressed request was not understood. Servers take them; what stands before them need not.
fn refuses_gzip(error: &ClusterError) -> bool {
    matches!(error.status(), Some(400 | 411 | 415 | 501))
}

/// Why a try did not settle all of its documents.
struct Left {
    /// Their numbers.
    numbers: Vec<usize>,
    blocked: bool,
    /// Whether it was said that the index is not there.
    gone: bool,
    /// Whether the request as a whole was answered 429.
    throttled: bool,
    reason: String,
    /// What it says about sending more.
    outcome: Outcome,
    /// How long the server asked to be left alone.
    retry_after: Option<Duration>,
}

/// The encoded batch and what became of its documents so far.
struct Load {
    body: Bytes,
    /// All of it, compressed.
    packed: Option<Bytes>,
    documents: Vec<crate::clients::target::BatchDocument>,
    settled: Settled,
}

impl Load {
    fn lines(&self, number: usize) -> &[u8] {
        let start = self.documents[number].start;
        let end = self
            .documents
            .get(number + 1)
            .map_or(self.body.len(), |next| next.start);
        &self.body[start..end]
    }

    /// The body of some of the documents; all of them cost no copy.
    fn body_of(&self, numbers: &[usize]) -> Bytes {
        if numbers.len() == self.documents.len() {
            return self.body.clone();
        }
        let mut body = Vec::with_capacity(numbers.iter().map(|it| self.lines(*it).len()).sum());
        for number in numbers {
            body.extend_from_slice(self.lines(*number));
        }
        body.into()
    }

    fn deletes(&self, number: usize) -> bool {
        self.lines(number).starts_with(DELETE)
    }

    fn refuse(&mut self, number: usize, index: &str, class: &str, reason: String) {
        let lines = self.lines(number);
        let starts = [CREATE, DELETE].into_iter();
        let start = starts.clone().find(|start| lines.starts_with(start));
        let start = start.unwrap_or(INDEX);
        let id = lines
            .split(|byte| *byte == b'\n')
            .next()
            .and_then(|line| serde_json::from_slice::<serde_json::Value>(line).ok())
            .and_then(|action| {
                let mut ids = ["/index/_id", "/create/_id", "/delete/_id"].into_iter();
                let id = ids.find_map(|path| action.pointer(path))?;
                id.as_str().map(str::to_owned)
            })
            .unwrap_or_default();
        // As it could be sent by hand: with the index's name.
        let mut request = Vec::with_capacity(lines.len() + index.len() + 32);
        request.extend_from_slice(start);
        request.extend_from_slice(b"\"_index\":");
        write_string(&mut request, index);
        request.push(b',');
        request.extend_from_slice(lines.strip_prefix(start).unwrap_or(lines));
        let request = request.strip_suffix(b"\n").unwrap_or(&request).to_vec();
        self.settled.failed.push(Refused {
            doc: self.documents[number].doc,
            id,
            class: class.to_owned(),
            reason,
            request,
        });
    }
}

impl Sender {
    /// Sends a batch until all of it is settled.
    pub(super) async fn deliver(
        &self,
        batch: Batch,
        packed: Option<Bytes>,
        way: &dyn OnTheWay,
    ) -> Result<Delivered, TargetError> {
        let (body, documents) = batch.into_parts();
        let mut open = vec![(0..documents.len()).collect::<Vec<_>>()];
        let mut load = Load {
            body: body.into(),
            packed,
            documents,
            settled: Settled::default(),
        };
        while let Some(numbers) = open.pop() {
            self.settle(&mut load, numbers, &mut open, way).await?;
        }
        failpoint::hit("cluster-after-bulk");
        let Load {
            body,
            documents,
            settled,
            packed: _,
        } = load;
        // The buffer itself where the connection is through with it.
        let body = if body.is_unique() {
            body.into()
        } else {
            Vec::new()
        };
        Ok(Delivered {
            batch: Batch::from_parts(body, documents),
            settled,
        })
    }

    /// Settles some of a batch's documents; halves of what is too large for one request are put into `open`.
    async fn settle(
        &self,
        load: &mut Load,
        mut numbers: Vec<usize>,
        open: &mut Vec<Vec<usize>>,
        way: &dyn OnTheWay,
    ) -> Result<(), TargetError> {
        let mut patience = Patience::new();
        // Half of a batch is one that was too large.
        let mut again = numbers.len() != load.documents.len();
        while !numbers.is_empty() {
            failpoint::hit("cluster-before-bulk");
            let body = load.body_of(&numbers);
            let whole = numbers.len() == load.documents.len();
            let packed = load
                .packed
                .as_ref()
                .filter(|_| whole && self.packer.packs());
            let bytes = body.len() as u64;
            let request = Request::post(self.path.as_str())
                .within(ANSWER)
                .idempotent();
            let request = match packed {
                Some(packed) => request.packed(packed.clone()),
                // What is sent again in part is little.
                None => request.lines(body),
            };
            let node = self.nodes.choose().await;
            way.sent(Sent {
                docs: numbers.len() as u64,
                bytes,
                wire_bytes: packed.map_or(bytes, |packed| packed.len() as u64),
                again,
            });
            again = true;
            let began = Instant::now();
            let sent = node.client().try_once(&request).await;
            if let Err(failure) = &sent {
                node.failed(&failure.error);
            }
            drop(node);
            if packed.is_some() && matches!(&sent, Err(failure) if refuses_gzip(&failure.error)) {
                self.packer.give_up();
                continue;
            }
            let told = |outcome| {
                way.answered(Answered {
                    bytes,
                    took: began.elapsed(),
                    outcome,
                });
            };
            let left = match sent {
                Ok(response) => {
                    let answer = self.read(&response, numbers.len())?;
                    let before = numbers.len();
                    let left = self.sort(load, numbers, answer, patience.tries())?;
                    way.rejected(Rejected {
                        docs: left.numbers.len() as u64,
                        throttled: false,
                        blocked: left.blocked,
                    });
                    if left.numbers.len() < before {
                        patience.progressed();
                    }
                    left
                }
                Err(failure) if failure.error.status() == Some(413) => {
                    told(Outcome::TooLarge);
                    if let [number] = numbers[..] {
                        let reason = "the target takes no request as large as this document alone"
                            .to_owned();
                        load.refuse(number, self.named(), "document-too-large", reason);
                    } else {
                        let half = numbers.split_off(numbers.len() / 2);
                        open.push(half);
                        open.push(numbers);
                    }
                    return Ok(());
                }
                Err(failure) => {
                    let left = Self::of_call(failure, numbers)?;
                    way.rejected(Rejected {
                        docs: 0,
                        throttled: left.throttled,
                        blocked: left.blocked,
                    });
                    left
                }
            };
            // A block is no matter of how much is sent.
            if !left.blocked {
                told(left.outcome);
            }
            if left.numbers.is_empty() {
                return Ok(());
            }
            if left.gone && self.is_gone().await {
                return Err(self.gone());
            }
            let limit = if left.blocked {
                failpoint::shortened("BLOCKED", limits::BLOCKED)
            } else {
                limits::UNAVAILABLE
            };
            let Some(wait) = patience.next_after(left.retry_after, limit) else {
                return Err(self.given_up(&left, limit));
            };
            tracing::debug!(
                index = self.index,
                documents = left.numbers.len(),
                reason = left.reason,
                "sent again"
            );
            tokio::time::sleep(wait).await;
            numbers = left.numbers;
        }
        Ok(())
    }

    /// What documents are sent to by name.
    fn named(&self) -> &str {
        self.stream.as_deref().unwrap_or(&self.index)
    }

    fn given_up(&self, left: &Left, after: Duration) -> TargetError {
        let location = self.client.location().to_owned();
        let index = self.index.clone();
        let reason = left.reason.clone();
        if left.blocked {
            TargetError::Blocked {
                location,
                index,
                after,
                reason,
            }
        } else {
            TargetError::Unavailable {
                location,
                after,
                reason,
            }
        }
    }

    /// What a call means that failed as a whole.
    fn of_call(failure: Failure, numbers: Vec<usize>) -> Result<Left, TargetError> {
        let Failure { error, retry_after } = failure;
        let blocked =
            error.kind() == "cluster_block_exception" && matches!(error.status(), Some(403 | 429));
        let again = matches!(
            error,
            ClusterError::Unreachable { .. }
                | ClusterError::Broken { .. }
                | ClusterError::Timeout { .. }
        ) || matches!(error.status(), Some(429 | 500..));
        let gone = error.status() == Some(404);
        if !blocked && !again && !gone {
            return Err(error.into());
        }
        Ok(Left {
            numbers,
            blocked,
            gone,
            throttled: !blocked && error.status() == Some(429),
            reason: error.to_string(),
            outcome: match error {
                ClusterError::Unreachable { .. } => Outcome::Away,
                ClusterError::Broken { .. } | ClusterError::Timeout { .. } => Outcome::Lost,
                _ => Outcome::Rejected,
            },
            retry_after,
        })
    }

    /// Whether what is sent to is not there for sure. A server that starts says the same of all, until it has read what it holds,
    /// and answers no such question meanwhile.
    async fn is_gone(&self) -> bool {
        let request = Request::get(self.presence.as_str()).idempotent();
        match self.client.try_once(&request).await {
            Ok(_) => false,
            Err(failure) => failure.error.status() == Some(404),
        }
    }

    fn gone(&self) -> TargetError {
        TargetError::Replaced {
            location: self.client.location().to_owned(),
            index: self.index.clone(),
        }
    }

    fn read(&self, response: &Response, sent: usize) -> Result<Answer, TargetError> {
        let unreadable = |reason: String| {
            TargetError::Cluster(ClusterError::Unreadable {
                location: self.client.location().to_owned(),
                call: format!("POST {}", self.path),
                reason,
            })
        };
        answer::read(&response.body, sent).map_err(unreadable)
    }

    /// Sorts the documents of one answer, by position; gives back those that are to be sent again.
    fn sort(
        &self,
        load: &mut Load,
        numbers: Vec<usize>,
        answer: Answer,
        tries: u32,
    ) -> Result<Left, TargetError> {
        let mut left = Left {
            numbers: Vec::new(),
            blocked: false,
            gone: false,
            throttled: false,
            reason: String::new(),
            outcome: Outcome::Taken,
            retry_after: None,
        };
        let location = || self.client.location().to_owned();
        let items = match answer {
            Answer::Written => {
                load.settled.written += numbers.len() as u64;
                return Ok(left);
            }
            Answer::Each(items) => items,
        };
        for (number, item) in numbers.into_iter().zip(items) {
            let (kind, words) = (item.kind(), || item.words());
            let deletes = load.deletes(number);
            // Nothing to delete is no error: an earlier try deleted it, or nobody ever wrote it.
            if deletes && (item.status == 200 || (item.status == 404 && item.error.is_none())) {
                load.settled.deleted += 1;
                continue;
            }
            let mut means = meaning(item.status, kind);
            if means == Meaning::Unknown {
                means = if tries < limits::UNKNOWN_ERRORS {
                    Meaning::Again
                } else {
                    Meaning::Refused
                };
            }
            match means {
                Meaning::Written => load.settled.written += 1,
                // What is created is there by an earlier try: nothing goes into the next generation before all of this one is
                // settled.
                Meaning::Newer if self.stream.is_some() => load.settled.written += 1,
                Meaning::Newer => load.settled.newer_present += 1,
                Meaning::Again | Meaning::Blocked | Meaning::Unknown | Meaning::Gone => {
                    left.blocked |= means == Meaning::Blocked;
                    left.gone |= means == Meaning::Gone;
                    left.outcome = Outcome::Rejected;
                    if left.reason.is_empty() {
                        left.reason = format!("{} {kind}: {}", item.status, words());
                    }
                    left.numbers.push(number);
                }
                Meaning::Closed => {
                    return Err(TargetError::ClosedIndex {
                        location: location(),
                        index: self.index.clone(),
                    });
                }
                Meaning::Forbidden => {
                    return Err(TargetError::Cluster(ClusterError::Forbidden {
                        location: location(),
                        call: format!("POST {}", self.path),
                        reason: words(),
                        kind: kind.to_owned(),
                    }));
                }
                Meaning::Refused => {
                    let class = if kind.is_empty() { "refused" } else { kind };
                    load.refuse(number, self.named(), class, words());
                }
            }
        }
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_answers_apart() {
        let rejected = "es_rejected_execution_exception";
        let block = "cluster_block_exception";
        for (status, kind, wanted) in [
            (201, "", Meaning::Written),
            (409, "version_conflict_engine_exception", Meaning::Newer),
            (429, rejected, Meaning::Again),
            (429, block, Meaning::Blocked),
            (403, block, Meaning::Blocked),
            (503, block, Meaning::Again),
            (403, "security_exception", Meaning::Forbidden),
            (404, "index_not_found_exception", Meaning::Gone),
            (400, "invalid_index_name_exception", Meaning::Gone),
            (400, "index_closed_exception", Meaning::Closed),
            (400, "mapper_parsing_exception", Meaning::Refused),
            (500, "null_pointer_exception", Meaning::Unknown),
        ] {
            assert_eq!(meaning(status, kind), wanted, "{status} {kind}");
        }
    }
}
