//! The log on standard error, for `MIG_LOG`.

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Libraries that see credentials. What they log in full detail holds whole requests and answers.
const CONFIDANTS: &[&str] = &["aws_", "h2", "hyper", "reqwest", "rustls", "tower"];

/// Logs what `filter` chooses, and never what could hold a credential.
pub(super) fn start(filter: &str) {
    let subscriber = tracing_subscriber::registry()
        .with(EnvFilter::new(filter))
        .with(filter_fn(is_safe))
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr));
    drop(subscriber.try_init());
}

/// The SDK of AWS is held to `info`: at `debug` its errors quote answers of services.
fn is_safe(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    if !CONFIDANTS.iter().any(|name| target.starts_with(name)) {
        return true;
    }
    let most = if target.starts_with("aws_") {
        Level::INFO
    } else {
        Level::DEBUG
    };
    *metadata.level() <= most
}
