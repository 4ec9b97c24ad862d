//! What may be asked of a cluster that the plan calls `read-only`: the one list of such calls. Pure.
//!
//! Paths are judged decoded, and for GET as a proxy before the server could split them too (`%2f` as a slash). What is
//! not plain is refused rather than understood. Deliberately absent: which snapshots of a repository are `mig`'s own; its
//! phases know that from the journal.

use serde_json::Value;

use super::request::{Body, Method, Request};
use crate::base::version::{Product, ProductVersion, Version};

/// Names of actions, of which some version takes some for GET. None of them is ever mere reading.
const ACTIONS: &[&str] = &[
    "_bulk",
    "_cache",
    "_cancel",
    "_cleanup",
    "_clone",
    "_close",
    "_create",
    "_delete",
    "_delete_by_query",
    "_execute",
    "_flush",
    "_forcemerge",
    "_freeze",
    "_gateway",
    "_knn",
    "_mount",
    "_open",
    "_optimize",
    "_ppl",
    "_refresh",
    "_reindex",
    "_reload",
    "_reload_search_analyzers",
    "_restart",
    "_restore",
    "_retry",
    "_rollover",
    "_shrink",
    "_shutdown",
    "_split",
    "_sql",
    "_start",
    "_stop",
    "_unfreeze",
    "_update",
    "_update_by_query",
    "_upgrade",
    "_warmup",
    "clear_cache",
    "refresh_search_analyzers",
    "reload_secure_settings",
    "reroute",
    "sql",
    "warmup",
];

/// What repositories are called that `mig` registers begins so.
const REPOSITORY_OF_MIG: &str = "mig-";

/// The first versions that know points in time; before them a server takes the call for the writing of a document.
const PIT_SINCE: (Version, Version) = (Version::new(2, 4, 0), Version::new(7, 11, 0));

/// Whether a path means the same to everybody on the way: absolute, printable, its escapes whole, and without segments of
/// dots, which would be resolved to the path of something else. Asked of every request.
pub(super) fn is_plain(path: &str) -> bool {
    let printable = path
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#');
    let path = path.split('?').next().unwrap_or_default();
    let segment = |part: &str| decoded(part).is_some_and(|part| part != "." && part != "..");
    printable && path.starts_with('/') && path.split('/').all(segment)
}

/// Whether a request changes nothing but a repository that `mig` registers and snapshots that `mig` makes. `version`: who
/// the cluster is, where that is known.
pub fn reads_only(request: &Request, version: Option<ProductVersion>) -> bool {
    if !is_plain(&request.path) {
        return false;
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let Some(parts) = segments(path) else {
        return false;
    };
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if refreshes(query) {
        return false;
    }
    match request.method {
        Method::Get | Method::Head => harmless(&parts),
        // An encoded slash has no place in the names that are allowed here.
        _ if parts.iter().any(|part| part.contains('/')) => false,
        Method::Post => match parts.as_slice() {
            ["_search" | "_count"] | ["_search", "scroll"] => true,
            [index, "_search" | "_count"] => names_indices(index),
            ["_snapshot", repository, "_verify"] => is_repository_of_mig(repository),
            [index, "_pit"] => names_indices(index) && has_pit(version, Product::Elasticsearch),
            [index, "_search", "point_in_time"] => {
                names_indices(index) && has_pit(version, Product::OpenSearch)
            }
            _ => false,
        },
        Method::Put => snapshot_of_mig(&parts),
        Method::Delete => snapshot_of_mig(&parts) || closes(&parts, request.body.as_ref(), version),
    }
}

/// The parts of a path, decoded; a slash at the end says nothing. `None`: an empty part, or an escape that is none.
fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(Vec::new());
    }
    let parts: Option<Vec<String>> = path.split('/').map(decoded).collect();
    parts.filter(|parts| parts.iter().all(|part| !part.is_empty()))
}

/// A part without its percent-escapes; `None` where one is broken, or the whole is no text.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let pair = after.get(..2)?;
            if !pair.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            bytes.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

/// A read that asks for a refresh before it.
fn refreshes(query: &str) -> bool {
    query.split(['&', ';']).any(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match decoded(key) {
            Some(key) => key.eq_ignore_ascii_case("refresh") && value != "false",
            None => true,
        }
    })
}

