//! `mig check` of stores in a bucket: rights that are missing one by one, another region, a clock that is off.

use jiff::fmt::rfc2822;
use jiff::{Span, Timestamp, tz::TimeZone};
use serde_json::Value;

use crate::gateway::{environment, gateway};
use crate::place::{Place, Ran};
use crate::proxy::{Fault, Proxy};

/// A plan over the shop, which stands in a bucket of its own, by way of a proxy.
struct Shop {
    place: Place,
    bucket: String,
}

impl Shop {
    fn new(proxy: &Proxy) -> Self {
        let bucket = gateway().bucket("check");
        gateway().upload(&bucket, "base", &crate::place::fixture("shop"));
        let place = Place::of_plan(&format!(
            "mig: 1\nplan: test\nstate: state\nclusters:\n  os: {{ directory: out, as: \"2.19\" }}\n\
             stores:\n  snapshots: {{ s3: {{ uri: s3://{bucket}/base, endpoint: \"http://127.0.0.1:{}\" }} }}\n\
             phases:\n  base: {{ snapshot: {{ existing: {{ store: snapshots, name: nightly-1 }} }} }}\n",
            proxy.port
        ));
        Self { place, bucket }
    }

    fn check(&self) -> (i32, Value) {
        let mut command = self.place.command(&["check", "--format", "json"]);
        let ran = Ran::of(&command.envs(environment()).output().unwrap());
        let report = serde_json::from_str(&ran.out);
        let report = report.unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err));
        (ran.code, report)
    }
}

fn probe<'a>(report: &'a Value, name: &str) -> &'a Value {
    let probes = report["check"]["phases"][0]["probes"].as_array().unwrap();
    let found = probes.iter().find(|it| it["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

fn said(probe: &Value) -> String {
    format!("{} {}", probe["said"], probe["help"])
}

#[test]
fn a_bucket_is_read_and_written_and_left_as_it_was() {
    let proxy = Proxy::start(gateway().port);
    let shop = Shop::new(&proxy);
    let before = gateway().keys(&shop.bucket);
    let (code, report) = shop.check();
    assert_eq!(code, 0, "{report:#}");
    for name in ["store", "object", "clock", "snapshot"] {
        assert_eq!(probe(&report, name)["outcome"], "ok", "{report:#}");
    }
    assert_eq!(before, gateway().keys(&shop.bucket));
    let written = proxy.seen().into_iter().filter(|it| it.method == "PUT");
    let paths: Vec<String> = written.map(|it| it.path).collect();
    assert!(!paths.is_empty());
    for path in paths {
        assert!(path.contains("/base/mig-check-"), "{path}");
    }
}

#[test]
fn a_right_that_is_missing_is_named() {
    for (method, part, right, name, outcome) in [
        ("GET", "list-type=2", "s3:ListBucket", "store", "failed"),
        // mig itself need not write there.
        ("PUT", "mig-check-", "s3:PutObject", "object", "left-out"),
        ("GET", "mig-check-", "s3:GetObject", "object", "failed"),
        (
            "DELETE",
            "mig-check-",
            "s3:DeleteObject",
            "object",
            "left-out",
        ),
    ] {
        let proxy = Proxy::start(gateway().port);
        let shop = Shop::new(&proxy);
        let before = gateway().keys(&shop.bucket);
        proxy.fault(
            method,
            part,
            0,
            u64::MAX,
            Fault::Status(403, "AccessDenied"),
        );
        let (code, report) = shop.check();
        let found = probe(&report, name);
        assert_eq!(found["outcome"], outcome, "{right}: {report:#}");
        assert!(said(found).contains(right), "{right}: {report:#}");
        if outcome == "failed" {
            assert_eq!(code, 8, "{report:#}");
            assert!(said(found).contains("another account"), "{report:#}");
        } else {
            assert_eq!(code, 0, "{report:#}");
        }
        // What could not be removed is removed once it may be.
        drop(proxy);
        let proxy = Proxy::start(gateway().port);
        let plan = std::fs::read_to_string(shop.place.path("plan.yaml")).unwrap();
        let at = plan.find("127.0.0.1:").unwrap() + "127.0.0.1:".len();
        let end = at + plan[at..].find('"').unwrap();
        let plan = format!("{}{}{}", &plan[..at], proxy.port, &plan[end..]);
        std::fs::write(shop.place.path("plan.yaml"), plan).unwrap();
        let (code, report) = shop.check();
        assert_eq!(code, 0, "{report:#}");
        assert_eq!(before, gateway().keys(&shop.bucket), "{right}");
    }
}

#[test]
fn another_region_and_no_such_bucket_are_named() {
    let proxy = Proxy::start(gateway().port);
    let shop = Shop::new(&proxy);
    proxy.fault(
        "GET",
        "",
        0,
        u64::MAX,
        Fault::Status(301, "PermanentRedirect"),
    );
    let (code, report) = shop.check();
    assert_eq!(code, 8);
    let store = said(probe(&report, "store"));
    assert!(
        store.contains("another region") && store.contains("region:"),
        "{store}"
    );

    let proxy = Proxy::start(gateway().port);
    let shop = Shop::new(&proxy);
    let plan = std::fs::read_to_string(shop.place.path("plan.yaml")).unwrap();
    let plan = plan.replace(&shop.bucket, "nobody-has-this-bucket");
    std::fs::write(shop.place.path("plan.yaml"), plan).unwrap();
    let (code, report) = shop.check();
    assert_eq!(code, 8);
    let store = said(probe(&report, "store"));
    assert!(store.contains("no such bucket"), "{store}");
}

#[test]
fn a_clock_that_is_off_is_told_with_what_it_breaks() {
    for (minutes, outcome, words) in [
        (-2, "ok", "ahead of S3"),
        (9, "ok", "at 15 minutes S3 refuses what is signed"),
        (
            40,
            "failed",
            "S3 refuses requests that were signed 15 minutes from its own time",
        ),
    ] {
        let proxy = Proxy::start(gateway().port);
        let shop = Shop::new(&proxy);
        let then = Timestamp::now() + Span::new().minutes(minutes);
        let date = rfc2822::to_string(&then.to_zoned(TimeZone::UTC)).unwrap();
        let date = date.replace("+0000", "GMT");
        for method in ["GET", "PUT", "DELETE", "HEAD"] {
            proxy.fault(method, "", 0, u64::MAX, Fault::Header("Date", date.clone()));
        }
        let (code, report) = shop.check();
        let clock = probe(&report, "clock");
        assert_eq!(clock["outcome"], outcome, "{report:#}");
        assert!(said(clock).contains(words), "{minutes}: {report:#}");
        assert_eq!(code, if outcome == "ok" { 0 } else { 8 });
    }
    // The server says so itself.
    let proxy = Proxy::start(gateway().port);
    let shop = Shop::new(&proxy);
    proxy.fault(
        "GET",
        "",
        0,
        u64::MAX,
        Fault::Status(403, "RequestTimeTooSkewed"),
    );
    let (code, report) = shop.check();
    assert_eq!(code, 8);
    let store = said(probe(&report, "store"));
    assert!(store.contains("set the clock of this machine"), "{store}");
}
