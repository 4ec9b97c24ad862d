//! No target: writes what the targets begin with to `$MIG_FUZZ_SEEDS/<target>/`, from the fixtures of the package.
#![no_main]

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

fn write_all(to: &Path) {
    let mut write = |target: &str, bytes: &[u8]| {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let directory = to.join(target);
        fs::create_dir_all(&directory).unwrap();
        let name = format!("seed-{:016x}", hasher.finish());
        fs::write(directory.join(name), bytes).unwrap();
    };
    mig_fuzz::engines::snapshot::fuzzing::seeds(&mut write);
    mig_fuzz::state::fuzzing::seeds(&mut write);
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let template = fs::read(package.join("templates/backfill-hop.yaml")).unwrap_or_default();
    for directory in ["plans", "tests/fixtures/plans"] {
        for entry in fs::read_dir(package.join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                let plan = fs::read(path).unwrap();
                write("plan", &plan);
                write("plan", &[&plan[..], b"\0", &template].concat());
            }
        }
    }
}

libfuzzer_sys::fuzz_target!(|_data: &[u8]| {
    if let Some(to) = std::env::var_os("MIG_FUZZ_SEEDS") {
        write_all(&PathBuf::from(to));
    }
});
