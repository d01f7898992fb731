//! HTTPS with an authority of its own: many clients talk to nothing else, MSAL among them.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::serve::{Listener, ListenerExt};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::sim::Sim;

/// Far more than a handshake takes; a client that says nothing must not be waited for.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// What went wrong with a certificate or its file, for people to read.
#[derive(Debug)]
pub struct TlsError(String);

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

/// A certificate for this server, signed by an authority that signs nothing else.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    authority: String,
}

impl Tls {
    /// Makes both anew. The certificate is good for `localhost`, for the loopback addresses and for `address`.
    pub fn new(address: IpAddr) -> Result<Self, TlsError> {
        Self::make(address).map_err(|e| TlsError(format!("can't make a certificate: {e}")))
    }

    fn make(address: IpAddr) -> Result<Self, Box<dyn std::error::Error>> {
        let mut params = named("graph-sim authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let mut params = named("graph-sim");
        // Python 3.13 refuses a certificate that doesn't name its issuer's key (RFC 5280, 4.2.1.1).
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = vec![SanType::DnsName("localhost".try_into()?)];
        let mut addresses = vec![
            IpAddr::from(Ipv4Addr::LOCALHOST),
            Ipv6Addr::LOCALHOST.into(),
        ];
        if !address.is_unspecified() && !addresses.contains(&address) {
            addresses.push(address);
        }
        let addresses = addresses.into_iter().map(SanType::IpAddress);
        params.subject_alt_names.extend(addresses);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;

        let chain: Vec<CertificateDer<'static>> = vec![certificate.into()];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        // Named here, so that nobody else's choice of a provider for the whole process matters.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            authority: issuer.pem(),
        })
    }

    /// The authority's certificate, which clients must trust, as PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Writes the authority's certificate to a file, a new one in the directory for temporary files if none is named.
    pub fn write_authority(&self, file: Option<&Path>) -> Result<AuthorityFile, TlsError> {
        let failed = |path: &Path, e: io::Error| {
            TlsError(format!(
                "can't write the authority's certificate to {}: {e}",
                path.display()
            ))
        };
        if let Some(path) = file {
            std::fs::write(path, &self.authority).map_err(|e| failed(path, e))?;
            // Clients run in directories of their own.
            let path = std::path::absolute(path).map_err(|e| failed(path, e))?;
            return Ok(AuthorityFile { path, _own: None });
        }
        let folder = std::env::temp_dir();
        let own = tempfile::Builder::new()
            .prefix("graph-sim-ca-")
            .suffix(".pem")
            .tempfile_in(&folder)
            .map_err(|e| failed(&folder, e))?;
        std::fs::write(own.path(), &self.authority).map_err(|e| failed(own.path(), e))?;
        Ok(AuthorityFile {
            path: own.path().to_owned(),
            _own: Some(own),
        })
    }
}

/// Where the authority's certificate is. A file that nobody named is removed with this value.
pub struct AuthorityFile {
    path: PathBuf,
    _own: Option<tempfile::NamedTempFile>,
}

impl AuthorityFile {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Sim {
    /// Serves connections by TLS until `stop` is ready.
    pub async fn serve_tls(
        &self,
        listener: TcpListener,
        tls: &Tls,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let listener = TlsListener {
            // As without TLS: answers are written in one piece.
            tcp: listener.tap_io(|stream| {
                let _ = stream.set_nodelay(true);
            }),
            acceptor: tls.acceptor.clone(),
            greeting: JoinSet::new(),
        };
        axum::serve(listener, self.router())
            .with_graceful_shutdown(stop)
            .await
    }
}

/// Connections that are through with their handshake.
struct TlsListener<L> {
    tcp: L,
    acceptor: TlsAcceptor,
    /// Handshakes go on beside each other: a slow client keeps nobody waiting.
    greeting: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl<L> Listener for TlsListener<L>
where
    L: Listener<Io = TcpStream, Addr = SocketAddr>,
{
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                (stream, from) = self.tcp.accept() => {
                    let handshake = self.acceptor.accept(stream);
                    self.greeting.spawn(async move {
                        let done = tokio::time::timeout(HANDSHAKE, handshake).await;
                        // Whoever doesn't trust the authority hangs up, and says so on its own side.
                        Some((done.ok()?.ok()?, from))
                    });
                }
                Some(done) = self.greeting.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params
}
