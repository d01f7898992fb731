//! What people configure of an instance of ServiceNow.

use std::path::Path;

use runtime::config::SecretFile;
use serde::{Deserialize, Serialize};
use url::Url;

use super::super::{Context, Settings, Sink};
use super::import::Instance;
use crate::error::Error;
use crate::http::{self as way, ClientCredentials, Http};

/// What a sink of this kind can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceNow {
    /// The instance: `https://<name>.service-now.com`.
    pub url: Url,
    /// The client id of the OAuth registry entry.
    pub client_id: String,
    /// File with its secret; read for each token.
    pub client_secret_file: SecretFile,
    /// The staging table.
    #[serde(default = "default_table")]
    pub table: String,
    /// Most rows in an import set.
    #[serde(default = "default_rows")]
    pub most_rows: usize,
    /// Most KiB of rows in an import set.
    #[serde(default = "default_kib")]
    pub most_kib: usize,
    /// Most import sets a minute; absent: as many as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushes_a_minute: Option<u32>,
    /// How long an import set may take until all of its rows are transformed, in seconds.
    #[serde(default = "default_seconds")]
    pub push_seconds: u64,
    /// The way there.
    #[serde(default)]
    pub http: way::Settings,
}

fn default_table() -> String {
    "u_leastwise_import".to_owned()
}

fn default_rows() -> usize {
    200
}

fn default_kib() -> usize {
    2_048
}

fn default_seconds() -> u64 {
    300
}

impl ServiceNow {
    /// An instance, everything else by default.
    pub fn new(url: Url, client_id: &str, client_secret_file: impl Into<SecretFile>) -> Self {
        ServiceNow {
            url,
            client_id: client_id.to_owned(),
            client_secret_file: client_secret_file.into(),
            table: default_table(),
            most_rows: default_rows(),
            most_kib: default_kib(),
            pushes_a_minute: None,
            push_seconds: default_seconds(),
            http: way::Settings::default(),
        }
    }

    /// The address of something in the instance.
    pub(super) fn at(&self, path: &[&str]) -> Url {
        let mut url = self.url.clone();
        // It fails for addresses that can't have paths, which have no host either: `check` refuses those.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    pub(super) fn oauth(&self) -> ClientCredentials {
        ClientCredentials {
            token_url: self.at(&["oauth_token.do"]),
            client_id: self.client_id.clone(),
            client_secret_file: self.client_secret_file.clone(),
            scope: None,
        }
    }
}

impl Settings for ServiceNow {
    fn resolve(&mut self, base: &Path) {
        self.client_secret_file.resolve(base);
        self.http.resolve(base);
    }

    fn location(&self) -> String {
        self.at(&[&self.table]).to_string()
    }

    fn check(&self, sink: &str) -> Result<(), Error> {
        let wrong = |why: &str| Err(Error::settings(sink, why));
        way::address(sink, "url", &self.url)?;
        if self.url.query().is_some() || self.url.fragment().is_some() {
            return wrong("url is that of the instance, without ? and #");
        }
        self.oauth().check(sink)?;
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if self.table.is_empty() || !self.table.chars().all(named) {
            return wrong("table is the name of a table: small letters, digits and _");
        }
        if !(1..=10_000).contains(&self.most_rows) || !(1..=8_192).contains(&self.most_kib) {
            return wrong("most_rows is 1 to 10000, and most_kib 1 to 8192");
        }
        if !(1..=3_600).contains(&self.push_seconds) || self.pushes_a_minute == Some(0) {
            return wrong("push_seconds is 1 to 3600, and pushes_a_minute at least 1");
        }
        self.http.check(sink)
    }

    /// The transform map finds the instance's own users by sign-in name and address.
    fn matches_people(&self) -> bool {
        true
    }

    fn sink(&self, context: &Context) -> Result<Sink, Error> {
        let http = Http::new(&context.name, &self.http, context.clock.clone())?;
        Ok(Sink::changes(Instance::new(self.clone(), http)))
    }
}
