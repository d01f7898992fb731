//! What people configure of a bucket.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Selection;
use crate::error::Error;
use crate::sink::format::{Compression, CsvOptions, Encoding, Format};
use crate::sink::{Context, Guard, Settings, Sink};

/// A bucket of an object store that speaks the protocol of Amazon S3, with the current inventory: one file a tenant and
/// kind, and a manifest. Part of every build, so that one without object stores can say that it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// `s3://bucket/prefix`; nothing else is below the prefix.
    pub url: String,
    /// Where files are made before they are uploaded. Nothing stays there.
    pub spool: PathBuf,
    /// The bucket's region.
    #[serde(default = "region")]
    pub region: String,
    /// The store, where it isn't Amazon's: `https://host:port`; `http://` for loopback only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The id of the access key, which is no secret.
    pub access_key_id: String,
    /// File with the secret of the access key.
    pub secret_access_key_file: PathBuf,
    /// File with the token of keys that end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token_file: Option<PathBuf>,
    /// File with the certificates (PEM) that the store's is verified by besides those that the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Whether the store refuses to replace a manifest that somebody else has written meanwhile. Without that, of two
    /// exporters only the lease keeps one off.
    #[serde(default = "yes")]
    pub conditional: bool,
    /// How long the store may say nothing, in seconds.
    #[serde(default = "silence")]
    pub silence_seconds: u64,
    /// What the files are.
    #[serde(default)]
    pub format: Format,
    /// How files of texts are compressed; absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// How CSV is written.
    #[serde(default)]
    pub csv: CsvOptions,
    /// Which kinds and fields it shows.
    #[serde(default)]
    pub shows: Selection,
    /// When a state that is much smaller than the one before is refused.
    #[serde(default)]
    pub guard: Guard,
}

fn region() -> String {
    "us-east-1".to_owned()
}

fn silence() -> u64 {
    30
}

fn yes() -> bool {
    true
}

impl Bucket {
    /// The bucket and what every name in it begins with.
    pub(super) fn place(&self) -> Option<(&str, &str)> {
        let rest = self.url.strip_prefix("s3://")?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let named = !bucket.is_empty() && bucket.chars().all(plain);
        let prefix = prefix.trim_end_matches('/');
        let path = prefix.split('/').all(|part| !matches!(part, "." | ".."));
        let empty = !prefix.is_empty() && prefix.split('/').any(str::is_empty);
        (named && path && !empty).then_some((bucket, prefix))
    }

    fn encoding(&self) -> Encoding {
        Encoding {
            format: self.format,
            compression: self.compression,
            csv: self.csv,
            shows: self.shows.clone(),
        }
    }

    /// What is wrong with it.
    fn wrong(&self) -> Option<&'static str> {
        if self.place().is_none() {
            return Some("`url` is s3://bucket/prefix");
        }
        if self.format == Format::Xlsx {
            return Some("a workbook is one file with all tenants: deliver it to a directory");
        }
        if self.access_key_id.is_empty() || self.spool.as_os_str().is_empty() {
            return Some("`access_key_id` and `spool` are needed");
        }
        if !(1..=600).contains(&self.silence_seconds) {
            return Some("`silence_seconds` is from 1 to 600");
        }
        let endpoint = self.endpoint.as_deref()?;
        let Some((scheme, rest)) = endpoint.split_once("://") else {
            return Some("`endpoint` is https://host:port");
        };
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') || authority.is_empty() {
            return Some("`endpoint` names a host, and neither user nor password");
        }
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        };
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        let loopback = host == "localhost" || address.is_some_and(|a| a.is_loopback());
        if scheme != "https" && !(scheme == "http" && loopback) {
            return Some("`endpoint` begins with https://; http:// is for loopback only");
        }
        let local = match address {
            Some(IpAddr::V4(a)) => a.is_link_local(),
            Some(IpAddr::V6(a)) => a.is_unicast_link_local(),
            None => false,
        };
        local.then_some("`endpoint` is a link-local address, where clouds keep credentials")
    }
}

impl Settings for Bucket {
    fn resolve(&mut self, base: &Path) {
        let given = [&mut self.session_token_file, &mut self.ca_file];
        let given = given.into_iter().flatten();
        for path in given.chain([&mut self.spool, &mut self.secret_access_key_file]) {
            *path = base.join(&*path);
        }
    }

    fn location(&self) -> String {
        // The same name elsewhere is another bucket.
        match &self.endpoint {
            Some(endpoint) => format!("{} at {endpoint}", self.url),
            None => self.url.clone(),
        }
    }

    fn check(&self, sink: &str) -> Result<(), Error> {
        if !cfg!(feature = "object-store") {
            return Err(Error::NotBuilt {
                sink: sink.to_owned(),
                what: "object stores",
            });
        }
        self.guard.check(sink)?;
        self.encoding().check(sink)?;
        self.wrong()
            .map_or(Ok(()), |why| Err(Error::settings(sink, why)))
    }

    #[cfg(feature = "object-store")]
    fn sink(&self, context: &Context) -> Result<Sink, Error> {
        let place = super::bucket::Objects::new(self, &context.name)?;
        let (spool, encoding) = (self.spool.clone(), self.encoding());
        let sink = super::Partitioned::new(place, spool, encoding, self.guard);
        Ok(Sink::snapshots(sink))
    }

    #[cfg(not(feature = "object-store"))]
    fn sink(&self, context: &Context) -> Result<Sink, Error> {
        Err(Error::NotBuilt {
            sink: context.name.clone(),
            what: "object stores",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(url: &str, endpoint: Option<&str>) -> Bucket {
        Bucket {
            url: url.into(),
            spool: "spool".into(),
            access_key_id: "id".into(),
            silence_seconds: silence(),
            endpoint: endpoint.map(Into::into),
            ..Bucket::default()
        }
    }

    #[test]
    fn only_what_can_be_reached_safely_is_a_bucket() {
        for (url, place) in [
            (
                "s3://inventory/m365/prod/",
                Some(("inventory", "m365/prod")),
            ),
            ("s3://inventory", Some(("inventory", ""))),
            ("s3://", None),
            ("s3://a/../b", None),
            ("s3://a//b", None),
            ("https://a/b", None),
            ("s3://key:secret@a/b", None),
        ] {
            assert_eq!(bucket(url, None).place(), place, "{url}");
        }
        for good in [
            "https://minio.example:9000",
            "http://127.0.0.1:9000",
            "http://[::1]:9000",
            "http://localhost",
        ] {
            assert_eq!(bucket("s3://a/b", Some(good)).wrong(), None, "{good}");
        }
        for bad in [
            "http://minio.example",
            "ftp://127.0.0.1",
            "https://user@host",
            "https://169.254.169.254",
            "https://[fe80::1]",
            "host",
            "https://",
        ] {
            assert!(bucket("s3://a/b", Some(bad)).wrong().is_some(), "{bad}");
        }
    }
}
