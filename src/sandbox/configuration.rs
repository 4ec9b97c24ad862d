//! What a server is started with: the files of its configuration directory, by product and version.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::catalogue::Server;
use super::error::SandboxError;
use super::places;

/// Packages that newer Javas closed after the servers were written.
const OPENED_PACKAGES: [&str; 5] = [
    "java.lang",
    "java.io",
    "java.nio",
    "java.util",
    "sun.nio.ch",
];

/// Lines of the distributions' `jvm.options` that are left out: flags that Java 17 refuses, the heap, which is ours to say
/// and need not be touched whole, a module that small runtimes lack, and files in the distribution, which is not the
/// server's to write to.
const LEFT_OUT: [&str; 12] = [
    "UseConcMarkSweepGC",
    "CMSInitiating",
    "UseParNewGC",
    "PrintGC",
    "Xloggc",
    "-Xlog",
    "-Xms",
    "-Xmx",
    "jdk.incubator.vector",
    "HeapDump",
    "ErrorFile",
    "AlwaysPreTouch",
];

/// What a node asks for.
pub(super) struct Wanted<'a> {
    pub(super) server: Server,
    pub(super) name: &'a str,
    pub(super) port: u16,
    pub(super) transport_port: u16,
    pub(super) heap_mib: u32,
    pub(super) repositories: &'a Path,
    pub(super) settings: &'a BTreeMap<String, Value>,
}

/// Writes the configuration directory of `node` for the distribution in `home`.
pub(super) fn write(home: &Path, node: &Path, wanted: &Wanted<'_>) -> Result<(), SandboxError> {
    let to = node.join("config");
    places::make(&to.join("jvm.options.d"))?;
    let from = home.join("config");
    let path = from.join("jvm.options");
    let shipped = match fs::read_to_string(&path) {
        // The oldest have their flags in a script.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "-Djna.nosys=true\n".into(),
        shipped => shipped.map_err(SandboxError::io("read", &path))?,
    };
    let word = wanted.server.product_word();
    put(
        &to.join("jvm.options"),
        &jvm_options(&shipped, wanted.heap_mib),
    )?;
    put(&to.join(format!("{word}.yml")), &settings(node, wanted))?;
    let log = from.join(wanted.server.logging_file());
    let text = fs::read_to_string(&log).map_err(SandboxError::io("read", &log))?;
    put(&to.join(wanted.server.logging_file()), &text)
}

fn put(path: &Path, text: &str) -> Result<(), SandboxError> {
    fs::write(path, text).map_err(SandboxError::io("write", path))
}

fn jvm_options(shipped: &str, heap_mib: u32) -> String {
    let mut text = String::new();
    for line in shipped.lines() {
        let plain = !line.trim().is_empty() && !line.starts_with('#');
        if plain && !LEFT_OUT.iter().any(|word| line.contains(word)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str(&format!("-Xms{heap_mib}m\n-Xmx{heap_mib}m\n"));
    for package in OPENED_PACKAGES {
        text.push_str(&format!("--add-opens=java.base/{package}=ALL-UNNAMED\n"));
    }
    text
}

/// Each value is written as JSON, which is YAML too.
fn settings(node: &Path, wanted: &Wanted<'_>) -> String {
    let path = |name: &str| json!(node.join(name).to_string_lossy());
    let mut all: BTreeMap<String, Value> = [
        (
            "cluster.name",
            json!(format!("mig-sandbox-{}", wanted.name)),
        ),
        ("node.name", json!(wanted.name)),
        ("network.host", json!("127.0.0.1")),
        ("http.port", json!(wanted.port)),
        (
            wanted.server.transport_port_setting(),
            json!(wanted.transport_port),
        ),
        ("path.data", path("data")),
        ("path.logs", path("logs")),
        ("path.repo", json!([wanted.repositories.to_string_lossy()])),
        // A nearly full disk of a developer's machine is no reason to refuse shards of a trial.
        (
            "cluster.routing.allocation.disk.threshold_enabled",
            json!(false),
        ),
    ]
    .into_iter()
    .chain(wanted.server.settings_of_one_node(wanted.transport_port))
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    all.extend(wanted.settings.clone());
    let lines: Vec<String> = all
        .iter()
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_java_refuses_are_left_out() {
        let shipped = "# heap\n-Xms1g\n8-13:-XX:+UseConcMarkSweepGC\n14-:-XX:+UseG1GC\n\n\
                       9-:-Xlog:gc*:file=logs/gc.log\n20-:--add-modules=jdk.incubator.vector\n";
        let options = jvm_options(shipped, 512);
        assert!(
            options.starts_with(
                "14-:-XX:+UseG1GC\n-Xms512m\n-Xmx512m\n--add-opens=java.base/java.lang="
            ),
            "{options}"
        );
    }

    #[test]
    fn a_node_s_own_settings_go_before() {
        let own = BTreeMap::from([
            ("http.port".to_owned(), json!(1)),
            ("a.b".to_owned(), json!("c: d")),
        ]);
        let wanted = Wanted {
            server: Server::parse("elasticsearch:7.10.2").unwrap(),
            name: "source",
            port: 2,
            transport_port: 3,
            heap_mib: 512,
            repositories: Path::new("/r e/p"),
            settings: &own,
        };
        let text = settings(Path::new("/node"), &wanted);
        for line in [
            "a.b: \"c: d\"",
            "http.port: 1",
            "path.data: \"/node/data\"",
            "path.repo: [\"/r e/p\"]",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}:\n{text}");
        }
    }

    #[test]
    fn settings_are_spelt_as_the_version_has_them() {
        let own = BTreeMap::new();
        let of = |server: &str| {
            let wanted = Wanted {
                server: Server::parse(server).unwrap(),
                name: "source",
                port: 2,
                transport_port: 3,
                heap_mib: 512,
                repositories: Path::new("/r"),
                settings: &own,
            };
            settings(Path::new("/node"), &wanted)
        };
        let old = of("elasticsearch:5.6.16");
        assert!(old.contains("transport.tcp.port: 3\n"), "{old}");
        assert!(old.contains("discovery.zen.ping.unicast.hosts: [\"127.0.0.1:3\"]\n"));
        assert!(!old.contains("discovery.type") && !old.contains("xpack"));
        let new = of("elasticsearch:8.17.0");
        assert!(new.contains("transport.port: 3\n") && new.contains("single-node"));
        assert!(new.contains("xpack.security.enabled: false\n"), "{new}");
        assert!(!of("opensearch:3.3.0").contains("xpack"));
    }
}
