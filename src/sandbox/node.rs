//! One server of a sandbox: its folder, its start, its end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::archive::{self, Tell};
use super::catalogue::{Launch, Server};
use super::configuration::{self, Wanted};
use super::error::SandboxError;
use super::process::{self, ProcessId};
use super::record::Record;
use super::user::RunAs;
use super::{java, limits, places, ports};
use crate::base::version::{Product, ProductVersion};
use crate::clients::cluster::{ClusterClient, ClusterError, Request};
use crate::plan::location::Location;
use crate::plan::model::{Access, Auth, Cluster, ClusterAt, Nodes, Tls};

/// What a node should be.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Which server.
    pub server: Server,
    /// The port of loopback. Where not given: the one that it had before, else any that is free.
    pub port: Option<u16>,
    /// The heap of its Java.
    pub heap_mib: u32,
    /// Settings beyond those that every node has.
    pub settings: BTreeMap<String, Value>,
    /// What is put into its `plugins` folder, or `modules` where it is a jar.
    pub plugins: Vec<Plugin>,
}

impl NodeSpec {
    /// With nothing special.
    pub fn new(server: Server) -> Self {
        Self {
            server,
            port: None,
            heap_mib: 512,
            settings: BTreeMap::new(),
            plugins: Vec::new(),
        }
    }
}

/// A plugin that Maven carries as a zip archive, or a module that it carries as a jar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// Its folder's name.
    pub name: String,
    /// `group:artifact:version:zip`, or `…:jar`.
    pub coordinates: String,
}

/// What became of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It ran already.
    Adopted,
    /// It was started.
    Now,
}

/// Whether a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It does.
    Running(ProcessId),
    /// It should and does not.
    Died,
    /// It should not.
    Stopped,
}

/// A node of a sandbox.
#[derive(Clone, Debug)]
pub struct Node {
    name: String,
    directory: PathBuf,
}

