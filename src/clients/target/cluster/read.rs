//! Documents of a cluster read back, shard by shard, by scrolls: they work the same on every server that `mig` moves
//! from or to, and one scroll sees one state of its shard.
//!
//! Nothing is passed over in silence: an answer of which a part failed, or a scroll that ends with another number of documents
//! than it began with, is an error. A scroll can't be resumed, so after a fault the whole partition is read again
//! ([`TargetError::ReadAgain`]). Deliberately absent: points in time, which the minimal 7.10 has not.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::ClusterTarget;
use super::hits::{self, Page};
use crate::base::failpoint;
use crate::clients::cluster::{ClusterError, Request, Response};
use crate::clients::target::{
    FetchedDocument, Partition, PartitionRead, TargetDocument, TargetError,
};
use crate::plan::model::Access;

/// Limits with names.
mod limits {
    /// How long a server keeps a scroll between two pages.
    pub(super) const KEEP: &str = "5m";
    /// Documents of a page at most.
    pub(super) const PAGE_DOCS: u64 = 4000;
    /// Documents of a page where nothing is known of their size.
    pub(super) const PAGE_DOCS_FIRST: u64 = 500;
    /// Bytes that a page should have.
    pub(super) const PAGE_BYTES: u64 = 8 << 20;
    /// Bytes of a page from which on the partition is read again by smaller ones, unless it has few documents.
    pub(super) const PAGE_BYTES_MAX: u64 = 64 << 20;
    /// A page of so few documents may be as large as it is.
    pub(super) const PAGE_DOCS_FEW: u64 = 16;
    /// What stored bytes become once they are decompressed, about.
    pub(super) const DECOMPRESSED: u64 = 3;
    /// Documents that one request fetches by id.
    pub(super) const FETCH_DOCS: usize = 50;
}

/// Makes everything visible that was written; a cluster that may only be read is left as it is.
fn refresh(target: &ClusterTarget, index: &str) -> Result<(), TargetError> {
    if target.client.access() == Access::ReadWrite {
        let path = format!("/{}/_refresh", Request::part(index));
        let answer = target.client.json(Request::post(path).idempotent())?;
        no_failed_shard(target, index, &answer)?;
    }
    Ok(())
}

fn no_failed_shard(target: &ClusterTarget, index: &str, answer: &Value) -> Result<(), TargetError> {
    match answer.pointer("/_shards/failed").and_then(Value::as_u64) {
        Some(0) => Ok(()),
        _ => Err(incomplete(target, index, "an answer of some shards only")),
    }
}

fn incomplete(target: &ClusterTarget, index: &str, what: &str) -> TargetError {
    TargetError::Cluster(ClusterError::Unreadable {
        location: target.client.location().to_owned(),
        call: format!("index {index}"),
        reason: what.to_owned(),
    })
}

fn no_index(target: &ClusterTarget, index: &str, error: ClusterError) -> TargetError {
    if error.status() == Some(404) {
        return TargetError::NoIndex {
            location: target.client.location().to_owned(),
            index: index.to_owned(),
        };
    }
    error.into()
}

/// Documents of an index by `_count`: root documents alone, those of `nested` fields are not counted.
pub(super) fn count(target: &ClusterTarget, index: &str) -> Result<u64, TargetError> {
    refresh(target, index).map_err(|error| match error {
        TargetError::Cluster(error) => no_index(target, index, error),
        error => error,
    })?;
    let path = format!("/{}/_count", Request::part(index));
    let answer = target
        .client
        .json(Request::get(path))
        .map_err(|error| no_index(target, index, error))?;
    no_failed_shard(target, index, &answer)?;
    answer
        .get("count")
        .and_then(Value::as_u64)
        .ok_or_else(|| incomplete(target, index, "an answer of `_count` without a number"))
}

