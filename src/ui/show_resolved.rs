//! `mig show --resolved`: the plan with every default written out, in the manner of YAML.
//!
//! Pure. For reading, not for reading back: the resolved form has no fragments, variables or hops left in it. Secrets are
//! references in a plan, so none can appear.

use serde_json::{Map, Value};

use super::layout::put;
use super::theme::{Paint, Theme};
use crate::graph::Graph;
use crate::plan::model::Plan;

/// The whole listing; phases in the order of execution.
pub fn show_resolved(plan: &Plan, graph: &Graph, theme: Theme) -> String {
    let mut out = String::new();
    let digest = format!("# resolved, digest {}\n", plan.digest().short());
    out.push_str(&theme.paint(Paint::Faint, &digest));
    put!(
        out,
        "mig: 1\nplan: {}\n",
        scalar(&Value::from(plan.name.clone()))
    );
    if let Some(description) = &plan.description {
        put!(
            out,
            "description: {}\n",
            scalar(&Value::from(description.clone()))
        );
    }
    let section = |out: &mut String, name: &str, value: Value| {
        if value.as_object().is_none_or(Map::is_empty) {
            return;
        }
        put!(
            out,
            "\n{}\n",
            theme.paint(Paint::Strong, &format!("{name}:"))
        );
        block(out, &value, 2);
    };
    let to_value = |value: Result<Value, serde_json::Error>| untagged(value.unwrap_or_default());
    section(&mut out, "vars", to_value(serde_json::to_value(&plan.vars)));
    section(
        &mut out,
        "state",
        to_value(serde_json::to_value(&plan.state)),
    );
    section(
        &mut out,
        "clusters",
        to_value(serde_json::to_value(&plan.clusters)),
    );
    section(
        &mut out,
        "stores",
        to_value(serde_json::to_value(&plan.stores)),
    );
    if !graph.order.is_empty() {
        put!(out, "\n{}\n", theme.paint(Paint::Strong, "phases:"));
    }
    for phase in graph
        .order
        .iter()
        .filter_map(|address| plan.phases.get(address))
    {
        let needs: Vec<String> = graph
            .edges
            .iter()
            .filter(|edge| edge.to == phase.address)
            .map(|edge| format!("{} ({})", edge.from, edge.words()))
            .collect();
        put!(
            out,
            "  {}:",
            theme.paint(Paint::Strong, phase.address.as_str())
        );
        if !needs.is_empty() {
            let text = format!("   # after {}", needs.join("; "));
            out.push_str(&theme.paint(Paint::Faint, &text));
        }
        out.push('\n');
        let mut value = to_value(serde_json::to_value(&phase.spec));
        if let Some(Value::Object(fields)) = value.get_mut(phase.spec.kind().as_str()) {
            if !phase.after.is_empty() {
                let after = phase
                    .after
                    .iter()
                    .map(|it| it.value.to_string())
                    .collect::<Vec<_>>();
                fields.insert("after".to_owned(), Value::from(after));
            }
            if let Some(timeout) = phase.timeout {
                fields.insert("timeout".to_owned(), Value::from(timeout.to_string()));
            }
        }
        block(&mut out, &value, 4);
    }
    out
}

/// Takes out the tags that the model has and the language hasn't: `at` of clusters and stores, `take` of snapshots, and
/// the path of a directory store.
fn untagged(value: Value) -> Value {
    let Value::Object(fields) = value else {
        return value;
    };
    let mut flat = Map::new();
    for (key, value) in fields {
        match (key.as_str(), untagged(value)) {
            ("at" | "take", Value::Object(inner)) => flat.extend(inner),
            ("directory", Value::Object(mut inner)) => {
                flat.insert(key, inner.remove("path").unwrap_or_default());
                flat.extend(inner);
            }
            (_, value) => {
                flat.insert(key, value);
            }
        }
    }
    Value::Object(flat)
}

fn block(out: &mut String, value: &Value, indent: usize) {
    let Value::Object(fields) = value else {
        put!(out, "{}{}\n", " ".repeat(indent), scalar(value));
        return;
    };
    for (key, value) in fields {
        let space = " ".repeat(indent);
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                put!(out, "{space}{key}:\n");
                block(out, value, indent + 2);
            }
            Value::Null => put!(out, "{space}{key}: ~\n"),
            other => put!(out, "{space}{key}: {}\n", scalar(other)),
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.to_string(),
    }
}

/// Whether YAML would read the text back as the same text without quotes.
fn is_plain(text: &str) -> bool {
    let first = text.chars().next();
    let word = text.chars().all(|letter| {
        letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.' | '/' | ' ' | ',' | '+')
    });
    first.is_some_and(|letter| letter.is_alphabetic() || letter == '/')
        && word
        && !text.ends_with(' ')
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
        )
}
