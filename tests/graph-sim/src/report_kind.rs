//! The usage reports with their columns. Source: the report pages of Microsoft Graph; where a capture of a live tenant
//! differs (Teams), its order.

/// How a report's time is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Time {
    /// Not at all: what is so now.
    Now,
    Period,
    PeriodOrDate,
}

/// What a report tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Activations,
    ActivationCounts,
    ActivationUserCounts,
    Apps,
    AppCounts,
    ActiveUsers,
    ActiveUserCounts,
    ServicesCounts,
    Teams,
    TeamsDevices,
    Email,
    EmailApps,
    Mailboxes,
    OneDrive,
    OneDriveAccounts,
    SharePoint,
    Yammer,
    Copilot,
    CopilotSummary,
    CopilotTrend,
}

/// One report.
pub(crate) struct Report {
    /// The function below `/reports`, or below `/copilot/reports`.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) time: Time,
    /// Whether v1.0 answers `$format=application/json`; the others send CSV all the same.
    pub(crate) json: bool,
    pub(crate) header: &'static str,
}

const fn csv(name: &'static str, kind: Kind, time: Time, header: &'static str) -> Report {
    Report {
        name,
        kind,
        time,
        json: false,
        header,
    }
}

const fn json(name: &'static str, kind: Kind, time: Time, header: &'static str) -> Report {
    Report {
        name,
        kind,
        time,
        json: true,
        header,
    }
}

