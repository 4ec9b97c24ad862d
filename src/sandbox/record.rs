//! What is remembered of a node: `node.json` in its folder, replaced whole, written before its process starts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::SandboxError;
use super::node::Plugin;
use super::process::ProcessId;
use crate::base::fs::write_atomic;

/// The format of this file.
const FORMAT: u32 = 1;
const FILE: &str = "node.json";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) format: u32,
    /// As the catalogue names it.
    pub(super) server: String,
    /// Of loopback; the same over restarts.
    pub(super) port: u16,
    pub(super) heap_mib: u32,
    pub(super) repositories: PathBuf,
    pub(super) settings: BTreeMap<String, Value>,
    pub(super) plugins: Vec<Plugin>,
    /// Whether it should run.
    pub(super) wanted: bool,
    /// What runs; nothing between the decision to start it and its start.
    pub(super) process: Option<ProcessId>,
}

impl Record {
    pub(super) const FORMAT: u32 = FORMAT;

    /// `None` where there is none.
    pub(super) fn read(node: &Path) -> Result<Option<Self>, SandboxError> {
        let path = node.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(SandboxError::io("read", &path)(error)),
        };
        let reason = match serde_json::from_slice::<Self>(&bytes) {
            Ok(record) if record.format == FORMAT => return Ok(Some(record)),
            Ok(record) => format!("format {} is not known", record.format),
            Err(error) => error.to_string(),
        };
        Err(SandboxError::Record { path, reason })
    }

    pub(super) fn write(&self, node: &Path) -> Result<(), SandboxError> {
        let path = node.join(FILE);
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        write_atomic(&path, &text).map_err(SandboxError::io("write", &path))
    }
}
