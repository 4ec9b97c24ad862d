//! What is wrong with a transform in itself, told when a plan is loaded.

use std::collections::BTreeSet;

use super::{date, jq};
use crate::plan::model::{FaultKind, StepKind, Transform, TransformFault};

/// Every fault: scripts that do not compile, formats that are none, names that contradict each other.
pub fn check(transform: &Transform) -> Vec<TransformFault> {
    let mut faults = Vec::new();
    for (at, step) in transform.steps.iter().enumerate() {
        let fault = |kind, message: String, help: &str| TransformFault {
            step: at,
            script: None,
            kind,
            message,
            help: help.to_owned(),
        };
        match &step.kind {
            StepKind::Rename(renames) => {
                let mut taken = BTreeSet::new();
                for (from, to) in renames {
                    let nested = |outer: &str, inner: &str| {
                        inner
                            .strip_prefix(outer)
                            .is_some_and(|it| it.starts_with('.'))
                    };
                    if from == to || nested(from, to) || nested(to, from) {
                        faults.push(fault(
                            FaultKind::Path,
                            format!("`{from}` can't be renamed to `{to}`"),
                            "give it a name that is neither its own nor within it",
                        ));
                    } else if !taken.insert(to) {
                        faults.push(fault(
                            FaultKind::Path,
                            format!("two fields are renamed to `{to}`"),
                            "give each a name of its own, or decide between them in a script",
                        ));
                    }
                }
            }
            StepKind::Date { from, to, .. } => {
                if let Err(format) = date::Dates::new(from, to) {
                    faults.push(fault(
                        FaultKind::DateFormat,
                        format!("`{format}` is no format of dates"),
                        "write a pattern of digits such as `yyyy-MM-dd HH:mm:ss`, or a name such as `epoch_millis`",
                    ));
                }
            }
            StepKind::Jq { script, args } => {
                let errors = jq::compile(&script.text, args).err().unwrap_or_default();
                faults.extend(errors.into_iter().map(|error| TransformFault {
                    step: at,
                    script: Some(error.at),
                    kind: FaultKind::Script,
                    message: error.message,
                    help:
                        "mend the script; `mig explain MIG038` says what scripts can't use".into(),
                }));
            }
            StepKind::Drop(_) | StepKind::Set { .. } | StepKind::Coerce { .. } => {}
        }
    }
    faults
}
