//! The README says only what is so: its plan is the quickstart's, its output is what the binary prints.
//!
//! `MIG_BLESS=1 cargo test --test it readme` writes both into the README.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::support::Ran;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A tree as a fresh clone has it, as far as the quickstart needs it.
fn fresh() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for folder in ["plans", "tests/fixtures/es-7.10.2/shop"] {
        copy(&root().join(folder), &place.path().join(folder));
    }
    place
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn mig(place: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mig"));
    command
        .args(arguments)
        .current_dir(place)
        .env("NO_COLOR", "1")
        .env("COLUMNS", "80");
    Ran::of(&command.output().unwrap())
}

/// Holds the fenced block of `language` behind `marker` to `text`, or writes it.
fn hold(marker: &str, language: &str, text: &str) {
    // Tests write into one file when they are told to.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let path: PathBuf = root().join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let after = readme.find(marker).expect("the README lost a marker");
    let fence = format!("```{language}\n");
    let start = after + readme[after..].find(&fence).unwrap() + fence.len();
    let end = start + readme[start..].find("\n```").unwrap();
    if std::env::var_os("MIG_BLESS").is_some() {
        let blessed = format!("{}{}{}", &readme[..start], text.trim_end(), &readme[end..]);
        std::fs::write(path, blessed).unwrap();
    } else {
        assert_eq!(
            &readme[start..end],
            text.trim_end(),
            "MIG_BLESS=1 writes it"
        );
    }
}

#[test]
fn the_readmes_samples_are_what_mig_has_and_says() {
    let plan = std::fs::read_to_string(root().join("plans/quickstart.yaml")).unwrap();
    let bare = plan
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    hold(
        "The text of plans/quickstart.yaml",
        "yaml",
        &bare.collect::<Vec<_>>().join("\n"),
    );

    let place = fresh();
    let planned = mig(place.path(), &["plan", "plans/quickstart.yaml"]).ends_with(0);
    hold(
        "From `mig plan plans/quickstart.yaml`",
        "text",
        &planned.out,
    );
}

/// What differs from run to run of a check, in the same width: the lineage in names.
fn with_one_lineage(text: &str) -> String {
    const LINEAGE: &str = "4f0c1d7a92be";
    let mut parts = text.split("mig-check-");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("mig-check-");
        out.push_str(LINEAGE);
        out.push_str(&part[LINEAGE.len()..]);
    }
    out
}

#[test]
fn the_readmes_checks_and_resets_are_what_mig_says() {
    let place = fresh();
    let checked = mig(place.path(), &["check", "plans/quickstart.yaml"]).ends_with(0);
    hold(
        "From `mig check plans/quickstart.yaml`",
        "text",
        &with_one_lineage(&checked.out),
    );
    let apply = ["apply", "plans/quickstart.yaml", "--auto-approve"];
    mig(place.path(), &apply).ends_with(0);
    let reset = ["reset", "plans/quickstart.yaml", "--auto-approve"];
    let reset = mig(place.path(), &reset).ends_with(0);
    // As it is shown before it is asked for.
    let shown = reset.out.split("\nReset.").next().unwrap();
    hold("From `mig reset plans/quickstart.yaml`", "text", shown);
}

#[test]
fn the_readmes_first_command_moves_the_shop_and_says_so_again() {
    let place = fresh();
    let apply = ["apply", "plans/quickstart.yaml", "--auto-approve"];
    mig(place.path(), &apply)
        .ends_with(0)
        .says("7 560 of 7 560 documents of 10 indices are equal");
    let status = ["backfill", "status", "-f", "plans/quickstart.yaml"];
    hold(
        "From `mig backfill status -f plans/quickstart.yaml`",
        "text",
        &mig(place.path(), &status).ends_with(0).out,
    );
    mig(place.path(), &apply)
        .ends_with(0)
        .says("No changes.")
        .says("7 560 of 7 560");
    mig(
        place.path(),
        &["plan", "plans/quickstart.yaml", "--detailed-exitcode"],
    )
    .ends_with(0);
}
