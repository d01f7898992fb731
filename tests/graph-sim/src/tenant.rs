//! Who a simulated tenant is.

use serde::Serialize;

use crate::entra::apps;
use crate::guid::{self, Kind};
use crate::rng::mix;

/// What a client needs to reach a tenant.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TenantInfo {
    /// The tenant's id (a GUID).
    pub id: String,
    /// The application's (client) id.
    pub client_id: String,
    /// The application's secret; simulated, so it opens nothing else.
    pub client_secret: String,
    /// The application's certificate with its private key, in PEM: what a client signs assertions with instead of
    /// sending the secret. One of the simulator's own fixed keys.
    pub certificate: &'static str,
    /// Base of the token endpoint: `{authority}/{id}/oauth2/v2.0/token`.
    pub authority: String,
    /// Base of Graph: `{graph}/v1.0/users`.
    pub graph: String,
}

/// The fixed facts of a tenant.
pub(crate) struct Identity {
    /// The key of everything that is drawn for this tenant.
    pub(crate) key: u64,
    pub(crate) number: u16,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) domain: String,
}

pub(crate) fn identity(seed: u64, number: u16) -> Identity {
    let key = mix(mix(seed, 0x7e4a_4717), u64::from(number));
    Identity {
        key,
        number,
        id: guid::text(guid::of(key, Kind::Tenant, 0)),
        name: if number == 0 {
            "Contoso".to_owned()
        } else {
            format!("Contoso {}", number + 1)
        },
        domain: format!("contoso{}.onmicrosoft.com", number + 1),
    }
}

impl Identity {
    pub(crate) fn info(&self, base: &str) -> TenantInfo {
        let app = apps::app(self, apps::MAIN);
        let secret = app.secrets.into_iter().next();
        let certificate = app.certificates.first();
        TenantInfo {
            id: self.id.clone(),
            client_id: app.client,
            client_secret: secret.map_or_else(String::new, |s| s.text),
            certificate: certificate.map_or("", |c| c.key.pem()),
            authority: base.to_owned(),
            graph: base.to_owned(),
        }
    }
}
