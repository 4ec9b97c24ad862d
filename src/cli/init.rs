//! `mig init`: writes a plan with comments to begin with, from the live source where one is named.
//!
//! The texts are the templates of `templates/init`. What is written is checked as `mig validate` does, before anything is
//! written. Deliberately absent: secrets (a plan names where they are), and decisions; what needs one stands as a comment.

mod source;

use std::path::{Path, PathBuf};

use handlebars::Handlebars;
use serde::Serialize;

use super::error::{CliError, CliResult};
use super::printer::Printer;
use super::settings::DEFAULT_PLAN;
use crate::base::ExitCode;
use crate::base::fs::write_atomic;

/// The fragment of one hop, written beside a plan with hops.
const FRAGMENT: &str = include_str!("../../templates/backfill-hop.yaml");
const FRAGMENT_NAME: &str = "backfill-hop.yaml";

/// Write a plan with comments to begin with; nothing is changed anywhere else
#[derive(clap::Args, Debug)]
pub(super) struct InitArgs {
    /// What the plan is for
    #[arg(long, value_enum, default_value_t)]
    scenario: Scenario,
    /// The clusters of a path, oldest first: `NAME=VERSION,…`, such as `es56=5.6,es710=7.10,os2=opensearch:2.19`
    #[arg(long, value_name = "CLUSTERS", value_delimiter = ',')]
    hops: Vec<String>,
    /// The source's address; it is asked for its version and indices, and only read
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// The target's address; it is asked for its version
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// The plan's name
    #[arg(long, value_name = "NAME", default_value = "my-migration")]
    name: String,
    /// Where the plan is written; `-` for standard output
    #[arg(long, short, value_name = "FILE", default_value = DEFAULT_PLAN)]
    output: PathBuf,
    /// Overwrite what is there
    #[arg(long)]
    force: bool,
}

/// What a plan is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Scenario {
    /// A live source, a snapshot that mig takes, a live target.
    #[default]
    Backfill,
    /// A snapshot that is there already, and a live target.
    ExistingSnapshot,
    /// A snapshot that is there already, written to a directory: see what a target would get.
    DryRun,
    /// As `backfill`, with a gate that sees that nobody writes any more, and a switchover.
    Gated,
}

#[derive(Serialize)]
struct ClusterText {
    name: String,
    comment: String,
    endpoint: Option<String>,
    directory: Option<String>,
    version: String,
    source: bool,
    auth: Option<String>,
    /// What its environment variables begin with.
    variable: String,
}

#[derive(Serialize)]
struct IndexText {
    /// Quoted, and filled up to the width of the longest.
    pattern: String,
    comment: String,
}

#[derive(Serialize)]
struct StoreText {
    name: String,
    directory: String,
}

/// All that the templates know. Texts that stand as values are quoted already.
#[derive(Serialize)]
struct Words {
    title: String,
    commands: Vec<String>,
    plan: String,
    description: String,
    state: String,
    clusters: Vec<ClusterText>,
    store: String,
    stores: Vec<StoreText>,
    from: String,
    to: String,
    indices: Vec<IndexText>,
    /// Names that begin with a dot, which no pattern means unasked; empty where there is none.
    left_out: String,
    decisions: Vec<String>,
    hops: String,
    /// Whether anything stands between the first cluster and the last.
    between: bool,
    first_hop: String,
    /// Where the first hop leads.
    first_to: String,
    fragment: String,
}

/// A cluster as the command line names it.
struct Stop {
    name: String,
    version: String,
    url: Option<String>,
}

