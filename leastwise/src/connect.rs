//! Reaching the services: those of a running `leastwise run` by its socket, else in this process.

use std::path::{Path, PathBuf};

use runtime::error::Exit;
use runtime::grpc::{self, Channel};
use runtime::{CancellationToken, Problem};
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;

use crate::config::Config;
use crate::stack::{Options, Servers, Stack};

/// Channels to the operator's service of each process, and to the ledger's feed.
#[derive(Clone)]
pub struct Clients {
    /// `TokenBrokerAdmin`.
    pub token_broker: Channel,
    /// `CollectorAdmin`.
    pub collector: Channel,
    /// `NormalizerAdmin`.
    pub normalizer: Channel,
    /// `ExporterAdmin`.
    pub exporter: Channel,
    /// `Feed`.
    pub feed: Channel,
}

impl Clients {
    /// The same, their calls giving this reason.
    fn because(&self, reason: &str) -> Self {
        if reason.is_empty() {
            return self.clone();
        }
        let with = |channel: &Channel| grpc::with_reason(channel.clone(), reason);
        Clients {
            token_broker: with(&self.token_broker),
            collector: with(&self.collector),
            normalizer: with(&self.normalizer),
            exporter: with(&self.exporter),
            feed: with(&self.feed),
        }
    }
}

/// Where a command finds the services.
pub enum Services {
    /// In a process that runs already.
    Remote(Clients),
    /// In this one.
    Here(Box<Stack>),
}

impl Services {
    /// Finds them. `reason` is why somebody acts, for the audit of services in other processes.
    ///
    /// # Errors
    /// When the data directory is in use by something that doesn't answer, or can't be opened.
    pub async fn find(config: &Config, reason: &str) -> Result<Self, Problem> {
        #[cfg(feature = "remote")]
        if let Some(connect) = &config.connect {
            let clients = connect.clients()?;
            return Ok(Services::Remote(clients.because(reason)));
        }
        if let Ok(channel) = grpc::unix(&socket(&config.data_dir)).await {
            let clients = Clients {
                token_broker: channel.clone(),
                collector: channel.clone(),
                normalizer: channel.clone(),
                exporter: channel.clone(),
                feed: channel,
            };
            return Ok(Services::Remote(clients.because(reason)));
        }
        let mut config = config.clone();
        config.collector.scheduled = false;
        let mut stack = Stack::open(&config, Options::real(&config)?).await?;
        stack.clients = stack.clients.because(reason);
        Ok(Services::Here(Box::new(stack)))
    }

    /// Channels to them.
    pub fn clients(&self) -> &Clients {
        match self {
            Services::Remote(clients) => clients,
            Services::Here(stack) => &stack.clients,
        }
    }

    /// Ends what was started here.
    pub async fn close(self) {
        if let Services::Here(stack) = self {
            stack.stop().await;
        }
    }
}

#[cfg(feature = "remote")]
impl crate::config::Connect {
    /// Channels to the services. Nothing is connected yet.
    fn clients(&self) -> Result<Clients, Problem> {
        let channel = |name, remote| grpc::connect(name, remote, self.tls.as_ref());
        let normalizer = channel("normalizer", &self.normalizer)?;
        Ok(Clients {
            token_broker: match &self.token_broker {
                Some(remote) => channel("token-broker", remote)?,
                None => grpc::unnamed("connect.token_broker"),
            },
            collector: channel("collector", &self.collector)?,
            exporter: channel("exporter", &self.exporter)?,
            feed: normalizer.clone(),
            normalizer,
        })
    }
}

/// The socket of a running process.
pub fn socket(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.sock")
}

/// Serves operators on the socket until `stop`. The caller holds the directory's lock, so a socket that is there is a
/// leftover.
///
/// # Errors
/// `LW-4013` when it can't listen there.
pub async fn serve(path: &Path, servers: Servers, stop: CancellationToken) -> Result<(), Problem> {
    let failed = |e: std::io::Error| {
        Problem::new(
            "LW-4013",
            format!("the socket {} can't be opened: {e}.", path.display()),
            "a path longer than about 100 characters is too long for a socket: use a shorter data_dir",
        )
        .exit(Exit::Io)
    };
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .map_err(failed)?;
    let served = tonic::transport::Server::builder()
        .add_service(servers.token_broker)
        .add_service(servers.collector)
        .add_service(servers.normalizer)
        .add_service(servers.exporter)
        .add_service(servers.feed)
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop.cancelled_owned())
        .await;
    // Err: somebody else has removed it already.
    let _ = std::fs::remove_file(path);
    served.map_err(|e| {
        Problem::new(
            "LW-4014",
            format!("the socket {} failed.", path.display()),
            "start again",
        )
        .caused_by(e)
    })
}

/// Who acts, where no certificate says it.
pub fn who() -> String {
    std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned())
}

/// A failed call of an operator's service, as a person reads it.
pub fn refused(status: tonic::Status) -> Problem {
    let text = status.message();
    match Problem::told(text) {
        Some(told) => Problem::new(
            "LW-4015",
            format!("{}: {}", told.code, told.what),
            told.remedy,
        ),
        None => Problem::new("LW-4015", format!("the service refused: {text}."), ""),
    }
}