/// One partition a primary shard. Its stamp holds the last sequence number: as long as that stays, so do the documents.
pub(super) fn partitions(
    target: &ClusterTarget,
    index: &str,
) -> Result<Vec<Partition>, TargetError> {
    let name = Request::part(index);
    let get = |path: String| {
        let answer = target.client.json(Request::get(path));
        answer.map_err(|error| no_index(target, index, error))
    };
    let settings = get(format!("/{name}/_settings/index.number_of_shards"))?;
    let shards = settings
        .get(index)
        .and_then(|it| it.pointer("/settings/index/number_of_shards"))
        .and_then(Value::as_str)
        .and_then(|text| text.parse::<u32>().ok())
        .ok_or_else(|| incomplete(target, index, "it does not say how many shards it has"))?;
    refresh(target, index)?;
    let stats = get(format!("/{name}/_stats/docs,store?level=shards"))?;
    let found = stats.get("indices").and_then(|indices| indices.get(index));
    let uuid = found
        .and_then(|found| found.get("uuid"))
        .and_then(Value::as_str);
    let (Some(found), Some(uuid)) = (found, uuid) else {
        return Err(incomplete(target, index, "statistics without it"));
    };
    let mut partitions = Vec::new();
    for shard in 0..shards {
        let copies = found
            .pointer(&format!("/shards/{shard}"))
            .and_then(Value::as_array);
        let primary = copies
            .into_iter()
            .flatten()
            .find(|copy| copy.pointer("/routing/primary").and_then(Value::as_bool) == Some(true));
        let number = |pointer: &str| primary.and_then(|it| it.pointer(pointer));
        let Some(last) = number("/seq_no/max_seq_no").and_then(Value::as_i64) else {
            let what = format!("shard {shard} has no primary that answers");
            return Err(incomplete(target, index, &what));
        };
        let bytes = number("/store/size_in_bytes")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        let docs = number("/docs/count").and_then(Value::as_u64).unwrap_or(0);
        let key = shard.to_string();
        if let Some(each) = bytes.checked_div(docs) {
            let fitting = limits::PAGE_BYTES / (each * limits::DECOMPRESSED).max(1);
            target.pages.at_most(
                index,
                &key,
                fitting.clamp(limits::PAGE_DOCS_FEW, limits::PAGE_DOCS),
            );
        }
        partitions.push(Partition {
            key,
            bytes,
            stamp: format!("{uuid}/{last}"),
        });
    }
    Ok(partitions)
}

/// How many documents a page may have, by index and shard; only ever less.
#[derive(Default)]
pub(super) struct PageSizes(std::sync::Mutex<std::collections::BTreeMap<(String, String), u64>>);

impl PageSizes {
    fn at_most(&self, index: &str, shard: &str, docs: u64) {
        let mut sizes = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let size = sizes
            .entry((index.to_owned(), shard.to_owned()))
            .or_insert(docs);
        *size = (*size).min(docs).max(1);
    }

    fn of(&self, index: &str, shard: &str) -> u64 {
        let sizes = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let size = sizes.get(&(index.to_owned(), shard.to_owned()));
        size.copied().unwrap_or(limits::PAGE_DOCS_FIRST)
    }
}

/// A scroll on the server; released when it goes out of scope, however that comes.
struct Scroll<'a> {
    target: &'a ClusterTarget,
    id: Option<String>,
}

impl Drop for Scroll<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let request = Request::delete("/_search/scroll").json(&json!({ "scroll_id": [id] }));
            // One that can't be released ends by itself.
            if let Err(error) = self.target.client.send(request) {
                tracing::debug!(%error, "a scroll was not released");
            }
        }
    }
}

