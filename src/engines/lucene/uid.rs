//! `_id` as Elasticsearch stores it from 6.0 on, in three forms told apart by the first byte: UTF-8, decimal digits two
//! in a byte, and base64 in its binary form.

const UTF8: u8 = 0xff;
const NUMERIC: u8 = 0xfe;
/// Stands before base64 bytes that would begin like one of the other forms.
const ESCAPE: u8 = 0xfd;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Decodes a stored `_id`, into `buffer` where it is not stored as text. `None` when the bytes are no id.
#[inline]
pub(super) fn decode<'a>(stored: &'a [u8], buffer: &'a mut Vec<u8>) -> Option<&'a str> {
    let (&first, rest) = stored.split_first()?;
    buffer.clear();
    match first {
        UTF8 => {
            return std::str::from_utf8(rest)
                .ok()
                .filter(|text| !text.is_empty());
        }
        NUMERIC => digits(rest, buffer)?,
        ESCAPE if rest.first().is_some_and(|next| *next >= ESCAPE) => base64(rest, buffer),
        ESCAPE => return None,
        _ => base64(stored, buffer),
    }
    std::str::from_utf8(buffer).ok()
}

/// High half first; a last half of 15 fills up an odd number of digits.
fn digits(packed: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (last, whole) = packed.split_last()?;
    for byte in whole {
        let (high, low) = (byte >> 4, byte & 15);
        if high > 9 || low > 9 {
            return None;
        }
        out.extend([b'0' + high, b'0' + low]);
    }
    match (last >> 4, last & 15) {
        (high @ 0..=9, 15) => out.push(b'0' + high),
        (high @ 0..=9, low @ 0..=9) => out.extend([b'0' + high, b'0' + low]),
        _ => return None,
    }
    Some(())
}

/// URL-safe, without padding.
fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    let letter = |bits: u32| ALPHABET[(bits & 63) as usize];
    let mut triples = bytes.chunks_exact(3);
    for triple in &mut triples {
        let bits = u32::from(triple[0]) << 16 | u32::from(triple[1]) << 8 | u32::from(triple[2]);
        out.extend([
            letter(bits >> 18),
            letter(bits >> 12),
            letter(bits >> 6),
            letter(bits),
        ]);
    }
    match *triples.remainder() {
        [a] => {
            let bits = u32::from(a) << 4;
            out.extend([letter(bits >> 6), letter(bits)]);
        }
        [a, b] => {
            let bits = u32::from(a) << 10 | u32::from(b) << 2;
            out.extend([letter(bits >> 12), letter(bits >> 6), letter(bits)]);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::decode;

    fn text(stored: &[u8]) -> Option<String> {
        decode(stored, &mut Vec::new()).map(str::to_owned)
    }

    #[test]
    fn each_form_is_told_by_its_first_byte() {
        assert_eq!(text(b"\xffa b\xc3\xa9"), Some("a bé".into()));
        assert_eq!(text(&[0xfe, 0x00, 0x7f]), Some("007".into()));
        assert_eq!(text(&[0xfe, 0x12, 0x34]), Some("1234".into()));
        for length in 1..30_u8 {
            let bytes: Vec<u8> = (0..length).map(|at| at.wrapping_mul(37)).collect();
            let expected = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
            assert_eq!(text(&bytes), Some(expected));
        }
        let escaped = BASE64_URL_SAFE_NO_PAD.encode([0xfe, 1, 2]);
        assert_eq!(text(&[0xfd, 0xfe, 1, 2]), Some(escaped));
    }

    #[test]
    fn what_is_no_id_is_not_guessed() {
        for stored in [
            &b""[..],
            b"\xff",
            b"\xff\xff",
            b"\xfe",
            b"\xfe\xf1",
            b"\xfe\x1f\x11",
            b"\xfe\xaf",
            b"\xfd",
            b"\xfd\x01",
        ] {
            assert_eq!(text(stored), None, "{stored:x?}");
        }
    }
}
