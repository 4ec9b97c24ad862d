//! `${vars.x}`, `${env.X}`, `${hop.from}` inside texts, and `$${` for a literal `${`. No expression language.
//!
//! Relies on `syntax`. Deliberately absent: where values come from (`vars`).

use std::collections::BTreeMap;

use super::codes::language as code;
use super::diagnostics::{Diagnostic, did_you_mean, one_of};
use super::location::Location;
use super::model::Hop;
use super::syntax::{Node, Style, Value};

/// What names stand for in one file.
pub(crate) struct Scope<'a> {
    /// Declared variables; `None` where the value is wrong or missing, which is told already.
    pub(crate) vars: &'a BTreeMap<String, Option<String>>,
    pub(crate) env: &'a BTreeMap<String, String>,
    /// The hop, within one.
    pub(crate) hop: Option<&'a Hop>,
}

impl Scope<'_> {
    /// Replaces in every text below `node`, which is then marked as substituted. A text with an error becomes nothing, so
    /// that no second error follows from it.
    pub(crate) fn apply(&self, node: &mut Node, diagnostics: &mut Vec<Diagnostic>) {
        match &mut node.value {
            Value::List(items) => {
                for item in items {
                    self.apply(item, diagnostics);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    self.apply(&mut entry.value, diagnostics);
                }
            }
            Value::Scalar(scalar) if scalar.text.contains("${") => {
                match self.text(&scalar.text, node.location) {
                    Ok(text) => {
                        scalar.text = text;
                        scalar.style = Style::Substituted;
                    }
                    Err(mut errors) => {
                        diagnostics.append(&mut errors);
                        scalar.text.clear();
                        scalar.style = Style::Poisoned;
                    }
                }
            }
            Value::Null | Value::Scalar(_) => {}
        }
    }

    fn text(&self, text: &str, location: Location) -> Result<String, Vec<Diagnostic>> {
        let mut result = String::with_capacity(text.len());
        let mut errors = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                result.push_str(&rest[..at]);
                result.push('{');
                rest = &rest[at + 2..];
                continue;
            }
            result.push_str(&rest[..at]);
            let Some(end) = rest[at..].find('}') else {
                errors.push(
                    Diagnostic::new(code::BAD_SUBSTITUTION, "`${` has no `}`")
                        .at(location)
                        .help("close it, or write `$${` where `${` is meant literally"),
                );
                return Err(errors);
            };
            let name = rest[at + 2..at + end].trim();
            match self.value(name) {
                Ok(Some(value)) => result.push_str(value),
                // The variable has no value, and that is told where it is declared.
                Ok(None) => return Err(errors),
                Err(diagnostic) => errors.push(diagnostic.at(location)),
            }
            rest = &rest[at + end + 1..];
        }
        result.push_str(rest);
        if errors.is_empty() {
            Ok(result)
        } else {
            Err(errors)
        }
    }

    fn value(&self, name: &str) -> Result<Option<&str>, Diagnostic> {
        let bad = |message: String| Diagnostic::new(code::BAD_SUBSTITUTION, message);
        let (space, key) = name.split_once('.').unwrap_or((name, ""));
        match (space, key) {
            ("vars", key) => match self.vars.get(key) {
                Some(value) => Ok(value.as_deref()),
                None => Err(bad(format!("there is no variable `{key}`")).help(
                    match did_you_mean(key, self.vars.keys().map(String::as_str)) {
                        Some(other) => format!("did you mean `${{vars.{other}}}`?"),
                        None => format!("declare it: `vars: {{ {key}: {{ default: … }} }}`"),
                    },
                )),
            },
            ("env", key) => match self.env.get(key) {
                Some(value) => Ok(Some(value)),
                None => Err(Diagnostic::new(
                    code::MISSING_ENVIRONMENT,
                    format!("the environment variable `{key}` is not set"),
                )
                .help(format!(
                    "set {key}, or declare a variable with a default and give it with MIG_VAR_…"
                ))),
            },
            ("hop", key @ ("from" | "to" | "name")) => match (self.hop, key) {
                (Some(hop), "from") => Ok(Some(hop.from.as_str())),
                (Some(hop), "to") => Ok(Some(hop.to.as_str())),
                (Some(hop), _) => Ok(Some(&hop.name)),
                (None, _) => Err(bad(format!("`${{hop.{key}}}` stands outside a hop"))
                    .help("it is known in `each-hop`, in `hop-overrides`, and in the fragment that `each-hop` uses")),
            },
            ("hop", _) => Err(bad(format!("there is no `{name}`"))
                .help(format!("a hop has {}", one_of(["hop.from", "hop.to", "hop.name"])))),
            _ => {
                let help = if self.vars.contains_key(name) {
                    format!("write `${{vars.{name}}}`")
                } else {
                    "write `${vars.NAME}`, `${env.NAME}` or, in a hop, `${hop.from}`; a literal `${` is `$${`".to_owned()
                };
                Err(bad(format!("`${{{name}}}` means nothing")).help(help))
            }
        }
    }
}
