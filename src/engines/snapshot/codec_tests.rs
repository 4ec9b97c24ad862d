//! Tests of the module of this name, with encoders as small as they can be.

use std::io::Write as _;

use super::*;

/// A `.dat` blob with `body` between header and footer.
fn blob(codec: &str, body: &[u8]) -> Bytes {
    let mut bytes = CODEC_MAGIC.to_be_bytes().to_vec();
    bytes.push(u8::try_from(codec.len()).unwrap());
    bytes.extend(codec.bytes());
    bytes.extend(1_u32.to_be_bytes());
    bytes.extend(body);
    bytes.extend(FOOTER_MAGIC.to_be_bytes());
    bytes.extend([0; 4]);
    let checksum = crc32fast::hash(&bytes);
    bytes.extend(u64::from(checksum).to_be_bytes());
    bytes.into()
}

fn deflated(body: &[u8]) -> Vec<u8> {
    let mut encoder =
        flate2::write::DeflateEncoder::new(b"DFL\0".to_vec(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.flush().unwrap();
    encoder.finish().unwrap()
}

const SMILE: &[u8] = b":)\n\x01\xfa\x80a\xc2\xfb";

#[test]
fn plain_and_deflated_bodies_decode() {
    for body in [
        SMILE.to_vec(),
        deflated(SMILE),
        b"{\"a\":1}".to_vec(),
        deflated(b"{\"a\": 1}"),
    ] {
        let content = decode("x", BlobKind::Snapshot, &blob("snapshot", &body)).unwrap();
        assert_eq!(content.get("a").and_then(Content::as_u64), Some(1));
    }
}

#[test]
fn other_codecs_bodies_and_checksums_are_refused() {
    let good = blob("snapshot", SMILE);
    let error = decode("x", BlobKind::IndexMetadata, &good)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`snapshot`") && error.contains("`index-metadata`"),
        "{error}"
    );
    let error = decode("x", BlobKind::Snapshot, &blob("snapshot", b"???")).unwrap_err();
    assert!(error.to_string().contains("neither SMILE nor JSON"));
    for at in 0..good.len() {
        let mut damaged = good.to_vec();
        damaged[at] ^= 4;
        assert!(
            decode("x", BlobKind::Snapshot, &damaged.into()).is_err(),
            "byte {at}"
        );
        assert!(
            decode("x", BlobKind::Snapshot, &good.slice(..at)).is_err(),
            "first {at} bytes"
        );
    }
}

#[test]
fn a_deflated_body_that_is_cut_is_an_error() {
    let mut body = deflated(SMILE);
    body.truncate(body.len() - 6);
    assert!(decode("x", BlobKind::Snapshot, &blob("snapshot", &body)).is_err());
}
