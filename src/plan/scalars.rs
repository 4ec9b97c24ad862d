//! The scalar values of the language: texts, words, numbers, quantities, paths, patterns, references.
//!
//! Relies on `decode` and `base::units`. Each says what it expects in words, so that every message reads alike.

use std::path::PathBuf;

use schemars::{Schema, SchemaGenerator};
use serde_json::json;

use super::codes::{Code, language as code};
use super::decode::{Context, Decode, or_substitution, schema_of};
use super::diagnostics::{Diagnostic, did_you_mean, one_of};
use super::location::{Location, Spanned};
use super::model;
use super::selector::Selector;
use super::syntax::{Node, Style, Value};
use crate::base::units::{ByteRate, ByteSize, CountRate, Span};

/// A text. Numbers and booleans are taken as they are written.
pub(crate) type Text = Spanned<String>;

/// A value read from one scalar.
pub(crate) trait Scalar: Sized {
    /// In words, with an article.
    const EXPECTED: &'static str;
    /// From the text, or a finding without its place.
    fn read(text: &str, style: Style) -> Result<Self, Diagnostic>;
    /// Its schema.
    fn scalar_schema() -> Schema;
}

impl<T: Scalar> Decode for Spanned<T> {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let (text, style) = cx.text(node, T::EXPECTED)?;
        match T::read(text, style) {
            Ok(value) => Some(Self::new(value, node.location)),
            Err(diagnostic) => {
                cx.push(diagnostic.at(node.location));
                None
            }
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        T::scalar_schema()
    }
}

fn wrong(code: Code, expected: &str, text: &str) -> Diagnostic {
    Diagnostic::new(code, format!("expected {expected}, found `{text}`"))
}

impl Scalar for String {
    const EXPECTED: &'static str = "a text";

    fn read(text: &str, _: Style) -> Result<Self, Diagnostic> {
        if text.trim().is_empty() {
            return Err(Diagnostic::new(
                code::WRONG_TYPE,
                "expected a text, found an empty one",
            ));
        }
        Ok(text.to_owned())
    }

    fn scalar_schema() -> Schema {
        schema_of(json!({ "type": "string", "minLength": 1 }))
    }
}

impl Scalar for bool {
    const EXPECTED: &'static str = "`true` or `false`";

    fn read(text: &str, style: Style) -> Result<Self, Diagnostic> {
        match (text, style) {
            ("true", Style::Plain | Style::Substituted) => Ok(true),
            ("false", Style::Plain | Style::Substituted) => Ok(false),
            ("true" | "false", Style::Quoted) => {
                Err(
                    wrong(code::WRONG_TYPE, Self::EXPECTED, &format!("\"{text}\""))
                        .help("remove the quotes"),
                )
            }
            _ => Err(wrong(code::WRONG_TYPE, Self::EXPECTED, text).help_if(
                match text.to_lowercase().as_str() {
                    "yes" | "on" | "y" => Some("write `true`".to_owned()),
                    "no" | "off" | "n" => Some("write `false`".to_owned()),
                    _ => None,
                },
            )),
        }
    }

    fn scalar_schema() -> Schema {
        or_substitution(&json!({ "type": "boolean" }))
    }
}

/// A whole number within limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole<const MIN: u64, const MAX: u64>(pub(crate) u64);

impl<const MIN: u64, const MAX: u64> Scalar for Whole<MIN, MAX> {
    const EXPECTED: &'static str = "a whole number";

    fn read(text: &str, style: Style) -> Result<Self, Diagnostic> {
        if style == Style::Quoted {
            return Err(
                wrong(code::WRONG_TYPE, Self::EXPECTED, &format!("\"{text}\""))
                    .help("remove the quotes"),
            );
        }
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return match text.parse::<i128>() {
                Ok(number) => Err(out_of_range(&number.to_string(), MIN, MAX)),
                Err(_) => Err(wrong(code::WRONG_TYPE, Self::EXPECTED, text)),
            };
        }
        match text.parse() {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            _ => Err(out_of_range(text, MIN, MAX)),
        }
    }

    fn scalar_schema() -> Schema {
        let mut number = json!({ "type": "integer", "minimum": MIN });
        if MAX < u64::MAX {
            number["maximum"] = json!(MAX);
        }
        or_substitution(&number)
    }
}

fn out_of_range(text: &str, min: u64, max: u64) -> Diagnostic {
    let range = if max == u64::MAX {
        format!("at least {min}")
    } else {
        format!("between {min} and {max}")
    };
    Diagnostic::new(code::OUT_OF_RANGE, format!("`{text}` is out of range"))
        .help(format!("write a number {range}"))
}

