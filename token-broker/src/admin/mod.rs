//! The service for operators: tenants and their credentials, permissions, the kill switch.

mod describe;
mod edit;
mod sign_in;

use std::collections::HashMap;
use std::sync::Arc;

use proto::admin::v1::token_broker_admin_server::TokenBrokerAdmin;
use proto::admin::v1::{
    AddCredentialRequest, AddCredentialResponse, DropCredentialRequest, DropCredentialResponse,
    FileContent, KillRequest, KillResponse, KillState, PreflightReport, PreflightRequest,
    PutTenantRequest, PutTenantResponse, RemoveTenantRequest, RemoveTenantResponse, ReviveRequest,
    ReviveResponse, SignInRequest, TokenBrokerStatus, TokenBrokerStatusRequest,
};
use proto::ids::TenantId;
use runtime::Problem;
use runtime::error::Chain;
use runtime::grpc::{Act, Peer, reason};
use runtime::tls::Identity;
use tonic::{Code, Request, Response, Status};

use crate::audit::{Event, Kind, bounded};
use crate::cache::{Token, USE_FOR};
use crate::config::TenantConfig;
use crate::credential::CredentialConfig;
use crate::error::Error;
use crate::files::{Contents, Files, Fresh};
use crate::registry::{App, Tenant};
use crate::service::Broker;
use crate::store::{Kill, Store};
use describe::describe;
use edit::edit;

/// What operators see and do.
#[derive(Clone)]
pub struct Admin(pub(crate) Broker);

type Answer<T> = Result<Response<T>, Status>;

/// A credential is tried with others' files, and what is stored names them all.
struct Draft {
    config: TenantConfig,
    files: Arc<Fresh>,
    tenant: Tenant,
}

impl Admin {
    /// Notes what an operator is about to do, before it happens.
    async fn note<T>(
        &self,
        request: &Request<T>,
        kind: Kind,
        tenant: &str,
        what: String,
    ) -> Result<(), Status> {
        let (caller, detail) = (Peer::of(request), told(&what, &reason(request.metadata())));
        let noted = Event {
            caller: caller.as_ref().map(Identity::as_str),
            ..event(kind, tenant, &detail)
        };
        self.0.note(&noted).await
    }

    fn store(&self) -> Result<&Store, Status> {
        self.0.0.store.as_ref().ok_or_else(|| {
            let problem = Problem::new(
                "LW-2063",
                "this token-broker has no store.",
                "add [store] with key_file and file (or db) to its configuration",
            );
            Status::failed_precondition(problem.to_string())
        })
    }

    /// A tenant of the store.
    fn stored(&self, id: &str) -> Result<Arc<Tenant>, Status> {
        let tenant = self.0.tenant(id)?;
        match tenant.stored {
            true => Ok(tenant),
            false => Err(refuse(
                Code::NotFound,
                "LW-2065",
                format!("tenant {id} is in the configuration, not in the store."),
                "change the configuration; only tenants of the store are changed by commands",
            )),
        }
    }

    /// Only what the configuration doesn't have goes into the store.
    fn is_not_configured(&self, id: TenantId) -> Result<(), Status> {
        let before = self.0.0.registry.get(id);
        match before.is_some_and(|t| !t.stored) {
            true => Err(refuse(
                Code::AlreadyExists,
                "LW-2064",
                format!("tenant {id} is in the configuration."),
                "change it there, or take it from there first",
            )),
            false => Ok(()),
        }
    }

    /// A tenant as it would be, its new files beside those that are sealed already.
    fn draft(
        &self,
        config: TenantConfig,
        files: HashMap<String, FileContent>,
        before: &Files,
    ) -> Result<Draft, Status> {
        config.check().map_err(wrong)?;
        let mut credentials = config.all_credentials().into_iter();
        if credentials.any(|c| matches!(c, CredentialConfig::Pkcs11(_))) {
            // Whoever speaks to the service must not choose what is loaded into the process.
            return Err(wrong(Problem::new(
                "LW-1003",
                format!("tenant {} has a key in a device.", config.id),
                "write such a tenant into the configuration of the machine that has the device",
            )));
        }
        let named = config.files();
        for name in files.keys() {
            if !named.iter().any(|path| path.to_str() == Some(name)) {
                return Err(wrong(Problem::new(
                    "LW-1003",
                    format!(
                        "the file `{name:.200}` was sent, and no credential of tenant {} names it.",
                        config.id
                    ),
                    "send the files that the section names",
                )));
            }
        }
        let contents: Contents = files
            .into_iter()
            .map(|(name, content)| (name, content.content.into()))
            .collect();
        let files = Fresh::new(contents, self.0.0.clock.micros());
        let before = before.with(Arc::clone(&files));
        Ok(Draft {
            tenant: Tenant::new(config.clone(), before, true),
            config,
            files,
        })
    }

