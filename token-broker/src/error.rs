//! Why no token was issued.

use std::fmt;
use std::time::Duration;

use proto::ids::TenantId;
use runtime::Problem;
use tonic::Status;

use crate::aadsts::{self, Class, Who};
use crate::credential::CredentialError;
use crate::policy::Denied;
use crate::store::Kill;

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The tenant isn't in the registry, or was taken out.
    #[error("tenant {0} is not in the registry")]
    UnknownTenant(TenantId),
    /// The dataset isn't enabled for the tenant.
    #[error("dataset {dataset} is not enabled for tenant {tenant}")]
    DatasetNotEnabled {
        tenant: TenantId,
        /// The dataset asked for.
        dataset: String,
    },
    /// Nobody gets a token.
    #[error("tokens for tenant {tenant} were stopped by {} ({})", .kill.who, .kill.why)]
    Killed { tenant: TenantId, kill: Kill },
    /// The policy says no.
    #[error("{0}")]
    Denied(Denied),
    /// No app of the tenant is there for the dataset.
    #[error("no app of tenant {tenant} is there for dataset {dataset}")]
    NoApp { tenant: TenantId, dataset: String },
    /// The credential can't be used.
    #[error("tenant {tenant}, app `{app}`: {source}")]
    Credential {
        tenant: TenantId,
        app: String,
        source: CredentialError,
    },
    /// Entra ID can't be reached or fails.
    #[error("tenant {tenant}: Entra ID at {authority} can't be reached")]
    Unreachable {
        tenant: TenantId,
        /// The login endpoint's base.
        authority: String,
        /// How long Entra ID asks to wait.
        retry_after: Option<Duration>,
        /// When it is asked again, in microseconds since 1970; 0 where nobody has decided that.
        again_at: u64,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Entra ID refuses.
    #[error("tenant {tenant}, app `{app}`: {}", aadsts::meaning(.refusal.code).what)]
    Refused {
        tenant: TenantId,
        app: String,
        refusal: Box<Refusal>,
    },
    /// A person's sign-in came to nothing.
    #[error("tenant {tenant}, app `{app}`: {why}")]
    SignIn {
        tenant: TenantId,
        app: String,
        why: &'static str,
        remedy: String,
    },
    /// The token is not the one that was asked for.
    #[error("tenant {tenant}, app `{app}`: the token {what}")]
    OtherToken {
        tenant: TenantId,
        app: String,
        what: String,
    },
    /// The app may more than it should.
    #[error("tenant {tenant}, app `{app}`: it holds more than any enabled dataset needs: {}", .excess.join(", "))]
    Excess {
        tenant: TenantId,
        app: String,
        excess: Vec<String>,
    },
}

/// What Entra ID says of a refusal.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub class: Class,
    /// OAuth's code (RFC 6749, section 5.2).
    pub error: String,
    /// Entra ID's numeric code (AADSTS); 0 where it says none.
    pub code: u64,
    /// Entra ID's `trace_id` and `correlation_id`, for a support case and the tenant's sign-in log.
    pub trace: String,
    pub correlation: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (AADSTS{})", self.error, self.code)
    }
}

