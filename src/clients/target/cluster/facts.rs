//! Identity and quantities of the indices of a cluster.
//!
//! The content of an index is known by the highest sequence number of each primary shard: every write raises one, a
//! merge, a refresh or a restart raises none. Documents are counted as searches see them; a load makes them visible at its
//! end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ClusterTarget, dialect, restore};
use crate::base::Fingerprint;
use crate::clients::cluster::{ClusterError, Request};
use crate::clients::target::TargetError;
use crate::diff::observation::TargetIndexFacts;

/// Indices that are counted by one request.
const COUNTED_AT_ONCE: usize = 200;
/// How long an index is tried to be counted whose shards start, are short of memory or have no thread free.
const COUNT_PATIENCE: Duration = Duration::from_secs(90);
/// The pause before an index is counted again; each one is twice as long, up to [`COUNT_PAUSE_MAX`].
const COUNT_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause before an index is counted again.
const COUNT_PAUSE_MAX: Duration = Duration::from_secs(2);
/// Indices that one question waits for at most: their names stand in its path.
const WAITED_AT_ONCE: usize = 10;
/// How long one question waits for shards that are just starting.
const STARTING: Duration = Duration::from_secs(20);

/// What a writer has to know of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexState {
    pub(super) uuid: String,
    pub(super) closed: bool,
    pub(super) aliases: Vec<String>,
    /// Whether a write is answered before it is durable.
    pub(super) deferred: bool,
}

pub(super) fn index_state(
    target: &ClusterTarget,
    index: &str,
) -> Result<Option<IndexState>, TargetError> {
    let path = format!(
        "/{}?filter_path=*.aliases,*.settings.index.uuid,*.settings.index.verified_before_close,\
         *.settings.index.translog.durability",
        Request::part(index)
    );
    let Some(found) = target.client.found(Request::get(path))? else {
        return Ok(None);
    };
    // By the name of an alias it answers with another one.
    let Some(found) = found.get(index) else {
        return Ok(None);
    };
    let setting = |name: &str| {
        found
            .pointer(&format!("/settings/index/{name}"))
            .and_then(Value::as_str)
    };
    let aliases = found.get("aliases").and_then(Value::as_object);
    Ok(Some(IndexState {
        uuid: setting("uuid").unwrap_or_default().to_owned(),
        closed: setting("verified_before_close") == Some("true"),
        aliases: aliases
            .into_iter()
            .flat_map(|aliases| aliases.keys().cloned())
            .collect(),
        deferred: setting("translog/durability").is_some_and(|it| it.eq_ignore_ascii_case("async")),
    }))
}

/// The uuid and the mapping of an index.
pub(super) fn mapping(
    target: &ClusterTarget,
    index: &str,
) -> Result<Option<(String, Value)>, TargetError> {
    let path = format!(
        "/{}?filter_path=*.mappings,*.settings.index.uuid",
        Request::part(index)
    );
    let Some(mut found) = target.client.found(Request::get(path))? else {
        return Ok(None);
    };
    let Some(found) = found.get_mut(index) else {
        return Ok(None);
    };
    let uuid = found
        .pointer("/settings/index/uuid")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let mapping = found.get_mut("mappings").map_or(Value::Null, Value::take);
    Ok(Some((uuid, mapping)))
}

/// What there is of an index without looking at its documents.
struct Listed {
    uuid: String,
    open: bool,
    shards: usize,
}

pub(super) fn index_facts(
    target: &ClusterTarget,
    index: &str,
) -> Result<Option<TargetIndexFacts>, TargetError> {
    let mut found = index_facts_many(target, &[index])?;
    Ok(found.remove(index))
}

/// As [`index_facts`], of many indices by a few requests.
pub(super) fn index_facts_many(
    target: &ClusterTarget,
    indices: &[&str],
) -> Result<BTreeMap<String, TargetIndexFacts>, TargetError> {
    let scope = match indices {
        [] => return Ok(BTreeMap::new()),
        // As a pattern, since a closed index is left out of statistics that are asked for by its name.
        [one] => format!("{}*", Request::part(one)),
        _ => "*".to_owned(),
    };
    let listed = list(target, &scope, indices)?;
    let stats = stats(target, &scope)?;
    let open: Vec<&str> = indices
        .iter()
        .copied()
        .filter(|index| listed.get(*index).is_some_and(|found| found.open))
        .collect();
    let counts = counts(target, &open)?;
    let mut facts = BTreeMap::new();
    for (index, found) in listed {
        let stats = stats
            .get(&index)
            .filter(|stats| stats.get("uuid").and_then(Value::as_str) == Some(&found.uuid));
        let primaries = stats.map(primaries).unwrap_or_default();
        let numbers: Option<Vec<i64>> = (0..found.shards)
            .map(|shard| primaries.get(&shard).map(|(seq_no, _)| *seq_no))
            .collect();
        let docs = match counts.get(&index) {
            Some(docs) => *docs,
            // Closed: by the shards, where nested documents count too.
            None => primaries.values().map(|(_, docs)| docs).sum(),
        };
        facts.insert(
            index,
            TargetIndexFacts {
                content: numbers.map(|numbers| Fingerprint::of(&(&found.uuid, numbers))),
                uuid: found.uuid,
                docs,
                foreign_docs: 0,
            },
        );
    }
    Ok(facts)
}

