//! Opening a state by its location, and the first entries of a new or adopted one.

use super::error::StateError;
use super::fold::FORMAT;
use super::local::LocalStore;
use super::model::{Entry, PhaseRecord};
use super::remote::RemoteStore;
use super::store::StateStore;
use crate::base::{Address, S3Uri};
use crate::clients::objects::open_s3_objects;
use crate::plan::model::StateLocation;

/// The store at a location.
pub fn open(location: &StateLocation) -> Result<Box<dyn StateStore>, StateError> {
    match location {
        StateLocation::Directory(directory) => Ok(Box::new(LocalStore::new(directory.clone()))),
        StateLocation::S3(text) => {
            let uri = S3Uri::parse(text).map_err(|problem| StateError::BadLocation {
                location: text.split('?').next().unwrap_or_default().to_owned(),
                problem,
            })?;
            let objects = open_s3_objects(&uri).map_err(|source| StateError::Remote {
                location: uri.place(),
                source,
            })?;
            Ok(Box::new(RemoteStore::new(objects)))
        }
    }
}

/// The entry that a new state begins with.
pub fn new_state(plan: &str) -> Entry {
    Entry::Opened {
        version: FORMAT,
        lineage: uuid::Uuid::new_v4().to_string(),
        plan: plan.to_owned(),
        adopted: false,
    }
}

/// The entries that a state begins with which is rebuilt from what a lost one left.
pub fn adopt_entries(
    plan: &str,
    lineage: &str,
    records: Vec<(Address, PhaseRecord)>,
) -> Vec<Entry> {
    let opened = Entry::Opened {
        version: FORMAT,
        lineage: lineage.to_owned(),
        plan: plan.to_owned(),
        adopted: true,
    };
    let adopted = records.into_iter().map(|(address, record)| Entry::Adopted {
        address,
        record: Box::new(record),
    });
    std::iter::once(opened).chain(adopted).collect()
}