macro_rules! quantity {
    ($type:ty, $expected:literal, $pattern:literal, $units:expr) => {
        impl Scalar for $type {
            const EXPECTED: &'static str = $expected;

            fn read(text: &str, _: Style) -> Result<Self, Diagnostic> {
                text.parse().map_err(|_| {
                    let number = text.trim().trim_end_matches("/s");
                    let bare = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
                    let units: &[&str] = $units;
                    if bare && !units.is_empty() {
                        let fixes: Vec<String> =
                            units.iter().map(|unit| format!("{number}{unit}")).collect();
                        Diagnostic::new(code::BAD_UNIT, format!("`{text}` has no unit"))
                            .help(format!("write {}", one_of(fixes.iter().map(String::as_str))))
                    } else {
                        let binary = text.trim().trim_end_matches("/s").strip_suffix('B').and_then(|text| {
                            Some(text.strip_suffix(['k', 'K', 'M', 'G', 'T'])?.len())
                        });
                        // `10MB`: the unit that was meant is most likely the binary one.
                        wrong(code::BAD_UNIT, $expected, text).help_if(binary.map(|at| {
                            let (number, unit) = text.trim().split_at(at);
                            format!("write `{number}{}i{}`", unit[..1].to_uppercase(), &unit[1..])
                        }))
                    }
                })
            }

            fn scalar_schema() -> Schema {
                schema_of(json!({ "type": "string", "pattern": format!("{}|\\$\\{{", $pattern) }))
            }
        }
    };
}
quantity!(
    ByteSize,
    "a size such as `10MiB`",
    "^\\s*[0-9]+\\s*([KkMmGgTt][Ii])?[Bb]\\s*$",
    &["KiB", "MiB", "GiB"]
);
quantity!(
    ByteRate,
    "a rate of bytes such as `40MiB/s`",
    "^\\s*[0-9]+\\s*([KkMmGgTt][Ii])?[Bb]/s\\s*$",
    &["KiB/s", "MiB/s"]
);
quantity!(
    CountRate,
    "a rate such as `500/s`",
    "^\\s*[0-9]+\\s*/s\\s*$",
    &["/s"]
);
quantity!(
    Span,
    "a length of time such as `15m` or `1h30m`",
    "^\\s*([0-9]+\\s*(ms|s|m|h|d)\\s*)+$",
    &["s", "m", "h"]
);

macro_rules! words {
    ($type:ty { $($word:literal => $value:expr),* $(,)? } $(later [$($later:literal),*])?) => {
        impl Scalar for $type {
            const EXPECTED: &'static str = "a word";

            fn read(text: &str, _: Style) -> Result<Self, Diagnostic> {
                match text {
                    $($word => Ok($value),)*
                    $($($later => Err(super::decode::not_yet(text, Location::default())),)*)?
                    _ => {
                        let words = [$($word),*];
                        let fix = did_you_mean(text, words)
                            .map(|word| format!("did you mean `{word}`? "))
                            .unwrap_or_default();
                        Err(Diagnostic::new(
                            code::UNKNOWN_WORD,
                            format!("`{text}` is not a word that can stand here"),
                        )
                        .help(format!("{fix}write {}", one_of(words))))
                    }
                }
            }

            fn scalar_schema() -> Schema {
                or_substitution(&json!({ "enum": [$($word),*] }))
            }
        }
    };
}
words!(model::Access { "read-only" => Self::ReadOnly, "read-write" => Self::ReadWrite });
words!(model::Nodes { "discover" => Self::Discover, "endpoint" => Self::Endpoint });
words!(model::Compress { "gzip" => Self::Gzip, "none" => Self::None });
words!(model::LegacyTemplates { "keep" => Self::Keep, "composable" => Self::Composable });
words!(model::Closed { "migrate" => Self::Migrate, "skip" => Self::Skip });
words!(model::DataStreams {
    "streams" => Self::Streams,
    "indices" => Self::Indices,
    "skip" => Self::Skip,
});
words!(model::RuleLevel { "deny" => Self::Deny, "warn" => Self::Warn, "allow" => Self::Allow });
words!(model::TuneRefresh { "pause" => Self::Pause, "keep" => Self::Keep });
words!(model::TuneReplicas { "none" => Self::None, "keep" => Self::Keep });
words!(model::TuneTranslog { "async" => Self::Async, "keep" => Self::Keep });
words!(model::Versions { "keep" => Self::Keep, "drop" => Self::Drop });
words!(model::Partial { "refuse" => Self::Refuse, "take" => Self::Take });
words!(model::WithoutSource {
    "refuse" => Self::Refuse,
    "skip" => Self::Skip,
    "reconstruct" => Self::Reconstruct,
    "as-stored" => Self::AsStored,
});
words!(model::Strategy { "auto" => Self::Auto, "reindex" => Self::Reindex, "restore" => Self::Restore });
words!(model::TakeTypes { "union" => Self::Union, "split" => Self::Split });
words!(model::TypeIds { "keep" => Self::Keep, "type-prefix" => Self::TypePrefix });
words!(model::OnFailure { "fail" => Self::Fail, "keep" => Self::Keep });
words!(model::OnDrift { "report" => Self::Report, "mend" => Self::Mend });
words!(model::Content { "counts" => Self::Counts, "ids" => Self::Ids, "sample" => Self::Sample, "full" => Self::Full });
words!(model::SourceWrites { "deny" => Self::Deny, "allow" => Self::Allow });
words!(model::Approve { "manual" => Self::Manual, "none" => Self::None });

