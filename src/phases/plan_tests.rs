//! The tests of a plan: documents through transforms, settings and mappings through the translation rules. Pure.
//!
//! What runs here is what the phases run. Deliberately absent: how a result looks.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use crate::base::json::canonical;
use crate::diff::change::Edit;
use crate::diff::observation::{ObjectKey, ObjectKind};
use crate::diff::structural::edits;
use crate::engines::bulk::DocumentView;
use crate::engines::metadata::{Versions, translate};
use crate::engines::transform::{FieldTypes, Index, Outcome, Transforms, mappings};
use crate::plan::model::{DocumentTest, Expected, MappingTest, PlanTest, TestKind};

/// How one test ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// Whether everything is as it has to be.
    pub passed: bool,
    /// What is otherwise, one statement a line; empty where it passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// From what is expected to what came out, leaf by leaf.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Edit>,
}

/// Runs one test.
pub fn run(test: &PlanTest) -> TestResult {
    let (findings, differences) = match &test.kind {
        TestKind::Document(test) => document(test),
        TestKind::Mapping(test) => mapping(test),
    };
    TestResult {
        name: test.name.clone(),
        passed: findings.is_empty() && differences.is_empty(),
        findings,
        differences,
    }
}

type Found = (Vec<String>, Vec<Edit>);

fn only(finding: String) -> Found {
    (vec![finding], Vec::new())
}

fn document(test: &DocumentTest) -> Found {
    let types = FieldTypes::of_pairs(&test.types);
    let all = test.transforms.iter().enumerate();
    let chosen = all.filter(|(_, transform)| transform.indices.matches(&test.index));
    let index = Index {
        name: test.index.clone(),
        transforms: chosen.map(|(at, _)| at).collect(),
        types: vec![types],
    };
    let transforms = match Transforms::new(&test.transforms, [index]) {
        Ok(transforms) => transforms,
        Err(why) => return only(why),
    };
    let outcome = transforms.apply_to(DocumentView {
        index: &test.index,
        id: &test.id,
        routing: test.routing.as_deref(),
        source: test.document.as_bytes(),
    });
    let out = match outcome {
        Outcome::Same => test.document.clone().into_bytes(),
        Outcome::Changed(bytes) => bytes,
        Outcome::Dropped(by) => {
            return match &test.expected {
                Expected::Dropped => Found::default(),
                _ => only(format!("transform {by} left the document out")),
            };
        }
        Outcome::Failed(reason) => {
            return match &test.expected {
                Expected::Fails(text) if reason.contains(text.as_str()) => Found::default(),
                Expected::Fails(text) => {
                    only(format!("it fails otherwise than with `{text}`: {reason}"))
                }
                _ => only(format!("the document fails: {reason}")),
            };
        }
    };
    match &test.expected {
        Expected::Document(expected) => documents(expected.as_bytes(), &out),
        Expected::Dropped => only(format!("it is not left out: {}", shown(&out))),
        Expected::Fails(text) => only(format!("it does not fail with `{text}`: {}", shown(&out))),
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Documents are equal when they mean the same to the last digit; order of keys does not matter.
fn documents(expected: &[u8], out: &[u8]) -> Found {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let read = canonical(expected, &mut left).and_then(|()| canonical(out, &mut right));
    if let Err(error) = read {
        return only(error.to_string());
    }
    if left == right {
        return Found::default();
    }
    let tree = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let differences = edits(&tree(expected), &tree(out));
    if differences.is_empty() {
        return only(format!(
            "digits or doubled keys differ: {} came out",
            shown(out)
        ));
    }
    (Vec::new(), differences)
}

fn mapping(test: &MappingTest) -> Found {
    let key = ObjectKey {
        kind: ObjectKind::Index,
        name: test.index.clone(),
    };
    let versions = Versions {
        source: test.from,
        target: test.to,
    };
    let translation = translate(&key, &test.input, versions, &BTreeSet::new());
    let mut body = translation.body;
    let used = test
        .transforms
        .iter()
        .filter(|transform| transform.indices.matches(&test.index));
    mappings::apply(&mut body, used);
    let mut findings = Vec::new();
    let mut differences = Vec::new();
    if let Some(wanted) = &test.output {
        for section in ["settings", "mappings"] {
            let Some(wanted) = wanted.get(section) else {
                continue;
            };
            let out = body.get(section).cloned().unwrap_or_else(|| json!({}));
            differences.extend(edits(&json!({ section: wanted }), &json!({ section: out })));
        }
    }
    if let Some(wanted) = &test.codes {
        let mut found: Vec<&str> = translation.findings.iter().map(|it| it.rule.code).collect();
        found.sort_unstable();
        found.dedup();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let missing: Vec<&str> = without(&wanted, &found);
        let more: Vec<&str> = without(&found, &wanted);
        if !missing.is_empty() {
            findings.push(format!("found nothing: {}", missing.join(", ")));
        }
        if !more.is_empty() {
            findings.push(format!("found something too: {}", more.join(", ")));
        }
    }
    (findings, differences)
}

fn without<'a>(these: &[&'a str], those: &[&str]) -> Vec<&'a str> {
    let not_there = |it: &&&str| !those.contains(*it);
    these.iter().filter(not_there).copied().collect()
}
