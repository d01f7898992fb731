//! `leastwise credentials sign-in`: a person signs in with a code, for a tenant that is not ready.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use proto::admin::v1::token_broker_admin_client::TokenBrokerAdminClient;
use proto::admin::v1::{SignInPrompt, SignInRequest};
use runtime::Problem;
use runtime::grpc::Channel;
use token_broker::TenantConfig;

use super::tenants::{Section, show};
use crate::cli::Format;
use crate::connect::refused;
use crate::output;

/// Let a person sign in with a code. The token-broker keeps what comes of it; nothing of it is shown.
#[derive(Args)]
pub struct SignIn {
    /// The directory (tenant) id of a tenant in the store.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    tenant: Option<String>,
    /// Of a tenant that is not in the store yet: a section [[tenants]] without its header, whose app needs no credential.
    #[arg(long, value_name = "TOML")]
    file: Option<PathBuf>,
    /// The app, where the tenant has several.
    #[arg(long, default_value = "")]
    app: String,
    /// The last day on which this sign-in is used (UTC), for example 2027-03-31.
    #[arg(long, value_name = "DAY")]
    until: String,
    /// Why, for the audit.
    #[arg(long)]
    pub(super) reason: String,
}

impl SignIn {
    /// Shows page and code, and waits for the person.
    pub(super) async fn run(
        self,
        mut client: TokenBrokerAdminClient<Channel>,
    ) -> Result<ExitCode, Problem> {
        let section = match &self.file {
            Some(file) => Section::read::<TenantConfig>(file, |_| Vec::new())?.text,
            None => String::new(),
        };
        output::write(&format!(
            "LEGACY: a person stands behind this credential. It ends with {}, with the person and with a policy of the tenant for \
             sign-ins. Better: a credential of the app's own (docs/tenant.md).\n",
            self.until
        ))?;
        let request = SignInRequest {
            tenant_id: self.tenant.unwrap_or_default(),
            app: self.app,
            section,
            until: self.until,
        };
        let mut progress = client.sign_in(request).await.map_err(refused)?.into_inner();
        while let Some(step) = progress.message().await.map_err(refused)? {
            if let Some(prompt) = step.prompt {
                output::write(&told(&prompt))?;
            }
            if let Some(report) = step.report {
                output::write(
                    "The person signed in, and their refresh token got a token. It is sealed in the store.\n",
                )?;
                return show(report, Format::Table);
            }
        }
        Err(Problem::new(
            "LW-4015",
            "the token-broker ended before the person signed in.",
            "run the command again",
        ))
    }
}

fn told(prompt: &SignInPrompt) -> String {
    format!(
        "Let the person open {} within {} minutes and enter the code {}\nWaiting; Ctrl-C gives up.\n",
        prompt.verification_uri,
        prompt.expires_in_seconds / 60,
        prompt.user_code
    )
}
