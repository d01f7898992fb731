//! Names of record kinds: snake_case, as files, feeds and tables spell them.

pub use crate::inventory::v1::RecordKind;

impl RecordKind {
    /// Every kind that the ledger holds.
    pub const ALL: [RecordKind; 5] = [
        RecordKind::Organization,
        RecordKind::SubscribedSku,
        RecordKind::Subscription,
        RecordKind::User,
        RecordKind::LicensePosition,
    ];

    /// The kind in snake_case, for example `license_position`.
    pub fn name(self) -> &'static str {
        match self {
            RecordKind::Unspecified => "unspecified",
            RecordKind::Organization => "organization",
            RecordKind::SubscribedSku => "subscribed_sku",
            RecordKind::Subscription => "subscription",
            RecordKind::User => "user",
            RecordKind::LicensePosition => "license_position",
        }
    }

    /// The kind with this name, if there is one.
    pub fn from_name(name: &str) -> Option<RecordKind> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }
}
