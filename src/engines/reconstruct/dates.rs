//! Writing an instant in the format that a mapping gives to a field, so that the same mapping reads it again; and reading one,
//! for transforms.
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
    /// Written by the pattern; read with as many of its parts as are there.
    Iso(Vec<Piece>),
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

    /// `None` when any alternative of the format is one that can't be read and written here.
    pub(in crate::engines) fn strict(format: &str) -> Option<Self> {
        let all: Option<Vec<One>> = format.split("||").map(One::parse).collect();
        all.filter(|all| all.iter().all(One::tells_the_year))
            .map(Self)
    }

    /// An instant in nanoseconds since 1970; `None` when no format fits the text. Without an offset it is UTC.
    pub(in crate::engines) fn read(&self, text: &str) -> Option<i128> {
        self.0.iter().find_map(|one| one.read(text.trim()))
    }

    /// Appends the JSON of an instant in nanoseconds since 1970. `None` when every format would lose some of it.
    pub(in crate::engines) fn write(&self, nanos: i128, out: &mut String) -> Option<()> {
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
        let optional = [
            "date_optional_time",
            "dateOptionalTime",
            "date_time",
            "dateTime",
            "date_optional_time_nanos",
            "iso8601",
            "date_time_no_millis",
            "dateTimeNoMillis",
        ];
        let pieces = pieces(pattern)?;
        Some(if optional.contains(&plain) {
            Self::Iso(pieces)
        } else {
            Self::Pattern(pieces)
        })
    }

    fn tells_the_year(&self) -> bool {
        match self {
            Self::Epoch(_) => true,
            Self::Pattern(pieces) | Self::Iso(pieces) => pieces.contains(&Piece::Year),
        }
    }

    fn read(&self, text: &str) -> Option<i128> {
        match self {
            Self::Epoch(unit) => epoch(text, *unit),
            Self::Pattern(pieces) => {
                let mut reading = Reading::new(text);
                for piece in pieces {
                    reading.piece(piece)?;
                }
                reading.instant()
            }
            Self::Iso(_) => iso(text),
        }
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
            Self::Pattern(pieces) | Self::Iso(pieces) => pieces,
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

/// A number of units, with decimals.
fn epoch(text: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let all = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    if digits.is_empty() || !all(digits) || !all(fraction) || digits.len() > 20 {
        return None;
    }
    let mut nanos = digits.parse::<i128>().ok()?.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        nanos += i128::from(digit - b'0') * place;
    }
    Some(if whole.starts_with('-') {
        -nanos
    } else {
        nanos
    })
}

/// `2021`, `2021-03-04`, `2021-03-04T05:06`, `2021-03-04 05:06:07.123+01:00`, and what is between.
fn iso(text: &str) -> Option<i128> {
    let mut reading = Reading::new(text);
    reading.piece(&Piece::Year)?;
    for piece in [Piece::Month(2), Piece::Day(2)] {
        if reading.literal("-").is_none() {
            break;
        }
        reading.piece(&piece)?;
    }
    if reading
        .literal("T")
        .or_else(|| reading.literal(" "))
        .is_some()
        && !reading.rest.is_empty()
    {
        reading.piece(&Piece::Hour(2))?;
        for piece in [Piece::Minute(2), Piece::Second(2)] {
            if reading.literal(":").is_none() {
                break;
            }
            reading.piece(&piece)?;
        }
        if reading
            .literal(".")
            .or_else(|| reading.literal(","))
            .is_some()
        {
            let digits = reading.rest.bytes().take_while(u8::is_ascii_digit).count();
            reading.piece(&Piece::Fraction(digits.clamp(1, 9)))?;
        }
        if !reading.rest.is_empty() {
            reading.piece(&Piece::Zulu)?;
        }
    }
    reading.instant()
}

/// A text that is read piece by piece.
struct Reading<'a> {
    rest: &'a str,
    year: i16,
    /// Month, day, hour, minute, second.
    parts: [i8; 5],
    nanos: i32,
    /// Seconds east of UTC.
    offset: i64,
}