impl Error {
    /// Whether trying again can help without anybody acting.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Error::Unreachable { .. } => true,
            Error::Credential { source, .. } => source.is_retryable(),
            _ => false,
        }
    }

    /// Whether another credential of the same app may do better.
    pub(crate) fn is_of_the_credential(&self) -> bool {
        match self {
            Error::Credential { .. } => true,
            Error::Refused { refusal, .. } => refusal.class == Class::Credential,
            _ => false,
        }
    }

    /// Whether a change made in Entra ID minutes ago explains it.
    pub(crate) fn settles(&self) -> bool {
        matches!(self, Error::Refused { refusal, .. } if aadsts::settles(refusal.code))
    }

    /// How long Entra ID asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Unreachable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Notes when Entra ID is asked again, in microseconds since 1970.
    pub(crate) fn set_again(&mut self, at: u64) {
        if let Error::Unreachable { again_at, .. } = self {
            *again_at = at;
        }
    }

    /// How long after `now` (microseconds since 1970) it makes sense to come back.
    pub(crate) fn again_in(&self, now: u64) -> Option<Duration> {
        match self {
            Error::Unreachable { again_at, .. } if *again_at > now => {
                Some(Duration::from_micros(again_at - now))
            }
            _ => None,
        }
    }

    /// What an operator reads.
    pub(crate) fn problem(&self) -> Problem {
        let (code, remedy) = match self {
            Error::UnknownTenant(_) => ("LW-2011", "add it to [[tenants]]".to_owned()),
            Error::Killed { kill, .. } => (
                "LW-2062",
                match kill.tenant {
                    Some(tenant) => format!("once that is over: leastwise revive {tenant} --reason <why>"),
                    None => "once that is over: leastwise revive --everybody --reason <why>".to_owned(),
                },
            ),
            Error::DatasetNotEnabled { .. } => {
                ("LW-2012", "add it to the tenant's datasets".to_owned())
            }
            Error::Denied(Denied::Cap) => (
                "LW-2037",
                "see whether somebody else uses its certificate; else raise tenants_per_hour in the policy".to_owned(),
            ),
            Error::Denied(_) => ("LW-2036", "add it to the token-broker's policy, if it should".to_owned()),
            Error::NoApp { .. } => (
                "LW-2029",
                "add it to the datasets of one of the tenant's apps".to_owned(),
            ),
            Error::Credential { source, .. } => {
                let (code, remedy) = source.remedy();
                (code, remedy.to_owned())
            }
            Error::Unreachable { .. } => (
                "LW-2010",
                "check the network, the proxy and the tenant's authority; it is tried again"
                    .to_owned(),
            ),
            Error::Refused { refusal, .. } => {
                let meaning = aadsts::meaning(refusal.code);
                (meaning.code, refusal.told(meaning.remedy, meaning.who))
            }
            Error::SignIn { remedy, .. } => ("LW-2066", remedy.clone()),
            Error::OtherToken { .. } => (
                "LW-2031",
                "check id, client_id, cloud and graph of the tenant".to_owned(),
            ),
            Error::Excess { .. } => (
                "LW-2030",
                "have an administrator of the tenant remove it from the app; where that takes time, write down an exception: \
                 [[tenants.exceptions]] with role, reason and until"
                    .to_owned(),
            ),
        };
        Problem::new(code, format!("{self}."), remedy)
    }

    /// What a gRPC caller gets.
    pub(crate) fn status(&self) -> Status {
        let code = match self {
            Error::UnknownTenant(_) => tonic::Code::NotFound,
            Error::DatasetNotEnabled { .. } | Error::Killed { .. } => tonic::Code::PermissionDenied,
            Error::Denied(Denied::Cap) => tonic::Code::ResourceExhausted,
            Error::Denied(_) => tonic::Code::PermissionDenied,
            _ if self.is_retryable() => tonic::Code::Unavailable,
            _ => tonic::Code::FailedPrecondition,
        };
        Status::new(code, self.problem().to_string())
    }
}

impl Refusal {
    /// What to do, who has to, and how the tenant's log names it.
    pub(crate) fn told(&self, remedy: &str, who: Who) -> String {
        let Refusal {
            error,
            code,
            trace,
            correlation,
            ..
        } = self;
        let who = match who {
            Who::Operator => "",
            Who::Administrator => "; an administrator of the tenant has to act",
            Who::Nobody => "",
        };
        if *code == 0 {
            return format!(
                "{remedy}{who} ({error}, trace id {trace}, correlation id {correlation})"
            );
        }
        format!(
            "{remedy}{who} (AADSTS{code}, trace id {trace}, correlation id {correlation}, \
             https://login.microsoftonline.com/error?code={code})"
        )
    }
}
