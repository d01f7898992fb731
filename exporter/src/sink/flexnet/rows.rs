//! From records to the rows of the adapter's tables. Pure.
//!
//! Columns, types, lengths and keys: FlexNet Manager Suite, "Inventory Adapter Studio: object model", the objects
//! SoftwareLicense, User and SoftwareLicenseAllocation.

use proto::inventory::v1::{LicensePosition, User};
use serde::{Deserialize, Serialize};

use super::purchases::PURCHASE;

/// A column of a table: its name, and how many characters of a text it takes.
type Column = (&'static str, Option<usize>);

/// A table, which is a file of the package.
pub(super) struct Table {
    /// Name of the object, and of the file without its ending.
    pub name: &'static str,
    /// Its columns, in their order.
    pub columns: &'static [Column],
}

/// | column | from |
/// |---|---|
/// | ExternalLicenseID | the number of (tenant, SKU) |
/// | LicenseName | `productName`, and the organization in brackets |
/// | PartNo | `skuPartNumber` |
/// | EntitlementCount | `provisioned` |
/// | ExpiryDate | the earliest `nextLifecycleDateTime` of the SKU's enabled subscriptions |
/// | IsSubscription | 1 |
/// | SoftwareLicenseTypeID | as configured; empty where it isn't |
pub(super) const LICENSE: Table = Table {
    name: "SoftwareLicense",
    columns: &[
        ("ExternalLicenseID", None),
        ("LicenseName", Some(256)),
        ("PartNo", Some(100)),
        ("EntitlementCount", None),
        ("ExpiryDate", None),
        ("IsSubscription", None),
        ("SoftwareLicenseTypeID", None),
    ],
};

/// | column | from |
/// |---|---|
/// | ExternalID | the number of (tenant, user) |
/// | SAMAccountName | `onPremisesSamAccountName`, else the [fall-back](Fallback) |
/// | Domain | `onPremisesDomainName`, else that of the fall-back |
/// | Email | `mail` |
/// | EmployeeNumber | `employeeId` |
/// | FirstName, LastName | `givenName`, `surname` |
/// | InventoryAgent | `Leastwise` and the tenant |
/// | CostCenter | empty |
/// | IsBlacklisted | 0 |
pub(super) const USER: Table = Table {
    name: "User",
    columns: &[
        ("ExternalID", None),
        ("SAMAccountName", Some(64)),
        ("Domain", Some(100)),
        ("Email", Some(200)),
        ("EmployeeNumber", Some(128)),
        ("FirstName", Some(128)),
        // No length is documented; that of the first name is taken.
        ("LastName", Some(128)),
        ("InventoryAgent", Some(64)),
        ("CostCenter", Some(128)),
        ("IsBlacklisted", None),
    ],
};

/// One row for each SKU of which a user consumes a unit.
pub(super) const ALLOCATION: Table = Table {
    name: "SoftwareLicenseAllocation",
    columns: &[("ExternalLicenseID", None), ("ExternalUserID", None)],
};

/// No table of the adapter's: people whom it will not match by domain and SAM account name, for whoever cares for them.
pub(super) const UNMATCHED: Table = Table {
    name: "Unmatched",
    columns: &[
        ("TenantID", None),
        ("ExternalID", None),
        ("UserID", None),
        ("UserPrincipalName", None),
        ("Reason", None),
    ],
};

/// All files of the package.
pub(super) const TABLES: [&Table; 5] = [&LICENSE, &USER, &ALLOCATION, &UNMATCHED, &PURCHASE];

/// What stands for the SAM account name of somebody who has none because he lives in the cloud only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// The parts of the sign-in name: what is before the `@` as account, what is behind it as domain.
    #[default]
    UserPrincipalName,
    /// The same of the mail address.
    Mail,
    /// Nothing: the row has neither.
    Nothing,
}

/// A row, in the order of its table's columns.
pub(super) type Row = Vec<String>;

/// The row of a licence.
pub(super) fn license(
    id: i64,
    position: &LicensePosition,
    organization: Option<&str>,
    expiry: Option<&str>,
    license_type: Option<i32>,
) -> Row {
    let name = match organization {
        Some(organization) => format!("{} ({organization})", position.product_name),
        None => position.product_name.clone(),
    };
    vec![
        id.to_string(),
        cut(&name, &LICENSE, 1),
        cut(&position.sku_part_number, &LICENSE, 2),
        position.provisioned.to_string(),
        expiry.map(day).unwrap_or_default(),
        "1".to_owned(),
        license_type.map(|t| t.to_string()).unwrap_or_default(),
    ]
}

