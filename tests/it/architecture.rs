//! The directions between modules, and other rules of the house, read from the source text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What each top-level module may use of this crate, beside itself and `base`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("plan", &[]),
    ("graph", &["plan"]),
    ("diff", &["graph", "plan", "state"]),
    ("state", &["plan", "clients"]),
    ("clients", &["diff", "plan"]),
    ("engines", &["clients", "plan", "diff"]),
    ("sandbox", &["clients", "plan"]),
    (
        "phases",
        &["engines", "clients", "plan", "diff", "state", "graph"],
    ),
    // A listening socket and what is said on it, whatever that is.
    ("serve", &[]),
    (
        "apply",
        &["phases", "state", "graph", "diff", "plan", "engines"],
    ),
    (
        "ui",
        &[
            "apply", "diff", "graph", "plan", "state", "phases", "engines",
        ],
    ),
    (
        "cli",
        &[
            "ui", "apply", "diff", "graph", "plan", "state", "phases", "engines", "clients",
            "sandbox", "serve",
        ],
    ),
];

/// Only types: the module and the item that may be named.
const TYPES_ONLY: &[(&str, &str, &[&str])] = &[
    ("state", "plan", &["crate::plan::model"]),
    ("state", "clients", &["crate::clients::objects"]),
    ("clients", "diff", &["crate::diff::observation"]),
    (
        "clients",
        "plan",
        &["crate::plan::selector", "crate::plan::model"],
    ),
    (
        "engines",
        "plan",
        &[
            "crate::plan::selector",
            "crate::plan::model",
            "crate::plan::location",
        ],
    ),
    (
        "sandbox",
        "plan",
        &["crate::plan::model", "crate::plan::location"],
    ),
    (
        "engines",
        "diff",
        &["crate::diff::observation", "crate::diff::change"],
    ),
    ("diff", "state", &["crate::state::model"]),
    // What a load measures of itself, for who watches.
    ("apply", "engines", &["crate::engines::bulk::Measured"]),
    (
        "phases",
        "state",
        &["crate::state::model", "crate::state::Artifacts"],
    ),
];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut open = vec![root.join("src")];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((
                    path.strip_prefix(root.join("src")).unwrap().to_owned(),
                    text,
                ));
            }
        }
    }
    found.sort();
    found
}

fn module_of(path: &Path) -> &str {
    path.iter()
        .next()
        .unwrap()
        .to_str()
        .unwrap()
        .trim_end_matches(".rs")
}

/// The text without tests and comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every `crate::a::b` of the text.
fn uses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at..];
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
            .unwrap_or(rest.len());
        found.push(rest[..end].trim_end_matches(':').to_owned());
    }
    found
}

#[test]
fn modules_use_only_what_is_below_them() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            assert!(["lib", "main"].contains(&module), "unknown module {module}");
            continue;
        };
        for used in uses(&code(&text)) {
            let target = used.split("::").nth(1).unwrap_or_default().to_owned();
            if target == module || target == "base" || target.is_empty() {
                continue;
            }
            if !MAY_USE.iter().any(|(name, _)| *name == target) {
                continue; // a macro or a function of the crate root
            }
            let types_only = TYPES_ONLY
                .iter()
                .find(|(from, to, _)| *from == module && *to == target)
                .is_none_or(|(_, _, items)| items.iter().any(|item| used.starts_with(item)));
            if !allowed.contains(&target.as_str()) || !types_only {
                wrong.push(format!("{}: {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_lucene_reader_rests_on_base_alone() {
    for (path, text) in sources() {
        if path.starts_with("engines/lucene") {
            for used in uses(&code(&text)) {
                let fine =
                    used.starts_with("crate::base") || used.starts_with("crate::engines::lucene");
                assert!(fine, "{}: {used}", path.display());
            }
        }
    }
}

#[test]
fn only_clients_open_sockets_and_the_pure_modules_do_no_io() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let code = code(&text);
        let module = module_of(&path);
        let mut forbid = |word: &str| {
            if code.contains(word) {
                wrong.push(format!("{}: {word}", path.display()));
            }
        };
        // A sandbox looks for free ports of loopback by binding them, and sends nothing.
        // `serve` listens and connects to nothing.
        if module == "serve" {
            forbid("TcpStream::connect");
        }
        if !["clients", "serve"].contains(&module) && path != Path::new("sandbox/ports.rs") {
            for word in [
                "std::net",
                "hyper::",
                "reqwest::",
                "TcpStream",
                "TcpListener",
            ] {
                forbid(word);
            }
        }
        let pure = ["plan", "graph", "diff"].contains(&module) && path != Path::new("plan/load.rs");
        if pure {
            for word in [
                "std::fs",
                "Timestamp::now",
                "SystemTime",
                "Instant::now",
                "std::env",
            ] {
                forbid(word);
            }
        }
        if path.starts_with("ui") {
            for word in ["std::fs", "std::env", "println!", "Timestamp::now"] {
                forbid(word);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_dispatcher_and_its_like_change_the_state() {
    let allowed = ["state", "apply", "cli"];
    for (path, text) in sources() {
        if code(&text).contains(".append(") && code(&text).contains("Entry::") {
            assert!(allowed.contains(&module_of(&path)), "{}", path.display());
        }
    }
}

#[test]
fn only_the_state_knows_what_kind_of_place_it_is_in() {
    for (path, text) in sources() {
        if code(&text).contains("StateLocation::") {
            let fine = ["state", "plan"].contains(&module_of(&path))
                || path == Path::new("diff/assemble.rs");
            assert!(fine, "{}", path.display());
        }
    }
}

/// Longer than this asks for a second look; longer than the next is an error.
const LONG: usize = 800;
const LINES_MAX: usize = 1000;

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut long = BTreeMap::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
        if lines > LONG {
            long.insert(path.clone(), lines);
        }
        assert!(
            text.starts_with("//!"),
            "{} does not open with `//!`",
            path.display()
        );
    }
    println!("longer than {LONG} lines: {long:#?}");
}
