//! The documents of a pass: those that failed, read anew where they stand or taken from the lines that were kept.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::engines::bulk::failed::{self, FailedDocument, FailedPlace};
use crate::engines::bulk::source::{
    Change, DocumentSource, ItemReader, SegmentKey, SourceDocument, SourceError, Step, StepError,
    Unusable, Visit,
};
use crate::engines::bulk::work_store::{ItemKey, ItemSpec, ItemState};

/// Bytes of kept requests that are held at once, but for one document that is larger.
const HELD_BYTES: usize = 16 << 20;

fn error(item: &ItemKey, reason: &dyn std::fmt::Display) -> SourceError {
    SourceError {
        place: item.to_string(),
        reason: reason.to_string(),
    }
}

/// A pass has no second path: what it is to deliver is known by the lines.
fn nothing_expected<'k>(
    items: impl Iterator<Item = &'k ItemKey>,
) -> BTreeMap<SegmentKey, Option<u64>> {
    items.map(|item| (SegmentKey::of(item), None)).collect()
}

/// Documents that are read anew.
pub(super) struct ReadAnew<'a> {
    source: &'a dyn DocumentSource,
    /// By item, in order.
    wanted: BTreeMap<ItemKey, Vec<u32>>,
}

impl<'a> ReadAnew<'a> {
    pub(super) fn new(source: &'a dyn DocumentSource, wanted: BTreeMap<ItemKey, Vec<u32>>) -> Self {
        Self { source, wanted }
    }
}

impl DocumentSource for ReadAnew<'_> {
    fn items(&self) -> Result<Vec<ItemSpec>, SourceError> {
        Ok(Vec::new())
    }

    fn expected(&self) -> Result<BTreeMap<SegmentKey, Option<u64>>, SourceError> {
        Ok(nothing_expected(self.wanted.keys()))
    }

    fn leaves_out(&self, index: &str) -> bool {
        self.source.leaves_out(index)
    }

    fn open(&self, item: &ItemKey, from: u32) -> Result<Box<dyn ItemReader + '_>, SourceError> {
        let wanted = self.wanted.get(item);
        let wanted = wanted.ok_or_else(|| error(item, &"no part of this pass"))?;
        let first = wanted.partition_point(|doc| *doc < from);
        Ok(Box::new(AnewReader {
            source: self.source,
            item: item.clone(),
            wanted: wanted.get(first..).unwrap_or_default(),
            open: None,
        }))
    }

    fn check_segment(&self, _segment: &SegmentKey, _proofs: &[Value]) -> Result<(), SourceError> {
        Ok(())
    }
}

struct AnewReader<'s> {
    source: &'s dyn DocumentSource,
    item: ItemKey,
    /// What is left.
    wanted: &'s [u32],
    /// The reader below, and the document that it reads next.
    open: Option<(Box<dyn ItemReader + 's>, u32)>,
}

impl AnewReader<'_> {
    fn gone(&self, doc: u32) -> StepError {
        StepError::Source(error(
            &self.item,
            &format!("document {doc} failed before and is not given any more"),
        ))
    }
}

impl ItemReader for AnewReader<'_> {
    fn step(&mut self, docs: u32, visit: &mut Visit<'_>) -> Result<Option<Step>, StepError> {
        let Some(first) = self.wanted.first().copied() else {
            return Ok(None);
        };
        let begin = self.source.step_with(&self.item, first);
        let begin = begin.map_err(StepError::Source)?;
        if self.open.as_ref().is_none_or(|(_, next)| begin > *next) {
            let opened = self.source.open(&self.item, begin);
            self.open = Some((opened.map_err(StepError::Source)?, begin));
        }
        let mut bytes = 0;
        loop {
            let Some((reader, next)) = &mut self.open else {
                return Err(self.gone(first));
            };
            let (wanted, mut delivered) = (self.wanted, 0_u64);
            let step = reader.step(docs, &mut |document| {
                if wanted.binary_search(&document.doc).is_err() {
                    return Ok(());
                }
                delivered += 1;
                visit(document)
            })?;
            let Some(step) = step else {
                return Err(self.gone(first));
            };
            *next = step.next;
            bytes += step.bytes;
            let passed = wanted.partition_point(|doc| *doc < step.next);
            if passed == 0 {
                continue;
            }
            if delivered != passed as u64 {
                return Err(self.gone(first));
            }
            self.wanted = wanted.get(passed..).unwrap_or_default();
            return Ok(Some(Step {
                next: step.next,
                delivered,
                bytes,
                ..Step::default()
            }));
        }
    }
}

