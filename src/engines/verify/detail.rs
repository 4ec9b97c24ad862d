//! Names what differs: reads unequal buckets again, document by document, a bounded number at a time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::buckets::{Digester, Look, Table, bucket_of};
use super::compare::{VerifyError, limits};
use super::report::{Difference, DifferenceKind, IndexReport};
use super::side::SideDocument;
use super::stream::{Collect, Meter, Task, Which, read_all};

/// One side's view of a document.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    times: u32,
    raw: u128,
    canonical: u128,
    version: Option<i64>,
    /// Without a source.
    bare: bool,
}

#[derive(Debug)]
struct Entry {
    id: Box<str>,
    routing: Option<Box<str>>,
    sides: [Seen; 2],
}

type Entries = HashMap<u128, Entry>;

struct Collector<'a> {
    wanted: &'a [bool],
    look: Look,
    versions: bool,
    digester: Digester,
    taken: Entries,
    total: &'a Mutex<Entries>,
}

impl Collect for Collector<'_> {
    fn document(&mut self, which: Which, document: &SideDocument<'_>) {
        let identity = self.digester.identity(document);
        if !self.wanted[bucket_of(identity, self.wanted.len())] {
            return;
        }
        let source = which.or_no_source(document.source);
        let raw = self.digester.content(identity, source, self.look);
        let canonical = match self.look {
            // Not looked at.
            _ if raw == 0 => 0,
            _ => self.digester.content(identity, source, Look::Canonical),
        };
        let entry = self.taken.entry(identity).or_insert_with(|| Entry {
            id: document.id.into(),
            routing: document.routing.map(Into::into),
            sides: [Seen::default(); 2],
        });
        let seen = &mut entry.sides[which.number()];
        seen.times += 1;
        seen.raw = raw;
        seen.bare = document.source.is_empty();
        seen.canonical = canonical;
        seen.version = document.version.filter(|_| self.versions);
    }

    fn done(&mut self, _: &Task) -> Result<(), VerifyError> {
        let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        for (identity, entry) in self.taken.drain() {
            match total.entry(identity) {
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(entry);
                }
                std::collections::hash_map::Entry::Occupied(mut place) => {
                    for (seen, more) in place.get_mut().sides.iter_mut().zip(entry.sides) {
                        if more.times > 0 {
                            *seen = Seen {
                                times: seen.times + more.times,
                                ..more
                            };
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn broken_off(&mut self) {
        self.taken.clear();
    }
}

/// Chooses buckets for one pass: as many as hold so many documents, one at least. Takes them out of `unequal`.
fn next_pass(unequal: &mut Vec<usize>, tables: &[Table; 2]) -> Vec<usize> {
    let mut docs = 0;
    let mut take = 0;
    for bucket in unequal.iter() {
        docs += tables[0].buckets[*bucket].docs + tables[1].buckets[*bucket].docs;
        if take > 0 && docs > limits::DETAIL_DOCS {
            break;
        }
        take += 1;
    }
    unequal.drain(..take).collect()
}

/// Looks into unequal buckets and writes what differs into `report`. `false`: stopped as asked.
pub(super) fn examine(
    meter: &Meter<'_>,
    index: &str,
    tasks: &[Task],
    tables: &[Table; 2],
    mut unequal: Vec<usize>,
    look: Look,
    report: &mut IndexReport,
) -> Result<bool, VerifyError> {
    let buckets = tables[0].buckets.len();
    for _ in 0..limits::DETAIL_PASSES {
        if unequal.is_empty() {
            break;
        }
        let mut wanted = vec![false; buckets];
        for bucket in next_pass(&mut unequal, tables) {
            wanted[bucket] = true;
        }
        let total = Mutex::new(Entries::new());
        let bytes: u64 = tasks.iter().map(|(_, partition)| partition.bytes).sum();
        meter
            .bytes_total
            .fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        let finished = read_all(meter, index, tasks, &|| Collector {
            wanted: &wanted,
            look,
            versions: meter.comparison.options.versions,
            digester: Digester::default(),
            taken: Entries::new(),
            total: &total,
        })?;
        if !finished {
            return Ok(false);
        }
        let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
        classify(total, report);
    }
    if !unequal.is_empty() {
        report.unexamined_buckets = Some(unequal.len() as u64);
        for bucket in unequal {
            let (source, target) = (
                tables[0].buckets[bucket].docs,
                tables[1].buckets[bucket].docs,
            );
            report.missing += source.saturating_sub(target);
            report.extra += target.saturating_sub(source);
        }
    }
    Ok(true)
}

fn classify(entries: Entries, report: &mut IndexReport) {
    let mut entries: Vec<Entry> = entries.into_values().collect();
    entries.sort_unstable_by(|left, right| {
        (&left.id, &left.routing).cmp(&(&right.id, &right.routing))
    });
    for entry in entries {
        let [source, target] = entry.sides;
        let copies = source.times.max(1) - 1 + target.times.max(1) - 1;
        if copies > 0 {
            report.duplicates += u64::from(copies);
            let detail = format!(
                "{} times on the source, {} on the target",
                source.times, target.times
            );
            name(report, &entry, DifferenceKind::Duplicate, detail);
        }
        if target.times == 0 {
            report.missing += 1;
            name(report, &entry, DifferenceKind::Missing, String::new());
        } else if source.times == 0 {
            report.extra += 1;
            name(report, &entry, DifferenceKind::Extra, String::new());
        } else if source.version != target.version {
            report.different += 1;
            let text =
                |version: Option<i64>| version.map_or("none".to_owned(), |it| it.to_string());
            let detail = format!(
                "version {} on the source, {} on the target",
                text(source.version),
                text(target.version)
            );
            name(report, &entry, DifferenceKind::Different, detail);
        } else if source.canonical != target.canonical {
            report.different += 1;
            let detail = match (source.bare, target.bare) {
                (false, false) => "content",
                (true, _) => "content: the source keeps no `_source` of it",
                (false, true) => "content: the target keeps no `_source` of it",
            };
            name(report, &entry, DifferenceKind::Different, detail.to_owned());
        } else if source.raw != target.raw {
            report.respelled += 1;
        }
    }
}

fn name(report: &mut IndexReport, entry: &Entry, kind: DifferenceKind, detail: String) {
    let difference = Difference {
        kind,
        id: entry.id.to_string(),
        routing: entry.routing.as_deref().map(str::to_owned),
        detail,
    };
    if report.open.len() <= limits::SETTLE_DOCS {
        report.open.push(difference.clone());
    }
    let named = report
        .named
        .iter()
        .filter(|named| named.kind == kind)
        .count();
    if named < limits::NAMED {
        report.named.push(difference);
    }
}
