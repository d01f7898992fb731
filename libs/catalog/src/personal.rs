//! The fields that hold a person's data and may be left out or replaced: declared here once. What is keyed by people's ids
//! keeps these: an id tells nobody's name.

use proto::kind::RecordKind as Kind;

/// A field by the name that an operator writes.
#[derive(Debug)]
pub struct Personal {
    /// As records spell it.
    pub name: &'static str,
    /// Where it stands.
    pub places: &'static [Place],
}

/// Where a field stands.
#[derive(Debug)]
pub struct Place {
    /// In records of these kinds.
    pub kinds: &'static [Kind],
    /// The field of the record, in JSON; empty where Graph sends it and no record shows it.
    pub record: &'static str,
    /// Graph's property, or the column of a report.
    pub graph: &'static str,
    /// The record's key is made of it: it can't be left out, so a pseudonym takes its place.
    pub key: bool,
}

/// A sign-in name, a name, an address: of people.
const PEOPLE: &[Kind] = &[Kind::User, Kind::DeletedUser];
const USERS: &[Kind] = &[Kind::User];

/// The rows of usage reports that name a user.
pub const USAGE: &[Kind] = &[
    Kind::OfficeActivation,
    Kind::OfficeActiveUser,
    Kind::M365AppUsage,
    Kind::TeamsActivity,
    Kind::EmailActivity,
    Kind::MailboxUsage,
    Kind::OnedriveActivity,
    Kind::SharepointActivity,
    Kind::CopilotUsage,
];

const fn of(kinds: &'static [Kind], name: &'static str) -> Place {
    Place {
        kinds,
        record: name,
        graph: name,
        key: false,
    }
}

/// A column that becomes the key of a row.
const fn subject(kinds: &'static [Kind], column: &'static str) -> Place {
    Place {
        kinds,
        record: "subject",
        graph: column,
        key: true,
    }
}

/// A column that no record shows.
const fn unread(kinds: &'static [Kind], column: &'static str) -> Place {
    Place {
        kinds,
        record: "",
        graph: column,
        key: false,
    }
}

macro_rules! personal {
    ($($name:literal: $($place:expr),+;)*) => {
        &[$(Personal { name: $name, places: &[$($place),+] }),*]
    };
}

/// All of them.
pub const PERSONAL: &[Personal] = personal! {
    "userPrincipalName": of(PEOPLE, "userPrincipalName"),
        subject(USAGE, "User Principal Name"), subject(&[Kind::OnedriveUsage], "Owner Principal Name");
    "displayName": of(PEOPLE, "displayName"),
        unread(USAGE, "Display Name"), unread(&[Kind::OnedriveUsage], "Owner Display Name");
    "givenName": of(USERS, "givenName");
    "surname": of(USERS, "surname");
    "mail": of(PEOPLE, "mail");
    "employeeId": of(USERS, "employeeId");
    "employeeType": of(USERS, "employeeType");
    "department": of(USERS, "department");
    "companyName": of(USERS, "companyName");
    "jobTitle": of(USERS, "jobTitle");
    "officeLocation": of(USERS, "officeLocation");
    "city": of(USERS, "city");
    "country": of(USERS, "country");
    "usageLocation": of(USERS, "usageLocation");
    "onPremisesSamAccountName": of(USERS, "onPremisesSamAccountName");
    "onPremisesDomainName": of(USERS, "onPremisesDomainName");
    "deviceName": of(&[Kind::ManagedDevice], "deviceName"),
        Place { kinds: &[Kind::Device], record: "displayName", graph: "displayName", key: false };
    "serialNumber": of(&[Kind::ManagedDevice], "serialNumber");
    // Its end is made of the owner's sign-in name.
    "siteUrl": Place { kinds: &[Kind::OnedriveUsage], record: "values", graph: "Site URL", key: false };
};

impl Personal {
    /// The field of this name.
    pub fn find(name: &str) -> Option<&'static Personal> {
        PERSONAL.iter().find(|field| field.name == name)
    }
}

/// The fields of a kind, with the place of each.
pub fn of_kind(kind: Kind) -> impl Iterator<Item = (&'static Personal, &'static Place)> {
    let places = PERSONAL
        .iter()
        .flat_map(|f| f.places.iter().map(move |p| (f, p)));
    places.filter(move |(_, place)| place.kinds.contains(&kind))
}
