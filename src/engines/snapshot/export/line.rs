//! One document as its lines.

use super::{ExportForm, ExportReport, FailedDocument};
use crate::engines::lucene::Document;
use crate::engines::snapshot::content::write_json_string;
use crate::engines::snapshot::source_format::to_json_line;

/// Appends the lines of `document` to `out` and counts it in `report`; a document that can't be rendered leaves `out`
/// as it was.
pub(crate) fn append(
    index: &str,
    document: &Document<'_>,
    form: ExportForm,
    out: &mut Vec<u8>,
    report: &mut ExportReport,
) {
    let source = match document.source.map(to_json_line).transpose() {
        Ok(source) => source,
        Err(error) => {
            report.fail(FailedDocument {
                index: index.to_owned(),
                id: document.id.to_owned(),
                reason: error.to_string(),
            });
            return;
        }
    };
    if source.is_none() {
        report.without_source += 1;
    }
    let before = out.len();
    match (form, source) {
        (ExportForm::Raw, source) => {
            out.push(b'{');
            field("_index", index, out);
            out.push(b',');
            field("_id", document.id, out);
            if let Some(routing) = document.routing {
                out.push(b',');
                field("_routing", routing, out);
            }
            if let Some(legacy_type) = document.legacy_type {
                out.push(b',');
                field("_type", legacy_type, out);
            }
            if let Some(source) = source {
                out.extend_from_slice(b",\"_source\":");
                out.extend_from_slice(&source);
            }
            out.extend_from_slice(b"}\n");
        }
        // Without a source there is nothing to send.
        (ExportForm::Bulk, None) => return,
        (ExportForm::Bulk, Some(source)) => {
            out.extend_from_slice(b"{\"index\":{");
            field("_index", index, out);
            out.push(b',');
            field("_id", document.id, out);
            if let Some(routing) = document.routing {
                out.push(b',');
                field("routing", routing, out);
            }
            if let Some(version) = document.version {
                out.extend_from_slice(b",\"version\":");
                out.extend_from_slice(version.to_string().as_bytes());
                out.extend_from_slice(b",\"version_type\":\"external_gte\"");
            }
            out.extend_from_slice(b"}}\n");
            out.extend_from_slice(&source);
            out.push(b'\n');
        }
    }
    report.documents += 1;
    report.bytes += (out.len() - before) as u64;
}

fn field(name: &str, value: &str, out: &mut Vec<u8>) {
    write_json_string(name, out);
    out.push(b':');
    write_json_string(value, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::lucene::StoredDocument;

    const DOCUMENT: Document<'static> = Document {
        doc: 0,
        id: "a\"b",
        routing: Some("r"),
        source: Some(b"{\n \"x\": 1.0 }"),
        recovery_source: None,
        version: Some(3),
        seq_no: None,
        primary_term: None,
        legacy_type: None,
        stored: StoredDocument::EMPTY,
    };

    fn lines(document: &Document<'_>, form: ExportForm) -> (String, ExportReport) {
        let (mut out, mut report) = (Vec::new(), ExportReport::default());
        append("i", document, form, &mut out, &mut report);
        (String::from_utf8(out).unwrap(), report)
    }

    #[test]
    fn both_forms_hold_identity_and_source() {
        assert_eq!(
            lines(&DOCUMENT, ExportForm::Raw).0,
            "{\"_index\":\"i\",\"_id\":\"a\\\"b\",\"_routing\":\"r\",\"_source\":{  \"x\": 1.0 }}\n"
        );
        assert_eq!(
            lines(&DOCUMENT, ExportForm::Bulk).0,
            "{\"index\":{\"_index\":\"i\",\"_id\":\"a\\\"b\",\"routing\":\"r\",\"version\":3,\
             \"version_type\":\"external_gte\"}}\n{  \"x\": 1.0 }\n"
        );
    }

    #[test]
    fn what_can_not_be_written_is_counted_and_named() {
        let mut document = DOCUMENT;
        document.source = Some(b"---\nx: [");
        let (text, report) = lines(&document, ExportForm::Raw);
        assert_eq!((text.as_str(), report.documents, report.failed), ("", 0, 1));
        assert_eq!(report.failures[0].id, "a\"b");
        document.source = None;
        let (text, report) = lines(&document, ExportForm::Bulk);
        assert_eq!(
            (text.as_str(), report.documents, report.without_source),
            ("", 0, 1)
        );
        let (text, _) = lines(&document, ExportForm::Raw);
        assert!(!text.contains("_source"));
    }
}
