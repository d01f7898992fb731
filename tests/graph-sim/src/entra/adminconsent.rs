//! An administrator's consent: `GET /{tenant}/adminconsent` and `GET /{tenant}/v2.0/adminconsent`
//! (<https://learn.microsoft.com/entra/identity-platform/v2-admin-consent>).

use super::ask::Ask;
use super::refusal::Refusal;
use super::standing::{Consent, Principal};
use crate::query;
use crate::reply::Reply;

/// Sends the browser back, with the consent of whoever sits in front of it.
pub(crate) fn redirect(ask: &Ask) -> Result<Reply, Refusal> {
    let ask = &ask.home()?;
    let app = ask.app()?;
    let back = ask.need("redirect_uri")?;
    if !is_registered(ask, back) {
        return Err(Refusal::request(
            50_011,
            format!(
                "The redirect URI '{back}' specified in the request does not match the redirect URIs configured for the application '{}'. Make sure the redirect URI sent in the request matches one added to your application in the Azure portal.",
                app.client
            ),
        ));
    }
    let position = ask.position()?;
    let standing = ask.sim.entra().standings.of(position, app.index);
    let mut answer = Vec::new();
    if standing.declines {
        let declined = Refusal::request(
            65_004,
            "The user has declined to consent to access the app.",
        );
        answer.push(("error", "access_denied".to_owned()));
        answer.push(("error_description", declined.description(ask.ids)));
        let asked = Consent {
            declines: Some(false),
            ..Consent::default()
        };
        ask.sim.consent(position, app.index, asked);
    } else {
        let granted = Consent {
            granted: Some(true),
            // Consent makes the service principal where there is none.
            principal: (standing.principal == Principal::Missing).then_some(Principal::Enabled),
            ..Consent::default()
        };
        ask.sim.consent(position, app.index, granted);
        answer.push(("admin_consent", "True".to_owned()));
        answer.push(("tenant", ask.who()?.id.clone()));
        let scope = ask.field("scope").map(|s| ("scope", s.to_owned()));
        answer.extend(scope);
    }
    let state = ask.field("state").map(|s| ("state", s.to_owned()));
    answer.extend(state);
    let pairs: Vec<String> = answer
        .iter()
        .map(|(name, value)| format!("{name}={}", query::encode(value)))
        .collect();
    let joint = if back.contains('?') { '&' } else { '?' };
    let mut reply = Reply::text(String::new());
    reply.status = 302;
    Ok(reply.header("location", format!("{back}{joint}{}", pairs.join("&"))))
}

/// Registered are all addresses of this machine, and those below the simulator's own.
fn is_registered(ask: &Ask, uri: &str) -> bool {
    let host = uri.split_once("://").map_or("", |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let own = ask.base.split_once("://").map_or("", |(_, host)| host);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]") || host == own.trim_end_matches('/')
}
