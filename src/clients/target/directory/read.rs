//! Reads parts back, document by document.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::layout::{self, Layout};
use super::manifest::Stamp;
use super::objects;
use crate::clients::target::{Partition, PartitionRead, TargetDocument, TargetError};

/// The longest line that is read. Larger than any document that is written.
const LINE_BYTES: u64 = 256 << 20;

/// Every file in `docs`, whoever wrote it.
pub(super) fn partitions(layout: &Layout, index: &str) -> Result<Vec<Partition>, TargetError> {
    let docs = layout.docs(index)?;
    let mut found = Vec::new();
    for name in layout::names(&docs)? {
        if layout::is_temporary(&name) {
            continue;
        }
        let path = docs.join(&name);
        let metadata = path
            .metadata()
            .map_err(|error| TargetError::io(&path, error))?;
        found.push(Partition {
            key: name,
            bytes: metadata.len(),
            stamp: Stamp::of(&metadata).text(),
        });
    }
    Ok(found)
}

pub(super) fn read(
    layout: &Layout,
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
    while let Some(pair) = pairs.next_pair()? {
        let bytes = pair.lines.len() as u64;
        let line = pair.line;
        let corrupt = |expected: &str| TargetError::Corrupt {
            path: path.clone(),
            line: Some(line),
            expected: expected.to_owned(),
        };
        let (action, source) = pair.split();
        let Some(source) = source else {
            return Err(corrupt(
                "a source line after the action line, with a line break",
            ));
        };
        let action: ActionLine<'_> = serde_json::from_slice(action)
            .map_err(|_| corrupt("an action line `{\"index\":{\"_index\":…,\"_id\":…}}`"))?;
        if action.index.index != named {
            return Err(corrupt("documents of this index"));
        }
        result.docs += 1;
        result.bytes += bytes;
        let document = TargetDocument {
            id: &action.index.id,
            routing: action.index.routing.as_deref(),
            version: action.index.version,
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
    #[serde(borrow, alias = "create")]
    index: Action<'a>,
}

#[derive(Deserialize)]
struct Action<'a> {
    #[serde(borrow, rename = "_index")]
    index: Cow<'a, str>,
    #[serde(borrow, rename = "_id")]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    routing: Option<Cow<'a, str>>,
    #[serde(default)]
    version: Option<i64>,
}

/// Two lines at a time through one buffer.
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
        self.line()?;
        let line = self.line;
        self.line += 2;
        Ok(Some(Pair {
            lines: &self.buffer,
            line,
            source,
        }))
    }
}
