//! Every environment variable that `mig` reads, in one place; `mig help environment` prints this table.

/// One variable.
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it does, for people.
    pub(crate) meaning: &'static str,
}

/// For who approves and runs, where the login name would say nothing (a pipeline).
pub(crate) const MIG_USER: &str = "MIG_USER";
/// How long to wait for the lock.
pub(crate) const MIG_LOCK_TIMEOUT: &str = "MIG_LOCK_TIMEOUT";
/// How many phases run at once.
pub(crate) const MIG_PARALLELISM: &str = "MIG_PARALLELISM";
/// Where figures for Prometheus are served.
pub(crate) const MIG_METRICS_ADDRESS: &str = "MIG_METRICS_ADDRESS";
/// What is logged to standard error.
pub(crate) const MIG_LOG: &str = "MIG_LOG";

/// All of them.
pub(crate) const ALL: &[Variable] = &[
    Variable {
        name: "MIG_VAR_<NAME>",
        meaning: "value of the plan's variable <name>; --var and --var-file go before it",
    },
    Variable {
        name: MIG_USER,
        meaning: "who runs and approves, instead of user@host",
    },
    Variable {
        name: MIG_LOCK_TIMEOUT,
        meaning: "how long to wait for a locked state, as --lock-timeout",
    },
    Variable {
        name: MIG_PARALLELISM,
        meaning: "how many phases run at once, as --parallelism",
    },
    Variable {
        name: MIG_METRICS_ADDRESS,
        meaning: "where figures for Prometheus are served, as --metrics-address",
    },
    Variable {
        name: MIG_LOG,
        meaning: "what is logged to standard error, such as `debug` or `mig::apply=trace`",
    },
    Variable {
        name: crate::sandbox::places::MIG_CACHE_DIR,
        meaning: "where downloads for sandboxes are kept, instead of ~/.cache/mig",
    },
    Variable {
        name: crate::sandbox::places::MIG_SANDBOX_USER,
        meaning: "who runs the servers of a sandbox where mig runs as root, instead of nobody",
    },
    Variable {
        name: "NO_COLOR",
        meaning: "no colours, as --color never",
    },
];
