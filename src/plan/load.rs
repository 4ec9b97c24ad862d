//! Loading a plan: the one place of the language that reads anything from outside.
//!
//! Relies on `expand` for fragments and hops and on `resolve` for meaning. The environment comes as a value, and files
//! through a `Reader`, so tests need neither. Deliberately absent: writing; clusters; a clock.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::codes::language as code;
use super::decode::Context;
use super::diagnostics::{self, Diagnostic, Severity};
use super::expand::{Expanded, Expander};
use super::language;
use super::location::{Location, SourceFile};
use super::model::{CheckTransform, Plan};
use super::{lint, resolve, secrets};

/// What is given beside the file.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// `--var k=v`, in order; the last one of a name counts.
    pub vars: Vec<(String, String)>,
    /// `--var-file`, in order; the last one that has a name counts. From the working directory.
    pub var_files: Vec<PathBuf>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The codes of the translation rules that `rules:` may name; `None` accepts any.
    pub rules: Option<&'static [&'static str]>,
    /// Tells what is wrong with a transform (a script that does not compile, a format that is none); `None` takes any.
    pub check_transform: Option<CheckTransform>,
}

impl LoadOptions {
    /// With the environment of this process. Variables that are not UTF-8 can't be named in a plan and are left out.
    pub fn from_environment() -> Self {
        Self {
            env: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            ..Self::default()
        }
    }
}

/// What loading gives: a plan unless there are errors, and everything there is to say.
#[derive(Debug)]
pub struct LoadOutcome {
    /// The plan, when no diagnostic is an error.
    pub plan: Option<Plan>,
    /// All findings, by place.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read, for showing places; secrets in them are masked.
    pub files: Vec<SourceFile>,
}

impl LoadOutcome {
    /// How many findings have the severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == severity)
            .count()
    }
}

/// Where files come from.
pub trait Reader {
    /// The content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSystem;

impl Reader for FileSystem {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        // One byte more than the limit shows that a file is beyond it, without reading all of it.
        std::fs::File::open(path)?
            .take(super::syntax::FILE_BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Files in memory, for tests.
impl Reader for BTreeMap<PathBuf, Vec<u8>> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.get(path)
            .cloned()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

/// Loads a plan from the file system.
pub fn load(path: &Path, options: &LoadOptions) -> LoadOutcome {
    load_with(&FileSystem, path, options)
}

/// Loads a plan from anywhere.
pub fn load_with(reader: &dyn Reader, path: &Path, options: &LoadOptions) -> LoadOutcome {
    let mut files = Files::new(reader);
    let mut found = Vec::new();
    let plan = run(&mut files, path, options, &mut found);
    let failed = found
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error);
    let mut sources = files.sources;
    secrets::mask(&mut sources, &found);
    diagnostics::sort(&mut found);
    LoadOutcome {
        plan: plan.filter(|_| !failed).map(|mut plan| {
            plan.files.clone_from(&sources);
            plan
        }),
        diagnostics: found,
        files: sources,
    }
}

fn run(
    files: &mut Files<'_>,
    path: &Path,
    options: &LoadOptions,
    found: &mut Vec<Diagnostic>,
) -> Option<Plan> {
    let expanded = Expander::new(files, options, found).plan(path)?;
    let texts = files.texts(&expanded, found);
    let mut cx = Context {
        diagnostics: found,
        directories: &files.directories,
    };
    let plan = resolve::plan(&expanded, &texts, options, &mut cx);
    let directory = files.directories.first().cloned().unwrap_or_default();
    let plan = plan.map(|mut plan| {
        plan.directory = directory;
        plan
    });
    let allowed = expanded.allowed();
    // Lints of a plan with errors would mostly be consequences of them.
    let errors = found
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error);
    if let (Some(plan), false) = (&plan, errors) {
        lint::run(plan, &expanded, found);
    }
    found.retain(|diagnostic| {
        !(diagnostic.code.is_lint() && allowed.contains(&diagnostic.code.to_string()))
    });
    plan
}

/// The files of one load; each is read once and keeps its number.
pub(crate) struct Files<'a> {
    reader: &'a dyn Reader,
    pub(crate) sources: Vec<SourceFile>,
    pub(crate) directories: Vec<PathBuf>,
    numbers: BTreeMap<PathBuf, u32>,
}