pub(super) fn run(args: &InitArgs, printer: Printer) -> CliResult {
    for url in args.from.iter().chain(&args.to) {
        refuse_secret(url)?;
    }
    if args.hops.len() == 1 || (!args.hops.is_empty() && args.scenario != Scenario::Backfill) {
        return Err(CliError::error(
            "`--hops` names two clusters or more, and goes with `--scenario backfill`",
        )
        .help("such as `--hops es56=5.6,es710=7.10,os2=opensearch:2.19`"));
    }
    let stops = stops(args)?;
    let mut words = words(args, &stops);
    let asked = match &args.to {
        Some(url) => Some(source::look_at_target(url, &mut words)?),
        None => None,
    };
    if let Some(url) = &args.from {
        // On a path it is the next cluster whose rules meet the source.
        let to = match stops.as_slice() {
            [_, next, _, ..] => source::version_of(next),
            [.., last] => asked.or_else(|| source::version_of(last)),
            [] => None,
        };
        source::look(url, to, &mut words)?;
    }
    let template = if args.hops.is_empty() {
        match args.scenario {
            Scenario::Backfill => "backfill",
            Scenario::ExistingSnapshot => "existing-snapshot",
            Scenario::DryRun => "dry-run",
            Scenario::Gated => "gated",
        }
    } else {
        "hops"
    };
    let text = render(template, &words)?;
    if args.output == Path::new("-") {
        printer.data(&text)?;
        if template == "hops" {
            printer.message(&format!(
                "The plan uses {FRAGMENT_NAME}, which has to stand beside it: `--output FILE` writes both."
            ));
        }
        return Ok(ExitCode::Success);
    }
    write(&args.output, &text, args.force)?;
    let mut also = String::new();
    if template == "hops" {
        let fragment = args.output.with_file_name(FRAGMENT_NAME);
        if !fragment.exists() || args.force {
            write(&fragment, FRAGMENT, args.force)?;
            also = format!(" and {}", fragment.display());
        } else if std::fs::read(&fragment).is_ok_and(|there| there == FRAGMENT.as_bytes()) {
            also = format!("; {} is there already", fragment.display());
        } else {
            also = format!(
                "; {} is there already, and is another one than `mig init` writes",
                fragment.display()
            );
        }
    }
    let shown = args.output.display();
    printer.message(&format!(
        "Wrote {shown}{also}. Read it, change what is not yours, then:\n\n  mig validate {shown}\n  mig plan {shown}\n  mig check {shown}"
    ));
    Ok(ExitCode::Success)
}

/// An address with a password in it would stand in the plan.
fn refuse_secret(url: &str) -> Result<(), CliError> {
    let plain = url
        .split_once("://")
        .filter(|(scheme, rest)| ["http", "https"].contains(scheme) && !rest.is_empty())
        .map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    match plain {
        Some(authority) if !authority.contains('@') => Ok(()),
        Some(_) => Err(CliError::error(
            "an address with a user or a password in it is not written into a plan",
        )
        .help("leave them out, and write `auth: { basic: { user: …, password: { env: … } } }` into the plan")),
        None => Err(CliError::error(format!("`{url}` is no address"))
            .help("write it such as `https://es.internal:9200`")),
    }
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), CliError> {
    if path.exists() && !force {
        return Err(
            CliError::error(format!("{} is there already", path.display()))
                .help("name another file by `--output`, or overwrite it by `--force`"),
        );
    }
    write_atomic(path, text.as_bytes())
        .map_err(|error| CliError::error(format!("can't write {}: {error}", path.display())))
}

fn render(template: &str, words: &Words) -> Result<String, CliError> {
    let failed =
        |error: &dyn std::fmt::Display| CliError::error(format!("template {template}: {error}"));
    let mut all = Handlebars::new();
    all.set_strict_mode(true);
    for (name, text) in [
        ("head", include_str!("../../templates/init/head.hbs")),
        (
            "clusters",
            include_str!("../../templates/init/clusters.hbs"),
        ),
        ("indices", include_str!("../../templates/init/indices.hbs")),
        ("phases", include_str!("../../templates/init/phases.hbs")),
        (
            "backfill",
            include_str!("../../templates/init/backfill.hbs"),
        ),
        (
            "existing-snapshot",
            include_str!("../../templates/init/existing-snapshot.hbs"),
        ),
        ("dry-run", include_str!("../../templates/init/dry-run.hbs")),
        ("gated", include_str!("../../templates/init/gated.hbs")),
        ("hops", include_str!("../../templates/init/hops.hbs")),
    ] {
        all.register_template_string(name, text)
            .map_err(|error| failed(&error))?;
    }
    all.render(template, words).map_err(|error| failed(&error))
}

/// The clusters of the plan, from the first source to the last target.
fn stops(args: &InitArgs) -> Result<Vec<Stop>, CliError> {
    if args.hops.is_empty() {
        let stop = |name: &str, version: &str, url: &Option<String>| Stop {
            name: name.to_owned(),
            version: version.to_owned(),
            url: url.clone(),
        };
        return Ok(vec![
            stop("source", "7.10", &args.from),
            stop("target", "opensearch:2.19", &args.to),
        ]);
    }
    let mut stops = Vec::new();
    for text in &args.hops {
        let (name, version) = match text.split_once('=') {
            Some((name, version)) => (name.trim().to_owned(), version.trim()),
            None => (short_name(text), text.trim()),
        };
        let good = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || "-_".contains(it));
        let number = version.rsplit(':').next().unwrap_or_default();
        if !good || number.parse::<crate::base::version::Version>().is_err() {
            return Err(
                CliError::error(format!("`{text}` is no cluster of a path")).help(
                    "write each as NAME=VERSION, such as `es710=7.10` or `os2=opensearch:2.19`",
                ),
            );
        }
        stops.push(Stop {
            name,
            version: version.to_owned(),
            url: None,
        });
    }
    if let Some(first) = stops.first_mut() {
        first.url.clone_from(&args.from);
    }
    if let Some(last) = stops.last_mut() {
        last.url.clone_from(&args.to);
    }
    Ok(stops)
}