fn list(
    target: &ClusterTarget,
    scope: &str,
    indices: &[&str],
) -> Result<BTreeMap<String, Listed>, TargetError> {
    let all = dialect::listed_all(target.about.version);
    let path = format!("/_cat/indices/{scope}?format=json&h=index,uuid,status,pri{all}");
    let rows = target.client.json(Request::get(path))?;
    let mut listed = BTreeMap::new();
    for row in rows.as_array().into_iter().flatten() {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = text("index");
        if indices.contains(&name) {
            listed.insert(
                name.to_owned(),
                Listed {
                    uuid: text("uuid").to_owned(),
                    open: text("status") == "open",
                    shards: text("pri").parse().unwrap_or(0),
                },
            );
        }
    }
    Ok(listed)
}

fn stats(
    target: &ClusterTarget,
    scope: &str,
) -> Result<serde_json::Map<String, Value>, TargetError> {
    let all = dialect::stats_of_all(target.about.version);
    let path = format!(
        "/{scope}/_stats/docs?level=shards{all}\
         &filter_path=indices.*.uuid,indices.*.shards.*.routing.primary,indices.*.shards.*.seq_no.max_seq_no,\
         indices.*.shards.*.docs.count"
    );
    match target.client.json(Request::get(path))? {
        Value::Object(mut answer) => match answer.remove("indices") {
            Some(Value::Object(indices)) => Ok(indices),
            _ => Ok(serde_json::Map::new()),
        },
        _ => Ok(serde_json::Map::new()),
    }
}

/// The highest sequence number and the documents of each primary shard.
fn primaries(stats: &Value) -> BTreeMap<usize, (i64, u64)> {
    let mut found = BTreeMap::new();
    let shards = stats.get("shards").and_then(Value::as_object);
    for (number, copies) in shards.into_iter().flatten() {
        let Ok(number) = number.parse() else { continue };
        let primary =
            copies.as_array().into_iter().flatten().find(|copy| {
                copy.pointer("/routing/primary").and_then(Value::as_bool) == Some(true)
            });
        if let Some(primary) = primary
            && let Some(seq_no) = primary
                .pointer("/seq_no/max_seq_no")
                .and_then(Value::as_i64)
        {
            let docs = primary.pointer("/docs/count").and_then(Value::as_u64);
            found.insert(number, (seq_no, docs.unwrap_or(0)));
        }
    }
    found
}

/// Root documents as searches see them. An index that was made, opened or recovered a moment ago has shards that only start,
/// and a busy server refuses a search of one shard inside of an answer that says 200: such an index is asked for again.
fn counts(target: &ClusterTarget, indices: &[&str]) -> Result<BTreeMap<String, u64>, TargetError> {
    let mut counts = BTreeMap::new();
    for chunk in indices.chunks(COUNTED_AT_ONCE) {
        let began = Instant::now();
        let mut pause = COUNT_PAUSE;
        let mut open: Vec<&str> = chunk.to_vec();
        loop {
            let mut missing = count_some(target, &open, &mut counts)?;
            if !missing.is_empty() {
                leave_out_restores(target, &mut missing, &mut counts)?;
            }
            let Some((index, reason)) = missing.first() else {
                break;
            };
            if began.elapsed() >= COUNT_PATIENCE {
                return Err(TargetError::Cluster(unreadable(
                    target,
                    format!(
                        "the documents of index {index} could not be counted for {} s: {reason}",
                        COUNT_PATIENCE.as_secs()
                    ),
                )));
            }
            wait_for_shards(target, &missing)?;
            std::thread::sleep(pause);
            pause = (pause * 2).min(COUNT_PAUSE_MAX);
            open = missing.into_iter().map(|(index, _)| index).collect();
        }
    }
    Ok(counts)
}

/// What is being restored is not waited for: it may take hours, and its documents count once all of it is there.
fn leave_out_restores(
    target: &ClusterTarget,
    missing: &mut Vec<(&str, String)>,
    counts: &mut BTreeMap<String, u64>,
) -> Result<(), TargetError> {
    for restoring in restore::unfinished(target)? {
        let before = missing.len();
        missing.retain(|(index, _)| *index != restoring.index);
        if missing.len() < before {
            counts.insert(restoring.index, 0);
        }
    }
    Ok(())
}

