//! A directory as target: metadata as readable JSON, documents as NDJSON ready for `_bulk`. No server is needed, so it is
//! the dry run of a migration, down to the bytes.
//!
//! ```text
//! mig-target.json                  who the target is: uuid, version, the plan that made it
//! mig-live.json                    the mark of a switchover
//! component-templates/<name>.json  bodies as `PUT` takes them; likewise index-templates, templates, aliases
//! pipelines/<name>.json            likewise search-pipelines, scripts, lifecycle-policies, snapshot-policies, roles,
//!                                  role-mappings; cluster-settings/persistent.json
//! data-streams/<name>.json         the field of time, what each generation is to be like
//! indices/<name>/index.json        settings, mappings
//! indices/<name>/mig-index.json    uuid of the index, whether it is closed
//! indices/<name>/docs/<part>.ndjson      an action line and a source line a document, a line a deletion
//! indices/<name>/manifest/<part>.json    what was written to the part: bytes, documents, digest, size and time
//! .migrations_working_state/       work stores
//! ```
//!
//! Names are percent-encoded where a file system may not take them or may not tell them apart (`layout::encode`). A part
//! is as large as its work item; one that is larger than a server takes at once is cut between any two documents with
//! `split --lines`. Writing is exact: a part that is opened again is cut back to its mark, and one writer at a time holds
//! its file lock. Parts of a load of changes alone go over those of earlier loads (`layers`). Files that `mig` did not write are refused at the root and counted as foreign documents below it.
//!
//! Relies on `base::fs`. Deliberately absent: repair, and trust in a file whose size, time or inode moved (it is read
//! again).

mod layers;
mod layout;
mod manifest;
mod objects;
mod part;
mod read;
mod stream;

use std::ops::ControlFlow;
use std::path::PathBuf;

use serde_json::Value;

use super::{
    Capabilities, LiveMark, PartKey, PartMark, PartWriter, Partition, PartitionRead, StreamState,
    Target, TargetDocument, TargetError, TargetIdentity, WorkPlace,
};
use crate::base::version::ProductVersion;
use crate::diff::observation::{ObjectKey, ObjectKind, TargetIndexFacts};
use layout::Layout;

/// See the module.
pub struct DirectoryTarget {
    layout: Layout,
    layers: layers::Held,
    version: ProductVersion,
}

impl DirectoryTarget {
    /// Looks at `root` without making or changing anything; it need not exist yet. Refuses a directory that holds what is
    /// not ours, and one that was made for another version.
    pub fn open(root: impl Into<PathBuf>, version: ProductVersion) -> Result<Self, TargetError> {
        let target = Self {
            layout: Layout::new(root.into()),
            layers: layers::Held::default(),
            version,
        };
        target.layout.refuse_foreign()?;
        target.identity()?;
        Ok(target)
    }
}

impl Target for DirectoryTarget {
    fn location(&self) -> String {
        self.layout.root().display().to_string()
    }

    fn version(&self) -> ProductVersion {
        self.version
    }

    fn identity(&self) -> Result<Option<TargetIdentity>, TargetError> {
        let found: Option<TargetIdentity> = layout::read_json(&self.layout.marker())?;
        match found {
            Some(found) if found.version != self.version => Err(TargetError::OtherVersion {
                path: self.layout.marker(),
                found: found.version.to_string(),
                wanted: self.version.to_string(),
            }),
            found => Ok(found),
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            exact_parts: true,
            content_identity: true,
            checks_versions: false,
            checks_bodies: false,
            closes_indices: true,
            searches: false,
            pushes_back: false,
        }
    }

