//! Finds a Java that a server runs on: among what is installed, else one that is fetched into the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::archive::{self, Tell};
use super::catalogue::Server;
use super::error::SandboxError;
use super::user::RunAs;

/// Where distributions of Linux put their Javas.
const INSTALLED: &str = "/usr/lib/jvm";

/// The home of a Java for the server.
pub(super) fn home(
    server: Server,
    user: Option<&RunAs>,
    tell: Tell<'_>,
) -> Result<PathBuf, SandboxError> {
    let wanted = server.java();
    let fits = |home: &PathBuf| {
        user.is_none_or(|user| user.first_closed(home).is_none())
            && version(home).is_some_and(|version| wanted.contains(&version))
    };
    if let Some(home) = candidates().into_iter().find(fits) {
        return Ok(home);
    }
    let fetch = server.java_to_fetch();
    archive::java(fetch, user, tell)?.ok_or_else(|| SandboxError::NoProgram {
        program: "pip",
        wanted_for: format!("fetching a Java for {server}"),
        help: format!(
            "install Java {} to {} and let JAVA_HOME name it, or install pip (Debian: apt-get install python3-pip)",
            wanted.start(),
            wanted.end()
        ),
    })
}

/// Homes where there may be a Java, those that the user chose first.
fn candidates() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut add = |home: PathBuf| {
        if home.join("bin/java").exists() && !found.contains(&home) {
            found.push(home);
        }
    };
    if let Some(home) = std::env::var_os("JAVA_HOME") {
        add(home.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for directory in std::env::split_paths(&path) {
        // Often a link to the real one; a wrapper script without a home around it is passed over.
        if let Ok(java) = directory.join("java").canonicalize()
            && let Some(home) = java.parent().and_then(Path::parent)
        {
            add(home.to_owned());
        }
    }
    let mut installed: Vec<PathBuf> = fs::read_dir(INSTALLED)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.path().canonicalize().ok())
        .collect();
    installed.sort();
    installed.into_iter().for_each(add);
    found
}

/// The major version of a Java: from its `release` file, else by asking it.
fn version(home: &Path) -> Option<u32> {
    let told = fs::read_to_string(home.join("release")).ok();
    let told = told.as_deref().and_then(of_release);
    told.or_else(|| {
        let output = Command::new(home.join("bin/java"))
            .arg("-version")
            .output()
            .ok()?;
        of_words(&String::from_utf8_lossy(&output.stderr))
    })
}

fn of_release(text: &str) -> Option<u32> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    major(line.trim().trim_matches('"'))
}

/// `openjdk version "17.0.15" 2025-04-15`
fn of_words(text: &str) -> Option<u32> {
    let line = text.lines().find(|line| line.contains(" version \""))?;
    major(line.split('"').nth(1)?)
}

/// `17.0.15` is 17; `1.8.0_402` is 8.
fn major(version: &str) -> Option<u32> {
    let mut numbers = version.split(['.', '-', '+', '_']);
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        number => Some(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_files_and_words() {
        let release = "IMPLEMENTOR=\"Debian\"\nJAVA_VERSION=\"17.0.15\"\nOS_ARCH=\"x86_64\"\n";
        assert_eq!(of_release(release), Some(17));
        assert_eq!(
            of_words("openjdk version \"25\" 2025-09-16 LTS\nmore"),
            Some(25)
        );
        assert_eq!(of_words("java version \"1.8.0_402\""), Some(8));
        assert_eq!(of_words("bash: java: not found"), None);
        assert_eq!(major("21-ea"), Some(21));
    }
}
