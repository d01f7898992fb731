//! A person signs in with a code, and the refresh token that comes of it is sealed in the store.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use chrono::NaiveDate;
use futures::{Stream, StreamExt as _, stream};
use proto::admin::v1::{FileContent, PreflightReport, SignInProgress, SignInPrompt, SignInRequest};
use runtime::grpc::{Act, Peer, reason};
use secrecy::{ExposeSecret as _, SecretString};
use tonic::{Request, Response, Status};

use super::edit::edit;
use super::{Admin, Answer, Draft, event, invalid, parse, told};
use crate::audit::{Event, Kind};
use crate::config::TenantConfig;
use crate::credential::CredentialConfig;
use crate::files::Files;
use crate::registry::App;

/// What an operator of a sign-in is told.
pub(super) type Progress = Pin<Box<dyn Stream<Item = Result<SignInProgress, Status>> + Send>>;

/// A sign-in that was asked for.
struct Wanted {
    admin: Admin,
    /// A tenant that the store doesn't have yet.
    fresh: Option<TenantConfig>,
    tenant_id: String,
    app: String,
    until: NaiveDate,
    who: Option<String>,
    why: String,
}

/// A tenant with the credential that the sign-in gives.
struct Plan {
    draft: Draft,
    app: Arc<App>,
    /// Of the credential.
    position: usize,
    client_secret: Option<SecretString>,
}

impl Admin {
    pub(super) async fn begin_sign_in(&self, request: Request<SignInRequest>) -> Answer<Progress> {
        let wanted = Wanted::of(self, &request)?;
        let plan = wanted.plan(None)?;
        let App { name, .. } = &*plan.app;
        let what = format!(
            "let a person sign in for app `{name}`, until {}",
            wanted.until
        );
        self.note(&request, Kind::Change, &wanted.tenant_id, what)
            .await?;
        let entra = &self.0.0.issuer.entra;
        let begun = entra.begin_sign_in(&plan.app).await;
        let begun = begun.map_err(|e| e.status())?;
        Act::of(&request).note(format!(
            "a person may sign in; the audit log of the token-broker tells the end, tenant {}",
            wanted.tenant_id
        ));
        let prompt = SignInProgress {
            prompt: Some(SignInPrompt {
                verification_uri: begun.page.to_string(),
                user_code: begun.user_code.clone(),
                expires_in_seconds: u32::try_from(begun.lifetime.as_secs()).unwrap_or(u32::MAX),
            }),
            report: None,
        };
        let rest = async move {
            let entra = &wanted.admin.0.0.issuer.entra;
            let secret = plan.client_secret.as_ref();
            let signed_in = entra.finish_sign_in(&plan.app, secret, &begun).await;
            let done = match signed_in {
                Ok(refresh_token) => wanted.keep(&refresh_token).await,
                Err(e) => Err(e.status()),
            };
            let report = wanted.told(done).await?;
            Ok(SignInProgress {
                prompt: None,
                report: Some(report),
            })
        };
        let progress = stream::iter([Ok(prompt)]).chain(stream::once(rest));
        Ok(Response::new(Box::pin(progress)))
    }
}

impl Wanted {
    fn of(admin: &Admin, request: &Request<SignInRequest>) -> Result<Self, Status> {
        let SignInRequest {
            tenant_id,
            app,
            section,
            until,
        } = request.get_ref();
        let until: NaiveDate = until
            .parse()
            .map_err(|_| invalid("until is a day: 2027-03-31"))?;
        let fresh: Option<TenantConfig> = match (tenant_id.is_empty(), section.is_empty()) {
            (true, false) => Some(parse("[[tenants]]", section)?),
            (false, true) => None,
            _ => return Err(invalid("name a tenant, or send its section")),
        };
        let id = fresh.as_ref().map(|config| config.id.to_string());
        if let Some(config) = &fresh {
            admin.is_not_configured(config.id)?;
            if admin.stored(&config.id.to_string()).is_ok() {
                return Err(invalid(
                    "the tenant is in the store already: name it by its id, without a section",
                ));
            }
        }
        Ok(Wanted {
            admin: admin.clone(),
            fresh,
            tenant_id: id.unwrap_or_else(|| tenant_id.clone()),
            app: app.clone(),
            until,
            who: Peer::of(request).map(|c| c.to_string()),
            why: reason(request.metadata()),
        })
    }

    /// The tenant as it is now with the credential beside the others, and with the refresh token, once it is there.
    fn plan(&self, refresh_token: Option<&SecretString>) -> Result<Plan, Status> {
        self.admin.store()?;
        let (mut config, files) = match &self.fresh {
            Some(config) => (config.clone(), Files::default()),
            None => {
                let tenant = self.admin.stored(&self.tenant_id)?;
                (tenant.config.clone(), tenant.files.clone())
            }
        };
        let (mut position, mut file) = (0, String::new());
        let name = edit(&mut config, &self.app, |all| {
            (position, file) = CredentialConfig::sign_in(all, &self.app, self.until);
            Ok(())
        })?;
        let content = refresh_token.map(|token| {
            let content = token.expose_secret().as_bytes().to_vec();
            (file, FileContent { content })
        });
        let draft = (self.admin).draft(config, HashMap::from_iter(content), &files)?;
        let app = draft.tenant.apps.iter().find(|a| a.name == name);
        let app = Arc::clone(app.ok_or_else(|| Status::internal("the app is not there"))?);
        let credential = app.credentials.get(position);
        let now = self.admin.0.0.clock.micros() / 1_000_000;
        let client_secret = credential
            .map_or(Ok(None), |c| c.client_of_sign_in(&app.files, now))
            .map_err(|e| e.of(app.tenant, &app.name).status())?;
        Ok(Plan {
            draft,
            app,
            position,
            client_secret,
        })
    }

    /// Seals the refresh token, once it gave a token that holds no more than it should. Others may have changed the tenant
    /// while the person signed in. Returns who that is, by object id, and the token's id.
    async fn keep(&self, refresh_token: &SecretString) -> Result<(String, String), Status> {
        let plan = self.plan(Some(refresh_token))?;
        let tried = self
            .admin
            .try_out(&plan.draft.tenant, &plan.app, plan.position);
        let granted = tried.await?.granted.unwrap_or_default();
        self.admin.keep(self.admin.store()?, &plan.draft).await?;
        Ok((granted.oid, granted.uti))
    }

    /// Notes how it ended, and reports what the app may.
    async fn told(
        &self,
        done: Result<(String, String), Status>,
    ) -> Result<PreflightReport, Status> {
        let (what, uti) = match &done {
            Ok((person, uti)) => (
                format!("the person {person:.36} signed in, until {}", self.until),
                Some(uti.as_str()),
            ),
            Err(status) => (format!("nobody signed in ({:.7})", status.message()), None),
        };
        let detail = told(&what, &self.why);
        let noted = Event {
            caller: self.who.as_deref(),
            uti,
            ..event(Kind::Change, &self.tenant_id, &detail)
        };
        self.admin.0.note(&noted).await?;
        done?;
        let tenant = self.admin.0.tenant(&self.tenant_id)?;
        Ok(self.admin.reports(&tenant).await)
    }
}
