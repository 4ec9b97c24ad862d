//! Pairs of versions: what is made on a real source, taken through a snapshot by a plan, has to stand on a real target, take
//! its document, pass the full proof, and answer a query on the field as the source did.
//!
//! The cases are those of `tests/fixtures/translation`, whose translations are compared without servers by `tests/it`.
//! `MIG_TEST_ALL=1` takes all pairs; otherwise a run takes one, another one each day (`MIG_TEST_PART=n` chooses it).
//! `MIG_TEST_PAIR=elasticsearch:2.4.6` takes the pairs of a source, `MIG_TEST_PAIR=elasticsearch:2.4.6,opensearch:3.3.0` one. `MIG_BLESS=1` writes down what was proved.

mod case;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use mig::clients::cluster::Request;
use mig::sandbox;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::case::{Case, Modules, Object};
use super::place::Place;
use super::support::{Options, Server, place};

/// From what to what.
const PAIRS: [(&str, &str); 13] = [
    ("elasticsearch:2.4.6", "opensearch:3.3.0"),
    ("elasticsearch:5.6.16", "opensearch:2.19.1"),
    ("elasticsearch:6.8.23", "opensearch:3.3.0"),
    ("elasticsearch:7.17.9", "opensearch:3.3.0"),
    ("elasticsearch:8.11.0", "opensearch:3.3.0"),
    ("opensearch:1.3.20", "opensearch:3.3.0"),
    ("opensearch:2.19.1", "opensearch:3.3.0"),
    // What the others leave: older targets, and what one version alone has.
    ("elasticsearch:6.8.23", "opensearch:1.3.20"),
    ("elasticsearch:7.17.9", "opensearch:1.3.20"),
    ("elasticsearch:8.11.0", "opensearch:2.19.1"),
    ("elasticsearch:8.17.0", "opensearch:2.19.1"),
    ("elasticsearch:5.6.16", "opensearch:3.3.0"),
    ("elasticsearch:8.17.0", "opensearch:3.3.0"),
];

/// What came of a pair.
#[derive(Debug, Serialize, Deserialize)]
struct Proved {
    /// The day of the run.
    date: String,
    /// Objects that stand on the target.
    objects: usize,
    /// Of these, those whose document was asked for on both sides.
    queried: usize,
    /// What they are called.
    cases: Vec<String>,
}

fn ledger() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/translation/proved.json")
}

fn chosen() -> Vec<(&'static str, &'static str)> {
    if let Ok(wanted) = std::env::var("MIG_TEST_PAIR") {
        let is_wanted = |pair: &(&str, &str)| match wanted.split_once(',') {
            Some(named) => *pair == named,
            None => pair.0 == wanted,
        };
        return PAIRS.into_iter().filter(is_wanted).collect();
    }
    if std::env::var_os("MIG_TEST_ALL").is_some() {
        return PAIRS.to_vec();
    }
    let days = jiff::Timestamp::now().as_second() / 86_400;
    let part = std::env::var("MIG_TEST_PART")
        .ok()
        .and_then(|part| part.parse().ok());
    let part = part.unwrap_or_else(|| usize::try_from(days).unwrap());
    vec![PAIRS[part % PAIRS.len()]]
}

