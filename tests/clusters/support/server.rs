//! Servers: shared ones, and ones of a test's own.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use mig::clients::cluster::{ClusterClient, ClusterError, Request};
use mig::plan::location::Location;
use mig::plan::model::{Access, Auth, Cluster, ClusterAt, Tls};
use mig::sandbox::process::ProcessId;
use mig::sandbox::{Node, NodeSpec, Presence, Sandbox};
use rustix::process::Signal;
use serde_json::Value;

/// A running server.
pub(crate) struct Server {
    url: String,
    client: ClusterClient,
    repositories: PathBuf,
    /// Ours to start and stop; nothing for one that `MIG_TEST_SERVERS` names.
    node: Option<Node>,
    /// Whether it ends with this value.
    own: bool,
}

/// How a test's own server differs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Of `elasticsearch.yml` or `opensearch.yml`.
    pub(crate) settings: Vec<(&'static str, Value)>,
    /// 512 where nothing is said.
    pub(crate) heap_mib: Option<u32>,
    /// Whether the modules are added that its distribution lacks.
    pub(crate) with_modules: bool,
    /// Whether those are added that run pipelines and templates of searches.
    pub(crate) with_ingest: bool,
    /// Whether analysers and vectors are added too, where there are any.
    pub(crate) with_extensions: bool,
}

/// The shared Elasticsearch 7.10.2.
pub(crate) fn elasticsearch() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::shared("elasticsearch:7.10.2"))
}

/// The shared OpenSearch 2.19.1.
pub(crate) fn opensearch2() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::shared("opensearch:2.19.1"))
}

/// The shared OpenSearch 3.3.0.
pub(crate) fn opensearch3() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::shared("opensearch:3.3.0"))
}

impl Server {
    fn shared(what: &str) -> Self {
        if let Some(url) = running(what) {
            let repositories = std::env::var_os("MIG_TEST_REPOSITORIES")
                .expect("MIG_TEST_SERVERS needs MIG_TEST_REPOSITORIES beside it");
            return Self {
                client: client(&url),
                url,
                repositories: repositories.into(),
                node: None,
                own: false,
            };
        }
        Self::of_node(
            &what.replace([':', '.'], "-"),
            what,
            &Options::default(),
            false,
        )
    }

    /// One of the test's own, which it may kill, stop and restart: on the same port with the same data. It ends with the
    /// value.
    pub(crate) fn start(what: &str, options: &Options) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("own-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Self::of_node(&name, what, options, true)
    }

    fn of_node(name: &str, what: &str, options: &Options, own: bool) -> Self {
        let sandbox = sandbox();
        let node = sandbox.node(name);
        let which = mig::sandbox::Server::parse(what).unwrap();
        let mut spec = NodeSpec::new(which);
        if options.with_modules {
            spec.plugins = which.modules();
        }
        if options.with_ingest {
            spec.plugins.extend(which.ingest_modules());
        }
        if options.with_extensions {
            spec.plugins.extend(which.extensions());
        }
        if let Some(heap_mib) = options.heap_mib {
            spec.heap_mib = heap_mib;
        }
        for (name, value) in &options.settings {
            spec.settings.insert((*name).to_owned(), value.clone());
        }
        node.up(&spec, &sandbox.repositories(), &|_| ())
            .unwrap_or_else(|error| panic!("{error}\n{}", error.help().join("\n")));
        let url = node.url().unwrap();
        Self {
            client: client(&url),
            url,
            repositories: sandbox.repositories(),
            node: Some(node),
            own,
        }
    }

    /// Where it answers, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A client that may do anything.
    pub(crate) fn client(&self) -> ClusterClient {
        self.client.clone()
    }

    /// A directory that the server has in its `path.repo`, under the same path as this process sees it.
    pub(crate) fn repositories(&self) -> &Path {
        &self.repositories
    }

    #[track_caller]
    fn must(&self, request: Request) -> Value {
        let call = request.call();
        self.send(request)
            .unwrap_or_else(|error| panic!("{call}: {error}"))
    }

    fn send(&self, request: Request) -> Result<Value, ClusterError> {
        let response = self.client.send(request)?;
        if response.body.is_empty() {
            return Ok(Value::Null);
        }
        response.json()
    }

