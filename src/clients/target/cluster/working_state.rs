//! The index on the target in which `mig` keeps what has to live beside the documents: work stores, held-back settings,
//! tuned settings, the mark of a switchover.
//!
//! The index carries `_meta.mig` with a schema; one of this name without it is another tool's and is never touched. Every
//! document is `{kind, plan, lineage, body}`; only `kind`, `plan` and `lineage` can be searched. Reads by id are realtime,
//! so that what was written is seen without a refresh. Deliberately absent: what a body means.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{dialect, leftovers};
use crate::clients::cluster::{ClusterClient, ClusterError, Request};
use crate::clients::target::TargetError;

/// The index's name: the one that users of Migration Assistant know.
pub const WORKING_STATE: &str = ".migrations_working_state";
/// The schema of its documents.
const SCHEMA: u64 = 1;
/// The kind of error of a privilege that is missing.
const SECURITY: &str = "security_exception";
/// Documents that one request asks for by id.
const MGET_DOCS: usize = 1000;
/// Documents that one request writes.
const BULK_DOCS: usize = 1000;
/// How long the server's clock is waited for: a later answer would say little.
const SERVER_TIME_WITHIN: Duration = Duration::from_secs(5);
/// Documents that are listed of one kind at most.
const LISTED_MAX: usize = 10_000;

/// A document with what a conditional write needs.
#[derive(Clone, Debug)]
pub struct Stored<T> {
    /// Its id.
    pub id: String,
    /// What it holds.
    pub body: T,
    /// The sequence number of its last write.
    pub seq_no: u64,
    /// The primary term of its last write.
    pub primary_term: u64,
}

/// Whose documents are listed.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// Everybody's.
    All,
    /// Those of a plan.
    Plan(&'a str),
    /// Those of a state, by its lineage.
    Lineage(&'a str),
}

/// Whose a document is and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Tag<'a> {
    /// What it is: `held-back`, `work-item`, …
    pub kind: &'a str,
    /// The plan.
    pub plan: &'a str,
    /// The lineage of the plan's state.
    pub lineage: &'a str,
}

/// On what condition a document is written.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    /// None.
    Always,
    /// It is not there yet.
    Absent,
    /// Its last write is this one.
    Unchanged {
        /// As read.
        seq_no: u64,
        /// As read.
        primary_term: u64,
    },
}

/// How a conditional write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Done; the numbers of this write.
    Done {
        /// For the next condition.
        seq_no: u64,
        /// For the next condition.
        primary_term: u64,
    },
    /// The condition did not hold: somebody else wrote.
    Conflict,
}

/// See the module.
#[derive(Clone)]
pub struct WorkingState {
    client: ClusterClient,
}

/// Whether a server made the index for a document of mig: it has the fields of such, and is not marked as mig marks it. Pure.
fn is_of_a_late_write(index: &Value) -> bool {
    let fields = ["/mappings/properties", "/mappings/_doc/properties"];
    let fields = fields.iter().find_map(|it| index.pointer(it)?.as_object());
    fields.is_some_and(|fields| {
        let ours = |name: &String| ["kind", "plan", "lineage", "body"].contains(&name.as_str());
        fields.contains_key("kind") && fields.keys().all(ours)
    })
}

impl WorkingState {
    /// On a cluster; asks nothing yet.
    pub fn new(client: ClusterClient) -> Self {
        Self { client }
    }

    /// Whether the index is there; an error where it is another tool's.
    pub fn exists(&self) -> Result<bool, TargetError> {
        let path = format!("/{WORKING_STATE}/_mapping");
        let Some(found) = self.client.found(Request::get(path))? else {
            return Ok(false);
        };
        let index = found
            .as_object()
            .and_then(|indices| indices.values().next());
        let schema = index
            .and_then(|index| {
                // Below the name of the type before Elasticsearch 7.
                let plain = index.pointer("/mappings/_meta/mig/schema");
                plain.or_else(|| index.pointer("/mappings/_doc/_meta/mig/schema"))
            })
            .and_then(Value::as_u64);
        match schema {
            Some(SCHEMA) => Ok(true),
            Some(other) => Err(self.refused(format!(
                "index {WORKING_STATE} has schema {other}, this mig reads {SCHEMA}"
            ))),
            None if index.is_some_and(is_of_a_late_write) => Err(self.refused(format!(
                "index {WORKING_STATE} is not as mig makes it: the server made it of a write that came after a reset had removed it. Look that no \
                 process of mig runs and that nothing in it is of use, then remove it by hand"
            ))),
            None => Err(self.refused(format!(
                "index {WORKING_STATE} is another tool's: it is not touched. Finish or remove that migration first"
            ))),
        }
    }

