//! Writing an instant in the format that a mapping gives to a field, so that the same mapping reads it again.
//!
//! Formats are Elasticsearch's names and patterns of digits, several joined by `||`: the first that loses nothing of the
//! instant is taken. Deliberately absent: names of months and days, weeks, eras and time zones by name.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::values::json_text;

/// What a `date` without a format takes.
pub(super) const MILLIS: &str = "strict_date_optional_time||epoch_millis";
/// What a `date_nanos` without a format takes.
pub(super) const NANOS: &str = "strict_date_optional_time_nanos||epoch_millis";

const SECOND: i128 = 1_000_000_000;
const MILLISECOND: i128 = 1_000_000;

/// The formats of a field of dates, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct DateFormat(Vec<One>);

#[derive(Clone, Debug, PartialEq)]
enum One {
    /// A whole number of units of so many nanoseconds.
    Epoch(i128),
    Pattern(Vec<Piece>),
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Year,
    Month(usize),
    Day(usize),
    Hour(usize),
    Minute(usize),
    Second(usize),
    /// Digits of the second's fraction.
    Fraction(usize),
    /// `Z`: all instants are written in UTC.
    Zulu,
    /// `+0000` or `+00:00`.
    Offset(&'static str),
    Literal(String),
}

impl DateFormat {
    /// `None` when no alternative of the format is one that can be written here.
    pub(super) fn parse(format: &str) -> Option<Self> {
        // `8yyyy…` marks a pattern of java.time in Elasticsearch 6.8.
        let format = format.strip_prefix('8').unwrap_or(format);
        let known: Vec<One> = format.split("||").filter_map(One::parse).collect();
        (!known.is_empty()).then_some(Self(known))
    }

    /// Appends the JSON of an instant in nanoseconds since 1970. `None` when every format would lose some of it.
    pub(super) fn write(&self, nanos: i128, out: &mut String) -> Option<()> {
        let before = out.len();
        self.0.iter().find_map(|one| {
            out.truncate(before);
            one.write(nanos, out)
        })
    }
}

impl One {
    fn parse(name: &str) -> Option<Self> {
        let name = name.trim();
        let plain = name.strip_prefix("strict_").unwrap_or(name);
        let pattern = match plain {
            "epoch_millis" => return Some(Self::Epoch(MILLISECOND)),
            "epoch_second" => return Some(Self::Epoch(SECOND)),
            "date_optional_time" | "dateOptionalTime" | "date_time" | "dateTime" => {
                "yyyy-MM-dd'T'HH:mm:ss.SSSX"
            }
            "date_optional_time_nanos" | "iso8601" => "yyyy-MM-dd'T'HH:mm:ss.SSSSSSSSSX",
            "date_time_no_millis" | "dateTimeNoMillis" => "yyyy-MM-dd'T'HH:mm:ssX",
            "date" | "year_month_day" => "yyyy-MM-dd",
            "date_hour" => "yyyy-MM-dd'T'HH",
            "date_hour_minute" => "yyyy-MM-dd'T'HH:mm",
            "date_hour_minute_second" => "yyyy-MM-dd'T'HH:mm:ss",
            "date_hour_minute_second_millis" | "date_hour_minute_second_fraction" => {
                "yyyy-MM-dd'T'HH:mm:ss.SSS"
            }
            "basic_date" => "yyyyMMdd",
            "basic_date_time" => "yyyyMMdd'T'HHmmss.SSSX",
            "basic_date_time_no_millis" => "yyyyMMdd'T'HHmmssX",
            "year_month" => "yyyy-MM",
            "year" => "yyyy",
            _ => name,
        };
        pieces(pattern).map(Self::Pattern)
    }

