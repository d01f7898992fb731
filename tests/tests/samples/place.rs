//! To which dataset an answer belongs.

use proto::kind::RecordKind as Kind;

/// Where an answer belongs.
pub enum Place {
    /// The objects of a dataset that writes this kind.
    Of(Kind),
    /// Members of a group.
    Members,
    /// No dataset, and why.
    None(&'static str),
}

impl Place {
    /// What its objects become.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Place::Of(kind) => Some(*kind),
            Place::Members => Some(Kind::GroupMember),
            Place::None(_) => None,
        }
    }

    /// Why it becomes nothing.
    pub fn reason(&self) -> &'static str {
        match self {
            Place::None(reason) => reason,
            _ => "it becomes something",
        }
    }
}

use Place::{Members, None as Nothing, Of};

const SECURITY: &str = "applications and their rights are not licences";
const RELATED: &str = "no dataset reads what objects this one is related to";

/// By the beginning of a file's name; the first that fits.
const PLACES: [(&str, Place); 41] = [
    ("users__user-list-manager", Nothing(RELATED)),
    ("users__user-list__beta-2023-04", Of(Kind::SignInActivity)),
    ("users__user-list__beta-2023-05", Of(Kind::SignInActivity)),
    ("users__", Of(Kind::User)),
    // Of a delta query's pages the collector takes ids only; the objects are of the same shape.
    ("users_delta__", Of(Kind::User)),
    ("concept_delta__delta-query-users", Of(Kind::User)),
    ("groups__group-list-members", Members),
    ("groups__group-list-transitivemembers", Nothing(RELATED)),
    ("groups__group-list-owners", Nothing(RELATED)),
    ("groups__", Of(Kind::Group)),
    ("groups_delta__", Of(Kind::Group)),
    ("concept_delta__delta-query-groups", Of(Kind::Group)),
    (
        "group_licenses__",
        Nothing("the answer to a change, and nothing is changed"),
    ),
    ("devices__device-list-registered", Nothing(RELATED)),
    ("devices__", Of(Kind::Device)),
    ("managed_devices__", Of(Kind::ManagedDevice)),
    ("detected_apps__", Of(Kind::DetectedApp)),
    (
        "deleteditems__",
        Nothing("deleted groups, and only deleted users are read"),
    ),
    ("organization__", Of(Kind::Organization)),
    ("reportsettings__", Of(Kind::ReportSettings)),
    ("subscriptions__", Of(Kind::Subscription)),
    ("licensedetails__", Nothing("licences come with the users")),
    ("applications", Nothing(SECURITY)),
    ("approleassignments__", Nothing(SECURITY)),
    ("serviceprincipals", Nothing(SECURITY)),
    ("oauth2grants__", Nothing(SECURITY)),
    ("directoryroles__", Nothing(SECURITY)),
    ("roleassignments__", Nothing(SECURITY)),
    ("keyroll__", Nothing(SECURITY)),
    (
        "signins__",
        Nothing("single sign-ins are not read, only the last of each user"),
    ),
    (
        "directoryaudits__",
        Nothing("no dataset reads the directory's audit log"),
    ),
    ("intune_export__", Nothing("no dataset makes export jobs")),
    (
        "mobileapps__",
        Nothing("no dataset reads what may be installed"),
    ),
    (
        "concept_auth__",
        Nothing("the answer to a request for a token"),
    ),
    (
        "concept_batch__",
        Nothing("a batch, which the collector takes apart"),
    ),
    (
        "concept_delta__",
        Nothing("the answer to a delta query that is not served"),
    ),
    (
        "concept_errors__",
        Nothing("an error, of which the collector makes a problem"),
    ),
    (
        "concept_query__",
        Nothing("an example of a query for something else"),
    ),
    (
        "copilot_reports__getmicrosoft365copilotusercount",
        Nothing(TOTALS),
    ),
    ("copilot_reports__", Of(Kind::CopilotUsage)),
    ("reports__", Nothing(OTHER_REPORT)),
];

const TOTALS: &str = "totals, and reports are read by user";
const OTHER_REPORT: &str = "no dataset reads this report";

/// Reports by the name of their function.
const REPORTS: [(&str, Kind); 9] = [
    ("getemailactivityuserdetail", Kind::EmailActivity),
    ("getm365appuserdetail", Kind::M365AppUsage),
    ("getmailboxusagedetail", Kind::MailboxUsage),
    ("getoffice365activationsuserdetail", Kind::OfficeActivation),
    ("getoffice365activeuserdetail", Kind::OfficeActiveUser),
    ("getonedriveactivityuserdetail", Kind::OnedriveActivity),
    ("getonedriveusageaccountdetail", Kind::OnedriveUsage),
    ("getsharepointactivityuserdetail", Kind::SharepointActivity),
    ("getteamsuseractivityuserdetail", Kind::TeamsActivity),
];

/// Where a file belongs.
pub fn of(file: &str) -> Place {
    if file.ends_with(".txt") {
        return Nothing("a count, which the collector compares");
    }
    if file.ends_with(".http") {
        return Nothing("a redirect to the report's file, which the collector follows");
    }
    if let Some(rest) = file.strip_prefix("reports__reportroot-")
        && let Some((_, kind)) = REPORTS.iter().find(|(name, _)| rest.starts_with(*name))
    {
        return match file.ends_with(".csv") {
            true => Of(*kind),
            false => Nothing("a report as JSON, which is read as CSV"),
        };
    }
    let place = PLACES
        .into_iter()
        .find(|(begins, _)| file.starts_with(begins));
    let Some((_, place)) = place else {
        panic!("{file}: decide where it belongs");
    };
    place
}