pub(super) fn read(
    target: &ClusterTarget,
    index: &str,
    partition: &Partition,
    visit: &mut dyn FnMut(TargetDocument<'_>) -> ControlFlow<()>,
) -> Result<PartitionRead, TargetError> {
    let shard = &partition.key;
    let size = target.pages.of(index, shard);
    let again = |what: String| TargetError::ReadAgain {
        location: target.client.location().to_owned(),
        what: format!("index {index}, shard {shard}: {what}"),
    };
    let request = Request::post(format!(
        "/{}/_search?preference=_shards:{}&scroll={}",
        Request::part(index),
        Request::part(shard),
        limits::KEEP
    ))
    .json(&json!({"size": size, "sort": ["_doc"], "version": true, "track_total_hits": true}))
    .idempotent();
    failpoint::hit("target.read.partition");
    let mut response = match target.client.send(request) {
        Ok(response) => response,
        Err(error) if too_large(&error) && size > 1 => {
            target.pages.at_most(index, shard, size / 8);
            return Err(again(error.to_string()));
        }
        Err(error) => return Err(no_index(target, index, error)),
    };
    let mut scroll = Scroll { target, id: None };
    let mut read = PartitionRead::default();
    let mut total = None;
    loop {
        let page = whole_page(&response)?;
        scroll.id = page
            .scroll
            .as_deref()
            .map(str::to_owned)
            .or(scroll.id.take());
        if page.timed_out || page.failed_shards > 0 {
            return Err(again("an answer that is not whole".to_owned()));
        }
        let total = *total.get_or_insert(page.total.unwrap_or(0));
        let (docs, bytes) = (page.hits.len() as u64, response.body.len() as u64);
        if bytes > limits::PAGE_BYTES_MAX && docs > limits::PAGE_DOCS_FEW {
            let fitting = (docs * limits::PAGE_BYTES / bytes).max(limits::PAGE_DOCS_FEW);
            target.pages.at_most(index, shard, fitting);
            return Err(again(format!("{docs} documents have {bytes} bytes")));
        }
        for hit in &page.hits {
            read.docs += 1;
            let source = hit.source.unwrap_or_default();
            read.bytes += source.len() as u64;
            let document = TargetDocument {
                id: &hit.id,
                routing: hit.routing.as_deref(),
                version: hit.version,
                source,
            };
            if visit(document).is_break() {
                return Ok(read);
            }
        }
        if read.docs >= total || docs == 0 {
            if read.docs == total {
                return Ok(read);
            }
            return Err(again(format!(
                "{} documents of {total} were given",
                read.docs
            )));
        }
        failpoint::hit("target.read.page");
        // Not sent twice: a page that was lost on its way is lost to the scroll.
        let next = Request::post("/_search/scroll")
            .json(&json!({"scroll": limits::KEEP, "scroll_id": scroll.id}));
        response = match target.client.send(next) {
            Ok(response) => response,
            Err(error) => {
                if too_large(&error) {
                    target.pages.at_most(index, shard, size / 8);
                }
                if size == 1 && too_large(&error) {
                    return Err(error.into());
                }
                return Err(again(error.to_string()));
            }
        };
    }
}

fn whole_page(response: &Response) -> Result<Page<'_>, TargetError> {
    hits::page(&response.body).ok_or_else(|| unreadable(response))
}

fn unreadable(response: &Response) -> TargetError {
    TargetError::Cluster(ClusterError::Unreadable {
        location: response.location.clone(),
        call: response.call.clone(),
        reason: "no list of documents".to_owned(),
    })
}

/// Whether fewer documents in one answer may help.
fn too_large(error: &ClusterError) -> bool {
    match error {
        ClusterError::Unreadable { .. } | ClusterError::Timeout { .. } => true,
        _ => {
            error.kind() == "circuit_breaking_exception"
                || error.status() == Some(413)
                || error.reason().contains("Batch size is too large")
                || error.reason().contains("Data too large")
        }
    }
}

/// Documents by id, as they stand now: no refresh is needed to see the last write.
pub(super) fn fetch(
    target: &ClusterTarget,
    index: &str,
    wanted: &[(&str, Option<&str>)],
) -> Result<Vec<Option<FetchedDocument>>, TargetError> {
    let mut found = Vec::with_capacity(wanted.len());
    for wanted in wanted.chunks(limits::FETCH_DOCS) {
        let docs: Vec<Value> = wanted
            .iter()
            .map(|(id, routing)| match routing {
                Some(routing) => json!({"_id": id, "routing": routing}),
                None => json!({"_id": id}),
            })
            .collect();
        // As GET: a read-only cluster takes no POST of it.
        let request =
            Request::get(format!("/{}/_mget", Request::part(index))).json(&json!({ "docs": docs }));
        let response = target
            .client
            .send(request)
            .map_err(|error| no_index(target, index, error))?;
        let hits = hits::fetched(&response.body)
            .filter(|hits| hits.len() == wanted.len())
            .ok_or_else(|| unreadable(&response))?;
        if let Some(error) = hits.iter().find_map(|hit| hit.error) {
            return Err(TargetError::Cluster(ClusterError::Status {
                location: target.client.location().to_owned(),
                call: response.call.clone(),
                status: 503,
                kind: String::new(),
                reason: String::from_utf8_lossy(error).into_owned(),
            }));
        }
        found.extend(hits.into_iter().zip(wanted).map(|(hit, (id, routing))| {
            // Without its routing a document is found by chance, on the shard that its id alone leads to.
            let same = hit.found && hit.id == *id && hit.routing.as_deref() == *routing;
            same.then(|| FetchedDocument {
                version: hit.version,
                source: hit.source.unwrap_or_default().to_vec(),
            })
        }));
    }
    Ok(found)
}
