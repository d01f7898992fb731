//! What the mailbox of a user is for.

use serde_json::json;

use crate::catalog::sku;
use crate::collection;
use crate::directory::object;
use crate::graph::Call;
use crate::guid;
use crate::licence::assigned;
use crate::names::{COUNTRIES, SERVICES};
use crate::person::{Kind, User};
use crate::query::Query;
use crate::reply::{Failure, Reply};
use crate::rng::mix;
use crate::user_query;

/// SKUs that bring a mailbox.
const WITH_MAILBOX: [u8; 6] = [
    sku::M365_E3,
    sku::M365_E5,
    sku::M365_F3,
    sku::OFFICE_E3,
    sku::M365_E3_NO_TEAMS,
    sku::UNATTENDED,
];

/// The purpose of a user's mailbox; none without a mailbox.
pub(crate) fn purpose(key: u64, user: &User) -> Option<&'static str> {
    let draw = mix(key ^ 0x0a11_b0c5, u64::from(user.index)) % 100;
    match user.kind {
        Kind::Guest => None,
        Kind::Service => match SERVICES[usize::from(user.first)].1 {
            _ if user.index.is_multiple_of(8) => None,
            "shared" => Some("shared"),
            "svc-room" => Some("room"),
            "svc-scan" if draw < 20 => Some("equipment"),
            _ => licensed(user).then_some("user"),
        },
        // Many a leaver's mailbox was made a shared one, with its licence still on it.
        Kind::Member if !user.enabled && draw < 30 => Some("shared"),
        Kind::Member if user.index.is_multiple_of(997) => Some("linked"),
        Kind::Member => licensed(user).then_some("user"),
    }
}

pub(crate) fn licensed(user: &User) -> bool {
    let held = assigned(&user.paths, user.orphan);
    WITH_MAILBOX
        .iter()
        .any(|sku| held[usize::from(*sku)].is_some())
}

/// `GET /users/{id}/mailboxSettings` and `/mailboxSettings/userPurpose`
pub(crate) fn settings(
    call: &Call,
    id: &str,
    query: &Query,
    only_purpose: bool,
) -> Result<Reply, Failure> {
    query.only(&["$select"])?;
    let user = match guid::parse(id) {
        Some(guid) => user_query::find(call, guid),
        None => user_query::by_name(call, id),
    };
    let user = user.ok_or_else(|| {
        Failure::new(
            404,
            "ErrorInvalidUser",
            format!("The requested user '{id}' is invalid."),
        )
    })?;
    let purpose = purpose(call.who.key, &user).ok_or_else(|| {
        let message = "The mailbox is either inactive, soft-deleted, or is hosted on-premise.";
        Failure::new(404, "MailboxNotEnabledForRESTAPI", message)
    })?;
    let context = format!("users('{id}')/mailboxSettings");
    if only_purpose {
        let body = json!({
            "@odata.context": format!("{}/v1.0/$metadata#{context}/userPurpose", call.base),
            "value": purpose,
        });
        return Ok(Reply::json(body.to_string().into_bytes()));
    }
    let country = &COUNTRIES[usize::from(user.country)];
    let mut settings = object(json!({
        "archiveFolder": null,
        "dateFormat": "dd.MM.yyyy",
        "delegateMeetingMessageDeliveryOptions": "sendToDelegateOnly",
        "language": { "locale": country.language, "displayName": country.language },
        "timeFormat": "HH:mm",
        "timeZone": "W. Europe Standard Time",
        "userPurpose": purpose,
    }));
    if let Some(list) = &query.select {
        settings.retain(|name, _| list.split(',').any(|wanted| wanted.trim() == name));
    }
    let mut reply = collection::entity(call, &context, settings);
    reply.objects = 1;
    Ok(reply)
}
