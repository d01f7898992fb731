//! Usage reports of Microsoft 365: CSV files, one row a user, account or mailbox.
//!
//! Source: Graph, "Microsoft 365 usage reports". What a report counts is the half year before it, the longest period: a
//! licence that nobody used for a month may still be one that somebody needs in each quarter.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, People, Reading};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Rows are gone when no report has named them for so long: weekends and outages leave reports out.
const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);

const fn report(
    name: &'static str,
    kind: RecordKind,
    path: &'static str,
    reason: &'static str,
) -> Declaration {
    Declaration {
        name,
        kind,
        path,
        select: &[],
        page_sizes: &[],
        reading: Reading::Report { keep: KEEP },
        ranges: None,
        counted: false,
        needs: &[Need {
            least: "Reports.Read.All",
            or: &[],
        }],
        bucket: Bucket::Reports,
        licence: None,
        clouds: Clouds::Global,
        default: false,
        version: 1,
        cadence: DAY,
        people: People::Column("User Principal Name"),
        reason,
    }
}

/// On how many devices a user has activated a product: proves the use of Office, Visio and Project.
pub const ACTIVATIONS: Declaration = report(
    "activations",
    RecordKind::OfficeActivation,
    "reports/getOffice365ActivationsUserDetail",
    "tells who has installed Office, Visio or Project, and so needs it",
);
/// When a user last used each service.
pub const ACTIVE_USERS: Declaration = report(
    "activeUsers",
    RecordKind::OfficeActiveUser,
    "reports/getOffice365ActiveUserDetail(period='D180')",
    "tells when each service was last used, for licences that nobody uses",
);
/// Which programs of Microsoft 365 Apps a user uses, and where.
pub const M365_APPS: Declaration = report(
    "m365Apps",
    RecordKind::M365AppUsage,
    "reports/getM365AppUserDetail(period='D180')",
    "tells who uses the desktop programs, and who could do with the web",
);
/// What a user does in Teams.
pub const TEAMS: Declaration = report(
    "teams",
    RecordKind::TeamsActivity,
    "reports/getTeamsUserActivityUserDetail(period='D180')",
    "tells who uses Teams, and so its add-ons",
);
/// Mail that a user sends and reads.
pub const EMAIL: Declaration = report(
    "email",
    RecordKind::EmailActivity,
    "reports/getEmailActivityUserDetail(period='D180')",
    "tells which mailboxes are used",
);
/// How large mailboxes are, shared ones too.
pub const MAILBOXES: Declaration = report(
    "mailboxes",
    RecordKind::MailboxUsage,
    "reports/getMailboxUsageDetail(period='D180')",
    "tells which mailbox fits into a smaller plan, and which shared one needs a licence for its size",
);
/// How large and how much used each OneDrive is.
pub const ONEDRIVE: Declaration = Declaration {
    people: People::Column("Owner Principal Name"),
    ..report(
        "oneDrive",
        RecordKind::OnedriveUsage,
        "reports/getOneDriveUsageAccountDetail(period='D180')",
        "tells which storage fits into a smaller plan",
    )
};
/// What a user does in OneDrive.
pub const ONEDRIVE_ACTIVITY: Declaration = report(
    "oneDriveActivity",
    RecordKind::OnedriveActivity,
    "reports/getOneDriveActivityUserDetail(period='D180')",
    "tells who uses OneDrive",
);
/// What a user does in SharePoint.
pub const SHAREPOINT: Declaration = report(
    "sharePoint",
    RecordKind::SharepointActivity,
    "reports/getSharePointActivityUserDetail(period='D180')",
    "tells who uses SharePoint",
);
/// When a user with a licence for Copilot last used it, and where.
pub const COPILOT: Declaration = report(
    "copilot",
    RecordKind::CopilotUsage,
    "copilot/reports/getMicrosoft365CopilotUsageUserDetail(period='D180')",
    "tells who uses Copilot, the most expensive licence of all",
);
