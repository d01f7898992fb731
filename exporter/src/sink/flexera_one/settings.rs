//! What people configure of Flexera One.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proto::ids::TenantId;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Sender;
use crate::error::Error;
use crate::http::{self as way, ClientCredentials};
use crate::sink::people::Users;
use crate::sink::{Context, Guard, Settings, Sink};

/// An organisation of Flexera One with SaaS Management.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlexeraOne {
    /// `https://api.flexera.com`, `https://api.flexera.eu` or `https://api.flexera.au`.
    pub url: Url,
    /// The organisation's number.
    pub organization: u64,
    /// The managed application of each tenant: its id, in hexadecimal digits.
    pub apps: BTreeMap<TenantId, String>,
    /// How access tokens are got: those of a service account.
    pub oauth: ClientCredentials,
    /// Which users a roster holds.
    #[serde(default)]
    pub users: Users,
    /// How long a job is waited for at a time, in seconds; then it is asked for again from time to time.
    #[serde(default = "default_job")]
    pub job_seconds: u64,
    /// How long an answer may take, in seconds; uploads are answers too.
    #[serde(default = "default_answer")]
    pub answer_seconds: u64,
    /// When a roster that is much smaller than the one before is refused.
    #[serde(default)]
    pub guard: Guard,
    /// The way there.
    #[serde(default)]
    pub http: way::Settings,
}

fn default_job() -> u64 {
    600
}

fn default_answer() -> u64 {
    60
}

impl FlexeraOne {
    /// An organisation, everything else by default.
    pub fn new(url: Url, organization: u64, oauth: ClientCredentials) -> Self {
        FlexeraOne {
            url,
            organization,
            apps: BTreeMap::new(),
            oauth,
            users: Users::default(),
            job_seconds: default_job(),
            answer_seconds: default_answer(),
            guard: Guard::default(),
            http: way::Settings::default(),
        }
    }

    /// Where the organisation's resources are, without a slash at the end.
    pub(super) fn base(&self) -> String {
        let url = self.url.as_str().trim_end_matches('/');
        format!("{url}/saas/v1/orgs/{}", self.organization)
    }
}

impl Settings for FlexeraOne {
    fn resolve(&mut self, base: &Path) {
        self.oauth.resolve(base);
        self.http.resolve(base);
    }

    fn location(&self) -> String {
        self.base()
    }

    fn check(&self, sink: &str) -> Result<(), Error> {
        let wrong = |why: &str| Err(Error::settings(sink, why));
        way::address(sink, "url", &self.url)?;
        if self.url.query().is_some() || self.url.fragment().is_some() {
            return wrong("url has a query; it is the address of the API alone");
        }
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let id = |app: &String| !app.is_empty() && app.chars().all(hex);
        if self.organization == 0 || !self.apps.values().all(id) {
            return wrong(
                "organization begins with 1, and each of apps is the id of a managed application in hexadecimal digits",
            );
        }
        let apart: BTreeSet<_> = self.apps.values().collect();
        if apart.len() < self.apps.len() {
            return wrong(
                "two tenants have one managed application: each load would deactivate the other's users",
            );
        }
        let seconds = [self.job_seconds, self.answer_seconds];
        if !seconds.iter().all(|s| (1..=3_600).contains(s)) {
            return wrong("job_seconds and answer_seconds are 1 to 3600");
        }
        self.oauth.check(sink)?;
        self.guard.check(sink)?;
        self.http.check(sink)
    }

    fn matches_people(&self) -> bool {
        true
    }

    fn sink(&self, context: &Context) -> Result<Sink, Error> {
        Ok(Sink::snapshots(Sender::new(self.clone(), context)?))
    }
}
