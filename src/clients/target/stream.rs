//! Data streams as targets have them: a name over backing indices, of which the last takes the writes.
//!
//! A data stream as a metadata object is `{timestamp_field, generations: [{settings, mappings}, …]}`, the oldest generation
//! first; what waits for the proof stands in `held_back.settings` by `<generation>/<setting>`. A target makes the first
//! generation with the stream and the others when it is told to roll over, each as it was planned. Deliberately absent: when
//! to roll over (the backfill phase's).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::TargetError;
use crate::base::settings::meant;

/// The field of time where nothing else is said.
pub const TIMESTAMP: &str = "@timestamp";

/// What a generation must not have while it is loaded, whatever it has once the documents are proved.
const DISTURBING: [&str; 3] = [
    "index.blocks.*",
    "index.final_pipeline",
    "index.lifecycle.*",
];

/// A data stream of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StreamState {
    /// The field that every document has.
    pub timestamp_field: String,
    /// Its backing indices, the oldest generation first.
    pub indices: Vec<String>,
}

/// What the generations of a data stream are to be like, as it is remembered beside them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PlannedStream {
    pub(super) stream: String,
    pub(super) timestamp_field: String,
    pub(super) generations: Vec<Value>,
}

impl PlannedStream {
    /// Of the body of an object; generations that an earlier plan knows beyond it stay.
    pub(super) fn new(stream: &str, body: &Value, earlier: Option<Self>) -> Self {
        let mut generations = generations(body);
        let more = earlier.map(|earlier| earlier.generations);
        generations.extend(more.into_iter().flatten().skip(generations.len()));
        for generation in &mut generations {
            if let Some(Value::Object(settings)) = generation.get_mut("settings") {
                settings.retain(|key, _| !DISTURBING.iter().any(|pattern| meant(pattern, key)));
            }
        }
        Self {
            stream: stream.to_owned(),
            timestamp_field: timestamp_field(body).to_owned(),
            generations,
        }
    }
}

/// The bodies of the generations.
pub(super) fn generations(body: &Value) -> Vec<Value> {
    let generations = body.get("generations").and_then(Value::as_array);
    generations.cloned().unwrap_or_default()
}

pub(super) fn timestamp_field(body: &Value) -> &str {
    let field = body.get("timestamp_field").and_then(Value::as_str);
    field.unwrap_or(TIMESTAMP)
}

/// The object of a data stream.
pub(super) fn body(timestamp_field: &str, generations: Vec<Value>) -> Value {
    let mut body = Map::new();
    body.insert("timestamp_field".into(), timestamp_field.into());
    body.insert("generations".into(), Value::Array(generations));
    Value::Object(body)
}

pub(super) fn without_streams(location: String, name: &str) -> TargetError {
    TargetError::Refused {
        location,
        what: format!("data stream `{name}`: it has no data streams"),
    }
}

pub(super) fn no_stream(location: String, name: &str) -> TargetError {
    TargetError::Refused {
        location,
        what: format!("there is no data stream `{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_known_of_later_generations_stays() {
        let whole = json!({"timestamp_field": "when", "generations": [{"settings": {"a": "1"}}, {"settings": {"b": "2"}}]});
        let planned = PlannedStream::new("logs", &whole, None);
        assert_eq!(planned.timestamp_field, "when");
        // As a target shows the stream while it has one generation.
        let one = body("when", vec![json!({"settings": {"a": "3"}})]);
        let again = PlannedStream::new("logs", &one, Some(planned));
        assert_eq!(
            again.generations,
            [
                json!({"settings": {"a": "3"}}),
                json!({"settings": {"b": "2"}})
            ]
        );
    }
}