    /// Makes the index where it is not there.
    pub fn ensure(&self) -> Result<(), TargetError> {
        if self.exists()? {
            return Ok(());
        }
        let version = self.client.about()?.version;
        let text = json!({"type": "keyword"});
        let mut settings =
            json!({"index.number_of_shards": 1, "index.auto_expand_replicas": "0-1"});
        if dialect::hides(version) {
            settings["index.hidden"] = true.into();
        }
        let body = json!({
            "settings": settings,
            "mappings": {
                "_meta": {"mig": {"schema": SCHEMA}},
                "dynamic": false,
                "properties": {
                    "kind": text, "plan": text, "lineage": text,
                    "body": {"type": "object", "enabled": false},
                },
            },
        });
        let typeless = dialect::typeless(version).replacen('&', "?", 1);
        let path = format!("/{WORKING_STATE}{typeless}");
        let made = self.client.send(Request::put(path).json(&body));
        match made {
            Ok(_) => Ok(()),
            // Another worker was first.
            Err(error) if error.kind() == "resource_already_exists_exception" => {
                self.exists().map(drop)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// One document.
    pub fn get<T: DeserializeOwned>(&self, id: &str) -> Result<Option<Stored<T>>, TargetError> {
        let request = Request::get(format!("/{WORKING_STATE}/_doc/{}", Request::part(id)));
        match self.client.found(request)? {
            Some(found) => self.read(&found),
            None => Ok(None),
        }
    }

    /// Several documents, in the order of the ids; those that are not there are left out.
    pub fn get_many<T: DeserializeOwned>(
        &self,
        ids: &[String],
    ) -> Result<Vec<Stored<T>>, TargetError> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(MGET_DOCS) {
            let request = Request::post(format!("/{WORKING_STATE}/_mget"))
                .json(&json!({ "ids": chunk }))
                .idempotent();
            let answer = self.client.found(request)?.unwrap_or_default();
            let docs = answer.get("docs").and_then(Value::as_array);
            for document in docs.into_iter().flatten() {
                self.is_known(document)?;
                found.extend(self.read(document)?);
            }
        }
        Ok(found)
    }

    /// All documents of a kind (of one plan, where given) that were written with `visible`.
    pub fn list<T: DeserializeOwned>(
        &self,
        kind: &str,
        whose: Whose<'_>,
    ) -> Result<Vec<Stored<T>>, TargetError> {
        let mut filter = vec![json!({"term": {"kind": kind}})];
        match whose {
            Whose::All => {}
            Whose::Plan(plan) => filter.push(json!({"term": {"plan": plan}})),
            Whose::Lineage(lineage) => filter.push(json!({"term": {"lineage": lineage}})),
        }
        let query = json!({
            "size": LISTED_MAX,
            "seq_no_primary_term": true,
            "query": {"bool": {"filter": filter}},
        });
        let request = Request::post(format!("/{WORKING_STATE}/_search"))
            .json(&query)
            .idempotent();
        let Some(answer) = self.client.found(request)? else {
            return Ok(Vec::new());
        };
        let hits = answer.pointer("/hits/hits").and_then(Value::as_array);
        let mut found = Vec::new();
        for hit in hits.into_iter().flatten() {
            found.extend(self.read(hit)?);
        }
        if found.len() == LISTED_MAX {
            return Err(self.refused(format!(
                "index {WORKING_STATE} holds {LISTED_MAX} documents `{kind}` or more"
            )));
        }
        found.sort_by(|left, right| left.id.cmp(&right.id));
        Ok(found)
    }

    /// Writes a document. `visible`: [`Self::list`] finds it at once.
    pub fn put<T: Serialize>(
        &self,
        id: &str,
        tag: Tag<'_>,
        body: &T,
        condition: Condition,
        visible: bool,
    ) -> Result<Written, TargetError> {
        debug_assert!(leftovers::knows(tag.kind), "no reset removes {}", tag.kind);
        let mut path = format!(
            "/{WORKING_STATE}/_doc/{}?refresh={visible}",
            Request::part(id)
        );
        match condition {
            Condition::Always => {}
            Condition::Absent => path.push_str("&op_type=create"),
            Condition::Unchanged {
                seq_no,
                primary_term,
            } => {
                let more = format!("&if_seq_no={seq_no}&if_primary_term={primary_term}");
                path.push_str(&more);
            }
        }
        let document = json!({
            "kind": tag.kind, "plan": tag.plan, "lineage": tag.lineage, "body": body,
        });
        match self.client.json(Request::put(path).json(&document)) {
            Ok(answer) => {
                let number = |name: &str| answer.get(name).and_then(Value::as_u64);
                match (number("_seq_no"), number("_primary_term")) {
                    (Some(seq_no), Some(primary_term)) => Ok(Written::Done {
                        seq_no,
                        primary_term,
                    }),
                    _ => Err(self.refused("a write was answered without `_seq_no`".to_owned())),
                }
            }
            Err(error) if error.status() == Some(409) => Ok(Written::Conflict),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes many documents of one kind; what became of each, in their order. None of them can be listed.
    pub fn put_many<T: Serialize>(
        &self,
        tag: Tag<'_>,
        documents: &[(String, T, Condition)],
    ) -> Result<Vec<Written>, TargetError> {
        debug_assert!(leftovers::knows(tag.kind), "no reset removes {}", tag.kind);
        let mut written = Vec::with_capacity(documents.len());
        for chunk in documents.chunks(BULK_DOCS) {
            let mut body = String::new();
            for (id, document, condition) in chunk {
                let action = match condition {
                    Condition::Always => json!({"index": {"_id": id}}),
                    Condition::Absent => json!({"create": {"_id": id}}),
                    Condition::Unchanged {
                        seq_no,
                        primary_term,
                    } => json!({"index": {
                        "_id": id, "if_seq_no": seq_no, "if_primary_term": primary_term,
                    }}),
                };
                let document = json!({
                    "kind": tag.kind, "plan": tag.plan, "lineage": tag.lineage, "body": document,
                });
                body.push_str(&format!("{action}\n{document}\n"));
            }
            for answer in self.bulk(body, chunk.len())? {
                written.push(self.written(&answer)?);
            }
        }
        Ok(written)
    }

    /// Removes many documents, in their order; those that are not there are as good as removed.
    pub fn delete_many(&self, ids: &[String]) -> Result<(), TargetError> {
        for chunk in ids.chunks(BULK_DOCS) {
            let mut body = String::new();
            for id in chunk {
                body.push_str(&format!("{}\n", json!({"delete": {"_id": id}})));
            }
            for answer in self.bulk(body, chunk.len())? {
                let status = answer.get("status").and_then(Value::as_u64);
                if status != Some(404) {
                    self.written(&answer)?;
                }
            }
        }
        Ok(())
    }

    /// The answers for each document.
    fn bulk(&self, body: String, documents: usize) -> Result<Vec<Value>, TargetError> {
        let bulk = dialect::bulk(self.client.about()?.version);
        let path = format!("/{WORKING_STATE}/{bulk}");
        let request = Request::post(path).lines(body).idempotent();
        let mut answer = self.client.json(request)?;
        let items = answer.get_mut("items").map(Value::take);
        let answers: Vec<Value> = match items {
            Some(Value::Array(items)) => items
                .into_iter()
                .filter_map(|item| match item {
                    Value::Object(item) => item.into_iter().next().map(|(_, answer)| answer),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        if answers.len() != documents {
            return Err(self.refused(format!(
                "{documents} documents were sent and {} are answered for",
                answers.len()
            )));
        }
        Ok(answers)
    }

    fn written(&self, answer: &Value) -> Result<Written, TargetError> {
        let number = |name: &str| answer.get(name).and_then(Value::as_u64);
        match (number("status"), number("_seq_no"), number("_primary_term")) {
            (Some(409), ..) => Ok(Written::Conflict),
            (Some(200 | 201), Some(seq_no), Some(primary_term)) => Ok(Written::Done {
                seq_no,
                primary_term,
            }),
            (status, ..) => {
                let text = |pointer: &str| {
                    answer
                        .pointer(pointer)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned()
                };
                Err(TargetError::Cluster(ClusterError::Status {
                    location: self.client.location().to_owned(),
                    call: format!("POST /{WORKING_STATE}/_bulk"),
                    status: status.and_then(|it| u16::try_from(it).ok()).unwrap_or(500),
                    kind: text("/error/type"),
                    reason: text("/error/reason"),
                }))
            }
        }
    }

    /// The clock of the node that answers, asked once and not again; `None` where it does not tell (a proxy or a missing
    /// privilege refuses the call, or the answer has another form).
    pub fn server_time(&self) -> Result<Option<Timestamp>, TargetError> {
        let path = "/_nodes/_local/stats/jvm?filter_path=nodes.*.timestamp";
        let request = Request::get(path).within(SERVER_TIME_WITHIN).once();
        let answer = match self.client.json(request) {
            Ok(answer) => answer,
            Err(error) if matches!(error.status(), Some(400..=428 | 430..=499 | 501)) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let node = answer
            .get("nodes")
            .and_then(Value::as_object)
            .and_then(|nodes| nodes.values().next());
        let millis = node.and_then(|node| node.get("timestamp")?.as_i64());
        Ok(millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()))
    }

    /// Where it is, for messages.
    pub fn location(&self) -> String {
        format!("{}/{WORKING_STATE}", self.client.location())
    }

    /// Removes a document; says whether there was one.
    pub fn delete(&self, id: &str) -> Result<bool, TargetError> {
        let path = format!("/{WORKING_STATE}/_doc/{}?refresh=true", Request::part(id));
        match self.client.send(Request::delete(path)) {
            Ok(_) => Ok(true),
            Err(error) if error.status() == Some(404) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a document unless somebody wrote it since it was read; says whether it is gone.
    pub fn delete_unchanged<T>(&self, read: &Stored<T>) -> Result<bool, TargetError> {
        let Stored {
            id,
            seq_no,
            primary_term,
            ..
        } = read;
        let path = format!(
            "/{WORKING_STATE}/_doc/{}?refresh=true&if_seq_no={seq_no}&if_primary_term={primary_term}",
            Request::part(id)
        );
        match self.client.send(Request::delete(path)) {
            Ok(_) => Ok(true),
            Err(error) if error.status() == Some(404) => Ok(true),
            Err(error) if error.status() == Some(409) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a document of several is there or not: while its shard starts, or to whom may not read it, a server says neither.
    fn is_known(&self, document: &Value) -> Result<(), TargetError> {
        let text = |pointer: &str| {
            let text = document.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let kind = text("/error/type");
        if document.get("error").is_none() || kind == "index_not_found_exception" {
            return Ok(());
        }
        let location = self.client.location().to_owned();
        let call = format!("POST /{WORKING_STATE}/_mget");
        let reason = text("/error/reason");
        Err(TargetError::Cluster(if kind == SECURITY {
            ClusterError::Forbidden {
                location,
                call,
                reason,
                kind,
            }
        } else {
            ClusterError::Status {
                location,
                call,
                status: 503,
                kind,
                reason,
            }
        }))
    }

    fn read<T: DeserializeOwned>(&self, found: &Value) -> Result<Option<Stored<T>>, TargetError> {
        let Some(body) = found.pointer("/_source/body") else {
            return Ok(None);
        };
        let id = found.get("_id").and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| found.get(name).and_then(Value::as_u64).unwrap_or(0);
        let body = serde_json::from_value(body.clone()).map_err(|error| {
            TargetError::Cluster(ClusterError::Unreadable {
                location: self.client.location().to_owned(),
                call: format!("{WORKING_STATE}/{id}"),
                reason: error.to_string(),
            })
        })?;
        Ok(Some(Stored {
            id: id.to_owned(),
            body,
            seq_no: number("_seq_no"),
            primary_term: number("_primary_term"),
        }))
    }

    fn refused(&self, what: String) -> TargetError {
        TargetError::Refused {
            location: self.client.location().to_owned(),
            what,
        }
    }
}