    fn prepare(&self, made_by_plan: &str) -> Result<TargetIdentity, TargetError> {
        self.layout.refuse_foreign()?;
        self.layout.make_folders()?;
        if let Some(found) = self.identity()? {
            return Ok(found);
        }
        let identity = TargetIdentity {
            uuid: uuid::Uuid::new_v4().to_string(),
            version: self.version,
            made_by_plan: Some(made_by_plan.to_owned()),
        };
        layout::write_json(&self.layout.marker(), &identity)?;
        Ok(identity)
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<String>, TargetError> {
        objects::list(&self.layout, kind)
    }

    fn get(&self, key: &ObjectKey) -> Result<Option<Value>, TargetError> {
        if key.kind == ObjectKind::DataStream {
            return stream::get(&self.layout, &key.name);
        }
        layout::read_json(&self.layout.object(key)?)
    }

    fn put(&self, key: &ObjectKey, body: &Value) -> Result<(), TargetError> {
        self.require()?;
        if key.kind == ObjectKind::DataStream {
            return stream::put(&self.layout, &key.name, body);
        }
        objects::put(&self.layout, key, body)
    }

    fn delete(&self, key: &ObjectKey) -> Result<bool, TargetError> {
        self.require()?;
        if key.kind == ObjectKind::DataStream {
            return stream::delete(&self.layout, &key.name);
        }
        objects::delete(&self.layout, key)
    }

    fn set_closed(&self, index: &str, closed: bool) -> Result<(), TargetError> {
        objects::set_closed(&self.layout, index, closed)
    }

    fn is_closed(&self, index: &str) -> Result<bool, TargetError> {
        Ok(objects::facts(&self.layout, index)?.closed)
    }

    fn index_facts(
        &self,
        index: &str,
        _written_docs: u64,
    ) -> Result<Option<TargetIndexFacts>, TargetError> {
        if !objects::exists(&self.layout, index)? {
            return Ok(None);
        }
        let facts = objects::facts(&self.layout, index)?;
        manifest::index_facts(&self.layout, index, facts.uuid).map(Some)
    }

    fn open_part(
        &self,
        part: &PartKey,
        expected_uuid: Option<&str>,
        resume: Option<&PartMark>,
    ) -> Result<Box<dyn PartWriter>, TargetError> {
        let facts = objects::facts(&self.layout, &part.index)?;
        if let Some(wanted) = expected_uuid
            && wanted != facts.uuid
        {
            return Err(TargetError::OtherIndex {
                location: self.location(),
                index: part.index.clone(),
                found: facts.uuid,
                wanted: wanted.to_owned(),
            });
        }
        let writer = part::DirectoryPart::open(&self.layout, part, resume)?;
        Ok(Box::new(writer))
    }

    fn clear_documents(&self, index: &str) -> Result<(), TargetError> {
        manifest::clear(&self.layout, index)
    }

    fn clear_layers(&self, index: &str, from: u32) -> Result<bool, TargetError> {
        manifest::clear_layers(&self.layout, index, from)?;
        Ok(true)
    }

    fn partitions(&self, index: &str) -> Result<Vec<Partition>, TargetError> {
        if !objects::exists(&self.layout, index)? {
            return Err(self.layout.no_index(index));
        }
        read::partitions(&self.layout, index)
    }

    fn read_partition(
        &self,
        index: &str,
        partition: &Partition,
        visit: &mut dyn FnMut(TargetDocument<'_>) -> ControlFlow<()>,
    ) -> Result<PartitionRead, TargetError> {
        let layers = self.layers.layers(&self.layout, index)?;
        read::read(&self.layout, &layers, index, &partition.key, visit)
    }

    fn stream(&self, name: &str) -> Result<Option<StreamState>, TargetError> {
        stream::find(&self.layout, name)
    }

    fn roll_over(&self, name: &str, have: usize) -> Result<(), TargetError> {
        self.require()?;
        stream::roll_over(&self.layout, name, have)
    }

    fn remake_stream(&self, name: &str) -> Result<(), TargetError> {
        self.require()?;
        stream::remake(&self.layout, name)
    }

    /// A file says by itself that it belongs to its index: where the lines go is theirs to tell.
    fn open_part_of_stream(
        &self,
        _stream: &str,
        part: &PartKey,
        expected_uuid: Option<&str>,
        resume: Option<&PartMark>,
    ) -> Result<Box<dyn PartWriter>, TargetError> {
        self.open_part(part, expected_uuid, resume)
    }

    fn live(&self) -> Result<Option<LiveMark>, TargetError> {
        layout::read_json(&self.layout.live())
    }

    fn mark_live(&self, mark: &LiveMark) -> Result<(), TargetError> {
        self.require()?;
        layout::write_json(&self.layout.live(), mark)
    }

    fn lift_live(&self) -> Result<bool, TargetError> {
        layout::remove_file(&self.layout.live())
    }

    fn work_place(&self) -> WorkPlace {
        WorkPlace::Directory(self.layout.work())
    }
}

impl DirectoryTarget {
    fn require(&self) -> Result<(), TargetError> {
        match self.identity()? {
            Some(_) => Ok(()),
            None => Err(TargetError::NotPrepared {
                path: self.layout.root().to_owned(),
            }),
        }
    }
}
