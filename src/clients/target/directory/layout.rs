//! Which file holds what, and JSON files that survive a kill.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::failpoint;
use crate::base::fs::{sync_directory, write_atomic};
use crate::clients::target::TargetError;
use crate::diff::observation::{ObjectKey, ObjectKind};

/// The longest file name that common file systems take, less what `.json` and temporary names add.
const NAME_BYTES: usize = 255 - 24;
const MARKER: &str = "mig-target.json";
const LIVE: &str = "mig-live.json";
const WORK: &str = ".migrations_working_state";
const INDICES: &str = "indices";
const FOLDERS: [&str; 6] = [
    "component-templates",
    "index-templates",
    "templates",
    INDICES,
    "data-streams",
    "aliases",
];
/// Those that are made when something comes into them.
const MORE_FOLDERS: [&str; 8] = [
    "cluster-settings",
    "scripts",
    "pipelines",
    "search-pipelines",
    "lifecycle-policies",
    "snapshot-policies",
    "roles",
    "role-mappings",
];
/// An index on its way out; no encoded name begins like this.
pub(super) const DELETED: &str = "%deleted-";

/// The paths of a target.
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn marker(&self) -> PathBuf {
        self.root.join(MARKER)
    }

    pub(super) fn live(&self) -> PathBuf {
        self.root.join(LIVE)
    }

    pub(super) fn work(&self) -> PathBuf {
        self.root.join(WORK)
    }

    pub(super) fn folder(&self, kind: ObjectKind) -> PathBuf {
        self.root.join(match kind {
            ObjectKind::ComponentTemplate => "component-templates",
            ObjectKind::IndexTemplate => "index-templates",
            ObjectKind::LegacyTemplate => "templates",
            ObjectKind::Index => INDICES,
            ObjectKind::DataStream => "data-streams",
            ObjectKind::Alias => "aliases",
            ObjectKind::ClusterSettings => "cluster-settings",
            ObjectKind::Script => "scripts",
            ObjectKind::IngestPipeline => "pipelines",
            ObjectKind::SearchPipeline => "search-pipelines",
            ObjectKind::LifecyclePolicy => "lifecycle-policies",
            ObjectKind::SnapshotPolicy => "snapshot-policies",
            ObjectKind::Role => "roles",
            ObjectKind::RoleMapping => "role-mappings",
        })
    }

    /// The folder of a kind, made where it is not there yet.
    pub(super) fn make_folder(&self, kind: ObjectKind) -> Result<(), TargetError> {
        let folder = self.folder(kind);
        if folder.is_dir() {
            return Ok(());
        }
        make_directory(&folder)?;
        sync_directory(&self.root).map_err(|error| TargetError::io(&self.root, error))
    }

    pub(super) fn index(&self, index: &str) -> Result<PathBuf, TargetError> {
        Ok(self.root.join(INDICES).join(self.encoded(index)?))
    }

    pub(super) fn object(&self, key: &ObjectKey) -> Result<PathBuf, TargetError> {
        if key.kind == ObjectKind::Index {
            return Ok(self.index(&key.name)?.join("index.json"));
        }
        let name = self.encoded(&key.name)?;
        Ok(self.folder(key.kind).join(format!("{name}.json")))
    }

    pub(super) fn docs(&self, index: &str) -> Result<PathBuf, TargetError> {
        Ok(self.index(index)?.join("docs"))
    }

    pub(super) fn manifests(&self, index: &str) -> Result<PathBuf, TargetError> {
        Ok(self.index(index)?.join("manifest"))
    }

    pub(super) fn no_index(&self, index: &str) -> TargetError {
        TargetError::NoIndex {
            location: self.root.display().to_string(),
            index: index.to_owned(),
        }
    }

    pub(super) fn encoded(&self, name: &str) -> Result<String, TargetError> {
        let encoded = encode(name);
        if encoded.is_empty() || encoded.len() > NAME_BYTES {
            return Err(TargetError::Refused {
                location: self.root.display().to_string(),
                what: format!(
                    "the name `{name}` is empty or longer than {NAME_BYTES} bytes as a file name"
                ),
            });
        }
        Ok(encoded)
    }

    /// Refuses a directory that holds anything that is no part of a target.
    pub(super) fn refuse_foreign(&self) -> Result<(), TargetError> {
        for name in names(&self.root)? {
            let ours = name == MARKER
                || name == LIVE
                || name == WORK
                || FOLDERS.contains(&name.as_str())
                || MORE_FOLDERS.contains(&name.as_str())
                || is_temporary(&name);
            if !ours {
                return Err(TargetError::Foreign {
                    path: self.root.clone(),
                    found: name,
                });
            }
        }
        if !self.marker().exists()
            && FOLDERS
                .iter()
                .chain(&MORE_FOLDERS)
                .any(|folder| !is_bare(&self.root.join(folder)))
        {
            return Err(TargetError::Foreign {
                path: self.root.clone(),
                found: "folders with content and no mig-target.json".to_owned(),
            });
        }
        Ok(())
    }

    pub(super) fn make_folders(&self) -> Result<(), TargetError> {
        make_directory(&self.root)?;
        for folder in FOLDERS.iter().chain([&WORK]) {
            make_directory(&self.root.join(folder))?;
        }
        sync_directory(&self.root).map_err(|error| TargetError::io(&self.root, error))
    }
}