/// `es710` of `7.10`, `os219` of `opensearch:2.19`.
fn short_name(version: &str) -> String {
    let (product, number) = version.split_once(':').unwrap_or(("", version));
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let is_opensearch = product == "opensearch" || (product.is_empty() && number.starts_with('3'));
    format!("{}{digits}", if is_opensearch { "os" } else { "es" })
}

/// As a scalar of YAML that means this text and nothing else.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn words(args: &InitArgs, stops: &[Stop]) -> Words {
    let plan = &args.name;
    let from_file = matches!(args.scenario, Scenario::ExistingSnapshot | Scenario::DryRun);
    let mut clusters: Vec<ClusterText> = stops
        .iter()
        .enumerate()
        .map(|(at, stop)| {
            let source = at == 0;
            let last = at + 1 == stops.len();
            ClusterText {
                name: stop.name.clone(),
                comment: match (source, last) {
                    (true, _) => "Only read, but for the repository of its snapshots.",
                    (_, true) => "Where everything goes.",
                    _ => "Written by one hop, and read by the next.",
                }
                .to_owned(),
                endpoint: Some(quoted(
                    stop.url
                        .as_deref()
                        .unwrap_or(&format!("https://{}.internal:9200", stop.name)),
                )),
                directory: None,
                version: quoted(&stop.version),
                source,
                auth: None,
                variable: stop.name.to_ascii_uppercase().replace('-', "_"),
            }
        })
        .collect();
    if from_file {
        clusters.remove(0);
    }
    if args.scenario == Scenario::DryRun
        && let Some(target) = clusters.last_mut()
    {
        "A directory in the place of a cluster: metadata as JSON, documents as NDJSON for `_bulk`."
            .clone_into(&mut target.comment);
        target.endpoint = None;
        target.directory = Some("preview".to_owned());
    }
    let names: Vec<&str> = stops.iter().map(|stop| stop.name.as_str()).collect();
    let between = |at: usize| names.get(at).copied().unwrap_or_default().to_owned();
    // What goes to standard output becomes a file of some name.
    let shown = if args.output == Path::new("-") {
        DEFAULT_PLAN.to_owned()
    } else {
        args.output.display().to_string()
    };
    let width = shown.len() + "mig validate ".len() + 3;
    Words {
        title: format!(
            "{}: written by `mig init`; change what is not yours.",
            names.join(" → ")
        ),
        commands: [
            ("validate", "check it"),
            ("plan", "what would happen"),
            (
                "apply",
                "do it, and prove it; after any interruption, do the rest",
            ),
        ]
        .map(|(verb, what)| format!("{:<width$}{what}", format!("mig {verb} {shown}")))
        .to_vec(),
        plan: quoted(plan),
        description: quoted(match args.scenario {
            Scenario::DryRun => "See the metadata and the documents that the target would get.",
            _ => "Move documents and metadata, and prove that all of them arrived.",
        }),
        state: quoted(&format!(".mig/{plan}")),
        clusters,
        store: quoted("/mnt/snapshots"),
        stores: names[..names.len().saturating_sub(1)]
            .iter()
            .map(|name| StoreText {
                name: format!("snapshots-{name}"),
                directory: quoted(&format!("/mnt/snapshots/{name}")),
            })
            .collect(),
        from: between(0),
        to: between(names.len().saturating_sub(1)),
        indices: Vec::new(),
        left_out: String::new(),
        decisions: Vec::new(),
        hops: names.join(", "),
        between: names.len() > 2,
        first_to: between(1),
        first_hop: format!("{}->{}", between(0), between(1)),
        fragment: FRAGMENT_NAME.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_become_names() {
        assert_eq!(short_name("7.10"), "es710");
        assert_eq!(short_name("opensearch:2.19"), "os219");
        assert_eq!(short_name("3.3"), "os33");
    }

    #[test]
    fn no_secret_is_taken() {
        assert!(refuse_secret("https://es:9200").is_ok());
        for url in [
            "https://mig:hunter2@es:9200",
            "es:9200",
            "ftp://es",
            "https://",
        ] {
            let error = refuse_secret(url).err();
            assert!(error.is_some(), "{url}");
        }
    }
}
