//! The exit codes of `mig`: one enum, printed by `mig help exit-codes`, documented nowhere else.

/// What the process says when it ends. The number is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Success, or nothing to do.
    Success = 0,
    /// An error that is none of the others.
    Error = 1,
    /// Changes are planned (`--detailed-exitcode`).
    Changes = 2,
    /// Planned changes destroy something or can't be undone (`--detailed-exitcode`).
    DestructiveChanges = 3,
    /// The plan is invalid or a decision is missing.
    PlanInvalid = 4,
    /// Waiting at a gate.
    WaitingAtGate = 5,
    /// The saved plan is stale.
    Stale = 6,
    /// The state is locked by another process.
    Locked = 7,
    /// A check or a verification failed.
    CheckFailed = 8,
    /// Some phases or documents failed, or time was up; `mig apply` resumes.
    Partial = 9,
    /// Interrupted; `mig apply` resumes.
    Interrupted = 130,
}

impl ExitCode {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 11] = [
        Self::Success,
        Self::Error,
        Self::Changes,
        Self::DestructiveChanges,
        Self::PlanInvalid,
        Self::WaitingAtGate,
        Self::Stale,
        Self::Locked,
        Self::CheckFailed,
        Self::Partial,
        Self::Interrupted,
    ];

    /// One line for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success, or nothing to do",
            Self::Error => "error",
            Self::Changes => "changes are planned (with --detailed-exitcode)",
            Self::DestructiveChanges => {
                "planned changes destroy something or can't be undone (with --detailed-exitcode)"
            }
            Self::PlanInvalid => "the plan is invalid or a decision is missing",
            Self::WaitingAtGate => "waiting at a gate: `mig approve`, then `mig apply` again",
            Self::Stale => "the saved plan is stale: what it rests on has changed",
            Self::Locked => "the state is locked by another process",
            Self::CheckFailed => "a check or a verification failed",
            Self::Partial => "some phases or documents failed, or time was up: `mig apply` resumes",
            Self::Interrupted => "interrupted: `mig apply` resumes",
        }
    }

    /// When several hold at once, the one that is told: 130, 4, 7, 6, 1, 8, 9, 5, 3, 2, 0.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        if self.rank() <= other.rank() {
            self
        } else {
            other
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Interrupted => 0,
            Self::PlanInvalid => 1,
            Self::Locked => 2,
            Self::Stale => 3,
            Self::Error => 4,
            Self::CheckFailed => 5,
            Self::Partial => 6,
            Self::WaitingAtGate => 7,
            Self::DestructiveChanges => 8,
            Self::Changes => 9,
            Self::Success => 10,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
