//! Documents in memory for the tests of loading and verifying, and a reader that makes mistakes on purpose.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use mig::base::Fingerprint;
use mig::base::version::{Product, ProductVersion, Version};
use mig::clients::target::{DirectoryTarget, Target};
use mig::diff::observation::{ObjectKey, ObjectKind};
use mig::engines::bulk::retry::{self, Again, RetryOutcome};
use mig::engines::bulk::source::{
    ItemReader, SegmentKey, SourceDocument, SourceError, Step, StepError, Unusable, Visit,
};
use mig::engines::bulk::work_store::{ItemKey, ItemSpec, ItemState, LocalWorkStore, WorkIdentity};
use mig::engines::bulk::{
    Alone, BulkError, BulkOutcome, DocumentSource, Identity, Job, Options, Part, Stop, run,
};
use mig::engines::verify::{
    Comparison, Content, Report, SourceSide, TargetSide, VerifyOptions, run as verify_run,
};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Doc {
    pub(crate) id: String,
    pub(crate) routing: Option<String>,
    pub(crate) version: Option<i64>,
    /// `None`: can't be written.
    pub(crate) source: Option<Vec<u8>>,
}

impl Doc {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            id: format!("id-{number}"),
            routing: number.is_multiple_of(3).then(|| format!("r{}", number % 7)),
            version: Some(1 + i64::try_from(number % 5).unwrap()),
            source: Some(format!("{{\"n\":{number},\"text\":\"ärger \\\"{number}\\\"\"}}").into()),
        }
    }
}

/// What a broken reader does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mutation {
    Drop,
    Duplicate,
    Alter,
}

/// Segments of index `shop` in memory.
pub(crate) struct Memory {
    pub(crate) segments: Vec<Vec<Doc>>,
    pub(crate) item_docs: usize,
    pub(crate) step_docs: usize,
    /// Whether it knows its counts by a second path.
    pub(crate) counts: bool,
    /// Applied to the document with this id.
    pub(crate) mutation: Option<(Mutation, String)>,
}

impl Memory {
    pub(crate) fn new(segments: Vec<Vec<Doc>>) -> Self {
        Self {
            segments,
            item_docs: 20,
            step_docs: 4,
            counts: true,
            mutation: None,
        }
    }

    pub(crate) fn numbered(segments: usize, docs: usize) -> Self {
        let number = |segment| {
            (segment * docs..(segment + 1) * docs)
                .map(Doc::new)
                .collect()
        };
        Self::new((0..segments).map(number).collect())
    }

    pub(crate) fn docs(&self) -> impl Iterator<Item = &Doc> {
        self.segments.iter().flatten()
    }
}

fn key(segment: usize) -> SegmentKey {
    SegmentKey {
        index: "shop".to_owned(),
        shard: 0,
        segment: format!("_{segment}"),
    }
}

fn u32_of(number: usize) -> u32 {
    u32::try_from(number).unwrap()
}

impl DocumentSource for Memory {
    fn items(&self) -> Result<Vec<ItemSpec>, SourceError> {
        let mut items = Vec::new();
        for (number, docs) in self.segments.iter().enumerate() {
            for from in (0..docs.len()).step_by(self.item_docs) {
                let to = (from + self.item_docs).min(docs.len());
                items.push(ItemSpec {
                    key: ItemKey {
                        index: "shop".to_owned(),
                        shard: 0,
                        segment: format!("_{number}"),
                        from: u32_of(from),
                        to: u32_of(to),
                    },
                    bytes: (to - from) as u64,
                    expected: self.counts.then_some((to - from) as u64),
                });
            }
        }
        Ok(items)
    }

    fn expected(&self) -> Result<BTreeMap<SegmentKey, Option<u64>>, SourceError> {
        Ok(self
            .segments
            .iter()
            .enumerate()
            .map(|(number, docs)| (key(number), self.counts.then_some(docs.len() as u64)))
            .collect())
    }

