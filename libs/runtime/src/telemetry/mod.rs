//! Logs, on standard error; in a process of its own also traces and metrics.

#[cfg(feature = "server")]
mod config;
#[cfg(feature = "server")]
mod json;
#[cfg(feature = "server")]
mod otlp;
#[cfg(feature = "server")]
mod server;

use std::io::IsTerminal as _;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

#[cfg(feature = "server")]
pub use config::Config;
#[cfg(all(test, feature = "server"))]
pub(crate) use server::traces;
#[cfg(feature = "server")]
pub use server::{Metrics, Server};

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
    let filter = filter(default);
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

fn filter(default: &str) -> Targets {
    let wanted = std::env::var("LEASTWISE_LOG").unwrap_or_default();
    [wanted.as_str(), default]
        .into_iter()
        .filter(|text| !text.is_empty())
        // The AMQP client logs what it also returns, and whole messages with it; naming it later turns it on.
        .find_map(|text| format!("lapin=off,{text}").parse().ok())
        .unwrap_or_default()
}
