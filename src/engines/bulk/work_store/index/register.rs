//! How items come into a store, begin anew, and are learned by those who are at work already.

use super::header::{self, Header, header_id, header_tag, item_tag};
use super::{IndexWorkStore, Inner, LastWrite, TRIES, read_items};
use crate::base::failpoint;
use crate::clients::target::cluster::working_state::Condition;
use crate::engines::bulk::work_store::table::Record;
use crate::engines::bulk::work_store::{ItemProgress, ItemSpec, ItemState, ItemStatus, WorkError};

impl IndexWorkStore<'_> {
    pub(super) fn register_items(&self, items: &[ItemSpec]) -> Result<u64, WorkError> {
        let mut inner = self.inner();
        let mut added = 0;
        for _ in 0..TRIES {
            let new = inner.table.new_items(items)?;
            if new.is_empty() {
                return Ok(added);
            }
            self.append(&mut inner, &new)?;
            self.learn_header(&mut inner)?;
            added = new.len() as u64;
        }
        match inner.table.new_items(items)?.first() {
            None => Ok(added),
            Some(item) => Err(self.contended(item)),
        }
    }

    /// Adds items behind those that are there.
    fn append(&self, inner: &mut Inner, new: &[ItemSpec]) -> Result<(), WorkError> {
        let first = inner.header.items;
        let fresh: Vec<(String, ItemState, Condition)> = new
            .iter()
            .enumerate()
            .map(|(at, item)| {
                let state = ItemState::fresh(item.clone());
                (inner.ids.id(first + at), state, Condition::Absent)
            })
            .collect();
        let tag = item_tag(&self.identity);
        self.server.put_many(tag, &fresh)?;
        failpoint::hit("work-after-register");
        // Those that a process left that died here may be of another list.
        let found = read_items(&self.server, &inner.ids, first..first + new.len())?;
        let stale: Vec<(String, ItemState, Condition)> = fresh
            .iter()
            .zip(&found)
            .filter(|((_, wanted, _), found)| found.body.item != wanted.item)
            .map(|((id, wanted, _), found)| {
                let condition = LastWrite::of(found).unchanged();
                (id.clone(), wanted.clone(), condition)
            })
            .collect();
        self.server.put_many(tag, &stale)?;
        let header = Header {
            items: first + new.len(),
            ..inner.header.clone()
        };
        self.write_header(inner, &header)?;
        failpoint::hit("work-after-registered");
        Ok(())
    }

    /// Writes the header if nobody else did. Whether this write or another's went through is read by the caller.
    fn write_header(&self, inner: &Inner, header: &Header) -> Result<(), WorkError> {
        let id = header_id(&self.identity.plan, &self.identity.work);
        let condition = inner.header_write.unchanged();
        let tag = header_tag(&self.identity);
        self.server.put(&id, tag, header, condition, true).map(drop)
    }

    /// Reads the header, and the items that are new in it; all of them where items began anew.
    pub(super) fn learn_header(&self, inner: &mut Inner) -> Result<(), WorkError> {
        let found = header::read(&self.server, &self.identity.plan, &self.identity.work)?
            .filter(|found| found.body.epoch == inner.header.epoch)
            .ok_or_else(|| self.gone())?;
        header::same_version(&self.server, &found.body)?;
        let known = inner.table.items().len();
        let items = read_items(&self.server, &inner.ids, known..found.body.items)?;
        // After the reading, which may have lasted: a write is not to seem older than it is.
        let now = self.time.monotonic();
        if found.body.resets != inner.header.resets {
            let all: Vec<usize> = (0..known).collect();
            self.learn(inner, &all)?;
        }
        inner.header_write = LastWrite::of(&found);
        inner.header_looked = now;
        inner.header = found.body;
        for stored in items {
            inner.writes.push(LastWrite::of(&stored).seen_at(now));
            let record = Record::Item {
                state: Box::new(stored.body),
            };
            inner
                .table
                .apply(record)
                .map_err(|what| self.server.corrupt(what))?;
        }
        Ok(())
    }

    pub(super) fn reset_items(&self, index: Option<&str>) -> Result<u64, WorkError> {
        let mut inner = self.inner();
        let items = inner.table.items().iter().enumerate();
        let mut open: Vec<usize> = items
            .filter(|(_, state)| index.is_none_or(|index| index == state.item.key.index))
            .map(|(number, _)| number)
            .collect();
        let affected = open.len() as u64;
        for _ in 0..TRIES {
            if open.is_empty() {
                break;
            }
            self.write_many(&mut inner, &open, ItemState::anew)?;
            open.retain(|number| {
                let found = &inner.table.items()[*number];
                found.status != ItemStatus::Free || found.progress != ItemProgress::default()
            });
        }
        if let Some(number) = open.first() {
            return Err(self.contended(&inner.table.items()[*number].item));
        }
        self.tell_reset(&mut inner)?;
        Ok(affected)
    }

    /// Has the others read all items again.
    fn tell_reset(&self, inner: &mut Inner) -> Result<(), WorkError> {
        for _ in 0..TRIES {
            let wanted = inner.header.resets + 1;
            let header = Header {
                resets: wanted,
                ..inner.header.clone()
            };
            self.write_header(inner, &header)?;
            self.learn_header(inner)?;
            if inner.header.resets >= wanted {
                return Ok(());
            }
        }
        Err(self
            .server
            .corrupt("the header is written by somebody else all the time"))
    }
}
