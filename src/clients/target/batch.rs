//! Batches: documents encoded as a `_bulk` body in one reused buffer.
//!
//! One encoding for all targets: a directory appends it to a file, a cluster sends it. Sources are copied through; ids
//! are escaped only where JSON asks for it.

use memchr::memchr2;

/// How an action line begins that writes a document.
pub(super) const INDEX: &[u8] = b"{\"index\":{";
/// The same of one that never replaces a document.
pub(super) const CREATE: &[u8] = b"{\"create\":{";
/// The same of one that deletes a document.
pub(super) const DELETE: &[u8] = b"{\"delete\":{";

/// Where a document stands in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchDocument {
    /// Lucene document number, for messages.
    pub doc: u32,
    /// Where its action line begins; the source line ends where the next document begins.
    pub start: usize,
    /// Where its source line begins; its end where it has none.
    pub source: usize,
    /// Whether one with the same identity goes by it.
    pub replaces: bool,
}

/// Documents on their way to one part.
#[derive(Debug, Default)]
pub struct Batch {
    body: Vec<u8>,
    documents: Vec<BatchDocument>,
}

/// What goes into the action line.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    /// `_index`; none where the request's path says it.
    pub index: Option<&'a str>,
    /// `_id`.
    pub id: &'a str,
    /// `routing`.
    pub routing: Option<&'a str>,
    /// `version`, written with `external_gte`.
    pub version: Option<i64>,
    /// Whether it is `create`, which never replaces a document.
    pub create: bool,
    /// Whether it is `delete`, which has no source line.
    pub delete: bool,
}

impl Batch {
    /// Adds a document; `source` is one line of JSON.
    pub fn push(&mut self, doc: u32, action: Action<'_>, source: &[u8]) {
        debug_assert!(
            memchr2(b'\n', b'\r', source).is_none(),
            "a source is one line"
        );
        let start = self.body.len();
        write_action(&mut self.body, action);
        let at = self.body.len();
        self.body.extend_from_slice(source);
        self.body.push(b'\n');
        self.documents.push(BatchDocument {
            doc,
            start,
            source: at,
            replaces: false,
        });
    }

    /// Says of the document that was added last that it takes the place of another one.
    pub fn last_replaces(&mut self) {
        if let Some(last) = self.documents.last_mut() {
            last.replaces = true;
        }
    }

    /// Adds the deletion of a document.
    pub fn push_deletion(&mut self, doc: u32, action: Action<'_>) {
        debug_assert!(action.delete, "another action has a source");
        let start = self.body.len();
        write_action(&mut self.body, action);
        self.documents.push(BatchDocument {
            doc,
            start,
            source: self.body.len(),
            replaces: true,
        });
    }

    /// The body and its documents, for who sends them.
    pub fn into_parts(self) -> (Vec<u8>, Vec<BatchDocument>) {
        (self.body, self.documents)
    }

    /// From the parts that were taken; [`Self::clear`] makes it fit for new documents.
    pub fn from_parts(body: Vec<u8>, documents: Vec<BatchDocument>) -> Self {
        Self { body, documents }
    }

    /// The `_bulk` body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The documents in order.
    pub fn documents(&self) -> &[BatchDocument] {
        &self.documents
    }

    /// Bytes of the body.
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Makes it empty. Memory that one huge document took is given back beyond `keep` bytes.
    pub fn clear(&mut self, keep: usize) {
        self.body.clear();
        self.documents.clear();
        if self.body.capacity() > keep {
            self.body.shrink_to(keep);
        }
    }

    /// The two lines of each document, of a deletion the one.
    pub fn lines(&self) -> impl Iterator<Item = (BatchDocument, &[u8])> {
        let ends = self
            .documents
            .iter()
            .skip(1)
            .map(|next| next.start)
            .chain(std::iter::once(self.body.len()));
        self.documents
            .iter()
            .zip(ends)
            .map(|(document, end)| (*document, &self.body[document.start..end]))
    }
}