#[rustfmt::skip]
pub(crate) const REPORTS: [Report; 20] = [
    json("getOffice365ActivationsUserDetail", Kind::Activations, Time::Now, "Report Refresh Date,User Principal Name,Display Name,Product Type,Last Activated Date,Windows,Mac,Windows 10 Mobile,iOS,Android,Activated On Shared Computer"),
    json("getOffice365ActivationCounts", Kind::ActivationCounts, Time::Now, "Report Refresh Date,Product Type,Windows,Mac,Android,iOS,Windows 10 Mobile"),
    json("getOffice365ActivationsUserCounts", Kind::ActivationUserCounts, Time::Now, "Report Refresh Date,Product Type,Assigned,Activated,Shared Computer Activation"),
    json("getM365AppUserDetail", Kind::Apps, Time::PeriodOrDate, "Report Refresh Date,User Principal Name,Last Activation Date,Last Activity Date,Report Period,Windows,Mac,Mobile,Web,Outlook,Word,Excel,PowerPoint,OneNote,Teams,Outlook (Windows),Word (Windows),Excel (Windows),PowerPoint (Windows),OneNote (Windows),Teams (Windows),Outlook (Mac),Word (Mac),Excel (Mac),PowerPoint (Mac),OneNote (Mac),Teams (Mac),Outlook (Mobile),Word (Mobile),Excel (Mobile),PowerPoint (Mobile),OneNote (Mobile),Teams (Mobile),Outlook (Web),Word (Web),Excel (Web),PowerPoint (Web),OneNote (Web),Teams (Web)"),
    json("getM365AppUserCounts", Kind::AppCounts, Time::Period, "Report Refresh Date,Report Period,Report Date,Outlook,Word,Excel,PowerPoint,OneNote,Teams"),
    csv("getOffice365ActiveUserDetail", Kind::ActiveUsers, Time::PeriodOrDate, "Report Refresh Date,User Principal Name,Display Name,Is Deleted,Deleted Date,Has Exchange License,Has OneDrive License,Has SharePoint License,Has Skype For Business License,Has Yammer License,Has Teams License,Exchange Last Activity Date,OneDrive Last Activity Date,SharePoint Last Activity Date,Skype For Business Last Activity Date,Yammer Last Activity Date,Teams Last Activity Date,Exchange License Assign Date,OneDrive License Assign Date,SharePoint License Assign Date,Skype For Business License Assign Date,Yammer License Assign Date,Teams License Assign Date,Assigned Products"),
    csv("getOffice365ActiveUserCounts", Kind::ActiveUserCounts, Time::Period, "Report Refresh Date,Office 365,Exchange,OneDrive,SharePoint,Skype For Business,Yammer,Teams,Report Date,Report Period"),
    csv("getOffice365ServicesUserCounts", Kind::ServicesCounts, Time::Period, "Report Refresh Date,Exchange Active,Exchange Inactive,OneDrive Active,OneDrive Inactive,SharePoint Active,SharePoint Inactive,Skype For Business Active,Skype For Business Inactive,Yammer Active,Yammer Inactive,Teams Active,Teams Inactive,Office 365 Active,Office 365 Inactive,Report Period"),
    json("getTeamsUserActivityUserDetail", Kind::Teams, Time::PeriodOrDate, "Report Refresh Date,User Id,User Principal Name,Last Activity Date,Is Deleted,Deleted Date,Assigned Products,Team Chat Message Count,Private Chat Message Count,Call Count,Meeting Count,Meetings Organized Count,Meetings Attended Count,Ad Hoc Meetings Organized Count,Ad Hoc Meetings Attended Count,Scheduled One-time Meetings Organized Count,Scheduled One-time Meetings Attended Count,Scheduled Recurring Meetings Organized Count,Scheduled Recurring Meetings Attended Count,Audio Duration,Video Duration,Screen Share Duration,Audio Duration In Seconds,Video Duration In Seconds,Screen Share Duration In Seconds,Has Other Action,Urgent Messages,Post Messages,Tenant Display Name,Shared Channel Tenant Display Names,Reply Messages,Is Licensed,Report Period"),
    json("getTeamsDeviceUsageUserDetail", Kind::TeamsDevices, Time::PeriodOrDate, "Report Refresh Date,User Id,User Principal Name,Last Activity Date,Is Deleted,Deleted Date,Used Web,Used Windows Phone,Used iOS,Used Mac,Used Android Phone,Used Windows,Used Chrome OS,Used Linux,Is Licensed,Report Period"),
    csv("getEmailActivityUserDetail", Kind::Email, Time::PeriodOrDate, "Report Refresh Date,User Principal Name,Display Name,Is Deleted,Deleted Date,Last Activity Date,Send Count,Receive Count,Read Count,Meeting Created Count,Meeting Interacted Count,Assigned Products,Report Period"),
    csv("getEmailAppUsageUserDetail", Kind::EmailApps, Time::PeriodOrDate, "Report Refresh Date,User Principal Name,Display Name,Is Deleted,Deleted Date,Last Activity Date,Mail For Mac,Outlook For Mac,Outlook For Windows,Outlook For Mobile,Other For Mobile,Outlook For Web,POP3 App,IMAP4 App,SMTP App,Report Period"),
    csv("getMailboxUsageDetail", Kind::Mailboxes, Time::Period, "Report Refresh Date,User Principal Name,Display Name,Is Deleted,Deleted Date,Created Date,Last Activity Date,Item Count,Storage Used (Byte),Issue Warning Quota (Byte),Prohibit Send Quota (Byte),Prohibit Send/Receive Quota (Byte),Deleted Item Count,Deleted Item Size (Byte),Deleted Item Quota (Byte),Has Archive,Report Period"),
    csv("getOneDriveActivityUserDetail", Kind::OneDrive, Time::PeriodOrDate, "Report Refresh Date,User Principal Name,Is Deleted,Deleted Date,Last Activity Date,Viewed Or Edited File Count,Synced File Count,Shared Internally File Count,Shared Externally File Count,Assigned Products,Report Period"),
    csv("getOneDriveUsageAccountDetail", Kind::OneDriveAccounts, Time::PeriodOrDate, "Report Refresh Date,Site Id,Site URL,Owner Display Name,Is Deleted,Last Activity Date,File Count,Active File Count,Storage Used (Byte),Storage Allocated (Byte),Owner Principal Name,Report Period"),
    csv("getSharePointActivityUserDetail", Kind::SharePoint, Time::PeriodOrDate, "Report Refresh Date,User Principal Name,Is Deleted,Deleted Date,Last Activity Date,Viewed Or Edited File Count,Synced File Count,Shared Internally File Count,Shared Externally File Count,Visited Page Count,Assigned Products,Report Period"),
    csv("getYammerActivityUserDetail", Kind::Yammer, Time::PeriodOrDate, "Report Refresh Date,User Principal Name,Display Name,User State,State Change Date,Last Activity Date,Posted Count,Read Count,Liked Count,Assigned Products,Report Period"),
    csv("getMicrosoft365CopilotUsageUserDetail", Kind::Copilot, Time::Period, "Report Refresh Date,User Principal Name,Display Name,Last Activity Date,Copilot Chat Last Activity Date,Microsoft Teams Copilot Last Activity Date,Word Copilot Last Activity Date,Excel Copilot Last Activity Date,PowerPoint Copilot Last Activity Date,Outlook Copilot Last Activity Date,OneNote Copilot Last Activity Date,Loop Copilot Last Activity Date,Report Period"),
    csv("getMicrosoft365CopilotUserCountSummary", Kind::CopilotSummary, Time::Period, "Report Refresh Date,Report Period,Microsoft Teams Enabled Users,Microsoft Teams Active Users,Word Enabled Users,Word Active Users,PowerPoint Enabled Users,PowerPoint Active Users,Outlook Enabled Users,Outlook Active Users,Excel Enabled Users,Excel Active Users,OneNote Enabled Users,OneNote Active Users,Loop Enabled Users,Loop Active Users,Any App Enabled Users,Any App Active Users,Copilot Chat Enabled Users,Copilot Chat Active Users"),
    csv("getMicrosoft365CopilotUserCountTrend", Kind::CopilotTrend, Time::Period, "Report Refresh Date,Report Date,Microsoft Teams Enabled Users,Microsoft Teams Active Users,Word Enabled Users,Word Active Users,PowerPoint Enabled Users,PowerPoint Active Users,Outlook Enabled Users,Outlook Active Users,Excel Enabled Users,Excel Active Users,OneNote Enabled Users,OneNote Active Users,Loop Enabled Users,Loop Active Users,Any App Enabled Users,Any App Active Users,Copilot Chat Enabled Users,Copilot Chat Active Users,Report Period"),
];

impl Kind {
    pub(crate) fn copilot(self) -> bool {
        matches!(
            self,
            Self::Copilot | Self::CopilotSummary | Self::CopilotTrend
        )
    }

    /// Reports that count instead of naming users.
    pub(crate) fn counts(self) -> bool {
        matches!(
            self,
            Self::ActivationCounts
                | Self::ActivationUserCounts
                | Self::AppCounts
                | Self::ActiveUserCounts
                | Self::ServicesCounts
                | Self::CopilotSummary
                | Self::CopilotTrend
        )
    }
}
