//! `mig clusters connection-check`

use serde_json::json;

use super::args::PlanArgs;
use super::backfill_session;
use super::clusters_cat_indices::known;
use super::error::CliResult;
use super::load::{load_plan, options};
use super::printer::Printer;
use super::settings::plan_file;
use crate::apply::session::remember;
use crate::base::{Address, ExitCode};
use crate::phases::clusters::{Connection, connection};
use crate::phases::connections::Connections;
use crate::ui::clusters::connections_text;

/// Ask each cluster of the plan who it is: version, uuid, user, and what may be asked of it
///
/// Ends with 8 when one does not answer, or is not what the plan says; each says how to mend it.
#[derive(clap::Args, Debug)]
pub(super) struct ClustersConnectionCheckCommand {
    #[command(flatten)]
    args: PlanArgs,
    /// This cluster alone
    #[arg(long, value_name = "CLUSTER")]
    cluster: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &ClustersConnectionCheckCommand, printer: Printer) -> CliResult {
    let file = plan_file(None, &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let chosen: Vec<Address> = match &command.cluster {
        Some(named) => vec![known(&loaded, named)?],
        None => loaded.plan.clusters.keys().cloned().collect(),
    };
    // Without a state there is no lineage, and none is needed to ask who somebody is.
    let store = crate::state::open(&loaded.plan.state)?;
    let lineage =
        remember(&*store, &loaded.plan).map_or_else(|_| String::new(), |it| it.state.lineage);
    let connections = Connections::new(&loaded.plan, &lineage);
    let answers: Vec<Connection> = chosen
        .iter()
        .map(|cluster| connection(&loaded.plan, &connections, cluster))
        .collect();
    printer.data(&if command.json {
        backfill_session::json(&json!({ "clusters": answers }))?
    } else {
        connections_text(&answers, Printer::columns())
    })?;
    Ok(if answers.iter().all(|answer| answer.successful) {
        ExitCode::Success
    } else {
        ExitCode::CheckFailed
    })
}