/// For who sends what was kept: it has no documents.
pub struct NoSource;

impl DocumentSource for NoSource {
    fn items(&self) -> Result<Vec<ItemSpec>, SourceError> {
        Ok(Vec::new())
    }

    fn expected(&self) -> Result<BTreeMap<SegmentKey, Option<u64>>, SourceError> {
        Ok(BTreeMap::new())
    }

    fn open(&self, item: &ItemKey, _from: u32) -> Result<Box<dyn ItemReader + '_>, SourceError> {
        Err(error(item, &"there is nothing to read it from"))
    }

    fn check_segment(&self, _segment: &SegmentKey, _proofs: &[Value]) -> Result<(), SourceError> {
        Ok(())
    }
}

/// Documents as they were kept.
pub(super) struct Kept<'a> {
    place: &'a FailedPlace,
    items: BTreeMap<ItemKey, ItemState>,
}

impl<'a> Kept<'a> {
    pub(super) fn new(place: &'a FailedPlace, items: Vec<ItemState>) -> Self {
        let items = items.into_iter().map(|it| (it.item.key.clone(), it));
        Self {
            place,
            items: items.collect(),
        }
    }
}

impl DocumentSource for Kept<'_> {
    fn items(&self) -> Result<Vec<ItemSpec>, SourceError> {
        Ok(Vec::new())
    }

    fn expected(&self) -> Result<BTreeMap<SegmentKey, Option<u64>>, SourceError> {
        Ok(nothing_expected(self.items.keys()))
    }

    fn open(&self, item: &ItemKey, from: u32) -> Result<Box<dyn ItemReader + '_>, SourceError> {
        let state = self.items.get(item);
        let state = state.ok_or_else(|| error(item, &"no part of this pass"))?;
        Ok(Box::new(KeptReader {
            place: self.place,
            state,
            from,
        }))
    }

    fn check_segment(&self, _segment: &SegmentKey, _proofs: &[Value]) -> Result<(), SourceError> {
        Ok(())
    }
}

struct KeptReader<'s> {
    place: &'s FailedPlace,
    state: &'s ItemState,
    from: u32,
}

impl ItemReader for KeptReader<'_> {
    fn step(&mut self, docs: u32, visit: &mut Visit<'_>) -> Result<Option<Step>, StepError> {
        let most = docs.max(1) as usize;
        let key = &self.state.item.key;
        // The first ones in the order of the segment, which the lines are not in.
        let mut held: BTreeMap<u32, FailedDocument<'static>> = BTreeMap::new();
        let mut bytes = 0;
        let from = self.from;
        failed::read_item(self.place, self.state, &mut |document| {
            if document.doc >= from {
                let document = owned(document);
                bytes += size(&document);
                held.insert(document.doc, document);
                while (bytes > HELD_BYTES || held.len() > most) && held.len() > 1 {
                    bytes -= held.pop_last().map_or(0, |(_, last)| size(&last));
                }
            }
            Ok(())
        })
        .map_err(|cause| StepError::Source(error(key, &cause)))?;
        let Some((last, _)) = held.last_key_value() else {
            return Ok(None);
        };
        let next = last.saturating_add(1);
        for document in held.values() {
            give(document, visit)?;
        }
        self.from = next;
        Ok(Some(Step {
            next,
            delivered: held.len() as u64,
            bytes: bytes as u64,
            ..Step::default()
        }))
    }
}

