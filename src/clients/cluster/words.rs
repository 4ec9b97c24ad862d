//! The words of servers: errors of every shape they come in, and what stands between the lines. Pure.

use serde_json::Value;

/// So much of an answer that is no JSON is quoted.
const QUOTED_CHARS: usize = 300;

/// Kind and words of an error body, whatever its shape.
pub(super) fn of_error(body: &[u8]) -> (String, String) {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return (String::new(), html(body).unwrap_or_else(|| quoted(body)));
    };
    let text = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    // Where only shards refused, the answer has their reasons and no error of its own.
    let of_shard = || value.pointer("/_shards/failures/0/reason");
    let error = value.get("error").or_else(of_shard).unwrap_or(&value);
    if let Some(words) = error.as_str() {
        return (String::new(), words.to_owned());
    }
    let mut reason = text(error, "reason");
    if reason.is_empty() {
        // As gateways of AWS have it.
        reason = text(error, "message");
    }
    if reason.is_empty() {
        reason = text(error, "Message");
    }
    let mut cause = error.get("caused_by");
    while let Some(inner) = cause {
        let more = text(inner, "reason");
        if !more.is_empty() && !reason.contains(&more) {
            reason.push_str(": ");
            reason.push_str(&more);
        }
        cause = inner.get("caused_by");
    }
    (text(error, "type"), reason)
}

/// Why an answer is no JSON, and what it is instead.
pub(super) fn not_json(body: &[u8], error: &serde_json::Error) -> String {
    if body.is_empty() {
        return "it is empty".to_owned();
    }
    html(body).unwrap_or_else(|| format!("no JSON ({error}): {}", quoted(body)))
}

/// For a page that people look at: what it is called.
fn html(body: &[u8]) -> Option<String> {
    let head = &body[..body.len().min(4096)];
    let text = String::from_utf8_lossy(head);
    let lower = text.to_ascii_lowercase();
    let start = lower.trim_start();
    if !start.starts_with("<!doctype html") && !start.starts_with("<html") {
        return None;
    }
    let title = lower.find("<title>").and_then(|at| {
        let end = lower[at..].find("</title>")? + at;
        Some(text[at + "<title>".len()..end].trim().to_owned())
    });
    Some(match title {
        Some(title) if !title.is_empty() => format!("a web page, “{title}”"),
        _ => "a web page".to_owned(),
    })
}

fn quoted(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * QUOTED_CHARS)]);
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    text.trim().chars().take(QUOTED_CHARS).collect()
}

/// A privilege that a server misses, and who lacks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing<'a> {
    /// The privilege, as a role takes it.
    pub privilege: &'a str,
    /// The user, where the server says it.
    pub user: Option<&'a str>,
}

/// What a security plugin misses, from its words.
pub(super) fn missing(reason: &str) -> Option<Missing<'_>> {
    let between = |from: &str, to: &str| -> Option<&str> {
        let start = reason.find(from)? + from.len();
        let end = reason[start..].find(to)? + start;
        let found = &reason[start..end];
        (!found.is_empty()).then_some(found)
    };
    // OpenSearch: `no permissions for [indices:data/write/bulk*] and User [name=mig, backend_roles=[], …]`
    // The name of what happens in shards has brackets of its own: `[indices:data/write/bulk[s]]`.
    let whole = between("no permissions for [", "] and ");
    if let Some(privilege) = whole.or_else(|| between("no permissions for [", "]")) {
        let user = between("User [name=", ",").or_else(|| between("User [name=", "]"));
        return Some(Missing { privilege, user });
    }
    // Elasticsearch: `action [indices:data/write/bulk] is unauthorized for user [mig] …`
    if reason.contains("] is unauthorized for ") {
        let privilege = between("action [", "]")?;
        let user = between("user [", "]");
        return Some(Missing { privilege, user });
    }
    // AWS: `User: arn:… is not authorized to perform: es:ESHttpGet …`
    let (user, rest) = reason.split_once(" is not authorized to perform: ")?;
    Some(Missing {
        privilege: rest.split([' ', ',']).next()?,
        user: user.strip_prefix("User: "),
    })
}

