//! The command line as a whole: parsing, dispatch, and the end of the process.

use clap::{Parser, Subcommand};

use super::environment::MIG_LOG;
use super::error::CliResult;
use super::printer::{ColorChoice, Printer};
use super::{
    apply, approve, backfill_failed, backfill_limits, backfill_pause, backfill_reset,
    backfill_retry_failed, backfill_scale, backfill_start, backfill_status, backfill_stop, check,
    clusters_cat_indices, clusters_connection_check, clusters_curl, completions, explain, export,
    graph, help, init, logging, metadata_evaluate, metadata_migrate, plan, report, reset,
    restore_settings, rollback, rules, sandbox, schema, show, snapshot_create, snapshot_delete,
    snapshot_inspect, snapshot_status, state, status, test, validate, worker,
};
use crate::base::ExitCode;

/// Plan, apply and prove migrations of Elasticsearch and OpenSearch clusters
#[derive(Debug, Parser)]
#[command(
    name = "mig",
    version,
    disable_help_subcommand = true,
    max_term_width = 80
)]
pub(super) struct Cli {
    /// When to use colours
    #[arg(long, value_enum, default_value_t, global = true, value_name = "WHEN")]
    color: ColorChoice,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Validate(validate::ValidateArgs),
    Plan(plan::PlanCommand),
    Test(test::TestCommand),
    Check(check::CheckCommand),
    Apply(apply::ApplyCommand),
    Approve(approve::ApproveCommand),
    Status(status::StatusCommand),
    Report(report::ReportCommand),
    State(state::StateCommand),
    Reset(reset::ResetCommand),
    Rollback(rollback::RollbackCommand),
    Worker(worker::WorkerCommand),
    RestoreSettings(restore_settings::RestoreSettingsCommand),
    /// Look at the clusters of a plan, in the words of the migration console
    #[command(subcommand)]
    Clusters(ClustersCommand),
    /// Look after running backfills, in the words of the migration console
    #[command(subcommand)]
    Backfill(BackfillCommand),
    /// Work with snapshots
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Evaluate and migrate metadata, in the words of the migration console
    #[command(subcommand)]
    Metadata(MetadataCommand),
    Sandbox(sandbox::SandboxCommand),
    Explain(explain::ExplainArgs),
    Rules(rules::RulesCommand),
    Schema(schema::SchemaArgs),
    Export(export::ExportArgs),
    Show(show::ShowCommand),
    Graph(graph::GraphCommand),
    Completions(completions::CompletionsArgs),
    Help(help::HelpArgs),
}

#[derive(Debug, Subcommand)]
enum ClustersCommand {
    CatIndices(clusters_cat_indices::ClustersCatIndicesCommand),
    ConnectionCheck(clusters_connection_check::ClustersConnectionCheckCommand),
    Curl(clusters_curl::ClustersCurlCommand),
}

#[derive(Debug, Subcommand)]
enum BackfillCommand {
    Start(backfill_start::BackfillStartCommand),
    Status(backfill_status::BackfillStatusCommand),
    Scale(backfill_scale::BackfillScaleCommand),
    Limits(backfill_limits::BackfillLimitsCommand),
    Pause(backfill_pause::BackfillPauseCommand),
    Failed(backfill_failed::BackfillFailedCommand),
    RetryFailed(backfill_retry_failed::BackfillRetryFailedCommand),
    Stop(backfill_stop::BackfillStopCommand),
    Reset(backfill_reset::BackfillResetCommand),
}

#[derive(Debug, Subcommand)]
enum SnapshotCommand {
    Create(snapshot_create::SnapshotCreateCommand),
    Status(snapshot_status::SnapshotStatusCommand),
    Delete(snapshot_delete::SnapshotDeleteCommand),
    Inspect(snapshot_inspect::SnapshotInspectArgs),
}

