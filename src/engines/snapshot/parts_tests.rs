//! Tests of the module of this name, with encoders as small as they can be.

use super::*;
use crate::clients::objects::{DirectoryStore, Fault, FaultyStore};

/// 25 bytes in parts of 10, 10 and 5.
fn store() -> (tempfile::TempDir, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..25).collect();
    for (part, bytes) in content.chunks(10).enumerate() {
        std::fs::write(directory.path().join(format!("f.part{part}")), bytes).unwrap();
    }
    std::fs::write(directory.path().join("g"), &content).unwrap();
    (directory, content)
}

#[test]
fn every_range_over_parts_is_the_range_of_the_file() {
    let (directory, content) = store();
    let store = Arc::new(DirectoryStore::new(directory.path()));
    let parts = Parts::new(store.clone(), "f".to_owned(), 25, 10);
    let single = SinglePart::new(store, "g".to_owned(), 25);
    for start in 0..=25_usize {
        for end in start..=25 {
            let wanted = &content[start..end];
            let read = parts.read_at(start as u64, end - start).unwrap();
            assert_eq!(&read[..], wanted, "{start}..{end}");
            let read = single.read_at(start as u64, end - start).unwrap();
            assert_eq!(&read[..], wanted, "{start}..{end}");
        }
    }
    for file in [&parts as &dyn ReadAt, &single] {
        assert!(file.read_at(20, 6).is_err());
        assert!(file.read_at(u64::MAX, 1).is_err());
        assert!(file.read_at(0, usize::MAX).is_err());
    }
}

#[test]
fn a_list_that_lies_about_lengths_costs_no_memory() {
    let (directory, _) = store();
    let store = Arc::new(DirectoryStore::new(directory.path()));
    let huge = 1_usize << 46;
    let parts = Parts::new(store.clone(), "f".to_owned(), 1 << 62, 10);
    let error = parts.read_at(0, huge).unwrap_err().to_string();
    assert!(error.contains("`f.part2`"), "{error}");
    let single = SinglePart::new(store, "g".to_owned(), 1 << 62);
    let error = single.read_at(0, huge).unwrap_err().to_string();
    assert!(error.contains("`g` has 25 bytes"), "{error}");
}

#[test]
fn errors_name_the_part() {
    let (directory, _) = store();
    for fault in [
        Fault::Error(io::ErrorKind::ConnectionReset),
        Fault::ShortReads(1),
        Fault::Truncated(1),
    ] {
        let inner = Arc::new(DirectoryStore::new(directory.path()));
        let faulty = FaultyStore::new(inner).with("part1", fault);
        let parts = Parts::new(Arc::new(faulty), "f".to_owned(), 25, 10);
        assert!(parts.read_at(0, 10).is_ok());
        let error = parts.read_at(5, 10).unwrap_err().to_string();
        assert!(error.contains("`f.part1`"), "{fault:?}: {error}");
    }
}