/// How to lift a block, from the words of a `cluster_block_exception`.
pub(super) fn unblock(reason: &str) -> &'static str {
    if reason.contains("flood-stage") || reason.contains("allow delete") {
        "a disk of the cluster is too full: make room, and the block goes by itself (where it does not, set \
         `index.blocks.read_only_allow_delete` to null); then run the same command again"
    } else if reason.contains("cluster read-only") {
        "the whole cluster is read-only: set `cluster.blocks.read_only` to null, then run the same command again"
    } else if reason.contains("index write") {
        "the index takes no writes: set `index.blocks.write` to null, then run the same command again"
    } else if reason.contains("index read-only") {
        "the index is read-only: set `index.blocks.read_only` to null, then run the same command again"
    } else {
        "lift the block that is named, then run the same command again"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_every_shape() {
        for (body, kind, reason) in [
            (
                r#"{"error":{"type":"a_exception","reason":"top","caused_by":{"type":"b","reason":"deep"}},"status":400}"#,
                "a_exception",
                "top: deep",
            ),
            (
                r#"{"_shards":{"total":2,"failed":1,"failures":[{"shard":0,"reason":{"type":"security_exception","reason":"no permissions for [x]"}}]}}"#,
                "security_exception",
                "no permissions for [x]",
            ),
            (
                r#"{"error":"no handler found","status":400}"#,
                "",
                "no handler found",
            ),
            (
                r#"{"message":"The security token is invalid."}"#,
                "",
                "The security token is invalid.",
            ),
            (r#"{"Message":"denied"}"#, "", "denied"),
            ("Unauthorized\n", "", "Unauthorized"),
            (
                "<html>\r\n<head><title>502 Bad Gateway</title></head></html>",
                "",
                "a web page, “502 Bad Gateway”",
            ),
            ("\u{1}\u{2}x", "", "x"),
            ("", "", ""),
        ] {
            let found = of_error(body.as_bytes());
            assert_eq!(found, (kind.to_owned(), reason.to_owned()), "{body}");
        }
        let long = "x".repeat(10_000);
        assert_eq!(of_error(long.as_bytes()).1.len(), QUOTED_CHARS);
    }

    #[test]
    fn privileges_that_are_missing() {
        let found = |privilege, user| Some(Missing { privilege, user });
        assert_eq!(
            missing(
                "no permissions for [indices:data/write/bulk*] and User [name=mig, backend_roles=[], requestedTenant=null]"
            ),
            found("indices:data/write/bulk*", Some("mig"))
        );
        assert_eq!(
            missing(
                "action [indices:admin/create] is unauthorized for user [mig] with roles [r] on indices [x], this action is granted by …"
            ),
            found("indices:admin/create", Some("mig"))
        );
        assert_eq!(
            missing(
                "User: arn:aws:iam::1:user/mig is not authorized to perform: es:ESHttpPut with an explicit deny"
            ),
            found("es:ESHttpPut", Some("arn:aws:iam::1:user/mig"))
        );
        assert_eq!(
            missing(
                "no permissions for [indices:data/write/bulk[s]] and User [name=mig, backend_roles=[]]"
            ),
            found("indices:data/write/bulk[s]", Some("mig"))
        );
        assert_eq!(missing("no permissions for []"), None);
        assert_eq!(missing("blocked"), None);
    }

    #[test]
    fn blocks_are_told_apart() {
        for (reason, word) in [
            (
                "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];",
                "too full",
            ),
            (
                "index [x] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];",
                "too full",
            ),
            (
                "blocked by: [FORBIDDEN/6/cluster read-only (api)];",
                "cluster.blocks.read_only",
            ),
            (
                "index [x] blocked by: [FORBIDDEN/8/index write (api)];",
                "index.blocks.write",
            ),
            (
                "index [x] blocked by: [FORBIDDEN/5/index read-only (api)];",
                "index.blocks.read_only`",
            ),
        ] {
            assert!(unblock(reason).contains(word), "{reason}");
        }
    }
}
