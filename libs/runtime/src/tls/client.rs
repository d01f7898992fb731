//! The client's side: the server shows a certificate of the own authority, with the expected identity or the name that
//! it was called by.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use super::files::{Parts, Reloading};
use super::{Config, Identity, IdentityError};
use crate::error::Problem;

/// What a client's handshakes use, made anew when the files change. With an `expected` identity the server's host name
/// doesn't matter; without one it must be in the certificate.
///
/// # Errors
/// `LW-1010` when the files can't be used.
pub fn client(
    config: Config,
    expected: Option<Identity>,
) -> Result<Reloading<ClientConfig>, Problem> {
    Reloading::new(config, move |Parts { roots, chain, key }| {
        let provider = Arc::new(default_provider());
        let verifier = Expecting {
            roots,
            identity: expected.clone(),
            algorithms: provider.signature_verification_algorithms,
        };
        let mut made = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(chain, key)?;
        made.alpn_protocols = vec![b"h2".to_vec()];
        made.resumption = Resumption::disabled();
        Ok(made)
    })
}

#[derive(Debug)]
struct Expecting {
    roots: RootCertStore,
    identity: Option<Identity>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Expecting {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            algorithms,
        )?;
        let Some(expected) = &self.identity else {
            verify_server_name(&parsed, name)?;
            return Ok(ServerCertVerified::assertion());
        };
        let other = |e: IdentityError| CertificateError::Other(OtherError(Arc::new(e)));
        let found = Identity::of_certificate(certificate).map_err(other)?;
        if found != *expected {
            let expected = expected.clone();
            return Err(other(IdentityError::Other { found, expected }).into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
