//! What people configure of Snow Atlas.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use url::Url;

use super::Writer;
use crate::error::Error;
use crate::http::{self as way, ClientCredentials};
use crate::sink::{Context, Guard, Settings, Sink};

/// The system of a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnowAtlas {
    /// For example `https://westeurope.snowsoftware.io`.
    pub url: Url,
    /// How access tokens are got: those of an application registration.
    pub oauth: ClientCredentials,
    /// `organizationId` of new licences, a GUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    /// `metricId` of new licences, a GUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_id: Option<String>,
    /// `assignmentTypeId` of new licences, a GUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment_type_id: Option<String>,
    /// `applicationId` of new licences by the SKU's part number, GUIDs.
    #[serde(default)]
    pub applications: BTreeMap<String, String>,
    /// For how long Atlas' accounts are not listed again, in minutes.
    #[serde(default = "default_accounts")]
    pub accounts_minutes: u64,
    /// How long an answer may take, in seconds.
    #[serde(default = "default_answer")]
    pub answer_seconds: u64,
    /// When a state that is much smaller than the one before is refused.
    #[serde(default)]
    pub guard: Guard,
    /// The way there.
    #[serde(default)]
    pub http: way::Settings,
}

fn default_accounts() -> u64 {
    360
}

fn default_answer() -> u64 {
    60
}

impl Settings for SnowAtlas {
    fn resolve(&mut self, base: &Path) {
        self.oauth.resolve(base);
        self.http.resolve(base);
    }

    fn location(&self) -> String {
        self.url.as_str().trim_end_matches('/').to_owned()
    }

    fn check(&self, sink: &str) -> Result<(), Error> {
        let wrong = |why: &str| Err(Error::settings(sink, why));
        way::address(sink, "url", &self.url)?;
        if self.url.query().is_some() || self.url.fragment().is_some() {
            return wrong("url has a query; it is the address of the region alone");
        }
        let ids = [
            &self.organization_id,
            &self.metric_id,
            &self.assignment_type_id,
        ];
        let ids = ids.into_iter().flatten().chain(self.applications.values());
        if !ids.into_iter().all(|id| is_guid(id)) {
            return wrong(
                "organization_id, metric_id, assignment_type_id and each of applications are GUIDs of Snow Atlas'",
            );
        }
        if !(1..=3_600).contains(&self.answer_seconds)
            || !(1..=10_080).contains(&self.accounts_minutes)
        {
            return wrong("answer_seconds is 1 to 3600, and accounts_minutes 1 to 10080");
        }
        self.oauth.check(sink)?;
        self.guard.check(sink)?;
        self.http.check(sink)
    }

    fn matches_people(&self) -> bool {
        true
    }

    fn sink(&self, context: &Context) -> Result<Sink, Error> {
        Ok(Sink::snapshots(Writer::new(self.clone(), context)?))
    }
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}
