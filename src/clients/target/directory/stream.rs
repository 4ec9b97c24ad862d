//! Data streams of a directory: `data-streams/<name>.json` with what the generations are to be like, and an index
//! `.ds-<name>-<number>` for each generation that was made. Its documents are `create` actions under the stream's name, so
//! that the files, sent in the order of the generations with a rollover between them, make the stream.

use serde_json::{Map, Value};

use super::layout::{self, Layout};
use super::{manifest, objects};
use crate::base::failpoint;
use crate::clients::target::stream::{
    PlannedStream, body, generations, no_stream, timestamp_field,
};
use crate::clients::target::{StreamState, TargetError};
use crate::diff::observation::{ObjectKey, ObjectKind};

/// The name of a generation's index.
fn index(stream: &str, number: usize) -> String {
    format!(".ds-{stream}-{number:06}")
}

fn key(name: &str) -> ObjectKey {
    ObjectKey {
        kind: ObjectKind::DataStream,
        name: name.to_owned(),
    }
}

fn planned(layout: &Layout, name: &str) -> Result<Option<Value>, TargetError> {
    layout::read_json(&layout.object(&key(name))?)
}

pub(super) fn find(layout: &Layout, name: &str) -> Result<Option<StreamState>, TargetError> {
    let Some(planned) = planned(layout, name)? else {
        return Ok(None);
    };
    let mut indices = Vec::new();
    for number in 1.. {
        let index = index(name, number);
        if !objects::exists(layout, &index)? {
            break;
        }
        indices.push(index);
    }
    if indices.is_empty() {
        return Ok(None); // a kill came before its first generation
    }
    Ok(Some(StreamState {
        timestamp_field: timestamp_field(&planned).to_owned(),
        indices,
    }))
}

/// The stream as an object, with the generations that it has.
pub(super) fn get(layout: &Layout, name: &str) -> Result<Option<Value>, TargetError> {
    let (Some(planned), Some(state)) = (planned(layout, name)?, find(layout, name)?) else {
        return Ok(None);
    };
    let mut bodies = Vec::new();
    for index in &state.indices {
        let key = ObjectKey {
            kind: ObjectKind::Index,
            name: index.clone(),
        };
        let body: Option<Value> = layout::read_json(&layout.object(&key)?)?;
        bodies.push(body.unwrap_or_default());
    }
    let mut found = body(&state.timestamp_field, bodies);
    if let (Value::Object(found), Some(waiting)) = (&mut found, planned.get("held_back")) {
        found.insert("held_back".into(), waiting.clone());
    }
    Ok(Some(found))
}

pub(super) fn put(layout: &Layout, name: &str, wanted: &Value) -> Result<(), TargetError> {
    let earlier = planned(layout, name)?;
    let earlier = earlier.map(|it| PlannedStream::new(name, &it, None));
    let plan = PlannedStream::new(name, wanted, earlier);
    let mut fields = match body(&plan.timestamp_field, plan.generations.clone()) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    if let Some(waiting) = wanted.get("held_back") {
        fields.insert("held_back".into(), waiting.clone());
    }
    layout::write_json(&layout.object(&key(name))?, &Value::Object(fields))?;
    failpoint::hit("target-stream-planned");
    let there = find(layout, name)?.map_or(1, |state| state.indices.len());
    for (number, body) in (1..=there).zip(generations(wanted)) {
        make(layout, name, number, &body)?;
    }
    Ok(())
}

fn make(layout: &Layout, name: &str, number: usize, body: &Value) -> Result<(), TargetError> {
    let index = index(name, number);
    objects::put_backing(layout, &index, name, body)
}

pub(super) fn roll_over(layout: &Layout, name: &str, have: usize) -> Result<(), TargetError> {
    let location = || layout.root().display().to_string();
    let (Some(planned), Some(state)) = (planned(layout, name)?, find(layout, name)?) else {
        return Err(no_stream(location(), name));
    };
    if state.indices.len() > have {
        return Ok(());
    }
    let bodies = generations(&planned);
    let empty = Value::Object(Map::new());
    make(layout, name, have + 1, bodies.get(have).unwrap_or(&empty))
}

/// Removes the documents of its first generation, and the others: the last one first, so that a kill leaves no gap.
pub(super) fn remake(layout: &Layout, name: &str) -> Result<(), TargetError> {
    let state = find(layout, name)?;
    let indices = state.map(|state| state.indices).unwrap_or_default();
    for (number, index) in indices.iter().enumerate().rev() {
        if number == 0 {
            manifest::clear(layout, index)?;
        } else {
            remove(layout, index)?;
        }
    }
    Ok(())
}

fn remove(layout: &Layout, index: &str) -> Result<(), TargetError> {
    let key = ObjectKey {
        kind: ObjectKind::Index,
        name: index.to_owned(),
    };
    objects::delete(layout, &key).map(drop)
}

pub(super) fn delete(layout: &Layout, name: &str) -> Result<bool, TargetError> {
    let state = find(layout, name)?;
    let indices = state.map(|state| state.indices).unwrap_or_default();
    for index in indices.iter().rev() {
        remove(layout, index)?;
    }
    layout::remove_file(&layout.object(&key(name))?)
}
