//! What people configure of Snipe-IT.

use std::path::Path;

use runtime::config::SecretFile;
use serde::{Deserialize, Serialize};
use url::Url;

use super::super::{Context, Settings, Sink};
use super::rows::MatchBy;
use super::system::System;
use crate::error::Error;
use crate::http::{self as way, Http};
use crate::sink::people::Users;

/// What a sink of this kind can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnipeIt {
    /// Where it is, without `/api/v1`.
    pub url: Url,
    /// File with the token of an API user; read for each request.
    pub token_file: SecretFile,
    /// The category of new licences, by its id.
    pub category_id: u64,
    /// The manufacturer of new licences, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer_id: Option<u64>,
    /// Where the people come from.
    #[serde(default)]
    pub people: People,
    /// What people who are there are found by.
    #[serde(default)]
    pub match_by: MatchBy,
    /// Which users it gets; all only where people are created.
    #[serde(default)]
    pub users: Users,
    /// Most seats of a licence, unless more are held.
    #[serde(default = "default_seats")]
    pub most_seats: u64,
    /// Most requests a minute of each exporter.
    #[serde(default = "default_requests")]
    pub requests_a_minute: u32,
    /// Most records that are compared at once.
    #[serde(default = "default_records")]
    pub most_records: usize,
    /// How long that may take, in seconds.
    #[serde(default = "default_seconds")]
    pub push_seconds: u64,
    /// The way there.
    #[serde(default)]
    pub http: way::Settings,
}

/// Where the people come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum People {
    /// They are there already, by LDAP or SCIM: users are read, never written.
    #[default]
    Match,
    /// Who is not there is created, kept up to date and deleted.
    Create,
}

fn default_seats() -> u64 {
    50_000
}

fn default_requests() -> u32 {
    100
}

fn default_records() -> usize {
    50
}

fn default_seconds() -> u64 {
    1_800
}

impl SnipeIt {
    /// A system, everything else by default.
    pub fn new(url: Url, token_file: impl Into<SecretFile>, category_id: u64) -> Self {
        SnipeIt {
            url,
            token_file: token_file.into(),
            category_id,
            manufacturer_id: None,
            people: People::default(),
            match_by: MatchBy::default(),
            users: Users::default(),
            most_seats: default_seats(),
            requests_a_minute: default_requests(),
            most_records: default_records(),
            push_seconds: default_seconds(),
            http: way::Settings::default(),
        }
    }
}

impl Settings for SnipeIt {
    fn resolve(&mut self, base: &Path) {
        self.token_file.resolve(base);
        self.http.resolve(base);
    }

    fn location(&self) -> String {
        self.url.to_string()
    }

    fn check(&self, sink: &str) -> Result<(), Error> {
        let wrong = |why: &str| Err(Error::settings(sink, why));
        way::address(sink, "url", &self.url)?;
        if self.url.query().is_some() || self.url.fragment().is_some() {
            return wrong("url is that of the system, without ? and #");
        }
        way::secret(sink, &self.token_file)?;
        if !(1..=1_000_000).contains(&self.most_seats) {
            return wrong("most_seats is 1 to 1000000");
        }
        if !(1..=1_000).contains(&self.most_records) || self.requests_a_minute == 0 {
            return wrong("most_records is 1 to 1000, and requests_a_minute at least 1");
        }
        if !(1..=14_400).contains(&self.push_seconds) {
            return wrong("push_seconds is 1 to 14400");
        }
        if self.users == Users::All && self.people == People::Match {
            return wrong(
                "users = \"all\" needs people = \"create\": who holds nothing is not written where people are there already",
            );
        }
        self.http.check(sink)
    }

    fn matches_people(&self) -> bool {
        self.people == People::Match
    }

    fn sink(&self, context: &Context) -> Result<Sink, Error> {
        let http = Http::new(&context.name, &self.http, context.clock.clone())?;
        Ok(Sink::changes(System::new(self.clone(), http)))
    }
}