/// The service that an AWS signature names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Es,
    Aoss,
}
words!(Service { "es" => Self::Es, "aoss" => Self::Aoss });

/// The type of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VarType {
    String,
    Int,
    Bool,
    Size,
    Duration,
}
words!(VarType {
    "string" => Self::String, "int" => Self::Int, "bool" => Self::Bool, "size" => Self::Size, "duration" => Self::Duration,
});

/// A path, relative to the directory of the file that names it.
#[derive(Clone, Debug)]
pub(crate) struct FilePath {
    pub(crate) path: PathBuf,
    pub(crate) location: Location,
}

impl Decode for FilePath {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let text = Text::decode(node, cx)?;
        Some(Self {
            path: cx.path(&text.value, text.location),
            location: text.location,
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        String::scalar_schema()
    }
}

/// The name of something else in the plan.
#[derive(Clone, Debug)]
pub(crate) struct Reference(pub(crate) Text);

impl Decode for Reference {
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        let (text, _) = cx.text(node, "a name")?;
        Some(Self(Spanned::new(text.to_owned(), node.location)))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        schema_of(json!({ "type": "string", "minLength": 1 }))
    }
}

/// Patterns, with the place of each.
#[derive(Clone, Debug)]
pub(crate) struct Patterns {
    pub(crate) selector: Selector,
    pub(crate) written: Vec<Text>,
    pub(crate) location: Location,
}

impl Decode for Patterns {
    /// A list of patterns, one pattern, `all` or `none`.
    fn decode(node: &Node, cx: &mut Context<'_>) -> Option<Self> {
        if let Value::Scalar(scalar) = &node.value {
            let selector = match scalar.text.as_str() {
                "all" => Some(Selector::all()),
                "none" => Some(Selector::none()),
                _ => None,
            };
            if let Some(selector) = selector {
                return Some(Self {
                    selector,
                    written: Vec::new(),
                    location: node.location,
                });
            }
        }
        let items: Vec<&Node> = match &node.value {
            Value::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        if items.is_empty() {
            cx.push(
                Diagnostic::new(code::BAD_SELECTOR, "an empty list chooses nothing")
                    .at(node.location)
                    .help("write `[\"*\"]` for everything, or `none` where nothing is meant"),
            );
            return None;
        }
        let mut written = Vec::new();
        let mut bad = false;
        for item in items {
            let Some((text, _)) = cx.text(item, "a pattern") else {
                bad = true;
                continue;
            };
            if let Err(error) = Selector::parse(&[text]) {
                bad = true;
                cx.push(
                    Diagnostic::new(code::BAD_SELECTOR, error.to_string())
                        .at(item.location)
                        .help("write a name, a glob such as `logs-*`, or `/regex/`; `!` in front excludes"),
                );
            } else if let Some(hint) = suspicious(text) {
                bad = true;
                cx.push(
                    Diagnostic::new(code::BAD_SELECTOR, hint.0)
                        .at(item.location)
                        .help(hint.1),
                );
            } else {
                written.push(Spanned::new(text.to_owned(), item.location));
            }
        }
        if bad {
            return None;
        }
        if written.iter().all(|pattern| pattern.value.starts_with('!')) {
            cx.push(
                Diagnostic::new(
                    code::BAD_SELECTOR,
                    "a list that only excludes chooses nothing",
                )
                .at(node.location)
                .help("put `\"*\"` before the patterns with `!`"),
            );
            return None;
        }
        let texts: Vec<&str> = written
            .iter()
            .map(|pattern| pattern.value.as_str())
            .collect();
        let selector = Selector::parse(&texts).ok()?;
        Some(Self {
            selector,
            written,
            location: node.location,
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        schema_of(json!({ "anyOf": [
            { "type": "string", "minLength": 1 },
            { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 },
        ] }))
    }
}

/// Texts that compile as a glob and can never match an index.
fn suspicious(text: &str) -> Option<(String, String)> {
    let body = text.strip_prefix('!').unwrap_or(text);
    if body.len() > 1 && body.starts_with('/') && body.ends_with('/') {
        return None;
    }
    if body.contains(',') {
        let parts: Vec<String> = text
            .split(',')
            .map(|part| format!("\"{}\"", part.trim()))
            .collect();
        return Some((
            format!("`{text}` holds a comma, which no name has"),
            format!("write a list: [{}]", parts.join(", ")),
        ));
    }
    if body.contains(char::is_whitespace) || body.contains('/') {
        return Some((
            format!("`{text}` can match no name"),
            "names hold no spaces and no `/`; a regular expression stands between two slashes"
                .to_owned(),
        ));
    }
    None
}
