//! From arguments to settings: the one place where defaults and what was given meet.

use std::path::{Path, PathBuf};

use super::args::{PlanArgs, SelectionArgs};
use super::error::CliError;
use crate::base::ExitCode;
use crate::diff::Selection;

/// The plan file that is read when none is named.
pub(crate) const DEFAULT_PLAN: &str = "plan.yaml";

/// The plan file of a command that takes it as an argument as well.
pub(crate) fn plan_file(positional: Option<&Path>, args: &PlanArgs) -> Result<PathBuf, CliError> {
    match (positional, args.file.as_deref()) {
        (Some(one), Some(other)) if one != other => Err(CliError::new(
            ExitCode::Error,
            format!(
                "two plan files are named: {} and {}",
                one.display(),
                other.display()
            ),
        )
        .help("name one, either as an argument or with `-f`")),
        (Some(file), _) | (None, Some(file)) => Ok(file.to_owned()),
        (None, None) => Ok(PathBuf::from(DEFAULT_PLAN)),
    }
}

/// The selection of phases.
pub(crate) fn selection(args: &SelectionArgs) -> Selection {
    Selection {
        only: args.only.clone(),
        until: args.until.clone(),
        from: args.from.clone(),
        redo: args.redo.clone(),
    }
}

/// ` -f FILE` for a command that is shown, where it is needed.
pub(crate) fn dash_f(file: &Path) -> String {
    if file == Path::new(DEFAULT_PLAN) {
        String::new()
    } else {
        format!(" -f {}", file.display())
    }
}
