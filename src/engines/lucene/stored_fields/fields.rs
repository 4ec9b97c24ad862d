//! The stored fields of one document: finds the few that matter and skips the rest, or gives each in turn.

use super::super::LuceneError;
use super::super::field_infos::FieldInfos;
use super::super::input::Order;
use super::super::packed::zigzag;
use super::{Bad, Cursor, Decode};

const STRING: u64 = 0;
const BYTES: u64 = 1;
const INT: u64 = 2;
const FLOAT: u64 = 3;
const LONG: u64 = 4;
const DOUBLE: u64 = 5;
/// No field has this key: a number of 61 bits.
const ABSENT: u64 = u64::MAX;

/// How stored numbers are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Numbers {
    /// In their full width, big-endian (Lucene 4).
    Fixed,
    /// In as few bytes as the value needs; what is left of a number in the file's order of bytes.
    Variable(Order),
}

/// The keys (number and type) under which one segment stores the fields that matter.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Wanted {
    id: u64,
    /// `_id` as text: what 5.6 stores of an index with `index.mapping.single_type`.
    id_text: u64,
    uid: u64,
    source: u64,
    routing: u64,
    recovery_source: u64,
    numbers: Numbers,
    /// How many of the fields the segment has at all: when so many are found, the rest is not parsed.
    count: u32,
}

impl Wanted {
    /// Looks the fields up once a segment.
    pub(in super::super) fn new(fields: &FieldInfos, numbers: Numbers) -> Self {
        let mut count = 0;
        let mut key = |name, kind| {
            let field = fields.by_name(name)?;
            count += 1;
            Some(u64::from(field.number) << 3 | kind)
        };
        let mut id = key("_id", BYTES);
        let uid = key("_uid", STRING);
        let source = key("_source", BYTES);
        let routing = key("_routing", STRING);
        let recovery_source = key("_recovery_source", BYTES);
        // Where there is a `_uid`, `_id` is not stored and would be waited for in vain.
        if uid.is_some() && id.take().is_some() {
            count -= 1;
        }
        let id_text = id.map(|id| id ^ BYTES ^ STRING);
        Self {
            id: id.unwrap_or(ABSENT),
            id_text: id_text.unwrap_or(ABSENT),
            uid: uid.unwrap_or(ABSENT),
            source: source.unwrap_or(ABSENT),
            routing: routing.unwrap_or(ABSENT),
            recovery_source: recovery_source.unwrap_or(ABSENT),
            numbers,
            count,
        }
    }

    /// Whether documents are identified by `type#id`: the index was created before Elasticsearch 6.
    pub(in super::super) fn legacy(&self) -> bool {
        self.uid != ABSENT
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Fields<'a> {
    pub(in super::super) id: Option<&'a [u8]>,
    pub(in super::super) id_text: Option<&'a [u8]>,
    pub(in super::super) uid: Option<&'a [u8]>,
    pub(in super::super) source: Option<&'a [u8]>,
    pub(in super::super) routing: Option<&'a [u8]>,
    pub(in super::super) recovery_source: Option<&'a [u8]>,
}

/// Parses the `count` stored fields of one document.
#[inline]
pub(in super::super) fn parse<'a>(
    bytes: &'a [u8],
    count: u32,
    wanted: &Wanted,
) -> Decode<Fields<'a>> {
    let mut cursor = Cursor::new(bytes);
    let mut found = Fields::default();
    let mut missing = wanted.count;
    for _ in 0..count {
        let key = cursor.vlong()?;
        let kind = key & 7;
        if kind > BYTES {
            number(&mut cursor, kind, wanted.numbers)?;
            continue;
        }
        let length = cursor.vint()?;
        let value = cursor.take(length as usize)?;
        let slot = if key == wanted.source {
            &mut found.source
        } else if key == wanted.id {
            &mut found.id
        } else if key == wanted.id_text {
            &mut found.id_text
        } else if key == wanted.routing {
            &mut found.routing
        } else if key == wanted.uid {
            &mut found.uid
        } else if key == wanted.recovery_source {
            &mut found.recovery_source
        } else {
            continue;
        };
        if slot.replace(value).is_some() {
            return Err(cursor.bad("each of the document's own fields once"));
        }
        missing -= 1;
        if missing == 0 {
            return Ok(found);
        }
    }
    if cursor.at != bytes.len() {
        return Err(cursor.bad("the end of the document"));
    }
    Ok(found)
}