impl Node {
    pub(super) fn new(sandbox: &Path, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            directory: sandbox.join(name),
        }
    }

    /// Its name in the sandbox.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the server says goes here.
    pub fn log(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    /// The folder whose files the server reads at its start; what is put there before the start stays.
    pub fn configuration(&self) -> PathBuf {
        self.directory.join("config")
    }

    pub(super) fn record(&self) -> Result<Option<Record>, SandboxError> {
        Record::read(&self.directory)
    }

    fn existing(&self) -> Result<Record, SandboxError> {
        self.record()?.ok_or_else(|| SandboxError::NoNode {
            node: self.name.clone(),
            directory: self
                .directory
                .parent()
                .unwrap_or(&self.directory)
                .to_owned(),
        })
    }

    /// Whether it was ever started and not deleted since.
    pub fn is_there(&self) -> Result<bool, SandboxError> {
        Ok(self.record()?.is_some())
    }

    /// What it is.
    pub fn server(&self) -> Result<Server, SandboxError> {
        Server::parse(&self.existing()?.server)
    }

    /// Where it answers.
    pub fn url(&self) -> Result<String, SandboxError> {
        Ok(format!("http://127.0.0.1:{}", self.existing()?.port))
    }

    /// A client that may write. Not for a node with security settings of its own.
    pub fn client(&self) -> Result<ClusterClient, SandboxError> {
        Ok(ClusterClient::open(&Cluster {
            at: ClusterAt::Endpoint(self.url()?),
            product: None,
            version: None,
            access: Access::ReadWrite,
            auth: Auth::None,
            tls: Tls::default(),
            nodes: Nodes::default(),
            compress: None,
            location: Location::default(),
        })?)
    }

    /// Whether it runs.
    pub fn presence(&self) -> Result<Presence, SandboxError> {
        let Some(record) = self.record()? else {
            return Ok(Presence::Stopped);
        };
        Ok(match record.process.filter(ProcessId::is_alive) {
            Some(process) => Presence::Running(process),
            None if record.wanted => Presence::Died,
            None => Presence::Stopped,
        })
    }

    /// Starts it unless it runs, and waits until it answers.
    pub fn up(
        &self,
        spec: &NodeSpec,
        repositories: &Path,
        tell: Tell<'_>,
    ) -> Result<Started, SandboxError> {
        let started = self.launch(spec, repositories, tell)?;
        let client = self.client()?;
        self.wait(&client)?;
        Ok(started)
    }

    /// Starts it again as it was, and waits until it answers.
    pub fn restart(&self, tell: Tell<'_>) -> Result<Started, SandboxError> {
        let record = self.existing()?;
        let spec = NodeSpec {
            server: Server::parse(&record.server)?,
            port: Some(record.port),
            heap_mib: record.heap_mib,
            settings: record.settings,
            plugins: record.plugins,
        };
        self.up(&spec, &record.repositories, tell)
    }

    /// Starts it unless it runs, without waiting for an answer.
    pub fn launch(
        &self,
        spec: &NodeSpec,
        repositories: &Path,
        tell: Tell<'_>,
    ) -> Result<Started, SandboxError> {
        if !process::is_supported() {
            return Err(SandboxError::NotLinux);
        }
        let user = RunAs::needed()?;
        if let Some(user) = &user
            && let Some(directory) = [&self.directory, repositories]
                .into_iter()
                .find_map(|path| user.first_closed(path))
        {
            return Err(SandboxError::Closed {
                directory,
                user: user.name.clone(),
            });
        }
        places::make(&self.directory)?;
        let _one = self.lock()?;
        let before = self.record()?;
        if let Some(before) = &before {
            let runs = before.process.as_ref().is_some_and(ProcessId::is_alive);
            self.is_same(before, spec, runs)?;
            if runs {
                return Ok(Started::Adopted);
            }
        }
        self.end_strays(spec.server)?;
        let port = match spec.port.or(before.as_ref().map(|before| before.port)) {
            Some(port) if ports::is_free(port) => port,
            Some(port) => {
                return Err(SandboxError::PortTaken {
                    node: self.name.clone(),
                    port,
                });
            }
            None => ports::any().map_err(SandboxError::io("find a port for", &self.directory))?,
        };
        let home = archive::home(spec.server, &spec.plugins, user.as_ref(), tell)?;
        let java = java::home(spec.server, user.as_ref(), tell)?;
        self.prepare(spec, port, repositories, &home, user.as_ref())?;
        let mut record = Record {
            format: Record::FORMAT,
            server: spec.server.to_string(),
            port,
            heap_mib: spec.heap_mib,
            repositories: repositories.to_owned(),
            settings: spec.settings.clone(),
            plugins: spec.plugins.clone(),
            wanted: true,
            process: None,
        };
        record.write(&self.directory)?;
        let pid = self.spawn(spec.server, &home, &java, user.as_ref())?;
        // One that has ended already is found by the wait for it.
        record.process = ProcessId::of(pid);
        record.write(&self.directory)?;
        Ok(Started::Now)
    }

    /// One that runs keeps its port; one that does not may move.
    fn is_same(&self, before: &Record, spec: &NodeSpec, runs: bool) -> Result<(), SandboxError> {
        let wanted = spec.server.to_string();
        let other = |found: String, wanted: String| SandboxError::OtherServer {
            node: self.name.clone(),
            directory: self
                .directory
                .parent()
                .unwrap_or(&self.directory)
                .to_owned(),
            found,
            wanted,
        };
        if before.server != wanted {
            return Err(other(before.server.clone(), wanted));
        }
        match spec.port {
            Some(port) if runs && port != before.port => Err(other(
                format!("{} on port {}", before.server, before.port),
                format!("on port {port}"),
            )),
            _ => Ok(()),
        }
    }

    /// Folders and files of the node, with their owner.
    fn prepare(
        &self,
        spec: &NodeSpec,
        port: u16,
        repositories: &Path,
        home: &Path,
        user: Option<&RunAs>,
    ) -> Result<(), SandboxError> {
        places::make(repositories)?;
        let transport_port =
            ports::any().map_err(SandboxError::io("find a port for", &self.directory))?;
        let wanted = Wanted {
            server: spec.server,
            name: &self.name,
            port,
            transport_port,
            heap_mib: spec.heap_mib,
            repositories,
            settings: &spec.settings,
        };
        configuration::write(home, &self.directory, &wanted)?;
        for folder in ["data", "logs", "tmp", "plugins"] {
            places::make(&self.directory.join(folder))?;
        }
        if let Some(user) = user {
            for folder in ["config", "data", "logs", "tmp", "plugins"] {
                user.give(&self.directory.join(folder))?;
            }
            // What is in there belongs to whoever made it.
            std::os::unix::fs::chown(repositories, Some(user.uid), Some(user.gid))
                .map_err(SandboxError::io("give away", repositories))?;
        }
        Ok(())
    }

    /// Starts the distribution's own script, which becomes the server or waits for it: one process or two, in a group of
    /// their own, so that neither Ctrl-C nor a lost terminal reaches it.
    fn spawn(
        &self,
        server: Server,
        home: &Path,
        java: &Path,
        user: Option<&RunAs>,
    ) -> Result<u32, SandboxError> {
        let path = self.log();
        let log = File::create(&path).map_err(SandboxError::io("write", &path))?;
        let log_too = log.try_clone().map_err(SandboxError::io("write", &path))?;
        let prefix = server.environment_prefix();
        let mut command = self.program(server, home, java);
        command
            .current_dir(home)
            .env(
                "PATH",
                std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()),
            )
            .env("HOME", self.directory.join("tmp"))
            .env("LANG", "C.UTF-8")
            .env("JAVA_HOME", java)
            .env(format!("{prefix}_JAVA_HOME"), java)
            .env(self.configuration_variable(server), self.configuration())
            .env(format!("{prefix}_TMPDIR"), self.directory.join("tmp"))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .process_group(0);
        if let Some(user) = user {
            command.uid(user.uid).gid(user.gid);
        }
        let program = command.get_program().to_owned();
        let mut child = command
            .spawn()
            .map_err(SandboxError::io("start", Path::new(&program)))?;
        let pid = child.id();
        // Reaps it in case it ends before this process does.
        std::thread::spawn(move || drop(child.wait()));
        Ok(pid)
    }

    /// What is started, with the arguments that the server is told its configuration by.
    fn program(&self, server: Server, home: &Path, java: &Path) -> Command {
        let clean = |program: PathBuf| {
            let mut command = Command::new(program);
            command.env_clear();
            command
        };
        let script = || clean(home.join("bin").join(server.product_word()));
        let named = |option: &str, path: &Path| {
            let mut argument = OsString::from(option);
            argument.push(path);
            argument
        };
        let configuration = self.configuration();
        let options = configuration.join("jvm.options");
        match server.launch() {
            Launch::Script => script(),
            Launch::ScriptWithArguments => {
                let mut command = script();
                command
                    .arg(named("-Epath.conf=", &configuration))
                    .env("ES_JVM_OPTIONS", options);
                command
            }
            Launch::Java => {
                let mut command = clean(java.join("bin/java"));
                command
                    .arg(named("@", &options))
                    .arg(named("-Djava.io.tmpdir=", &self.directory.join("tmp")))
                    .arg(named("-Des.path.home=", home))
                    .arg(named("-Des.path.conf=", &configuration))
                    // Its distribution has none, and it would make one there.
                    .arg(named("-Des.path.plugins=", &self.directory.join("plugins")))
                    .arg("-cp")
                    .arg(named("", &home.join("lib/*")))
                    .args(["org.elasticsearch.bootstrap.Elasticsearch", "start"]);
                command
            }
        }
    }

    #[allow(clippy::unused_self)] // of this node's processes
    fn configuration_variable(&self, server: Server) -> String {
        format!("{}_PATH_CONF", server.environment_prefix())
    }

    /// Ends what a start left whose process was not written down.
    fn end_strays(&self, server: Server) -> Result<(), SandboxError> {
        let variable = self.configuration_variable(server);
        for stray in process::with_environment(&variable, &self.configuration()) {
            self.end(&stray)?;
        }
        Ok(())
    }

    fn end(&self, process: &ProcessId) -> Result<(), SandboxError> {
        if process.end(limits::STOP) {
            Ok(())
        } else {
            Err(SandboxError::DoesNotStop {
                node: self.name.clone(),
                pid: process.pid,
            })
        }
    }

    /// Waits until it answers the client as itself.
    pub fn wait(&self, client: &ClusterClient) -> Result<(), SandboxError> {
        let server = self.server()?;
        let deadline = Instant::now() + limits::START;
        let request = || {
            Request::get("/_cluster/health?wait_for_status=yellow&timeout=2s")
                .within(limits::POLL * 50)
        };
        let failed = |what: String| SandboxError::DidNotStart {
            node: self.name.clone(),
            server: server.to_string(),
            what,
            log: self.log(),
            tail: tail(&self.log()),
        };
        loop {
            if !matches!(self.presence()?, Presence::Running(_)) {
                return Err(failed("ended at its start".to_owned()));
            }
            let last = match client.json(request()) {
                Ok(health) if health["timed_out"] == Value::Bool(false) => break,
                Ok(health) => format!("is {} only", health["status"]),
                Err(error @ (ClusterError::Setup { .. } | ClusterError::ReadOnly { .. })) => {
                    return Err(error.into());
                }
                Err(error) => format!("does not answer ({error})"),
            };
            if Instant::now() >= deadline {
                return Err(failed(format!(
                    "{last} after {} s",
                    limits::START.as_secs()
                )));
            }
            std::thread::sleep(limits::POLL);
        }
        let found = match client.about() {
            Ok(about) => about.version,
            // Minimal distributions of Elasticsearch 8 and 9 lack the module that answers there.
            Err(error) if error.status() == Some(405) => {
                let nodes = client.json(Request::get(
                    "/_nodes/_all/none?filter_path=nodes.*.version",
                ))?;
                let nodes = nodes["nodes"].as_object().into_iter().flatten();
                let mut versions = nodes.filter_map(|(_, node)| node["version"].as_str());
                let version = versions.next().and_then(|version| version.parse().ok());
                let Some(version) = version else {
                    return Err(failed("does not say which version it is".to_owned()));
                };
                ProductVersion {
                    product: Product::Elasticsearch,
                    version,
                }
            }
            Err(error) => return Err(error.into()),
        };
        if found != server.version() {
            return Err(failed(format!("is {found} in truth")));
        }
        Ok(())
    }

    /// Stops it; whether it ran.
    pub fn down(&self) -> Result<bool, SandboxError> {
        let Some(_) = self.record()? else {
            return Ok(false);
        };
        let _one = self.lock()?;
        let Some(mut record) = self.record()? else {
            return Ok(false);
        };
        let ran = record.process.as_ref().is_some_and(ProcessId::is_alive);
        record.wanted = false;
        record.write(&self.directory)?;
        if let Some(process) = &record.process {
            self.end(process)?;
        }
        if let Ok(server) = Server::parse(&record.server) {
            self.end_strays(server)?;
        }
        record.process = None;
        record.write(&self.directory)?;
        Ok(ran)
    }

    /// Removes a node that is down, with its data.
    pub fn delete(&self) -> Result<(), SandboxError> {
        fs::remove_dir_all(&self.directory).map_err(SandboxError::io("remove", &self.directory))
    }

    fn lock(&self) -> Result<File, SandboxError> {
        let path = self.directory.join("lock");
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(SandboxError::io("open", &path))?;
        file.lock().map_err(SandboxError::io("lock", &path))?;
        Ok(file)
    }
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let read = || {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(
            length.saturating_sub(limits::LOG_TAIL_BYTES),
        ))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    };
    read().unwrap_or_default()
}
