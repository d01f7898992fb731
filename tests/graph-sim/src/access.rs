//! Who may read what.

use crate::reply::Failure;

/// Graph's refusal of a token.
pub(crate) fn unauthorised(message: &str) -> Failure {
    Failure::new(401, "InvalidAuthenticationToken", message).header(
        "www-authenticate",
        "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\"",
    )
}

/// What can be read, with the permissions each of which suffices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resource {
    Organization,
    SubscribedSkus,
    Subscriptions,
    Users,
    Groups,
    /// Who is in a group, and of whom it can't license.
    Members,
    LicenceErrors,
    Domains,
    DeletedUsers,
    DeletedGroups,
    /// One deleted object of any kind.
    DeletedItems,
    LicenceDetails,
    Devices,
    /// Applications and service principals.
    Applications,
    /// Intune's devices and applications.
    Managed,
    MailboxSettings,
    Reports,
    ReportSettings,
}

impl Resource {
    fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Organization => &[
                "Organization.Read.All",
                "User.Read.All",
                "Directory.Read.All",
                "Organization.ReadWrite.All",
                "Directory.ReadWrite.All",
                "DeviceManagementServiceConfig.Read.All",
            ],
            Self::SubscribedSkus => &[
                "LicenseAssignment.Read.All",
                "Organization.Read.All",
                "Directory.Read.All",
                "Organization.ReadWrite.All",
                "Directory.ReadWrite.All",
            ],
            Self::Subscriptions => &[
                "Organization.Read.All",
                "Directory.Read.All",
                "Organization.ReadWrite.All",
                "Directory.ReadWrite.All",
            ],
            Self::Groups | Self::Members => &[
                "GroupMember.Read.All",
                "Group.Read.All",
                "Group.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            // Not published; this is what reading groups with licences is known to take.
            Self::LicenceErrors => &[
                "Group.Read.All",
                "Group.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::Domains => &[
                "Domain.Read.All",
                "Domain.ReadWrite.All",
                "Directory.Read.All",
            ],
            Self::DeletedUsers => &["User.Read.All", "User.ReadWrite.All", "Directory.Read.All"],
            Self::DeletedItems => &[
                "Group.Read.All",
                "Group.ReadWrite.All",
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
            ],
            Self::DeletedGroups => &[
                "Group.Read.All",
                "Group.ReadWrite.All",
                "Directory.Read.All",
            ],
            Self::Devices => &[
                "Device.Read.All",
                "Device.ReadWrite.All",
                "Directory.Read.All",
            ],
            Self::Applications => &[
                "Application.Read.All",
                "Application.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::Managed => &[
                "DeviceManagementManagedDevices.Read.All",
                "DeviceManagementManagedDevices.ReadWrite.All",
                "DeviceManagementConfiguration.Read.All",
                "DeviceManagementConfiguration.ReadWrite.All",
            ],
            Self::Reports => &["Reports.Read.All"],
            Self::ReportSettings => &["ReportSettings.Read.All", "ReportSettings.ReadWrite.All"],
            Self::MailboxSettings => &["MailboxSettings.Read", "MailboxSettings.ReadWrite"],
            Self::LicenceDetails => &[
                "LicenseAssignment.Read.All",
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::Users => &[
                BASIC,
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
        }
    }

    /// Refuses a token without one of the permissions.
    pub(crate) fn check(self, roles: &[String]) -> Result<(), Failure> {
        if roles
            .iter()
            .any(|r| self.permissions().contains(&r.as_str()))
        {
            return Ok(());
        }
        Err(denied())
    }
}

/// Graph's refusal of a token that may not.
pub(crate) fn denied() -> Failure {
    Failure::new(
        403,
        "Authorization_RequestDenied",
        "Insufficient privileges to complete the operation.",
    )
}

/// Whether a token shows only the basic profile of users.
pub(crate) fn only_basic(roles: &[String]) -> bool {
    let all = Resource::Users.permissions();
    let more = roles
        .iter()
        .filter(|r| *r != BASIC)
        .any(|r| all.contains(&r.as_str()));
    !more && roles.iter().any(|r| r == BASIC)
}

const BASIC: &str = "User.ReadBasic.All";
