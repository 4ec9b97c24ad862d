//! What `engines::restore` says that servers open, against the servers themselves: snapshots of every version are restored on each of
//! them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mig::base::version::ProductVersion;
use mig::clients::objects::DirectoryStore;
use mig::engines::restore::{Refusal, opens, reads};
use mig::engines::snapshot::{IndexState, IndexVersion, Repository, SnapshotState};

use super::*;

/// Servers that are targets of plans, one every other day.
const SERVERS: [&str; 6] = [
    "opensearch:2.19.1",
    "opensearch:3.3.0",
    "opensearch:1.3.20",
    "elasticsearch:7.10.2",
    "elasticsearch:7.17.9",
    "elasticsearch:6.8.23",
];

/// Repositories of the fixtures: each version, and what one version made in a snapshot of the next.
fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut found = Vec::new();
    for group in ["versions", "upgraded"] {
        for entry in std::fs::read_dir(root.join(group)).unwrap() {
            let path = entry.unwrap().path().join("repository");
            if path.is_dir() {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// An index that a repository holds, as `mig` reads it there.
struct Held {
    snapshot: String,
    index: String,
    created: ProductVersion,
    taken_by: ProductVersion,
}

/// One index of each version that made one, of each snapshot's version.
fn held(repository: &Path) -> Vec<Held> {
    let objects = Arc::new(DirectoryStore::new(repository.to_owned()));
    let repository = Repository::open(objects).unwrap();
    let mut found: Vec<Held> = Vec::new();
    for entry in repository.snapshots() {
        let snapshot = repository.snapshot(&entry.name).unwrap();
        let Some(taken_by) = snapshot.info().version.map(IndexVersion::line) else {
            continue;
        };
        if snapshot.info().state != SnapshotState::Success {
            continue;
        }
        for index in snapshot.indices() {
            let metadata = snapshot.index_metadata(&index.name).unwrap();
            let Some(created) = metadata.created.map(IndexVersion::line) else {
                continue;
            };
            let plain = !index.name.starts_with('.')
                && metadata.state == IndexState::Open
                && !metadata.is_mounted_snapshot();
            let known = |it: &Held| it.created == created && it.taken_by == taken_by;
            // Fields of a module that a server lacks are another matter.
            let simple = metadata.setting("index.knn").is_none();
            if plain && simple && !found.iter().any(known) {
                found.push(Held {
                    snapshot: entry.name.clone(),
                    index: index.name.clone(),
                    created,
                    taken_by,
                });
            }
        }
    }
    found
}

/// Whether the server restores an index: all its primaries start, and it can be counted.
fn restores(server: &Server, repository: &str, held: &Held) -> Result<(), String> {
    let name = format!(
        "restored-{}",
        held.index.trim_start_matches('.').to_lowercase()
    );
    let client = server.client();
    let body = json!({"indices": held.index, "include_global_state": false, "include_aliases": false,
        "rename_pattern": "^.*$", "rename_replacement": name, "index_settings": {"index.number_of_replicas": 0}});
    let path = format!(
        "/_snapshot/{repository}/{}/_restore?wait_for_completion=true",
        Request::part(&held.snapshot)
    );
    let answer = client.json(Request::post(path).json(&body).within(LONGEST));
    let result = match answer {
        Err(error) => Err(error.to_string()),
        Ok(answer) if answer["snapshot"]["shards"]["failed"] != 0 => Err(answer.to_string()),
        Ok(_) => client
            .json(Request::get(format!("/{name}/_count")))
            .map(drop)
            .map_err(|error| error.to_string()),
    };
    drop(client.send(Request::delete(format!("/{name}"))));
    result
}

#[allow(
    clippy::print_stdout,
    reason = "the table is what a failure is repeated with"
)]
fn table(what: &str) {
    let server = Server::start(
        what,
        &Options {
            with_modules: true,
            ..Options::default()
        },
    );
    let about = server.client().about().unwrap().version;
    let mut wrong = Vec::new();
    for (number, fixture) in fixtures().iter().enumerate() {
        let label = fixture.parent().unwrap().file_name().unwrap();
        let label = label.to_string_lossy().into_owned();
        let place = server
            .repositories()
            .join(format!("opens-{}-{number}", std::process::id()));
        copy(fixture, &place);
        let name = format!("opens-{number}");
        let body = json!({"type": "fs", "settings": {"location": place, "readonly": "true"}});
        let registered = server
            .client()
            .send(Request::put(format!("/_snapshot/{name}")).json(&body));
        let all = catch_unwind(AssertUnwindSafe(|| held(fixture))).unwrap_or_default();
        for held in all {
            let says = opens(about, held.created).and_then(|()| reads(about, held.taken_by));
            let does = match &registered {
                Ok(_) => restores(&server, &name, &held),
                Err(error) => Err(error.to_string()),
            };
            println!(
                "{about}: {label}/{} made by {}, taken by {}: {says:?}, {}",
                held.index,
                held.created,
                held.taken_by,
                does.as_ref()
                    .map_or_else(|error| format!("{error:.160}"), |()| "restored".into())
            );
            // What a server may be able to and nobody promises is not made use of.
            let unpromised = matches!(says, Err(Refusal::AfterTheFork | Refusal::TooNew));
            let fits = says.is_ok() == does.is_ok() || (unpromised && does.is_ok());
            if !fits {
                wrong.push(format!("{label}/{}: {says:?}, {does:?}", held.index));
            }
        }
        drop(
            server
                .client()
                .send(Request::delete(format!("/_snapshot/{name}"))),
        );
        drop(std::fs::remove_dir_all(&place));
    }
    assert!(wrong.is_empty(), "{about}:\n{}", wrong.join("\n"));
}

#[test]
fn servers_open_what_is_said_of_them() {
    for (number, what) in SERVERS.iter().enumerate() {
        if is_its_day(2 * number as u64, 2 * SERVERS.len() as u64) {
            table(what);
        }
    }
}