    fn open(&self, item: &ItemKey, from: u32) -> Result<Box<dyn ItemReader + '_>, SourceError> {
        let segment: usize = item.segment[1..].parse().unwrap();
        Ok(Box::new(Reader {
            memory: self,
            docs: &self.segments[segment],
            next: from as usize,
            end: item.to as usize,
        }))
    }

    fn check_segment(
        &self,
        segment: &SegmentKey,
        proofs: &[serde_json::Value],
    ) -> Result<(), SourceError> {
        let number: usize = segment.segment[1..].parse().unwrap();
        let read: u64 = proofs.iter().filter_map(serde_json::Value::as_u64).sum();
        assert_eq!(
            read,
            self.segments[number].len() as u64,
            "every step proved once"
        );
        Ok(())
    }
}

struct Reader<'a> {
    memory: &'a Memory,
    docs: &'a [Doc],
    next: usize,
    end: usize,
}

impl ItemReader for Reader<'_> {
    fn step(&mut self, docs: u32, visit: &mut Visit<'_>) -> Result<Option<Step>, StepError> {
        if self.next >= self.end {
            return Ok(None);
        }
        let to = (self.next + self.memory.step_docs.min(docs as usize)).min(self.end);
        let mut delivered = 0;
        for (number, doc) in self.docs.iter().enumerate().take(to).skip(self.next) {
            let mutation = self.memory.mutation.as_ref();
            let mutation = mutation
                .filter(|(_, id)| *id == doc.id)
                .map(|(kind, _)| *kind);
            let altered = b"{\"altered\":true}".as_slice();
            let unusable = Unusable {
                class: "source-invalid",
                reason: "a test",
                raw: b"\xff\x00",
                skip: false,
            };
            let source = match (&doc.source, mutation) {
                (_, Some(Mutation::Alter)) => Ok(altered),
                (Some(source), _) => Ok(source.as_slice()),
                (None, _) => Err(unusable),
            };
            let times = match mutation {
                Some(Mutation::Drop) => 0,
                Some(Mutation::Duplicate) => 2,
                _ => 1,
            };
            for _ in 0..times {
                delivered += 1;
                let document = SourceDocument {
                    doc: u32_of(number),
                    id: &doc.id,
                    routing: doc.routing.as_deref(),
                    version: doc.version,
                    mapping_type: None,
                    parent: None,
                    timestamp: None,
                    expiry: None,
                    source,
                    change: mig::engines::bulk::Change::Written,
                };
                visit(document).map_err(|_| StepError::Stopped)?;
            }
        }
        let proof = to - self.next;
        self.next = to;
        Ok(Some(Step {
            next: u32_of(to),
            delivered,
            bytes: proof as u64,
            proof: Some(proof.into()),
            ..Step::default()
        }))
    }
}

pub(crate) fn version() -> ProductVersion {
    ProductVersion {
        product: Product::OpenSearch,
        version: Version {
            major: 2,
            minor: Some(19),
            patch: None,
        },
    }
}

pub(crate) fn index(name: &str) -> ObjectKey {
    ObjectKey {
        kind: ObjectKind::Index,
        name: name.to_owned(),
    }
}

/// A directory target with these indices.
pub(crate) fn target(root: &Path, indices: &[&str]) -> DirectoryTarget {
    let target = DirectoryTarget::open(root, version()).unwrap();
    target.prepare("test").unwrap();
    for name in indices {
        if target.get(&index(name)).unwrap().is_none() {
            target.put(&index(name), &serde_json::json!({})).unwrap();
        }
    }
    target
}

pub(crate) fn identity() -> WorkIdentity {
    WorkIdentity {
        plan: "test".to_owned(),
        lineage: "lineage".to_owned(),
        work: "docs".to_owned(),
        snapshot_uuid: "uuid".to_owned(),
        digest: Fingerprint::of(&"work"),
    }
}

pub(crate) fn options(root: &Path) -> Options {
    Options {
        batch_docs: 3,
        ..Options::new("test", root.with_extension("failed"))
    }
}

