//! Client assertions signed with a registered certificate (RFC 7523;
//! <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>).

use serde_json::Value;

use super::apps::{App, Certificate};
use super::ask::Ask;
use super::jwt::Jwt;
use super::keys::{Key, any_base64};
use super::refusal::Refusal;
use crate::calendar;
use crate::sealed::base64url;

/// Clocks may differ by so many seconds.
const SKEW: u64 = 300;
/// The longest life that Microsoft's page recommends.
const LONGEST: u64 = 600;

/// Refuses an assertion that doesn't show that the client is `app`.
pub(crate) fn check(ask: &Ask, app: &App, jwt: &Jwt) -> Result<(), Refusal> {
    let strict = ask.sim.entra().is_strict();
    let key = signature(app, jwt, strict)?;
    still_good(key, ask.ids.unix)?;
    let (issuer, subject) = (jwt.claim("iss"), jwt.claim("sub"));
    if issuer != subject {
        return Err(Refusal::client(
            50_048,
            "Subject must match Issuer claim in the client assertion.",
        ));
    }
    if !issuer.is_some_and(|i| i.eq_ignore_ascii_case(&app.client)) {
        return Err(Refusal::client(
            700_021,
            format!(
                "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials. Expected '{}'.",
                app.client
            ),
        ));
    }
    audience(ask, jwt)?;
    life(ask, jwt)?;
    if strict {
        standards(ask, jwt)?;
    }
    Ok(())
}

/// Finds the certificate that the header names, and checks that it signed.
fn signature(app: &App, jwt: &Jwt, strict: bool) -> Result<&'static Key, Refusal> {
    let named = |name: &str| jwt.header(name).map(str::to_owned);
    let algorithm = named("alg").unwrap_or_default();
    if algorithm.is_empty() || algorithm.eq_ignore_ascii_case("none") {
        return Err(malformed("it is not signed"));
    }
    let said = named("x5t#S256").or(named("x5t")).or(named("kid"));
    let Some(said) = said else {
        return Err(malformed(
            "the header names no certificate: x5t#S256 or x5t is missing",
        ));
    };
    let Some(certificate) = app.certificates.iter().find(|c| is_named(c, jwt, strict)) else {
        return Err(unregistered(app, "The key was not found.", &said));
    };
    let key = certificate.key;
    if !matches!(algorithm.as_str(), "RS256" | "PS256") {
        return Err(Refusal::client(
            5_002_730,
            format!(
                "Invalid JWT token. Unsupported key for the signing algorithm. The key is of RSA, the algorithm is '{algorithm}'."
            ),
        ));
    }
    if !jwt.is_signed_by(key) {
        let reason = "The key was found, but the signature is not of this key.";
        return Err(unregistered(app, reason, &key.thumbprint()));
    }
    Ok(key)
}

/// Whether the header names this certificate.
///
/// Entra also takes the thumbprints in standard base64 with padding, which MSAL for Go and the Rust crate send.
fn is_named(certificate: &Certificate, jwt: &Jwt, strict: bool) -> bool {
    let key = certificate.key;
    let is = |name: &str, right: &str| {
        jwt.header(name).is_some_and(|said| {
            said == right
                || !strict && any_base64(said).is_some_and(|bytes| base64url(&bytes) == right)
        })
    };
    match jwt.header.contains_key("x5t#S256") {
        true => is("x5t#S256", key.x5t_s256()),
        false => is("x5t", key.x5t()) || !jwt.header.contains_key("x5t") && is("kid", key.x5t()),
    }
}

fn audience(ask: &Ask, jwt: &Jwt) -> Result<(), Refusal> {
    let right = ask.audiences();
    let is_right = |said: &Value| {
        said.as_str()
            .is_some_and(|said| right.iter().any(|r| r == said.trim_end_matches('/')))
    };
    let said = jwt.claims.get("aud").unwrap_or(&Value::Null);
    let one_of = |list: &Vec<Value>| list.iter().any(is_right);
    if is_right(said) || said.as_array().is_some_and(one_of) {
        return Ok(());
    }
    Err(Refusal::client(
        700_023,
        format!(
            "Client assertion audience claim does not match Realm issuer. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials. The audience is {said}, the endpoint is '{}'.",
            right.first().map_or("", String::as_str)
        ),
    ))
}

/// Refuses what is over, or still to come.
pub(crate) fn life(ask: &Ask, jwt: &Jwt) -> Result<(), Refusal> {
    let now = ask.ids.unix;
    let Some(end) = jwt.date("exp") else {
        return Err(malformed("exp is missing, or is no date"));
    };
    let start = jwt.date("nbf").or(jwt.date("iat")).unwrap_or(0);
    if end.saturating_add(SKEW) > now && start <= now.saturating_add(SKEW) {
        return Ok(());
    }
    let date = calendar::text;
    Err(Refusal::client(
        700_024,
        format!(
            "Client assertion is not within its valid time range. Current time: {}, assertion valid from {}, expiry time of assertion {}. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials.",
            date(now),
            date(start),
            date(end)
        ),
    ))
}

/// What the standards want besides and Entra doesn't: only where a simulation is told to be strict.
fn standards(ask: &Ask, jwt: &Jwt) -> Result<(), Refusal> {
    let whole = ["nbf", "exp"].map(|name| jwt.claims.get(name).and_then(Value::as_u64));
    let [Some(start), Some(end)] = whole else {
        return Err(malformed("nbf and exp are whole numbers (RFC 7519)"));
    };
    if end.saturating_sub(start) > LONGEST {
        let message = format!("Client assertion is good for more than {LONGEST} seconds.");
        return Err(Refusal::client(700_024, message));
    }
    let Some(name) = jwt.claim("jti") else {
        return Err(malformed("jti is missing (RFC 7523)"));
    };
    let client = jwt.claim("iss").unwrap_or_default();
    if ask.sim.entra().use_once(&format!("{client} {name}")) {
        return Ok(());
    }
    Err(malformed(
        "an assertion with this jti was used before (RFC 7523); sign a new one for each request",
    ))
}

/// Not what a JWT is.
pub(crate) fn malformed(what: &str) -> Refusal {
    Refusal::request(
        50_027,
        format!("JWT token is invalid or malformed: {what}."),
    )
}

fn unregistered(app: &App, reason: &str, thumbprint: &str) -> Refusal {
    let client = &app.client;
    Refusal::client(
        700_027,
        format!(
            "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - {reason}, Thumbprint of key used by client: '{thumbprint}', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '{client}'.]"
        ),
    )
}

/// Refuses a certificate whose own time is over.
fn still_good(key: &Key, now: u64) -> Result<(), Refusal> {
    if (key.start..key.end).contains(&now) {
        return Ok(());
    }
    Err(Refusal::client(
        1_000_502,
        format!(
            "The provided certificate is not within its specified validity window. Thumbprint of key used by client: '{}', Found key 'Start={}, End={}'.",
            key.thumbprint(),
            calendar::text(key.start),
            calendar::text(key.end)
        ),
    ))
}
