//! Records as the feed sends them, and as JSON.

use prost::Message as _;
use proto::feed::v1::Record;
use proto::ids::TenantId;
use proto::inventory::v1::{
    LicenseAssignment, LicensePosition, Organization, SubscribedSku, Subscription, User,
};
use proto::kind::RecordKind;
use serde::Serialize;

use crate::error::Error;

/// The kinds that a sink shows, in the order in which they are listed: those of the ledger, and the projection.
pub(crate) const KINDS: [&str; 6] = [
    "organization",
    "subscribed_sku",
    "subscription",
    "user",
    LICENSE_ASSIGNMENT,
    "license_position",
];

/// The projection of users.
pub(crate) const LICENSE_ASSIGNMENT: &str = "license_assignment";

/// A record's content.
pub(crate) enum Body {
    Organization(Organization),
    SubscribedSku(SubscribedSku),
    Subscription(Subscription),
    User(Box<User>),
    LicensePosition(LicensePosition),
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
            RecordKind::Organization => Organization::decode(bytes).map(Body::Organization),
            RecordKind::SubscribedSku => SubscribedSku::decode(bytes).map(Body::SubscribedSku),
            RecordKind::Subscription => Subscription::decode(bytes).map(Body::Subscription),
            RecordKind::User => User::decode(bytes).map(|u| Body::User(Box::new(u))),
            RecordKind::LicensePosition => {
                LicensePosition::decode(bytes).map(Body::LicensePosition)
            }
        };
        let body = body.map_err(|e| unreadable(tenant, &record.kind, e))?;
        Ok(Some((kind, body)))
    }

    /// Appends the record as JSON: lowerCamelCase, zeros and false written, absent values as null.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        match self {
            Body::Organization(m) => json(m, out),
            Body::SubscribedSku(m) => json(m, out),
            Body::Subscription(m) => json(m, out),
            Body::User(m) => json(m, out),
            Body::LicensePosition(m) => json(m, out),
        }
    }
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
    let text = match kind {
        LICENSE_ASSIGNMENT => serde_json::to_string(&LicenseAssignment::default()),
        "organization" => serde_json::to_string(&Organization::default()),
        "subscribed_sku" => serde_json::to_string(&SubscribedSku::default()),
        "subscription" => serde_json::to_string(&Subscription::default()),
        "user" => serde_json::to_string(&User::default()),
        "license_position" => serde_json::to_string(&LicensePosition::default()),
        _ => Ok("{}".into()),
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
    fn every_kind_of_the_ledger_is_shown() {
        for kind in RecordKind::ALL {
            assert!(KINDS.contains(&kind.name()), "{}", kind.name());
        }
    }

    #[test]
    fn fields_keep_the_order_of_the_message() {
        let names = fields("user").unwrap();
        assert_eq!(names[..3], ["tenantId", "userId", "userPrincipalName"]);
        assert!(KINDS.iter().all(|k| fields(k).unwrap()[0] == "tenantId"));
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
