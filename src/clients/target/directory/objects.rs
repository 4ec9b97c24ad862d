//! Metadata objects as files, and what is kept beside an index.

use std::fs;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::layout::{self, DELETED, Layout};
use crate::base::failpoint;
use crate::base::fs::sync_directory;
use crate::clients::target::TargetError;
use crate::diff::observation::{ObjectKey, ObjectKind};

/// `mig-index.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct IndexMarker {
    pub(super) uuid: String,
    pub(super) closed: bool,
    /// The data stream that it is a generation of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stream: Option<String>,
}

pub(super) fn list(layout: &Layout, kind: ObjectKind) -> Result<Vec<String>, TargetError> {
    let mut found = Vec::new();
    for name in layout::names(&layout.folder(kind))? {
        let encoded = match kind {
            ObjectKind::Index => Some(name.as_str()),
            _ => name.strip_suffix(".json"),
        };
        let Some(name) = encoded.and_then(layout::decode) else {
            continue;
        };
        if kind != ObjectKind::Index || exists(layout, &name)? {
            found.push(name);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// An index exists once its body stands there.
pub(super) fn exists(layout: &Layout, index: &str) -> Result<bool, TargetError> {
    Ok(layout.index(index)?.join("index.json").is_file())
}

pub(super) fn facts(layout: &Layout, index: &str) -> Result<IndexMarker, TargetError> {
    if !exists(layout, index)? {
        return Err(layout.no_index(index));
    }
    let path = layout.index(index)?.join("mig-index.json");
    layout::read_json(&path)?.ok_or_else(|| TargetError::Corrupt {
        path,
        line: None,
        expected: "the uuid of the index; the file is not there".to_owned(),
    })
}

pub(super) fn put(layout: &Layout, key: &ObjectKey, body: &Value) -> Result<(), TargetError> {
    if key.kind == ObjectKind::Index {
        make_folder(layout, &key.name, None)?;
    }
    if key.kind == ObjectKind::Alias {
        return put_alias(layout, key, body);
    }
    layout.make_folder(key.kind)?;
    if key.kind == ObjectKind::ClusterSettings {
        return put_settings(layout, key, body);
    }
    layout::write_json(&layout.object(key)?, body)
}

/// The keys that are named; `null` takes one out, and others stay as they are.
fn put_settings(layout: &Layout, key: &ObjectKey, body: &Value) -> Result<(), TargetError> {
    let path = layout.object(key)?;
    let there: Option<Value> = layout::read_json(&path)?;
    let section = |body: &Value| body.get(&key.name).and_then(Value::as_object).cloned();
    let mut settings = there.as_ref().and_then(section).unwrap_or_default();
    settings.extend(section(body).unwrap_or_default());
    settings.retain(|_, value| !value.is_null());
    if settings.is_empty() {
        layout::remove_file(&path)?;
        return Ok(());
    }
    layout::write_json(&path, &serde_json::json!({ key.name.as_str(): settings }))
}

/// Makes an index that is a generation of a data stream.
pub(super) fn put_backing(
    layout: &Layout,
    index: &str,
    stream: &str,
    body: &Value,
) -> Result<(), TargetError> {
    make_folder(layout, index, Some(stream))?;
    let key = ObjectKey {
        kind: ObjectKind::Index,
        name: index.to_owned(),
    };
    layout::write_json(&layout.object(&key)?, body)
}

fn make_folder(layout: &Layout, index: &str, stream: Option<&str>) -> Result<(), TargetError> {
    let folder = layout.index(index)?;
    layout::make_directory(&folder.join("docs"))?;
    layout::make_directory(&folder.join("manifest"))?;
    let marker = folder.join("mig-index.json");
    // The uuid comes first: an index without one is never seen.
    if layout::read_json::<IndexMarker>(&marker)?.is_none() {
        let fresh = IndexMarker {
            uuid: uuid::Uuid::new_v4().to_string(),
            closed: false,
            stream: stream.map(str::to_owned),
        };
        layout::write_json(&marker, &fresh)?;
    }
    let indices = layout.folder(ObjectKind::Index);
    sync_directory(&indices).map_err(|error| TargetError::io(&indices, error))
}

/// For the indices that are named; `null` takes one out, and others stay as they are.
fn put_alias(layout: &Layout, key: &ObjectKey, body: &Value) -> Result<(), TargetError> {
    let path = layout.object(key)?;
    let mut merged = body.clone();
    if let Some(Value::Object(wanted)) = body.get("indices") {
        let there: Option<Value> = layout::read_json(&path)?;
        let there = there.as_ref().and_then(|body| body.get("indices"));
        let mut indices = there
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        indices.extend(wanted.clone());
        indices.retain(|_, definition| !definition.is_null());
        if indices.is_empty() {
            layout::remove_file(&path)?;
            return Ok(());
        }
        merged["indices"] = Value::Object(indices);
    }
    layout::write_json(&path, &merged)
}

pub(super) fn delete(layout: &Layout, key: &ObjectKey) -> Result<bool, TargetError> {
    if key.kind != ObjectKind::Index {
        return layout::remove_file(&layout.object(key)?);
    }
    let indices = layout.folder(ObjectKind::Index);
    let folder = layout.index(&key.name)?;
    let there = folder.exists();
    if there {
        // Away in one step, so that a kill leaves no half of an index.
        let away = indices.join(format!("{DELETED}{}", uuid::Uuid::new_v4().simple()));
        fs::rename(&folder, &away).map_err(|error| TargetError::io(&folder, error))?;
        failpoint::hit("target-after-index-rename");
        sync_directory(&indices).map_err(|error| TargetError::io(&indices, error))?;
    }
    for name in layout::names(&indices)? {
        if name.starts_with(DELETED) {
            let path = indices.join(name);
            fs::remove_dir_all(&path).map_err(|error| TargetError::io(&path, error))?;
        }
    }
    Ok(there)
}

pub(super) fn set_closed(layout: &Layout, index: &str, closed: bool) -> Result<(), TargetError> {
    let mut marker = facts(layout, index)?;
    if marker.closed == closed {
        return Ok(());
    }
    marker.closed = closed;
    layout::write_json(&layout.index(index)?.join("mig-index.json"), &marker)
}
