//! `leastwise kill` and `leastwise revive`: whether tokens are handed out.

use std::process::ExitCode;

use clap::Args;
use proto::admin::v1::token_broker_admin_client::TokenBrokerAdminClient;
use proto::admin::v1::{KillRequest, ReviveRequest};
use runtime::Problem;
use runtime::grpc::Channel;

use crate::config::Source;
use crate::connect::{Services, refused};
use crate::output;

/// From now on hand out no token for a tenant, or none at all. It survives restarts.
#[derive(Args)]
pub struct Kill {
    #[command(flatten)]
    whom: Whom,
}

/// Hand tokens out again.
#[derive(Args)]
pub struct Revive {
    #[command(flatten)]
    whom: Whom,
}

#[derive(Args)]
struct Whom {
    /// The directory (tenant) id.
    #[arg(required_unless_present = "everybody", conflicts_with = "everybody")]
    tenant: Option<String>,
    /// Every tenant.
    #[arg(long)]
    everybody: bool,
    /// Why, for the audit.
    #[arg(long)]
    reason: String,
}

impl Whom {
    fn name(&self) -> String {
        match &self.tenant {
            Some(tenant) => format!("tenant {tenant}"),
            None => "all tenants".to_owned(),
        }
    }

    /// As a request names it: the tenant's id, and whether every tenant is meant.
    fn scope(&self) -> (String, bool) {
        (self.tenant.clone().unwrap_or_default(), self.everybody)
    }

    /// The services, told why somebody acts, and a client of the token-broker's.
    async fn find(
        &self,
        source: &Source,
    ) -> Result<(Services, TokenBrokerAdminClient<Channel>), Problem> {
        let services = Services::find(&source.load()?, &self.reason).await?;
        let client = TokenBrokerAdminClient::new(services.clients().token_broker.clone());
        Ok((services, client))
    }
}

/// What Microsoft goes on honouring, and what ends that at once.
const LEFT: &str = "\
A token that is out works at Microsoft for 60 to 90 minutes from its issue (up to 28 hours with continuous access
evaluation, 24 hours from a managed identity). An administrator of the tenant ends that at once: disable the enterprise
application (Entra admin centre, Enterprise applications, Properties, Enabled for users to sign-in: No), and where the
credential may be stolen, remove it from the app registration.
";

impl Kill {
    /// Stops tokens.
    ///
    /// # Errors
    /// When the token-broker can't be reached or refuses.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let (services, mut client) = self.whom.find(source).await?;
        let (tenant_id, everybody) = self.whom.scope();
        let request = KillRequest {
            tenant_id,
            everybody,
        };
        let done = client.kill(request).await.map_err(refused);
        services.close().await;
        let seconds = done?.into_inner().use_for_seconds;
        let name = self.whom.name();
        output::write(&format!(
            "No token is handed out for {name} from now on. A collector lets go of the one it has within {seconds} s.\n{LEFT}"
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Revive {
    /// Lets tokens go again.
    ///
    /// # Errors
    /// As [`Kill::run`].
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let (services, mut client) = self.whom.find(source).await?;
        let (tenant_id, everybody) = self.whom.scope();
        let request = ReviveRequest {
            tenant_id,
            everybody,
        };
        let done = client.revive(request).await.map_err(refused);
        services.close().await;
        done?;
        output::write(&format!(
            "Tokens are handed out for {} again.\n",
            self.whom.name()
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}
