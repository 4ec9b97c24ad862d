//! The codes that only a look at stores and targets can find: each is brought about on a real snapshot, and what a user
//! gets is held to `tests/fixtures/plans/planning/CODE.txt`. `MIG_BLESS=1` writes these.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mig::base::{Address, Fingerprint};
use mig::clients::objects::DirectoryStore;
use mig::engines::snapshot::Repository;
use mig::plan::codes;
use mig::plan::model::{PhaseKindName, StateLocation};
use mig::state::Holder;
use mig::state::model::{Entry, SideEffect};
use serde_json::json;

use super::altered_shop::{AlteredShop, INDEX, copy, dat};
use super::support::{Place, Ran, fixture};

const META: &str = "  base: { snapshot: { existing: { store: snapshots, name: nightly-1 } } }
  meta: { metadata: { from: base, to: os } }
";
const DOCS: &str = "  docs: { backfill: { from: base, to: os, workers: 1 } }
  same: { verify: { source: base, target: os } }
";

fn phases(more: &str) -> String {
    format!("{META}{more}")
}

/// With a store whose path is as long on every machine, since texts are wrapped.
fn place(phases: &str) -> Place {
    let place = Place::with(phases);
    std::os::unix::fs::symlink(fixture("shop"), place.path("snapshots")).unwrap();
    write_plan(&place, phases);
    place
}

fn write_plan(place: &Place, phases: &str) {
    place.write_plan(phases);
    let plan = fs::read_to_string(place.path("plan.yaml")).unwrap();
    let long = fixture("shop").display().to_string();
    fs::write(place.path("plan.yaml"), plan.replace(&long, "snapshots")).unwrap();
}

/// A plan over a repository of the shop in which something can't be read.
fn altered(change: impl FnOnce(&AlteredShop)) -> Ran {
    let phases = phases(DOCS);
    let place = Place::with(&phases);
    change(&AlteredShop::at(&place.path("snapshots")));
    write_plan(&place, &phases);
    place.mig(&["plan"])
}

/// The same without documents.
fn altered_metadata(change: impl FnOnce(&AlteredShop)) -> Ran {
    let place = Place::with(META);
    change(&AlteredShop::at(&place.path("snapshots")));
    write_plan(&place, META);
    place.mig(&["plan"])
}

/// The index of the shop that has no documents, which makes it quick to work with.
fn change_drafts(place: &Place) {
    let path = place.path("out/indices/drafts/index.json");
    let text = fs::read_to_string(&path).unwrap();
    let changed = text.replace("number_of_shards\": \"2\"", "number_of_shards\": \"3\"");
    assert_ne!(text, changed, "{text}");
    fs::write(path, changed).unwrap();
}

/// A target whose index `drafts` another plan made and somebody changed.
fn with_changed_drafts(decide: &str) -> Ran {
    let place = place(META);
    place.apply().ends_with(0);
    change_drafts(&place);
    fs::remove_dir_all(place.path("state")).unwrap();
    write_plan(
        &place,
        &META.replace("to: os }", &format!("to: os{decide} }}")),
    );
    let plan = fs::read_to_string(place.path("plan.yaml")).unwrap();
    fs::write(
        place.path("plan.yaml"),
        plan.replace("plan: test", "plan: other"),
    )
    .unwrap();
    place.mig(&["plan"])
}

/// What a server answers to a path.
type Answers = fn(&str) -> (u16, &'static str);

/// A server with nothing in it. Ends with the tests.
fn server(answers: Answers) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            std::thread::spawn(move || answer_all(connection.unwrap(), answers));
        }
    });
    address
}

/// Refuses every mapping, as one without a plugin does.
fn refusing(path: &str) -> (u16, &'static str) {
    if path.ends_with("_simulate") {
        let words = r#"{"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "No handler for type [text] declared on field [title]"}}"#;
        return (400, words);
    }
    empty(path)
}