/// Stops at the n-th question.
pub(crate) struct StopAt {
    pub(crate) calls: AtomicU64,
    pub(crate) at: u64,
    pub(crate) how: Stop,
    /// Whether those of workers alone count: how often their crew asks depends on time.
    of_workers: bool,
}

impl StopAt {
    pub(crate) fn new(at: u64, how: Stop) -> Self {
        Self {
            calls: AtomicU64::new(0),
            at,
            how,
            of_workers: false,
        }
    }

    /// At the n-th question of a worker of a load.
    pub(crate) fn of_workers(at: u64, how: Stop) -> Self {
        Self {
            of_workers: true,
            ..Self::new(at, how)
        }
    }

    pub(crate) fn ask(&self) -> Stop {
        let thread = std::thread::current();
        let is_worker = thread.name().is_some_and(|it| it.starts_with("worker-"));
        let counts = is_worker || !self.of_workers;
        let asked = self.calls.fetch_add(u64::from(counts), Ordering::SeqCst);
        if asked >= self.at { self.how } else { Stop::No }
    }
}

/// Loads all indices that the target has, by two workers.
pub(crate) fn load(
    source: &dyn DocumentSource,
    root: &Path,
    options: Options,
    stop: &(dyn Fn() -> Stop + Sync),
) -> Result<BulkOutcome, BulkError> {
    load_by(2, source, root, options, stop)
}

/// As [`load`], by so many workers.
pub(crate) fn load_by(
    workers: u32,
    source: &dyn DocumentSource,
    root: &Path,
    options: Options,
    stop: &(dyn Fn() -> Stop + Sync),
) -> Result<BulkOutcome, BulkError> {
    let target = DirectoryTarget::open(root, version()).unwrap();
    let names = target.list(ObjectKind::Index).unwrap();
    let store = LocalWorkStore::open(&root.join(".migrations_working_state"), &identity())?;
    let indices = names
        .into_iter()
        .map(|name| {
            let facts = target.index_facts(&name, 0).unwrap().unwrap();
            (name, Some(facts.uuid))
        })
        .collect();
    run(&Job {
        source,
        target: &target,
        store: &store,
        transform: &Identity,
        crew: &Alone(workers),
        part: Part::Whole,
        indices,
        options,
        check: &|_| Ok(()),
        stop,
        progress: &|_| {},
    })
}

pub(crate) fn verify(source: &dyn DocumentSource, root: &Path, content: Content) -> Report {
    let target = DirectoryTarget::open(root, version()).unwrap();
    let source = SourceSide::new(source, "memory");
    verify_run(&Comparison {
        source: &source,
        target: &TargetSide::new(&target),
        indices: target.list(ObjectKind::Index).unwrap(),
        options: VerifyOptions {
            settle: std::time::Duration::ZERO,
            content,
            versions: true,
            threads: 2,
            checkpoint: None,
            identity: Fingerprint::of(&"test"),
        },
        stop: &|| Stop::No,
        progress: &|_| {},
    })
    .unwrap()
}

/// The items as the work store has them.
pub(crate) fn items(root: &Path) -> Vec<ItemState> {
    let state = root.join(".migrations_working_state");
    let found = LocalWorkStore::peek_items(&state, "test", "docs").unwrap();
    found.unwrap().1
}

/// Sends what failed again.
pub(crate) fn retry_by(
    workers: u32,
    source: &dyn DocumentSource,
    root: &Path,
    options: Options,
    again: Again,
    stop: &(dyn Fn() -> Stop + Sync),
) -> Result<RetryOutcome, BulkError> {
    let target = DirectoryTarget::open(root, version()).unwrap();
    let store = LocalWorkStore::open(&root.join(".migrations_working_state"), &identity())?;
    let uuid = target.index_facts("shop", 0).unwrap().unwrap().uuid;
    retry::run(
        &Job {
            source,
            target: &target,
            store: &store,
            transform: &Identity,
            crew: &Alone(workers),
            part: Part::Helping,
            indices: [("shop".to_owned(), Some(uuid))].into(),
            options,
            check: &|_| Ok(()),
            stop,
            progress: &|_| {},
        },
        again,
    )
}
