//! How Microsoft's services are called.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::below;
use crate::error::{Exit, Problem};

/// `[outbound]`: how Microsoft's services are called.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The proxy, `http://host:port`; without it what `HTTPS_PROXY` and `NO_PROXY` say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Hosts, domains and networks that are called without `proxy`, as `NO_PROXY` names them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_proxy: Vec<String>,
    /// PEM file of authorities that are trusted beside the platform's, as that of a proxy that looks into TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How long a connection may take to be there, its TLS handshake included.
    pub connect_seconds: u64,
    /// How long nothing may come.
    pub silence_seconds: u64,
    /// How long an answer may take that is read as a whole: all but files.
    pub answer_seconds: u64,
    /// The largest of these answers, after it was unpacked. Graph's pages stay far below.
    pub largest_answer_mib: usize,
    /// Who runs this, in the `User-Agent`: `NONISV|company|Leastwise/version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            proxy: None,
            no_proxy: Vec::new(),
            ca_file: None,
            connect_seconds: 10,
            silence_seconds: 60,
            answer_seconds: 100,
            largest_answer_mib: 64,
            company: None,
        }
    }
}

/// How Microsoft asks clients to name themselves: a vendor's, or a company's own. Source: "How to avoid getting throttled or
/// blocked", "How to decorate your http traffic".
const VENDOR: &str = concat!("ISV|Leastwise|Leastwise/", env!("CARGO_PKG_VERSION"));

impl Config {
    /// Paths relative to the configuration file's directory.
    pub fn resolve(&mut self, base: &Path) {
        if let Some(file) = &mut self.ca_file {
            below(base, file);
        }
    }

    /// Checks what a type can't say.
    ///
    /// # Errors
    /// `LW-1003` naming the key and what to do.
    pub fn check(&self) -> Result<(), Problem> {
        let wrong = |what: &str, remedy: &str| {
            Err(Problem::new("LW-1003", format!("outbound.{what}."), remedy).exit(Exit::Usage))
        };
        let seconds = [
            ("connect_seconds", self.connect_seconds),
            ("silence_seconds", self.silence_seconds),
            ("answer_seconds", self.answer_seconds),
        ];
        for (name, seconds) in seconds {
            if !(1..=3_600).contains(&seconds) {
                return wrong(
                    &format!("{name} = {seconds} is no time to wait"),
                    "name 1 to 3600 seconds",
                );
            }
        }
        if !(1..=1_024).contains(&self.largest_answer_mib) {
            return wrong(
                &format!(
                    "largest_answer_mib = {} is out of range",
                    self.largest_answer_mib
                ),
                "name 1 to 1024",
            );
        }
        if let Some(company) = &self.company {
            let fine = |c: char| c.is_ascii_alphanumeric() || " .-_&".contains(c);
            if company.is_empty() || company.len() > 64 || !company.chars().all(fine) {
                return wrong(
                    "company can't be sent in a header",
                    "name at most 64 letters, digits, spaces and . - _ & of ASCII",
                );
            }
        }
        if self.proxy.is_none() && !self.no_proxy.is_empty() {
            return wrong(
                "no_proxy is without outbound.proxy",
                "name the proxy too, or set NO_PROXY in the environment",
            );
        }
        match self.proxy.as_deref().map(reqwest::Url::parse) {
            None => Ok(()),
            // Neither the value nor its error: there may be a password in it.
            Some(Ok(url)) if !url.username().is_empty() || url.password().is_some() => wrong(
                "proxy names a user or a password, and the configuration holds no secrets",
                "set HTTPS_PROXY in the environment in place of it",
            ),
            Some(Ok(url)) if ["http", "https"].contains(&url.scheme()) && url.has_host() => Ok(()),
            Some(_) => wrong(
                "proxy is no address of a proxy",
                "name it as http://host:port",
            ),
        }
    }

    pub(super) fn builder(&self) -> Result<reqwest::ClientBuilder, Problem> {
        let agent = match &self.company {
            Some(company) => format!("NONISV|{company}|Leastwise/{}", env!("CARGO_PKG_VERSION")),
            None => VENDOR.to_owned(),
        };
        let mut builder = reqwest::Client::builder()
            .user_agent(agent)
            .connect_timeout(Duration::from_secs(self.connect_seconds))
            .read_timeout(Duration::from_secs(self.silence_seconds));
        if let Some(proxy) = &self.proxy {
            let to = reqwest::Proxy::all(proxy.as_str())
                .map_err(|e| super::unusable(e.without_url()))?;
            let around = reqwest::NoProxy::from_string(&self.no_proxy.join(","));
            builder = builder.proxy(to.no_proxy(around));
        }
        if let Some(file) = &self.ca_file {
            builder = builder.tls_certs_merge(authorities(file)?);
        }
        Ok(builder)
    }
}

/// The certificates in a file of PEM.
fn authorities(file: &Path) -> Result<Vec<reqwest::Certificate>, Problem> {
    let wrong = |what: String| {
        Problem::new(
            "LW-1004",
            format!("ca_file = {}: {what}.", file.display()),
            "name a PEM file of certificates that this process may read",
        )
        .exit(Exit::Usage)
    };
    let pem = std::fs::read(file).map_err(|e| wrong(e.to_string()))?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(wrong("there is no certificate in it".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<Config, Problem> {
        let config: Config = crate::config::parse(text, "test", std::collections::HashMap::new())?;
        config.check()?;
        Ok(config)
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_is_told() {
        let fine = "proxy = 'http://proxy.example:3128'\nno_proxy = ['10.0.0.0/8', '.example']\ncompany = 'A & B'";
        checked(fine).unwrap();
        for (text, told) in [
            ("connect_seconds = 0", "outbound.connect_seconds = 0"),
            ("answer_seconds = 3601", "outbound.answer_seconds = 3601"),
            ("largest_answer_mib = 0", "outbound.largest_answer_mib = 0"),
            ("company = \"a\\nb\"", "outbound.company"),
            ("company = ''", "outbound.company"),
            ("no_proxy = ['example']", "without outbound.proxy"),
            ("proxy = 'proxy.example'", "no address of a proxy"),
            ("proxy = 'socks5://proxy.example'", "no address of a proxy"),
            (
                "proxy = 'http://me:canary@proxy.example'",
                "holds no secrets",
            ),
        ] {
            let e = checked(text).unwrap_err().to_string();
            assert!(e.contains(told) && !e.contains("canary"), "{e}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused_by_its_name() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("authorities.pem");
        let refused = || {
            let config = Config {
                ca_file: Some(file.clone()),
                ..Config::default()
            };
            config.builder().unwrap_err().to_string()
        };
        assert!(refused().contains("No such file"), "{}", refused());
        std::fs::write(&file, "nothing").unwrap();
        assert!(refused().contains("no certificate in it"), "{}", refused());
        assert!(refused().contains("authorities.pem"), "{}", refused());
    }
}
