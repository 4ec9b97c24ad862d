//! Regular expressions of scripts, as `jaq-std` has them, with what they take counted: `matches`, `split_matches`, `split_`,
//! which all others rest on.
//!
//! A search takes time by the size of the compiled expression and the length of the text, and a search for all matches may go
//! over the rest of the text for each. How far one looked nobody tells, so a part of the rest is counted with each.
//! Deliberately absent: looking around and back-references, which the engine does not know.

use jaq_core::native::{Filter, bome};
use jaq_core::{Cv, DataT, Error, RunPtr, ValR, ValT as _, native::v};
use jaq_std::ValT as _;
use regex_bites::bytes::{Captures, Regex, RegexBuilder};

use super::meter;
use super::value::Value;

/// Bytes that compiled expressions may take, each with what a byte of text is counted as. Beyond the last one an expression is
/// refused.
const SIZES: [(usize, usize); 5] = [
    (4 << 10, 1),
    (16 << 10, 4),
    (64 << 10, 16),
    (256 << 10, 64),
    (1 << 20, 256),
];
/// Units of work for a byte that is gone over.
const BYTE_UNITS: usize = 4;
/// One byte in so many of the rest of the text is counted as gone over by each search.
const REST_ONE_IN: usize = 8;
/// Bytes of a compiled expression that are made for a unit of work.
const COMPILED_BYTES: usize = 4;
/// Bytes beside an expression that are not counted, since they are gone after the search.
const FREE_BYTES: usize = 1 << 20;
/// Bytes of a state of a compiled expression at the least.
const STATE_BYTES: usize = 24;
/// Bytes that a state keeps for each group.
const GROUP_BYTES: usize = 32;

/// The natives.
pub(super) fn natives<D: for<'a> DataT<V<'a> = Value>>() -> Box<[Filter<RunPtr<D>>]> {
    Box::new([
        ("matches", v(2), |cv| bome(found(cv, false, true))),
        ("split_matches", v(2), |cv| bome(found(cv, true, true))),
        ("split_", v(2), |cv| bome(found(cv, true, false))),
    ])
}

#[derive(Clone, Copy, Default)]
struct Flags {
    global: bool,
    without_empty: bool,
    case_insensitive: bool,
    multi_line: bool,
    dot_matches_all: bool,
    swap_greed: bool,
    extended: bool,
}

impl Flags {
    fn of(text: &str) -> Result<Self, char> {
        let mut flags = Self::default();
        for flag in text.chars() {
            match flag {
                'g' => flags.global = true,
                'n' => flags.without_empty = true,
                'i' => flags.case_insensitive = true,
                'm' => flags.multi_line = true,
                's' => flags.dot_matches_all = true,
                'l' => flags.swap_greed = true,
                'x' => flags.extended = true,
                'p' => {
                    flags.multi_line = true;
                    flags.dot_matches_all = true;
                }
                other => return Err(other),
            }
        }
        Ok(flags)
    }

    /// The compiled expression, and what a byte of text is counted as.
    fn compile(self, pattern: &str) -> Result<(Regex, usize), String> {
        let mut last = String::new();
        for (limit, weight) in SIZES {
            meter::work(limit / COMPILED_BYTES);
            let built = RegexBuilder::new(pattern)
                .case_insensitive(self.case_insensitive)
                .multi_line(self.multi_line)
                .dot_matches_new_line(self.dot_matches_all)
                .swap_greed(self.swap_greed)
                .ignore_whitespace(self.extended)
                .size_limit(limit)
                .build();
            match built {
                Ok(regex) => {
                    let states = limit / STATE_BYTES;
                    let groups = regex.captures_len().saturating_mul(GROUP_BYTES);
                    let beside = states.saturating_mul(groups);
                    meter::bytes(beside.saturating_sub(FREE_BYTES));
                    return Ok((regex, weight));
                }
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    }
}

fn text(value: &Value) -> Result<&str, Error<Value>> {
    let bytes = value.try_as_utf8_bytes()?;
    std::str::from_utf8(bytes).map_err(Error::str)
}

/// The parts of a text between matches, the matches, or both in turn.
fn found<D: for<'a> DataT<V<'a> = Value>>(
    mut cv: Cv<'_, D>,
    between: bool,
    matches: bool,
) -> ValR<Value> {
    let (flags, pattern) = (cv.0.pop_var(), cv.0.pop_var());
    let flags =
        Flags::of(text(&flags)?).map_err(|it| Error::str(format!("invalid regex flag: {it}")))?;
    let (regex, weight) = flags
        .compile(text(&pattern)?)
        .map_err(|it| Error::str(format!("invalid regex: {it}")))?;
    let whole = cv.1.try_as_utf8_bytes()?;
    let over = |bytes: usize| meter::work(bytes.saturating_mul(weight).saturating_mul(BYTE_UNITS));
    let mut all = regex.captures_iter(whole);
    let mut out: Vec<Value> = Vec::new();
    // Up to where the text was gone over and told; where the last match began, in bytes and in characters.
    let (mut over_to, mut end, mut begun, mut chars) = (0, 0, 0, 0);
    loop {
        over((whole.len() - over_to) / REST_ONE_IN);
        let Some(captures) = all.next() else {
            over(whole.len() - over_to);
            break;
        };
        let Some(first) = captures.get(0) else { break };
        over(first.end() - over_to);
        over_to = first.end();
        if flags.without_empty && first.as_bytes().is_empty() {
            continue;
        }
        if between {
            out.push(cv.1.as_sub_str(&whole[end..first.start()]));
        }
        end = first.end();
        if matches {
            chars += count(&whole[begun..first.start()]);
            begun = first.start();
            out.push(told(&cv.1, &regex, &captures, (begun, chars))?);
        }
        if !flags.global {
            break;
        }
    }
    if between {
        out.push(cv.1.as_sub_str(&whole[end..]));
    }
    Ok(out.into_iter().collect())
}

fn count(text: &[u8]) -> usize {
    String::from_utf8_lossy(text).chars().count()
}

/// A match with its groups, as a list of objects.
fn told(
    whole: &Value,
    regex: &Regex,
    captures: &Captures<'_>,
    (begun, chars): (usize, usize),
) -> ValR<Value> {
    let text = whole.try_as_utf8_bytes()?;
    let groups = captures.iter().zip(regex.capture_names());
    let groups = groups.filter_map(|(group, name)| Some((group?, name)));
    let object = |(group, name): (regex_bites::bytes::Match<'_>, Option<&str>)| {
        meter::work(group.as_bytes().len());
        // A group of an earlier round may begin before the match of the last one does, never before the whole.
        let offset = chars + count(&text[begun..group.start()]);
        let mut fields = vec![
            ("offset", Value::from(offset)),
            ("length", Value::from(count(group.as_bytes()))),
            ("string", whole.as_sub_str(group.as_bytes())),
        ];
        fields.extend(name.map(|name| ("name", Value::from(name.to_owned()))));
        let fields = fields.into_iter();
        Value::from_map(fields.map(|(key, value)| (Value::from(key.to_owned()), value)))
    };
    groups.map(object).collect()
}
