//! What can go wrong with a sandbox. Texts say what and where; [`SandboxError::help`] says how to mend it.

use std::io;
use std::path::{Path, PathBuf};

use crate::clients::cluster::ClusterError;

/// Why a sandbox could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// No such server.
    #[error("`{given}` is no server that the sandbox can run")]
    UnknownServer {
        /// As it was asked for.
        given: String,
        /// What may have been meant.
        nearest: Option<String>,
        /// All there are.
        known: Vec<String>,
    },
    /// A program that is not installed.
    #[error("`{program}` is not installed: {wanted_for} needs it")]
    NoProgram {
        /// Its name.
        program: &'static str,
        /// What for.
        wanted_for: String,
        /// How to get it.
        help: String,
    },
    /// A download that did not work.
    #[error("can't fetch {what}: {reason}")]
    Fetch {
        /// What.
        what: String,
        /// The downloading program's last words.
        reason: String,
    },
    /// An archive that is not what it should be.
    #[error("{}: {reason}", path.display())]
    Archive {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A port that something else listens on.
    #[error("{node}: port {port} of 127.0.0.1 is taken by another program")]
    PortTaken {
        /// The node that wants it.
        node: String,
        /// The port.
        port: u16,
    },
    /// A directory that the servers' user can't enter.
    #[error(
        "servers do not run as root, and `{user}`, who runs them instead, can't enter {}",
        directory.display()
    )]
    Closed {
        /// The first directory that is closed.
        directory: PathBuf,
        /// The user.
        user: String,
    },
    /// A user that does not exist.
    #[error("there is no user `{user}` to run servers as")]
    NoUser {
        /// The name.
        user: String,
    },
    /// The sandbox has another server under this name.
    #[error("{}: `{node}` is {found} here, not {wanted}", directory.display())]
    OtherServer {
        /// The node's name.
        node: String,
        /// The sandbox.
        directory: PathBuf,
        /// What it is.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// It ended, or never answered.
    #[error("{node}: {server} {what}; the end of {}:\n{tail}", log.display())]
    DidNotStart {
        /// The node's name.
        node: String,
        /// What it is.
        server: String,
        /// What happened.
        what: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// It does not end.
    #[error("{node}: process {pid} does not end, though it was killed")]
    DoesNotStop {
        /// The node's name.
        node: String,
        /// The process.
        pid: u32,
    },
    /// Nothing of this name.
    #[error("there is no sandbox with a `{node}` in {}", directory.display())]
    NoNode {
        /// The node's name.
        node: String,
        /// The sandbox.
        directory: PathBuf,
    },
    /// A node that should run for this.
    #[error("`{node}` of the sandbox in {} does not run", directory.display())]
    NotRunning {
        /// The node's name.
        node: String,
        /// The sandbox.
        directory: PathBuf,
    },
    /// A server that is too old for the sample data.
    #[error("the sample data has composable templates, which {server} does not know")]
    NoSample {
        /// What it is.
        server: String,
    },
    /// A record that can't be read.
    #[error("{}: can't be read: {reason}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A system that this is not made for.
    #[error("a sandbox needs Linux: processes are told apart by /proc")]
    NotLinux,
    /// A file or a process that the system refuses.
    #[error("can't {what} {}: {source}", path.display())]
    Io {
        /// The verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A call that a server did not answer well.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl SandboxError {
    /// For `map_err` of file operations.
    pub(super) fn io<'a>(
        what: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }

    /// How to mend it, one way a line.
    pub fn help(&self) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match self {
            Self::UnknownServer { nearest, known, .. } => {
                let mut help = Vec::new();
                if let Some(nearest) = nearest {
                    help.push(format!("did you mean `{nearest}`?"));
                }
                help.push(format!("there are {}", known.join(", ")));
                help
            }
            Self::NoProgram { help, .. } => vec![help.clone()],
            Self::Fetch { .. } => {
                one("check the network, then run the same command again: what is complete is kept")
            }
            Self::Archive { path, .. } => vec![format!(
                "delete {} and run the same command again",
                path.display()
            )],
            Self::PortTaken { node, port } => vec![
                format!("stop what listens there (`ss -ltnp 'sport = :{port}'` names it)"),
                format!(
                    "or give another port: --{node}-port N, and the plan --var {node}=http://127.0.0.1:N"
                ),
            ],
            Self::Closed { .. } => vec![
                "run it as an ordinary user".to_owned(),
                "or give a directory that everybody can enter: --dir /var/lib/mig-sandbox"
                    .to_owned(),
                "or name a user who can: MIG_SANDBOX_USER=NAME".to_owned(),
            ],
            Self::NoUser { .. } => one("name one that exists: MIG_SANDBOX_USER=NAME"),
            Self::OtherServer { .. } => vec![
                "`mig sandbox down --delete` removes the old one with its data".to_owned(),
                "or give the new one a directory of its own: --dir DIR".to_owned(),
            ],
            Self::DidNotStart { .. } => {
                one("the log says why; memory and disk space are what lacks most often")
            }
            Self::DoesNotStop { .. } => {
                one("look what it waits for (a dead disk?), then run it again")
            }
            Self::NoNode { .. } | Self::NotRunning { .. } => one("`mig sandbox up` starts it"),
            Self::NoSample { .. } => vec![
                "load data of your own".to_owned(),
                "or take a source that knows them: `mig sandbox down --delete`, then `mig sandbox up --source elasticsearch:7`"
                    .to_owned(),
            ],
            Self::Record { path, .. } => vec![format!(
                "stop its server by hand if it runs, delete {}, and run the same command again",
                path.parent().unwrap_or(path).display()
            )],
            Self::NotLinux => one("use a Linux machine, or clusters of your own"),
            Self::Io { .. } => one("check its permissions and the space on its disk"),
            Self::Cluster(error) => vec![error.help()],
        }
    }
}
