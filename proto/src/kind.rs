//! Names of record kinds: snake_case, as files, feeds and tables spell them.

pub use crate::inventory::v1::RecordKind;

/// The kinds and their names.
macro_rules! kinds {
    ($count:literal: $($kind:ident $name:literal,)*) => {
        impl RecordKind {
            /// Every kind that the ledger holds.
            pub const ALL: [RecordKind; $count] = [$(RecordKind::$kind,)*];

            /// The kind in snake_case, for example `license_position`.
            pub fn name(self) -> &'static str {
                match self {
                    RecordKind::Unspecified => "unspecified",
                    $(RecordKind::$kind => $name,)*
                }
            }
        }
    };
}

kinds! { 26:
    Organization "organization",
    SubscribedSku "subscribed_sku",
    Subscription "subscription",
    User "user",
    LicensePosition "license_position",
    Domain "domain",
    DeletedUser "deleted_user",
    Group "group",
    GroupMember "group_member",
    SignInActivity "sign_in_activity",
    MailboxPurpose "mailbox_purpose",
    Device "device",
    ManagedDevice "managed_device",
    DetectedApp "detected_app",
    ReportSettings "report_settings",
    OfficeActivation "office_activation",
    OfficeActiveUser "office_active_user",
    M365AppUsage "m365_app_usage",
    TeamsActivity "teams_activity",
    EmailActivity "email_activity",
    MailboxUsage "mailbox_usage",
    OnedriveUsage "onedrive_usage",
    OnedriveActivity "onedrive_activity",
    SharepointActivity "sharepoint_activity",
    CopilotUsage "copilot_usage",
    Finding "finding",
}

impl RecordKind {
    /// The kind with this name, if there is one.
    pub fn from_name(name: &str) -> Option<RecordKind> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }
}
