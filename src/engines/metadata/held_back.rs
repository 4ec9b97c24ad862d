//! Settings that wait until the documents are proved: reading them out of a body, and putting them in force.

use serde_json::{Map, Value};

use super::draft::is_nested;
use crate::diff::observation::ObjectKind;

/// The settings that a body holds back; none when nothing waits.
pub fn held_back(body: &Value) -> Map<String, Value> {
    match body.pointer("/held_back/settings") {
        Some(Value::Object(settings)) => settings.clone(),
        _ => Map::new(),
    }
}

/// The body with all that it held back in force.
pub fn release(kind: ObjectKind, body: &Value) -> Value {
    let waiting = held_back(body);
    let mut body = body.clone();
    let Value::Object(fields) = &mut body else {
        return body;
    };
    fields.remove("held_back");
    if waiting.is_empty() {
        return body;
    }
    if kind == ObjectKind::DataStream {
        for (key, value) in waiting {
            let settings = stream_settings(fields, &key);
            if let Some((settings, setting)) = settings {
                settings.insert(setting, value);
            }
        }
        return body;
    }
    let into = if is_nested(kind) {
        fields
            .entry("template")
            .or_insert_with(|| Value::Object(Map::new()))
            .as_object_mut()
    } else {
        Some(fields)
    };
    if let Some(into) = into {
        let settings = into
            .entry("settings")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(settings) = settings {
            settings.extend(waiting);
        }
    }
    body
}

/// How a setting of a generation is called among those that a data stream holds back.
pub fn stream_setting(generation: usize, setting: &str) -> String {
    format!("{generation}/{setting}")
}

/// The settings of the generation that such a name means, and the setting's own name.
fn stream_settings<'a>(
    stream: &'a mut Map<String, Value>,
    key: &str,
) -> Option<(&'a mut Map<String, Value>, String)> {
    let (generation, setting) = key.split_once('/')?;
    let at = generation.parse::<usize>().ok()?.checked_sub(1)?;
    let generations = stream.get_mut("generations")?.as_array_mut()?;
    let body = generations.get_mut(at)?.as_object_mut()?;
    let settings = body
        .entry("settings")
        .or_insert_with(|| Value::Object(Map::new()));
    Some((settings.as_object_mut()?, setting.to_owned()))
}

/// The body with settings held back that were put in force before: the opposite of [`release`].
pub fn withhold(kind: ObjectKind, body: &Value, settings: &Value) -> Value {
    let mut body = body.clone();
    let Value::Object(waiting) = settings else {
        return body;
    };
    if kind == ObjectKind::DataStream
        && let Value::Object(fields) = &mut body
    {
        for key in waiting.keys() {
            if let Some((settings, setting)) = stream_settings(fields, key) {
                settings.remove(&setting);
            }
        }
    }
    let section = if is_nested(kind) {
        body.get_mut("template")
    } else {
        Some(&mut body)
    };
    if let Some(Value::Object(in_force)) = section.and_then(|it| it.get_mut("settings")) {
        in_force.retain(|key, _| !waiting.contains_key(key));
    }
    if let Value::Object(fields) = &mut body
        && !waiting.is_empty()
    {
        fields.insert(
            "held_back".into(),
            serde_json::json!({ "settings": waiting }),
        );
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_waits_is_put_in_force_once() {
        let body = json!({"settings": {"index.number_of_shards": "1"}, "mappings": {},
            "held_back": {"settings": {"index.blocks.write": "true"}}});
        let released = release(ObjectKind::Index, &body);
        assert_eq!(
            released,
            json!({"settings": {"index.number_of_shards": "1", "index.blocks.write": "true"}, "mappings": {}})
        );
        assert_eq!(release(ObjectKind::Index, &released), released);
        let waiting = json!({"index.blocks.write": "true"});
        assert_eq!(withhold(ObjectKind::Index, &released, &waiting), body);
    }

    #[test]
    fn a_data_stream_has_it_by_generation() {
        let body = json!({"generations": [{"settings": {}}, {"settings": {"index.codec": "default"}}],
            "held_back": {"settings": {"2/index.blocks.write": "true", "7/index.codec": "x"}}});
        let released = release(ObjectKind::DataStream, &body);
        assert_eq!(
            released,
            json!({"generations": [{"settings": {}}, {"settings": {"index.codec": "default", "index.blocks.write": "true"}}]})
        );
        let waiting = json!({"2/index.blocks.write": "true"});
        let again = withhold(ObjectKind::DataStream, &released, &waiting);
        assert_eq!(again["generations"], body["generations"]);
    }

    #[test]
    fn templates_have_it_under_template() {
        let body = json!({"index_patterns": ["a*"], "held_back": {"settings": {"index.final_pipeline": "p"}}});
        assert_eq!(
            release(ObjectKind::IndexTemplate, &body),
            json!({"index_patterns": ["a*"], "template": {"settings": {"index.final_pipeline": "p"}}})
        );
    }
}
