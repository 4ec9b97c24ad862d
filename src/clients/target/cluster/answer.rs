//! Reads what `_bulk` answers, cut down by `filter_path` to the status of each document and why it was not taken.
//!
//! An answer that says of every document that it was written, as nearly all do, is compared and not parsed: at full speed a
//! parser took a twelfth of the time. Deliberately absent: what an answer means for a document.

use serde::Deserialize;

/// Characters of a server's words that are kept.
const REASON_CHARS: usize = 1000;
/// What stands before the documents of an answer without errors.
const NO_ERRORS: &[u8] = b"\"errors\":false,\"items\":[";
/// How the answers for documents begin and end that were written.
const INDEXED: &[u8] = b"{\"index\":{\"status\":20";
const CREATED: &[u8] = b"{\"create\":{\"status\":20";
const WRITTEN_END: &[u8] = b"}}";

/// What was answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// Every document was written.
    Written,
    /// One for each document, in order.
    Each(Vec<ItemAnswer>),
}

#[derive(Deserialize)]
struct Whole {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(alias = "create", alias = "delete")]
    index: ItemAnswer,
}

/// The answer for one document.
#[derive(Debug, Deserialize)]
pub(super) struct ItemAnswer {
    pub(super) status: u16,
    #[serde(default)]
    pub(super) error: Option<ItemError>,
}

/// Why a document was not taken.
#[derive(Debug, Deserialize)]
pub(super) struct ItemError {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    caused_by: Option<Box<ItemError>>,
}

impl ItemAnswer {
    /// The server's name for the error; empty where it was taken.
    pub(super) fn kind(&self) -> &str {
        self.error.as_ref().map_or("", |error| error.kind.as_str())
    }

    /// The server's words with those of the causes.
    pub(super) fn words(&self) -> String {
        let Some(error) = &self.error else {
            return String::new();
        };
        let mut words = error.reason.clone().unwrap_or_default();
        let mut cause = error.caused_by.as_deref();
        while let Some(inner) = cause {
            if let Some(more) = inner.reason.as_deref()
                && !words.contains(more)
            {
                words.push_str(": ");
                words.push_str(more);
            }
            cause = inner.caused_by.as_deref();
        }
        words.chars().take(REASON_CHARS).collect()
    }
}

/// Reads the answer for `sent` documents. An error says what is wrong with it.
pub(super) fn read(body: &[u8], sent: usize) -> Result<Answer, String> {
    if all_written(body, sent).is_some() {
        return Ok(Answer::Written);
    }
    let whole: Whole = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if whole.items.len() != sent {
        return Err(format!(
            "{sent} documents were sent and {} are answered for",
            whole.items.len()
        ));
    }
    let answers = whole.items.into_iter().map(|item| item.index);
    Ok(Answer::Each(answers.collect()))
}

/// Whether it says of exactly so many documents, in the one way in which servers write it, that each was written. `None` where
/// it says anything else or says it otherwise.
fn all_written(body: &[u8], sent: usize) -> Option<()> {
    let mut rest = body.strip_prefix(b"{")?;
    if let Some(took) = rest.strip_prefix(b"\"took\":") {
        let digits = took.iter().take_while(|byte| byte.is_ascii_digit());
        rest = took.get(digits.count()..)?.strip_prefix(b",")?;
    }
    rest = rest.strip_prefix(NO_ERRORS)?;
    for number in 0..sent {
        if number > 0 {
            rest = rest.strip_prefix(b",")?;
        }
        let written = rest.strip_prefix(INDEXED);
        let written = written.or_else(|| rest.strip_prefix(CREATED))?;
        let (b'0' | b'1', end) = written.split_first()? else {
            return None;
        };
        rest = end.strip_prefix(WRITTEN_END)?;
    }
    (rest == b"]}").then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(body: &str, sent: usize) -> Vec<u16> {
        match read(body.as_bytes(), sent).unwrap() {
            Answer::Written => panic!("not all were written: {body}"),
            Answer::Each(items) => items.iter().map(|item| item.status).collect(),
        }
    }

    #[test]
    fn an_answer_is_read_with_its_causes() {
        let body = r#"{"errors":true,"items":[{"index":{"status":201}},{"index":{"status":400,"error":
            {"type":"mapper_parsing_exception","reason":"failed","caused_by":{"type":"x","reason":"For input"}}}}]}"#;
        let Answer::Each(items) = read(body.as_bytes(), 2).unwrap() else {
            panic!("one was not written");
        };
        assert_eq!((items[0].status, items[0].kind()), (201, ""));
        assert_eq!(items[1].words(), "failed: For input");
        assert_eq!(items[1].kind(), "mapper_parsing_exception");
    }

    #[test]
    fn what_says_that_all_were_written_is_known_as_such() {
        for body in [
            r#"{"errors":false,"items":[{"index":{"status":201}},{"index":{"status":200}}]}"#,
            r#"{"took":30,"errors":false,"items":[{"create":{"status":201}},{"index":{"status":201}}]}"#,
        ] {
            let answer = read(body.as_bytes(), 2).unwrap();
            assert!(matches!(answer, Answer::Written), "{body}");
            assert!(all_written(body.as_bytes(), 1).is_none());
            assert!(all_written(body.as_bytes(), 3).is_none());
            for cut in 0..body.len() {
                assert!(all_written(&body.as_bytes()[..cut], 2).is_none());
            }
        }
    }

    #[test]
    fn what_says_anything_else_is_read_item_by_item() {
        for (body, statuses) in [
            // A delete is counted otherwise than a write.
            (
                r#"{"errors":false,"items":[{"delete":{"status":200}},{"index":{"status":201}}]}"#,
                [200, 201],
            ),
            (
                r#"{"errors":true,"items":[{"index":{"status":201}},{"index":{"status":409}}]}"#,
                [201, 409],
            ),
            // Whatever `errors` says: the items count.
            (
                r#"{"errors":false,"items":[{"index":{"status":201}},{"index":{"status":503}}]}"#,
                [201, 503],
            ),
            (
                r#"{ "errors" : false, "items" : [ { "index" : { "status" : 201 } }, {"index":{"status":200}} ] }"#,
                [201, 200],
            ),
        ] {
            assert_eq!(each(body, 2), statuses);
        }
    }

    #[test]
    fn an_answer_for_another_number_of_documents_is_refused() {
        let body = br#"{"errors":false,"items":[{"index":{"status":201}}]}"#;
        let error = read(body, 2).unwrap_err();
        assert_eq!(error, "2 documents were sent and 1 are answered for");
        assert!(read(b"<html>", 1).is_err());
        assert!(read(b"{}", 1).is_err());
    }
}
