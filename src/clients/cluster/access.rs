//! What may be asked of a cluster that the plan calls `read-only`: the one list of such calls. Pure.

use super::request::{Method, Request};

/// Whether a request changes nothing but a repository that `mig` registers and snapshots that `mig` makes.
pub fn reads_only(request: &Request) -> bool {
    let path = request.path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match request.method {
        Method::Get | Method::Head => true,
        Method::Post => match parts.as_slice() {
            [.., last] => {
                ["_search", "_count", "_msearch", "_mget"].contains(last) || scrolls(&parts)
            }
            [] => false,
        },
        Method::Put => snapshot_of_mig(&parts),
        Method::Delete => snapshot_of_mig(&parts) || scrolls(&parts),
    }
}

/// Scrolls and points in time: they are opened, read on and closed.
fn scrolls(parts: &[&str]) -> bool {
    matches!(
        parts,
        ["_search", "scroll" | "point_in_time"]
            | [_, "_search", "point_in_time"]
            | ["_pit"]
            | [_, "_pit"]
    )
}

/// `_snapshot/<repository>` and `_snapshot/<repository>/<snapshot>`, the repository being one that `mig` registered.
fn snapshot_of_mig(parts: &[&str]) -> bool {
    match parts {
        ["_snapshot", repository] | ["_snapshot", repository, _] => repository.starts_with("mig-"),
        _ => false,
    }
}