/// One stored value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StoredValue<'a> {
    /// Text, which is UTF-8.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// 32 bits.
    Int(i32),
    /// Single precision.
    Float(f32),
    /// 64 bits.
    Long(i64),
    /// Double precision.
    Double(f64),
}

/// All that is stored of one document.
#[derive(Clone, Copy, Debug)]
pub struct StoredDocument<'a> {
    bytes: &'a [u8],
    count: u32,
    numbers: Numbers,
    fields: &'a FieldInfos,
    segment: &'a str,
    doc: u32,
}

impl<'a> StoredDocument<'a> {
    /// Of a document without stored fields.
    pub const EMPTY: StoredDocument<'static> = StoredDocument {
        bytes: &[],
        count: 0,
        numbers: Numbers::Fixed,
        fields: &FieldInfos::EMPTY,
        segment: "",
        doc: 0,
    };

    pub(in super::super) fn new(
        bytes: &'a [u8],
        count: u32,
        wanted: &Wanted,
        fields: &'a FieldInfos,
        segment: &'a str,
        doc: u32,
    ) -> Self {
        Self {
            bytes,
            count,
            numbers: wanted.numbers,
            fields,
            segment,
            doc,
        }
    }

    /// The names and values of its fields, in the order in which they were added. A field may come several times.
    pub fn iter(&self) -> StoredFieldsOf<'a> {
        StoredFieldsOf {
            document: *self,
            cursor: Cursor::new(self.bytes),
            left: self.count,
        }
    }
}

impl<'a> IntoIterator for &StoredDocument<'a> {
    type Item = Result<(&'a str, StoredValue<'a>), LuceneError>;
    type IntoIter = StoredFieldsOf<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The fields of a [`StoredDocument`]. Ends after an error.
pub struct StoredFieldsOf<'a> {
    document: StoredDocument<'a>,
    cursor: Cursor<'a>,
    left: u32,
}

impl<'a> StoredFieldsOf<'a> {
    fn field(&mut self) -> Decode<(&'a str, StoredValue<'a>)> {
        let cursor = &mut self.cursor;
        let key = cursor.vlong()?;
        let field = u32::try_from(key >> 3)
            .ok()
            .and_then(|number| self.document.fields.by_number(number));
        let field = field.ok_or_else(|| cursor.bad("a field that the segment has"))?;
        let value = match key & 7 {
            STRING | BYTES => {
                let length = cursor.vint()?;
                let bytes = cursor.take(length as usize)?;
                if key & 7 == STRING {
                    let text = std::str::from_utf8(bytes);
                    StoredValue::Text(text.map_err(|_| cursor.bad("text in UTF-8"))?)
                } else {
                    StoredValue::Bytes(bytes)
                }
            }
            kind => number(cursor, kind, self.document.numbers)?,
        };
        if self.left == 0 && cursor.at != cursor.bytes.len() {
            return Err(cursor.bad("the end of the document"));
        }
        Ok((&field.name, value))
    }
}

impl<'a> Iterator for StoredFieldsOf<'a> {
    type Item = Result<(&'a str, StoredValue<'a>), LuceneError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let field = self.field();
        Some(field.map_err(|bad| {
            self.left = 0;
            LuceneError::Document {
                segment: self.document.segment.to_owned(),
                doc: self.document.doc,
                reason: format!("expected {} at its byte {}", bad.expected, bad.at),
            }
        }))
    }
}

