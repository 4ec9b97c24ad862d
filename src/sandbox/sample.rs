//! Sample data for a source: a small shop with what makes migrations hard. The same bytes at every load.

use serde_json::{Value, json};

use crate::clients::cluster::{ClusterClient, ClusterError, Request};

/// Documents of one `_bulk`.
const BATCH: u64 = 2000;

/// What stands in `_meta` of an index that is complete.
const MARK: &str = "mig-sandbox";

/// What became of an index.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its name.
    pub name: &'static str,
    /// How many documents it has now; not known for one that was there.
    pub documents: u64,
    /// Whether it is closed.
    pub closed: bool,
    /// Whether an earlier load had completed it, so that it was left alone.
    pub there_already: bool,
}

struct Index {
    name: &'static str,
    body: Value,
    /// How many are written at first, out of the number asked for.
    count: fn(u64) -> u64,
    document: fn(u64) -> Value,
    routing: Option<fn(u64) -> String>,
    closed: bool,
}

/// Loads everything that is not there yet.
pub fn load(client: &ClusterClient, docs: u32) -> Result<Vec<Loaded>, ClusterError> {
    templates(client)?;
    let docs = u64::from(docs);
    let loaded: Result<Vec<Loaded>, ClusterError> = indices()
        .iter()
        .map(|index| one(client, index, docs))
        .collect();
    let loaded = loaded?;
    // `logs` takes writes into the newest; set once both are there, and again without harm.
    client.send(
        Request::post("/_aliases")
            .idempotent()
            .json(&json!({ "actions": [
        { "add": { "index": "logs-2020.11.18", "alias": "logs", "is_write_index": false } },
        { "add": { "index": "logs-2020.11.19", "alias": "logs", "is_write_index": true } },
    ] })),
    )?;
    Ok(loaded)
}

fn templates(client: &ClusterClient) -> Result<(), ClusterError> {
    let put = |path: &str, body: Value| client.send(Request::put(path).json(&body)).map(drop);
    put(
        "/_component_template/sample-settings",
        json!({ "template": { "settings": { "number_of_replicas": 0, "refresh_interval": "5s" } } }),
    )?;
    put(
        "/_component_template/sample-log-fields",
        json!({ "template": { "mappings": { "properties": {
            "@timestamp": { "type": "date" },
            "host": { "properties": { "name": { "type": "keyword" } } },
            "http.status": { "type": "short" },
            "message": { "type": "text" },
        } } } }),
    )?;
    put(
        "/_index_template/sample-logs",
        json!({ "index_patterns": ["logs-*"], "priority": 10, "version": 3,
                "composed_of": ["sample-settings", "sample-log-fields"],
                "template": { "settings": { "number_of_shards": 2 } } }),
    )?;
    put(
        "/_template/sample-archive",
        json!({ "index_patterns": ["archive-*"], "order": 1,
                "settings": { "number_of_shards": 1, "number_of_replicas": 0 },
                "mappings": { "properties": { "year": { "type": "short" }, "text": { "type": "text" } } },
                "aliases": { "archive": {} } }),
    )
}

fn indices() -> Vec<Index> {
    let shards = |number: u32| json!({ "number_of_shards": number, "number_of_replicas": 0 });
    vec![
        Index {
            name: "products",
            body: json!({
                "settings": shards(3),
                "mappings": { "dynamic": "strict", "properties": {
                    "name": { "type": "text", "fields": { "raw": { "type": "keyword" } } },
                    "price": { "type": "double" },
                    "stock": { "type": "long" },
                    "tags": { "type": "keyword" },
                    "listed": { "type": "date", "format": "yyyy-MM-dd" },
                    "available": { "type": "boolean" },
                } },
            }),
            count: |docs| docs,
            document: product,
            routing: None,
            closed: false,
        },
        Index {
            name: "orders",
            body: json!({
                "settings": shards(2),
                "mappings": { "_routing": { "required": true }, "properties": {
                    "customer": { "type": "keyword" },
                    "items": { "type": "nested", "properties": {
                        "product": { "type": "keyword" },
                        "quantity": { "type": "integer" },
                    } },
                } },
            }),
            count: |docs| docs,
            document: order,
            routing: Some(customer_of),
            closed: false,
        },
        Index {
            name: "customers",
            body: json!({
                "settings": shards(1),
                "mappings": { "properties": { "country": { "type": "keyword" }, "vip": { "type": "boolean" } } },
                "aliases": {
                    "customers-vip": { "filter": { "term": { "vip": true } } },
                    "customers-eu": { "routing": "eu" },
                },
            }),
            count: |docs| docs / 10 + 10,
            document: customer,
            routing: None,
            closed: false,
        },
        Index {
            name: "logs-2020.11.18",
            body: json!({}),
            count: |docs| docs / 2 + 10,
            document: |number| log(number, 18),
            routing: None,
            closed: false,
        },
        Index {
            name: "logs-2020.11.19",
            body: json!({}),
            count: |docs| docs / 2 + 10,
            document: |number| log(number, 19),
            routing: None,
            closed: false,
        },
        Index {
            name: "archive-2019",
            body: json!({}),
            count: |docs| docs / 10 + 10,
            document: |number| json!({ "year": 2019, "text": format!("an old page, {number}") }),
            routing: None,
            closed: true,
        },
        Index {
            name: "drafts",
            body: json!({ "settings": shards(1) }),
            count: |_| 0,
            document: |_| Value::Null,
            routing: None,
            closed: false,
        },
    ]
}

