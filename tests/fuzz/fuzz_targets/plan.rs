//! Any text as a plan; what stands behind a NUL is the content of every other file that it names.
#![no_main]

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use mig_fuzz::plan::load::{LoadOptions, Reader, load_with};

struct Two<'a> {
    plan: &'a [u8],
    other: &'a [u8],
}

impl Reader for Two<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let is_plan = path == Path::new("plan.yaml");
        Ok(if is_plan { self.plan } else { self.other }.to_vec())
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (plan, other) = (part(), part());
    let options = LoadOptions {
        vars: vec![
            ("name".into(), "value".into()),
            ("count".into(), "3".into()),
        ],
        env: BTreeMap::from([("OS_PASSWORD".into(), "hunter2".into())]),
        ..LoadOptions::default()
    };
    let path = Path::new("plan.yaml");
    let outcome = load_with(&Two { plan, other }, path, &options);
    // Every place is within its file: whoever shows it slices there.
    for place in outcome
        .diagnostics
        .iter()
        .filter_map(|found| found.location)
    {
        let file = &outcome.files[place.file as usize];
        let range = place.start as usize..place.end as usize;
        assert!(file.text.get(range).is_some(), "{place:?}");
        let _ = file.line_column(place.start);
    }
});
