//! Vectors: `dense_vector` of Elasticsearch, and `knn_vector` between versions of OpenSearch.
//!
//! Similarity is that of the source, by its version; a vector is never made smaller on the way. What can't be said to the
//! target (no dimension, an element it can't hold) stays as it is, and the rule of unknown types has it.

use serde_json::{Map, Value, json};

use super::lines::{ELASTICSEARCH, ES_8, OPENSEARCH, OS_3, OS_BELOW_3};
use crate::engines::metadata::draft::Draft;
use crate::engines::metadata::fields::{Place, type_of};
use crate::engines::metadata::rule::{ALLOWED, DENIED, Proof, Rule, Versions, WARNED};

const KNN_VECTOR: &str =
    "https://docs.opensearch.org/latest/mappings/supported-field-types/knn-vector/";
const KNN_METHODS: &str =
    "https://docs.opensearch.org/latest/mappings/supported-field-types/knn-methods-engines/";
const KNN: &str = "index.knn";

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "MIG140",
        title: "`dense_vector` becomes `knn_vector` without a graph",
        source: ELASTICSEARCH,
        target: OPENSEARCH,
        why: "OpenSearch calls it knn_vector; scripts that score by it need other function names, and the k-NN plugin",
        link: KNN_VECTOR,
        before: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "dense_vector", "dims": 3}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "knn_vector", "dimension": 3}}}}"#,
        apply: without_graph,
        ..WARNED
    },
    Rule {
        code: "MIG177",
        title: "the graph of a vector keeps its similarity and its parameters",
        source: ES_8,
        target: OPENSEARCH,
        why: "OpenSearch has the graph in `method`: neighbours are the same, searches are written as `knn` queries of the k-NN plugin",
        link: KNN_METHODS,
        before: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "dense_vector", "dims": 3, "index": true, "similarity": "l2_norm"}}}}"#,
        after: r#"{"settings": {"index.knn": "true"}, "mappings": {"properties": {"v": {"type": "knn_vector", "dimension": 3, "method": {"name": "hnsw", "engine": "lucene", "space_type": "l2"}}}}}"#,
        apply: |rule, draft, versions| build(rule, draft, versions, &|field| form(field) == "hnsw"),
        ..WARNED
    },
    Rule {
        code: "MIG178",
        title: "vectors are held whole",
        source: ES_8,
        target: OPENSEARCH,
        why: "the source holds a smaller form beside the vector, or compares with all of them: the target gets a graph of whole vectors, which takes more memory, and quantises nothing that nobody asked it to",
        link: "https://www.elastic.co/guide/en/elasticsearch/reference/8.17/dense-vector.html",
        before: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "dense_vector", "dims": 3, "index": true, "similarity": "cosine", "index_options": {"type": "int8_hnsw", "m": 16, "confidence_interval": 0.9}}}}}"#,
        after: r#"{"settings": {"index.knn": "true"}, "mappings": {"properties": {"v": {"type": "knn_vector", "dimension": 3, "method": {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil", "parameters": {"m": 16}}}}}}"#,
        apply: |rule, draft, versions| build(rule, draft, versions, &|field| form(field) != "hnsw"),
        ..WARNED
    },
    Rule {
        code: "MIG179",
        title: "vectors that are compared by `l1` or `linf` are compared by `l2`",
        source: OS_BELOW_3,
        target: OS_3,
        why: "only nmslib had these spaces, and the target has no nmslib: other neighbours may be found",
        link: KNN_METHODS,
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "knn_vector", "dimension": 3, "method": {"name": "hnsw", "engine": "faiss", "space_type": "l1"}}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "knn_vector", "dimension": 3, "method": {"name": "hnsw", "engine": "faiss", "space_type": "l2"}}}}}"#,
        apply: other_space,
        ..DENIED
    },
    Rule {
        code: "MIG180",
        title: "graphs that the index's settings describe are described by their fields",
        source: OS_BELOW_3,
        target: OS_3,
        why: "the target takes no parameters of graphs for a whole index",
        link: "https://docs.opensearch.org/latest/vector-search/settings/",
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {"index.knn.space_type": "cosinesimil", "index.knn.algo_param.m": "24"}, "mappings": {"properties": {"v": {"type": "knn_vector", "dimension": 3}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "knn_vector", "dimension": 3, "method": {"name": "hnsw", "engine": "faiss", "space_type": "cosinesimil", "parameters": {"m": 24}}}}}}"#,
        apply: settings_to_methods,
        ..ALLOWED
    },
    Rule {
        code: "MIG181",
        title: "graphs of nmslib are built by faiss",
        source: OS_BELOW_3,
        target: OS_3,
        why: "the target has no nmslib; faiss builds the same kind of graph with the same parameters",
        link: "https://docs.opensearch.org/latest/breaking-changes/",
        proof: Proof::TranslatedOnly,
        before: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "knn_vector", "dimension": 3, "method": {"name": "hnsw", "engine": "nmslib", "space_type": "l2"}}}}}"#,
        after: r#"{"settings": {}, "mappings": {"properties": {"v": {"type": "knn_vector", "dimension": 3, "method": {"name": "hnsw", "engine": "faiss", "space_type": "l2"}}}}}"#,
        apply: to_faiss,
        ..WARNED
    },
    Rule {
        code: "MIG213",
        title: "vectors stay in `_source` as they were sent",
        target: OS_3,
        why: "the target would take vectors out of `_source` and write them again from their 32-bit floats when asked: what is read would no longer be what was written. It takes more room on disk, as it did at the source",
        link: "https://docs.opensearch.org/latest/mappings/supported-field-types/knn-memory-optimized/#derived-source-for-k-nn",
        before: r#"{"settings": {"index.knn": "true"}, "mappings": {}}"#,
        after: r#"{"settings": {"index.knn": "true", "index.knn.derived_source.enabled": "false"}, "mappings": {}}"#,
        apply: sent_source,
        ..ALLOWED
    },
];

