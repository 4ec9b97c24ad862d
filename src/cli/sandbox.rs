//! `mig sandbox`

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::error::{CliError, CliResult};
use super::printer::Printer;
use crate::base::ExitCode;
use crate::clients::cluster::Request;
use crate::sandbox::{
    Node, NodeSpec, Presence, Sandbox, SandboxError, Server, Started, limits, places, sample,
};

/// Run real clusters on this machine to try a plan on
///
/// Official minimal distributions of Elasticsearch and OpenSearch as ordinary processes that listen on 127.0.0.1 only. They are
/// fetched by Maven once and kept in ~/.cache/mig. No container is needed. The plan `plans/sandbox.yaml` fits them.
#[derive(clap::Args, Debug)]
pub(super) struct SandboxCommand {
    #[command(subcommand)]
    command: SandboxVerb,
}

#[derive(Debug, Subcommand)]
enum SandboxVerb {
    Up(UpArgs),
    Load(LoadArgs),
    Status(StatusArgs),
    Down(DownArgs),
}

/// Which sandbox.
#[derive(clap::Args, Clone, Debug)]
struct WhereArgs {
    /// The sandbox's directory
    #[arg(long, value_name = "DIR", default_value = places::DIRECTORY)]
    dir: PathBuf,
}

/// Start a source and a target, those that do not run, and wait until they answer
///
/// Servers go on running when the terminal is closed; `mig sandbox down` stops them.
#[derive(clap::Args, Debug)]
struct UpArgs {
    #[command(flatten)]
    at: WhereArgs,
    /// What to migrate from [default: elasticsearch:7.10.2]
    #[arg(long, value_name = "SERVER")]
    source: Option<String>,
    /// What to migrate to [default: opensearch:2.19.1]
    #[arg(long, value_name = "SERVER")]
    target: Option<String>,
    /// Where the source listens; 0 for any free port [default: 19200]
    #[arg(long, value_name = "PORT")]
    source_port: Option<u16>,
    /// Where the target listens; 0 for any free port [default: 19201]
    #[arg(long, value_name = "PORT")]
    target_port: Option<u16>,
    /// MiB of memory for each server's heap
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(256..=32_768))]
    heap: u32,
}

/// Put sample data into the source; what is there already is left as it is
///
/// Several indices with deletions, updates, custom routing, nested documents and dots in names, one closed, one empty; legacy,
/// composable and component templates; aliases with filters, routing and a write index.
#[derive(clap::Args, Debug)]
struct LoadArgs {
    #[command(flatten)]
    at: WhereArgs,
    /// How many documents the larger indices get
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    docs: u32,
}

