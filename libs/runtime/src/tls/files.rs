//! Certificates and keys in files that somebody replaces now and then.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::{Config, Identity};
use crate::error::{Chain, Exit, Problem};

/// What the files hold.
pub(super) struct Parts {
    pub roots: RootCertStore,
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

/// The files' bytes.
#[derive(PartialEq, Eq)]
struct Content {
    ca: Vec<u8>,
    cert: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

/// Something made of the files, made anew when they change. What is in use stays so when the new files are broken.
pub struct Reloading<T> {
    config: Config,
    make: Box<dyn Fn(Parts) -> Result<T, rustls::Error> + Send + Sync>,
    state: Mutex<State<T>>,
}

struct State<T> {
    content: Content,
    made: Arc<T>,
    identity: Identity,
    /// The newest content that could not be used: told once.
    broken: Option<Content>,
}

impl<T> Reloading<T> {
    pub(super) fn new(
        config: Config,
        make: impl Fn(Parts) -> Result<T, rustls::Error> + Send + Sync + 'static,
    ) -> Result<Self, Problem> {
        let content = Content::read(&config)?;
        let (made, identity) = content.make(&config, &make)?;
        let state = State {
            content,
            made,
            identity,
            broken: None,
        };
        Ok(Reloading {
            config,
            make: Box::new(make),
            state: Mutex::new(state),
        })
    }

    /// What is in use now. Looks at the files, which are small: a handshake costs far more.
    pub fn current(&self) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match Content::read(&self.config) {
            Ok(content) if content == state.content => state.broken = None,
            Ok(content) if state.broken.as_ref() == Some(&content) => {}
            Ok(content) => match content.make(&self.config, &self.make) {
                Ok((made, identity)) => {
                    tracing::info!(file = %self.config.cert_file.display(), %identity, "new certificates are in use");
                    state.broken = None;
                    (state.content, state.made, state.identity) = (content, made, identity);
                }
                Err(e) => {
                    tracing::error!(problem = %Chain(&e), "new certificates can't be used; the old ones stay in use");
                    state.broken = Some(content);
                }
            },
            Err(e) => {
                tracing::error!(problem = %Chain(&e), "certificates can't be read; the old ones stay in use");
            }
        }
        Arc::clone(&state.made)
    }

    /// The identity in the own certificate.
    pub fn identity(&self) -> Identity {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.identity.clone()
    }
}

impl Content {
    fn read(config: &Config) -> Result<Content, Problem> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|e| unusable(path, &format!("can't be read: {e}")))
        };
        Ok(Content {
            ca: read(&config.ca_file)?,
            cert: read(&config.cert_file)?,
            key: Zeroizing::new(read(&config.key_file)?),
        })
    }

    fn make<T>(
        &self,
        config: &Config,
        make: impl Fn(Parts) -> Result<T, rustls::Error>,
    ) -> Result<(Arc<T>, Identity), Problem> {
        let certificates = |pem: &[u8], path: &Path| {
            let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            match all {
                Ok(all) if !all.is_empty() => Ok(all),
                _ => Err(unusable(path, "holds no certificates in PEM")),
            }
        };
        let mut roots = RootCertStore::empty();
        for root in certificates(&self.ca, &config.ca_file)? {
            roots
                .add(root)
                .map_err(|e| unusable(&config.ca_file, &e.to_string()))?;
        }
        let chain = certificates(&self.cert, &config.cert_file)?;
        let identity = Identity::of_certificate(&chain[0])
            .map_err(|e| unusable(&config.cert_file, &format!("has no identity: {e}")))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| unusable(&config.key_file, "holds no private key in PEM"))?;
        // Also when a certificate was replaced and its key not yet.
        let made = make(Parts { roots, chain, key })
            .map_err(|e| unusable(&config.cert_file, &format!("can't be used: {e}")))?;
        Ok((Arc::new(made), identity))
    }
}

fn unusable(path: &Path, why: &str) -> Problem {
    Problem::new(
        "LW-1010",
        format!("{} {why}.", path.display()),
        "check ca_file, cert_file and key_file of [tls]: PEM, the key belonging to the certificate, one spiffe:// URI \
         as alternative name in the certificate",
    )
    .exit(Exit::Usage)
}