/// GET of anything but an action.
fn harmless(parts: &[&str]) -> bool {
    let parts = match parts {
        // The id of a document may be any text.
        [index, "_doc" | "_source", id] if !id.contains('/') => std::slice::from_ref(index),
        _ => parts,
    };
    parts.iter().flat_map(|part| part.split('/')).all(|part| {
        part != "."
            && part != ".."
            && !ACTIONS
                .iter()
                .any(|action| part.eq_ignore_ascii_case(action))
    })
}

/// Names and patterns of indices, not another kind of thing (`_security`, `_scripts`).
fn names_indices(part: &str) -> bool {
    part == "_all" || !part.starts_with('_')
}

fn has_pit(version: Option<ProductVersion>, product: Product) -> bool {
    let since = match product {
        Product::OpenSearch => PIT_SINCE.0,
        Product::Elasticsearch => PIT_SINCE.1,
    };
    version.is_some_and(|it| it.product == product && it.version.floor() >= since.floor())
}

/// The end of scrolls and points in time that the request names; those of everybody (`_all`) are never ended.
fn closes(parts: &[&str], body: Option<&Body>, version: Option<ProductVersion>) -> bool {
    let one = |id: &str| !id.contains(',') && id != "_all";
    match parts {
        ["_search", "scroll", id] => body.is_none() && one(id),
        ["_search", "scroll"] => names_contexts(body, "scroll_id"),
        ["_search", "point_in_time"] => {
            has_pit(version, Product::OpenSearch) && names_contexts(body, "pit_id")
        }
        ["_pit"] => has_pit(version, Product::Elasticsearch) && names_contexts(body, "id"),
        _ => false,
    }
}

fn names_contexts(body: Option<&Body>, key: &str) -> bool {
    let Some(Body::Json(bytes)) = body else {
        return false;
    };
    let Ok(Value::Object(body)) = serde_json::from_slice(bytes) else {
        return false;
    };
    let id = |value: &Value| {
        let id = value.as_str();
        id.is_some_and(|id| !id.is_empty() && !id.contains(',') && id != "_all")
    };
    body.len() == 1
        && match body.get(key) {
            Some(Value::Array(ids)) => !ids.is_empty() && ids.iter().all(id),
            Some(value) => id(value),
            None => false,
        }
}

/// `_snapshot/<repository>` and `_snapshot/<repository>/<snapshot>`, the repository being one that `mig` registered.
fn snapshot_of_mig(parts: &[&str]) -> bool {
    match parts {
        ["_snapshot", repository] => is_repository_of_mig(repository),
        ["_snapshot", repository, snapshot] => {
            is_repository_of_mig(repository)
                && !snapshot.starts_with('_')
                && !snapshot.contains(|c: char| c.is_whitespace() || ",*?\"<>|\\#".contains(c))
        }
        _ => false,
    }
}