/// Show its servers; ends with 8 when one that should run does not, or does not answer
#[derive(clap::Args, Debug)]
struct StatusArgs {
    #[command(flatten)]
    at: WhereArgs,
    /// How it is shown
    #[arg(long, value_enum, default_value_t)]
    format: SandboxFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum SandboxFormat {
    /// For people at a terminal.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Stop its servers; their data stays
#[derive(clap::Args, Debug)]
struct DownArgs {
    #[command(flatten)]
    at: WhereArgs,
    /// Remove their data and the snapshots too
    #[arg(long)]
    delete: bool,
}

/// The two nodes, with what they are where nothing else is said. `plans/sandbox.yaml` has the same values.
const SOURCE: (&str, &str, u16) = ("source", "elasticsearch:7.10.2", 19200);
const TARGET: (&str, &str, u16) = ("target", "opensearch:2.19.1", 19201);

pub(super) fn run(command: &SandboxCommand, printer: Printer) -> CliResult {
    match &command.command {
        SandboxVerb::Up(args) => up(args, printer),
        SandboxVerb::Load(args) => load(args, printer),
        SandboxVerb::Status(args) => status(args, printer),
        SandboxVerb::Down(args) => down(args, printer),
    }
}

fn up(args: &UpArgs, printer: Printer) -> CliResult {
    let sandbox = Sandbox::at(&args.at.dir)?;
    let spec = |usual: (&str, &str, u16), server: Option<&str>, port: Option<u16>| {
        let node = sandbox.node(usual.0);
        let there = node.is_there()?;
        let server = match server {
            Some(server) => Server::parse(server)?,
            None if there => node.server()?,
            None => Server::parse(usual.1)?,
        };
        let mut spec = NodeSpec::new(server);
        spec.heap_mib = args.heap;
        spec.port = match port {
            Some(0) => None,
            None if there => None,
            None => Some(usual.2),
            given => given,
        };
        Ok::<_, SandboxError>((node, spec))
    };
    let nodes = [
        spec(SOURCE, args.source.as_deref(), args.source_port)?,
        spec(TARGET, args.target.as_deref(), args.target_port)?,
    ];
    let repositories = sandbox.repositories();
    let results: Vec<Result<(), SandboxError>> = std::thread::scope(|scope| {
        let starts: Vec<_> = nodes
            .iter()
            .map(|(node, spec)| {
                let repositories = &repositories;
                scope.spawn(move || {
                    printer.message(&format!("{}: starting {}", node.name(), spec.server));
                    let tell = |text: &str| printer.message(&format!("{}: {text}", node.name()));
                    match node.up(spec, repositories, &tell)? {
                        Started::Now => tell("answers"),
                        Started::Adopted => tell("ran already, and answers"),
                    }
                    Ok(())
                })
            })
            .collect();
        starts
            .into_iter()
            .filter_map(|start| start.join().ok())
            .collect()
    });
    let mut failed = None;
    for error in results.into_iter().filter_map(Result::err) {
        if let Some(earlier) = failed.replace(error) {
            printer.error(&earlier.into());
        }
    }
    if let Some(error) = failed {
        return Err(error.into());
    }
    let seen = look(&sandbox)?;
    printer.data(&format!(
        "{}\n{}",
        table(&seen),
        next(&sandbox, &args.at.dir, &seen)
    ))?;
    Ok(ExitCode::Success)
}

fn load(args: &LoadArgs, printer: Printer) -> CliResult {
    let sandbox = Sandbox::at(&args.at.dir)?;
    let source = sandbox.node(SOURCE.0);
    if !matches!(source.presence()?, Presence::Running(_)) {
        return Err(SandboxError::NotRunning {
            node: SOURCE.0.to_owned(),
            directory: sandbox.directory().to_owned(),
        }
        .into());
    }
    let server = source.server()?;
    if !server.takes_sample() {
        return Err(SandboxError::NoSample {
            server: server.to_string(),
        }
        .into());
    }
    let loaded = sample::load(&source.client()?, args.docs).map_err(SandboxError::from)?;
    let mut text = String::new();
    for index in &loaded {
        let what = match (index.there_already, index.documents) {
            (true, _) => "there already, left as it is".to_owned(),
            (false, 0) => "empty".to_owned(),
            (false, documents) => format!("{documents} documents"),
        };
        let closed = if index.closed { ", closed" } else { "" };
        text.push_str(&format!("  {:<18}  {what}{closed}\n", index.name));
    }
    printer.data(&text)?;
    Ok(ExitCode::Success)
}

/// A node as it is shown; also the JSON form.
#[derive(Serialize)]
struct Seen {
    name: String,
    server: String,
    url: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    log: PathBuf,
}

impl Seen {
    /// Whether it is as it should be.
    fn is_well(&self) -> bool {
        ["running", "stopped"].contains(&self.state)
    }
}

fn look(sandbox: &Sandbox) -> Result<Vec<Seen>, SandboxError> {
    let nodes = sandbox.nodes()?;
    nodes
        .iter()
        .map(|node| {
            let (state, pid) = match node.presence()? {
                Presence::Stopped => ("stopped", None),
                Presence::Died => ("died", None),
                Presence::Running(process) if answers(node)? => ("running", Some(process.pid)),
                Presence::Running(process) => ("not answering", Some(process.pid)),
            };
            Ok(Seen {
                name: node.name().to_owned(),
                server: node.server()?.to_string(),
                url: node.url()?,
                state,
                pid,
                log: node.log(),
            })
        })
        .collect()
}

fn answers(node: &Node) -> Result<bool, SandboxError> {
    let mut request = Request::get("/").within(limits::ANSWER);
    // One look: a silent server is not asked again and again.
    request.idempotent = false;
    Ok(node.client()?.send(request).is_ok())
}

fn status(args: &StatusArgs, printer: Printer) -> CliResult {
    #[derive(Serialize)]
    struct All<'a> {
        directory: &'a Path,
        repositories: PathBuf,
        nodes: &'a [Seen],
    }
    let sandbox = Sandbox::at(&args.at.dir)?;
    let seen = look(&sandbox)?;
    let text = if args.format == SandboxFormat::Json {
        let all = All {
            directory: sandbox.directory(),
            repositories: sandbox.repositories(),
            nodes: &seen,
        };
        let text = serde_json::to_string_pretty(&all);
        text.map_err(|error| CliError::error(error.to_string()))? + "\n"
    } else if seen.is_empty() {
        format!(
            "There is no sandbox in {}; `mig sandbox up` makes one.\n",
            sandbox.directory().display()
        )
    } else {
        table(&seen)
    };
    printer.data(&text)?;
    for node in seen.iter().filter(|node| !node.is_well()) {
        printer.warn(&format!(
            "{}: {}; its log is {}; `mig sandbox up` starts what does not run",
            node.name,
            node.state,
            node.log.display()
        ));
    }
    Ok(if seen.iter().all(Seen::is_well) {
        ExitCode::Success
    } else {
        ExitCode::CheckFailed
    })
}

fn down(args: &DownArgs, printer: Printer) -> CliResult {
    let sandbox = Sandbox::at(&args.at.dir)?;
    let stopped = sandbox.down()?;
    for name in &stopped {
        printer.message(&format!("{name}: stopped"));
    }
    if stopped.is_empty() {
        printer.message("nothing ran");
    }
    if args.delete {
        sandbox.delete()?;
        printer.message(&format!("removed {}", sandbox.directory().display()));
    }
    Ok(ExitCode::Success)
}

fn table(seen: &[Seen]) -> String {
    let mut text = String::new();
    for node in seen {
        let pid = node.pid.map(|pid| format!(", process {pid}"));
        text.push_str(&format!(
            "  {:<8}  {:<20}  {:<24}  {}{}\n",
            node.name,
            node.server,
            node.url,
            node.state,
            pid.unwrap_or_default()
        ));
    }
    text
}

/// What to type next; values of the plan's variables only where they differ from its defaults.
fn next(sandbox: &Sandbox, given: &Path, seen: &[Seen]) -> String {
    let mut vars = String::new();
    for (name, server, port) in [SOURCE, TARGET] {
        let Some(node) = seen.iter().find(|node| node.name == name) else {
            continue;
        };
        if node.url != format!("http://127.0.0.1:{port}") {
            vars.push_str(&format!(" --var {name}={}", node.url));
        }
        if node.server != server {
            vars.push_str(&format!(" --var {name}-version={}", node.server));
        }
    }
    let mut dir = String::new();
    if given != Path::new(places::DIRECTORY) {
        dir = format!(" --dir {}", given.display());
        vars.push_str(&format!(
            " --var repositories={}",
            sandbox.repositories().display()
        ));
    }
    format!(
        "Repositories (path.repo of both): {}\n\nNext:\n  mig sandbox load{dir}\n  mig plan plans/sandbox.yaml{vars}\n  \
         mig apply plans/sandbox.yaml{vars}\n  mig sandbox down{dir}\n",
        sandbox.repositories().display()
    )
}

impl From<SandboxError> for CliError {
    fn from(error: SandboxError) -> Self {
        error
            .help()
            .into_iter()
            .fold(Self::error(error.to_string()), Self::help)
    }
}
