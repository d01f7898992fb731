//! Who a simulated tenant is.

use serde::Serialize;

use crate::guid::{self, Kind};
use crate::rng::mix;
use crate::sealed;

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
        let secret = [
            mix(self.key, 71).to_be_bytes(),
            mix(self.key, 72).to_be_bytes(),
            mix(self.key, 73).to_be_bytes(),
        ];
        TenantInfo {
            id: self.id.clone(),
            client_id: guid::text(guid::of(self.key, Kind::Client, 0)),
            client_secret: format!("sim8Q~{}", sealed::base64url(&secret.concat())),
            authority: base.to_owned(),
            graph: base.to_owned(),
        }
    }
}
