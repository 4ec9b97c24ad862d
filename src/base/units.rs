//! Quantities with units as users write and read them: `10MiB`, `15m`, `500/s`, `40MiB/s`, `1.2 M docs`.
//!
//! A unit is required where there is one; a bare number is an error that says so.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Why a text is no quantity of its kind. The message says what is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnitError(pub String);

macro_rules! text_serde {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text.get(..digits)?.parse().ok()?;
    Some((number, text.get(digits..)?.trim_start()))
}

const BYTE_UNITS: [(&str, u64); 5] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// A number of bytes, written `10MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || {
            UnitError(format!(
                "`{text}` is not a size: write a whole number with B, KiB, MiB, GiB or TiB, such as 10MiB"
            ))
        };
        let (number, unit) = split_number(text).ok_or_else(error)?;
        let (_, scale) = BYTE_UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .ok_or_else(error)?;
        number.checked_mul(*scale).map(Self).ok_or_else(error)
    }
}

/// The shortest exact form, so that writing and reading again gives the same number.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, scale) = BYTE_UNITS
            .iter()
            .rev()
            .find(|(_, scale)| self.0 >= *scale && self.0.is_multiple_of(*scale))
            .unwrap_or(&BYTE_UNITS[0]);
        f.pad(&format!("{}{name}", self.0 / scale))
    }
}
text_serde!(ByteSize);

/// Bytes a second, written `40MiB/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteRate(pub u64);

impl FromStr for ByteRate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let size = text
            .trim()
            .strip_suffix("/s")
            .and_then(|size| size.parse::<ByteSize>().ok());
        size.map(|size| Self(size.0)).ok_or_else(|| {
            UnitError(format!(
                "`{text}` is not a rate of bytes: write it with its unit, such as 40MiB/s"
            ))
        })
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/s", ByteSize(self.0)))
    }
}
text_serde!(ByteRate);

/// Things a second, written `500/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountRate(pub u64);

impl FromStr for CountRate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let count = text
            .trim()
            .strip_suffix("/s")
            .and_then(|count| count.trim().parse().ok());
        count.map(Self).ok_or_else(|| {
            UnitError(format!(
                "`{text}` is not a rate: write it with its unit, such as 500/s"
            ))
        })
    }
}

impl fmt::Display for CountRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/s", self.0))
    }
}
text_serde!(CountRate);

const TIME_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// A length of time to the millisecond, written `15m`, `1h30m`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let error = || {
            UnitError(format!(
                "`{text}` is not a length of time: write it with ms, s, m, h or d, such as 15m or 1h30m"
            ))
        };
        let mut rest = text.trim();
        let mut total_ms = 0_u64;
        if rest.is_empty() {
            return Err(error());
        }
        while !rest.is_empty() {
            let (number, after) = split_number(rest).ok_or_else(error)?;
            let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, tail) = after.split_at(letters);
            let (_, scale) = TIME_UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or_else(error)?;
            total_ms = number
                .checked_mul(*scale)
                .and_then(|part| total_ms.checked_add(part))
                .ok_or_else(error)?;
            rest = tail.trim_start();
        }
        Ok(Self(Duration::from_millis(total_ms)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.pad("0s");
        }
        let mut text = String::new();
        for (name, scale) in TIME_UNITS.iter().rev() {
            if rest >= *scale {
                text.push_str(&format!("{}{name}", rest / scale));
                rest %= scale;
            }
        }
        f.pad(&text)
    }
}
text_serde!(Span);

/// A rate or the like as a whole number; nothing below zero.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a cast of a float stays within the type
pub fn rounded(value: f64) -> u64 {
    value.round() as u64
}

/// Bytes for people, to three digits: `2.9 GiB`. Not to be read back.
pub fn human_bytes(bytes: u64) -> String {
    let (name, scale) = BYTE_UNITS
        .iter()
        .rev()
        .find(|(_, scale)| bytes >= *scale)
        .unwrap_or(&BYTE_UNITS[0]);
    if *scale == 1 {
        return format!("{bytes} B");
    }
    let value = bytes as f64 / *scale as f64;
    if value < 99.95 {
        format!("{value:.1} {name}")
    } else {
        format!("{value:.0} {name}")
    }
}

/// A count for people with thin grouping, exact: `1 234 567`.
pub fn human_count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// The first names of many: `a, b, c and 4 more`.
pub fn some_of(names: &[&str], shown: usize) -> String {
    if names.len() <= shown {
        return names.join(", ");
    }
    let more = human_count((names.len() - shown) as u64);
    format!("{} and {more} more", names[..shown].join(", "))
}

/// `1 index`, `14 indices`.
pub fn indices(count: usize) -> String {
    let noun = if count == 1 { "index" } else { "indices" };
    format!("{} {noun}", human_count(count as u64))
}

/// `1 document`, `2 documents`.
pub fn plural(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", human_count(count))
}
