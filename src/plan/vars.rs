//! Variables: what a file declares, what was given, and whether it fits.
//!
//! The value of a variable is the first of `--var`, `--var-file`, `MIG_VAR_NAME` and its default; those of a fragment are the
//! first of `with` and its default. Relies on `language` for the declaration. Deliberately absent: reading files.

use std::collections::BTreeMap;

use super::codes::language as code;
use super::decode::{Context, Named};
use super::diagnostics::{Diagnostic, did_you_mean};
use super::language::{VarDecl, VarValue};
use super::location::{Location, Spanned};
use super::names;
use super::scalars::VarType;
use crate::base::units::{ByteSize, Span};

/// A value that somebody gave, and who.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) value: String,
    /// A substitution in it failed, which is told.
    pub(crate) poisoned: bool,
    /// For messages: `--var`, `MIG_VAR_X`, the name of a file.
    pub(crate) source: String,
    /// Where it stands, when in a file.
    pub(crate) location: Option<Location>,
}

impl Given {
    /// From outside of any file.
    pub(crate) fn text(value: &str, source: &str) -> Self {
        Self {
            value: value.to_owned(),
            poisoned: false,
            source: source.to_owned(),
            location: None,
        }
    }
}

/// The values of declared variables; `None` where it is told what is wrong.
pub(crate) type Values = BTreeMap<String, Option<String>>;

/// The name of the environment variable that gives a value to `name`.
pub(crate) fn environment_name(name: &str) -> String {
    let upper: String = name
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    format!("MIG_VAR_{upper}")
}

/// Gives each declared variable its value. `given` holds values in falling precedence; `missing` says how to give one.
pub(crate) fn values(
    declared: &Named<VarDecl>,
    given: &[BTreeMap<String, Given>],
    missing: impl Fn(&str) -> String,
    cx: &mut Context<'_>,
) -> Values {
    let mut values = Values::new();
    for (name, declaration) in &declared.0 {
        names::check("variable", name, cx);
        let default = declaration.default.as_ref().map(|VarValue(default)| Given {
            value: default.value.clone(),
            poisoned: false,
            source: "its default".to_owned(),
            location: Some(default.location),
        });
        let mut default_fits = true;
        // A default that doesn't fit is wrong even where another value is given today.
        if let Some(default) = &default {
            default_fits = check(name, declaration, default, cx);
        }
        let chosen = given
            .iter()
            .find_map(|layer| layer.get(&name.value))
            .cloned();
        let value = match (chosen, default) {
            (Some(chosen), _) if chosen.poisoned => None,
            (Some(chosen), _) => check(name, declaration, &chosen, cx).then_some(chosen.value),
            (None, Some(default)) => default_fits.then_some(default.value),
            (None, None) => {
                cx.push(
                    Diagnostic::new(
                        code::MISSING_VALUE,
                        format!("the variable `{}` has no value", name.value),
                    )
                    .at(name.location)
                    .help(missing(&name.value)),
                );
                None
            }
        };
        values.insert(name.value.clone(), value);
    }
    values
}

/// Tells of values for variables that are not declared.
pub(crate) fn undeclared(
    declared: &Named<VarDecl>,
    given: &BTreeMap<String, Given>,
    cx: &mut Context<'_>,
) {
    let names = || declared.0.iter().map(|(name, _)| name.value.as_str());
    for (name, given) in given {
        if names().any(|declared| declared == name) {
            continue;
        }
        let help = match did_you_mean(name, names()) {
            Some(other) => format!("did you mean `{other}`?"),
            None if declared.0.is_empty() => "the file declares no variables".to_owned(),
            None => format!(
                "declare it under `vars`, or take it out; declared are {}",
                super::diagnostics::one_of(names())
            ),
        };
        let mut diagnostic = Diagnostic::new(
            code::UNDECLARED_VARIABLE,
            format!(
                "{} gives a value to `{name}`, which is not declared",
                given.source
            ),
        )
        .help(help);
        diagnostic.location = given.location;
        cx.push(diagnostic);
    }
}

