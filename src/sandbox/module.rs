//! Modules that the minimal distributions lack: a jar from Maven, put into the `modules` folder with the description that
//! servers look for. A module that needs other jars beside it names them too, after commas.
//!
//! Deliberately absent: policies for what a module may do, but for the one that has to connect to other servers.

use std::fs::{self, File};
use std::path::Path;

use super::archive::{self, Tell};
use super::catalogue::Server;
use super::error::SandboxError;
use super::node::Plugin;
use super::places;

/// Ends the coordinates of what is a module and no plugin.
const JAR: &str = ":jar";

/// The module that copies from remote servers, and what it has to be allowed.
pub(super) const REINDEX: &str = "reindex";
const MAY_CONNECT: &str = "grant {\n  permission java.net.SocketPermission \"*\", \"connect,resolve\";\n  permission \
                           java.net.NetPermission \"getProxySelector\";\n};\n";

/// Begins the line of a description that names what is extended.
const EXTENDS: &str = "extended.plugins=";

/// Whether it is a module.
pub(super) fn is_module(plugin: &Plugin) -> bool {
    plugin.coordinates.ends_with(JAR)
}

/// Puts a module into the distribution that stands in `home`.
pub(super) fn add(
    server: Server,
    module: &Plugin,
    home: &Path,
    tell: Tell<'_>,
) -> Result<(), SandboxError> {
    let into = home.join("modules").join(&module.name);
    places::make(&into)?;
    let mut class = None;
    for (number, coordinates) in module.coordinates.split(',').enumerate() {
        let jar = archive::fetched(coordinates, tell)?;
        let name = match number {
            0 => "module.jar".to_owned(),
            number => format!("beside-{number}.jar"),
        };
        let copy = into.join(name);
        fs::copy(&jar, &copy).map_err(SandboxError::io("write", &copy))?;
        archive::readable(&copy)?;
        if class.is_none() {
            class = Some(class_of(&jar)?);
        }
    }
    let class = class.unwrap_or_default();
    let path = into.join("plugin-descriptor.properties");
    written(&path, &descriptor(server, &module.name, &class))?;
    if module.name == REINDEX {
        written(&into.join("plugin-security.policy"), MAY_CONNECT)?;
    }
    Ok(())
}

fn written(path: &Path, text: &str) -> Result<(), SandboxError> {
    fs::write(path, text).map_err(SandboxError::io("write", path))?;
    archive::readable(path)
}

/// The class that a server loads: of several the first, which is the one for modules where OpenSearch has two.
fn class_of(jar: &Path) -> Result<String, SandboxError> {
    let wrong = |reason: String| SandboxError::Archive {
        path: jar.to_owned(),
        reason,
    };
    let file = File::open(jar).map_err(SandboxError::io("open", jar))?;
    let packed = zip::ZipArchive::new(file).map_err(|error| wrong(error.to_string()))?;
    let classes = packed.file_names().filter_map(|name| {
        let name = name.ok()?;
        let class = name.strip_suffix(".class")?;
        class.ends_with("Plugin").then(|| class.replace('/', "."))
    });
    classes
        .min()
        .ok_or_else(|| wrong("holds no class of a plugin".to_owned()))
}

/// Lets a plugin do without the others that it extends where the distribution lacks them: what it adds to them is lost, and
/// it does the rest.
pub(super) fn without_absent(plugin: &Path, root: &Path) -> Result<(), SandboxError> {
    let path = plugin.join("plugin-descriptor.properties");
    let text = fs::read_to_string(&path).map_err(SandboxError::io("read", &path))?;
    let there = |name: &&str| {
        let name = name.trim();
        root.join("modules").join(name).is_dir() || root.join("plugins").join(name).is_dir()
    };
    let lines = text.lines().map(|line| match line.strip_prefix(EXTENDS) {
        Some(names) => {
            let kept: Vec<&str> = names.split(',').filter(there).collect();
            format!("{EXTENDS}{}\n", kept.join(","))
        }
        None => format!("{line}\n"),
    });
    written(&path, &lines.collect::<String>())
}

fn descriptor(server: Server, name: &str, class: &str) -> String {
    let version = server.version().version;
    let lines = [
        ("name", name),
        ("description", name),
        ("version", &version.to_string()),
        (
            &format!("{}.version", server.product_word()),
            &version.to_string(),
        ),
        // The least that any of these servers runs on.
        ("java.version", "1.8"),
        ("classname", class),
        ("extended.plugins", ""),
        ("has.native.controller", "false"),
    ];
    let lines: Vec<String> = lines
        .iter()
        .map(|(key, value)| format!("{key}={value}\n"))
        .collect();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_not_there_is_not_extended() {
        let place = tempfile::tempdir().unwrap();
        let plugin = place.path().join("plugins/vectors");
        fs::create_dir_all(&plugin).unwrap();
        fs::create_dir_all(place.path().join("modules/there")).unwrap();
        let path = plugin.join("plugin-descriptor.properties");
        fs::write(&path, "name=vectors\nextended.plugins=absent,there\n").unwrap();
        without_absent(&plugin, place.path()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "name=vectors\nextended.plugins=there\n");
    }

    #[test]
    fn the_class_for_modules_goes_first() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.jar");
        let mut writer = zip::ZipWriter::new(File::create(&path).unwrap());
        for name in [
            "a/JoinPlugin.class",
            "a/JoinModulePlugin.class",
            "a/B.class",
        ] {
            writer
                .start_file(name, zip::write::SimpleFileOptions::default())
                .unwrap();
            writer.write_all(b"x").unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(class_of(&path).unwrap(), "a.JoinModulePlugin");
        let server = Server::parse("opensearch:2.19.1").unwrap();
        let text = descriptor(server, "join", "a.JoinModulePlugin");
        assert!(text.contains("opensearch.version=2.19.1\n"), "{text}");
        assert!(text.contains("classname=a.JoinModulePlugin\n"), "{text}");
    }
}