#[test]
fn what_is_translated_stands_on_the_target_and_answers_as_the_source() {
    let chosen = chosen();
    assert!(
        !chosen.is_empty(),
        "MIG_TEST_PAIR names the source of no pair"
    );
    let cases = case::all();
    let mut wrong = Vec::new();
    for (source, target) in chosen {
        let began = Instant::now();
        let outcome = prove(source, target, &cases);
        let took = began.elapsed().as_secs();
        println!(
            "{source} -> {target}: {} objects, {} queried, {} wrong, {took} s",
            outcome.proved.objects,
            outcome.proved.queried,
            outcome.wrong.len()
        );
        if std::env::var_os("MIG_BLESS").is_some() && outcome.wrong.is_empty() {
            write_down(source, target, outcome.proved);
        }
        let told = outcome.wrong.into_iter();
        wrong.extend(told.map(|why| format!("{source} -> {target}: {why}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn write_down(source: &str, target: &str, proved: Proved) {
    let before = std::fs::read(ledger()).ok();
    let mut all: BTreeMap<String, Proved> =
        before.map_or_else(BTreeMap::new, |text| serde_json::from_slice(&text).unwrap());
    all.insert(format!("{source} -> {target}"), proved);
    let text = serde_json::to_string_pretty(&all).unwrap() + "\n";
    std::fs::write(ledger(), text).unwrap();
}

/// What came of a pair, with everything that is not as it should be.
struct Outcome {
    proved: Proved,
    wrong: Vec<String>,
}

/// `elasticsearch 2.4`, as cases name servers.
fn short(server: &str) -> String {
    let (product, version) = server.split_once(':').unwrap();
    let parts: Vec<&str> = version.split('.').take(2).collect();
    format!("{product} {}", parts.join("."))
}

/// What a server has beyond its distribution. Those before Elasticsearch 6 are whole.
fn modules(server: &str) -> Modules {
    let server = sandbox::Server::parse(server).unwrap();
    let whole = server.version().version < mig::base::version::Version::new(6, 0, 0)
        && server.to_string().starts_with("elasticsearch");
    if whole {
        return ["parent-join", "mapper-extras", "analysis-common"]
            .map(str::to_owned)
            .into();
    }
    let added = server.modules().into_iter().chain(server.extensions());
    added.map(|plugin| plugin.name).collect()
}

fn prove(source: &str, target: &str, cases: &[Case]) -> Outcome {
    let (from, to) = (short(source), short(target));
    let (there, here) = (modules(source), modules(target));
    let chosen: Vec<&Case> = cases
        .iter()
        .filter(|case| case.is_for((&from, &there), (&to, &here)))
        .collect();
    let options = Options {
        heap_mib: Some(768),
        with_modules: true,
        with_extensions: true,
        ..Options::default()
    };
    let target = Server::start(target, &options);
    // What an index asks of nodes by an attribute: without it the source could not snapshot the index.
    let options = Options {
        settings: vec![("node.attr.box_type", json!("hot"))],
        ..options
    };
    let source = Server::start(source, &options);
    let mut wrong = Vec::new();
    let made: Vec<&Case> = chosen
        .into_iter()
        .filter(|case| match make(&source, &from, case) {
            Ok(()) => true,
            Err(why) => {
                wrong.push(format!("{}: the source refuses it: {why}", case.name));
                false
            }
        })
        .collect();
    let repository = source.repositories().join(format!("pairs-{}", made.len()));
    snapshot(&source, &repository);
    let place = place(&plan(&repository, &target, &to, &made, &BTreeSet::new()));
    let undecided = undecided(&place);
    for (name, question) in &undecided {
        wrong.push(format!("{name}: not decided: {question}"));
    }
    let open: BTreeSet<&str> = undecided.keys().map(String::as_str).collect();
    if !open.is_empty() {
        let text = plan(&repository, &target, &to, &made, &open);
        std::fs::write(place.path("plan.yaml"), text).unwrap();
    }
    for (arguments, what) in [
        (&["apply", "--auto-approve"][..], "the apply"),
        (&["plan", "--detailed-exitcode"][..], "the plan after it"),
    ] {
        let ran = place.mig(arguments);
        if ran.code != 0 {
            wrong.push(format!(
                "{what} ends with {}\n{}{}",
                ran.code, ran.out, ran.err
            ));
        }
    }
    let mut proved = Proved {
        date: jiff::Zoned::now().date().to_string(),
        objects: 0,
        queried: 0,
        cases: Vec::new(),
    };
    for case in made
        .iter()
        .filter(|case| !open.contains(case.name.as_str()))
    {
        match stands(&source, &target, case) {
            Ok(queried) => {
                proved.objects += 1;
                proved.cases.push(case.name.clone());
                proved.queried += usize::from(queried);
            }
            Err(why) => wrong.push(format!("{}: {why}", case.name)),
        }
    }
    drop(std::fs::remove_dir_all(&repository));
    Outcome { proved, wrong }
}

fn make(source: &Server, version: &str, case: &Case) -> Result<(), String> {
    let send = |request: Request| {
        let sent = source.client().send(request);
        sent.map(drop).map_err(|error| error.to_string())
    };
    // 6.8 takes a mapping for a type's unless it is told otherwise.
    let untyped = version == "elasticsearch 6.8" && case.is_untyped();
    let said = if untyped {
        "?include_type_name=false"
    } else {
        ""
    };
    let path = case.object.path(&case.name) + said;
    send(Request::put(path).json(&case.body))?;
    let Some(document) = case.document.as_ref() else {
        return Ok(());
    };
    let path = format!(
        "/{}/{}/1?refresh=true",
        case.name,
        case.mapping_type(version)
    );
    send(Request::put(path).json(document))
}

fn snapshot(source: &Server, repository: &Path) {
    source.put(
        "/_snapshot/pairs",
        &json!({"type": "fs", "settings": {"location": repository}}),
    );
    let answer = source.put(
        "/_snapshot/pairs/only?wait_for_completion=true",
        &json!({"include_global_state": true}),
    );
    assert_eq!(answer["snapshot"]["state"], "SUCCESS", "{answer:#}");
}

/// A plan of all cases but those that are `left`.
fn plan(
    repository: &Path,
    target: &Server,
    version: &str,
    cases: &[&Case],
    left: &BTreeSet<&str>,
) -> String {
    let taken = || {
        cases
            .iter()
            .filter(|case| !left.contains(case.name.as_str()))
    };
    let names = |wanted: &dyn Fn(Object) -> bool| -> Value {
        let names: Vec<&str> = taken()
            .filter(|case| wanted(case.object))
            .map(|case| case.name.as_str())
            .collect();
        // An empty list is refused: it would choose nothing.
        if names.is_empty() {
            json!("none")
        } else {
            json!(names)
        }
    };
    let indices = names(&|object| object == Object::Index);
    let templates =
        names(&|object| matches!(object, Object::LegacyTemplate | Object::IndexTemplate));
    let components = names(&|object| object == Object::ComponentTemplate);
    let rules: BTreeMap<&String, &String> = taken().flat_map(|case| &case.rules).collect();
    let version = version.split_once(' ').unwrap().1;
    json!({
        "mig": 1,
        "plan": "pairs",
        "state": "state",
        "clusters": { "target": { "endpoint": target.url(), "version": version } },
        "stores": { "snapshots": { "directory": repository } },
        "phases": {
            "base": { "snapshot": { "existing": { "store": "snapshots", "name": "only" } } },
            "made": { "metadata": { "from": "base", "to": "target", "rules": rules, "include": {
                "indices": indices,
                "templates": templates,
                "component-templates": components,
                "aliases": "none",
            } } },
            "docs": { "backfill": { "from": "base", "to": "target", "indices": indices, "without-source": "as-stored" } },
            "same": { "verify": { "source": "base", "target": "target", "indices": indices, "content": "full" } },
        }
    })
    .to_string()
}

/// What the plan asks, by the name of what it asks about.
fn undecided(place: &Place) -> BTreeMap<String, String> {
    let ran = place.mig(&["plan", "--format", "json"]);
    let Ok(plan) = serde_json::from_str::<Value>(&ran.out) else {
        panic!("the plan ends with {}\n{}{}", ran.code, ran.out, ran.err);
    };
    let mut open = BTreeMap::new();
    for phase in plan["phase_changes"].as_array().into_iter().flatten() {
        for item in phase["decided"]["items"].as_array().into_iter().flatten() {
            let question = &item["decision"];
            if !question.is_null() {
                let name = item["name"].as_str().unwrap_or_default().to_owned();
                open.insert(name, question.to_string());
            }
        }
    }
    open
}

/// Whether it is on the target, and answers as at the source; says whether it was asked.
fn stands(source: &Server, target: &Server, case: &Case) -> Result<bool, String> {
    target
        .try_get(&case.object.path(&case.name))
        .map_err(|error| format!("it is not on the target: {error}"))?;
    let (Some(_), Some(query)) = (&case.document, &case.query) else {
        return Ok(false);
    };
    let asked_there = case.source_query.as_ref().unwrap_or(query);
    let there =
        hits(source, &case.name, asked_there).map_err(|error| format!("source: {error}"))?;
    let here = hits(target, &case.name, query).map_err(|error| format!("target: {error}"))?;
    let wanted: Vec<String> = case.found.then(|| "1".to_owned()).into_iter().collect();
    if there != wanted {
        return Err(format!("the source finds {there:?}, not {wanted:?}"));
    }
    if here != wanted {
        return Err(format!("the target finds {here:?}, the source {there:?}"));
    }
    Ok(true)
}

fn hits(server: &Server, index: &str, query: &Value) -> Result<Vec<String>, String> {
    let request = Request::post(format!("/{index}/_search")).json(&json!({ "query": query }));
    let answer = server
        .client()
        .json(request)
        .map_err(|error| error.to_string())?;
    let hits = answer["hits"]["hits"].as_array();
    Ok(hits
        .into_iter()
        .flatten()
        .map(|hit| hit["_id"].as_str().unwrap_or_default().to_owned())
        .collect())
}