const DERIVED_SOURCE: &str = "index.knn.derived_source.enabled";

fn sent_source(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let has_graphs = draft
        .setting(KNN)
        .is_some_and(|text| super::truth::is_true(&text.into()));
    if has_graphs && draft.setting(DERIVED_SOURCE).is_none() {
        draft.set_setting(rule, DERIVED_SOURCE, "false".into());
    }
}

/// Whether the source has a graph of it: from 8.11 on unless the mapping says no, in 8.0–8.10 where it says yes.
fn is_indexed(field: &Map<String, Value>, versions: Versions) -> bool {
    let (major, minor, _) = versions.source.version.floor();
    match field.get("index") {
        Some(index) => major >= 8 && super::truth::is_true(index),
        None => (major, minor) >= (8, 11),
    }
}

/// What vectors are made of where nothing is said.
const FLOAT: &str = "float";

/// `float`, `byte` or `bit`, in the target's words; nothing where the target can't hold it.
fn data_type(field: &Map<String, Value>, versions: Versions) -> Option<&'static str> {
    let (major, minor, _) = versions.target.version.floor();
    match field.get("element_type").and_then(Value::as_str) {
        None | Some("float") => Some(FLOAT),
        Some("byte") if (major, minor) >= (2, 9) => Some("byte"),
        Some("bit") if (major, minor) >= (2, 16) => Some("binary"),
        Some(_) => None,
    }
}

/// A `knn_vector` of the same length and elements.
fn plain(field: &Map<String, Value>, versions: Versions) -> Option<Map<String, Value>> {
    let dimension = field.get("dims")?.clone();
    let data_type = data_type(field, versions)?;
    let mut new = Map::new();
    new.insert("type".into(), "knn_vector".into());
    new.insert("dimension".into(), dimension);
    if data_type != FLOAT {
        new.insert("data_type".into(), data_type.into());
    }
    if let Some(meta) = field.get("meta") {
        new.insert("meta".into(), meta.clone());
    }
    Some(new)
}

fn without_graph(rule: &'static Rule, draft: &mut Draft, versions: Versions) {
    draft.change_fields(
        rule,
        &|_, field| type_of(field) == "dense_vector" && !is_indexed(field, versions),
        &|_, field| {
            if let Some(new) = plain(field, versions) {
                *field = new;
            }
        },
    );
}

/// Space and engine: Lucene's where the target's has the space for these elements, so that scores are the source's too.
fn method(field: &Map<String, Value>, versions: Versions) -> Option<Value> {
    let (major, minor, _) = versions.target.version.floor();
    let is_bit = field.get("element_type").and_then(Value::as_str) == Some("bit");
    let space = match field.get("similarity").and_then(Value::as_str) {
        _ if is_bit => "hamming",
        Some("l2_norm") => "l2",
        Some("dot_product" | "max_inner_product") => "innerproduct",
        None | Some("cosine") => "cosinesimil",
        Some(_) => return None,
    };
    let engine = match space {
        "hamming" => "faiss",
        _ if (major, minor) < (2, 2) => "nmslib",
        "innerproduct" if (major, minor) < (2, 13) => "faiss",
        _ => "lucene",
    };
    let mut method = Map::new();
    method.insert("name".into(), "hnsw".into());
    method.insert("engine".into(), engine.into());
    method.insert("space_type".into(), space.into());
    let mut parameters = Map::new();
    if let Some(options) = field.get("index_options") {
        for name in ["m", "ef_construction"] {
            if let Some(value) = options.get(name) {
                parameters.insert(name.into(), value.clone());
            }
        }
    }
    if !parameters.is_empty() {
        method.insert("parameters".into(), Value::Object(parameters));
    }
    Some(Value::Object(method))
}

