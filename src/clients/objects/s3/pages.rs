//! The pages that small reads came from, kept for the next: headers, footers and tables of one file stand close together.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::limits;

/// At most [`limits::PAGES_MAX`] pages of all objects of a store; the oldest goes first.
#[derive(Default)]
pub(super) struct Pages(Mutex<VecDeque<(u64, u64, Bytes)>>);

impl Pages {
    /// Page `number` of an object.
    pub(super) fn get(&self, object: u64, number: u64) -> Option<Bytes> {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = pages
            .iter()
            .find(|page| (page.0, page.1) == (object, number));
        found.map(|page| page.2.clone())
    }

    pub(super) fn keep(&self, object: u64, number: u64, bytes: Bytes) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pages.push_back((object, number, bytes));
        if pages.len() > limits::PAGES_MAX {
            pages.pop_front();
        }
    }

    /// Nobody reads the object any more.
    pub(super) fn forget(&self, object: u64) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pages.retain(|page| page.0 != object);
    }
}