impl<'a> Reading<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            year: 1970,
            parts: [1, 1, 0, 0, 0],
            nanos: 0,
            offset: 0,
        }
    }

    fn literal(&mut self, literal: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(literal)?;
        Some(())
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<&'a str> {
        let all = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let count = all.min(most);
        if count < least {
            return None;
        }
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        Some(digits)
    }

    fn piece(&mut self, piece: &Piece) -> Option<()> {
        let (part, width) = match piece {
            Piece::Year => {
                self.year = self.digits(4, 4)?.parse().ok()?;
                return Some(());
            }
            Piece::Month(width) => (0, width),
            Piece::Day(width) => (1, width),
            Piece::Hour(width) => (2, width),
            Piece::Minute(width) => (3, width),
            Piece::Second(width) => (4, width),
            Piece::Fraction(count) => {
                let digits = self.digits(*count, *count)?;
                self.nanos = format!("{digits:0<9}").parse().ok()?;
                return Some(());
            }
            Piece::Zulu | Piece::Offset(_) => return self.offset(),
            Piece::Literal(literal) => return self.literal(literal),
        };
        self.parts[part] = self.digits(*width, 2)?.parse().ok()?;
        Some(())
    }

    /// `Z`, `+01`, `+0100` or `+01:00`.
    fn offset(&mut self) -> Option<()> {
        if self.literal("Z").is_some() {
            return Some(());
        }
        let sign = match self.literal("+") {
            Some(()) => 1,
            None => self.literal("-").map(|()| -1)?,
        };
        let hours: i64 = self.digits(2, 2)?.parse().ok()?;
        let colon = self.literal(":").is_some();
        let minutes: i64 = match self.digits(2, 2) {
            Some(digits) => digits.parse().ok()?,
            None if colon => return None,
            None => 0,
        };
        self.offset = sign * (hours * 3600 + minutes * 60);
        Some(())
    }

    fn instant(self) -> Option<i128> {
        if !self.rest.is_empty() {
            return None;
        }
        let [month, day, hour, minute, second] = self.parts;
        let at = DateTime::new(self.year, month, day, hour, minute, second, self.nanos).ok()?;
        let at = Offset::UTC.to_timestamp(at).ok()?;
        Some(at.as_nanosecond() - i128::from(self.offset) * SECOND)
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
    fn what_is_written_is_read_again() {
        let at = 1_614_834_367_123 * MILLISECOND; // 2021-03-04T05:06:07.123Z
        let second = 1_614_834_367 * SECOND;
        for (format, text, nanos) in [
            ("epoch_millis", "1614834367123", Some(at)),
            ("epoch_millis", "1614834367123.5", Some(at + 500_000)),
            ("epoch_second", "-1.5", Some(-1_500_000_000)),
            ("epoch_second", "soon", None),
            ("date_optional_time", "2021-03-04T05:06:07.123Z", Some(at)),
            (
                "date_optional_time",
                "2021-03-04T06:06:07,123+01:00",
                Some(at),
            ),
            ("date_optional_time", "2021-03-04 05:06:07", Some(second)),
            ("date_optional_time", "2021", Some(1_609_459_200 * SECOND)),
            (
                "date_optional_time",
                "2021-03-04T",
                Some(1_614_816_000 * SECOND),
            ),
            ("date_optional_time", "2021-02-30", None),
            ("date_optional_time", "2021-03-04T05:06:07.123Z!", None),
            ("dd/MM/yyyy HH:mm:ss", "04/03/2021 05:06:07", Some(second)),
            ("dd/MM/yyyy HH:mm:ss", "4/3/2021 05:06:07", None),
            ("d/M/yyyy", "4/3/2021", Some(1_614_816_000 * SECOND)),
            ("yyyyMMdd'T'HHmmssX", "20210304T000607-0500", Some(second)),
            ("yyyy-MM-dd||epoch_second", "1614834367", Some(second)),
        ] {
            let read = DateFormat::strict(format).unwrap().read(text);
            assert_eq!(read, nanos, "{format}: {text}");
        }
        for none in ["HH:mm", "dd MMMM yyyy", "yyyy-MM-dd||EEE", ""] {
            assert_eq!(DateFormat::strict(none), None, "{none}");
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
