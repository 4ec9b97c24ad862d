//! With every fault of the way to the server: the right result, or an error that says what, where and how to mend it.

use std::sync::Arc;

use crate::gateway::{SECRET, environment, fixtures, gateway, with_credentials};
use crate::place::{Place, Ran};
use crate::proxy::{Fault, Proxy};
use crate::reading::{export, noise, shop, store};

#[track_caller]
fn is_right_with(proxy: &Proxy, what: &str) {
    let ran = export(&Place::empty(), &proxy.uri(fixtures(), "shop"));
    assert_eq!(ran.code, 0, "{what}: {}", ran.err);
    assert!(ran.out == shop(), "{what}: other documents");
}

/// Tries at most until a change falls into a read.
const CHANGES_MAX: usize = 40;

#[test]
fn busy_answers_cut_bodies_and_cut_connections_are_made_up_for() {
    for (what, method, part, fault) in [
        ("503", "GET", "", Fault::Status(503, "SlowDown")),
        (
            "500",
            "GET",
            "indices/",
            Fault::Status(500, "InternalError"),
        ),
        (
            "429",
            "GET",
            "list-type",
            Fault::Status(429, "TooManyRequests"),
        ),
        ("cut at once", "GET", "indices/", Fault::CutBody(0)),
        ("cut within", "GET", "indices/", Fault::CutBody(300)),
        ("refused", "GET", "", Fault::Refuse),
        ("lost", "GET", "", Fault::LoseAnswer),
    ] {
        let proxy = Proxy::start(gateway().port);
        // Early on, and now and then for the rest of the run.
        proxy.fault(method, part, 0, 3, fault.clone());
        for skip in [20, 57, 111] {
            proxy.fault(method, part, skip, 1, fault.clone());
        }
        is_right_with(&proxy, what);
        assert!(proxy.met() >= 3, "{what}");
    }
}

#[test]
fn a_body_that_breaks_off_goes_on_where_it_broke() {
    with_credentials(
        "faults::a_body_that_breaks_off_goes_on_where_it_broke",
        || {
            let gateway = gateway();
            let bucket = gateway.bucket("cut");
            let bytes = noise(6 << 20);
            gateway.put(&bucket, "p/x", bytes.clone());
            let proxy = Proxy::start(gateway.port);
            let object = store(&proxy.uri(&bucket, "p")).open("x").unwrap();
            proxy.fault("GET", "p/x", 0, 4, Fault::CutBody(400_000));
            assert!(object.read_at(0, bytes.len()).unwrap() == bytes);
            assert_eq!(proxy.met(), 4);
            let ranges: Vec<String> = proxy.seen().into_iter().filter_map(|it| it.range).collect();
            // Which ranges meet the faults is as it happens: many are on their way at once.
            let from = |range: &String| {
                range
                    .strip_prefix("bytes=")?
                    .split('-')
                    .next()?
                    .parse()
                    .ok()
            };
            let asked: Vec<u64> = ranges.iter().filter_map(from).collect();
            let resumed = |start: &u64| {
                start
                    .checked_sub(400_000)
                    .is_some_and(|it| asked.contains(&it))
            };
            assert!(asked.iter().any(resumed), "{ranges:?}");
        },
    );
}

#[test]
fn an_object_that_changes_while_it_is_read_is_told_and_its_bytes_never_mix() {
    with_credentials(
        "faults::an_object_that_changes_while_it_is_read_is_told_and_its_bytes_never_mix",
        || {
            let gateway = gateway();
            let bucket = gateway.bucket("changed");
            for (what, change) in [("replaced", true), ("removed", false)] {
                // What was fetched ahead before the change is right, and no error: then it is tried again.
                let told = (0..CHANGES_MAX).any(|number| {
                    let key = format!("p/{what}-{number}");
                    let (before, after) = (noise(6 << 20), vec![9; 6 << 20]);
                    gateway.put(&bucket, &key, before.clone());
                    let proxy = Proxy::start(gateway.port);
                    let object = store(&proxy.uri(&bucket, "p"))
                        .open(key.trim_start_matches("p/"))
                        .unwrap();
                    let (name, changed_key) = (bucket.clone(), key.clone());
                    let changed = Fault::Before(Arc::new(move || {
                        if change {
                            gateway.put(&name, &changed_key, after.clone());
                        } else {
                            gateway.remove(&name, &changed_key);
                        }
                    }));
                    assert!(object.read_at(0, 300_000).unwrap() == before[..300_000]);
                    proxy.fault("GET", &key, 0, 1, changed);
                    match object.read_at(300_000, 5 << 20) {
                        Ok(bytes) => {
                            let wanted = &before[300_000..300_000 + (5 << 20)];
                            assert!(bytes == wanted, "{what}: bytes are mixed");
                            false
                        }
                        Err(error) => {
                            let error = error.to_string();
                            assert!(
                                error.contains("replaced or removed while it was read"),
                                "{what}: {error}"
                            );
                            assert!(error.contains(&format!("s3://{bucket}/{key}")), "{error}");
                            true
                        }
                    }
                });
                assert!(told, "{what}: never noticed in {CHANGES_MAX} tries");
            }
        },
    );
}