    /// Gets a token with one credential of an app, and with no other.
    async fn try_out(&self, tenant: &Tenant, app: &App, position: usize) -> Result<Token, Status> {
        let app = app.with_only(position);
        let tried = self.0.0.issuer.try_out(tenant, &app).await;
        tried.map_err(|e| {
            let problem = e.problem();
            let place = format!(
                "credential {position} of app `{}` was tried: {}",
                app.name, problem.what
            );
            refuse(
                Code::FailedPrecondition,
                &problem.code,
                place,
                &problem.remedy,
            )
        })
    }

    async fn keep(&self, store: &Store, draft: &Draft) -> Result<(), Status> {
        // A refresh token was redeemed for another one when it was tried.
        let files = draft.files.contents().clone();
        store
            .put(&draft.config, &files)
            .await
            .map_err(unavailable)?;
        self.0.reload(store).await.map_err(unavailable)?;
        Ok(())
    }

    async fn kill(
        &self,
        tenant: &str,
        everybody: bool,
        who: Option<String>,
        why: String,
        on: bool,
    ) -> Result<(), Status> {
        let store = self.store()?;
        let tenant = match (tenant.is_empty(), everybody) {
            (false, false) => Some(tenant.parse::<TenantId>().map_err(invalid)?),
            (true, true) => None,
            _ => return Err(invalid("name a tenant, or everybody")),
        };
        let exists = match (tenant, on) {
            (Some(id), true) => self.0.0.registry.get(id).is_some(),
            (None, true) => true,
            (_, false) => self.0.0.registry.kills().iter().any(|k| k.tenant == tenant),
        };
        if !exists {
            return Err(match (tenant, on) {
                (Some(id), true) => Error::UnknownTenant(id).status(),
                _ => refuse(
                    Code::NotFound,
                    "LW-2065",
                    "no tokens were stopped there.".to_owned(),
                    "leastwise tenants list shows what was stopped",
                ),
            });
        }
        let kill = Kill {
            tenant,
            since: self.0.0.clock.micros(),
            who: who.unwrap_or_else(|| "this machine's operator".to_owned()),
            why,
        };
        store.kill(&kill, on).await.map_err(unavailable)?;
        self.0.reload(store).await.map_err(unavailable)?;
        Ok(())
    }
}

#[tonic::async_trait]
impl TokenBrokerAdmin for Admin {
    async fn status(&self, _: Request<TokenBrokerStatusRequest>) -> Answer<TokenBrokerStatus> {
        let registry = &self.0.0.registry;
        let kills = registry.kills().into_iter();
        Ok(Response::new(TokenBrokerStatus {
            tenants: registry.all().iter().map(|t| describe(t)).collect(),
            kills: kills
                .map(|kill| KillState {
                    tenant_id: kill.tenant.map(|t| t.to_string()).unwrap_or_default(),
                    since: kill.since,
                    who: kill.who,
                    why: kill.why,
                })
                .collect(),
        }))
    }

    async fn preflight(&self, request: Request<PreflightRequest>) -> Answer<PreflightReport> {
        let id = &request.get_ref().tenant_id;
        let tenant = self.0.tenant(id)?;
        self.note(&request, Kind::Preflight, id, "preflight".to_owned())
            .await?;
        Ok(Response::new(self.reports(&tenant).await))
    }

    async fn put_tenant(&self, request: Request<PutTenantRequest>) -> Answer<PutTenantResponse> {
        let store = self.store()?;
        let PutTenantRequest { section, .. } = request.get_ref();
        let config: TenantConfig = parse("[[tenants]]", section)?;
        let id = config.id;
        self.is_not_configured(id)?;
        let what = format!(
            "put the tenant into the store, {} files",
            request.get_ref().files.len()
        );
        self.note(&request, Kind::Change, &id.to_string(), what)
            .await?;
        let before = self.0.0.registry.get(id);
        let files = before.map(|t| t.files.clone()).unwrap_or_default();
        let act = Act::of(&request);
        let draft = self.draft(config, request.into_inner().files, &files)?;
        for app in &draft.tenant.apps {
            for position in 0..app.credentials.len() {
                self.try_out(&draft.tenant, app, position).await?;
            }
        }
        self.keep(store, &draft).await?;
        let tenant = self.0.tenant(&id.to_string())?;
        act.note(format!("tenant {id} stored"));
        Ok(Response::new(PutTenantResponse {
            report: Some(self.reports(&tenant).await),
        }))
    }

    async fn remove_tenant(
        &self,
        request: Request<RemoveTenantRequest>,
    ) -> Answer<RemoveTenantResponse> {
        let store = self.store()?;
        let id = &request.get_ref().tenant_id;
        let tenant = self.stored(id)?;
        self.note(&request, Kind::Change, id, "remove the tenant".to_owned())
            .await?;
        // Its section stays, so that everybody hears that it is gone; its credentials don't.
        let config = TenantConfig {
            removed: true,
            client_id: None,
            client_secret_file: None,
            credentials: Vec::new(),
            apps: Vec::new(),
            ..tenant.config.clone()
        };
        let draft = self.draft(config, HashMap::new(), &Files::default())?;
        self.keep(store, &draft).await?;
        Ok(Response::new(RemoveTenantResponse {}))
    }

