//! A server's own answer to a scroll over an index.

use mig::clients::cluster::Request;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::dialect::Dialect;
use super::documents::Answer;
use crate::support::Server;

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(rename = "_scroll_id")]
    scroll_id: String,
    #[serde(borrow)]
    hits: Hits<'a>,
}

#[derive(Deserialize)]
struct Hits<'a> {
    #[serde(borrow)]
    hits: Vec<Hit<'a>>,
}

#[derive(Deserialize)]
struct Hit<'a> {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_type")]
    mapping_type: Option<String>,
    #[serde(rename = "_routing")]
    routing: Option<String>,
    #[serde(rename = "_parent")]
    parent: Option<String>,
    #[serde(rename = "_version")]
    version: Option<i64>,
    #[serde(rename = "_seq_no")]
    seq_no: Option<i64>,
    #[serde(rename = "_primary_term")]
    primary_term: Option<i64>,
    #[serde(rename = "_source", borrow)]
    source: Option<&'a RawValue>,
}

/// Every live document.
pub(super) fn scroll(server: &Server, dialect: Dialect, index: &str) -> Vec<Answer> {
    let sequences = if dialect.before((6, 8), (0, 0)) {
        ""
    } else {
        "&seq_no_primary_term=true"
    };
    let path = format!(
        "/{}/_search?scroll=5m&size=100&version=true&sort=_doc{sequences}",
        Request::part(index)
    );
    let mut request = Request::post(path).json(&json!({"query": {"match_all": {}}}));
    let mut found = Vec::new();
    loop {
        let response = server.client().send(request).unwrap();
        let page: Page<'_> = serde_json::from_slice(&response.body).unwrap();
        if page.hits.hits.is_empty() {
            return found;
        }
        found.extend(page.hits.hits.into_iter().map(|hit| Answer {
            id: hit.id,
            mapping_type: hit.mapping_type.filter(|name| name != "_doc"),
            routing: hit.routing,
            parent: hit.parent,
            version: hit.version,
            seq_no: hit.seq_no,
            primary_term: hit.primary_term,
            source: hit.source.map(|text| text.get().to_owned()),
            ..Answer::default()
        }));
        let next = json!({"scroll": "5m", "scroll_id": page.scroll_id});
        request = Request::post("/_search/scroll").json(&next);
    }
}