    fn write(&self, nanos: i128, out: &mut String) -> Option<()> {
        let pieces = match self {
            Self::Epoch(unit) => {
                if nanos % unit != 0 {
                    return None;
                }
                out.push_str(&(nanos / unit).to_string());
                return Some(());
            }
            Self::Pattern(pieces) => pieces,
        };
        let at = Timestamp::from_nanosecond(nanos).ok()?;
        let at = Offset::UTC.to_datetime(at);
        if at.year() < 0 || kept(pieces, at) != at {
            return None;
        }
        let mut text = String::new();
        for piece in pieces {
            piece.write(at, &mut text);
        }
        json_text(&text, out);
        Some(())
    }
}

/// What a pattern keeps of an instant.
fn kept(pieces: &[Piece], at: DateTime) -> DateTime {
    let has = |wanted: fn(&Piece) -> bool| pieces.iter().any(wanted);
    let part =
        |wanted: fn(&Piece) -> bool, value: i8, none: i8| if has(wanted) { value } else { none };
    let digits = pieces.iter().find_map(|piece| match piece {
        Piece::Fraction(digits) => Some(*digits),
        _ => None,
    });
    let unit = 10_i32.pow(9 - u32::try_from(digits.unwrap_or(0).min(9)).unwrap_or(9));
    if !has(|piece| matches!(piece, Piece::Year)) {
        return DateTime::MIN;
    }
    DateTime::new(
        at.year(),
        part(|piece| matches!(piece, Piece::Month(_)), at.month(), 1),
        part(|piece| matches!(piece, Piece::Day(_)), at.day(), 1),
        part(|piece| matches!(piece, Piece::Hour(_)), at.hour(), 0),
        part(|piece| matches!(piece, Piece::Minute(_)), at.minute(), 0),
        part(|piece| matches!(piece, Piece::Second(_)), at.second(), 0),
        at.subsec_nanosecond() / unit * unit,
    )
    .unwrap_or(DateTime::MIN)
}

impl Piece {
    fn write(&self, at: DateTime, text: &mut String) {
        let mut number = |value: i64, width: usize| text.push_str(&format!("{value:0width$}"));
        match self {
            Self::Year => number(at.year().into(), 4),
            Self::Month(width) => number(at.month().into(), *width),
            Self::Day(width) => number(at.day().into(), *width),
            Self::Hour(width) => number(at.hour().into(), *width),
            Self::Minute(width) => number(at.minute().into(), *width),
            Self::Second(width) => number(at.second().into(), *width),
            Self::Fraction(digits) => {
                let nine = format!("{:09}", at.subsec_nanosecond());
                text.push_str(nine.get(..*digits).unwrap_or(&nine));
            }
            Self::Zulu => text.push('Z'),
            Self::Offset(zero) => text.push_str(zero),
            Self::Literal(literal) => text.push_str(literal),
        }
    }
}

/// `None` for a pattern with anything but digits, an offset and literals.
fn pieces(pattern: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let (literal, behind) = rest[1..].split_once('\'')?;
            let literal = if literal.is_empty() { "'" } else { literal };
            pieces.push(Piece::Literal(literal.to_owned()));
            rest = behind;
            continue;
        }
        let run = rest.chars().take_while(|letter| *letter == first).count();
        let (this, behind) = rest.split_at(run * first.len_utf8());
        rest = behind;
        pieces.push(match (first, run) {
            // Any other number of letters means another form of the year.
            ('y' | 'u' | 'Y', 4) | ('u' | 'y', 1) => Piece::Year,
            ('M' | 'L', 1 | 2) => Piece::Month(run),
            ('d', 1 | 2) => Piece::Day(run),
            ('H', 1 | 2) => Piece::Hour(run),
            ('m', 1 | 2) => Piece::Minute(run),
            ('s', 1 | 2) => Piece::Second(run),
            ('S', 1..=9) => Piece::Fraction(run),
            ('X', 1..=3) => Piece::Zulu,
            ('Z', 2) | ('x', 3) => Piece::Offset("+00:00"),
            ('Z', 1) | ('x', 1 | 2) => Piece::Offset("+0000"),
            ('[' | ']' | '{' | '}' | '#', _) => return None,
            (letter, _) if letter.is_ascii_alphabetic() => return None,
            _ => Piece::Literal(this.to_owned()),
        });
    }
    (!pieces.is_empty()).then_some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Option<&str>, nanos: i128) -> Option<String> {
        let mut out = String::new();
        DateFormat::parse(format.unwrap_or(MILLIS))?.write(nanos, &mut out)?;
        Some(out)
    }

    #[test]
    fn the_first_format_that_loses_nothing_is_taken() {
        let at = 1_614_834_367_123 * MILLISECOND; // 2021-03-04T05:06:07.123Z
        let midnight = 1_614_816_000 * SECOND;
        for (format, nanos, text) in [
            (None, at, "\"2021-03-04T05:06:07.123Z\""),
            (None, -MILLISECOND, "\"1969-12-31T23:59:59.999Z\""),
            (Some("epoch_millis"), at, "1614834367123"),
            (Some("epoch_second||epoch_millis"), at, "1614834367123"),
            (Some("yyyy-MM-dd||epoch_millis"), midnight, "\"2021-03-04\""),
            (Some("yyyy-MM-dd||epoch_millis"), at, "1614834367123"),
            (
                Some("dd/MM/yyyy HH:mm:ss.SSS"),
                at,
                "\"04/03/2021 05:06:07.123\"",
            ),
            (
                Some("yyyy-MM-dd'T'HH:mm:ss.SSSZ"),
                at,
                "\"2021-03-04T05:06:07.123+0000\"",
            ),
            (
                Some("strict_year_month"),
                1_614_556_800 * SECOND,
                "\"2021-03\"",
            ),
            (
                Some("strict_date_optional_time_nanos"),
                at + 7,
                "\"2021-03-04T05:06:07.123000007Z\"",
            ),
        ] {
            assert_eq!(written(format, nanos).as_deref(), Some(text), "{format:?}");
        }
    }

    #[test]
    fn what_would_lose_something_is_not_written() {
        assert_eq!(written(Some("yyyy-MM-dd"), SECOND), None);
        assert_eq!(written(Some("HH:mm"), 0), None);
        assert_eq!(written(None, 7), None);
        assert_eq!(DateFormat::parse("EEE, d MMM yyyy"), None);
        assert_eq!(DateFormat::parse("yy"), None);
    }
}
