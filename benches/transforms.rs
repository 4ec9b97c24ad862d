//! What transforms cost a document on its way into a batch, beside none: one thread, no reading and no writing.
//! `cargo bench --bench transforms -- [documents]`.

use std::time::Instant;

use mig::clients::target::Batch;
use mig::clients::target::batch::Action;
use mig::engines::bulk::{DocumentView, Identity, Scratch, Transform as InPipeline, Transformed};
use mig::engines::transform::Transforms;
use mig::plan::location::Location;
use mig::plan::model::{MappingEdits, Script, Step, StepKind, Transform};
use mig::plan::selector::Selector;

const BATCH_BYTES: usize = 5 << 20;
const ROUNDS: usize = 5;

/// A line of an access log as a document.
const SOURCE: &[u8] = br#"{"@timestamp":"2020-11-18T07:45:08Z","message":"203.0.113.231 - - [18/Nov/2020:07:45:08 +0000] \"GET /search?q=coat+hook HTTP/1.1\" 200 19341","client":"203.0.113.231","http":{"method":"GET","path":"/search?q=coat+hook","status":200,"bytes":19341},"agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/14.0 Safari/605.1.15"}"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).filter(|it| !it.starts_with("--"));
    let docs: u32 = arguments.next().map_or(Ok(300_000), |it| it.parse())?;
    let rename = StepKind::Rename(vec![
        ("client".into(), "address".into()),
        ("http.path".into(), "http.url".into()),
    ]);
    let jq = |text: &str| StepKind::Jq {
        script: Script {
            path: "bench.jq".into(),
            text: text.to_owned(),
            file: 0,
        },
        args: Vec::new(),
    };
    let cases: Vec<(&str, Box<dyn InPipeline>)> = vec![
        ("none", Box::new(Identity)),
        ("rename of two fields", Box::new(through(rename)?)),
        (
            "drop that meets nothing",
            Box::new(through(StepKind::Drop(vec!["absent".into()]))?),
        ),
        ("jq `.`", Box::new(through(jq("."))?)),
        (
            "jq with a condition and a new field",
            Box::new(through(jq(
                "if .http.status >= 500 then empty else .http.class = \"\\(.http.status / 100 | floor)xx\" | del(.message) end",
            ))?),
        ),
    ];
    // In turn, so that what else the machine does meets all of them.
    let mut rounds = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for (at, (_, transform)) in cases.iter().enumerate() {
            let began = Instant::now();
            pass(transform.as_ref(), docs)?;
            rounds[at].push(began.elapsed().as_secs_f64());
        }
    }
    for round in &mut rounds {
        round.sort_by(f64::total_cmp);
    }
    for ((name, _), round) in cases.iter().zip(&rounds) {
        report(name, docs, round, &rounds[0]);
    }
    Ok(())
}

fn through(kind: StepKind) -> Result<Transforms, String> {
    let transform = Transform {
        name: "bench".to_owned(),
        indices: Selector::all(),
        steps: vec![Step {
            kind,
            location: Location::default(),
        }],
        mappings: MappingEdits::default(),
        location: Location::default(),
    };
    Transforms::new(
        &[transform],
        [mig::engines::transform::Index {
            name: "logs".to_owned(),
            transforms: vec![0],
            types: Vec::new(),
        }],
    )
}

fn pass(transform: &dyn InPipeline, docs: u32) -> Result<(), String> {
    let mut scratch = Scratch::default();
    let mut batch = Batch::default();
    for doc in 0..docs {
        scratch.clear();
        let view = DocumentView {
            index: "logs",
            id: "--QEVC7YcfuwedWiMdA5",
            routing: None,
            source: SOURCE,
        };
        match transform.apply(view, &mut scratch) {
            Transformed::Write(view) => {
                let action = Action {
                    index: None,
                    id: view.id,
                    routing: None,
                    version: Some(1),
                    create: false,
                    delete: false,
                };
                batch.push(doc, action, view.source);
            }
            Transformed::Drop { by } => return Err(format!("left out by {by}")),
            Transformed::Fail { reason } => return Err(reason.to_owned()),
        }
        if batch.bytes() >= BATCH_BYTES {
            batch.clear(BATCH_BYTES);
        }
    }
    Ok(())
}

/// The least and the median of the rounds, both sorted.
#[allow(clippy::print_stdout, reason = "what a bench is for")]
fn report(what: &str, docs: u32, rounds: &[f64], none: &[f64]) {
    let docs = f64::from(docs);
    let middle = rounds.len() / 2;
    println!(
        "{what}: best {:.0} k documents/s, {:.2} of none, {:.2} µs a document; median {:.0} k, {:.2} of none",
        docs / rounds[0] / 1e3,
        none[0] / rounds[0],
        rounds[0] * 1e6 / docs,
        docs / rounds[middle] / 1e3,
        none[middle] / rounds[middle],
    );
}