    /// `GET`; any error fails the test.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        self.must(Request::get(path))
    }

    /// `GET`, errors as values.
    pub(crate) fn try_get(&self, path: &str) -> Result<Value, ClusterError> {
        self.send(Request::get(path))
    }

    /// `PUT`; any error fails the test.
    #[track_caller]
    pub(crate) fn put(&self, path: &str, body: &Value) -> Value {
        self.must(Request::put(path).json(body))
    }

    /// `POST`; any error fails the test.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.must(Request::post(path).json(body))
    }

    /// `DELETE`; any error fails the test.
    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Value {
        self.must(Request::delete(path))
    }

    /// Lines for `_bulk` with a refresh; an item that is refused fails the test.
    #[track_caller]
    pub(crate) fn bulk(&self, index: &str, lines: &str) {
        let path = format!("/{}/_bulk?refresh=true", Request::part(index));
        let answer = self.must(Request::post(path).lines(lines.to_owned()));
        assert_eq!(answer["errors"], false, "{answer:#}");
    }

    /// How many documents an index shows, after a refresh.
    #[track_caller]
    pub(crate) fn count(&self, index: &str) -> u64 {
        let index = Request::part(index);
        self.must(Request::post(format!("/{index}/_refresh")));
        self.get(&format!("/{index}/_count"))["count"]
            .as_u64()
            .unwrap()
    }

    fn own_node(&self) -> &Node {
        assert!(self.own, "shared servers are not for a test to stop");
        self.node.as_ref().unwrap()
    }

    fn process(&self) -> ProcessId {
        match self.own_node().presence().unwrap() {
            Presence::Running(process) => process,
            other => panic!("the server does not run: {other:?}"),
        }
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&self) {
        let process = self.process();
        assert!(process.signal(Signal::KILL));
        assert!(process.wait(std::time::Duration::from_secs(30)));
    }

    /// Ends it in an orderly way.
    pub(crate) fn stop(&self) {
        assert!(self.own_node().down().unwrap());
    }

    /// Starts it again, on its port, with its data.
    pub(crate) fn restart(&self) {
        self.own_node().restart(&|_| ()).unwrap();
    }

    /// `SIGSTOP`: it keeps its connections and answers nothing.
    pub(crate) fn pause(&self) {
        assert!(self.process().signal(Signal::STOP));
    }

    /// `SIGCONT`
    pub(crate) fn resume(&self) {
        assert!(self.process().signal(Signal::CONT));
    }

    /// What it wrote to its log.
    pub(crate) fn log(&self) -> String {
        let node = self.node.as_ref().expect("a server that we started");
        std::fs::read_to_string(node.log()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.own
            && let Some(node) = &self.node
        {
            drop(node.down());
            drop(node.delete());
        }
    }
}

/// The address of a server that runs already.
fn running(what: &str) -> Option<String> {
    let all = std::env::var("MIG_TEST_SERVERS").ok()?;
    all.split(',').find_map(|pair| {
        let (name, url) = pair.trim().split_once('=')?;
        (name == what).then(|| url.trim_end_matches('/').to_owned())
    })
}

/// A client that may do anything there.
fn client(url: &str) -> ClusterClient {
    ClusterClient::open(&Cluster {
        at: ClusterAt::Endpoint(url.to_owned()),
        product: None,
        version: None,
        access: Access::ReadWrite,
        auth: Auth::None,
        tls: Tls::default(),
        nodes: mig::plan::model::Nodes::default(),
        compress: None,
        location: Location::default(),
    })
    .unwrap()
}

/// The sandbox of this run, with a guard over it. Those of runs that are over are removed first.
pub(super) fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let user = rustix::process::geteuid().as_raw();
        let all = std::env::temp_dir().join(format!("mig-test-servers-{user}"));
        sweep(&all);
        let own = ProcessId::own().expect("tests on real servers need /proc");
        let directory = all.join(format!("{}-{}", own.pid, own.started));
        std::fs::create_dir_all(&directory).unwrap();
        let id = serde_json::to_vec(&own).unwrap();
        std::fs::write(directory.join("owner.json"), id).unwrap();
        guard(&directory);
        Sandbox::at(&directory).unwrap()
    })
}

/// Removes the sandboxes of runs that are over.
fn sweep(all: &Path) {
    for entry in std::fs::read_dir(all).into_iter().flatten().flatten() {
        let directory = entry.path();
        let owner = std::fs::read(directory.join("owner.json")).ok();
        let owner = owner.and_then(|text| serde_json::from_slice::<ProcessId>(&text).ok());
        if owner.is_some_and(|owner| owner.is_alive()) {
            continue;
        }
        // Its own guard may be at it: what is gone already is no error.
        if let Ok(sandbox) = Sandbox::at(&directory)
            && sandbox.down().is_ok()
        {
            drop(std::fs::remove_dir_all(&directory));
        }
    }
}

/// A process that ends the sandbox when this process is no more, for whatever reason: it reads from a pipe whose other end
/// only this process has.
fn guard(directory: &Path) {
    let script = r#"cat >/dev/null; "$0" sandbox down --delete --dir "$1" && rm -rf "$1""#;
    let child = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_mig")])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    // Keeps the pipe open.
    std::mem::forget(child);
}