/// Takes two shards, and one that is open.
fn full(path: &str) -> (u16, &'static str) {
    if path.starts_with("/_cluster/settings") {
        return (
            200,
            r#"{"persistent": {"cluster": {"max_shards_per_node": "2"}}}"#,
        );
    }
    if path.starts_with("/_cluster/health") {
        return (200, r#"{"number_of_data_nodes": 1}"#);
    }
    if path.starts_with("/_cat/indices") {
        return (200, r#"[{"status": "open", "pri": "1", "rep": "0"}]"#);
    }
    empty(path)
}

fn empty(path: &str) -> (u16, &'static str) {
    if path == "/" {
        let about = r#"{"cluster_uuid": "u", "cluster_name": "c", "version": {"distribution": "opensearch", "number": "2.19.1"}}"#;
        (200, about)
    } else if path.contains("_working_state") {
        (404, "{}")
    } else {
        (200, "{}")
    }
}

fn answer_all(mut connection: TcpStream, answers: Answers) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut first = String::new();
    while reader.read_line(&mut first).unwrap_or(0) > 0 {
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if header.trim().is_empty() {
                break;
            }
        }
        std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink()).unwrap();
        let (status, body) = answers(first.split(' ').nth(1).unwrap());
        write!(
            connection,
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        first.clear();
    }
}

/// The index without documents to a server.
fn to_server(answers: Answers) -> Ran {
    let address = server(answers);
    let place = place(META);
    let plan = fs::read_to_string(place.path("plan.yaml")).unwrap();
    let only = META.replace(
        "to: os }",
        "to: os, include: { indices: [drafts], aliases: none, templates: none, component-templates: none } }",
    );
    let plan = plan.replace(META, &only).replace(
        "directory: out, as: \"2.19\"",
        &format!("endpoint: \"http://{address}\""),
    );
    fs::write(place.path("plan.yaml"), plan).unwrap();
    place.mig(&["plan"])
}

/// A plan whose snapshot an operator deleted before all was loaded from it.
fn snapshot_deleted() -> Ran {
    let address = server(empty);
    let phases = "  base: { snapshot: { of: es, to: snapshots } }\n  docs: { backfill: { from: base, to: os } }\n";
    let place = place(phases);
    fs::remove_file(place.path("snapshots")).unwrap();
    fs::create_dir(place.path("snapshots")).unwrap();
    let plan = fs::read_to_string(place.path("plan.yaml")).unwrap();
    let es = format!("clusters:\n  es: {{ endpoint: \"http://{address}\" }}");
    fs::write(place.path("plan.yaml"), plan.replace("clusters:", &es)).unwrap();
    let location = StateLocation::Directory(place.path("state"));
    let store = mig::state::open(&location).unwrap();
    let holder = Holder {
        pid: std::process::id(),
        host: "here".into(),
        who: "ann".into(),
        operation: "apply".into(),
        since: Timestamp::UNIX_EPOCH,
    };
    let mut state = store
        .lock(&holder, Duration::from_secs(10), &mut |_| {})
        .unwrap();
    let base = || Address::from("base");
    for entry in [
        mig::state::new_state("test"),
        Entry::PhaseStarted {
            address: base(),
            kind: PhaseKindName::Snapshot,
            spec: json!({}),
            inputs: Fingerprint::of(&"then"),
        },
        Entry::Effect {
            address: base(),
            effect: SideEffect {
                on: Address::from("es"),
                what: "create-snapshot".into(),
                name: "mig-test-base".into(),
                detail: json!({"repository": "mig-test-snapshots", "store": "snapshots"}),
            },
        },
        Entry::PhaseDone {
            address: base(),
            outputs: json!({"uuid": "u", "name": "mig-test-base"}),
            evidence: Vec::new(),
        },
        Entry::EndedForGood {
            address: base(),
            by: "ann".into(),
            detail: json!({"snapshots": ["mig-test-base"]}),
        },
    ] {
        state
            .append("2020-01-01T00:00:00Z".parse().unwrap(), &entry)
            .unwrap();
    }
    drop(state);
    place.mig(&["plan"])
}