fn check(
    name: &Spanned<String>,
    declaration: &VarDecl,
    given: &Given,
    cx: &mut Context<'_>,
) -> bool {
    let declared_at = name.location;
    let Some(kind) = &declaration.r#type else {
        return false;
    };
    let Some(problem) = problem(kind.value, declaration, &given.value) else {
        return true;
    };
    let mut diagnostic = Diagnostic::new(
        code::BAD_VALUE,
        format!(
            "the value of `{}` from {} {}",
            name.value, given.source, problem.0
        ),
    )
    .help(problem.1);
    diagnostic.location = given.location.or(Some(declared_at));
    cx.push(diagnostic);
    false
}

/// What is wrong with a value, and what to write.
fn problem(kind: VarType, declaration: &VarDecl, text: &str) -> Option<(String, String)> {
    let (expected, example) = match kind {
        VarType::String => ("a text", ""),
        VarType::Int => ("a whole number", "4"),
        VarType::Bool => ("`true` or `false`", "true"),
        VarType::Size => ("a size", "10MiB"),
        VarType::Duration => ("a length of time", "15m"),
    };
    let Some(order) = order(kind, text) else {
        return Some((
            format!("is not {expected}: `{text}`"),
            format!("write {expected}, such as `{example}`"),
        ));
    };
    let bound = |value: &Option<VarValue>| {
        value.as_ref().and_then(|VarValue(bound)| {
            order_of_bound(kind, bound).map(|order| (order, bound.value.clone()))
        })
    };
    let (min, max) = (bound(&declaration.min), bound(&declaration.max));
    if min.as_ref().is_some_and(|(min, _)| order < *min)
        || max.as_ref().is_some_and(|(max, _)| order > *max)
    {
        let help = match (min, max) {
            (Some((_, min)), Some((_, max))) => format!("write {expected} between {min} and {max}"),
            (Some((_, min)), None) => format!("write {expected} of at least {min}"),
            (_, max) => format!(
                "write {expected} of at most {}",
                max.map(|max| max.1).unwrap_or_default()
            ),
        };
        return Some((format!("is out of range: `{text}`"), help));
    }
    if let Some(allowed) = &declaration.allowed {
        let words: Vec<&str> = allowed
            .iter()
            .map(|VarValue(word)| word.value.as_str())
            .collect();
        if !words.contains(&text) {
            return Some((
                format!("is not allowed: `{text}`"),
                format!("write {}", super::diagnostics::one_of(words)),
            ));
        }
    }
    None
}

fn order(kind: VarType, text: &str) -> Option<i128> {
    match kind {
        VarType::String => Some(0),
        VarType::Int => text.parse().ok(),
        VarType::Bool => ["false", "true"].contains(&text).then_some(0),
        VarType::Size => text.parse::<ByteSize>().ok().map(|size| i128::from(size.0)),
        VarType::Duration => {
            let span = text.parse::<Span>().ok()?;
            i128::try_from(span.0.as_millis()).ok()
        }
    }
}

fn order_of_bound(kind: VarType, bound: &Spanned<String>) -> Option<i128> {
    match kind {
        VarType::String | VarType::Bool => None,
        _ => order(kind, &bound.value),
    }
}

/// Tells of bounds that are none.
pub(crate) fn check_bounds(declared: &Named<VarDecl>, cx: &mut Context<'_>) {
    for (name, declaration) in &declared.0 {
        let Some(kind) = &declaration.r#type else {
            continue;
        };
        for (word, bound) in [("min", &declaration.min), ("max", &declaration.max)] {
            let Some(VarValue(bound)) = bound else {
                continue;
            };
            if order_of_bound(kind.value, bound).is_none() {
                cx.push(
                    Diagnostic::new(
                        code::BAD_VALUE,
                        format!("`{word}` of `{}` is no value of its type", name.value),
                    )
                    .at(bound.location)
                    .help("`min` and `max` are for `int`, `size` and `duration`, in the same form as the value"),
                );
            }
        }
    }
}
