//! Saved plans: recognised, loaded again with what they were made of, and refused when their ground has moved.

use std::path::Path;

use super::error::CliError;
use super::load::{Loaded, choose, load_plan};
use super::printer::Printer;
use crate::apply::session::Made;
use crate::base::{Address, ExitCode};
use crate::diff::change::PhaseChange;
use crate::diff::{PlannedChanges, Selected, Selection, staleness};
use crate::plan::load::LoadOptions;
use crate::state::model::State;

/// A saved plan.
pub(super) struct Saved {
    planned: PlannedChanges,
}

/// Reads a saved plan. `None`: the file is a plan file (or nothing).
pub(super) fn read_if_saved(file: &Path) -> Result<Option<Saved>, CliError> {
    let Ok(text) = std::fs::read_to_string(file) else {
        return Ok(None);
    };
    if !text.trim_start().starts_with('{') || !text.contains("\"format_version\"") {
        return Ok(None);
    }
    match PlannedChanges::from_json(&text) {
        Ok(planned) => Ok(Some(Saved { planned })),
        Err(problem) => Err(CliError::error(format!("{}: {problem}", file.display()))
            .help("make it again with `mig plan --out`")),
    }
}

impl Saved {
    /// What was saved.
    pub(super) fn planned(&self) -> &PlannedChanges {
        &self.planned
    }

    /// Loads the plan files again, with the variables as they were, and refuses when they say something else now.
    pub(super) fn reload(&self, printer: Printer) -> Result<(Loaded, Selected), CliError> {
        let identity = &self.planned.plan;
        let file = identity
            .files
            .first()
            .ok_or_else(|| CliError::error("the saved plan names no plan file"))?;
        let vars = self.planned.variables.iter();
        let options = LoadOptions {
            vars: vars
                .map(|(name, variable)| (name.clone(), variable.value.clone()))
                .collect(),
            ..LoadOptions::from_environment()
        };
        let loaded = load_plan(Path::new(file), &options, printer)?;
        if loaded.plan.digest() != identity.digest {
            return Err(CliError::new(
                ExitCode::Stale,
                format!(
                    "the saved plan is stale: the plan itself has changed ({} was planned, {} says {})",
                    identity.digest.short(),
                    file,
                    loaded.plan.digest().short()
                ),
            )
            .help("make it again with `mig plan --out`"));
        }
        let selected = choose(&loaded.graph, &self.selection())?;
        Ok((loaded, selected))
    }

    /// What was approved, unless the ground of a phase with work to do has moved.
    pub(super) fn approved(
        &self,
        state: &State,
        made: &Made,
        selected: &Selected,
    ) -> Result<Vec<PhaseChange>, CliError> {
        let again = "`mig plan --out` makes it again; `mig plan` shows what is different now";
        let lineage = &self.planned.state.lineage;
        // A plan made before there was a state belongs to the one that its apply opens.
        if !lineage.is_empty() && *lineage != state.lineage {
            return Err(CliError::new(
                ExitCode::Stale,
                "the saved plan is stale: it was made with another state",
            )
            .help(again));
        }
        let chosen = |address: &Address| selected.phases.contains(address);
        let stale = staleness(&self.planned, &made.planned, chosen);
        if !stale.is_empty() {
            let nodes: Vec<String> = stale
                .iter()
                .map(|node| format!("{}: {}", node.address, node.what_moved.join("; ")))
                .collect();
            return Err(CliError::new(
                ExitCode::Stale,
                format!("the saved plan is stale:\n  {}", nodes.join("\n  ")),
            )
            .help(again));
        }
        let approved = made.survey.changes.iter().map(|fresh| {
            let saved = self.planned.phase(&fresh.address);
            saved.unwrap_or(fresh).clone()
        });
        Ok(approved.collect())
    }

    fn selection(&self) -> Selection {
        let mut selection = Selection::default();
        let Some(note) = &self.planned.selection else {
            return selection;
        };
        for asked in &note.asked {
            let Some((option, name)) = asked.split_once(' ') else {
                continue;
            };
            let list = match option {
                "--only" => &mut selection.only,
                "--until" => &mut selection.until,
                "--from" => &mut selection.from,
                _ => &mut selection.redo,
            };
            list.push(name.to_owned());
        }
        selection
    }
}
