//! Records as the feed sends them, and as JSON.

use prost::Message as _;
use proto::feed::v1::Record;
use proto::ids::TenantId;
use proto::inventory::v1::{
    DeletedUser, DetectedApp, Device, Domain, Finding, Group, GroupMember, LicenseAssignment,
    LicensePosition, MailboxPurpose, ManagedDevice, Organization, ReportSettings, SignInActivity,
    SubscribedSku, Subscription, Usage, User,
};
use proto::kind::RecordKind;
use serde::Serialize;

use crate::error::Error;

/// The projection of users.
pub(crate) const LICENSE_ASSIGNMENT: &str = "license_assignment";

/// Messages, and the kinds that each of them tells.
macro_rules! bodies {
    ($($message:ident: $($kind:ident)|+,)*) => {
        /// A record's content.
        pub(crate) enum Body {
            $($message(Box<$message>),)*
        }

        impl Body {
            /// Reads a record; `None` when this release doesn't know its kind.
            pub(crate) fn read(
                tenant: TenantId,
                record: &Record,
            ) -> Result<Option<(RecordKind, Body)>, Error> {
                let Some(kind) = RecordKind::from_name(&record.kind) else {
                    return Ok(None);
                };
                let bytes = record.body.as_slice();
                let body = match kind {
                    RecordKind::Unspecified => return Ok(None),
                    $($(RecordKind::$kind)|+ => {
                        $message::decode(bytes).map(|m| Body::$message(Box::new(m)))
                    })*
                };
                let body = body.map_err(|e| unreadable(tenant, &record.kind, e))?;
                Ok(Some((kind, body)))
            }

            /// Appends the record as JSON: lowerCamelCase, zeros and false written, absent values as null.
            pub(crate) fn write_json(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
                match self {
                    $(Body::$message(m) => json(m, out),)*
                }
            }
        }

        /// An empty record as JSON.
        fn empty(kind: RecordKind) -> serde_json::Result<String> {
            match kind {
                RecordKind::Unspecified => Ok("{}".to_owned()),
                $($(RecordKind::$kind)|+ => serde_json::to_string(&$message::default()),)*
            }
        }
    };
}

bodies! {
    Organization: Organization,
    SubscribedSku: SubscribedSku,
    Subscription: Subscription,
    User: User,
    LicensePosition: LicensePosition,
    Domain: Domain,
    DeletedUser: DeletedUser,
    Group: Group,
    GroupMember: GroupMember,
    SignInActivity: SignInActivity,
    MailboxPurpose: MailboxPurpose,
    Device: Device,
    ManagedDevice: ManagedDevice,
    DetectedApp: DetectedApp,
    ReportSettings: ReportSettings,
    Usage: OfficeActivation | OfficeActiveUser | M365AppUsage | TeamsActivity | EmailActivity | MailboxUsage | OnedriveUsage | OnedriveActivity | SharepointActivity | CopilotUsage,
    Finding: Finding,
}

/// The kinds that a sink shows: those of the ledger, and the projection.
pub(crate) fn kinds() -> impl Iterator<Item = &'static str> + Clone {
    RecordKind::ALL
        .into_iter()
        .map(RecordKind::name)
        .chain([LICENSE_ASSIGNMENT])
}

/// Appends a message as JSON.
pub(crate) fn json<M: Serialize>(message: &M, out: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(out, message)
}

/// A record that can't be read or written.
pub(crate) fn unreadable(
    tenant: TenantId,
    kind: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::Record {
        tenant,
        kind: kind.to_owned(),
        source: source.into(),
    }
}

/// The fields of a kind as its JSON spells them, in the order of the message.
pub(crate) fn fields(kind: &str) -> serde_json::Result<Vec<String>> {
    let text = match RecordKind::from_name(kind) {
        Some(kind) => empty(kind),
        None if kind == LICENSE_ASSIGNMENT => serde_json::to_string(&LicenseAssignment::default()),
        None => Ok("{}".to_owned()),
    }?;
    serde_json::from_str::<Names>(&text).map(|n| n.0)
}

/// The names in a JSON object, in its order.
struct Names(Vec<String>);

impl<'de> serde::Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Names;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, serde::de::IgnoredAny)) = map.next_entry::<String, _>()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        d.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_the_order_of_the_message() {
        let names = fields("user").unwrap();
        assert_eq!(names[..3], ["tenantId", "userId", "userPrincipalName"]);
        assert!(kinds().all(|k| fields(k).unwrap()[0] == "tenantId"));
    }

    #[test]
    fn zeros_and_absent_values_are_written() {
        let mut out = Vec::new();
        json(&LicensePosition::default(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r#""appliesTo":null"#), "{text}");
        assert!(
            text.contains(r#""lockedOut":0"#) && text.contains(r#""reconciled":false"#),
            "{text}"
        );
    }
}
