//! Reads parts back, document by document.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::layers::{self, Layers};
use super::layout::{self, Layout};
use super::manifest::Stamp;
use super::objects;
use crate::base::Fingerprint;
use crate::clients::target::batch::DELETE;
use crate::clients::target::{Partition, PartitionRead, TargetDocument, TargetError};

/// The longest line that is read. Larger than any document that is written.
const LINE_BYTES: u64 = 256 << 20;

/// Every file in `docs`, whoever wrote it.
pub(super) fn partitions(layout: &Layout, index: &str) -> Result<Vec<Partition>, TargetError> {
    let docs = layout.docs(index)?;
    let layers = layers::files(layout, index)?;
    let mut found = Vec::new();
    for name in layout::names(&docs)? {
        if layout::is_temporary(&name) {
            continue;
        }
        let above = layers
            .iter()
            .filter(|(other, _)| layers::layer_of(other) > layers::layer_of(&name));
        let above: Vec<_> = above.collect();
        let path = docs.join(&name);
        let metadata = path
            .metadata()
            .map_err(|error| TargetError::io(&path, error))?;
        found.push(Partition {
            key: name,
            bytes: metadata.len(),
            // What goes over its documents is a part of what it gives.
            stamp: if above.is_empty() {
                Stamp::of(&metadata).text()
            } else {
                let over = Fingerprint::of(&above);
                format!("{} under {}", Stamp::of(&metadata).text(), over.as_str())
            },
        });
    }
    Ok(found)
}

pub(super) fn read(
    layout: &Layout,
    layers: &Layers,
    index: &str,
    key: &str,
    visit: &mut dyn FnMut(TargetDocument<'_>) -> ControlFlow<()>,
) -> Result<PartitionRead, TargetError> {
    let path = layout.docs(index)?.join(key);
    let file = File::open(&path).map_err(|error| TargetError::io(&path, error))?;
    let mut pairs = PairReader::new(BufReader::with_capacity(1 << 20, file), &path);
    let mut result = PartitionRead::default();
    let stream = objects::facts(layout, index)?.stream;
    let named = stream.as_deref().unwrap_or(index);
    let layer = layers::layer_of(key);
    while let Some(pair) = pairs.next_pair()? {
        let bytes = pair.lines.len() as u64;
        let line = pair.line;
        let corrupt = |expected: &str| TargetError::Corrupt {
            path: path.clone(),
            line: Some(line),
            expected: expected.to_owned(),
        };
        let action = action_of(&pair).map_err(corrupt)?;
        if action.index != named {
            return Err(corrupt("documents of this index"));
        }
        result.bytes += bytes;
        if pair.deletes() || layers.hide(layer, &action.id, action.routing.as_deref()) {
            continue;
        }
        let Some(source) = pair.split().1 else {
            return Err(corrupt(
                "a source line after the action line, with a line break",
            ));
        };
        result.docs += 1;
        let document = TargetDocument {
            id: &action.id,
            routing: action.routing.as_deref(),
            version: action.version,
            source,
        };
        if visit(document).is_break() {
            break;
        }
    }
    Ok(result)
}

#[derive(Deserialize)]
struct ActionLine<'a> {
    #[serde(borrow, alias = "create", alias = "delete")]
    index: Action<'a>,
}

#[derive(Deserialize)]
pub(super) struct Action<'a> {
    #[serde(borrow, rename = "_index")]
    index: Cow<'a, str>,
    #[serde(borrow, rename = "_id")]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) routing: Option<Cow<'a, str>>,
    #[serde(default)]
    version: Option<i64>,
}

/// Whether lines are those of a deletion: one, without a source.
pub(super) fn deletes(lines: &[u8]) -> bool {
    lines.starts_with(DELETE)
}

/// The action of a document; otherwise what should stand there.
pub(super) fn action_of<'a>(pair: &Pair<'a>) -> Result<Action<'a>, &'static str> {
    let line: Result<ActionLine<'_>, _> = serde_json::from_slice(pair.split().0);
    line.map(|line| line.index)
        .map_err(|_| "an action line `{\"index\":{\"_index\":…,\"_id\":…}}`")
}

/// Two lines at a time through one buffer, one of a deletion.
pub(super) struct PairReader<R> {
    reader: R,
    path: PathBuf,
    buffer: Vec<u8>,
    line: u64,
}

/// The lines of one document, with their line breaks.
pub(super) struct Pair<'a> {
    pub(super) lines: &'a [u8],
    /// Number of the action line, from 1.
    pub(super) line: u64,
    source: usize,
}

impl<'a> Pair<'a> {
    fn deletes(&self) -> bool {
        deletes(self.lines)
    }

    /// The action line, and the source without its line break where it is whole.
    fn split(&self) -> (&'a [u8], Option<&'a [u8]>) {
        let (action, source) = self.lines.split_at(self.source);
        (action, source.strip_suffix(b"\n"))
    }
}

impl<R: BufRead> PairReader<R> {
    pub(super) fn new(reader: R, path: &Path) -> Self {
        Self {
            reader,
            path: path.to_owned(),
            buffer: Vec::new(),
            line: 1,
        }
    }

    fn line(&mut self) -> Result<usize, TargetError> {
        let read = self
            .reader
            .by_ref()
            .take(LINE_BYTES)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|error| TargetError::io(&self.path, error))?;
        if read as u64 == LINE_BYTES {
            let message = format!("line {} is longer than {LINE_BYTES} bytes", self.line);
            return Err(TargetError::io(&self.path, io::Error::other(message)));
        }
        Ok(read)
    }

    pub(super) fn next_pair(&mut self) -> Result<Option<Pair<'_>>, TargetError> {
        self.buffer.clear();
        let source = self.line()?;
        if source == 0 {
            return Ok(None);
        }
        let line = self.line;
        self.line += 1;
        if !deletes(&self.buffer) {
            self.line()?;
            self.line += 1;
        }
        Ok(Some(Pair {
            lines: &self.buffer,
            line,
            source,
        }))
    }
}
