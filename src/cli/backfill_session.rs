//! What the commands for backfills share: the plan with what is remembered of it, and which phase is meant.

use std::path::PathBuf;

use super::args::PhaseArgs;
use super::error::CliError;
use super::load::{Loaded, load_plan, options};
use super::printer::Printer;
use super::settings::{dash_f, plan_file};
use crate::apply::session::remember;
use crate::phases::backfill::orders::phases;
use crate::phases::backfill::status::{Asked, BackfillStatus, look};
use crate::phases::connections::Connections;
use crate::plan::model::Phase;
use crate::state::StateStore;
use crate::state::model::State;

/// A plan with backfills and what is remembered of it. Holds no lock.
pub(super) struct Session {
    pub(super) loaded: Loaded,
    pub(super) file: PathBuf,
    pub(super) store: Box<dyn StateStore>,
    pub(super) state: State,
    pub(super) connections: Connections,
}

impl Session {
    pub(super) fn open(args: &PhaseArgs, printer: Printer) -> Result<Self, CliError> {
        let file = plan_file(None, &args.args)?;
        let loaded = load_plan(&file, &options(&args.args), printer)?;
        let store = crate::state::open(&loaded.plan.state)?;
        let remembered = remember(&*store, &loaded.plan)?;
        for notice in &remembered.notices {
            printer.warn(&notice.to_string());
        }
        let state = remembered.state;
        let connections = Connections::new(&loaded.plan, &state.lineage);
        Ok(Self {
            loaded,
            file,
            store,
            state,
            connections,
        })
    }

    /// What an apply has written since, seen anew: with connections of its own.
    pub(super) fn again(&mut self) -> Result<(), CliError> {
        self.state = remember(&*self.store, &self.loaded.plan)?.state;
        self.connections = Connections::new(&self.loaded.plan, &self.state.lineage);
        Ok(())
    }

    /// The phases that are meant: the named one, or all.
    pub(super) fn chosen(&self, named: Option<&str>) -> Result<Vec<&Phase>, CliError> {
        chosen(&self.loaded, named)
    }

    /// The one phase that is meant.
    pub(super) fn one(&self, named: Option<&str>) -> Result<&Phase, CliError> {
        one(&self.loaded, named)
    }

    /// What stands behind a command about this phase: ` -f FILE --phase NAME`, as far as it is needed.
    pub(super) fn then(&self, phase: &Phase) -> String {
        let mut then = dash_f(&self.file);
        if phases(&self.loaded.plan).len() > 1 {
            let name = phase.address.as_str();
            // A shell would take the arrow of a hop for a redirection.
            let quote = if name.contains('>') { "'" } else { "" };
            then.push_str(&format!(" --phase {quote}{name}{quote}"));
        }
        then
    }

    /// How far a phase is.
    pub(super) fn look(&self, phase: &Phase, deep: bool) -> Result<BackfillStatus, CliError> {
        let then = self.then(phase);
        let asked = Asked {
            plan: &self.loaded.plan,
            phase,
            state: &self.state,
            connections: &self.connections,
            then: &then,
        };
        Ok(look(asked, &*self.store.artifacts(), deep)?)
    }
}

/// The backfills of a plan that are meant: the named one, or all.
fn chosen<'l>(loaded: &'l Loaded, named: Option<&str>) -> Result<Vec<&'l Phase>, CliError> {
    let all = phases(&loaded.plan);
    if all.is_empty() {
        return Err(CliError::error("the plan has no backfill phase")
            .help("add one: `docs: { backfill: { from: …, to: … } }`"));
    }
    let Some(named) = named else {
        return Ok(all);
    };
    match all.iter().find(|phase| phase.address.as_str() == named) {
        Some(phase) => Ok(vec![phase]),
        None => Err(
            CliError::error(format!("the plan has no backfill phase `{named}`"))
                .help(format!("it has {}", names(&all))),
        ),
    }
}

/// The one that is meant.
pub(super) fn one<'l>(loaded: &'l Loaded, named: Option<&str>) -> Result<&'l Phase, CliError> {
    match chosen(loaded, named)?.as_slice() {
        [one] => Ok(one),
        several => Err(CliError::error(format!(
            "the plan has {} backfill phases: which one is meant?",
            several.len()
        ))
        .help(format!("name it with `--phase`: {}", names(several)))),
    }
}

fn names(phases: &[&Phase]) -> String {
    let names: Vec<&str> = phases.iter().map(|it| it.address.as_str()).collect();
    names.join(", ")
}

/// A value as the answer of `--json`.
pub(super) fn json(value: &impl serde::Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(value);
    Ok(text.map_err(|error| CliError::error(error.to_string()))? + "\n")
}
