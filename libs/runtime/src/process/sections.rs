//! The sections of the configuration that every process has.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::grpc::{Access, Admin, Listen, Server};
use crate::telemetry::Config as Telemetry;
use crate::tls::{self, Identity};

/// `[http]`: where `/metrics`, `/livez` and `/readyz` are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address and port. Anybody who reaches it may read it: it holds counts and states, no names.
    pub listen: SocketAddr,
}

impl Default for Http {
    fn default() -> Self {
        Http {
            listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
        }
    }
}

/// `shutdown_grace_seconds` where the file says nothing: below the 30 seconds that Kubernetes waits.
pub fn default_grace() -> u64 {
    20
}

/// A look at them in a service's configuration.
pub struct Sections<'a> {
    /// `[http]`.
    pub http: &'a Http,
    /// `[telemetry]`.
    pub telemetry: &'a Telemetry,
    /// `[grpc]`.
    pub grpc: &'a Listen,
    /// `[tls]`; without it everything is plain text on loopback.
    pub tls: Option<&'a tls::Config>,
    /// `callers`: the services that may call this one.
    pub callers: &'a [Identity],
    /// `[admin]`: the operators and their roles.
    pub admin: &'a Admin,
    /// `shutdown_grace_seconds`.
    pub grace: Duration,
}

impl Sections<'_> {
    /// Checks what types can't say, and reads the files.
    ///
    /// # Errors
    /// `LW-1010` and `LW-1011`.
    pub fn check(&self) -> Result<Vec<String>, Problem> {
        self.grpc.check(self.tls)?;
        let mut fine = match self.tls {
            Some(files) => vec![format!(
                "this is {}",
                tls::server(files.clone())?.identity()
            )],
            None => vec!["plain text on loopback, without TLS".to_owned()],
        };
        fine.push(format!("gRPC on {}", self.grpc.listen));
        fine.push(format!("metrics and health on {}", self.http.listen));
        fine.extend(self.telemetry.told());
        Ok(fine)
    }

    /// The gRPC server.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub async fn server(&self) -> Result<Server, Problem> {
        Server::bind(self.grpc, self.tls).await
    }

    /// Who may call what; `methods` as [`Access::new`] has them.
    pub fn access(
        &self,
        methods: impl IntoIterator<Item = (&'static str, &'static str)>,
    ) -> Access {
        Access::new(self.callers, self.admin, methods)
    }
}
