//! What a place is registered as, and how it is known again.

use super::*;

fn bucket() -> Place {
    Place::Bucket {
        bucket: "acme".to_owned(),
        base_path: "search/prod".to_owned(),
        region: Some("eu-central-1".to_owned()),
        endpoint: Some("http://127.0.0.1:9000".to_owned()),
        path_style: Some(true),
    }
}

#[test]
fn a_bucket_is_registered_with_what_the_cluster_needs_to_find_it_and_no_credentials() {
    let settings = bucket().settings(Some(ByteRate(1 << 20)));
    let expected = json!({
        "bucket": "acme",
        "base_path": "search/prod",
        "region": "eu-central-1",
        "endpoint": "http://127.0.0.1:9000",
        "path_style_access": "true",
        "compress": "true",
        "max_snapshot_bytes_per_sec": "1048576b",
    });
    assert_eq!(settings, expected);
    assert_eq!(bucket().kind(), "s3");
    assert_eq!(bucket().to_string(), "s3://acme/search/prod");
    let directory = Place::Directory("/mnt/snapshots".into());
    assert_eq!(
        directory.settings(None),
        json!({"location": "/mnt/snapshots", "compress": "true"})
    );
}

#[test]
fn a_place_knows_itself_among_what_is_registered() {
    let same = json!({"type": "s3", "settings": {"bucket": "acme", "base_path": "search/prod/"}});
    assert!(bucket().is(&same));
    assert_eq!(foreign(&same, &bucket(), &[]), None);
    let other = json!({"type": "s3", "settings": {"bucket": "acme", "base_path": "search"}});
    assert!(!bucket().is(&other));
    assert_eq!(
        foreign(&other, &bucket(), &[]).as_deref(),
        Some("of type `s3` over s3://acme/search")
    );
    let directory = json!({"type": "fs", "settings": {"location": "/mnt/x"}});
    assert!(!bucket().is(&directory));
    assert!(Place::Directory("/mnt/x/".into()).is(&directory));
}
