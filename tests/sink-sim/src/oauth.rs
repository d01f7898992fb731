//! Access tokens for a client's credentials (RFC 6749).

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::Clock;
use crate::message::Request;

/// With which a client gets a token.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The client's name.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

impl Credentials {
    /// Of a client.
    pub fn new(client_id: &str, client_secret: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
        }
    }
}

/// The tokens that have been given out.
pub(crate) struct Tokens {
    /// What is good now; a test changes it.
    pub(crate) credentials: Credentials,
    lifetime: Duration,
    /// Each with the moment it ends at, in milliseconds since 1970.
    access: HashMap<String, i64>,
    refresh: Vec<String>,
    given: u64,
}

/// Why there is no token.
#[derive(Debug, PartialEq)]
pub(crate) enum Denied {
    /// It is no form, or lacks the grant's fields.
    Malformed,
    /// There is no such grant here.
    UnknownGrant,
    /// The client or its secret is wrong.
    WrongClient,
    /// The refresh token is wrong.
    WrongRefresh,
}

impl Tokens {
    pub(crate) fn new(credentials: Credentials, lifetime: Duration) -> Self {
        Self {
            credentials,
            lifetime,
            access: HashMap::new(),
            refresh: Vec::new(),
            given: 0,
        }
    }

    /// Seconds.
    pub(crate) fn lifetime(&self) -> u64 {
        self.lifetime.as_secs()
    }

    /// A new access token and a refresh token, for a request to a token endpoint.
    pub(crate) fn grant(
        &mut self,
        request: &Request,
        clock: &Clock,
    ) -> Result<(String, String), Denied> {
        if request.media_type() != "application/x-www-form-urlencoded" {
            return Err(Denied::Malformed);
        }
        let form: HashMap<_, _> = request.form().into_iter().collect();
        let field = |name: &str| form.get(name).map(String::as_str);
        let grant = field("grant_type").ok_or(Denied::Malformed)?;
        let (id, secret) = (field("client_id"), field("client_secret"));
        let right = id == Some(self.credentials.client_id.as_str())
            && secret == Some(self.credentials.client_secret.as_str());
        match grant {
            _ if !right => return Err(Denied::WrongClient),
            "client_credentials" => {}
            "refresh_token" => {
                let token = field("refresh_token").ok_or(Denied::Malformed)?;
                if !self.refresh.iter().any(|known| known == token) {
                    return Err(Denied::WrongRefresh);
                }
            }
            _ => return Err(Denied::UnknownGrant),
        }
        self.given += 1;
        let (access, refresh) = (
            format!("access-{}", self.given),
            format!("refresh-{}", self.given),
        );
        let ends = clock.millis() + self.lifetime.as_millis() as i64;
        self.access.insert(access.clone(), ends);
        self.refresh.push(refresh.clone());
        Ok((access, refresh))
    }

    /// Whether a request carries a token that is good now.
    pub(crate) fn admit(&self, request: &Request, clock: &Clock) -> bool {
        let token = bearer(request).and_then(|token| self.access.get(token));
        token.is_some_and(|ends| clock.millis() < *ends)
    }

    /// Ends all of them.
    pub(crate) fn revoke(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }
}

/// The token of a request's `Authorization`.
pub(crate) fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}
