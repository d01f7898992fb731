//! Logs, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `default` is the level unless the environment variable `LEASTWISE_LOG` says otherwise, for example
/// `info,collector=debug`. A second call changes nothing.
pub fn init(format: LogFormat, default: &str) {
    let wanted = std::env::var("LEASTWISE_LOG").unwrap_or_default();
    let filter: Targets = [wanted.as_str(), default]
        .into_iter()
        .filter(|text| !text.is_empty())
        .find_map(|text| text.parse().ok())
        .unwrap_or_default();
    let layer = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let layer = match format {
        LogFormat::Text => layer.with_target(false).with_filter(filter).boxed(),
        LogFormat::Json => layer.json().with_filter(filter).boxed(),
    };
    // Err: somebody has installed a subscriber already, which is then the one that counts.
    let _ = registry().with(layer).try_init();
}
