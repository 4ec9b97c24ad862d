//! `mig rules`: which translation rules there are, and each in full.

use clap::{Subcommand, ValueEnum};

use super::error::{CliError, CliResult};
use super::printer::Printer;
use crate::base::ExitCode;
use crate::base::version::{Product, ProductVersion};
use crate::engines::metadata::{Rule, Versions, rules};
use crate::plan::diagnostics::did_you_mean;
use crate::ui::rules as shown;

/// Show the rules that translate settings and mappings
///
/// What a rule means (deny, warn or allow) is changed in a metadata phase under `rules:`.
#[derive(clap::Args, Debug)]
pub(super) struct RulesCommand {
    #[command(subcommand)]
    command: RulesVerb,
}

#[derive(Debug, Subcommand)]
enum RulesVerb {
    List(ListArgs),
    Show(ShowArgs),
}

/// List the rules, all of them or those between two servers
#[derive(clap::Args, Debug)]
struct ListArgs {
    /// Only rules for this source, such as elasticsearch:5.6
    #[arg(long, value_name = "VERSION", value_parser = server)]
    from: Option<ProductVersion>,
    /// Only rules for this target, such as opensearch:3.3
    #[arg(long, value_name = "VERSION", value_parser = server)]
    to: Option<ProductVersion>,
    /// How it is shown
    #[arg(long, value_enum, default_value_t)]
    format: RulesFormat,
}

/// Show one rule in full
#[derive(clap::Args, Debug)]
struct ShowArgs {
    /// Its code, such as MIG105
    code: String,
    /// How it is shown
    #[arg(long, value_enum, default_value_t)]
    format: RulesFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum RulesFormat {
    /// For people at a terminal.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// `elasticsearch:5.6`, or `opensearch 3.3`.
fn server(text: &str) -> Result<ProductVersion, String> {
    let wrong = || "expected a product and a version, such as elasticsearch:5.6".to_owned();
    let (product, version) = text
        .split_once(':')
        .or_else(|| text.split_once(' '))
        .ok_or_else(wrong)?;
    let product = match product.to_lowercase().as_str() {
        "elasticsearch" | "es" => Product::Elasticsearch,
        "opensearch" | "os" => Product::OpenSearch,
        _ => return Err(wrong()),
    };
    let version = version.trim().parse().map_err(|()| wrong())?;
    Ok(ProductVersion { product, version })
}

pub(super) fn run(command: &RulesCommand, printer: Printer) -> CliResult {
    match &command.command {
        RulesVerb::List(args) => list(args, printer),
        RulesVerb::Show(args) => show(args, printer),
    }
}

fn list(args: &ListArgs, printer: Printer) -> CliResult {
    let found: Vec<&Rule> = rules()
        .iter()
        .copied()
        .filter(|rule| match (args.from, args.to) {
            (Some(source), Some(target)) => rule.is_between(Versions { source, target }),
            (Some(source), None) => rule.source.hold(source),
            (None, Some(target)) => rule.target.hold(target),
            (None, None) => true,
        })
        .collect();
    let text = match args.format {
        RulesFormat::Text => shown::list(&found),
        RulesFormat::Json => format!("{:#}\n", shown::as_json(&found)),
    };
    printer.data(&text)?;
    Ok(ExitCode::Success)
}

fn show(args: &ShowArgs, printer: Printer) -> CliResult {
    let wanted = args.code.to_uppercase();
    let Some(rule) = rules().iter().find(|rule| rule.code == wanted) else {
        let error = CliError::error(format!("there is no rule `{}`", args.code));
        return Err(
            match did_you_mean(&wanted, rules().iter().map(|rule| rule.code)) {
                Some(code) => error.help(format!("did you mean `{code}`?")),
                None => error.help("`mig rules list` lists them"),
            },
        );
    };
    let text = match args.format {
        RulesFormat::Text => shown::text(rule),
        RulesFormat::Json => format!("{:#}\n", shown::one_as_json(rule)),
    };
    printer.data(&text)?;
    Ok(ExitCode::Success)
}
