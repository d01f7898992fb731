//! The columns of the usage reports, as documented and as tenants have been seen to send them: those that are always
//! there, and those that not every tenant has. Source: Graph, "Microsoft 365 usage reports".

use proto::kind::RecordKind as Kind;
use proto::pages::v1::Unfamiliar;

use super::notes;

const ACTIVATIONS: &str = "Report Refresh Date,User Principal Name,Display Name,Product Type,Last Activated Date,Windows,Mac,\
    Windows 10 Mobile,iOS,Android,Activated On Shared Computer";

const ACTIVE_USERS: &str = "Report Refresh Date,User Principal Name,Display Name,Is Deleted,Deleted Date,Has Exchange License,\
    Has OneDrive License,Has SharePoint License,Has Skype For Business License,Has Yammer License,Has Teams License,\
    Exchange Last Activity Date,OneDrive Last Activity Date,SharePoint Last Activity Date,\
    Skype For Business Last Activity Date,Yammer Last Activity Date,Teams Last Activity Date,Exchange License Assign Date,\
    OneDrive License Assign Date,SharePoint License Assign Date,Skype For Business License Assign Date,\
    Yammer License Assign Date,Teams License Assign Date,Assigned Products";

const M365_APPS: &str = "Report Refresh Date,User Principal Name,Last Activation Date,Last Activity Date,Report Period,Windows,\
    Mac,Mobile,Web,Outlook,Word,Excel,PowerPoint,OneNote,Teams,Outlook (Windows),Word (Windows),Excel (Windows),\
    PowerPoint (Windows),OneNote (Windows),Teams (Windows),Outlook (Mac),Word (Mac),Excel (Mac),PowerPoint (Mac),\
    OneNote (Mac),Teams (Mac),Outlook (Mobile),Word (Mobile),Excel (Mobile),PowerPoint (Mobile),OneNote (Mobile),\
    Teams (Mobile),Outlook (Web),Word (Web),Excel (Web),PowerPoint (Web),OneNote (Web),Teams (Web)";

const TEAMS: &str = "Report Refresh Date,User Id,User Principal Name,Last Activity Date,Is Deleted,Deleted Date,\
    Assigned Products,Team Chat Message Count,Private Chat Message Count,Call Count,Meeting Count,Has Other Action,\
    Report Period";
const TEAMS_TOO: &str = "Tenant Display Name,Shared Channel Tenant Display Names,Post Messages,Reply Messages,Urgent Messages,\
    Meetings Organized Count,Meetings Attended Count,Ad Hoc Meetings Organized Count,Ad Hoc Meetings Attended Count,\
    Scheduled One-time Meetings Organized Count,Scheduled One-time Meetings Attended Count,\
    Scheduled Recurring Meetings Organized Count,Scheduled Recurring Meetings Attended Count,Audio Duration,Video Duration,\
    Screen Share Duration,Audio Duration In Seconds,Video Duration In Seconds,Screen Share Duration In Seconds,Is Licensed";

const EMAIL: &str = "Report Refresh Date,User Principal Name,Display Name,Is Deleted,Deleted Date,Last Activity Date,\
    Send Count,Receive Count,Read Count,Meeting Created Count,Meeting Interacted Count,Assigned Products,Report Period";

const MAILBOXES: &str = "Report Refresh Date,User Principal Name,Display Name,Is Deleted,Deleted Date,Created Date,\
    Last Activity Date,Item Count,Storage Used (Byte),Issue Warning Quota (Byte),Prohibit Send Quota (Byte),\
    Prohibit Send/Receive Quota (Byte),Deleted Item Count,Deleted Item Size (Byte),Report Period";
const MAILBOXES_TOO: &str = "Deleted Item Quota (Byte),Has Archive,Recipient Type";

const ONEDRIVE: &str = "Report Refresh Date,Site URL,Owner Display Name,Is Deleted,Last Activity Date,File Count,\
    Active File Count,Storage Used (Byte),Storage Allocated (Byte),Owner Principal Name,Report Period";
const ONEDRIVE_TOO: &str = "Site Id";

const ONEDRIVE_ACTIVITY: &str = "Report Refresh Date,User Principal Name,Is Deleted,Deleted Date,Last Activity Date,\
    Viewed Or Edited File Count,Synced File Count,Shared Internally File Count,Shared Externally File Count,\
    Assigned Products,Report Period";

const SHAREPOINT: &str = "Report Refresh Date,User Principal Name,Is Deleted,Deleted Date,Last Activity Date,\
    Viewed Or Edited File Count,Synced File Count,Shared Internally File Count,Shared Externally File Count,\
    Visited Page Count,Assigned Products,Report Period";

const COPILOT: &str = "Report Refresh Date,User Principal Name,Display Name,Last Activity Date,\
    Copilot Chat Last Activity Date,Microsoft Teams Copilot Last Activity Date,Word Copilot Last Activity Date,\
    Excel Copilot Last Activity Date,PowerPoint Copilot Last Activity Date,Outlook Copilot Last Activity Date,\
    OneNote Copilot Last Activity Date,Loop Copilot Last Activity Date,Report Period";

/// Whether a report's columns are the documented ones: which others it has, and which it lacks. Their order is free.
/// Other pages have no columns.
pub fn columns(kind: Kind, there: &[String]) -> Vec<Unfamiliar> {
    let (always, sometimes) = match kind {
        Kind::OfficeActivation => (ACTIVATIONS, ""),
        Kind::OfficeActiveUser => (ACTIVE_USERS, ""),
        Kind::M365AppUsage => (M365_APPS, ""),
        Kind::TeamsActivity => (TEAMS, TEAMS_TOO),
        Kind::EmailActivity => (EMAIL, ""),
        Kind::MailboxUsage => (MAILBOXES, MAILBOXES_TOO),
        Kind::OnedriveUsage => (ONEDRIVE, ONEDRIVE_TOO),
        Kind::OnedriveActivity => (ONEDRIVE_ACTIVITY, ""),
        Kind::SharepointActivity => (SHAREPOINT, ""),
        Kind::CopilotUsage => (COPILOT, ""),
        _ => return Vec::new(),
    };
    if there.is_empty() {
        return Vec::new();
    }
    let always: Vec<&str> = always.split(',').collect();
    let sometimes: Vec<&str> = sometimes.split(',').collect();
    notes::columns(there, &always, &sometimes)
}
