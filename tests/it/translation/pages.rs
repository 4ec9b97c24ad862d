//! The pages of the rules are those of the rules as they are.

use std::collections::BTreeSet;
use std::path::Path;

use mig::engines::metadata::rules;

#[test]
fn the_pages_are_what_the_rules_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules");
    let pages = mig::ui::rules::pages(rules());
    let bless = std::env::var_os("MIG_BLESS").is_some();
    let names: BTreeSet<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !names.contains(name) {
            assert!(bless, "{name} is a page of no rule: MIG_BLESS=1 removes it");
            std::fs::remove_file(&path).unwrap();
        }
    }
    for (name, text) in &pages {
        let path = folder.join(name);
        if bless {
            std::fs::write(&path, text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            &written, text,
            "docs/rules/{name} is not what the rules say: MIG_BLESS=1 cargo test --test it translation"
        );
    }
}