fn size(document: &FailedDocument<'_>) -> usize {
    let text = document.request.as_ref().map_or(0, |it| it.len());
    text + document.request_base64.as_ref().map_or(0, String::len)
}

fn owned(document: FailedDocument<'_>) -> FailedDocument<'static> {
    FailedDocument {
        index: document.index.into_owned().into(),
        shard: document.shard,
        segment: document.segment.into_owned().into(),
        doc: document.doc,
        id: document.id.into_owned().into(),
        routing: document.routing.map(|it| it.into_owned().into()),
        class: document.class.into_owned().into(),
        reason: document.reason.into_owned().into(),
        request: document.request.map(|it| it.into_owned().into()),
        request_base64: document.request_base64,
    }
}

/// A request as it was kept.
struct Request {
    routing: Option<String>,
    version: Option<i64>,
    /// From where on the source stands.
    source: usize,
}

/// The parts of an action line; `None` where it is none.
fn action(request: &[u8]) -> Option<Request> {
    let end = request.iter().position(|byte| *byte == b'\n')?;
    let line: Value = serde_json::from_slice(request.get(..end)?).ok()?;
    let body = line.get("index").or_else(|| line.get("create"))?;
    Some(Request {
        routing: body
            .get("routing")
            .and_then(Value::as_str)
            .map(str::to_owned),
        version: body.get("version").and_then(Value::as_i64),
        source: end + 1,
    })
}

fn give(document: &FailedDocument<'_>, visit: &mut Visit<'_>) -> Result<(), StepError> {
    let request = document.request_bytes().unwrap_or_default();
    let parsed = action(&request);
    let source = parsed.as_ref().and_then(|it| request.get(it.source..));
    let source = source.unwrap_or_default();
    let source = source.strip_suffix(b"\n").unwrap_or(source);
    // What a target would take has to be one line of JSON; what failed before there was a request stays failed.
    let ready = document.was_ready()
        && parsed.is_some()
        && serde_json::from_slice::<serde::de::IgnoredAny>(source).is_ok();
    let routing = parsed.as_ref().and_then(|it| it.routing.as_deref());
    let given = SourceDocument {
        doc: document.doc,
        id: &document.id,
        routing: routing.or(document.routing.as_deref()),
        version: parsed.as_ref().and_then(|it| it.version),
        mapping_type: None,
        parent: None,
        timestamp: None,
        expiry: None,
        change: Change::Written,
        source: if ready {
            Ok(source)
        } else {
            Err(Unusable {
                class: class_of(document),
                reason: &document.reason,
                raw: source,
                skip: false,
            })
        },
    };
    visit(given).map_err(|_| StepError::Stopped)
}

/// The class of a document that can't be sent as it was kept.
fn class_of(document: &FailedDocument<'_>) -> &'static str {
    const KNOWN: [&str; 3] = [failed::BY_TRANSFORM, "source-missing", "source-invalid"];
    let known = KNOWN.into_iter().find(|known| document.class == *known);
    known.unwrap_or("request-not-kept")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_line_is_read_back() {
        let kept = b"{\"index\":{\"_id\":\"a\",\"routing\":\"r\",\"version\":7,\"version_type\":\"external_gte\"}}\n{\"n\":1}\n";
        let read = action(kept).unwrap();
        assert_eq!(
            (read.routing.as_deref(), read.version),
            (Some("r"), Some(7))
        );
        assert_eq!(&kept[read.source..], b"{\"n\":1}\n");
        assert!(action(b"{\"create\":{}}\n{}").is_some());
        for bad in [&b"{}\n{}"[..], b"x\n{}", b"{\"index\":{}}", b""] {
            assert!(action(bad).is_none());
        }
    }
}
