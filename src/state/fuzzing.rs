//! The entry for the fuzz target of `tests/fuzz`. Checksums are made right here where the damage shall get past them.
//!
//! It takes any bytes; that it returns, and soon, is what is tested. Only built with `--cfg fuzzing`.

use std::path::Path;

use super::journal::{self, ReadJournal};
use super::model::State;

/// A journal. An even first byte: the bytes as they are. An odd one: lines without number and checksum, which get both.
pub fn journal(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else {
        return;
    };
    let bytes = if how % 2 == 0 {
        rest.to_vec()
    } else {
        numbered(rest)
    };
    let Ok(read) = journal::read(&bytes, Path::new("journal.jsonl")) else {
        return;
    };
    again(&read);
}

fn numbered(lines: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, line) in (1..).zip(lines.split(|byte| *byte == b'\n')) {
        let start = out.len();
        out.extend(format!("{{\"seq\":{number},").bytes());
        out.extend(line.strip_prefix(b"{").unwrap_or(line));
        let crc = crc32fast::hash(&out[start..]);
        out.extend(format!(",\"crc\":\"{crc:08x}\"}}\n").bytes());
    }
    out
}

/// What was read is written and read again, and is the same; so is the state that it derives.
fn again(read: &ReadJournal) {
    let mut bytes = Vec::new();
    for line in &read.lines {
        match journal::encode(line) {
            Ok(line) => bytes.extend(line),
            Err(error) => panic!("{error}"),
        }
    }
    let again = journal::read(&bytes, Path::new("journal.jsonl"));
    let again = again.unwrap_or_else(|error| panic!("what was written can't be read: {error}"));
    assert!(read.lines == again.lines && read.state == again.state);
    let state =
        serde_json::to_vec(&read.state).and_then(|text| serde_json::from_slice::<State>(&text));
    assert!(state.is_ok_and(|state| state == read.state));
}

/// What the target begins with, as `visit(target, bytes)`.
pub fn seeds(visit: &mut dyn FnMut(&str, &[u8])) {
    let digest = "0".repeat(64);
    let entries = [
        r#"{"opened":{"version":1,"lineage":"l","plan":"p","adopted":false}}"#.to_owned(),
        format!(r#"{{"run-started":{{"plan_digest":"{digest}","who":"w","mig_version":"0.1.0"}}}}"#),
        format!(r#"{{"phase-started":{{"address":"a","kind":"snapshot","spec":{{"snapshot":{{}}}},"inputs":"{digest}"}}}}"#),
        r#"{"effect":{"address":"a","effect":{"on":"os","what":"create-object","name":"n","detail":{"existed":false}}}}"#.to_owned(),
        r#"{"phase-done":{"address":"a","outputs":{"name":"n"},"evidence":["e"]}}"#.to_owned(),
        r#"{"phase-failed":{"address":"a","error":"e","outputs":[1.5]}}"#.to_owned(),
        format!(r#"{{"spec-updated":{{"address":"a","spec":null,"inputs":"{digest}"}}}}"#),
        format!(r#"{{"approved":{{"address":"a","approval":{{"who":"w","at":"2026-01-01T00:00:00Z","plan_digest":"{digest}","inputs":"{digest}"}}}}}}"#),
        r#"{"went-live":{"target":"os"}}"#.to_owned(),
        r#"{"renamed":{"from":"a","to":"b"}}"#.to_owned(),
        r#"{"rollback-started":{"address":"b"}}"#.to_owned(),
        r#"{"rolled-back":{"address":"b"}}"#.to_owned(),
        r#"{"run-ended":{"outcome":"o"}}"#.to_owned(),
    ];
    let mut lines = String::new();
    for entry in entries {
        lines.push_str(if lines.is_empty() { "" } else { "\n" });
        lines.push_str(&format!(
            r#"{{"at":"2026-01-01T00:00:00Z","run":"r","entry":{entry}"#
        ));
        visit("journal", format!("\u{1}{lines}").as_bytes());
        visit("journal", &[&[0], &numbered(lines.as_bytes())[..]].concat());
    }
}
