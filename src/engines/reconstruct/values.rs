//! What a field is, and how one of its values is written as JSON.
//!
//! Doc values hold numbers in sortable forms (Lucene's `NumericUtils`) and texts as bytes. Deliberately absent: which
//! field has which kind, which is the recipe's.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::dates::DateFormat;

/// One value as an index keeps it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// Of `NUMERIC` and `SORTED_NUMERIC` doc values, in their sortable form.
    Sortable(i64),
    /// Of `SORTED`, `SORTED_SET` and `BINARY` doc values.
    Bytes(&'a [u8]),
    /// A stored whole number.
    Whole(i64),
    /// A stored float.
    Float(f32),
    /// A stored double.
    Double(f64),
    /// A stored text.
    Text(&'a str),
}

/// What a mapping says a field is, as far as its values are read here.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `long`, `integer`, `short`, `byte`.
    Whole,
    /// `unsigned_long`; whether doc values are shifted by 2^63, as Elasticsearch does to keep them in order.
    Unsigned {
        /// Elasticsearch shifts, OpenSearch does not.
        shifted: bool,
    },
    /// `double`.
    Double,
    /// `float`.
    Float,
    /// `half_float`.
    HalfFloat,
    /// `scaled_float` with its factor.
    Scaled(f64),
    /// `boolean`.
    Boolean,
    /// `date` in milliseconds.
    Date(DateFormat),
    /// `date_nanos` in nanoseconds.
    DateNanos(DateFormat),
    /// `keyword`, and whatever else keeps its text as it is.
    Text,
    /// `ip`.
    Ip,
    /// `geo_point`.
    GeoPoint,
    /// `binary`: in doc values, all values of a document are one list.
    Binary,
}

/// A value that is not of its field's kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit;

impl Kind {
    /// Appends the JSON of a value, or of each of a list of them, with commas between. Says how many there were.
    pub(super) fn write(&self, value: FieldValue<'_>, out: &mut String) -> Result<usize, Unfit> {
        if let (Self::Binary, FieldValue::Bytes(list)) = (self, value) {
            return binary_list(list, out);
        }
        self.write_one(value, out)?;
        Ok(1)
    }

    /// As [`Self::write`], for a value that was stored and not kept as a doc value: no list.
    pub(super) fn write_stored(
        &self,
        value: FieldValue<'_>,
        out: &mut String,
    ) -> Result<(), Unfit> {
        if let (Self::Binary, FieldValue::Bytes(bytes)) = (self, value) {
            base64_text(bytes, out);
            return Ok(());
        }
        self.write_one(value, out)
    }

    fn write_one(&self, value: FieldValue<'_>, out: &mut String) -> Result<(), Unfit> {
        match (self, value) {
            (Self::Whole, FieldValue::Sortable(number) | FieldValue::Whole(number)) => {
                display(out, number);
            }
            (Self::Unsigned { shifted }, FieldValue::Sortable(number)) => {
                let flipped = if *shifted { number ^ i64::MIN } else { number };
                display(out, flipped.cast_unsigned());
            }
            (Self::Unsigned { .. }, FieldValue::Whole(number)) => {
                display(out, number.cast_unsigned());
            }
            (Self::Double, FieldValue::Sortable(bits)) => {
                double(f64::from_bits(unsortable(bits).cast_unsigned()), out)?;
            }
            (Self::Double | Self::Scaled(_), FieldValue::Double(number)) => double(number, out)?,
            (Self::Float, FieldValue::Sortable(bits)) => float(sortable_float(bits)?, out)?,
            (Self::Float | Self::HalfFloat, FieldValue::Float(number)) => float(number, out)?,
            (Self::HalfFloat, FieldValue::Sortable(bits)) => {
                let bits = i16::try_from(bits).map_err(|_| Unfit)?;
                let bits = bits ^ ((bits >> 15) & 0x7fff);
                float(half(bits.cast_unsigned()), out)?;
            }
            (Self::Scaled(factor), FieldValue::Sortable(number) | FieldValue::Whole(number)) => {
                double(number as f64 / factor, out)?;
            }
            (Self::Boolean, FieldValue::Sortable(0) | FieldValue::Text("F")) => {
                out.push_str("false");
            }
            (Self::Boolean, FieldValue::Sortable(1) | FieldValue::Text("T")) => {
                out.push_str("true");
            }
            (Self::Boolean, FieldValue::Bytes(bytes)) => match bytes {
                b"F" => out.push_str("false"),
                b"T" => out.push_str("true"),
                _ => return Err(Unfit),
            },
            (Self::Date(format), FieldValue::Sortable(at) | FieldValue::Whole(at)) => {
                format.write(i128::from(at) * 1_000_000, out).ok_or(Unfit)?;
            }
            (Self::DateNanos(format), FieldValue::Sortable(at) | FieldValue::Whole(at)) => {
                format.write(i128::from(at), out).ok_or(Unfit)?;
            }
            (Self::Text, FieldValue::Bytes(bytes)) => {
                json_text(std::str::from_utf8(bytes).map_err(|_| Unfit)?, out);
            }
            (Self::Ip, FieldValue::Bytes(bytes)) => {
                let bytes: [u8; 16] = bytes.try_into().map_err(|_| Unfit)?;
                let address = Ipv6Addr::from(bytes);
                let address = address
                    .to_ipv4_mapped()
                    .map_or(IpAddr::V6(address), IpAddr::V4);
                json_text(&address.to_string(), out);
            }
            // Before Elasticsearch 5 an address was a number of 32 bits.
            (Self::Ip, FieldValue::Whole(number)) => {
                let bits = u32::try_from(number).map_err(|_| Unfit)?;
                json_text(&Ipv4Addr::from_bits(bits).to_string(), out);
            }
            (Self::Text | Self::Ip | Self::GeoPoint, FieldValue::Text(text)) => {
                json_text(text, out);
            }
            (Self::GeoPoint, FieldValue::Sortable(packed)) => {
                let (latitude, longitude) = point(packed);
                out.push_str("{\"lat\":");
                double(latitude, out)?;
                out.push_str(",\"lon\":");
                double(longitude, out)?;
                out.push('}');
            }
            _ => return Err(Unfit),
        }
        Ok(())
    }
}

