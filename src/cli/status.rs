//! `mig status`

use std::path::PathBuf;

use serde::Serialize;

use super::args::{Format, PlanArgs};
use super::error::CliResult;
use super::load::{load_plan, options};
use super::printer::Printer;
use super::settings::{dash_f, plan_file};
use crate::apply::gates;
use crate::apply::session::remember;
use crate::base::{Address, ExitCode};
use crate::graph::Graph;
use crate::plan::model::{Approve, Phase, PhaseSpec};
use crate::state::model::{PhaseStatus, State};

/// Show what is done, what waits, what failed, and what to type next; looks at no cluster
#[derive(clap::Args, Debug)]
pub(super) struct StatusCommand {
    /// The plan file [default: plan.yaml]
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    args: PlanArgs,
    /// How it is shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What is shown; also the JSON form.
#[derive(Serialize)]
struct Status {
    plan: String,
    state: String,
    serial: u64,
    last_run: Option<String>,
    phases: Vec<PhaseLine>,
    next: String,
}

#[derive(Serialize)]
struct PhaseLine {
    address: Address,
    kind: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    says: Vec<String>,
}

pub(super) fn run(command: &StatusCommand, printer: Printer) -> CliResult {
    let file = plan_file(command.plan.as_deref(), &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let store = crate::state::open(&loaded.plan.state)?;
    let remembered = remember(&*store, &loaded.plan)?;
    for notice in &remembered.notices {
        printer.warn(&notice.to_string());
    }
    let state = &remembered.state;
    let mut next = None;
    let mut phases = Vec::new();
    for address in &loaded.graph.order {
        let Some(phase) = loaded.plan.phases.get(address) else {
            continue;
        };
        let line = line(phase, state, &loaded.graph);
        if line.status == "waiting" {
            let name = file.to_string_lossy();
            next.get_or_insert_with(|| gates::command(address, Some(&name)));
        }
        phases.push(line);
    }
    let all_done = phases.iter().all(|line| line.status == "done");
    let then = dash_f(&file);
    let next = next.unwrap_or_else(|| match (state.serial, all_done) {
        (0, _) => format!("mig plan{then}"),
        (_, true) => format!("mig plan{then} (shows whether anything has moved since)"),
        _ => format!("mig apply{then}"),
    });
    let status = Status {
        plan: loaded.plan.name.clone(),
        state: store.location(),
        serial: state.serial,
        last_run: state.last_run.as_ref().map(|run| {
            let outcome = run.outcome.as_deref();
            format!(
                "{:.0} by {}: {}",
                run.started_at,
                run.who,
                outcome.unwrap_or("running, or it was killed")
            )
        }),
        phases,
        next,
    };
    let text = if command.format == Format::Json {
        serde_json::to_string_pretty(&status).unwrap_or_default() + "\n"
    } else {
        text(&status)
    };
    printer.data(&text)?;
    Ok(ExitCode::Success)
}

fn line(phase: &Phase, state: &State, graph: &Graph) -> PhaseLine {
    let done = |address: &Address| {
        state
            .phases
            .get(address)
            .is_some_and(|record| record.status == PhaseStatus::Done)
    };
    let manual = match &phase.spec {
        PhaseSpec::Gate(gate) => gate.approve == Approve::Manual,
        PhaseSpec::Switchover(switchover) => switchover.approve == Approve::Manual,
        _ => false,
    };
    let address = &phase.address;
    let record = state.phases.get(address);
    let reached = graph.needs(address).all(done);
    let (status, mut says) = match record.map(|record| (record.status, record)) {
        Some((PhaseStatus::Done, record)) => ("done", record.evidence.clone()),
        Some((PhaseStatus::Started, _)) => {
            ("begun", vec!["interrupted, or running now".to_owned()])
        }
        Some((PhaseStatus::Failed, record)) => {
            let error = record.error.clone().unwrap_or_default();
            ("failed", error.lines().map(str::to_owned).collect())
        }
        Some((PhaseStatus::RolledBack, _)) => ("rolled back", Vec::new()),
        Some((PhaseStatus::Reset, _)) => ("reset", Vec::new()),
        None if manual && reached && state.approvals.contains_key(address) => {
            ("approved", Vec::new())
        }
        None if manual && reached => ("waiting", vec!["for approval".to_owned()]),
        None => ("to do", Vec::new()),
    };
    if let Some(ended) = record.and_then(|record| record.ended.as_ref()) {
        says.push(format!("ended for good by {} at {:.0}", ended.by, ended.at));
    }
    PhaseLine {
        address: address.clone(),
        kind: phase.spec.kind().as_str(),
        status,
        says,
    }
}

fn text(status: &Status) -> String {
    let mut text = format!(
        "{} · state {} serial {}\n\n",
        status.plan, status.state, status.serial
    );
    let width = |of: fn(&PhaseLine) -> usize| status.phases.iter().map(of).max().unwrap_or(0);
    let names = width(|line| line.address.as_str().chars().count());
    let kinds = width(|line| line.kind.len());
    for line in &status.phases {
        text.push_str(&format!(
            "  {:<names$}  {:<kinds$}  {}\n",
            line.address.as_str(),
            line.kind,
            line.status
        ));
        for says in &line.says {
            text.push_str(&format!("      {says}\n"));
        }
    }
    if let Some(run) = &status.last_run {
        text.push_str(&format!("\nLast apply: {run}\n"));
    }
    text.push_str(&format!("\nNext: {}\n", status.next));
    text
}
