//! What is read of users apart from themselves. Sources: Graph resource types signInActivity, mailboxSettings.

use proto::inventory::v1::{MailboxPurpose, SignInActivity};
use serde::Deserialize;

use super::notes::Notes;
use super::text::{Maybe, id, moment, text};

pub(super) struct SignIns;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignInObject<'a> {
    #[serde(borrow, default)]
    id: Maybe<'a>,
    /// Absent for users who never signed in.
    #[serde(borrow, default)]
    sign_in_activity: Option<Activity<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Activity<'a> {
    #[serde(borrow, default)]
    last_sign_in_date_time: Maybe<'a>,
    #[serde(borrow, default)]
    last_non_interactive_sign_in_date_time: Maybe<'a>,
    #[serde(borrow, default)]
    last_successful_sign_in_date_time: Maybe<'a>,
}

impl super::Source for SignIns {
    type Object<'a> = SignInObject<'a>;
    type Record = SignInActivity;
    const KEY: &'static str = "id";
    const UNUSED: &'static [&'static str] = &[
        "signInActivity.lastSignInRequestId",
        "signInActivity.lastNonInteractiveSignInRequestId",
        "signInActivity.lastSuccessfulSignInRequestId",
    ];

    fn record(
        tenant: &str,
        o: SignInObject<'_>,
        _: &Notes<'_>,
    ) -> Result<(String, SignInActivity), &'static str> {
        let key = id(o.id).ok_or("no id")?;
        let activity = o.sign_in_activity.unwrap_or_default();
        let record = SignInActivity {
            tenant_id: tenant.to_owned(),
            user_id: key.clone(),
            last_sign_in_date_time: moment(activity.last_sign_in_date_time)?,
            last_non_interactive_sign_in_date_time: moment(
                activity.last_non_interactive_sign_in_date_time,
            )?,
            last_successful_sign_in_date_time: moment(activity.last_successful_sign_in_date_time)?,
        };
        Ok((key, record))
    }
}

pub(super) struct Mailboxes;

const PURPOSES: [&str; 7] = [
    "unknown",
    "user",
    "linked",
    "shared",
    "room",
    "equipment",
    "others",
];

/// As the collector publishes it: the user's id beside Graph's value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MailboxObject<'a> {
    #[serde(borrow, default)]
    user_id: Maybe<'a>,
    #[serde(borrow, default)]
    value: Maybe<'a>,
}

impl super::Source for Mailboxes {
    type Object<'a> = MailboxObject<'a>;
    type Record = MailboxPurpose;
    const KEY: &'static str = "userId";

    fn record(
        tenant: &str,
        o: MailboxObject<'_>,
        notes: &Notes<'_>,
    ) -> Result<(String, MailboxPurpose), &'static str> {
        let key = id(o.user_id).ok_or("no userId")?;
        let record = MailboxPurpose {
            tenant_id: tenant.to_owned(),
            user_id: key.clone(),
            purpose: text(o.value),
        };
        notes.value("userPurpose", record.purpose.as_deref(), &PURPOSES);
        Ok((key, record))
    }
}
