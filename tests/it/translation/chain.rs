//! Rules composed over versions: one step over all of them comes to the same as a step for each.

use std::collections::BTreeSet;

use mig::base::version::{Product, ProductVersion, Version};
use mig::engines::metadata::{Versions, translate};

use super::cases;

/// The way of an index that is moved at each major version, to where one step moves it.
const WAY: [(Product, u16, u16); 3] = [
    (Product::Elasticsearch, 6, 8),
    (Product::Elasticsearch, 7, 17),
    (Product::OpenSearch, 3, 3),
];

#[test]
fn one_step_comes_to_the_same_as_a_step_for_each_version() {
    let mut compared = 0;
    let mut wrong = Vec::new();
    for (_, cases) in cases::files() {
        for case in cases {
            let Some(first) = case
                .oldest()
                .filter(|first| first.product == Product::Elasticsearch && first.version.major < 6)
            else {
                continue;
            };
            let key = case.key();
            let none = BTreeSet::new();
            let to = |(product, major, minor)| ProductVersion {
                product,
                version: Version::new(major, minor, 0),
            };
            let mut stepped = case.body().clone();
            let mut source = first;
            for target in WAY.map(to) {
                let versions = Versions { source, target };
                stepped = translate(&key, &stepped, versions, &none).body;
                source = target;
            }
            let versions = Versions {
                source: first,
                target: source,
            };
            let direct = translate(&key, case.body(), versions, &none).body;
            if direct != stepped {
                wrong.push(format!("{}: {direct} is not {stepped}", case.name));
            }
            compared += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 80, "{compared} cases");
}
