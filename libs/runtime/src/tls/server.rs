//! The server's side: clients show a certificate of the own authority, with an identity.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, ServerConfig,
    SignatureScheme,
};

use super::files::{Parts, Reloading};
use super::{Config, Identity};
use crate::error::Problem;

/// What a server's handshakes use, made anew when the files change.
///
/// # Errors
/// `LW-1010` when the files can't be used.
pub fn server(config: Config) -> Result<Reloading<ServerConfig>, Problem> {
    Reloading::new(config, |Parts { roots, chain, key }| {
        let provider = Arc::new(default_provider());
        let known = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|e| Error::General(e.to_string()))?;
        let mut made = ServerConfig::builder_with_provider(provider)
            // All peers are ours.
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(WithIdentity(known)))
            .with_single_cert(chain, key)?;
        made.alpn_protocols = vec![b"h2".to_vec()];
        // A resumed session would be let in without a look at its certificate.
        made.session_storage = Arc::new(NoServerSessionStorage {});
        made.send_tls13_tickets = 0;
        Ok(made)
    })
}

/// Lets in whom the authority vouches for and who says by one URI who they are.
#[derive(Debug)]
struct WithIdentity(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for WithIdentity {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.0.verify_client_cert(certificate, intermediates, now)?;
        match Identity::of_certificate(certificate) {
            Ok(_) => Ok(verified),
            Err(e) => Err(CertificateError::Other(OtherError(Arc::new(e))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        self.0
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