/// A plan over the snapshot that a real server took.
fn of_server(server: &str, phases: &str) -> Place {
    let place = Place::with(phases);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/versions");
    let repository = fixtures.join(server).join("repository");
    std::os::unix::fs::symlink(repository, place.path("snapshots")).unwrap();
    write_plan(&place, phases);
    place
}

/// A plan for the data stream of two generations of a real Elasticsearch 8.11.
fn of_stream(templates: &str) -> Place {
    let phases = format!(
        "  base: {{ snapshot: {{ existing: {{ store: snapshots, name: first }} }} }}
  meta: {{ metadata: {{ from: base, to: os, include: {{ indices: [stream-web], aliases: none, templates: {templates}, component-templates: none }} }} }}
  docs: {{ backfill: {{ from: base, to: os, indices: [stream-web] }} }}
  same: {{ verify: {{ source: base, target: os, indices: [stream-web] }} }}
"
    );
    of_server("elasticsearch-8.11.0", &phases)
}

/// The same stream, after its template came to let clients route its documents.
fn routed() -> Ran {
    let place = of_stream("[streams]");
    let snapshots = place.path("snapshots");
    let real = fs::read_link(&snapshots).unwrap();
    fs::remove_file(&snapshots).unwrap();
    copy(&real, &snapshots);
    let repository = Repository::open(Arc::new(DirectoryStore::new(&snapshots))).unwrap();
    let snapshot = repository.snapshot("first").unwrap();
    let mut global = snapshot.global_metadata().unwrap();
    let template = global.index_templates.get_mut("streams").unwrap();
    template["data_stream"]["allow_custom_routing"] = json!(true);
    let body = json!({"meta-data": {
        "index_template": {"index_template": global.index_templates},
        "data_stream": global.other["data_stream"],
    }});
    let blob = snapshots.join(format!("meta-{}.dat", snapshot.uuid()));
    fs::write(blob, dat("metadata", &body)).unwrap();
    place.mig(&["plan"])
}

/// A plan over the index with several types of a real Elasticsearch 2.4.6.
fn with_types(more: &str) -> Ran {
    let phases = format!(
        "  base: {{ snapshot: {{ existing: {{ store: snapshots, name: first }} }} }}
  meta: {{ metadata: {{ from: base, to: os, include: {{ indices: [types], aliases: none, templates: none }}, rules: {{ MIG129: allow }}{more} }} }}
  docs: {{ backfill: {{ from: base, to: os, indices: [types] }} }}
  same: {{ verify: {{ source: base, target: os, indices: [types] }} }}
"
    );
    of_server("elasticsearch-2.4.6", &phases).mig(&["plan"])
}

/// A plan that sends the shop through a transform for these indices.
fn with_transform(indices: &str) -> Ran {
    let through = "to: os, transforms: [private]";
    let phases = format!(
        "{}transforms: {{ private: {{ indices: {indices}, steps: [{{ drop: [email] }}] }} }}\n",
        phases(DOCS).replace("to: os", through)
    );
    let phases = phases.replace("target: os, transforms: [private]", "target: os");
    place(&phases).mig(&["plan"])
}