    async fn add_credential(
        &self,
        request: Request<AddCredentialRequest>,
    ) -> Answer<AddCredentialResponse> {
        let store = self.store()?;
        let AddCredentialRequest {
            tenant_id,
            app,
            section,
            ..
        } = request.get_ref();
        let tenant = self.stored(tenant_id)?;
        let credential: CredentialConfig = parse("[[tenants.credentials]]", section)?;
        let mut config = tenant.config.clone();
        let what = format!("add a credential, {}", credential.kind());
        let name = edit(&mut config, app, |all| {
            all.insert(0, credential);
            Ok(())
        })?;
        self.note(&request, Kind::Change, tenant_id, what).await?;
        let draft = self.draft(config, request.into_inner().files, &tenant.files)?;
        let app = draft.tenant.apps.iter().find(|a| a.name == name);
        if let Some(app) = app {
            self.try_out(&draft.tenant, app, 0).await?;
        }
        self.keep(store, &draft).await?;
        Ok(Response::new(AddCredentialResponse {}))
    }

    async fn drop_credential(
        &self,
        request: Request<DropCredentialRequest>,
    ) -> Answer<DropCredentialResponse> {
        let store = self.store()?;
        let DropCredentialRequest {
            tenant_id,
            app,
            position,
        } = request.get_ref();
        let tenant = self.stored(tenant_id)?;
        let mut config = tenant.config.clone();
        let position = usize::try_from(*position).unwrap_or(usize::MAX);
        let name = edit(&mut config, app, |all| {
            if position >= all.len() {
                return Err(refuse(
                    Code::NotFound,
                    "LW-2065",
                    format!("there is no credential {position}."),
                    "leastwise tenants list shows them with their positions, counted from 0",
                ));
            }
            all.remove(position);
            Ok(())
        })?;
        let what = format!("drop credential {position} of app `{name}`");
        self.note(&request, Kind::Change, tenant_id, what).await?;
        let draft = self.draft(config, HashMap::new(), &tenant.files)?;
        let app = draft.tenant.apps.iter().find(|a| a.name == name);
        if let Some(app) = app {
            self.try_out(&draft.tenant, app, 0).await?;
        }
        self.keep(store, &draft).await?;
        Ok(Response::new(DropCredentialResponse {}))
    }

    type SignInStream = sign_in::Progress;

    async fn sign_in(&self, request: Request<SignInRequest>) -> Answer<Self::SignInStream> {
        self.begin_sign_in(request).await
    }

    async fn kill(&self, request: Request<KillRequest>) -> Answer<KillResponse> {
        let KillRequest {
            tenant_id,
            everybody,
        } = request.get_ref().clone();
        let what = "stop tokens".to_owned();
        self.note(&request, Kind::Change, &tenant_id, what).await?;
        let (who, why) = (Peer::of(&request), reason(request.metadata()));
        let who = who.map(|w| w.to_string());
        self.kill(&tenant_id, everybody, who, why, true).await?;
        Ok(Response::new(KillResponse {
            use_for_seconds: u32::try_from(USE_FOR.as_secs()).unwrap_or(u32::MAX),
        }))
    }

    async fn revive(&self, request: Request<ReviveRequest>) -> Answer<ReviveResponse> {
        let ReviveRequest {
            tenant_id,
            everybody,
        } = request.get_ref().clone();
        let what = "let tokens go again".to_owned();
        self.note(&request, Kind::Change, &tenant_id, what).await?;
        let why = reason(request.metadata());
        self.kill(&tenant_id, everybody, None, why, false).await?;
        Ok(Response::new(ReviveResponse {}))
    }
}

/// What an operator did or is about to do, as it is [told].
fn event<'a>(kind: Kind, tenant: &'a str, detail: &'a str) -> Event<'a> {
    Event {
        tenant: Some(bounded(tenant, 36)).filter(|t| !t.is_empty()),
        detail: Some(detail),
        ..Event::new(kind)
    }
}

/// What, and why if somebody says so.
fn told(what: &str, why: &str) -> String {
    let colon = if why.is_empty() { "" } else { ": " };
    format!("{what}{colon}{why}")
}

fn parse<T: serde::de::DeserializeOwned>(what: &str, section: &str) -> Result<T, Status> {
    toml::from_str(section).map_err(|e| {
        wrong(Problem::new(
            "LW-1003",
            format!(
                "the section {what} can't be read: {}.",
                runtime::config::without_values(e.message())
            ),
            "write it as in the token-broker's configuration, without its header",
        ))
    })
}

fn wrong(problem: Problem) -> Status {
    Status::invalid_argument(problem.to_string())
}

fn invalid(why: impl ToString) -> Status {
    Status::invalid_argument(why.to_string())
}

fn unavailable(problem: Problem) -> Status {
    tracing::error!(problem = %Chain(&problem), "an operator's change was not stored");
    Status::unavailable(problem.to_string())
}

fn refuse(code: Code, number: &str, what: String, remedy: &str) -> Status {
    Status::new(
        code,
        Problem::new(number.to_owned(), what, remedy.to_owned()).to_string(),
    )
}
