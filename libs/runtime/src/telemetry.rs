//! Logs, on standard error.

use tracing_subscriber::EnvFilter;

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

/// Starts logging. `default` is the level unless the environment variable `LEASTWISE_LOG` says otherwise
/// (syntax of tracing's EnvFilter, for example `info,collector=debug`). A second call changes nothing.
pub fn init(format: LogFormat, default: &str) {
    let filter =
        EnvFilter::try_from_env("LEASTWISE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Err: somebody has installed a subscriber already, which is then the one that counts.
    let _ = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