fn scene(code: &str) -> Ran {
    match code {
        "MIG049" => {
            let more = "  a: { backfill: { from: base, to: os, indices: [\"logs-*\"] } }
  b: { backfill: { from: base, to: os, indices: [\"/.*[.]20/\"] } }
  same: { verify: { source: base, target: os } }
";
            place(&phases(more)).mig(&["plan"])
        }
        "MIG080" => place(&META.replace("nightly-1", "nightly-2")).mig(&["plan"]),
        "MIG081" => with_changed_drafts(""),
        "MIG082" => with_changed_drafts(", decide: { \"index drafts\": shrug }"),
        "MIG098" => {
            let without = "to: os, include: { component-templates: none } }";
            place(&META.replace("to: os }", without)).mig(&["plan"])
        }
        "MIG083" => {
            place(&phases(DOCS).replace("  meta: { metadata: { from: base, to: os } }\n", ""))
                .mig(&["plan"])
        }
        "MIG084" => {
            let place = place(META);
            place.apply().ends_with(0);
            let docs = place.path("out/indices/drafts/docs");
            fs::create_dir_all(&docs).unwrap();
            fs::write(
                docs.join("mine.ndjson"),
                "{\"index\":{\"_id\":\"1\"}}\n{\"a\":1}\n",
            )
            .unwrap();
            write_plan(&place, &phases(DOCS));
            place.mig(&["plan"])
        }
        "MIG085" => {
            let place = place(&phases(DOCS));
            place.apply().ends_with(0);
            fs::rename(place.path("out"), place.path("first")).unwrap();
            fs::rename(place.path("state"), place.path("first-state")).unwrap();
            place.apply().ends_with(0);
            fs::remove_dir_all(place.path("out")).unwrap();
            fs::rename(place.path("first"), place.path("out")).unwrap();
            place.mig(&["plan"])
        }
        "MIG086" => {
            let live = format!("{DOCS}  live: {{ switchover: {{ to: os, approve: none }} }}\n");
            let place = place(&phases(&live));
            place.apply().ends_with(0);
            place.mig(&["plan", "--redo", "docs"])
        }
        "MIG087" => {
            let live = format!("{DOCS}  live: {{ switchover: {{ to: os, approve: none }} }}\n");
            let counted = live.replace("target: os }", "target: os, content: counts }");
            place(&phases(&counted)).mig(&["plan"])
        }
        "MIG088" => {
            let live = format!(
                "{DOCS}  live: {{ switchover: {{ to: os, approve: none, max-age: 1ms }} }}\n"
            );
            let place = place(&phases(&live));
            place
                .mig(&["apply", "--auto-approve", "--until", "same"])
                .ends_with(0);
            place.mig(&["plan"])
        }
        "MIG089" => to_server(refusing),
        "MIG090" => altered(AlteredShop::shallow),
        "MIG091" => altered(AlteredShop::mounted),
        "MIG092" => altered(AlteredShop::masked),
        "MIG093" => altered(AlteredShop::of_another_codec),
        "MIG094" => altered(AlteredShop::without_list),
        "MIG095" => altered(|shop| {
            shop.metadata(&json!({}), &json!({"_source": {"enabled": false}}));
        }),
        "MIG096" => altered(AlteredShop::damaged),
        "MIG097" => with_types(""),
        // Without the template that makes the stream.
        "MIG099" => of_stream("none").mig(&["plan"]),
        "MIG310" => with_transform("[custmers]"),
        "MIG311" => with_transform("[customers]"),
        "MIG320" => with_types(", types: { types: { take: union } }"),
        "MIG321" => {
            let types = format!("types: {{ {INDEX}: {{ take: union, ids: type-prefix }} }}");
            let phases = phases(DOCS).replace("to: os }", &format!("to: os, {types} }}"));
            let place = Place::with(&phases);
            let shop = AlteredShop::at(&place.path("snapshots"));
            let field = |kind: &str| json!({"properties": {"n": {"type": kind}}});
            shop.types(
                &json!({}),
                &json!({"page": field("long"), "post": field("date")}),
            );
            write_plan(&place, &phases);
            place.mig(&["plan"])
        }
        "MIG322" => with_types(
            ", types: { types: { take: split, name: \"{index}:{type}\", ids: type-prefix } }",
        ),
        "MIG323" => with_types(
            ", types: { types: { take: split, drop: [scratch] }, typse: { take: union } }",
        ),
        "MIG330" => {
            let place = of_stream("[streams]");
            place
                .mig(&["apply", "--auto-approve", "--until", "meta"])
                .ends_with(0);
            // Somebody rolls it over.
            let generation = |number| place.path(&format!("out/indices/.ds-stream-web-{number}"));
            copy(&generation("000001"), &generation("000002"));
            place.mig(&["plan"])
        }
        "MIG331" => routed(),
        "MIG340" => {
            let place = place(META);
            fs::create_dir_all(place.path("out/aliases")).unwrap();
            place.apply().ends_with(0);
            fs::remove_dir_all(place.path("out/indices/drafts")).unwrap();
            fs::write(
                place.path("out/aliases/drafts.json"),
                json!({"indices": {"customers": {}}}).to_string(),
            )
            .unwrap();
            place.mig(&["plan"])
        }
        "MIG341" => altered_metadata(|shop| {
            shop.templates(|global| {
                let all = &mut global.index_templates;
                all.clear();
                all.insert(
                    "a".into(),
                    json!({"index_patterns": ["logs-*"], "priority": 7}),
                );
                all.insert(
                    "b".into(),
                    json!({"index_patterns": ["*-app", "x*"], "priority": 7}),
                );
            });
        }),
        "MIG342" => altered_metadata(|shop| shop.aliases(&json!({"files:old": {}}))),
        "MIG343" => altered_metadata(|shop| {
            let vector = json!({"properties": {"v": {"type": "knn_vector", "dimension": 20_000}}});
            shop.metadata(&json!({}), &vector);
        }),
        "MIG344" => to_server(full),
        "MIG360" => {
            let place = place(&phases(DOCS));
            let killed = place
                .command(&["apply", "--auto-approve"])
                .env("MIG_FAILPOINT", "bulk-after-complete:2")
                .output();
            assert_eq!(killed.unwrap().status.code(), None);
            let stop = ["backfill", "stop", "--auto-approve"];
            let stopped = place.command(&stop).env("MIG_USER", "ann").output();
            assert!(stopped.unwrap().status.success());
            place.mig(&["plan"])
        }
        "MIG361" => snapshot_deleted(),
        other => panic!("{other} has no scene"),
    }
}

/// What is said of the open questions: the lines with `!` and the answers under them, and the error. Of a code that asks
/// nothing: what it is found in.
fn said(ran: &Ran, code: &str) -> String {
    let mut shown = String::new();
    let mut within = false;
    let lines: Vec<&str> = ran.out.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        let found = lines.get(at + 1).is_some_and(|next| next.contains(code));
        let begins = text.starts_with("! ") || ran.code == 0 && (found || text.contains(code));
        within = begins || within && line.starts_with("           ");
        if within {
            shown.push_str(line);
            shown.push('\n');
        }
    }
    // Times and the lineage of a state are others at every run.
    let time = regex::Regex::new(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap();
    let lineage = regex::Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap();
    let text = format!("{shown}--\n{}exit {}\n", ran.err, ran.code);
    let text = lineage.replace_all(&text, "00000000-0000-0000-0000-000000000000");
    time.replace_all(&text, "2020-01-01T00:00:00Z").into_owned()
}

#[test]
fn each_code_of_planning_says_exactly_this() {
    let rows = codes::planning::ROWS.iter();
    let rows = rows
        .chain(codes::documents::ROWS)
        .chain(codes::objects::ROWS)
        .chain(codes::operators::ROWS);
    let rows = rows.map(|row| row.code.to_string());
    // Those of transforms are the loader's: `plan` has them.
    let rows = rows.filter(|code| !code.starts_with("MIG30"));
    let wanted: BTreeSet<String> = rows.chain(["MIG049".to_owned()]).collect();
    let mut wrong = Vec::new();
    for code in wanted {
        let shown = said(&scene(&code), &code);
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/plans/planning")
            .join(format!("{code}.txt"));
        if std::env::var_os("MIG_BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &shown).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if !shown.contains(&code) || shown != expected {
            wrong.push(format!("--- {code}\n{expected}\n+++ now\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