/// How many files a plan may consist of.
const FILES_MAX: usize = 256;

/// Scripts, and documents of tests, by path: the number of the file and its text.
pub(crate) type Texts = BTreeMap<PathBuf, (u32, String)>;

impl<'a> Files<'a> {
    fn new(reader: &'a dyn Reader) -> Self {
        Self {
            reader,
            sources: Vec::new(),
            directories: Vec::new(),
            numbers: BTreeMap::new(),
        }
    }

    /// Reads a file, where it isn't read yet, and gives its number. `named_at` is where it is asked for.
    pub(crate) fn read(
        &mut self,
        path: &Path,
        named_at: Option<Location>,
    ) -> Result<u32, Box<Diagnostic>> {
        if let Some(number) = self.numbers.get(path) {
            return Ok(*number);
        }
        let located = |mut diagnostic: Diagnostic| {
            diagnostic.location = named_at;
            Box::new(diagnostic)
        };
        if self.sources.len() >= FILES_MAX {
            return Err(located(Diagnostic::new(
                code::LIMIT,
                format!("a plan consists of at most {FILES_MAX} files"),
            )));
        }
        let name = path.display().to_string();
        let bytes = self.reader.read(path).map_err(|error| {
            let reason = match error.kind() {
                io::ErrorKind::NotFound => "it does not exist".to_owned(),
                io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
                _ => error.to_string(),
            };
            located(
                Diagnostic::new(
                    code::UNREADABLE_FILE,
                    format!("can't read `{name}`: {reason}"),
                )
                .help(if named_at.is_some() {
                    "paths start from the directory of the file that names them"
                } else {
                    "name the plan with `-f FILE`"
                }),
            )
        })?;
        let text = String::from_utf8(bytes).map_err(|_| {
            located(
                Diagnostic::new(code::UNREADABLE_FILE, format!("`{name}` is not UTF-8 text"))
                    .help("save it as UTF-8"),
            )
        })?;
        let number = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
        self.sources.push(SourceFile { name, text });
        self.directories
            .push(path.parent().map(Path::to_path_buf).unwrap_or_default());
        self.numbers.insert(path.to_path_buf(), number);
        Ok(number)
    }

    /// Reads the scripts and documents that transforms and tests name; tells of those that can't be read.
    fn texts(&mut self, expanded: &Expanded, found: &mut Vec<Diagnostic>) -> Texts {
        let mut paths: Vec<(&PathBuf, Location)> = Vec::new();
        let file = &expanded.plan;
        for (_, transform) in file.transforms.iter().flat_map(|it| &it.0) {
            for step in transform.steps.iter().flatten() {
                if let language::Step::Jq(jq) = step {
                    paths.extend(jq.file.iter().map(|file| (&file.path, file.location)));
                }
            }
        }
        for (_, test) in file.tests.iter().flat_map(|it| &it.0) {
            if let language::Test::Document(test) = test {
                let files = test.in_file.iter().chain(&test.out_file);
                paths.extend(files.map(|file| (&file.path, file.location)));
            }
        }
        let mut texts = Texts::new();
        for (path, location) in paths {
            match self.read(path, Some(location)) {
                Ok(number) => {
                    texts.insert(path.clone(), (number, self.text(number).to_owned()));
                }
                Err(diagnostic) => found.push(*diagnostic),
            }
        }
        texts
    }

    pub(crate) fn text(&self, number: u32) -> &str {
        self.sources
            .get(number as usize)
            .map_or("", |source| source.text.as_str())
    }
}
