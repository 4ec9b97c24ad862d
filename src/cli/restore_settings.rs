//! `mig restore-settings`

use super::args::{LockArgs, PlanArgs};
use super::error::CliResult;
use super::load::{load_plan, options};
use super::locking::locked;
use super::printer::Printer;
use super::settings::plan_file;
use crate::base::ExitCode;
use crate::base::units::indices;
use crate::phases::backfill::{TunedIndex, restore_tuned, tuned};
use crate::phases::connections::Connections;

/// Put back the settings that an interrupted backfill changed on its target
#[derive(clap::Args, Debug)]
pub(super) struct RestoreSettingsCommand {
    /// Do not ask before putting them back
    #[arg(long)]
    auto_approve: bool,
    #[command(flatten)]
    args: PlanArgs,
    #[command(flatten)]
    lock: LockArgs,
}

pub(super) fn run(command: &RestoreSettingsCommand, printer: Printer) -> CliResult {
    let file = plan_file(None, &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    // A running apply has its own settings in force: this waits for it.
    let store = crate::state::open(&loaded.plan.state)?;
    let locked = locked(&*store, "restore-settings", &command.lock, printer)?;
    let connections = Connections::new(&loaded.plan, &locked.state().lineage);
    let found = tuned(&loaded.plan, &connections)?;
    if found.is_empty() {
        printer.data("Nothing to put back: no index has settings of a backfill.\n")?;
        return Ok(ExitCode::Success);
    }
    printer.data(&shown(&found))?;
    if !command.auto_approve {
        printer.confirm("Put these back", "put back", "restore-settings", None)?;
    }
    for index in &found {
        let restored = restore_tuned(&connections, index)?;
        let name = &index.tuned.index;
        let text = if restored.gone {
            format!("{}: index {name} is gone, nothing to put back", index.on)
        } else if restored.left.is_empty() {
            format!("{}: index {name} is as before", index.on)
        } else {
            format!(
                "{}: index {name} is as before, but for what somebody else changed meanwhile: {}",
                index.on,
                restored.left.join(", ")
            )
        };
        printer.message(&text);
    }
    printer.data(&format!(
        "\nPut back: the settings of {}.\n",
        indices(found.len())
    ))?;
    Ok(ExitCode::Success)
}

fn shown(found: &[TunedIndex]) -> String {
    let mut text = String::from("Settings that a backfill changed:\n\n");
    for index in found {
        text.push_str(&format!("  {} on {}\n", index.tuned.index, index.on));
        for (key, during) in &index.tuned.during {
            let before = index.tuned.before.get(key).cloned().flatten();
            let before = before.as_deref().unwrap_or("the server's own");
            text.push_str(&format!("    ~ {key}: {during} -> {before}\n"));
        }
        if index.tuned.during.is_empty() {
            text.push_str("    - the alias that documents were written through\n");
        }
    }
    text
}
