//! Why a command ended without success: the exit code, what happened, and how to mend it.

use crate::base::ExitCode;
use crate::phases::kind::PhaseError;
use crate::state::StateError;

/// The result of a command.
pub(crate) type CliResult = Result<ExitCode, CliError>;

/// Why a command ended without success.
#[derive(Debug)]
pub(crate) enum CliError {
    /// To be told.
    Told(Told),
    /// All has been told already (diagnostics of a plan, for one).
    Silent(ExitCode),
    /// Whoever read our output has gone.
    BrokenPipe,
}

/// What is told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: ExitCode,
    /// What and where; lower-case start, no full stop.
    pub(crate) message: String,
    /// How to mend, one way a line.
    pub(crate) help: Vec<String>,
}

impl CliError {
    /// An error of the given code.
    pub(crate) fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self::Told(Told {
            code,
            message: message.into(),
            help: Vec::new(),
        })
    }

    /// An error that is none of the special ones.
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Error, message)
    }

    /// Adds a way to mend it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        if let Self::Told(told) = &mut self {
            told.help.push(help.into());
        }
        self
    }

    /// What the process ends with.
    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::Told(told) => told.code,
            Self::Silent(code) => *code,
            Self::BrokenPipe => ExitCode::Success,
        }
    }
}

impl From<StateError> for CliError {
    fn from(error: StateError) -> Self {
        let code = match error {
            StateError::Locked { .. } | StateError::LeaseLost { .. } => ExitCode::Locked,
            _ => ExitCode::Error,
        };
        Self::new(code, error.to_string()).help(error.help())
    }
}

impl From<PhaseError> for CliError {
    fn from(error: PhaseError) -> Self {
        let message = error.to_string();
        match error {
            PhaseError::Failed { help, .. } => match help {
                Some(help) => Self::error(message).help(help),
                None => Self::error(message),
            },
            PhaseError::Stale(_) => Self::new(ExitCode::Stale, message),
            PhaseError::NotYet { help, .. } | PhaseError::Unreachable { help, .. } => {
                Self::error(message).help(help)
            }
        }
    }
}

/// Writing to standard output.
impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::BrokenPipe
        } else {
            Self::error(format!("can't write the output: {error}"))
        }
    }
}
