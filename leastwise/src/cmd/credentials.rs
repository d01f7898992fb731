//! `leastwise credentials`: what an app of a stored tenant proves itself with.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use proto::admin::v1::token_broker_admin_client::TokenBrokerAdminClient;
use proto::admin::v1::{AddCredentialRequest, DropCredentialRequest};
use runtime::Problem;
use token_broker::CredentialConfig;

use super::sign_in::SignIn;
use super::tenants::Section;
use crate::config::Source;
use crate::connect::{Services, refused};
use crate::output;

/// Credentials of tenants in the token-broker's store.
#[derive(Args)]
pub struct Credentials {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Add a credential before the others, once it got a token.
    Add {
        #[command(flatten)]
        of: Of,
        /// A section [[tenants.credentials]] without its header: kind and files, whose content is sealed in the store.
        #[arg(long, value_name = "TOML")]
        file: PathBuf,
    },
    /// Take a credential away, once another one of the app got a token.
    Drop {
        #[command(flatten)]
        of: Of,
        /// Its position as `tenants list` shows it, counted from 0.
        position: u32,
    },
    /// LEGACY, for a tenant that is not ready: let a person sign in with a code, and seal the refresh token in the store.
    SignIn(SignIn),
}

#[derive(Args)]
struct Of {
    /// The directory (tenant) id.
    tenant: String,
    /// The app, where the tenant has several.
    #[arg(long, default_value = "")]
    app: String,
    /// Why, for the audit.
    #[arg(long)]
    reason: String,
}

impl Credentials {
    /// Adds, drops, or lets a person sign in.
    ///
    /// # Errors
    /// When a file can't be read, or the token-broker can't be reached or refuses.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let config = source.load()?;
        let reason = match &self.act {
            Act::Add { of, .. } | Act::Drop { of, .. } => &of.reason,
            Act::SignIn(sign_in) => &sign_in.reason,
        };
        let services = Services::find(&config, reason).await?;
        let mut client = TokenBrokerAdminClient::new(services.clients().token_broker.clone());
        let done = match self.act {
            Act::SignIn(sign_in) => {
                let done = sign_in.run(client).await;
                services.close().await;
                return done;
            }
            Act::Add { of, file } => match Section::read::<CredentialConfig>(&file, |c| {
                c.own_files().into_iter().map(ToOwned::to_owned).collect()
            }) {
                Ok(Section { text, files }) => client
                    .add_credential(AddCredentialRequest {
                        tenant_id: of.tenant,
                        app: of.app,
                        section: text,
                        files,
                    })
                    .await
                    .map_err(refused)
                    .map(|_| {
                        "The credential got a token and is the first one now. Drop the old one: leastwise credentials drop\n"
                    }),
                Err(e) => Err(e),
            },
            Act::Drop { of, position } => client
                .drop_credential(DropCredentialRequest {
                    tenant_id: of.tenant,
                    app: of.app,
                    position,
                })
                .await
                .map_err(refused)
                .map(|_| "The credential is gone from the store. Remove it from the app registration too.\n"),
        };
        services.close().await;
        output::write(done?)?;
        Ok(ExitCode::SUCCESS)
    }
}
