//! Tests of the module of this name, with encoders as small as they can be.

use proptest::prelude::*;

use super::*;

fn json(body: &[u8]) -> String {
    json_with(0x01, body)
}

fn json_with(flags: u8, body: &[u8]) -> String {
    let mut bytes = b":)\n".to_vec();
    bytes.push(flags);
    bytes.extend_from_slice(body);
    let mut out = Vec::new();
    decode(&bytes).unwrap().write_json(&mut out);
    String::from_utf8(out).unwrap()
}

/// Big-endian groups of seven bits, the last of six with the high bit set.
fn v_int(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![0x80 | u8::try_from(value & 0x3f).unwrap()];
    value >>= 6;
    while value > 0 {
        bytes.insert(0, u8::try_from(value & 0x7f).unwrap());
        value >>= 7;
    }
    bytes
}

fn seven_bits(bytes: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    bits.chunks(7)
        .map(|group| group.iter().fold(0, |packed, bit| packed << 1 | bit))
        .collect()
}

#[test]
fn small_values() {
    assert_eq!(
        json(&[0xf8, 0x20, 0x21, 0x22, 0x23, 0xc0, 0xc1, 0xdf, 0xf9]),
        "[\"\",null,false,true,0,-1,-16]"
    );
    assert_eq!(
        json(&[0xfa, 0x20, 0x42, b'a', b'b', b'c', 0xfb]),
        "{\"\":\"abc\"}"
    );
    assert_eq!(json(&[0xe0, b'x', 0xfc]), "\"x\"");
    assert_eq!(json(&[0x80, 0xc3, 0xa9]), "\"é\"");
}

#[test]
fn numbers_of_every_width() {
    for number in [0, 1, -1, 63, 64, 1 << 40, i64::MAX, i64::MIN] {
        let zigzag = (number << 1 ^ number >> 63).cast_unsigned();
        let mut body = vec![0x25];
        body.extend(v_int(zigzag));
        assert_eq!(json(&body), number.to_string());
    }
    let mut body = vec![0x28];
    body.extend(
        (0..5)
            .rev()
            .map(|group| u8::try_from(1.1_f32.to_bits() >> (7 * group) & 0x7f).unwrap()),
    );
    assert_eq!(json(&body), "1.1");
    let mut body = vec![0x29];
    body.extend(
        (0..10)
            .rev()
            .map(|group| u8::try_from(0.1_f64.to_bits() >> (7 * group) & 0x7f).unwrap()),
    );
    assert_eq!(json(&body), "0.1");
    let big = 123_456_789_012_345_678_901_234_567_890_i128.to_be_bytes();
    let mut integer = v_int(16);
    integer.extend(seven_bits(&big));
    assert_eq!(
        json(&[&[0x26], &integer[..]].concat()),
        "123456789012345678901234567890"
    );
    // The scale 4 as zigzag.
    assert_eq!(
        json(&[&[0x2a, 0x88], &integer[..]].concat()),
        "12345678901234567890123456.7890"
    );
}

#[test]
fn names_are_shared_and_the_table_begins_again_when_full() {
    let mut body = vec![0xf8];
    let mut expected = Vec::new();
    for number in 0..1025 {
        let name = format!("{number:04}");
        body.extend([0xfa, 0x83]);
        body.extend(name.bytes());
        body.extend([0xc2, 0xfb]);
        expected.push(format!("{{\"{name}\":1}}"));
    }
    // The 1025th emptied the table and is number 0 now.
    body.extend([0xfa, 0x40, 0xc2, 0xfb, 0xf9]);
    expected.push("{\"1024\":1}".to_owned());
    assert_eq!(json(&body), format!("[{}]", expected.join(",")));
}

#[test]
fn values_are_shared_where_the_header_says_so() {
    let body = [
        0xf8, 0x40, b'a', 0x41, b'b', b'c', 0x01, 0x02, 0xec, 0x01, 0xf9,
    ];
    assert_eq!(json_with(0x03, &body), "[\"a\",\"bc\",\"a\",\"bc\",\"bc\"]");
    let mut bytes = b":)\n\x01".to_vec();
    bytes.extend(body);
    assert!(decode(&bytes).is_err(), "no values are shared");
}

#[test]
fn binary_is_bytes() {
    let content = b"\x00\xffabc".to_vec();
    let raw = [&b":)\n\x05\xfd\x85"[..], &content].concat();
    assert_eq!(
        decode(&raw).unwrap(),
        Content::Binary(content.clone().into())
    );
    for length in 0..20_u8 {
        let content: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
        let packed = [
            &b":)\n\x01\xe8"[..],
            &v_int(u64::from(length)),
            &seven_bits(&content),
        ]
        .concat();
        assert_eq!(
            decode(&packed).unwrap(),
            Content::Binary(content.into()),
            "{length}"
        );
    }
}

#[test]
fn hostile_bytes_end_in_errors() {
    let document = |body: &[u8]| decode(&[&b":)\n\x03"[..], body].concat());
    assert!(document(&vec![0xf8; 100_000]).is_err(), "depth");
    assert!(
        document(&[&[0xfd][..], &v_int(u64::MAX)].concat()).is_err(),
        "length"
    );
    assert!(
        document(&[&[0xe8][..], &v_int(u64::MAX)].concat()).is_err(),
        "length"
    );
    assert!(
        document(&[&[0x26][..], &v_int(1 << 20)].concat()).is_err(),
        "long number"
    );
    assert!(document(&[0x01]).is_err(), "shared before it was written");
    assert!(
        document(&[0xfa, 0x40]).is_err(),
        "shared before it was written"
    );
    assert!(
        document(&[0x24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80]).is_err(),
        "long vInt"
    );
    assert!(document(&[0x41, 0xff, 0xfe]).is_err(), "not UTF-8");
    assert!(decode(b":)\n\x10\x21").is_err(), "version 1");
    assert!(decode(b"").is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(decode(&[&b":)\n\x07"[..], &body].concat()));
    }
}

/// Objects and lists in turn, each within the one before, and a text behind the outermost.
#[test]
fn metadata_that_is_nested_too_deep_is_marked_and_a_document_refused() {
    let nested = |levels: usize| {
        let mut bytes = b":)\n\x00".to_vec();
        bytes.extend(b"\xfa\x80d");
        for level in 1..levels {
            bytes.extend_from_slice(if level % 2 == 0 {
                b"\xfa\x80a"
            } else {
                b"\xf8"
            });
        }
        bytes.push(0x21);
        for level in (1..levels).rev() {
            bytes.push(if level % 2 == 0 { 0xfb } else { 0xf9 });
        }
        bytes.extend(b"\x80e\x40x\xfb");
        bytes
    };
    for levels in [2, cut::LEVELS, cut::LEVELS + 1, cut::LEVELS + 2, 5_000] {
        let found = decode_metadata(&nested(levels)).unwrap();
        assert_eq!(found.get("e"), Some(&Content::Text("x".into())), "{levels}");
        let mut out = Vec::new();
        found.write_json(&mut out);
        let is_cut = String::from_utf8(out).unwrap().contains(cut::CUT);
        assert_eq!(is_cut, levels > cut::LEVELS, "{levels}");
    }
    assert!(decode(&nested(MAX_DEPTH)).is_ok());
    assert!(decode(&nested(MAX_DEPTH + 1)).is_err());
}
