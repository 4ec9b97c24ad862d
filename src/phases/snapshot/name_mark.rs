//! The mark of a snapshot in its name, for servers that keep nothing else beside one: Elasticsearch before 7.3.
//!
//! The name that any snapshot of the phase has is followed by the mark's fields. What names can't hold stands as digests,
//! among them one over plan, lineage and phase, so that a name that merely looks alike is nobody's. Pure. Deliberately
//! absent: where marks are looked for (`series`).

use super::series::Mark;
use crate::base::Fingerprint;
use crate::base::version::{Product, ProductVersion};

/// Between the fields.
const BETWEEN: char = '.';
/// What stands for a snapshot with global state, and for one without.
const GLOBAL: [&str; 2] = ["global", "indices"];
/// What a digest of a cluster's uuid begins with, in the place of the uuid.
const DIGEST: &str = "digest:";

/// Whether a server keeps what is given to it beside a snapshot. Metadata of snapshots came with Elasticsearch 7.3.
pub(super) fn keeps_metadata(version: ProductVersion) -> bool {
    version.product == Product::OpenSearch || version.version.floor() >= (7, 3, 0)
}

/// The name of a snapshot that carries this mark: `plain`, and what the server can't keep beside it.
pub(super) fn name(plain: &str, mark: &Mark, version: Option<ProductVersion>) -> String {
    if version.is_none_or(keeps_metadata) {
        return plain.to_owned();
    }
    let global = GLOBAL[usize::from(!mark.global)];
    let cluster = Fingerprint::of(&mark.cluster);
    let fields = [
        plain,
        &mark.lineage,
        &mark.number.to_string(),
        &mark.first.to_string(),
        global,
        &mark.indices,
        cluster.short(),
        &owner(&mark.plan, &mark.lineage, &mark.phase),
    ];
    fields.join(&BETWEEN.to_string())
}

fn owner(plan: &str, lineage: &str, phase: &str) -> String {
    Fingerprint::of(&(plan, lineage, phase)).short().to_owned()
}

/// The mark in a name, if it is of one of these phases of the plan.
pub(super) fn read(name: &str, plan: &str, phases: &[&str]) -> Option<Mark> {
    let mut fields = name.rsplit(BETWEEN);
    let digest = fields.next()?;
    let cluster = fields.next()?;
    let indices = fields.next()?;
    let global = GLOBAL
        .iter()
        .position(|word| Some(*word) == fields.clone().next())?;
    let first = fields.nth(1)?.parse().ok()?;
    let number = fields.next()?.parse().ok()?;
    let lineage = fields.next()?;
    fields.next()?;
    let phase = phases
        .iter()
        .find(|phase| owner(plan, lineage, phase) == digest)?;
    Some(Mark {
        plan: plan.to_owned(),
        lineage: lineage.to_owned(),
        phase: (*phase).to_owned(),
        number,
        first,
        cluster: format!("{DIGEST}{cluster}"),
        indices: indices.to_owned(),
        global: global == 0,
    })
}

/// Whether a name is `plain`, by itself or with a mark.
pub(super) fn is_named(name: &str, plain: &str) -> bool {
    name.strip_prefix(plain).is_some_and(|tail| {
        tail.is_empty() || (tail.starts_with(BETWEEN) && indices(tail).is_some())
    })
}

/// A pattern for the names of the snapshots with any mark.
pub(super) fn pattern(plain: &str) -> String {
    format!("{plain}{BETWEEN}*")
}

/// The identity of the selector in a name with a mark.
pub fn indices(name: &str) -> Option<&str> {
    let mut fields = name.rsplit(BETWEEN);
    let indices = fields.nth(2)?;
    fields.next().filter(|word| GLOBAL.contains(word))?;
    Some(indices)
}

/// Whether the cluster that a mark names is this one.
pub(super) fn is_cluster(marked: &str, uuid: &str) -> bool {
    match marked.strip_prefix(DIGEST) {
        Some(digest) => Fingerprint::of(&uuid).short() == digest,
        None => marked == uuid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::version::Version;

    fn version(product: Product, major: u16, minor: u16) -> ProductVersion {
        let version = Version::new(major, minor, 0);
        ProductVersion { product, version }
    }

    fn mark() -> Mark {
        Mark {
            plan: "shop".into(),
            lineage: "0f3aaaaa-1111-4222-8333-444455556666".into(),
            phase: "es56->es710/base".into(),
            number: 3,
            first: 2,
            cluster: "AbC-_d".into(),
            indices: "1234567".into(),
            global: false,
        }
    }

    #[test]
    fn a_mark_comes_back_from_a_name() {
        let plain = "mig-shop.v2-base-3";
        let old = version(Product::Elasticsearch, 5, 6);
        let name = name(plain, &mark(), Some(old));
        assert!(
            name.len() < 255 && name.to_ascii_lowercase() == name,
            "{name}"
        );
        let read = read(&name, "shop", &["x", "es56->es710/base"]).unwrap();
        assert!(is_cluster(&read.cluster, "AbC-_d"));
        assert!(!is_cluster(&read.cluster, "AbC-_e"));
        assert_eq!(
            Mark {
                cluster: mark().cluster,
                ..read
            },
            mark()
        );
        assert_eq!(indices(&name), Some("1234567"));
        assert!(is_named(&name, plain) && is_named(plain, plain));
        assert!(!is_named(&name, "mig-shop") && !is_named("base.x", "base"));
    }

    #[test]
    fn a_name_that_looks_alike_is_nobody_s() {
        let old = version(Product::Elasticsearch, 6, 8);
        let name = name("base", &mark(), Some(old));
        assert_eq!(read(&name, "other", &["es56->es710/base"]), None);
        assert_eq!(read(&name, "shop", &["base"]), None);
        for other in ["base", "nightly-2024.01.02", "a.b.c.d.e.f.g.h", ""] {
            assert_eq!(read(other, "shop", &["es56->es710/base"]), None, "{other}");
            assert_eq!(indices(other), None, "{other}");
        }
    }

    #[test]
    fn servers_with_metadata_keep_plain_names() {
        for version in [
            Some(version(Product::Elasticsearch, 7, 3)),
            Some(version(Product::OpenSearch, 1, 0)),
            None,
        ] {
            assert_eq!(name("base", &mark(), version), "base");
        }
    }
}