/// Sortable bits and the bits of a double, which are each other's inverse.
fn unsortable(bits: i64) -> i64 {
    bits ^ ((bits >> 63) & i64::MAX)
}

fn sortable_float(bits: i64) -> Result<f32, Unfit> {
    let bits = i32::try_from(bits).map_err(|_| Unfit)?;
    let bits = bits ^ ((bits >> 31) & i32::MAX);
    Ok(f32::from_bits(bits.cast_unsigned()))
}

/// A number of 16 bits (IEEE 754 binary16).
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f32::from(bits & 0x3ff);
    let magnitude = match i32::from(bits >> 10 & 0x1f) {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    };
    sign * magnitude
}

/// Latitude and longitude of a point that Lucene packs into 32 bits each.
#[allow(clippy::cast_possible_truncation)] // the halves of the number
fn point(packed: i64) -> (f64, f64) {
    let latitude = f64::from((packed >> 32) as i32) * (180.0 / 4_294_967_296.0);
    let longitude = f64::from(packed as i32) * (360.0 / 4_294_967_296.0);
    (latitude, longitude)
}

/// The values of a `binary` field: a count, then each with its length.
fn binary_list(mut list: &[u8], out: &mut String) -> Result<usize, Unfit> {
    let count = vint(&mut list)?;
    for at in 0..count {
        let length = vint(&mut list)?;
        let value = list.split_at_checked(length).ok_or(Unfit)?;
        list = value.1;
        if at > 0 {
            out.push(',');
        }
        base64_text(value.0, out);
    }
    if list.is_empty() {
        Ok(count)
    } else {
        Err(Unfit)
    }
}

fn vint(bytes: &mut &[u8]) -> Result<usize, Unfit> {
    let mut value = 0_usize;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Unfit)?;
        *bytes = rest;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Unfit)
}

fn base64_text(bytes: &[u8], out: &mut String) {
    out.push('"');
    STANDARD.encode_string(bytes, out);
    out.push('"');
}

fn display(out: &mut String, value: impl std::fmt::Display) {
    out.push_str(&value.to_string());
}

/// The shortest digits that read back as the same number; JSON has no others than finite ones.
fn double(number: f64, out: &mut String) -> Result<(), Unfit> {
    let number = serde_json::Number::from_f64(number).ok_or(Unfit)?;
    display(out, number);
    Ok(())
}

fn float(number: f32, out: &mut String) -> Result<(), Unfit> {
    if !number.is_finite() {
        return Err(Unfit);
    }
    // `Debug` switches to an exponent where digits would be many.
    out.push_str(&format!("{number:?}"));
    Ok(())
}