fn unreadable(target: &ClusterTarget, reason: String) -> ClusterError {
    ClusterError::Unreadable {
        location: target.client.location().to_owned(),
        call: "POST /_msearch".to_owned(),
        reason,
    }
}

/// Waits until every primary of the first of these indices answers, for a named time at most.
fn wait_for_shards(target: &ClusterTarget, missing: &[(&str, String)]) -> Result<(), TargetError> {
    let names: Vec<String> = missing
        .iter()
        .take(WAITED_AT_ONCE)
        .map(|(index, _)| Request::part(index))
        .collect();
    let path = format!(
        "/_cluster/health/{}?wait_for_status=yellow&timeout={}s",
        names.join(","),
        STARTING.as_secs()
    );
    match target.client.send(Request::get(path)) {
        Ok(_) => Ok(()),
        // Not yet, or not there any more: the next count tells.
        Err(error) if matches!(error.status(), Some(404 | 408)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Counts what can be counted; the indices of which not all shards answered, with the reason.
fn count_some<'a>(
    target: &ClusterTarget,
    indices: &[&'a str],
    counts: &mut BTreeMap<String, u64>,
) -> Result<Vec<(&'a str, String)>, TargetError> {
    let mut body = String::new();
    for index in indices {
        body.push_str(&json!({"index": index}).to_string());
        body.push_str("\n{\"size\":0,\"track_total_hits\":true}\n");
    }
    let request = Request::post(
        "/_msearch?filter_path=responses.hits.total,responses._shards.failed,responses.status,responses.error.type,responses.error.reason,\
         responses.error.failed_shards.reason.reason,responses._shards.failures.reason.reason",
    )
    .lines(body)
    .idempotent();
    let answer = target.client.json(request)?;
    let answers = answer.get("responses").and_then(Value::as_array);
    let mut missing = Vec::new();
    for (position, index) in indices.iter().enumerate() {
        let found = answers
            .and_then(|answers| answers.get(position))
            .ok_or_else(|| unreadable(target, format!("no answer for index {index}")))?;
        let kind = found.pointer("/error/type").and_then(Value::as_str);
        let failed = found.pointer("/_shards/failed").and_then(Value::as_u64);
        match (total_of(found), kind) {
            (Some(docs), None) if failed == Some(0) => {
                counts.insert((*index).to_owned(), docs);
            }
            // No waiting mends that.
            (_, Some("security_exception")) => {
                return Err(TargetError::Cluster(ClusterError::Forbidden {
                    location: target.client.location().to_owned(),
                    call: format!("POST /{index}/_search, within _msearch"),
                    reason: why_not_counted(found),
                    kind: "security_exception".to_owned(),
                }));
            }
            // Removed or closed just now.
            (_, Some("index_not_found_exception" | "index_closed_exception")) => {}
            _ => {
                missing.push((*index, why_not_counted(found)));
            }
        }
    }
    Ok(missing)
}

/// A number before Elasticsearch 7, which counted all; an object with one from then on.
fn total_of(found: &Value) -> Option<u64> {
    let total = found.pointer("/hits/total")?;
    total.get("value").unwrap_or(total).as_u64()
}

/// What the server says of a search that not every shard answered: of the first shard that says more, else of the whole.
fn why_not_counted(found: &Value) -> String {
    let text = |place: &str| found.pointer(place).and_then(Value::as_str);
    let whole = text("/error/reason").unwrap_or("not every shard answered");
    let shard = text("/error/failed_shards/0/reason/reason")
        .or_else(|| text("/_shards/failures/0/reason/reason"));
    match shard {
        Some(shard) => format!("{whole}: {shard}"),
        None => whole.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_is_not_counted_is_told_with_what_its_shard_says() {
        let busy = json!({"error": {"type": "search_phase_execution_exception", "reason": "all shards failed",
            "failed_shards": [{"reason": {"reason": "[parent] Data too large"}}]}, "status": 429});
        assert_eq!(
            why_not_counted(&busy),
            "all shards failed: [parent] Data too large"
        );
        let starting = json!({"error": {"reason": "all shards failed"}, "status": 503});
        assert_eq!(why_not_counted(&starting), "all shards failed");
        let part = json!({"hits": {"total": {"value": 1}}, "_shards": {"failed": 1,
            "failures": [{"reason": {"reason": "no thread is free"}}]}});
        assert_eq!(
            why_not_counted(&part),
            "not every shard answered: no thread is free"
        );
    }
}
