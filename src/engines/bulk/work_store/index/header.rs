//! The document that says whose work a store is, and the names of the documents beside it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::documents::Server;
use super::{LastWrite, TRIES};
use crate::base::failpoint;
use crate::clients::target::cluster::working_state::{Condition, Stored, Tag};
use crate::engines::bulk::work_store::{
    SCHEMA_BEFORE, SCHEMA_VERSION, WorkError, WorkIdentity, documents_of,
};

/// What a header is, among the documents of the working state.
const HEADER: &str = "work";
/// What an item is.
const ITEM: &str = "work-item";
/// This version of mig.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Header {
    pub(super) schema: u32,
    /// The coordinator's version.
    #[serde(default)]
    pub(super) mig: String,
    pub(super) work: WorkIdentity,
    /// Tells the items of this store from those of one that was there before.
    pub(super) epoch: String,
    pub(super) items: usize,
    /// Times that items were made as if they had never been begun: then all of them are read again.
    #[serde(default)]
    pub(super) resets: u64,
}

pub(super) fn header_tag(identity: &WorkIdentity) -> Tag<'_> {
    tag(identity, HEADER)
}

pub(super) fn item_tag(identity: &WorkIdentity) -> Tag<'_> {
    tag(identity, ITEM)
}

fn tag<'i>(identity: &'i WorkIdentity, kind: &'i str) -> Tag<'i> {
    Tag {
        kind,
        plan: &identity.plan,
        lineage: &identity.lineage,
    }
}

/// One header for each pair of names.
pub(super) fn header_id(plan: &str, work: &str) -> String {
    format!("{}:header", documents_of(plan, work))
}

/// Names of items: another store's never have them.
pub(super) struct ItemIds(String);

impl ItemIds {
    pub(super) fn of(header: &Header) -> Self {
        let documents = documents_of(&header.work.plan, &header.work.work);
        Self(format!("{documents}:{}:item:", header.epoch))
    }

    pub(super) fn id(&self, number: usize) -> String {
        format!("{}{number}", self.0)
    }
}

/// The header, where there is one that this version reads.
pub(super) fn read(
    server: &Server<'_>,
    plan: &str,
    work: &str,
) -> Result<Option<Stored<Header>>, WorkError> {
    let id = header_id(plan, work);
    // The schema first: another one may have other fields.
    let Some(found) = server.get::<Value>(&id)? else {
        return Ok(None);
    };
    let schema = found.body.get("schema").and_then(Value::as_u64);
    let read = [SCHEMA_VERSION, SCHEMA_BEFORE].map(|it| Some(u64::from(it)));
    if !read.contains(&schema) {
        return Err(WorkError::Schema {
            path: server.place().to_owned(),
            found: schema.and_then(|it| u32::try_from(it).ok()).unwrap_or(0),
        });
    }
    let body = serde_json::from_value(found.body)
        .map_err(|error| server.corrupt(format!("header {id}: {error}")))?;
    Ok(Some(Stored {
        id: found.id,
        body,
        seq_no: found.seq_no,
        primary_term: found.primary_term,
    }))
}

/// An error unless the store is worked on by this version of mig.
pub(super) fn same_version(server: &Server<'_>, header: &Header) -> Result<(), WorkError> {
    if header.mig == VERSION && header.schema == SCHEMA_VERSION {
        return Ok(());
    }
    Err(WorkError::Version {
        path: server.place().to_owned(),
        found: header.mig.clone(),
    })
}

/// The header for a worker, which changes nothing and is refused where the store is not the one that it was started for.
pub(super) fn join(
    server: &Server<'_>,
    identity: &WorkIdentity,
) -> Result<Stored<Header>, WorkError> {
    let path = || server.place().to_owned();
    let found = read(server, &identity.plan, &identity.work)?;
    let found = found.ok_or_else(|| WorkError::NotBegun {
        path: path(),
        plan: identity.plan.clone(),
        work: identity.work.clone(),
    })?;
    // First: another version may compute the rest otherwise.
    same_version(server, &found.body)?;
    let there = &found.body.work;
    for (what, there, here) in [
        ("lineage", there.lineage.as_str(), identity.lineage.as_str()),
        ("snapshot", &there.snapshot_uuid, &identity.snapshot_uuid),
        (
            "a plan whose digest is",
            there.digest.as_str(),
            identity.digest.as_str(),
        ),
    ] {
        if there != here {
            return Err(WorkError::Differs {
                path: path(),
                what,
                there: there.to_owned(),
                here: here.to_owned(),
            });
        }
    }
    Ok(found)
}

/// The header for a coordinator, which makes it where there is none and takes it over from other versions of mig.
pub(super) fn begin(
    server: &Server<'_>,
    identity: &WorkIdentity,
) -> Result<Stored<Header>, WorkError> {
    server.ensure()?;
    let id = header_id(&identity.plan, &identity.work);
    for _ in 0..TRIES {
        let Some(found) = read(server, &identity.plan, &identity.work)? else {
            let header = Header {
                schema: SCHEMA_VERSION,
                mig: VERSION.to_owned(),
                work: identity.clone(),
                epoch: uuid::Uuid::new_v4().simple().to_string(),
                items: 0,
                resets: 0,
            };
            failpoint::hit("work-before-header");
            // Whether this one or another's was first, it is read then.
            server.put(&id, header_tag(identity), &header, Condition::Absent, true)?;
            failpoint::hit("work-after-header");
            continue;
        };
        if found.body.work != *identity {
            return Err(WorkError::Other {
                path: server.place().to_owned(),
                found: Box::new(found.body.work),
            });
        }
        if same_version(server, &found.body).is_ok() {
            return Ok(found);
        }
        let header = Header {
            schema: SCHEMA_VERSION,
            mig: VERSION.to_owned(),
            ..found.body.clone()
        };
        let condition = LastWrite::of(&found).unchanged();
        server.put(&id, header_tag(identity), &header, condition, true)?;
    }
    Err(server.corrupt(format!(
        "header {id} is written by somebody else all the time"
    )))
}
