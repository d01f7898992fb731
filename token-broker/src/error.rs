//! Why no token was issued.

use std::time::Duration;

use proto::ids::TenantId;
use runtime::Problem;
use tonic::Status;

use crate::aadsts;

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tenant isn't in the registry, or was taken out.
    #[error("tenant {0} is not in the registry")]
    UnknownTenant(TenantId),
    /// The dataset isn't enabled for the tenant.
    #[error("dataset {dataset} is not enabled for tenant {tenant}")]
    DatasetNotEnabled {
        /// The tenant.
        tenant: TenantId,
        /// The dataset asked for.
        dataset: String,
    },
    /// The file with the secret can't be read.
    #[error("tenant {tenant}: the secret file {path} can't be read")]
    SecretFile {
        /// The tenant.
        tenant: TenantId,
        /// Its client_secret_file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Entra ID can't be reached or fails.
    #[error("tenant {tenant}: Entra ID at {authority} can't be reached")]
    Unreachable {
        /// The tenant.
        tenant: TenantId,
        /// The login endpoint's base.
        authority: String,
        /// How long Entra ID asks to wait.
        retry_after: Option<Duration>,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Entra ID refuses.
    #[error("tenant {tenant}: {}", aadsts::meaning(*.code).what)]
    Refused {
        /// The tenant.
        tenant: TenantId,
        /// Entra ID's numeric code (AADSTS).
        code: u64,
        /// Entra ID's `trace_id`, for a support case.
        trace: String,
    },
}

impl Error {
    /// Whether trying again can help without anybody acting.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Unreachable { .. } => true,
            Error::Refused { code, .. } => aadsts::transient(*code),
            _ => false,
        }
    }

    /// How long Entra ID asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Unreachable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Error {
    /// What an operator reads.
    pub fn problem(&self) -> Problem {
        let (code, remedy) = match self {
            Error::UnknownTenant(_) => ("LW-2011", "add it to [[tenants]]".to_owned()),
            Error::DatasetNotEnabled { .. } => {
                ("LW-2012", "add it to the tenant's datasets".to_owned())
            }
            Error::SecretFile { .. } => (
                "LW-2013",
                "create the file, readable by this user only".to_owned(),
            ),
            Error::Unreachable { .. } => (
                "LW-2010",
                "check the network, the proxy and the tenant's authority; it is tried again"
                    .to_owned(),
            ),
            Error::Refused { code, trace, .. } => {
                let meaning = aadsts::meaning(*code);
                (
                    meaning.code,
                    format!("{} (AADSTS{code}, trace id {trace})", meaning.remedy),
                )
            }
        };
        Problem::new(code, format!("{self}."), remedy)
    }

    /// What a gRPC caller gets.
    pub fn status(&self) -> Status {
        let code = match self {
            Error::UnknownTenant(_) => tonic::Code::NotFound,
            Error::DatasetNotEnabled { .. } => tonic::Code::PermissionDenied,
            Error::Unreachable { .. } => tonic::Code::Unavailable,
            Error::Refused { .. } if self.is_retryable() => tonic::Code::Unavailable,
            Error::Refused { .. } | Error::SecretFile { .. } => tonic::Code::FailedPrecondition,
        };
        Status::new(code, self.problem().to_string())
    }
}
