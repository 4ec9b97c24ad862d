//! `mig graph`

use std::path::PathBuf;

use clap::ValueEnum;

use super::args::PlanArgs;
use super::error::CliResult;
use super::load::{load_plan, options};
use super::printer::Printer;
use super::settings::plan_file;
use crate::base::ExitCode;
use crate::ui::graph_dot::graph_dot;
use crate::ui::graph_json::{graph_json, name_and_kind};
use crate::ui::graph_mermaid::graph_mermaid;

/// Show the order of the phases, each edge with its reason
#[derive(clap::Args, Debug)]
pub(super) struct GraphCommand {
    /// The plan file [default: plan.yaml]
    #[arg(value_name = "FILE")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    args: PlanArgs,
    /// How it is shown
    #[arg(long, value_enum, default_value_t)]
    format: GraphFormat,
}

/// A form of graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum GraphFormat {
    /// One line an edge, in the order of execution.
    #[default]
    Text,
    /// For pull requests and documents.
    Mermaid,
    /// For Graphviz.
    Dot,
    /// For programs.
    Json,
}

pub(super) fn run(command: &GraphCommand, printer: Printer) -> CliResult {
    let file = plan_file(command.plan.as_deref(), &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let (plan, graph) = (&loaded.plan, &loaded.graph);
    let label = name_and_kind(plan);
    let text = match command.format {
        GraphFormat::Mermaid => graph_mermaid(graph, &label),
        GraphFormat::Dot => graph_dot(&plan.name, graph, &label),
        GraphFormat::Json => graph_json(plan, graph),
        GraphFormat::Text => {
            let mut text = String::new();
            for address in &graph.order {
                let kind = plan
                    .phases
                    .get(address)
                    .map_or("", |phase| phase.spec.kind().as_str());
                text.push_str(&format!("{address}  {kind}\n"));
                for edge in graph.edges.iter().filter(|edge| edge.to == *address) {
                    text.push_str(&format!("    after {}: {}\n", edge.from, edge.words()));
                }
            }
            text
        }
    };
    printer.data(&text)?;
    Ok(ExitCode::Success)
}