/// Appends an action line.
pub fn write_action(out: &mut Vec<u8>, action: Action<'_>) {
    out.extend_from_slice(match (action.delete, action.create) {
        (true, _) => DELETE,
        (false, true) => CREATE,
        (false, false) => INDEX,
    });
    if let Some(index) = action.index {
        out.extend_from_slice(b"\"_index\":");
        write_string(out, index);
        out.push(b',');
    }
    out.extend_from_slice(b"\"_id\":");
    write_string(out, action.id);
    if let Some(routing) = action.routing {
        out.extend_from_slice(b",\"routing\":");
        write_string(out, routing);
    }
    if let Some(version) = action.version {
        out.extend_from_slice(b",\"version\":");
        let mut digits = [0_u8; 20];
        out.extend_from_slice(decimal(version, &mut digits));
        out.extend_from_slice(b",\"version_type\":\"external_gte\"");
    }
    out.extend_from_slice(b"}}\n");
}

fn decimal(value: i64, digits: &mut [u8; 20]) -> &[u8] {
    let mut rest = value.unsigned_abs();
    let mut at = digits.len();
    loop {
        at -= 1;
        // A remainder of 10 is one digit.
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    &digits[at..]
}

/// Appends a JSON string. Texts without quotes, backslashes and control characters are copied as they are.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(other >> 4)]);
                out.push(HEX[usize::from(other & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_what_bulk_takes() {
        let mut batch = Batch::default();
        let action = Action {
            index: Some("shop"),
            id: "a\"b\\\u{1}",
            routing: Some("r"),
            version: Some(i64::MIN),
            create: false,
            delete: false,
        };
        batch.push(7, action, b"{}");
        assert_eq!(
            String::from_utf8_lossy(batch.body()),
            "{\"index\":{\"_index\":\"shop\",\"_id\":\"a\\\"b\\\\\\u0001\",\"routing\":\"r\",\
             \"version\":-9223372036854775808,\"version_type\":\"external_gte\"}}\n{}\n"
        );
    }

    #[test]
    fn a_data_stream_takes_documents_that_are_created() {
        let mut line = Vec::new();
        let action = Action {
            index: None,
            id: "1",
            routing: None,
            version: None,
            create: true,
            delete: false,
        };
        write_action(&mut line, action);
        assert_eq!(
            String::from_utf8_lossy(&line),
            "{\"create\":{\"_id\":\"1\"}}\n"
        );
    }

    #[test]
    fn a_deletion_is_one_line() {
        let action = Action {
            index: None,
            id: "1",
            routing: Some("r"),
            version: Some(7),
            create: false,
            delete: true,
        };
        let mut batch = Batch::default();
        batch.push_deletion(3, action);
        let index = Action {
            id: "2",
            delete: false,
            ..action
        };
        batch.push(4, index, b"{}");
        batch.last_replaces();
        let lines: Vec<_> = batch
            .lines()
            .map(|(document, lines)| {
                (
                    document.doc,
                    document.replaces,
                    String::from_utf8_lossy(lines),
                )
            })
            .collect();
        let rest = "\"routing\":\"r\",\"version\":7,\"version_type\":\"external_gte\"}}\n";
        assert_eq!(
            lines,
            [
                (
                    3,
                    true,
                    format!("{{\"delete\":{{\"_id\":\"1\",{rest}").into()
                ),
                (
                    4,
                    true,
                    format!("{{\"index\":{{\"_id\":\"2\",{rest}{{}}\n").into()
                ),
            ]
        );
    }

    proptest! {
        #[test]
        fn strings_and_numbers_read_back(text in any::<String>(), version in any::<i64>()) {
            let mut out = Vec::new();
            write_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
            let mut digits = [0; 20];
            let text = version.to_string();
            prop_assert_eq!(decimal(version, &mut digits), text.as_bytes());
        }
    }
}
