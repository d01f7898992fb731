//! Who calls, and what they did.

use std::sync::{Arc, Mutex, PoisonError};

use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request};

use super::{Hold, REASON};
use crate::tls::Identity;

/// Reasons are written by hand.
const LONGEST_REASON: usize = 500;

/// Who is at the other end of a connection: in the extensions of each request that came by TCP, and missing from requests
/// of the own process or its socket.
#[derive(Clone, Default)]
pub struct Peer {
    /// None without TLS.
    pub identity: Option<Identity>,
    /// What holds its answers back.
    pub(super) hold: Option<Hold>,
}

impl Peer {
    /// What holds back the answers to the peer that sent this, where the server can do that.
    pub fn hold(extensions: &Extensions) -> Option<&Hold> {
        extensions.get::<Peer>()?.hold.as_ref()
    }

    /// The caller's identity, if the connection proves one.
    pub fn of<T>(request: &Request<T>) -> Option<Identity> {
        Peer::among(request.extensions()).cloned()
    }

    /// As [`Peer::of`], of the extensions of a request.
    pub fn among(extensions: &Extensions) -> Option<&Identity> {
        extensions.get::<Peer>()?.identity.as_ref()
    }
}

/// What an operator's act did, for the audit: the server writes who, what, why and how it ended; what came of it only
/// the service knows.
#[derive(Clone, Debug, Default)]
pub struct Act(Arc<Mutex<String>>);

impl Act {
    /// The act that a request is; one that nobody reads when nobody audits it.
    pub fn of<T>(request: &Request<T>) -> Act {
        request
            .extensions()
            .get::<Act>()
            .cloned()
            .unwrap_or_default()
    }

    /// Says what came of it.
    pub fn note(&self, result: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = result;
    }

    /// What came of it; empty when nothing was said.
    pub fn result(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Why the caller acts, on one line; empty when nothing is said.
pub fn reason(metadata: &MetadataMap) -> String {
    let bytes = metadata.get_bin(REASON).and_then(|v| v.to_bytes().ok());
    let text = String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
    let line = text.trim().chars().take(LONGEST_REASON);
    line.map(|c| if c.is_control() { ' ' } else { c }).collect()
}