fn is_bare(folder: &Path) -> bool {
    names(folder).is_ok_and(|names| names.is_empty())
}

/// What a kill between writing and renaming leaves.
pub(super) fn is_temporary(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "tmp")
}

/// `[a-z0-9._-]` stay, all else is percent-encoded, so that no two names are one file where case does not count.
pub(super) fn encode(name: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => encoded.push(char::from(byte)),
            b'.' if name != "." && name != ".." => encoded.push('.'),
            other => {
                encoded.push('%');
                encoded.push(char::from(HEX[usize::from(other >> 4)]));
                encoded.push(char::from(HEX[usize::from(other & 15)]));
            }
        }
    }
    encoded
}

/// The name that was encoded; `None` for what [`encode`] does not give.
pub(super) fn decode(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    let name = String::from_utf8(bytes).ok()?;
    (encode(&name) == encoded).then_some(name)
}

/// Names in a directory, sorted; none where it does not exist.
pub(super) fn names(directory: &Path) -> Result<Vec<String>, TargetError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(TargetError::io(directory, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| TargetError::io(directory, error))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

pub(super) fn make_directory(path: &Path) -> Result<(), TargetError> {
    fs::create_dir_all(path).map_err(|error| TargetError::io(path, error))
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, TargetError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(TargetError::io(path, error)),
    };
    let value = serde_json::from_slice(&bytes).map_err(|error| TargetError::Corrupt {
        path: path.to_owned(),
        line: u64::try_from(error.line()).ok(),
        expected: format!("JSON of its kind ({error})"),
    })?;
    Ok(Some(value))
}

pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), TargetError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| TargetError::Refused {
        location: path.display().to_string(),
        what: error.to_string(),
    })?;
    bytes.push(b'\n');
    failpoint::hit("target-before-json");
    write_atomic(path, &bytes).map_err(|error| TargetError::io(path, error))?;
    failpoint::hit("target-after-json");
    Ok(())
}

/// Removes a file; says whether there was one.
pub(super) fn remove_file(path: &Path) -> Result<bool, TargetError> {
    match fs::remove_file(path) {
        Ok(()) => {
            failpoint::hit("target-after-remove");
            if let Some(parent) = path.parent() {
                sync_directory(parent).map_err(|error| TargetError::io(parent, error))?;
            }
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(TargetError::io(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encodes_what_a_file_system_may_not_take() {
        assert_eq!(encode("logs-2020.11.18"), "logs-2020.11.18");
        assert_eq!(encode(".shop"), ".shop");
        assert_eq!(encode(".."), "%2E%2E");
        assert_eq!(encode("a/B"), "a%2F%42");
        assert_eq!(decode("a%2f"), None);
        assert_eq!(decode(&format!("{DELETED}x")), None);
    }

    proptest! {
        #[test]
        fn names_read_back(name in any::<String>()) {
            prop_assert_eq!(decode(&encode(&name)), Some(name));
        }
    }
}
