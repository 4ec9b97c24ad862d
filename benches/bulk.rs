//! How fast documents go into a directory and are proved there, without a snapshot's decompression: what a load adds to
//! its reader. `cargo bench --bench bulk -- [documents] [bytes of a document] [folder]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use mig::base::Fingerprint;
use mig::base::version::{Product, ProductVersion, Version};
use mig::clients::target::{DirectoryTarget, Target as _};
use mig::diff::observation::{ObjectKey, ObjectKind};
use mig::engines::bulk::source::{
    ItemReader, SegmentKey, SourceDocument, SourceError, Step, StepError, Visit,
};
use mig::engines::bulk::work_store::{ItemKey, ItemSpec, LocalWorkStore, WorkIdentity};
use mig::engines::bulk::{Alone, DocumentSource, Identity, Job, Options, Part, Stop, run};
use mig::engines::verify::{
    Comparison, Content, SourceSide, TargetSide, Verdict, VerifyOptions, run as verify,
};

const SEGMENTS: u32 = 16;
const STEP: u32 = 2_000;

/// Documents of one size, made on the way.
struct Synthetic {
    docs: u32,
    source: Vec<u8>,
}

fn segment(number: u32) -> SegmentKey {
    SegmentKey {
        index: "bench".to_owned(),
        shard: 0,
        segment: format!("_{number}"),
    }
}

impl DocumentSource for Synthetic {
    fn items(&self) -> Result<Vec<ItemSpec>, SourceError> {
        let item = |number| {
            let SegmentKey {
                index,
                shard,
                segment,
            } = segment(number);
            ItemSpec {
                key: ItemKey {
                    index,
                    shard,
                    segment,
                    from: 0,
                    to: self.docs / SEGMENTS,
                },
                bytes: u64::from(self.docs / SEGMENTS) * self.source.len() as u64,
                expected: Some(u64::from(self.docs / SEGMENTS)),
            }
        };
        Ok((0..SEGMENTS).map(item).collect())
    }

    fn expected(&self) -> Result<BTreeMap<SegmentKey, Option<u64>>, SourceError> {
        let count = Some(u64::from(self.docs / SEGMENTS));
        Ok((0..SEGMENTS).map(|it| (segment(it), count)).collect())
    }

    fn open(&self, item: &ItemKey, from: u32) -> Result<Box<dyn ItemReader + '_>, SourceError> {
        Ok(Box::new(Reader {
            synthetic: self,
            prefix: format!("{}-", item.segment),
            next: from,
            end: item.to,
        }))
    }

    fn check_segment(&self, _: &SegmentKey, _: &[serde_json::Value]) -> Result<(), SourceError> {
        Ok(())
    }
}

struct Reader<'a> {
    synthetic: &'a Synthetic,
    prefix: String,
    next: u32,
    end: u32,
}

impl ItemReader for Reader<'_> {
    fn step(&mut self, docs: u32, visit: &mut Visit<'_>) -> Result<Option<Step>, StepError> {
        if self.next >= self.end {
            return Ok(None);
        }
        let to = (self.next + STEP.min(docs)).min(self.end);
        let mut id = self.prefix.clone();
        for doc in self.next..to {
            id.truncate(self.prefix.len());
            id.push_str(&doc.to_string());
            let document = SourceDocument {
                doc,
                id: &id,
                routing: None,
                version: Some(1),
                mapping_type: None,
                parent: None,
                timestamp: None,
                expiry: None,
                source: Ok(&self.synthetic.source),
                change: mig::engines::bulk::Change::Written,
            };
            visit(document).map_err(|_| StepError::Stopped)?;
        }
        let delivered = u64::from(to - self.next);
        self.next = to;
        Ok(Some(Step {
            next: to,
            delivered,
            bytes: delivered * self.synthetic.source.len() as u64,
            proof: None,
            ..Step::default()
        }))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).filter(|it| !it.starts_with("--"));
    let docs: u32 = arguments.next().map_or(Ok(1_600_000), |it| it.parse())?;
    let bytes: usize = arguments.next().map_or(Ok(450), |it| it.parse())?;
    let folder = arguments.next().map_or_else(
        || std::env::temp_dir().join("mig-bench-bulk"),
        PathBuf::from,
    );
    std::fs::create_dir_all(&folder)?;
    let source = Synthetic {
        docs,
        source: format!("{{\"text\":\"{}\"}}", "x".repeat(bytes.saturating_sub(11))).into(),
    };
    let root = folder.join("target");
    let version = ProductVersion {
        product: Product::OpenSearch,
        version: Version::new(2, 19, 0),
    };
    let target = DirectoryTarget::open(&root, version)?;
    target.prepare("bench")?;
    let index = ObjectKey {
        kind: ObjectKind::Index,
        name: "bench".to_owned(),
    };
    target.put(&index, &serde_json::json!({}))?;
    let store = LocalWorkStore::open(
        &folder.join("work"),
        &WorkIdentity {
            plan: "bench".to_owned(),
            lineage: String::new(),
            work: "bench".to_owned(),
            snapshot_uuid: String::new(),
            digest: Fingerprint::of(&"bench"),
        },
    )?;
    let megabytes = f64::from(docs) * bytes as f64 / 1e6;
    let began = Instant::now();
    let outcome = run(&Job {
        source: &source,
        target: &target,
        store: &store,
        transform: &Identity,
        crew: &Alone(2),
        part: Part::Whole,
        indices: BTreeMap::from([("bench".to_owned(), None)]),
        options: Options::new("bench", folder.join("failed")),
        check: &|_| Ok(()),
        stop: &|| Stop::No,
        progress: &|_| {},
    })?;
    report("load", began, docs, megabytes);
    if !outcome.finished {
        return Err("not finished".into());
    }
    let began = Instant::now();
    let found = verify(&Comparison {
        source: &SourceSide::new(&source, "synthetic"),
        target: &TargetSide::new(&target),
        indices: vec!["bench".to_owned()],
        options: VerifyOptions {
            settle: std::time::Duration::ZERO,
            content: Content::Full,
            versions: true,
            threads: 2,
            checkpoint: None,
            identity: Fingerprint::of(&"bench"),
        },
        stop: &|| Stop::No,
        progress: &|_| {},
    })?;
    report("verify, both sides", began, docs, megabytes * 2.0);
    if found.verdict != Verdict::Pass {
        return Err("not equal".into());
    }
    drop(store);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

#[allow(clippy::print_stdout, reason = "what a bench is for")]
fn report(what: &str, began: Instant, docs: u32, megabytes: f64) {
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{what}: {seconds:.2} s, {:.0} k documents/s, {:.0} MB/s of source",
        f64::from(docs) / seconds / 1e3,
        megabytes / seconds
    );
}
