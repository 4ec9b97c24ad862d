//! The stored fields of one document: finds the few that matter and skips the rest.

use super::super::field_infos::FieldInfos;
use super::{Bad, Cursor, Decode};

const STRING: u64 = 0;
const BYTES: u64 = 1;
const INT: u64 = 2;
const FLOAT: u64 = 3;
const LONG: u64 = 4;
const DOUBLE: u64 = 5;
/// No field has this key: a number of 61 bits.
const ABSENT: u64 = u64::MAX;

/// The keys (number and type) under which one segment stores the fields that matter.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Wanted {
    id: u64,
    uid: u64,
    source: u64,
    routing: u64,
    recovery_source: u64,
    /// How many of the fields the segment has at all: when so many are found, the rest is not parsed.
    count: u32,
}

impl Wanted {
    /// Looks the fields up once a segment.
    pub(in super::super) fn new(fields: &FieldInfos) -> Self {
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
        Self {
            id: id.unwrap_or(ABSENT),
            uid: uid.unwrap_or(ABSENT),
            source: source.unwrap_or(ABSENT),
            routing: routing.unwrap_or(ABSENT),
            recovery_source: recovery_source.unwrap_or(ABSENT),
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
            skip_number(&mut cursor, kind)?;
            continue;
        }
        let length = cursor.vint()?;
        let value = cursor.take(length as usize)?;
        let slot = if key == wanted.source {
            &mut found.source
        } else if key == wanted.id {
            &mut found.id
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

/// Of numbers only the length matters here.
fn skip_number(cursor: &mut Cursor<'_>, kind: u64) -> Decode<()> {
    let length = match kind {
        INT => {
            cursor.vint()?;
            0
        }
        FLOAT => match cursor.u8()? {
            0xff => 4,
            first if first & 0x80 != 0 => 0,
            _ => 3,
        },
        LONG => {
            if cursor.u8()? & 0x20 != 0 {
                cursor.vlong()?;
            }
            0
        }
        DOUBLE => match cursor.u8()? {
            0xff => 8,
            0xfe => 4,
            first if first & 0x80 != 0 => 0,
            _ => 7,
        },
        _ => {
            let at = cursor.at;
            return Err(Bad {
                at,
                expected: "a field type of 0 to 5",
            });
        }
    };
    cursor.take(length).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::super::codec::encode::vlong;
    use super::*;

    const WANTED: Wanted = Wanted {
        id: 1 << 3 | BYTES,
        uid: ABSENT,
        source: 2 << 3 | BYTES,
        routing: 3 << 3,
        recovery_source: ABSENT,
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