/// The form in which the source's graph holds vectors: `hnsw` where it holds them whole.
fn form(field: &Map<String, Value>) -> &str {
    field
        .get("index_options")
        .and_then(|options| options.get("type"))
        .and_then(Value::as_str)
        .unwrap_or("hnsw")
}

/// Gives a graph to the vectors that have one at the source and are `meant`.
fn build(
    rule: &'static Rule,
    draft: &mut Draft,
    versions: Versions,
    meant: &dyn Fn(&Map<String, Value>) -> bool,
) {
    let before = draft.edits.len();
    draft.change_fields(
        rule,
        &|at, field| {
            type_of(field) == "dense_vector"
                && is_indexed(field, versions)
                && meant(field)
                && at.place != Place::SubField
        },
        &|_, field| {
            if let (Some(mut new), Some(method)) = (plain(field, versions), method(field, versions))
            {
                new.insert("method".into(), method);
                *field = new;
            }
        },
    );
    if draft.edits.len() > before {
        draft.set_setting(rule, KNN, "true".into());
    }
}

const NO_SPACES: [&str; 2] = ["l1", "linf"];

fn other_space(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    if draft
        .setting("index.knn.space_type")
        .is_some_and(|space| NO_SPACES.contains(&space))
    {
        draft.set_setting(rule, "index.knn.space_type", "l2".into());
    }
    let is_old = |space: Option<&Value>| {
        space
            .and_then(Value::as_str)
            .is_some_and(|space| NO_SPACES.contains(&space))
    };
    let in_method = |field: &Map<String, Value>| {
        is_old(
            field
                .get("method")
                .and_then(|method| method.get("space_type")),
        )
    };
    draft.change_fields(
        rule,
        &|_, field| {
            type_of(field) == "knn_vector" && (is_old(field.get("space_type")) || in_method(field))
        },
        &|_, field| {
            if is_old(field.get("space_type")) {
                field.insert("space_type".into(), "l2".into());
            }
            if in_method(field)
                && let Some(Value::Object(method)) = field.get_mut("method")
            {
                method.insert("space_type".into(), "l2".into());
            }
        },
    );
}

fn settings_to_methods(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    const KEYS: [(&str, &str); 2] = [
        ("index.knn.algo_param.m", "m"),
        ("index.knn.algo_param.ef_construction", "ef_construction"),
    ];
    let space = draft
        .setting("index.knn.space_type")
        .unwrap_or("l2")
        .to_owned();
    let mut parameters = Map::new();
    for (key, name) in KEYS {
        if let Some(number) = draft.setting(key).and_then(|text| text.parse::<u64>().ok()) {
            parameters.insert(name.into(), number.into());
        }
    }
    let before = draft.edits.len();
    draft.drop_settings(
        rule,
        &[
            "index.knn.space_type",
            "index.knn.algo_param.m",
            "index.knn.algo_param.ef_construction",
        ],
    );
    if draft.edits.len() == before {
        return;
    }
    draft.change_fields(
        rule,
        &|_, field| {
            type_of(field) == "knn_vector"
                && !["method", "model_id", "mode", "space_type"]
                    .iter()
                    .any(|name| field.contains_key(*name))
        },
        &|_, field| {
            let mut method = Map::new();
            method.insert("name".into(), "hnsw".into());
            method.insert("engine".into(), "faiss".into());
            method.insert("space_type".into(), space.clone().into());
            if !parameters.is_empty() {
                method.insert("parameters".into(), Value::Object(parameters.clone()));
            }
            field.insert("method".into(), Value::Object(method));
        },
    );
}

fn to_faiss(rule: &'static Rule, draft: &mut Draft, _versions: Versions) {
    let engine = |field: &Map<String, Value>| {
        field
            .get("method")
            .and_then(|method| method.get("engine"))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    draft.change_fields(
        rule,
        &|_, field| type_of(field) == "knn_vector" && engine(field).as_deref() == Some("nmslib"),
        &|_, field| {
            if let Some(Value::Object(method)) = field.get_mut("method") {
                method.insert("engine".into(), json!("faiss"));
            }
        },
    );
}