/// One name, no pattern and no list.
fn is_repository_of_mig(name: &str) -> bool {
    name.strip_prefix(REPOSITORY_OF_MIG).is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[allow(clippy::unnecessary_wraps)] // as it is asked for
    fn version(product: Product, major: u16, minor: u16) -> Option<ProductVersion> {
        Some(ProductVersion {
            product,
            version: Version::new(major, minor, 0),
        })
    }

    fn os2() -> Option<ProductVersion> {
        version(Product::OpenSearch, 2, 19)
    }

    fn es710() -> Option<ProductVersion> {
        version(Product::Elasticsearch, 7, 10)
    }

    fn es8() -> Option<ProductVersion> {
        version(Product::Elasticsearch, 8, 1)
    }

    fn request(method: &str, path: &str) -> Request {
        match method {
            "GET" => Request::get(path),
            "HEAD" => Request::head(path),
            "POST" => Request::post(path),
            "PUT" => Request::put(path),
            _ => Request::delete(path),
        }
    }

    #[test]
    fn what_the_design_allows() {
        for (method, path) in [
            ("GET", "/"),
            ("HEAD", "/"),
            ("GET", "/_cluster/state/metadata?filter_path=a,b"),
            ("GET", "/logs-1,logs-2/_settings?flat_settings=true"),
            ("GET", "/logs%2D1/_stats/"),
            ("GET", "/x/_doc/a%2Fb"),
            ("GET", "/x/_doc/_refresh"),
            ("GET", "/x/_doc/1?refresh=false"),
            ("GET", "/_snapshot/theirs/_all"),
            ("GET", "/_snapshot/_status"),
            ("GET", "/_mget"),
            ("POST", "/_search"),
            ("POST", "/logs-*,-logs-2/_search?scroll=5m"),
            ("POST", "/_all/_count"),
            ("POST", "/x/_count/"),
            ("POST", "/_search/scroll"),
            ("PUT", "/_snapshot/mig-shop"),
            (
                "PUT",
                "/_snapshot/mig-shop/base-1?wait_for_completion=false",
            ),
            ("POST", "/_snapshot/mig-shop/_verify"),
            ("DELETE", "/_snapshot/mig-shop/base-1"),
            ("DELETE", "/_snapshot/mig-Zq3_x.y"),
            ("DELETE", "/_search/scroll/DXF1ZXJ5=="),
        ] {
            assert!(reads_only(&request(method, path), os2()), "{method} {path}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (method, path) in [
            ("POST", "/_refresh"),
            ("GET", "/_refresh"),
            ("GET", "/x/_refresh"),
            ("GET", "/x/_REFRESH"),
            ("GET", "/x/_refresh/"),
            ("GET", "/x/_refresh?ignore_unavailable"),
            ("GET", "/x%2F_refresh"),
            ("GET", "/x%2f%5frefresh"),
            ("GET", "//_refresh"),
            ("GET", "/x//_flush"),
            ("GET", "/x/_flush/synced"),
            ("GET", "/_forcemerge"),
            ("GET", "/_optimize"),
            ("GET", "/_cache/clear"),
            ("GET", "/x/_cache/clear"),
            ("GET", "/x/_doc/../_flush"),
            ("GET", "/x/_doc/%2e%2E/_flush"),
            ("GET", "/x/_doc/a%2F..%2F_flush"),
            ("GET", "/./_flush"),
            ("GET", "/x\\_flush"),
            ("GET", "/x/_doc/1?refresh"),
            ("GET", "/x/_doc/1?refresh=true"),
            ("GET", "/x/_doc/1?a=b&%72efresh=true"),
            ("GET", "/_opendistro/_sql?sql=DELETE"),
            ("GET", "/_plugins/_knn/warmup/x"),
            ("GET", "/%zz"),
            ("GET", "/x#y"),
            ("GET", "/x y"),
            ("GET", "no-slash"),
            ("GET", ""),
            ("HEAD", "/_refresh"),
            ("POST", "/"),
            ("POST", "/_bulk"),
            ("POST", "/x/_doc/_search"),
            ("POST", "/x/t/_search"),
            ("POST", "/x/_doc"),
            ("POST", "/x%2F_doc%2F1/_search"),
            ("POST", "/x/_search/../_bulk"),
            ("POST", "/_scripts/_search"),
            ("POST", "/x/_SEARCH"),
            ("POST", "/x/_search/template"),
            ("POST", "/_mget"),
            ("POST", "/_msearch"),
            ("POST", "/x/_search?refresh=true"),
            ("POST", "/x/_open"),
            ("POST", "/_snapshot/mig-shop/base-1"),
            ("POST", "/_snapshot/mig-shop/base-1/_restore"),
            ("POST", "/_snapshot/theirs/_verify"),
            ("POST", "/_snapshot/mig-shop/_cleanup"),
            ("PUT", "/x"),
            ("PUT", "/_snapshot/theirs"),
            ("PUT", "/_snapshot/Mig-shop"),
            ("PUT", "/_snapshot/mig-"),
            ("PUT", "/_snapshot/mig-shop/_all"),
            ("PUT", "/_snapshot/mig-shop/a/b"),
            ("PUT", "/_cluster/settings"),
            ("DELETE", "/"),
            ("DELETE", "/x"),
            ("DELETE", "/*"),
            ("DELETE", "/_snapshot"),
            ("DELETE", "/_snapshot/*"),
            ("DELETE", "/_snapshot/mig-*"),
            ("DELETE", "/_snapshot/mig-%2A"),
            ("DELETE", "/_snapshot/mig-a,theirs"),
            ("DELETE", "/_snapshot/mig-a%2Ctheirs"),
            ("DELETE", "/_snapshot/mig-a%2F..%2Ftheirs/base"),
            ("DELETE", "/_snapshot/mig-a/base,other"),
            ("DELETE", "/_snapshot/mig-a/b*"),
            ("DELETE", "/_snapshot/mig-a/.."),
            ("DELETE", "/_search/scroll"),
            ("DELETE", "/_search/scroll/_all"),
            ("DELETE", "/_search/scroll/%5Fall"),
            ("DELETE", "/_search/scroll/a,_all"),
            ("DELETE", "/_search/point_in_time/_all"),
            ("DELETE", "/x/_doc/1"),
        ] {
            for version in [None, os2(), es710(), es8()] {
                assert!(
                    !reads_only(&request(method, path), version),
                    "{method} {path}"
                );
            }
        }
    }

    #[test]
    fn points_in_time_only_where_they_are_known() {
        let open = Request::post("/x/_search/point_in_time?keep_alive=5m");
        assert!(reads_only(&open, os2()));
        for version in [None, es710(), es8(), version(Product::OpenSearch, 2, 3)] {
            assert!(!reads_only(&open, version));
        }
        let open = Request::post("/x/_pit?keep_alive=5m");
        assert!(reads_only(&open, es8()));
        // Without the plugin, 7.10 takes it for the writing of a document.
        for version in [None, es710(), os2()] {
            assert!(!reads_only(&open, version));
        }
        let close = |path: &str, body: Value| Request::delete(path).json(&body);
        assert!(reads_only(&close("/_pit", json!({"id": "abc"})), es8()));
        let close_os = |body| close("/_search/point_in_time", body);
        assert!(reads_only(&close_os(json!({"pit_id": ["abc"]})), os2()));
        assert!(!reads_only(&close_os(json!({"pit_id": ["_all"]})), os2()));
        assert!(!reads_only(&close_os(json!({"pit_id": "_all"})), os2()));
    }

    #[test]
    fn only_scrolls_that_are_named_are_ended() {
        let end =
            |body: Value| reads_only(&Request::delete("/_search/scroll").json(&body), es710());
        assert!(end(json!({"scroll_id": "abc"})));
        assert!(end(json!({"scroll_id": ["abc", "def"]})));
        for body in [
            json!({"scroll_id": "_all"}),
            json!({"scroll_id": ["abc", "_all"]}),
            json!({"scroll_id": []}),
            json!({"scroll_id": ""}),
            json!({}),
            json!(["abc"]),
            json!({"scroll_id": "abc", "other": 1}),
        ] {
            assert!(!end(body.clone()), "{body}");
        }
    }

    proptest! {
        /// However an action is written, no GET of it passes.
        #[test]
        fn no_spelling_of_an_action_passes(
            action in proptest::sample::select(ACTIONS),
            before in "(/[a-z,*%-]{0,6}|/%2[fF]|/%5[fF][a-z]){0,3}",
            slash in proptest::sample::select(&["/", "%2f", "%2F", "//", "/./"][..]),
            escaped in proptest::collection::vec(any::<bool>(), 32),
            upper in proptest::collection::vec(any::<bool>(), 32),
            after in "(/|/[a-z]{1,4}|\\?[a-z=&]{0,6}|%2[fF])?",
            head in any::<bool>(),
        ) {
            let mut spelled = String::new();
            for (at, byte) in action.bytes().enumerate() {
                let byte = if upper[at % 32] { byte.to_ascii_uppercase() } else { byte };
                if escaped[at % 32] {
                    spelled.push_str(&format!("%{byte:02X}"));
                } else {
                    spelled.push(char::from(byte));
                }
            }
            let path = format!("{before}{slash}{spelled}{after}");
            let request = if head { Request::head(path) } else { Request::get(path) };
            prop_assert!(!reads_only(&request, None), "{}", request.path);
        }

        /// Whatever passes for PUT and DELETE names one repository of mig, or one context.
        #[test]
        fn what_writes_names_a_repository_of_mig(
            path in "(/|/_snapshot|/mig-[a-z*,%]{0,3}|/[a-z_*,%.]{1,6}|%2[fF]|%2[eE]|\\?[a-z=]{0,5}){1,5}",
            put in any::<bool>(),
        ) {
            let request = if put { Request::put(path) } else { Request::delete(path) };
            if reads_only(&request, os2()) {
                prop_assert!(request.path.starts_with("/_snapshot/mig-"), "{}", request.path);
                let path = request.path.split('?').next().unwrap_or_default();
                prop_assert!(!path.contains([',', '*']), "{}", request.path);
                prop_assert!(!path.to_lowercase().contains("%2f"), "{}", request.path);
            }
        }
    }
}