#[test]
fn a_server_that_stays_busy_is_told_with_how_often_it_was_tried() {
    let proxy = Proxy::start(gateway().port);
    proxy.fault(
        "GET",
        "index-0",
        0,
        u64::MAX,
        Fault::Status(503, "SlowDown"),
    );
    proxy.fault(
        "GET",
        "index.latest",
        0,
        u64::MAX,
        Fault::Status(503, "SlowDown"),
    );
    let ran = export(&Place::empty(), &proxy.uri(fixtures(), "shop"));
    assert_eq!(ran.code, 1, "{}", ran.out);
    let ran = ran.says("SlowDown").says("tried 10 times");
    holds_no_secret(&ran);
}

#[track_caller]
fn holds_no_secret(ran: &Ran) {
    for text in [&ran.out, &ran.err] {
        assert!(
            !text.contains(SECRET) && !text.contains("Signature="),
            "{text}"
        );
    }
}

/// With another environment than the right one.
fn inspect(store: &str, change: impl FnOnce(&mut std::process::Command)) -> Ran {
    let place = Place::empty();
    let mut command = place.command(&["snapshot", "inspect", "--store", store]);
    command
        .envs(environment())
        .env("RUST_LOG", "trace")
        .env("MIG_LOG", "trace");
    change(&mut command);
    Ran::of(&command.output().unwrap())
}

#[test]
fn what_is_wrong_with_credentials_and_places_is_told_with_its_mending() {
    let proxy = Proxy::start(gateway().port);
    let uri = proxy.uri(fixtures(), "shop");
    let told = |ran: Ran, texts: &[&str]| {
        holds_no_secret(&ran);
        let mut ran = ran.ends_with(1);
        for text in texts {
            ran = ran.says(text);
        }
    };
    let ran = inspect(&uri, |command| {
        command.env_remove("AWS_ACCESS_KEY_ID");
    });
    told(
        ran,
        &["there are no AWS credentials", "AWS_PROFILE", fixtures()],
    );
    let ran = inspect(&uri, |command| {
        command.env("AWS_SECRET_ACCESS_KEY", "wrong");
    });
    told(
        ran,
        &["SignatureDoesNotMatch", "aws sts get-caller-identity"],
    );
    let ran = inspect(&uri, |command| {
        command.env("AWS_ACCESS_KEY_ID", "nobody");
    });
    told(ran, &["refuse"]);
    let ran = inspect(&proxy.uri("no-such-bucket", "shop"), |_| ());
    told(ran, &["no such bucket", "s3://no-such-bucket/"]);
    let ran = inspect(&proxy.uri(fixtures(), "nothing/here"), |_| ());
    told(ran, &["holds no snapshot repository"]);
    let ran = inspect(&format!("{uri}&region=eu-west-1"), |_| ());
    told(ran, &["another region", "`region:`"]);
    let denied = Proxy::start(gateway().port);
    denied.fault("GET", "", 0, u64::MAX, Fault::Status(403, "AccessDenied"));
    let ran = inspect(&denied.uri(fixtures(), "shop"), |_| ());
    told(ran, &["access is denied", "s3:GetObject", "AccessDenied"]);
    let ran = inspect(
        &format!("s3://{}/shop?endpoint=http://127.0.0.1:1", fixtures()),
        |_| (),
    );
    told(ran, &["the connection failed", "endpoint"]);
    let ran = inspect(&format!("s3://{}/shop?endpont=x", fixtures()), |_| ());
    told(ran, &["endpont"]);
    assert!(inspect(&uri, |_| ()).code == 0);
}
