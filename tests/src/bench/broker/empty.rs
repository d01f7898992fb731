//! A call that does nothing, in the very process that the token-broker is: what is left of both times is gRPC, TLS, the
//! check of the caller and this machine.

use std::path::Path;

use proto::access::METHODS;
use proto::token::v1::token_service_server::{TokenService, TokenServiceServer};
use proto::token::v1::{
    GetTokenRequest, GetTokenResponse, ListTenantsRequest, ListTenantsResponse,
};
use runtime::Problem;
use runtime::process::{Process, Sections, Service};
use serde::{Deserialize, Serialize};
use token_broker::server::Settings;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// The token-broker's configuration, served by nobody who knows a tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Empty(Settings);

impl runtime::config::Settings for Empty {
    fn resolve(&mut self, base: &Path) {
        self.0.resolve(base);
    }

    fn check(&self) -> Result<Vec<String>, Problem> {
        self.0.check()
    }
}

impl Service for Empty {
    const NAME: &'static str = "empty_unary";
    const ABOUT: &'static str = "Answers the token-broker's calls with nothing, for its bench";
    const DATABASE: bool = false;

    fn sections(&self) -> Sections<'_> {
        self.0.sections()
    }

    async fn run(self, process: Process) -> Result<(), Problem> {
        let server = self.sections().server().await?;
        let access = self.sections().access(METHODS.iter().copied());
        let routes = Routes::new(TokenServiceServer::new(Nothing));
        server.serve(routes, access, process.stop).await
    }
}

struct Nothing;

#[tonic::async_trait]
impl TokenService for Nothing {
    async fn get_token(
        &self,
        _: Request<GetTokenRequest>,
    ) -> Result<Response<GetTokenResponse>, Status> {
        Ok(Response::new(GetTokenResponse::default()))
    }

    async fn list_tenants(
        &self,
        _: Request<ListTenantsRequest>,
    ) -> Result<Response<ListTenantsResponse>, Status> {
        Ok(Response::new(ListTenantsResponse::default()))
    }
}
