//! Documents that later loads wrote over those of earlier ones: parts whose names begin with [`LAYER`] and a number go over
//! all parts without it and over those of lower numbers, whether their lines index or delete.
//!
//! The files stay what a `_bulk` takes in the order of their names; whoever reads an index leaves out what a higher layer
//! names. The names are held as hashes of 128 bits.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::sync::{Arc, Mutex, PoisonError};

use xxhash_rust::xxh3::Xxh3Default;

use super::layout::{self, Layout};
use super::manifest::Stamp;
use super::read::{PairReader, action_of};
use crate::clients::target::{LAYER, TargetError};

/// Documents of all layers of one index that are held, 16 bytes each.
const HELD_DOCS: usize = 16 << 20;
/// Indices whose layers are held.
const HELD_INDICES: usize = 8;

/// The layer of a file or a part; zero: it goes over nothing.
pub(super) fn layer_of(name: &str) -> u32 {
    let digits = name.strip_prefix(LAYER).and_then(|rest| rest.get(..4));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// What the layers of an index name.
#[derive(Default)]
pub(super) struct Layers(BTreeMap<u32, Vec<u128>>);

impl Layers {
    /// Whether a layer above `below` names the document.
    pub(super) fn hide(&self, below: u32, id: &str, routing: Option<&str>) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let identity = identity(id, routing);
        let mut above = self.0.range(below.saturating_add(1)..);
        above.any(|(_, names)| names.binary_search(&identity).is_ok())
    }
}

fn identity(id: &str, routing: Option<&str>) -> u128 {
    let mut hasher = Xxh3Default::new();
    let length = routing.map_or(u64::MAX, |routing| routing.len() as u64);
    hasher.update(&length.to_le_bytes());
    hasher.update(routing.unwrap_or_default().as_bytes());
    hasher.update(id.as_bytes());
    hasher.digest128()
}

/// The files of the layers of an index with what the file system says of them.
pub(super) type Files = Vec<(String, String)>;

pub(super) fn files(layout: &Layout, index: &str) -> Result<Files, TargetError> {
    let docs = layout.docs(index)?;
    let mut files = Vec::new();
    for name in layout::names(&docs)? {
        if layer_of(&name) == 0 || layout::is_temporary(&name) {
            continue;
        }
        let path = docs.join(&name);
        let metadata = path
            .metadata()
            .map_err(|error| TargetError::io(&path, error))?;
        files.push((name, Stamp::of(&metadata).text()));
    }
    Ok(files)
}

/// The layers of some indices, read once as long as their files stay.
#[derive(Default)]
pub(super) struct Held(Mutex<HashMap<String, (Files, Arc<Layers>)>>);

impl Held {
    pub(super) fn layers(&self, layout: &Layout, index: &str) -> Result<Arc<Layers>, TargetError> {
        let files = files(layout, index)?;
        if files.is_empty() {
            return Ok(Arc::default());
        }
        // Held meanwhile, so that threads on one index read its layers once.
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, layers)) = held.get(index)
            && *of == files
        {
            return Ok(Arc::clone(layers));
        }
        let layers = Arc::new(read(layout, index, &files)?);
        if held.len() >= HELD_INDICES {
            held.clear();
        }
        held.insert(index.to_owned(), (files, Arc::clone(&layers)));
        Ok(layers)
    }
}

fn read(layout: &Layout, index: &str, files: &Files) -> Result<Layers, TargetError> {
    let docs = layout.docs(index)?;
    let mut layers = Layers::default();
    let mut count = 0;
    for (name, _) in files {
        let path = docs.join(name);
        let file = File::open(&path).map_err(|error| TargetError::io(&path, error))?;
        let names = layers.0.entry(layer_of(name)).or_default();
        let mut pairs = PairReader::new(BufReader::with_capacity(1 << 20, file), &path);
        while let Some(pair) = pairs.next_pair()? {
            let line = pair.line;
            let action = action_of(&pair).map_err(|expected| TargetError::Corrupt {
                path: path.clone(),
                line: Some(line),
                expected: expected.to_owned(),
            })?;
            count += 1;
            if count > HELD_DOCS {
                return Err(TargetError::Refused {
                    location: path.display().to_string(),
                    what: format!(
                        "the documents of index {index}: more than {HELD_DOCS} of them were changed, which is more than a \
                         directory is read back with; load such an index into a cluster, or anew without `since`"
                    ),
                });
            }
            names.push(identity(&action.id, action.routing.as_deref()));
        }
    }
    for names in layers.0.values_mut() {
        names.sort_unstable();
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_layers_hide_lower_ones() {
        assert_eq!(layer_of("0-_3-0.ndjson"), 0);
        assert_eq!(layer_of("delta-0002-1-0-removed_3-0.ndjson"), 2);
        let names = vec![identity("1", None)];
        let layers = Layers(BTreeMap::from([(2, names)]));
        assert!(layers.hide(0, "1", None) && layers.hide(1, "1", None));
        assert!(!layers.hide(2, "1", None) && !layers.hide(0, "1", Some("")));
    }
}
