//! A certificate authority.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, SanType, date_time_ymd,
};

use crate::Tls;
use crate::home::write_private;

/// An authority made for this value alone: what another one signed, it did not.
pub struct Pki {
    directory: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// Whether a certificate is valid today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is.
    Good,
    /// It was until some years ago.
    Expired,
}

impl Pki {
    /// Makes an authority and writes its certificate to `ca.pem` in `directory`, which is made if need be.
    pub fn new(directory: impl Into<PathBuf>) -> Result<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
        let mut params = params("Leastwise test authority", Validity::Good);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let pki = Self { directory, issuer };
        fs::write(pki.ca(), pki.issuer.pem())?;
        Ok(pki)
    }

    /// The authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// Issues a certificate for client and server, and writes it and its key to `NAME.pem` and `NAME.key`, NAME being
    /// the common name. With any name, or address, in `dns` it is also valid for `localhost` and 127.0.0.1.
    pub fn issue(
        &self,
        common_name: &str,
        uri: Option<&str>,
        dns: &[&str],
        validity: Validity,
    ) -> Result<Tls> {
        let mut params = params(common_name, validity);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let names = &mut params.subject_alt_names;
        if let Some(uri) = uri {
            names.push(SanType::URI(uri.try_into()?));
        }
        for name in dns.iter().filter(|name| **name != "localhost") {
            names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName((*name).try_into()?),
            });
        }
        if !dns.is_empty() {
            names.push(SanType::DnsName("localhost".try_into()?));
            names.push(SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()));
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let file = |ending: &str| self.directory.join(format!("{common_name}.{ending}"));
        let tls = Tls {
            ca: self.ca(),
            certificate: file("pem"),
            key: file("key"),
        };
        fs::write(&tls.certificate, certificate.pem())?;
        write_private(&tls.key, key.serialize_pem().as_bytes())?;
        Ok(tls)
    }

    /// Where the files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// A certificate that an app registration proves itself with (RSA), and its key behind it, in PEM. It is good from the
/// beginning of one day to the beginning of another, each as year, month and day.
pub fn app_certificate(from: (i32, u8, u8), until: (i32, u8, u8)) -> Result<String> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let mut params = params("Leastwise", Validity::Good);
    params.not_before = date_time_ymd(from.0, from.1, from.2);
    params.not_after = date_time_ymd(until.0, until.1, until.2);
    Ok(params.self_signed(&key)?.pem() + &key.serialize_pem())
}

fn params(common_name: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = match validity {
        Validity::Good => date_time_ymd(2049, 12, 31),
        Validity::Expired => date_time_ymd(2021, 1, 1),
    };
    params
}