/// A text with its quotes.
pub(super) fn json_text(text: &str, out: &mut String) {
    match serde_json::to_string(text) {
        Ok(quoted) => out.push_str(&quoted),
        // A text is always one in JSON.
        Err(_) => out.push_str("\"\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: &Kind, value: FieldValue<'_>) -> Option<String> {
        let mut out = String::new();
        kind.write(value, &mut out).ok().map(|_| out)
    }

    /// The sortable form, as Lucene's writers make it.
    fn sortable(number: f64) -> FieldValue<'static> {
        FieldValue::Sortable(unsortable(number.to_bits().cast_signed()))
    }

    #[test]
    fn numbers_are_read_from_their_sortable_form() {
        for (number, text) in [
            (1.5, "1.5"),
            (-0.0, "-0.0"),
            (-2.25, "-2.25"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
        ] {
            let found = written(&Kind::Double, sortable(number)).unwrap();
            assert_eq!(found, text);
            assert_eq!(found.parse::<f64>().unwrap().to_bits(), number.to_bits());
        }
        assert_eq!(written(&Kind::Double, sortable(f64::NAN)), None);
        let float = |number: f32| {
            let bits = number.to_bits().cast_signed();
            written(
                &Kind::Float,
                FieldValue::Sortable(i64::from(bits ^ ((bits >> 31) & i32::MAX))),
            )
        };
        assert_eq!(float(0.1).as_deref(), Some("0.1"));
        assert_eq!(float(-3.25).as_deref(), Some("-3.25"));
        let largest: f32 = float(f32::MAX).unwrap().parse().unwrap();
        assert_eq!(largest.to_bits(), f32::MAX.to_bits());
        let half = |bits: i64| written(&Kind::HalfFloat, FieldValue::Sortable(bits));
        assert_eq!(half(0x3e00).as_deref(), Some("1.5"));
        assert_eq!(half(0x0001).as_deref(), Some("5.9604645e-8"));
        // -1.5 has the bits be00, of which the sortable form flips all but the sign.
        assert_eq!(half(-0x3e01).as_deref(), Some("-1.5"));
        assert_eq!(half(0x7c00), None);
        let scaled = Kind::Scaled(100.0);
        assert_eq!(
            written(&scaled, FieldValue::Sortable(1999)).as_deref(),
            Some("19.99")
        );
        let shifted = Kind::Unsigned { shifted: true };
        assert_eq!(
            written(&shifted, FieldValue::Sortable(i64::MAX)).as_deref(),
            Some("18446744073709551615")
        );
    }

    #[test]
    fn texts_addresses_and_points_are_read() {
        let text = written(&Kind::Text, FieldValue::Bytes("a\"\n\u{1f600}".as_bytes()));
        assert_eq!(text.as_deref(), Some("\"a\\\"\\n\u{1f600}\""));
        assert_eq!(written(&Kind::Text, FieldValue::Bytes(&[0xff])), None);
        let mut address = [0; 16];
        address[10..].copy_from_slice(&[0xff, 0xff, 10, 0, 0, 7]);
        assert_eq!(
            written(&Kind::Ip, FieldValue::Bytes(&address)).as_deref(),
            Some("\"10.0.0.7\"")
        );
        address[10..12].copy_from_slice(&[0, 1]);
        let six = written(&Kind::Ip, FieldValue::Bytes(&address)).unwrap();
        assert_eq!(six, "\"::1:a00:7\"");
        assert_eq!(written(&Kind::Ip, FieldValue::Bytes(&[1, 2])), None);
        let packed = (536_870_912_i64 << 32) | 0x4000_0000;
        let point = written(&Kind::GeoPoint, FieldValue::Sortable(packed)).unwrap();
        assert_eq!(point, r#"{"lat":22.5,"lon":90.0}"#);
    }

    #[test]
    fn a_list_of_binaries_is_held_to_its_lengths() {
        let list = [2, 3, 1, 2, 3, 1, 255];
        let mut out = String::new();
        assert_eq!(
            Kind::Binary.write(FieldValue::Bytes(&list), &mut out),
            Ok(2)
        );
        assert_eq!(out, "\"AQID\",\"/w==\"");
        for broken in [&list[..5], &[1, 200][..], &[0, 0], &[0x80; 9], &[]] {
            assert!(
                Kind::Binary
                    .write(FieldValue::Bytes(broken), &mut out)
                    .is_err()
            );
        }
    }
}
