//! JSON of metadata that somebody nested deeper than a reader's stack should have to hold: what lies too deep is cut out and
//! marked, so that one index of a cluster is told of and the others are read as ever.
//!
//! For metadata alone: a document is never cut.

use serde_json::Value;

/// Levels that are read. `serde_json` ends behind 127, and what is read here has to fit into entries of the state and into
/// saved plans, which have some levels of their own around it.
pub const LEVELS: usize = 110;
/// Stands in the place of what is nested deeper.
pub const CUT: &str = "(nested deeper than mig reads)";

/// A JSON value whose parts below [`LEVELS`] levels are [`CUT`].
pub fn parse(bytes: &[u8]) -> serde_json::Result<Value> {
    match cut(bytes) {
        Some(shallow) => serde_json::from_slice(&shallow),
        None => serde_json::from_slice(bytes),
    }
}

/// The text without what lies too deep; `None` where nothing does.
fn cut(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut copied = 0;
    let mut depth = 0_usize;
    let mut within_text = false;
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate() {
        if within_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => within_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => within_text = true,
            b'{' | b'[' => {
                depth += 1;
                if depth == LEVELS + 1 {
                    out.extend_from_slice(&bytes[copied..at]);
                    out.push(b'"');
                    out.extend_from_slice(CUT.as_bytes());
                    out.push(b'"');
                }
            }
            b'}' | b']' => {
                if depth == LEVELS + 1 {
                    copied = at + 1;
                }
                depth = depth.checked_sub(1)?;
            }
            _ => {}
        }
    }
    if out.is_empty() || depth != 0 {
        return None;
    }
    out.extend_from_slice(&bytes[copied..]);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> String {
        format!(
            "{}1{},\"b\":\"]}}\\\"[{{\"}}",
            "{\"a\":".repeat(levels),
            "}".repeat(levels - 1)
        )
    }

    #[test]
    fn what_lies_too_deep_is_marked_and_the_rest_is_whole() {
        for levels in [1, LEVELS, LEVELS + 1, LEVELS + 2, 100_000] {
            let value = parse(nested(levels).as_bytes()).expect("JSON");
            assert_eq!(value["b"], "]}\"[{", "{levels}");
            let path = "/a".repeat(levels.min(LEVELS));
            let expected = if levels > LEVELS {
                Value::from(CUT)
            } else {
                Value::from(1)
            };
            assert_eq!(value.pointer(&path), Some(&expected), "{levels}");
        }
        // Two of them, and lists.
        let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
        let value = parse(format!("[{deep},7,{deep}]").as_bytes()).expect("JSON");
        assert_eq!(value[1], 7);
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for text in [
            "",
            "{",
            "]",
            "{\"a\":",
            &"[".repeat(500),
            &format!("{}1", nested(300)),
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