#[derive(Debug, Subcommand)]
enum MetadataCommand {
    Evaluate(metadata_evaluate::MetadataEvaluateCommand),
    Migrate(metadata_migrate::MetadataMigrateCommand),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let helped = !error.use_stderr();
            drop(error.print());
            return if helped {
                ExitCode::Success
            } else {
                ExitCode::Error
            };
        }
    };
    if let Ok(filter) = std::env::var(MIG_LOG) {
        logging::start(&filter);
    }
    let printer = Printer::new(cli.color);
    match dispatch(cli.command.as_ref(), printer) {
        Ok(code) => code,
        Err(error) => {
            printer.error(&error);
            error.code()
        }
    }
}

fn dispatch(command: Option<&Command>, printer: Printer) -> CliResult {
    let Some(command) = command else {
        printer.data(help::BARE)?;
        return Ok(ExitCode::Success);
    };
    match command {
        Command::Init(args) => init::run(args, printer),
        Command::Validate(args) => validate::run(args, printer),
        Command::Explain(args) => explain::run(args, printer),
        Command::Rules(args) => rules::run(args, printer),
        Command::Schema(args) => schema::run(args, printer),
        Command::Plan(args) => plan::run(args, printer),
        Command::Test(args) => test::run(args, printer),
        Command::Check(args) => check::run(args, printer),
        Command::Apply(args) => apply::run(args, printer),
        Command::Approve(args) => approve::run(args, printer),
        Command::Status(args) => status::run(args, printer),
        Command::Report(args) => report::run(args, printer),
        Command::State(args) => state::run(args, printer),
        Command::Reset(args) => reset::run(args, printer),
        Command::Rollback(args) => rollback::run(args, printer),
        Command::Worker(args) => worker::run(args, printer),
        Command::RestoreSettings(args) => restore_settings::run(args, printer),
        Command::Clusters(ClustersCommand::CatIndices(args)) => {
            clusters_cat_indices::run(args, printer)
        }
        Command::Clusters(ClustersCommand::ConnectionCheck(args)) => {
            clusters_connection_check::run(args, printer)
        }
        Command::Clusters(ClustersCommand::Curl(args)) => clusters_curl::run(args, printer),
        Command::Backfill(BackfillCommand::Start(args)) => backfill_start::run(args, printer),
        Command::Backfill(BackfillCommand::Status(args)) => backfill_status::run(args, printer),
        Command::Backfill(BackfillCommand::Scale(args)) => backfill_scale::run(args, printer),
        Command::Backfill(BackfillCommand::Limits(args)) => backfill_limits::run(args, printer),
        Command::Backfill(BackfillCommand::Pause(args)) => backfill_pause::run(args, printer),
        Command::Backfill(BackfillCommand::Failed(args)) => backfill_failed::run(args, printer),
        Command::Backfill(BackfillCommand::RetryFailed(args)) => {
            backfill_retry_failed::run(args, printer)
        }
        Command::Backfill(BackfillCommand::Stop(args)) => backfill_stop::run(args, printer),
        Command::Backfill(BackfillCommand::Reset(args)) => backfill_reset::run(args, printer),
        Command::Snapshot(SnapshotCommand::Create(args)) => snapshot_create::run(args, printer),
        Command::Snapshot(SnapshotCommand::Status(args)) => snapshot_status::run(args, printer),
        Command::Snapshot(SnapshotCommand::Delete(args)) => snapshot_delete::run(args, printer),
        Command::Snapshot(SnapshotCommand::Inspect(args)) => snapshot_inspect::run(args, printer),
        Command::Metadata(MetadataCommand::Evaluate(args)) => metadata_evaluate::run(args, printer),
        Command::Metadata(MetadataCommand::Migrate(args)) => metadata_migrate::run(args, printer),
        Command::Sandbox(args) => sandbox::run(args, printer),
        Command::Export(args) => export::run(args, printer),
        Command::Show(args) => show::run(args, printer),
        Command::Graph(args) => graph::run(args, printer),
        Command::Completions(args) => completions::run(args, printer),
        Command::Help(args) => help::run(args, printer),
    }
}
