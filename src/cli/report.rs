//! `mig report`

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::args::PlanArgs;
use super::error::{CliError, CliResult};
use super::load::{Loaded, load_plan, options};
use super::printer::Printer;
use super::settings::plan_file;
use crate::apply::checked::CheckRecord;
use crate::apply::recording::{self, RunRecord};
use crate::apply::report::{MigrationReport, Sources, limits, report};
use crate::apply::survey::with_renames;
use crate::base::fs::write_atomic;
use crate::base::{Address, ExitCode};
use crate::plan::model::PhaseSpec;
use crate::state::model::{Entry, State};
use crate::state::{Artifacts, JournalLine, StateStore};
use crate::ui::report_html::report_html;

/// Where an apply leaves its report among the artifacts.
const ARTIFACT: &str = "report.html";

/// Tell a migration in one HTML file: timeline, rates, indices, failures, evidence; looks at no cluster
///
/// The file holds all that it needs: it loads nothing and needs no script, so it can be mailed, archived and printed. Each
/// `mig apply` leaves one beside the state too.
#[derive(clap::Args, Debug)]
pub(super) struct ReportCommand {
    /// The plan file [default: plan.yaml]
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    args: PlanArgs,
    /// Where to write it [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The values as JSON, instead of a page
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &ReportCommand, printer: Printer) -> CliResult {
    let file = plan_file(command.plan.as_deref(), &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let store = crate::state::open(&loaded.plan.state)?;
    let made = make(&loaded, &*store)?;
    let text = if command.json {
        serde_json::to_string_pretty(&made).map_err(|error| CliError::error(error.to_string()))?
            + "\n"
    } else {
        page(&made)?
    };
    match &command.out {
        None => printer.data(&text)?,
        Some(path) => {
            write_atomic(path, text.as_bytes()).map_err(|error| {
                CliError::error(format!("can't write {}: {error}", path.display()))
            })?;
            printer.message(&format!("The report is in {}.", path.display()));
        }
    }
    Ok(ExitCode::Success)
}

/// Leaves the report beside the state; says where.
pub(super) fn keep(loaded: &Loaded, store: &dyn StateStore) -> Result<String, CliError> {
    let page = page(&make(loaded, store)?)?;
    let artifacts = store.artifacts();
    artifacts.put(ARTIFACT, page.as_bytes())?;
    Ok(artifacts.locate(ARTIFACT))
}

fn page(made: &MigrationReport) -> Result<String, CliError> {
    report_html(made).map_err(|error| CliError::error(error.to_string()))
}

fn make(loaded: &Loaded, store: &dyn StateStore) -> Result<MigrationReport, CliError> {
    let found = store.load()?.unwrap_or_default();
    let state = with_renames(&found.state, &loaded.plan);
    let artifacts = store.artifacts();
    let records = records(&*artifacts, &found.lines)?;
    let evidence = evidence(&*artifacts, loaded, &state)?;
    Ok(report(&Sources {
        plan: &loaded.plan,
        order: &loaded.graph.order,
        state: &state,
        lines: &found.lines,
        records: &records,
        evidence: &evidence,
        check: CheckRecord::last(&loaded.plan.name, &*artifacts)?,
        location: &store.location(),
        at: Timestamp::now(),
    }))
}

/// What the newest runs recorded. A record that is missing or of another version takes its plots along, and nothing else.
fn records(
    artifacts: &dyn Artifacts,
    lines: &[JournalLine],
) -> Result<BTreeMap<u64, RunRecord>, CliError> {
    let started = lines
        .iter()
        .filter(|line| matches!(line.entry, Entry::RunStarted { .. }));
    let mut found = BTreeMap::new();
    for line in started.rev().take(limits::RUNS) {
        let record = artifacts.get(&recording::name(line.seq))?;
        let record = record.and_then(|bytes| serde_json::from_slice::<RunRecord>(&bytes).ok());
        let known = record.filter(|it| it.version == recording::RECORD_VERSION);
        found.extend(known.map(|record| (line.seq, record)));
    }
    Ok(found)
}

fn evidence(
    artifacts: &dyn Artifacts,
    loaded: &Loaded,
    state: &State,
) -> Result<BTreeMap<Address, (String, serde_json::Value)>, CliError> {
    let mut found = BTreeMap::new();
    for (address, phase) in &loaded.plan.phases {
        if !matches!(phase.spec, PhaseSpec::Verify(_)) || !state.phases.contains_key(address) {
            continue;
        }
        let name = format!("evidence/{}.json", address.file_name());
        let bytes = artifacts.get(&name)?;
        let value = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(value) = value {
            found.insert(address.clone(), (artifacts.locate(&name), value));
        }
    }
    Ok(found)
}
