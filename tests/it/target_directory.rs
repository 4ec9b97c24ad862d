//! A directory as target: what it takes, what it refuses, and how it knows what it holds.

use std::fs;

use mig::base::version::{ProductVersion, Version};
use mig::clients::target::batch::Action;
use mig::clients::target::{Batch, DirectoryTarget, LiveMark, PartKey, Target, TargetError};
use mig::diff::observation::{ObjectKey, ObjectKind};
use serde_json::json;

use crate::bulk_support::{index, target, version};

fn batch(ids: &[&str]) -> Batch {
    let mut batch = Batch::default();
    for id in ids {
        let action = Action {
            create: false,
            delete: false,
            index: Some("shop"),
            id,
            routing: None,
            version: None,
        };
        batch.push(0, action, b"{\"a\":1}");
    }
    batch
}

fn part() -> PartKey {
    PartKey {
        index: "shop".to_owned(),
        part: "0-_0-0".to_owned(),
    }
}

#[test]
fn objects_are_kept_listed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    let target = target(&root, &["shop", ".hidden", "a.b"]);
    let key = |kind, name: &str| ObjectKey {
        kind,
        name: name.to_owned(),
    };
    for kind in [
        ObjectKind::ComponentTemplate,
        ObjectKind::IndexTemplate,
        ObjectKind::LegacyTemplate,
        ObjectKind::Alias,
    ] {
        let key = key(kind, "Größe/1");
        assert_eq!(target.get(&key).unwrap(), None);
        target.put(&key, &json!({ "order": 1 })).unwrap();
        assert_eq!(target.get(&key).unwrap(), Some(json!({ "order": 1 })));
        assert_eq!(target.list(kind).unwrap(), ["Größe/1"]);
        assert!(target.delete(&key).unwrap());
        assert!(!target.delete(&key).unwrap());
        assert!(target.list(kind).unwrap().is_empty());
    }
    assert_eq!(
        target.list(ObjectKind::Index).unwrap(),
        [".hidden", "a.b", "shop"]
    );
    let uuid = target.index_facts("shop", 0).unwrap().unwrap().uuid;
    target
        .put(&index("shop"), &json!({ "mappings": {} }))
        .unwrap();
    assert_eq!(target.index_facts("shop", 0).unwrap().unwrap().uuid, uuid);
    target.set_closed("shop", true).unwrap();
    assert!(target.is_closed("shop").unwrap());
    assert!(target.delete(&index("shop")).unwrap());
    assert_eq!(target.index_facts("shop", 0).unwrap(), None);
    assert!(target.set_closed("shop", true).is_err());
    let mark = LiveMark {
        plan: "p".to_owned(),
        lineage: "l".to_owned(),
        phase: "live".to_owned(),
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    target.mark_live(&mark).unwrap();
    assert_eq!(target.live().unwrap(), Some(mark));
    assert!(target.lift_live().unwrap() && !target.lift_live().unwrap());
}

#[test]
fn refuses_what_is_not_its_own_and_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    assert_eq!(
        DirectoryTarget::open(&root, version())
            .unwrap()
            .identity()
            .unwrap(),
        None
    );
    assert!(!root.exists(), "looking makes nothing");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("thesis.tex"), "years of work").unwrap();
    let error = DirectoryTarget::open(&root, version()).err().unwrap();
    assert!(matches!(&error, TargetError::Foreign { found, .. } if found == "thesis.tex"));
    assert!(!error.help().is_empty());
    fs::remove_file(root.join("thesis.tex")).unwrap();

    let made = target(&root, &["shop"]);
    let identity = made.identity().unwrap().unwrap();
    assert_eq!(made.prepare("other").unwrap(), identity, "made once");
    let other = ProductVersion {
        version: Version::new(1, 3, 0),
        ..version()
    };
    assert!(matches!(
        DirectoryTarget::open(&root, other),
        Err(TargetError::OtherVersion { .. })
    ));
    let strange = root.join("indices/shop/docs/mine.ndjson");
    fs::write(
        &strange,
        "{\"index\":{\"_index\":\"shop\",\"_id\":\"1\"}}\n{}\n",
    )
    .unwrap();
    assert_eq!(
        made.index_facts("shop", 0).unwrap().unwrap().foreign_docs,
        1
    );
    made.clear_documents("shop").unwrap();
    assert!(strange.exists());
    let key = PartKey {
        part: "mine".to_owned(),
        ..part()
    };
    assert!(matches!(
        made.open_part(&key, None, None),
        Err(TargetError::Foreign { .. })
    ));
}

