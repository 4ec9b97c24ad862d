//! `mig clusters curl`

use std::path::PathBuf;

use bytes::Bytes;
use clap::ValueEnum;

use super::args::PlanArgs;
use super::backfill_session;
use super::clusters_cat_indices::known;
use super::error::{CliError, CliResult};
use super::load::{load_plan, options};
use super::printer::Printer;
use super::settings::plan_file;
use crate::base::ExitCode;
use crate::base::units::Span;
use crate::clients::cluster::{Body, Request};
use crate::phases::connections::Connections;

/// The largest body that is read of a file.
const BODY_BYTES: u64 = 100 << 20;

/// Send one request to a cluster of the plan, with its address, trust and credentials
///
/// What a cluster that is `access: read-only` must not be asked is refused here as everywhere. The body of the answer goes to
/// standard output; where the status is 300 or more, `Error: <status>` goes to standard error and the exit code is 1.
#[derive(clap::Args, Debug)]
pub(super) struct ClustersCurlCommand {
    /// The cluster, by its name in the plan
    #[arg(value_name = "CLUSTER")]
    cluster: String,
    /// The path, with its query
    #[arg(value_name = "PATH")]
    path: String,
    /// The method [default: GET, or POST where a body is given]
    #[arg(
        short = 'X',
        long = "request",
        value_name = "METHOD",
        value_enum,
        ignore_case = true
    )]
    method: Option<Verb>,
    /// A header, such as `Accept: application/yaml` (can be repeated); credentials are the plan's to give
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The body, or `@FILE`
    #[arg(short = 'd', long = "data", value_name = "BODY|@FILE")]
    data: Option<String>,
    /// Print JSON with indents
    #[arg(long)]
    json: bool,
    /// The longest that the answer may take
    #[arg(long, value_name = "TIME", default_value = "15s")]
    timeout: Span,
    #[command(flatten)]
    args: PlanArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Verb {
    Get,
    Head,
    Post,
    Put,
    Delete,
}

pub(super) fn run(command: &ClustersCurlCommand, printer: Printer) -> CliResult {
    let file = plan_file(None, &command.args)?;
    let loaded = load_plan(&file, &options(&command.args), printer)?;
    let cluster = known(&loaded, &command.cluster)?;
    let request = request(command)?;
    let client = Connections::new(&loaded.plan, "").open_cluster(&cluster)?;
    let answer = client
        .send(request)
        .map_err(|error| CliError::error(error.to_string()).help(error.help()))?;
    let text = String::from_utf8_lossy(&answer.body);
    let pretty = command.json.then(|| answer.json().ok()).flatten();
    let text = match pretty {
        Some(value) => backfill_session::json(&value)?,
        None if text.is_empty() || text.ends_with('\n') => text.into_owned(),
        None => format!("{text}\n"),
    };
    printer.data(&text)?;
    if answer.status >= 300 {
        printer.message(&format!("Error: {}", answer.status));
        return Ok(ExitCode::Error);
    }
    Ok(ExitCode::Success)
}

fn request(command: &ClustersCurlCommand) -> Result<Request, CliError> {
    let path = if command.path.starts_with('/') {
        command.path.clone()
    } else {
        format!("/{}", command.path)
    };
    let of_body = if command.data.is_some() {
        Verb::Post
    } else {
        Verb::Get
    };
    let plain = path.split('?').next().unwrap_or_default();
    let lines = ["_bulk", "_msearch"].iter().any(|end| plain.ends_with(end));
    let mut request = match command.method.unwrap_or(of_body) {
        Verb::Get => Request::get(path),
        Verb::Head => Request::head(path),
        Verb::Post => Request::post(path),
        Verb::Put => Request::put(path),
        Verb::Delete => Request::delete(path),
    }
    .within(command.timeout.0)
    .once()
    .raw();
    if let Some(data) = &command.data {
        let bytes = Bytes::from(body(data)?);
        request.body = Some(if lines {
            Body::Lines(bytes)
        } else {
            Body::Json(bytes)
        });
    }
    for header in &command.headers {
        let (name, value) = header
            .split_once(':')
            .map(|(name, value)| (name.trim(), value.trim()))
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| {
                CliError::error(format!("`{header}` is no header"))
                    .help("write it as `Name: value`")
            })?;
        let ours = [
            "authorization",
            "host",
            "content-length",
            "x-amz-security-token",
        ];
        if ours.iter().any(|it| name.eq_ignore_ascii_case(it)) {
            return Err(CliError::error(format!("the header `{name}` is not sent"))
                .help("`auth` of the cluster in the plan says who asks, and where"));
        }
        request = request.header(name, value);
    }
    Ok(request)
}

fn body(data: &str) -> Result<Vec<u8>, CliError> {
    let Some(file) = data.strip_prefix('@') else {
        return Ok(data.as_bytes().to_vec());
    };
    let file = PathBuf::from(file);
    let wrong =
        |error: std::io::Error| CliError::error(format!("can't read {}: {error}", file.display()));
    let size = std::fs::metadata(&file).map_err(wrong)?.len();
    if size > BODY_BYTES {
        return Err(CliError::error(format!(
            "{} has {size} bytes, and at most {BODY_BYTES} are sent",
            file.display()
        )));
    }
    std::fs::read(&file).map_err(wrong)
}
