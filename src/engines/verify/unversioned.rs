//! A side whose documents have no versions in some indices: where the target counts anew, they say nothing.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::side::{DocumentSide, Fetched, SideDocument, SideError};
use crate::clients::target::Partition;

/// See the module.
pub struct Unversioned<'a> {
    inner: &'a dyn DocumentSide,
    indices: BTreeSet<String>,
}

impl<'a> Unversioned<'a> {
    /// Over a side; the versions of these indices are not given.
    pub fn new(inner: &'a dyn DocumentSide, indices: BTreeSet<String>) -> Self {
        Self { inner, indices }
    }
}

impl DocumentSide for Unversioned<'_> {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn partitions(&self, index: &str) -> Result<Vec<Partition>, SideError> {
        self.inner.partitions(index)
    }

    fn count(&self, index: &str) -> Result<Option<u64>, SideError> {
        self.inner.count(index)
    }

    fn moves(&self) -> bool {
        self.inner.moves()
    }

    fn fetch(
        &self,
        index: &str,
        wanted: &[(&str, Option<&str>)],
    ) -> Result<Option<Vec<Fetched>>, SideError> {
        let mut fetched = self.inner.fetch(index, wanted)?;
        if self.indices.contains(index) {
            for document in fetched.iter_mut().flatten().flatten() {
                document.version = None;
            }
        }
        Ok(fetched)
    }

    fn read(
        &self,
        index: &str,
        partition: &Partition,
        visit: &mut dyn FnMut(SideDocument<'_>) -> ControlFlow<()>,
    ) -> Result<(), SideError> {
        let versions = !self.indices.contains(index);
        self.inner.read(index, partition, &mut |document| {
            visit(SideDocument {
                version: document.version.filter(|_| versions),
                ..document
            })
        })
    }
}
