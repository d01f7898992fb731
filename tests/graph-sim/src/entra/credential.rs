//! How a client shows who it is: secret or assertion.

use super::apps::App;
use super::ask::Ask;
use super::assertion;
use super::federation;
use super::jwt::Jwt;
use super::refusal::Refusal;
use super::token::Proof;
use crate::calendar;

/// The one type of assertion there is (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Checks what the client shows; what it showed.
pub(crate) fn check(ask: &Ask, app: &App) -> Result<Proof, Refusal> {
    let basic = ask.basic().map(|(_, secret)| secret);
    let secret = ask.field("client_secret").map(str::to_owned).or(basic);
    let asserted = ask.field("client_assertion");
    if app.public {
        return match secret.is_some() || asserted.is_some() {
            true => Err(Refusal::client(
                700_025,
                "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
            )),
            false => Ok(Proof::Nothing),
        };
    }
    if let Some(text) = asserted {
        if ask.need("client_assertion_type")? != JWT_BEARER {
            return Err(Refusal::request(
                90_023,
                format!(
                    "The provided value for the input parameter 'client_assertion_type' is not valid. Expected value '{JWT_BEARER}'."
                ),
            ));
        }
        let jwt = Jwt::read(text).ok_or_else(|| {
            assertion::malformed("three parts of base64url with JSON inside are wanted")
        })?;
        match federation::is_foreign(&jwt) {
            true => federation::check(ask, app, &jwt)?,
            false => assertion::check(ask, app, &jwt)?,
        }
        return Ok(Proof::Assertion);
    }
    match secret {
        Some(secret) => known(ask, app, &secret),
        None => Err(Refusal::client(
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )),
    }
}

fn known(ask: &Ask, app: &App, text: &str) -> Result<Proof, Refusal> {
    let Some(secret) = app.secrets.iter().find(|s| s.text == text) else {
        return Err(Refusal::client(
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
                app.client
            ),
        ));
    };
    let (_, end) = secret.life(ask.sim.entra().started);
    if ask.ids.unix < end {
        return Ok(Proof::Secret);
    }
    Err(Refusal::client(
        7_000_222,
        format!(
            "The provided client secret keys for app '{}' are expired (since {}). Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.",
            app.client,
            calendar::text(end)
        ),
    ))
}
