//! Vectors.

use serde_json::{Map, Value};

use super::OPENSEARCH;
use super::fields::replace_fields;
use crate::base::version::Product;
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::rule::{BODIES, Level, Line, Lines, Proof, Rule, Versions};

/// Vectors that are only read by scripts: there is no index structure whose meaning could differ.
const SCRIPTED_VECTORS: Lines = Lines(&[Line {
    product: Product::Elasticsearch,
    since: (0, 0),
    before: Some((8, 0)),
}]);

pub(super) const RULES: &[Rule] = &[Rule {
    code: "MIG140",
    title: "`dense_vector` becomes `knn_vector` without a graph",
    source: SCRIPTED_VECTORS,
    target: OPENSEARCH,
    objects: BODIES,
    level: Level::Warn,
    lossy: true,
    why: "OpenSearch calls it knn_vector; scripts that score by it need other function names, and the k-NN plugin",
    link: "",
    proof: Proof::Target,
    before: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "dense_vector", "dims": 3}}}}"#,
    after: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "knn_vector", "dimension": 3}}}}"#,
    apply: to_knn_vector,
}];

fn to_knn_vector(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    replace_fields(rule, draft, &|kind| kind == "dense_vector", &|field| {
        let mut new = Map::new();
        new.insert("type".into(), "knn_vector".into());
        if let Some(dimension) = field.get("dims") {
            new.insert("dimension".into(), dimension.clone());
        }
        Value::Object(new)
    });
}
