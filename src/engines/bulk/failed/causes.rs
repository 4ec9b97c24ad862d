//! Failed documents by what made them fail. Pure.
//!
//! Two reasons that differ in a value, an id or a number have one cause: what stands in quotes and every number is left out.
//! Names of fields and types, which servers write in brackets, stay, since that is what is to be mended.

use std::collections::BTreeMap;

use serde::Serialize;

use super::FailedDocument;

/// Causes that are told apart; what is beyond is one.
pub const CAUSES: usize = 100;
/// Ids that are kept of each cause.
const EXAMPLES: usize = 3;
/// Bytes of a cause.
const CAUSE_BYTES: usize = 400;
/// The cause of what is beyond [`CAUSES`].
const OTHERS: &str = "other causes";

/// One cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cause {
    /// The class that failures are counted by.
    pub class: String,
    /// The reason, without what differs from document to document.
    pub cause: String,
    /// Documents that failed by it.
    pub count: u64,
    /// Some of them: `<index>/<id>`.
    pub examples: Vec<String>,
}

/// Gathers causes.
#[derive(Debug, Default)]
pub struct Causes(BTreeMap<(String, String), (u64, Vec<String>)>);

impl Causes {
    /// Counts a document.
    pub fn add(&mut self, document: &FailedDocument<'_>) {
        let key = (document.class.to_string(), cause_of(&document.reason));
        let key = if self.0.len() >= CAUSES && !self.0.contains_key(&key) {
            (OTHERS.to_owned(), String::new())
        } else {
            key
        };
        let (count, examples) = self.0.entry(key).or_default();
        *count += 1;
        if examples.len() < EXAMPLES {
            examples.push(format!("{}/{}", document.index, document.id));
        }
    }

    /// The most frequent first.
    pub fn into_list(self) -> Vec<Cause> {
        let causes = self.0.into_iter();
        let mut causes: Vec<Cause> = causes
            .map(|((class, cause), (count, examples))| Cause {
                class,
                cause,
                count,
                examples,
            })
            .collect();
        // Sorted by name before, and this keeps the order of what is equal.
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
        causes
    }
}

/// What stands in brackets behind these words is a value, though brackets are for names.
const BEFORE_A_VALUE: [&str; 3] = ["date field ", "For input string: ", "value "];

/// A reason without what differs from document to document.
fn cause_of(reason: &str) -> String {
    let mut cause = String::new();
    let mut rest = reason;
    let mut before = ' ';
    while let Some(letter) = rest.chars().next() {
        let (_, behind) = rest.split_at(letter.len_utf8());
        // An apostrophe within a word is no quote.
        let quotes = letter == '"' || (letter == '\'' && !before.is_alphanumeric());
        let (put, left) = match letter {
            '[' => in_brackets(&cause, behind),
            _ if quotes => {
                let end = behind.find(letter).map_or(behind.len(), |at| at + 1);
                ("…".to_owned(), &behind[end..])
            }
            '0'..='9' if !before.is_alphanumeric() => {
                let number = |it: char| it.is_ascii_digit() || it == '.';
                ("N".to_owned(), behind.trim_start_matches(number))
            }
            _ => (letter.to_string(), behind),
        };
        before = rest[..rest.len() - left.len()]
            .chars()
            .last()
            .unwrap_or(' ');
        cause.push_str(&put);
        rest = left;
    }
    if cause.len() > CAUSE_BYTES {
        let end = cause.floor_char_boundary(CAUSE_BYTES);
        cause.truncate(end);
        cause.push('…');
    }
    cause
}

/// Brackets with a name in them, or without the value that was; and what stands behind. `before` is what was read so far.
fn in_brackets<'r>(before: &str, behind: &'r str) -> (String, &'r str) {
    let Some(end) = behind.find(']') else {
        return ("[".to_owned(), behind);
    };
    let within = &behind[..end];
    let is_value = BEFORE_A_VALUE.iter().any(|words| before.ends_with(words))
        || within.is_empty()
        || within.starts_with(|it: char| it.is_ascii_digit() || it == '-')
        || within.contains(char::is_whitespace);
    let kept = if is_value { "…" } else { within };
    (format!("[{kept}]"), &behind[end + 1..])
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn failed<'a>(id: &'a str, class: &'a str, reason: &'a str) -> FailedDocument<'a> {
        FailedDocument {
            index: Cow::Borrowed("shop"),
            shard: 0,
            segment: Cow::Borrowed("_0"),
            doc: 1,
            id: Cow::Borrowed(id),
            routing: None,
            class: Cow::Borrowed(class),
            reason: Cow::Borrowed(reason),
            request: None,
            request_base64: None,
        }
    }

    #[test]
    fn what_differs_from_document_to_document_is_left_out() {
        for (reason, cause) in [
            (
                "failed to parse field [n2] of type [long] in document with id '7'. Preview of field's value: 'a \"b'",
                "failed to parse field [n2] of type [long] in document with id …. Preview of field's value: …",
            ),
            (
                "it takes 104857700 bytes of a request, and the target takes 10.5 in one",
                "it takes N bytes of a request, and the target takes N in one",
            ),
            ("For input string: \"x", "For input string: …"),
            (
                "failed to parse date field [no date] with format [strict_date_optional_time||epoch_millis]",
                "failed to parse date field […] with format [strict_date_optional_time||epoch_millis]",
            ),
            (
                "mapping set to strict, dynamic introduction of [more] within [_doc] is not allowed",
                "mapping set to strict, dynamic introduction of [more] within [_doc] is not allowed",
            ),
            (
                "an [unclosed 7 bracket's 'end",
                "an [unclosed N bracket's …",
            ),
            ("utf8 and log4j stay", "utf8 and log4j stay"),
            ("", ""),
        ] {
            assert_eq!(cause_of(reason), cause);
        }
    }

    #[test]
    fn causes_are_counted_the_most_frequent_first_and_never_beyond_their_limit() {
        let mut causes = Causes::default();
        causes.add(&failed("a", "one", "x 1"));
        for id in ["b", "c", "d", "e"] {
            causes.add(&failed(id, "two", &format!("bad '{id}'")));
        }
        let list = causes.into_list();
        assert_eq!((list[0].class.as_str(), list[0].count), ("two", 4));
        assert_eq!(list[0].cause, "bad …");
        assert_eq!(list[0].examples, ["shop/b", "shop/c", "shop/d"]);
        assert_eq!(list[1].count, 1);
        let mut many = Causes::default();
        for number in 0..2 * CAUSES {
            many.add(&failed("a", &format!("class-{number}"), "x"));
        }
        let list = many.into_list();
        assert_eq!(list.len(), CAUSES + 1);
        assert_eq!(
            (list[0].class.as_str(), list[0].count),
            (OTHERS, CAUSES as u64)
        );
    }
}
