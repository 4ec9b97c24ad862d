//! Loading a plan for a command: files, compile, and telling every finding.

use std::path::Path;

use super::args::PlanArgs;
use super::error::CliError;
use super::printer::Printer;
use super::settings::DEFAULT_PLAN;
use crate::base::ExitCode;
use crate::diff::{Selected, Selection, select};
use crate::graph::{Graph, compile};
use crate::plan::diagnostics::{Diagnostic, Severity};
use crate::plan::load::{LoadOptions, load};
use crate::plan::model::Plan;

/// A plan that is valid in itself.
pub(crate) struct Loaded {
    pub(crate) plan: Plan,
    pub(crate) graph: Graph,
    /// Warnings and advice; errors have ended the command.
    pub(crate) findings: Vec<Diagnostic>,
}

/// What loading takes, from the arguments and the environment.
pub(crate) fn options(args: &PlanArgs) -> LoadOptions {
    LoadOptions {
        vars: args.vars.clone(),
        var_files: args.var_files.clone(),
        rules: Some(crate::engines::metadata::codes()),
        ..LoadOptions::from_environment()
    }
}

/// Loads and compiles. Every finding goes to standard error; an error among them ends the command with 4.
pub(crate) fn load_plan(
    file: &Path,
    options: &LoadOptions,
    printer: Printer,
) -> Result<Loaded, CliError> {
    if file == Path::new(DEFAULT_PLAN) && !file.exists() {
        return Err(nothing_here());
    }
    let outcome = load(file, options);
    let mut findings = outcome.diagnostics;
    let compiled = outcome.plan.map(|plan| {
        let (graph, more) = compile(&plan);
        findings.extend(more);
        (plan, graph)
    });
    printer.diagnostics(&findings, &outcome.files);
    let errors = findings.iter().filter(|it| it.severity == Severity::Error);
    match (compiled, errors.count()) {
        (Some((plan, graph)), 0) => Ok(Loaded {
            plan,
            graph,
            findings,
        }),
        _ => Err(CliError::Silent(ExitCode::PlanInvalid)),
    }
}

/// What `--only` and its like choose.
pub(crate) fn choose(graph: &Graph, selection: &Selection) -> Result<Selected, CliError> {
    select(graph, selection).map_err(|message| {
        CliError::error(message).help("`mig graph` lists the phases of the plan")
    })
}

fn nothing_here() -> CliError {
    CliError::error("there is no plan.yaml in this directory")
        .help("name the plan: `-f FILE`")
        .help("write one to begin with: `mig init`, or `mig init --from https://…` to look at a source")
        .help(
            "or begin with this as plan.yaml:\n\n\
             \x20   mig: 1\n\
             \x20   plan: my-migration\n\
             \x20   state: .mig/my-migration\n\
             \x20   clusters:\n\
             \x20     os: { directory: ./preview, as: \"2.19\" }\n\
             \x20   stores:\n\
             \x20     snapshots: { directory: /path/to/snapshot-repository }\n\
             \x20   phases:\n\
             \x20     base:     { snapshot: { existing: { store: snapshots, name: my-snapshot } } }\n\
             \x20     mappings: { metadata: { from: base, to: os } }\n\
             \x20     docs:     { backfill: { from: base, to: os } }\n\
             \x20     same:     { verify: { source: base, target: os } }\n",
        )
}
