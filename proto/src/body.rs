//! What is in a record: the message of its kind.

use prost::{DecodeError, Message as _};
use serde::{Serialize, Serializer};

use crate::inventory::v1::{
    DeletedUser, DetectedApp, Device, Domain, Finding, Group, GroupMember, LicensePosition,
    MailboxPurpose, ManagedDevice, Organization, ReportSettings, SignInActivity, SubscribedSku,
    Subscription, Usage, User,
};
use crate::kind::RecordKind;
use crate::shape::{self, Column};

/// Messages, and the kinds that each of them tells.
macro_rules! bodies {
    ($($message:ident: $($kind:ident)|+,)*) => {
        /// A record's content. As JSON: lowerCamelCase, zeros and false written, absent values as null.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "named like their messages, which tell what they are")]
        pub enum Body {
            $($message(Box<$message>),)*
        }

        impl Body {
            /// Reads a record of this kind; `None` of the kind that is none.
            ///
            /// # Errors
            /// When the bytes are not the message of this kind.
            pub fn decode(kind: RecordKind, bytes: &[u8]) -> Result<Option<Body>, DecodeError> {
                Ok(match kind {
                    RecordKind::Unspecified => None,
                    $($(RecordKind::$kind)|+ => {
                        Some(Body::$message(Box::new($message::decode(bytes)?)))
                    })*
                })
            }

            /// The bytes of its message.
            pub fn encode(&self) -> Vec<u8> {
                match self {
                    $(Body::$message(message) => message.encode_to_vec(),)*
                }
            }
        }

        impl Serialize for Body {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Body::$message(message) => message.serialize(serializer),)*
                }
            }
        }

        impl RecordKind {
            /// The columns of its records, in the order of the message.
            pub fn columns(self) -> &'static [Column] {
                match self {
                    RecordKind::Unspecified => &[],
                    $($(RecordKind::$kind)|+ => shape::columns(stringify!($message)),)*
                }
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
    Usage: OfficeActivation | OfficeActiveUser | M365AppUsage | TeamsActivity | EmailActivity
        | MailboxUsage | OnedriveUsage | OnedriveActivity | SharepointActivity | CopilotUsage,
    Finding: Finding,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::ColumnKind;

    #[test]
    fn columns_are_the_fields_of_the_json_in_its_order() {
        for kind in RecordKind::ALL {
            let body = Body::decode(kind, &[]).unwrap().unwrap();
            let json = serde_json::to_value(&body).unwrap();
            let fields: Vec<_> = json.as_object().unwrap().keys().collect();
            let columns: Vec<_> = kind.columns().iter().map(|c| c.json).collect();
            assert_eq!(fields, columns, "{kind:?}");
            for column in kind.columns() {
                let empty = &json[column.json];
                let fits = match column.kind {
                    _ if column.optional => empty.is_null(),
                    ColumnKind::Text | ColumnKind::Moment | ColumnKind::Day => empty == "",
                    ColumnKind::Boolean => empty == false,
                    ColumnKind::Integer => empty == 0,
                    ColumnKind::Texts | ColumnKind::Objects => empty.as_array().is_some(),
                };
                assert!(fits, "{kind:?}.{}: {empty}", column.name);
            }
        }
    }

    #[test]
    fn moments_and_days_are_told_from_texts() {
        let of = |kind: RecordKind, name: &str| {
            kind.columns().iter().find(|c| c.name == name).unwrap().kind
        };
        assert_eq!(
            of(RecordKind::User, "created_date_time"),
            ColumnKind::Moment
        );
        assert_eq!(
            of(RecordKind::TeamsActivity, "last_activity_date"),
            ColumnKind::Day
        );
        assert_eq!(
            of(RecordKind::User, "assigned_licenses"),
            ColumnKind::Objects
        );
        assert_eq!(of(RecordKind::Finding, "reasons"), ColumnKind::Texts);
    }
}
