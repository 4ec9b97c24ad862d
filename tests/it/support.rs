//! A place to run the real binary in: a directory with a plan over a fixture, and what a run answered.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The repository that the plans of these tests read.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/es-7.10.2")
        .join(name)
}

/// A directory with `plan.yaml`.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

/// What a run answered.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails the test with all that was said when the code is another.
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.out, self.err
        );
        self
    }

    /// Wherever lines are broken: what stands before a text moves where that is.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (out, err, wanted) = (words(&self.out), words(&self.err), words(text));
        assert!(
            out.contains(&wanted) || err.contains(&wanted),
            "`{text}` is missing\nstdout:\n{}\nstderr:\n{}",
            self.out,
            self.err
        );
        self
    }
}

/// The phases of the small plan that most tests use.
pub(crate) const PHASES: &str =
    "  base:     { snapshot: { existing: { store: snapshots, name: nightly-1 } } }
  mappings: { metadata: { from: base, to: os } }
  docs:     { backfill: { from: base, to: os, workers: 2 } }
  same:     { verify: { source: base, target: os, content: full } }
";

impl Place {
    /// With the small plan.
    pub(crate) fn new() -> Self {
        Self::with(PHASES)
    }

    /// With these phases over the shop fixture and a directory target.
    pub(crate) fn with(phases: &str) -> Self {
        let place = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        place.write_plan(phases);
        place
    }

    /// With nothing in it.
    pub(crate) fn empty() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// With this text as its plan.
    #[allow(dead_code, reason = "for the tests on real clusters")]
    pub(crate) fn of_plan(text: &str) -> Self {
        let place = Self::empty();
        std::fs::write(place.path("plan.yaml"), text).unwrap();
        place
    }

    pub(crate) fn write_plan(&self, phases: &str) {
        let text = format!(
            "mig: 1\nplan: test\nstate: state\nclusters:\n  os: {{ directory: out, as: \"2.19\" }}\n\
             stores:\n  snapshots: {{ directory: {} }}\nphases:\n{phases}",
            fixture("shop").display()
        );
        std::fs::write(self.path("plan.yaml"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mig"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env("NO_COLOR", "1")
            .env_remove("MIG_USER")
            .env_remove("COLUMNS")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn mig(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().unwrap())
    }

    pub(crate) fn apply(&self) -> Ran {
        self.mig(&["apply", "--auto-approve"])
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Every NDJSON file of the target, sorted.
    pub(crate) fn ndjson(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.path("out")];
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    open.push(path);
                } else if path
                    .extension()
                    .is_some_and(|extension| extension == "ndjson")
                {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// Takes one document (its action and its source) out of the largest file of the target.
    pub(crate) fn lose_a_document(&self) {
        let largest = self
            .ndjson()
            .into_iter()
            .max_by_key(|path| path.metadata().unwrap().len())
            .expect("the target holds documents");
        let text = std::fs::read_to_string(&largest).unwrap();
        let kept: Vec<&str> = text.lines().skip(2).collect();
        std::fs::write(&largest, kept.join("\n") + "\n").unwrap();
    }

    pub(crate) fn journal(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("state/journal.jsonl")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The types of the events of a run.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Nothing is left to do, and what was done is proved.
    #[track_caller]
    pub(crate) fn is_finished(&self) {
        self.mig(&["plan", "--detailed-exitcode"]).ends_with(0);
        let status = self.mig(&["status", "--format", "json"]).ends_with(0);
        let status: Value = serde_json::from_str(&status.out).unwrap();
        for phase in status["phases"].as_array().unwrap() {
            assert_eq!(phase["status"], "done", "{status:#}");
        }
    }
}

/// The phase that the journal says was running last.
pub(crate) fn phase_at_the_kill(place: &Place) -> String {
    let Ok(text) = std::fs::read_to_string(place.path("state/journal.jsonl")) else {
        return "before the state".into();
    };
    let mut phase = "between phases".to_owned();
    for line in text.lines() {
        let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        let entry = &line["entry"];
        if let Some(address) = entry["phase-started"]["address"].as_str() {
            address.clone_into(&mut phase);
        } else if entry.get("phase-done").is_some() {
            phase = "between phases".into();
        }
    }
    phase
}

/// A histogram of kills, for people.
#[allow(clippy::print_stdout, reason = "what a failure is repeated with")]
pub(crate) fn print(histogram: &std::collections::BTreeMap<String, usize>) {
    for (phase, kills) in histogram {
        println!("  {kills:>4}  {phase}");
    }
}

/// A small generator, so that a seed repeats a run.
pub(crate) fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