/// The row of a user, and why he will not be matched, where he won't.
pub(super) fn user(id: i64, user: &User, fallback: Fallback) -> (Row, Option<&'static str>) {
    let local = user.on_premises_sam_account_name.as_deref();
    let instead = match fallback {
        Fallback::UserPrincipalName => user.user_principal_name.as_deref(),
        Fallback::Mail => user.mail.as_deref(),
        Fallback::Nothing => None,
    };
    let (account, domain) = match local {
        Some(account) => (
            account,
            user.on_premises_domain_name.as_deref().unwrap_or(""),
        ),
        None => instead
            .and_then(|name| name.rsplit_once('@'))
            .unwrap_or_default(),
    };
    // Half of a key would match somebody else.
    let fits = whole(account, &USER, 1).zip(whole(domain, &USER, 2));
    let reason = match (local, fits) {
        (_, None) => Some("the account or domain name is too long or no name"),
        (None, Some(("", _))) => Some("no SAM account name and nothing instead"),
        (None, _) => Some("no SAM account name; a name of the cloud stands for it"),
        (Some(_), Some((_, ""))) => Some("no domain"),
        (Some(_), _) => None,
    };
    let (account, domain) = fits.unwrap_or_default();
    let text = |value: &Option<String>, column| {
        let value = value.as_deref().unwrap_or_default();
        cut(value, &USER, column)
    };
    let mail = user.mail.as_deref().unwrap_or_default();
    let row = vec![
        id.to_string(),
        account.to_owned(),
        domain.to_owned(),
        // Half of an address is another address.
        whole(mail, &USER, 3).unwrap_or_default().to_owned(),
        text(&user.employee_id, 4),
        text(&user.given_name, 5),
        text(&user.surname, 6),
        format!("Leastwise {}", user.tenant_id),
        String::new(),
        "0".to_owned(),
    ];
    (row, reason)
}

/// The row of somebody who will not be matched.
pub(super) fn unmatched(id: i64, user: &User, reason: &str) -> Row {
    vec![
        user.tenant_id.clone(),
        id.to_string(),
        user.user_id.clone(),
        user.user_principal_name.clone().unwrap_or_default(),
        reason.to_owned(),
    ]
}

/// The day of a moment.
pub(super) fn day(moment: &str) -> String {
    moment.chars().take(10).collect()
}

/// How many units of UTF-16 a column takes, as nvarchar counts.
fn length(table: &Table, column: usize) -> usize {
    let longest = table.columns.get(column).and_then(|c| c.1);
    longest.unwrap_or(usize::MAX)
}

/// As much of a text as its column takes. Characters that control something are left out.
pub(super) fn cut(text: &str, table: &Table, column: usize) -> String {
    let mut left = length(table, column);
    let text = text.chars().filter(|c| !c.is_control());
    text.take_while(|c| {
        let fits = c.len_utf16() <= left;
        left = left.saturating_sub(c.len_utf16());
        fits
    })
    .collect()
}

/// The text, if its column takes it.
fn whole<'t>(text: &'t str, table: &Table, column: usize) -> Option<&'t str> {
    let fits = text.encode_utf16().count() <= length(table, column);
    (fits && !text.contains(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody() -> User {
        User {
            tenant_id: "aaaaaaaa-0000-0000-0000-000000000001".into(),
            user_id: "u".into(),
            user_principal_name: Some("ann.lee@contoso.example".into()),
            mail: Some("ann@contoso.example".into()),
            given_name: Some("Ann".into()),
            surname: Some("Lee".into()),
            ..User::default()
        }
    }

    #[test]
    fn who_is_known_locally_is_matched_by_that() {
        let known = User {
            on_premises_sam_account_name: Some("lee1".into()),
            on_premises_domain_name: Some("corp.contoso.local".into()),
            ..somebody()
        };
        let (row, reason) = user(7, &known, Fallback::default());
        assert_eq!(row[..3], ["7", "lee1", "corp.contoso.local"]);
        assert_eq!((row.len(), reason), (USER.columns.len(), None));
        assert!(row[7].len() <= 64, "{}", row[7]);
    }

    #[test]
    fn who_lives_in_the_cloud_gets_the_fallback_and_is_told() {
        let cases = [
            (Fallback::UserPrincipalName, ["ann.lee", "contoso.example"]),
            (Fallback::Mail, ["ann", "contoso.example"]),
            (Fallback::Nothing, ["", ""]),
        ];
        for (fallback, expected) in cases {
            let (row, reason) = user(7, &somebody(), fallback);
            assert_eq!(row[1..3], expected);
            assert!(reason.unwrap().contains("no SAM account name"));
        }
        let guest = User {
            user_principal_name: Some("bea_fabrikam.example#EXT#@contoso.example".into()),
            ..somebody()
        };
        let (row, _) = user(7, &guest, Fallback::default());
        assert_eq!(row[1..3], ["bea_fabrikam.example#EXT#", "contoso.example"]);
    }

    #[test]
    fn names_are_cut_and_keys_are_not() {
        let long = User {
            user_principal_name: Some(format!("{}@contoso.example", "a".repeat(65))),
            mail: Some(format!("{}@contoso.example", "b".repeat(200))),
            given_name: Some("\u{1f600}\n".repeat(200)),
            ..somebody()
        };
        let (row, reason) = user(7, &long, Fallback::default());
        assert_eq!(row[1..4], ["", "", ""]);
        assert_eq!(row[5], "\u{1f600}".repeat(64), "128 as nvarchar counts");
        assert!(reason.unwrap().contains("too long"));
        let position = LicensePosition {
            product_name: "x".repeat(300),
            provisioned: 5,
            ..LicensePosition::default()
        };
        let row = license(
            1,
            &position,
            Some("Contoso"),
            Some("2027-01-31T00:00:00Z"),
            None,
        );
        assert_eq!(row[1].chars().count(), 256);
        assert_eq!(row[3..], ["5", "2027-01-31", "1", ""]);
    }
}
