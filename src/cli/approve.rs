//! `mig approve`

use std::path::PathBuf;

use jiff::Timestamp;

use super::args::{LockArgs, PlanArgs};
use super::error::{CliError, CliResult};
use super::load::{choose, load_plan, options};
use super::locking::locked;
use super::plan;
use super::printer::Printer;
use super::settings::plan_file;
use super::who::who;
use crate::apply::gates::{self, Word};
use crate::apply::session::{open_locked, remember};
use crate::base::{Address, ExitCode};
use crate::diff::Selection;
use crate::diff::change::Action;
use crate::plan::diagnostics::did_you_mean;
use crate::state::model::{Approval, Entry};

/// Let a phase go on that waits for a person
#[derive(clap::Args, Debug)]
pub(super) struct ApproveCommand {
    /// The phase
    #[arg(value_name = "PHASE", required_unless_present = "list")]
    phase: Option<String>,
    /// List what waits, and what was approved
    #[arg(long, conflicts_with = "phase")]
    list: bool,
    /// Who approves, where it is not the user of this process
    #[arg(long = "as", value_name = "WHO")]
    who: Option<String>,
    #[command(flatten)]
    args: PlanArgs,
    #[command(flatten)]
    lock: LockArgs,
}

pub(super) fn run(command: &ApproveCommand, printer: Printer) -> CliResult {
    let file: PathBuf = plan_file(None, &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let selected = choose(&loaded.graph, &Selection::default())?;
    let store = crate::state::open(&loaded.plan.state)?;
    let Some(wanted) = &command.phase else {
        let remembered = remember(&*store, &loaded.plan)?;
        let made = plan::make(&loaded, &remembered.state, &selected, true, 4, printer)?;
        let mut text = String::new();
        for change in &made.survey.changes {
            let waits = change.action == Action::Wait;
            let title = gates::title(&loaded.plan, change);
            let says = match gates::word(&remembered.state, change) {
                Word::Given(approval) if waits => {
                    format!("approved by {} at {}", approval.who, approval.at)
                }
                Word::Lapsed(approval) if waits => format!(
                    "waits: the approval by {} has lapsed, what it was given for has changed",
                    approval.who
                ),
                _ if waits => "waits for approval".to_owned(),
                _ => continue,
            };
            text.push_str(&format!("{}: {says}: {title}\n", change.address));
        }
        if text.is_empty() {
            text.push_str("Nothing waits for approval.\n");
        }
        printer.data(&text)?;
        return Ok(ExitCode::Success);
    };
    let address = Address::from(wanted.as_str());
    if !loaded.plan.phases.contains_key(&address) {
        let known = loaded.plan.phases.keys().map(Address::as_str);
        let error = CliError::error(format!("the plan has no phase `{wanted}`"));
        return Err(match did_you_mean(wanted, known) {
            Some(meant) => error.help(format!("did you mean `{meant}`?")),
            None => error.help("`mig approve --list` shows what waits"),
        });
    }
    let mut locked = locked(&*store, "approve", &command.lock, printer)?;
    open_locked(&mut *locked, &*store, &loaded.plan)?;
    let state = locked.state().clone();
    let made = plan::make(&loaded, &state, &selected, true, 4, printer)?;
    let change = made
        .survey
        .changes
        .iter()
        .find(|change| change.address == address);
    let change =
        change.ok_or_else(|| CliError::error(format!("`{address}` could not be looked at")))?;
    if change.action.is_noop() {
        printer.data(&format!("{address} is done already: nothing to approve.\n"))?;
        return Ok(ExitCode::Success);
    }
    if change.action != Action::Wait {
        return Err(
            CliError::error(format!("`{address}` does not wait for approval"))
                .help("`mig approve --list` shows what waits"),
        );
    }
    let approval = Approval {
        who: command.who.clone().unwrap_or_else(who),
        at: Timestamp::now(),
        plan_digest: loaded.plan.digest(),
        inputs: change.inputs.clone(),
    };
    let text = format!(
        "{address}: approved by {}: {}\nNext: mig apply{}\n",
        approval.who,
        gates::title(&loaded.plan, change),
        super::settings::dash_f(&file)
    );
    let at = approval.at;
    locked.append(at, &Entry::Approved { address, approval })?;
    printer.data(&text)?;
    Ok(ExitCode::Success)
}
