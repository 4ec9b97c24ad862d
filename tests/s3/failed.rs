//! Failed documents in a bucket, on a real server with lost answers: by the loader itself, in its own process.

use std::collections::BTreeSet;
use std::time::Duration;

use mig::base::S3Uri;
use mig::clients::objects::open_s3_objects;
use mig::engines::bulk::failed::{self, FailedPlace};
use mig::engines::bulk::retry::Again;
use mig::engines::bulk::{Options, Stop};
use mig::engines::verify::{Content, Verdict};

use crate::bulk_support::{Memory, StopAt, items, load, options, retry_by, target, verify};
use crate::gateway::{gateway, with_credentials};
use crate::proxy::{Fault, Proxy};

/// The documents whose numbers these are can't be written.
fn without(bad: &BTreeSet<usize>) -> Memory {
    let mut memory = Memory::numbered(3, 60);
    for doc in memory.segments.iter_mut().flatten() {
        let number: usize = doc.id["id-".len()..].parse().unwrap();
        if bad.contains(&number) {
            doc.source = None;
        }
    }
    memory
}

#[test]
fn streams_in_a_bucket_are_read_back_retried_and_removed_whatever_is_lost_on_the_way() {
    with_credentials(
        "failed::streams_in_a_bucket_are_read_back_retried_and_removed_whatever_is_lost_on_the_way",
        || {
            let proxy = Proxy::start(gateway().port);
            let bucket = gateway().bucket("failed");
            let uri = S3Uri::parse(&proxy.uri(&bucket, "state")).unwrap();
            let place = FailedPlace::Objects {
                objects: open_s3_objects(&uri).unwrap(),
                prefix: "artifacts/failed/docs".to_owned(),
            };
            for (first, fault) in [
                (2, Fault::LoseAnswer),
                (3, Fault::Refuse),
                (5, Fault::Status(503, "SlowDown")),
            ] {
                proxy.fault_every("PUT", "/artifacts/", 6, first, fault);
            }
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("os");
            let options = || Options {
                failed: place.clone(),
                checkpoint_every: Duration::ZERO,
                ..options(&root)
            };
            let failing = || {
                let mut ids = BTreeSet::new();
                let seen = failed::read(&place, &items(&root), &mut |document| {
                    ids.insert(document.id["id-".len()..].parse::<usize>().unwrap());
                    Ok(())
                });
                let seen = seen.unwrap();
                assert_eq!(seen.told, ids.len() as u64, "a line twice");
                assert_eq!(seen.untold(), 0);
                ids
            };
            let bad: BTreeSet<usize> = (0..180).filter(|it| it % 4 == 1).collect();
            let no_stop = || Stop::No;
            target(&root, &["shop"]);
            // Stopped in the middle, and gone on with.
            let stop = StopAt::of_workers(20, Stop::Now);
            load(&without(&bad), &root, options(), &|| stop.ask()).unwrap();
            load(&without(&bad), &root, options(), &no_stop).unwrap();
            assert_eq!(failing(), bad);
            let left: BTreeSet<usize> = bad.iter().copied().filter(|it| it % 3 == 0).collect();
            let stop = StopAt::of_workers(8, Stop::Now);
            let again = |source: &Memory, stop: &(dyn Fn() -> Stop + Sync)| {
                retry_by(2, source, &root, options(), Again::FromSource, stop).unwrap()
            };
            again(&without(&left), &|| stop.ask());
            again(&without(&left), &no_stop);
            assert_eq!(failing(), left);
            let outcome = again(&without(&BTreeSet::new()), &no_stop);
            assert_eq!((outcome.written, outcome.failed), (left.len() as u64, 0));
            let whole = without(&BTreeSet::new());
            assert_eq!(verify(&whole, &root, Content::Full).verdict, Verdict::Pass);
            assert!(proxy.met() > 3, "{}", proxy.met());
            assert!(!place.is_empty().unwrap());
            place.remove(None).unwrap();
            assert!(place.is_empty().unwrap() && gateway().keys(&bucket).is_empty());
        },
    );
}
