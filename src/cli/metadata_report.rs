//! What the metadata commands share: which phases they are about, and their report.

use clap::ValueEnum;

use super::error::CliError;
use super::load::Loaded;
use super::printer::Printer;
use crate::apply::session::Made;
use crate::base::{Address, ExitCode};
use crate::diff::change::PhaseChange;
use crate::diff::observation::Observation;
use crate::plan::model::{ClusterAt, PhaseKindName, PhaseSpec, SnapshotSpec};
use crate::ui::metadata_report::{Material, MetadataReport, Mode};

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people at a terminal.
    #[default]
    HumanReadable,
    /// For programs.
    Json,
}

/// The metadata phases of a plan: those that are named, or all.
pub(super) fn phases(loaded: &Loaded, named: &[String]) -> Result<Vec<String>, CliError> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let all: Vec<String> = loaded
        .plan
        .phases
        .values()
        .filter(|phase| phase.spec.kind() == PhaseKindName::Metadata)
        .map(|phase| phase.address.to_string())
        .collect();
    if all.is_empty() {
        return Err(
            CliError::new(ExitCode::PlanInvalid, "the plan has no metadata phase")
                .help("write one: `mappings: { metadata: { from: base, to: os } }`"),
        );
    }
    Ok(all)
}

/// The phases of snapshots that are there already and that these metadata phases read: nothing is taken for them.
pub(super) fn existing_snapshots(loaded: &Loaded, metadata: &[String]) -> Vec<String> {
    let phases = &loaded.plan.phases;
    let mut found: Vec<String> = phases
        .values()
        .filter(|phase| metadata.contains(&phase.address.to_string()))
        .filter_map(|phase| match &phase.spec {
            PhaseSpec::Metadata(spec) => phases.get(&spec.from.value),
            _ => None,
        })
        .filter(|phase| {
            matches!(
                phase.spec,
                PhaseSpec::Snapshot(SnapshotSpec::Existing { .. })
            )
        })
        .map(|phase| phase.address.to_string())
        .collect();
    found.dedup();
    found
}

/// What became of the phases: what was planned, and what is left after an apply.
pub(super) struct Run<'a> {
    /// The plan.
    pub(super) loaded: &'a Loaded,
    /// The phases that were chosen.
    pub(super) chosen: &'a [Address],
    /// What was seen and decided.
    pub(super) made: &'a Made,
    /// The same again, once it was applied.
    pub(super) after: Option<&'a Made>,
    /// The errors of phases.
    pub(super) errors: &'a [(Address, String)],
}

/// Prints a report for each metadata phase.
pub(super) fn print(
    run: &Run<'_>,
    mode: Mode,
    output: Output,
    printer: Printer,
) -> Result<(), CliError> {
    let reports = reports(run, mode);
    match output {
        Output::Json => {
            let each: Vec<_> = reports.iter().map(|(_, report)| report.json()).collect();
            let value = match each.as_slice() {
                [one] => one.clone(),
                many => serde_json::Value::Array(many.to_vec()),
            };
            let text = serde_json::to_string_pretty(&value).unwrap_or_default();
            printer.data(&format!("{text}\n"))
        }
        Output::HumanReadable => {
            let several = reports.len() > 1;
            for (address, report) in &reports {
                if several {
                    printer.data(&format!("Phase {address}\n\n"))?;
                }
                printer.data(&report.text())?;
                if several {
                    printer.data("\n")?;
                }
            }
            Ok(())
        }
    }
}

fn reports<'a>(run: &Run<'a>, mode: Mode) -> Vec<(&'a Address, MetadataReport)> {
    let plan = &run.loaded.plan;
    let change_of = |made: &'a Made, address: &Address| -> Option<&'a PhaseChange> {
        made.survey.changes.iter().find(|it| it.address == *address)
    };
    let mut reports = Vec::new();
    for phase in plan
        .phases
        .values()
        .filter(|phase| run.chosen.contains(&phase.address))
    {
        let PhaseSpec::Metadata(spec) = &phase.spec else {
            continue;
        };
        let observed = run.made.survey.observations.get(&phase.address);
        let (Some(Observation::Metadata(observed)), Some(planned), Some(to)) = (
            observed,
            change_of(run.made, &phase.address),
            plan.clusters.get(&spec.to.value),
        ) else {
            continue;
        };
        let errors: Vec<String> = run
            .errors
            .iter()
            .filter(|(address, _)| *address == phase.address)
            .map(|(_, error)| error.clone())
            .collect();
        let from = place_of(run.loaded, &spec.from.value);
        let material = Material {
            observed,
            planned,
            left: run.after.and_then(|after| change_of(after, &phase.address)),
            errors: &errors,
            from: &from,
            to,
        };
        reports.push((&phase.address, MetadataReport::new(mode, &material)));
    }
    reports
}

/// Where the snapshot of a phase stands, in words of the plan.
fn place_of(loaded: &Loaded, snapshot: &Address) -> String {
    let phase = loaded.plan.phases.get(snapshot);
    match phase.map(|phase| &phase.spec) {
        Some(PhaseSpec::Snapshot(SnapshotSpec::Existing { store, name, .. })) => {
            format!("store {}, snapshot {name}", store.value)
        }
        Some(PhaseSpec::Snapshot(SnapshotSpec::Take { of, to, .. })) => {
            let cluster = loaded.plan.clusters.get(&of.value);
            match cluster.map(|cluster| &cluster.at) {
                Some(ClusterAt::Endpoint(url)) => format!("{url}, store {}", to.value),
                _ => format!("store {}", to.value),
            }
        }
        _ => snapshot.to_string(),
    }
}
