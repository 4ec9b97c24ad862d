//! A sandbox: a directory with nodes and repositories.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::SandboxError;
use super::node::Node;

/// The folder of snapshot repositories; no node may have its name.
const REPOSITORIES: &str = "repositories";

/// A directory that holds servers. Opening it makes nothing.
#[derive(Clone, Debug)]
pub struct Sandbox {
    directory: PathBuf,
}

impl Sandbox {
    /// In this directory.
    pub fn at(directory: &Path) -> Result<Self, SandboxError> {
        let directory =
            std::path::absolute(directory).map_err(SandboxError::io("find", directory))?;
        Ok(Self { directory })
    }

    /// Where it is; absolute.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where its clusters may have snapshot repositories (`path.repo`).
    pub fn repositories(&self) -> PathBuf {
        self.directory.join(REPOSITORIES)
    }

    /// The node of this name, whether there is one or not.
    pub fn node(&self, name: &str) -> Node {
        Node::new(&self.directory, name)
    }

    /// All nodes there are, by name.
    pub fn nodes(&self) -> Result<Vec<Node>, SandboxError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(SandboxError::io("read", &self.directory)(error)),
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().join("node.json").is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        Ok(names.iter().map(|name| self.node(name)).collect())
    }

    /// Stops every node; the names of those that ran.
    pub fn down(&self) -> Result<Vec<String>, SandboxError> {
        let mut ran = Vec::new();
        for node in self.nodes()? {
            if node.down()? {
                ran.push(node.name().to_owned());
            }
        }
        Ok(ran)
    }

    /// Removes what `down` left: nodes, data and repositories; nothing that a sandbox did not make.
    pub fn delete(&self) -> Result<(), SandboxError> {
        for node in self.nodes()? {
            node.delete()?;
        }
        for folder in [self.repositories(), self.directory.clone()] {
            let removed = if folder == self.directory {
                fs::remove_dir(&folder)
            } else {
                fs::remove_dir_all(&folder)
            };
            match removed {
                Err(error)
                    if error.kind() != std::io::ErrorKind::NotFound
                        && error.kind() != std::io::ErrorKind::DirectoryNotEmpty =>
                {
                    return Err(SandboxError::io("remove", &folder)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