/// One number of type `kind`.
fn number(cursor: &mut Cursor<'_>, kind: u64, numbers: Numbers) -> Decode<StoredValue<'static>> {
    let order = match numbers {
        Numbers::Fixed => {
            return Ok(match kind {
                INT => StoredValue::Int(whole(cursor, 4, Order::Big)? as i32),
                FLOAT => StoredValue::Float(f32::from_bits(whole(cursor, 4, Order::Big)? as u32)),
                LONG => StoredValue::Long(whole(cursor, 8, Order::Big)? as i64),
                DOUBLE => StoredValue::Double(f64::from_bits(whole(cursor, 8, Order::Big)?)),
                _ => return Err(unknown(cursor)),
            });
        }
        Numbers::Variable(order) => order,
    };
    Ok(match kind {
        INT => StoredValue::Int(zigzag(u64::from(cursor.vint()?)) as i32),
        FLOAT => StoredValue::Float(match cursor.u8()? {
            0xff => f32::from_bits(whole(cursor, 4, order)? as u32),
            small if small & 0x80 != 0 => f32::from(i16::from(small & 0x7f) - 1),
            first => f32::from_bits(pieces(cursor, first, &[2, 1], order)? as u32),
        }),
        LONG => {
            let head = cursor.u8()?;
            let mut bits = u64::from(head & 0x1f);
            if head & 0x20 != 0 {
                bits |= cursor.vlong()? << 5;
            }
            let unit = match head >> 6 {
                0 => 1,
                1 => 1000,
                2 => 3_600_000,
                _ => 86_400_000,
            };
            StoredValue::Long(zigzag(bits).wrapping_mul(unit))
        }
        DOUBLE => StoredValue::Double(match cursor.u8()? {
            0xff => f64::from_bits(whole(cursor, 8, order)?),
            0xfe => f64::from(f32::from_bits(whole(cursor, 4, order)? as u32)),
            small if small & 0x80 != 0 => f64::from(i16::from(small & 0x7f) - 1),
            first => f64::from_bits(pieces(cursor, first, &[4, 2, 1], order)?),
        }),
        _ => return Err(unknown(cursor)),
    })
}

fn unknown(cursor: &Cursor<'_>) -> Bad {
    cursor.bad("a field type of 0 to 5")
}

fn whole(cursor: &mut Cursor<'_>, length: usize, order: Order) -> Decode<u64> {
    let bytes = cursor.take(length)?;
    let join = |bits: u64, byte: &u8| bits << 8 | u64::from(*byte);
    Ok(match order {
        Order::Big => bytes.iter().fold(0, join),
        Order::Little => bytes.iter().rev().fold(0, join),
    })
}

/// A number whose first byte is known; each further piece has its bytes in the file's order.
fn pieces(cursor: &mut Cursor<'_>, first: u8, lengths: &[usize], order: Order) -> Decode<u64> {
    let mut bits = u64::from(first);
    for length in lengths {
        bits = bits << (length * 8) | whole(cursor, *length, order)?;
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::super::super::codec::encode::vlong;
    use super::*;

    const WANTED: Wanted = Wanted {
        id: 1 << 3 | BYTES,
        id_text: 1 << 3 | STRING,
        uid: ABSENT,
        source: 2 << 3 | BYTES,
        routing: 3 << 3,
        recovery_source: ABSENT,
        numbers: Numbers::Variable(Order::Big),
        count: 3,
    };

    fn value(out: &mut Vec<u8>, key: u64, bytes: &[u8]) {
        vlong(out, key);
        vlong(out, bytes.len() as u64);
        out.extend(bytes);
    }

    #[test]
    fn numbers_of_every_form_are_skipped() {
        let forms: [&[u8]; 11] = [
            &[2, 0x96, 1],
            &[3, 0xff, 1, 2, 3, 4],
            &[3, 0x81],
            &[3, 0x40, 1, 2],
            &[3, 0x40, 1, 2, 3],
            &[4, 0x1f],
            &[4, 0xe1, 0x80, 1],
            &[5, 0xff, 1, 2, 3, 4, 5, 6, 7, 8],
            &[5, 0xfe, 1, 2, 3, 4],
            &[5, 0x85],
            &[5, 0x00, 1, 2, 3, 4, 5, 6, 7],
        ];
        for (at, form) in forms.iter().enumerate() {
            let mut bytes = form.to_vec();
            bytes[0] |= 7 << 3;
            value(&mut bytes, WANTED.id, b"i");
            value(&mut bytes, WANTED.source, b"{}");
            let found = parse(&bytes, 3, &WANTED);
            if at == 3 {
                // A byte short: the next field is eaten, and the document does not end where it should.
                assert!(found.is_err());
                continue;
            }
            let found = found.unwrap();
            assert_eq!(
                (found.id, found.source),
                (Some(&b"i"[..]), Some(&b"{}"[..]))
            );
        }
    }

    /// As Elasticsearch 5.6 stores it of an index with `index.mapping.single_type`.
    #[test]
    fn an_id_that_is_stored_as_text_is_found() {
        let mut bytes = Vec::new();
        value(&mut bytes, WANTED.source, b"{}");
        value(&mut bytes, WANTED.id_text, b"a-1");
        let found = parse(&bytes, 2, &WANTED).unwrap();
        assert_eq!((found.id, found.id_text), (None, Some(&b"a-1"[..])));
    }

    #[test]
    fn numbers_of_every_form_are_decoded() {
        let big = Numbers::Variable(Order::Big);
        let little = Numbers::Variable(Order::Little);
        let pi = std::f64::consts::PI;
        let bits = pi.to_bits().to_be_bytes();
        let mixed = [4, 3, 2, 1, 6, 5, 7].map(|at| bits[at]);
        let mixed = [&bits[..1], &mixed].concat();
        let many = 3.25e10_f32.to_be_bytes();
        let many_mixed = [0, 2, 1, 3].map(|at| many[at]);
        let half = [&[0xff][..], &(-0.5_f32).to_be_bytes()].concat();
        let half_little = [&[0xff][..], &(-0.5_f32).to_le_bytes()].concat();
        let half_double = [&[0xfe][..], &half[1..]].concat();
        let cases: &[(Numbers, u64, &[u8], StoredValue<'_>)] = &[
            (big, INT, &[3], StoredValue::Int(-2)),
            (big, INT, &[0x96, 1], StoredValue::Int(75)),
            (big, FLOAT, &[0x80], StoredValue::Float(-1.0)),
            (little, FLOAT, &[0xfe], StoredValue::Float(125.0)),
            (big, FLOAT, &many, StoredValue::Float(3.25e10)),
            (little, FLOAT, &many_mixed, StoredValue::Float(3.25e10)),
            (big, FLOAT, &half, StoredValue::Float(-0.5)),
            (little, FLOAT, &half_little, StoredValue::Float(-0.5)),
            (big, LONG, &[0x03], StoredValue::Long(-2)),
            (big, LONG, &[0x44], StoredValue::Long(2000)),
            (little, LONG, &[0xe0, 1], StoredValue::Long(16 * 86_400_000)),
            (big, DOUBLE, &[0xe5], StoredValue::Double(100.0)),
            (big, DOUBLE, &half_double, StoredValue::Double(-0.5)),
            (big, DOUBLE, &bits, StoredValue::Double(pi)),
            (little, DOUBLE, &mixed, StoredValue::Double(pi)),
            (Numbers::Fixed, INT, &[0, 0, 1, 0], StoredValue::Int(256)),
            (Numbers::Fixed, LONG, &[0xff; 8], StoredValue::Long(-1)),
            (Numbers::Fixed, DOUBLE, &bits, StoredValue::Double(pi)),
            (Numbers::Fixed, FLOAT, &half[1..], StoredValue::Float(-0.5)),
        ];
        for (numbers, kind, bytes, expected) in cases {
            let mut cursor = Cursor::new(bytes);
            assert_eq!(number(&mut cursor, *kind, *numbers).unwrap(), *expected);
            assert_eq!(cursor.at, bytes.len(), "{expected:?}");
            for cut in 0..bytes.len() {
                assert!(number(&mut Cursor::new(&bytes[..cut]), *kind, *numbers).is_err());
            }
        }
        assert!(number(&mut Cursor::new(&[0; 9]), 6, big).is_err());
    }

    #[test]
    fn parsing_stops_when_all_is_found() {
        let mut bytes = Vec::new();
        value(&mut bytes, WANTED.id, b"i");
        value(&mut bytes, WANTED.routing, b"r");
        value(&mut bytes, WANTED.source, b"{}");
        bytes.push(0xff);
        assert_eq!(parse(&bytes, 4, &WANTED).unwrap().routing, Some(&b"r"[..]));
    }

    #[test]
    fn damage_is_an_error() {
        assert!(parse(&[7 << 3 | 6, 0], 1, &WANTED).is_err());
        assert!(parse(&[WANTED.id as u8, 9, 1], 1, &WANTED).is_err());
        assert!(parse(&[], 1, &WANTED).is_err());
        assert!(parse(&[1], 0, &WANTED).is_err());
        let mut twice = Vec::new();
        value(&mut twice, WANTED.id, b"i");
        value(&mut twice, WANTED.id, b"i");
        assert!(parse(&twice, 2, &WANTED).is_err());
    }
}
