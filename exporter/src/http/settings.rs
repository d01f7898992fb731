//! What people configure of the way to a sink behind HTTP.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use runtime::Problem;
use runtime::config::{SecretFile, below};
use runtime::http::{self, Client};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::addresses::allowed;
use crate::error::Error;

/// The way to a sink: what `[outbound]` is for Microsoft's services.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// The proxy, `http://host:port`; without it what `HTTPS_PROXY` and `NO_PROXY` say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Hosts, domains and networks that are called without `proxy`, as `NO_PROXY` names them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_proxy: Vec<String>,
    /// PEM file of authorities that are trusted beside the platform's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Whether addresses that are link-local, a metadata service, unspecified or for many may be called.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub special_addresses: bool,
}

impl Http {
    /// Makes relative paths relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        if let Some(file) = &mut self.ca_file {
            below(base, file);
        }
    }

    /// Checks what a type can't say.
    ///
    /// # Errors
    /// `LW-6001`.
    pub fn check(&self, sink: &str) -> Result<(), Error> {
        let wrong = |source: Problem| Error::Client {
            sink: sink.to_owned(),
            source: Box::new(source),
        };
        self.config().check().map_err(wrong)
    }

    fn config(&self) -> http::Config {
        http::Config {
            proxy: self.proxy.clone(),
            no_proxy: self.no_proxy.clone(),
            ca_file: self.ca_file.clone(),
            // Answers tell what became of records, at most a few hundred bytes of each.
            largest_answer_mib: 16,
            ..http::Config::default()
        }
    }

    pub(super) fn client(&self) -> Result<Client, Problem> {
        let may: fn(IpAddr) -> bool = match self.special_addresses {
            true => |_| true,
            false => allowed,
        };
        http::guarded(&self.config(), may)
    }
}

/// Checks an address that records or secrets are sent to.
///
/// # Errors
/// `LW-6001` when it is not https, names no host, or holds a password.
pub fn address(sink: &str, key: &str, url: &Url) -> Result<(), Error> {
    let wrong = |why: &str| Err(Error::settings(sink, format!("{key} {why}")));
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return wrong("names no host"),
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && here) {
        return wrong("is not https; plain http:// is accepted for this machine's loopback only");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("holds a name or a password; secrets belong into files");
    }
    Ok(())
}

/// Reads a secret once, for a start.
///
/// # Errors
/// When the file can't be read, is empty, or others may read it.
pub fn secret(sink: &str, file: &SecretFile) -> Result<(), Error> {
    file.check().map_err(|e| Error::Client {
        sink: sink.to_owned(),
        source: Box::new(e),
    })
}
