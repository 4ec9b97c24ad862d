//! Translation rules for people and programs: a list, one rule in full, and the pages of the documentation.
//!
//! Relies on the typed rules of `engines::metadata` alone, so that the pages, `mig rules` and `mig explain` can't contradict
//! each other. Deliberately absent: which rules a plan's objects meet, which `mig plan` shows.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::engines::metadata::{Level, Proof, Rule};

/// Columns of texts.
const WIDTH: usize = 80;

/// A level as a plan has it under `rules:`.
pub fn level(rule: &Rule) -> &'static str {
    match rule.level {
        Level::Allow => "allow",
        Level::Warn => "warn",
        Level::Deny => "deny",
    }
}

fn proof(rule: &Rule) -> &'static str {
    match rule.proof {
        Proof::Target => "held against real servers",
        Proof::TranslatedOnly => "translation tested alone: no server at hand has the feature",
    }
}

fn lossy(rule: &Rule) -> &'static str {
    if rule.lossy { ", lossy" } else { "" }
}

/// One line a rule: code, level, title.
pub fn list(rules: &[&Rule]) -> String {
    let mut out = String::new();
    for rule in rules {
        let _ = writeln!(out, "{}  {:<5}  {}", rule.code, level(rule), rule.title);
    }
    out
}

/// Everything that is known of the rules, as JSON: an object a rule, by code.
pub fn as_json(rules: &[&Rule]) -> Value {
    rules.iter().map(|rule| one_as_json(rule)).collect()
}

/// One rule as JSON; the examples are values, not texts.
pub fn one_as_json(rule: &Rule) -> Value {
    let example = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    let objects: Vec<&str> = rule.objects.iter().map(|kind| kind.as_str()).collect();
    json!({
        "code": rule.code,
        "title": rule.title,
        "from": rule.source.to_string(),
        "to": rule.target.to_string(),
        "objects": objects,
        "level": level(rule),
        "lossy": rule.lossy,
        "why": rule.why,
        "link": rule.link,
        "proof": rule.proof,
        "before": example(rule.before),
        "after": example(rule.after),
    })
}

/// One rule in full, for a terminal.
pub fn text(rule: &Rule) -> String {
    let mut out = format!(
        "{}: {} (rule, {}{})\n\n",
        rule.code,
        rule.title,
        level(rule),
        lossy(rule)
    );
    wrap(&format!("Why: {}.", rule.why), &mut out);
    out.push('\n');
    wrap(&format!("From: {}", rule.source), &mut out);
    wrap(&format!("To: {}", rule.target), &mut out);
    wrap(&format!("Proof: {}", proof(rule)), &mut out);
    let _ = writeln!(out, "More: {}", rule.link);
    for (title, text) in [("Before", rule.before), ("After", rule.after)] {
        let _ = write!(out, "\n{title}:\n\n    {text}\n");
    }
    let _ = write!(
        out,
        "\nChange what it means in a metadata phase with `rules: {{ {}: deny }}` (deny, warn or allow).\n",
        rule.code
    );
    out
}

/// The pages of the documentation: names below `docs/rules` with their texts, the index first.
pub fn pages(rules: &[&Rule]) -> Vec<(String, String)> {
    let mut pages = vec![("README.md".to_owned(), index(rules))];
    pages.extend(
        rules
            .iter()
            .map(|rule| (format!("{}.md", rule.code), page(rule))),
    );
    pages
}

fn index(rules: &[&Rule]) -> String {
    let mut out = String::from(
        "# Translation rules\n\n\
         What changes in settings and mappings on their way from one product and version to another. Written by `mig` itself from\n\
         its rules; `mig rules list --from elasticsearch:5.6 --to opensearch:3.3` shows those between two servers.\n\n\
         `allow` is done, `warn` is done and shown, `deny` stops the plan until a person says otherwise in `rules:` of the metadata\n\
         phase.\n\n\
         | code | level | what it does | from | to |\n|---|---|---|---|---|\n",
    );
    for rule in rules {
        let _ = writeln!(
            out,
            "| [{code}]({code}.md) | {}{} | {} | {} | {} |",
            level(rule),
            lossy(rule),
            rule.title.replace('|', "\\|"),
            rule.source,
            rule.target,
            code = rule.code,
        );
    }
    out
}

fn page(rule: &Rule) -> String {
    let mut out = format!(
        "# {}: {}\n\n{}{}. {}.\n\n",
        rule.code,
        rule.title,
        level(rule),
        lossy(rule),
        capital(rule.why),
    );
    let objects: Vec<&str> = rule.objects.iter().map(|kind| kind.as_str()).collect();
    let _ = write!(
        out,
        "- From: {}\n- To: {}\n- Objects: {}\n- Proof: {}\n- Documentation: <{}>\n",
        rule.source,
        rule.target,
        objects.join(", "),
        proof(rule),
        rule.link
    );
    for (title, text) in [("Before", rule.before), ("After", rule.after)] {
        let value: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let _ = write!(out, "\n{title}:\n\n```json\n{value:#}\n```\n");
    }
    let _ = write!(
        out,
        "\nWhat it means is changed in a metadata phase with `rules: {{ {}: deny }}` (deny, warn or allow).\n",
        rule.code
    );
    out
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// Words in lines of a terminal.
pub fn wrap(text: &str, out: &mut String) {
    let mut column = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            out.push('\n');
            column = 0;
        }
        if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out.push('\n');
}
