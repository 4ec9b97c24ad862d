//! Puts an object through all rules that apply.

use std::collections::BTreeSet;

use serde_json::Value;

use super::draft::Draft;
use super::rule::{Rule, Versions};
use super::rules::in_order;
use crate::diff::change::Edit;
use crate::diff::observation::ObjectKey;

/// An object as the target is to have it.
#[derive(Clone, Debug)]
pub struct Translation {
    /// The body; what is held back stands under `held_back`.
    pub body: Value,
    /// What was changed on the way, in the order of the rules.
    pub edits: Vec<Edit>,
    /// Which rules found something, with the number of their edits.
    pub findings: Vec<Finding>,
}

/// A rule that found something.
#[derive(Clone, Copy, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How often.
    pub edits: usize,
}

/// Translates one object. `unknown` are the settings that the target said it does not know. Pure.
pub fn translate(
    key: &ObjectKey,
    body: &Value,
    versions: Versions,
    unknown: &BTreeSet<String>,
) -> Translation {
    translate_without(key, body, versions, unknown, &[])
}

/// As [`translate`], without the rules of some codes: what a proof needs that each rule does something.
pub fn translate_without(
    key: &ObjectKey,
    body: &Value,
    versions: Versions,
    unknown: &BTreeSet<String>,
    without: &[&str],
) -> Translation {
    let mut draft = Draft::new(key, body, unknown);
    let mut findings = Vec::new();
    for rule in in_order() {
        if without.contains(&rule.code) || !rule.applies(key.kind, versions) {
            continue;
        }
        let before = draft.edits.len();
        (rule.apply)(rule, &mut draft, versions);
        let edits = draft.edits.len() - before;
        if edits > 0 {
            findings.push(Finding { rule, edits });
        }
    }
    let (body, edits) = draft.into_body();
    Translation {
        body,
        edits,
        findings,
    }
}