#[test]
fn one_writer_a_part_and_exactly_what_was_marked() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    let target = target(&root, &["shop"]);
    assert!(matches!(
        target.open_part(&part(), Some("another"), None),
        Err(TargetError::OtherIndex { .. })
    ));
    let none = PartKey {
        index: "none".to_owned(),
        ..part()
    };
    assert!(matches!(
        target.open_part(&none, None, None),
        Err(TargetError::NoIndex { .. })
    ));
    let mut writer = target.open_part(&part(), None, None).unwrap();
    assert!(matches!(
        target.open_part(&part(), None, None),
        Err(TargetError::Busy { .. })
    ));
    writer.submit(batch(&["1", "2"]), Box::new(())).unwrap();
    let (mark, settled) = writer.checkpoint().unwrap();
    assert_eq!((mark.docs, settled.written), (2, 2));
    writer.submit(batch(&["3"]), Box::new(())).unwrap();
    drop(writer);
    let mut writer = target.open_part(&part(), None, Some(&mark)).unwrap();
    writer.submit(batch(&["4"]), Box::new(())).unwrap();
    let (mark, settled) = writer.finish().unwrap();
    assert_eq!((mark.docs, settled.written), (3, 1));
    let facts = target.index_facts("shop", 0).unwrap().unwrap();
    assert_eq!((facts.docs, facts.foreign_docs), (3, 0));
}

#[test]
fn content_identity_follows_the_content_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("os");
    let target = target(&root, &["shop"]);
    let mut writer = target.open_part(&part(), None, None).unwrap();
    writer.submit(batch(&["1", "2"]), Box::new(())).unwrap();
    writer.finish().unwrap();
    let facts = target.index_facts("shop", 0).unwrap().unwrap();
    let path = root.join("indices/shop/docs/0-_0-0.ndjson");
    let text = fs::read_to_string(&path).unwrap();

    // Written anew with the same bytes: read again, found equal.
    fs::write(&path, &text).unwrap();
    assert_eq!(target.index_facts("shop", 0).unwrap().unwrap(), facts);
    // Same size, another content.
    fs::write(&path, text.replacen(":1}", ":2}", 1)).unwrap();
    let moved = target.index_facts("shop", 0).unwrap().unwrap();
    assert_ne!(moved.content, facts.content);
    assert_eq!((moved.docs, moved.foreign_docs), (2, 0));
    // A document more.
    fs::write(
        &path,
        format!(
            "{text}{}",
            text.lines()
                .take(2)
                .fold(String::new(), |all, line| all + line + "\n")
        ),
    )
    .unwrap();
    let more = target.index_facts("shop", 0).unwrap().unwrap();
    assert_eq!((more.docs, more.foreign_docs), (3, 1));
    // Gone.
    fs::remove_file(&path).unwrap();
    let gone = target.index_facts("shop", 0).unwrap().unwrap();
    assert_eq!(gone.docs, 0);
    assert_ne!(gone.content, facts.content);
    // Torn in the middle of a line: said by the file and the line.
    fs::write(&path, &text[..text.len() - 3]).unwrap();
    let partition = &target.partitions("shop").unwrap()[0];
    let error = target
        .read_partition("shop", partition, &mut |_| {
            std::ops::ControlFlow::Continue(())
        })
        .unwrap_err();
    assert!(
        error.to_string().contains("0-_0-0.ndjson, line 3"),
        "{error}"
    );
}
