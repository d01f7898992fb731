//! Where the queue server is and who we are.

use std::fmt;
use std::path::{Path, PathBuf};

use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{
    AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism,
};
use runtime::Problem;
use runtime::error::Exit;
use url::{Host, Url};

/// How to reach RabbitMQ. Its files are read anew for each connection, so a rotated certificate is picked up by the
/// next one.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `amqps://host:port/vhost`, without credentials. `amqp://` is for loopback only. Without a path the virtual
    /// host is `/`.
    pub url: String,
    /// The certificates that the server's may be signed by, PEM. Needed for `amqps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Our certificate and what stands between it and its CA, PEM. With it we log in as its common name (SASL
    /// EXTERNAL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// The key of `cert_file`, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Where we have no certificate: the account (SASL PLAIN).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The file with its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Messages that may wait for their confirms at a time.
    #[serde(default = "publish_window")]
    pub publish_window: usize,
    /// Deliveries of a queue that this process has at a time, those waiting for a handler included. It bounds how
    /// many messages of a queue are handled at once here.
    #[serde(default = "prefetch")]
    pub prefetch: u16,
    /// A connection without a sign of life for twice this long is given up.
    #[serde(default = "heartbeat_seconds")]
    pub heartbeat_seconds: u16,
    /// How often it is checked that the server answers, the queues exist and our consumers are known.
    #[serde(default = "check_seconds")]
    pub check_seconds: u16,
}

fn publish_window() -> usize {
    256
}

fn prefetch() -> u16 {
    32
}

fn heartbeat_seconds() -> u16 {
    10
}

fn check_seconds() -> u16 {
    15
}

/// Where to connect to, and what to prove it with.
pub(super) struct Access {
    pub uri: AMQPUri,
    pub tls: OwnedTLSConfig,
}

impl Config {
    /// With this address and account, and otherwise the usual values.
    pub fn new(url: impl Into<String>) -> Config {
        Config {
            url: url.into(),
            ca_file: None,
            cert_file: None,
            key_file: None,
            username: None,
            password_file: None,
            publish_window: publish_window(),
            prefetch: prefetch(),
            heartbeat_seconds: heartbeat_seconds(),
            check_seconds: check_seconds(),
        }
    }

    /// Makes the paths relative to the directory of the configuration file.
    pub fn resolve(&mut self, base: &Path) {
        let files = [
            &mut self.ca_file,
            &mut self.cert_file,
            &mut self.key_file,
            &mut self.password_file,
        ];
        for file in files.into_iter().flatten() {
            runtime::config::below(base, file);
        }
    }

    /// Looks for mistakes without reading a file.
    ///
    /// # Errors
    /// `LW-1040` with the first mistake.
    pub fn check(&self) -> Result<(), Problem> {
        self.target().map(|_| ())
    }

    /// Host and port, for messages.
    pub(super) fn server(&self) -> String {
        self.target()
            .map(|uri| format!("{}:{}", uri.authority.host, uri.authority.port))
            .unwrap_or_default()
    }

    /// Reads the files.
    pub(super) async fn access(&self) -> Result<Access, Problem> {
        let mut uri = self.target()?;
        let mut tls = OwnedTLSConfig::default();
        if let Some(path) = &self.ca_file {
            tls.cert_chain = Some(pem(path).await?);
        }
        if let (Some(cert), Some(key)) = (&self.cert_file, &self.key_file) {
            let (pem, key) = (pem(cert).await?.into_bytes(), pem(key).await?.into_bytes());
            tls.identity = Some(OwnedIdentity::PKCS8 { pem, key });
        }
        if let Some(path) = &self.password_file {
            let text = read(path).await?;
            uri.authority.userinfo.password = text.trim_end_matches(['\r', '\n']).to_owned();
        }
        Ok(Access { uri, tls })
    }

