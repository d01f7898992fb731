//! A request to Entra, and what every endpoint looks at.

use axum::http::HeaderMap;

use super::apps::{self, App};
use super::keys::any_base64;
use super::refusal::Refusal;
use crate::query;
use crate::reply::Ids;
use crate::sim::Sim;
use crate::tenant::Identity;

/// Authorities that are Entra in the public cloud.
pub(crate) const HOSTS: [&str; 4] = [
    "login.microsoftonline.com",
    "login.windows.net",
    "login.microsoft.com",
    "sts.windows.net",
];

/// One request.
pub(crate) struct Ask<'a> {
    pub(crate) sim: &'a Sim,
    /// What stands in the path where the tenant does.
    pub(crate) tenant: &'a str,
    /// The parameters, of the query or of the form.
    pub(crate) fields: &'a [(String, String)],
    pub(crate) headers: &'a HeaderMap,
    pub(crate) base: &'a str,
    pub(crate) ids: &'a Ids,
    pub(crate) seq: u64,
}

impl<'a> Ask<'a> {
    pub(crate) fn fields(text: &str) -> Vec<(String, String)> {
        query::pairs(text.trim()).collect()
    }

    /// A parameter that is not empty.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut named = self.fields.iter().filter(|(n, _)| n == name);
        named
            .next()
            .map(|(_, v)| v.as_str())
            .filter(|v| !v.is_empty())
    }

    /// A parameter that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.field(name).ok_or_else(|| Refusal::lacks(name))
    }

    /// A header that is a text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The tenant's position.
    pub(crate) fn position(&self) -> Result<usize, Refusal> {
        self.sim
            .position(self.tenant)
            .ok_or_else(|| Refusal::tenant(self.tenant))
    }

    /// The same request to the tenant at this position, if it was to whichever tenant somebody is at home in.
    pub(crate) fn at_home(&self, position: usize) -> Result<Ask<'a>, Refusal> {
        let home = self.sim.tenants().get(position).map(|t| t.id.as_str());
        let tenant = match self.tenant {
            "common" | "organizations" => home.ok_or_else(|| Refusal::tenant(self.tenant))?,
            named => named,
        };
        Ok(Ask { tenant, ..*self })
    }

    /// The same request to the tenant that has the application, if it names none.
    pub(crate) fn home(&self) -> Result<Ask<'a>, Refusal> {
        let client = self.field("client_id").unwrap_or_default();
        let has = |n: &usize| apps::find(self.sim.identity(*n), client).is_some();
        let position = match self.tenant {
            "common" | "organizations" => (0..self.sim.tenants().len()).find(has),
            _ => None,
        };
        self.at_home(position.unwrap_or(0))
    }

    pub(crate) fn who(&self) -> Result<&'a Identity, Refusal> {
        Ok(self.sim.identity(self.position()?))
    }

    /// Id and secret of HTTP Basic, which are form-encoded first (RFC 6749 section 2.3.1).
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        let text = self.header("authorization")?.strip_prefix("Basic ")?;
        let text = String::from_utf8(any_base64(text.trim())?).ok()?;
        let (id, secret) = text.split_once(':')?;
        Some((query::decode(id), query::decode(secret)))
    }

    /// The application that asks.
    pub(crate) fn app(&self) -> Result<App, Refusal> {
        let (who, position) = (self.who()?, self.position()?);
        let basic = self.basic().map(|(id, _)| id);
        let client = match self.field("client_id") {
            Some(client) => client.to_owned(),
            None => basic.ok_or_else(|| Refusal::lacks("client_id"))?,
        };
        let found = apps::find(who, &client).map(|app| app.uploaded(self.sim, position));
        found.ok_or_else(|| {
            Refusal::new(
                400,
                "unauthorized_client",
                700_016,
                format!(
                    "Application with identifier '{client}' was not found in the directory '{}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
                    who.name
                ),
            )
        })
    }

    /// Where the authorities are that this one goes by.
    pub(crate) fn authorities(&self) -> Vec<String> {
        let info = self.position().ok().and_then(|n| self.sim.tenants().get(n));
        let mut all = vec![self.base.trim_end_matches('/').to_owned()];
        all.extend(info.map(|i| i.authority.trim_end_matches('/').to_owned()));
        all.extend(HOSTS.map(|host| format!("https://{host}")));
        all
    }

    /// What an assertion may name as its audience: the token endpoint that was asked, or the tenant as an issuer.
    pub(crate) fn audiences(&self) -> Vec<String> {
        let Ok(who) = self.who() else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for authority in self.authorities() {
            for tenant in [&who.id, &who.domain] {
                for end in ["/oauth2/v2.0/token", "/v2.0", "/oauth2/token", ""] {
                    all.push(format!("{authority}/{tenant}{end}"));
                }
            }
        }
        all
    }
}