fn product(number: u64) -> Value {
    let prices = [0.1, -0.0, 1.5e300, 19.99];
    json!({
        "name": format!("Teapot № {number} ☕ \"blue\""),
        "price": prices[to_index(number % 4)],
        // Beyond what a double holds exactly.
        "stock": 9_007_199_254_740_993_u64 + number,
        "tags": ["kitchen", format!("series-{}", number % 7)],
        "listed": format!("2020-{:02}-{:02}", number % 12 + 1, number % 28 + 1),
        "available": !number.is_multiple_of(3),
    })
}

fn order(number: u64) -> Value {
    let items: Vec<Value> = (0..=number % 3)
        .map(|item| json!({ "product": format!("{}", number + item), "quantity": item + 1 }))
        .collect();
    json!({ "customer": customer_of(number), "items": items })
}

fn customer_of(number: u64) -> String {
    format!("customer-{}", number * 7919 % 97)
}

fn customer(number: u64) -> Value {
    let countries = ["de", "fr", "jp", "br"];
    json!({
        "country": countries[to_index(number % 4)],
        "vip": number.is_multiple_of(5),
        "address": { "city": "Zürich", "zip.code": format!("{:05}", number) },
    })
}

fn log(number: u64, day: u32) -> Value {
    let statuses = [200, 200, 404, 503];
    let words = [
        "started",
        "stopped",
        "timed out\nand was tried again",
        "says \\o/ and 😀",
    ];
    json!({
        "@timestamp": format!("2020-11-{day}T{:02}:{:02}:{:02}Z", number / 3600 % 24, number / 60 % 60, number % 60),
        "host": { "name": format!("web-{}", number % 5) },
        "http.status": statuses[to_index(number % 4)],
        "message": format!("request {number} {}", words[to_index(number / 4 % 4)]),
    })
}

fn to_index(small: u64) -> usize {
    usize::try_from(small).unwrap_or_default()
}

fn one(client: &ClusterClient, index: &Index, docs: u64) -> Result<Loaded, ClusterError> {
    let name = index.name;
    let path = format!("/{}", Request::part(name));
    let count = (index.count)(docs);
    let mapping = client.found(Request::get(format!("{path}/_mapping")))?;
    let meta = mapping.map(|mapping| mapping[name]["mappings"]["_meta"][MARK].clone());
    if meta == Some(json!({ "docs": docs })) {
        return Ok(Loaded {
            name,
            documents: 0,
            closed: index.closed,
            there_already: true,
        });
    }
    if meta.is_some() {
        // Of another size, or not complete.
        client.send(Request::delete(&path))?;
    }
    client.send(Request::put(&path).json(&index.body))?;
    write(client, index, 0..count, false)?;
    // Some once more with other content, and some not at all.
    write(client, index, (0..count).step_by(5), false)?;
    write(client, index, (3..count).step_by(11), true)?;
    client.send(Request::put(format!("{path}/_mapping")).json(&json!({
        "_meta": { MARK: { "docs": docs } },
    })))?;
    client.send(Request::post(format!("{path}/_refresh")))?;
    client.send(Request::post(format!("{path}/_flush")))?;
    let found = client.json(Request::get(format!("{path}/_count")))?;
    if index.closed {
        client.send(Request::post(format!("{path}/_close")))?;
    }
    Ok(Loaded {
        name,
        documents: found["count"].as_u64().unwrap_or_default(),
        closed: index.closed,
        there_already: false,
    })
}

fn write(
    client: &ClusterClient,
    index: &Index,
    numbers: impl Iterator<Item = u64>,
    delete: bool,
) -> Result<(), ClusterError> {
    let mut lines = String::new();
    let mut held = 0;
    for number in numbers {
        let mut action = json!({ "_id": format!("{number}") });
        if let Some(routing) = index.routing {
            action["routing"] = json!(routing(number));
        }
        if delete {
            lines.push_str(&format!("{}\n", json!({ "delete": action })));
        } else {
            let document = (index.document)(number);
            lines.push_str(&format!("{}\n{document}\n", json!({ "index": action })));
        }
        held += 1;
        if held == BATCH {
            send(client, index.name, std::mem::take(&mut lines))?;
            held = 0;
        }
    }
    if held > 0 {
        send(client, index.name, lines)?;
    }
    Ok(())
}

fn send(client: &ClusterClient, index: &str, lines: String) -> Result<(), ClusterError> {
    let request = Request::post(format!("/{}/_bulk", Request::part(index))).lines(lines);
    // Writing the same again does no harm but to versions.
    let response = client.send(request.idempotent())?;
    let answer = response.json()?;
    let refused = answer["items"].as_array().and_then(|items| {
        let outcomes = items
            .iter()
            .filter_map(|item| item.as_object()?.values().next());
        outcomes
            .into_iter()
            .find_map(|outcome| outcome.get("error"))
    });
    match refused {
        Some(error) => Err(ClusterError::Unreadable {
            location: response.location.clone(),
            call: response.call.clone(),
            reason: format!("a document was refused: {error}"),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_the_same_every_time_and_keep_their_numbers() {
        let text = product(0).to_string();
        assert_eq!(text, product(0).to_string());
        assert!(text.contains("\"stock\":9007199254740993"), "{text}");
        assert!(
            product(2).to_string().contains("1.5e300")
                || product(2).to_string().contains("1.5e+300")
        );
    }

    #[test]
    fn every_index_has_another_name() {
        let mut names: Vec<&str> = indices().iter().map(|index| index.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