    /// What can be known without reading a file.
    fn target(&self) -> Result<AMQPUri, Problem> {
        let url = Url::parse(&self.url)
            .map_err(|_| wrong("url", "is no address", "amqps://host:5671/vhost"))?;
        let scheme = match url.scheme() {
            "amqp" => AMQPScheme::AMQP,
            "amqps" => AMQPScheme::AMQPS,
            _ => {
                return Err(wrong(
                    "url",
                    "has another scheme",
                    "amqps://host:5671/vhost",
                ));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "url",
                "holds credentials",
                "a certificate, or `username` and `password_file`",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("url", "has parameters", "the settings beside it"));
        }
        let host = match url.host() {
            // The scheme is none that the crate knows, so it leaves addresses as names.
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err(wrong("url", "names no host", "amqps://host:5671/vhost")),
        };
        let vhost = match url.path().strip_prefix('/') {
            None | Some("") => "/".to_owned(),
            Some(path) => decoded(path).ok_or_else(|| {
                wrong("url", "has a malformed path", "/%2F for the virtual host /")
            })?,
        };
        if scheme == AMQPScheme::AMQP && !is_loopback(&host) {
            return Err(wrong(
                "url",
                "is not encrypted and not loopback",
                "amqps://host:5671/vhost",
            ));
        }
        let (certificate, password) = (
            pair("cert_file", &self.cert_file, "key_file", &self.key_file)?,
            pair(
                "username",
                &self.username,
                "password_file",
                &self.password_file,
            )?,
        );
        if scheme == AMQPScheme::AMQPS && self.ca_file.is_none() {
            return Err(wrong(
                "ca_file",
                "is missing",
                "the file of the server's CA",
            ));
        }
        if certificate && scheme == AMQPScheme::AMQP {
            return Err(wrong("cert_file", "needs amqps", "amqps://host:5671/vhost"));
        }
        let mechanism = match (certificate, password) {
            (_, true) => SASLMechanism::Plain,
            (true, false) => SASLMechanism::External,
            (false, false) => {
                return Err(wrong(
                    "cert_file",
                    "is missing, and there is no account either",
                    "`cert_file` and `key_file`, or `username` and `password_file`",
                ));
            }
        };
        if self.publish_window == 0 || self.prefetch == 0 || self.check_seconds == 0 {
            return Err(wrong(
                "publish_window, prefetch or check_seconds",
                "is 0",
                "a number above 0, or leave it out",
            ));
        }
        Ok(AMQPUri {
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: self.username.clone().unwrap_or_default(),
                    password: String::new(),
                },
                port: url.port().unwrap_or_else(|| scheme.default_port()),
                host,
            },
            scheme,
            vhost,
            query: AMQPQueryString {
                heartbeat: Some(self.heartbeat_seconds),
                auth_mechanism: Some(mechanism),
                ..Default::default()
            },
        })
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the address as it was written: somebody may have put a password into it.
        f.debug_struct("Config")
            .field("server", &self.server())
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

fn wrong(key: &str, what: &str, instead: &str) -> Problem {
    Problem::new(
        "LW-1040",
        format!("the queue's setting `{key}` {what}."),
        format!("use {instead}"),
    )
    .exit(Exit::Usage)
}

fn pair<A, B>(a: &str, has_a: &Option<A>, b: &str, has_b: &Option<B>) -> Result<bool, Problem> {
    match (has_a, has_b) {
        (Some(_), Some(_)) => Ok(true),
        (None, None) => Ok(false),
        (Some(_), None) => Err(wrong(b, "is missing", &format!("it together with `{a}`"))),
        (None, Some(_)) => Err(wrong(a, "is missing", &format!("it together with `{b}`"))),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Undoes the percent encoding of a path without further slashes.
fn decoded(path: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(path.len()), path.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'/' => return None,
            b'%' => {
                let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = rest.get(2..)?;
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

async fn read(path: &Path) -> Result<String, Problem> {
    tokio::fs::read_to_string(path).await.map_err(|e| {
        Problem::new(
            "LW-2042",
            format!("the file {} can't be read.", path.display()),
            "check that it exists and that this user may read it; it is tried again",
        )
        .caused_by(e)
    })
}

async fn pem(path: &Path) -> Result<String, Problem> {
    let text = read(path).await?;
    if text.contains("-----BEGIN ") {
        return Ok(text);
    }
    Err(Problem::new(
        "LW-2042",
        format!("the file {} is not in PEM format.", path.display()),
        "write it with -----BEGIN … and -----END … lines; it is tried again",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(url: &str) -> Config {
        Config {
            username: Some("somebody".into()),
            password_file: Some("/nowhere".into()),
            ..Config::new(url)
        }
    }

    #[test]
    fn addresses() {
        for (url, host, port, vhost) in [
            ("amqp://127.0.0.1", "127.0.0.1", 5672, "/"),
            ("amqp://localhost:1234/", "localhost", 1234, "/"),
            ("amqp://[::1]:1/%2F", "::1", 1, "/"),
            ("amqp://localhost/case%201", "localhost", 5672, "case 1"),
        ] {
            let uri = plain(url).target().unwrap();
            assert_eq!(
                (
                    uri.authority.host.as_str(),
                    uri.authority.port,
                    uri.vhost.as_str()
                ),
                (host, port, vhost),
                "{url}"
            );
        }
    }

    #[test]
    fn mistakes_are_named_and_secrets_are_not() {
        let mut tls = plain("amqps://mq.example/leastwise");
        assert!(tls.check().unwrap_err().what.contains("ca_file"));
        tls.ca_file = Some("ca.pem".into());
        tls.check().unwrap();
        tls.cert_file = Some("cert.pem".into());
        assert!(tls.check().unwrap_err().what.contains("key_file"));
        for (url, what) in [
            ("amqp://mq.example/", "not encrypted"),
            ("amqp://10.0.0.1/", "not encrypted"),
            ("https://localhost/", "scheme"),
            ("amqp://somebody:geheim@localhost/", "credentials"),
            ("amqp://localhost/?heartbeat=0", "parameters"),
            ("amqp://localhost/a/b", "path"),
            ("amqp://localhost/%zz", "path"),
            ("localhost", "address"),
        ] {
            let config = plain(url);
            let problem = config.check().unwrap_err();
            assert_eq!(problem.code, "LW-1040");
            assert!(problem.what.contains(what), "{url}: {problem}");
            assert!(!format!("{problem} {config:?}").contains("geheim"));
        }
        assert!(Config::new("amqp://localhost").check().is_err());
    }
}
