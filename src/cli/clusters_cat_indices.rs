//! `mig clusters cat-indices`

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::args::PlanArgs;
use super::backfill_session;
use super::error::{CliError, CliResult};
use super::load::{Loaded, load_plan, options};
use super::printer::Printer;
use super::settings::plan_file;
use crate::apply::session::remember;
use crate::base::{Address, ExitCode};
use crate::phases::clusters::{IndexRow, indices, roles};
use crate::phases::connections::Connections;
use crate::plan::model::Access;
use crate::ui::clusters::{indices_text, matches};

/// List the indices of source and target, with real document counts side by side
///
/// The columns of `_cat/indices`, then `documents`: root documents as searches count them, where `docs.count` counts Lucene's,
/// nested ones too. `match` holds those of a target against the source's index of the same name.
#[derive(clap::Args, Debug)]
pub(super) struct ClustersCatIndicesCommand {
    #[command(flatten)]
    args: PlanArgs,
    /// This cluster alone
    #[arg(long, value_name = "CLUSTER")]
    cluster: Option<String>,
    /// Refresh targets first, so that counts are of now; a read-only cluster is never refreshed
    #[arg(long)]
    refresh: bool,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

/// A cluster with its indices.
struct Listed {
    cluster: Address,
    rows: Option<Vec<IndexRow>>,
}

pub(super) fn run(command: &ClustersCatIndicesCommand, printer: Printer) -> CliResult {
    let file = plan_file(None, &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let store = crate::state::open(&loaded.plan.state)?;
    let lineage = remember(&*store, &loaded.plan)?.state.lineage;
    let connections = Connections::new(&loaded.plan, &lineage);
    let roles = roles(&loaded.plan);
    if let Some(named) = &command.cluster {
        known(&loaded, named)?;
    }
    if !command.refresh {
        printer.warn("counts may be stale: what was written a moment ago may not show; `--refresh` refreshes targets first");
    }
    let list = |clusters: &[Address]| -> Result<Vec<Listed>, CliError> {
        let wanted = clusters.iter().filter(|it| {
            command
                .cluster
                .as_deref()
                .is_none_or(|named| named == it.as_str())
        });
        wanted
            .map(|cluster| {
                let refresh = command.refresh && may_refresh(&loaded, cluster, printer);
                Ok(Listed {
                    cluster: cluster.clone(),
                    rows: indices(&loaded.plan, &connections, cluster, refresh)?,
                })
            })
            .collect()
    };
    let sources = list(&roles.sources)?;
    let targets = list(&roles.targets)?;
    let counts: BTreeMap<&Address, BTreeMap<String, Option<u64>>> = sources
        .iter()
        .map(|listed| (&listed.cluster, documents(listed)))
        .collect();
    let source_of = |target: &Address| counts.get(roles.source_of.get(target)?);
    if command.json {
        let mut answer = Map::new();
        let sources = sources.iter().map(|it| as_json(it, None));
        answer.insert("source_cluster".into(), one_or_all(sources.collect()));
        let targets = targets.iter().map(|it| as_json(it, source_of(&it.cluster)));
        answer.insert("target_cluster".into(), one_or_all(targets.collect()));
        printer.data(&backfill_session::json(&answer)?)?;
        return Ok(ExitCode::Success);
    }
    let title = |what: &str, cluster: &Address, of: usize| {
        if of == 1 {
            what.to_owned()
        } else {
            format!("{what} {cluster}")
        }
    };
    let mut blocks = Vec::new();
    for listed in &sources {
        let title = title("SOURCE CLUSTER", &listed.cluster, sources.len());
        blocks.push(indices_text(&title, listed.rows.as_deref(), None));
    }
    for listed in &targets {
        let title = title("TARGET CLUSTER", &listed.cluster, targets.len());
        let source = source_of(&listed.cluster);
        blocks.push(indices_text(&title, listed.rows.as_deref(), source));
    }
    printer.data(&blocks.join("\n"))?;
    Ok(ExitCode::Success)
}

/// Fails where the plan has no such cluster.
pub(super) fn known(loaded: &Loaded, named: &str) -> Result<Address, CliError> {
    let address = Address::new(named);
    if loaded.plan.clusters.contains_key(&address) {
        return Ok(address);
    }
    let names: Vec<&str> = loaded.plan.clusters.keys().map(Address::as_str).collect();
    Err(
        CliError::error(format!("the plan has no cluster `{named}`"))
            .help(format!("it has {}", names.join(", "))),
    )
}

fn may_refresh(loaded: &Loaded, cluster: &Address, printer: Printer) -> bool {
    let access = loaded.plan.clusters.get(cluster).map(|it| it.access);
    let may = access == Some(Access::ReadWrite);
    if !may {
        printer.warn(&format!(
            "{cluster} is not refreshed: the plan has it as `access: read-only`"
        ));
    }
    may
}

fn documents(listed: &Listed) -> BTreeMap<String, Option<u64>> {
    let rows = listed.rows.iter().flatten();
    rows.map(|row| (row.name().to_owned(), row.documents))
        .collect()
}

fn as_json(listed: &Listed, source: Option<&BTreeMap<String, Option<u64>>>) -> Value {
    let rows = listed.rows.iter().flatten().map(|row| {
        let mut value = json!(row);
        if let Some(source) = source {
            value["match"] = json!(matches(row, source));
        }
        value
    });
    json!({ "cluster": listed.cluster, "indices": rows.collect::<Vec<_>>() })
}

/// Of one cluster its indices, as the migration console has it; of several all of them.
fn one_or_all(mut found: Vec<Value>) -> Value {
    match found.as_mut_slice() {
        [one] => one["indices"].take(),
        _ => Value::Array(found),
    }
}
