//! From records to what stands in Snipe-IT. Pure.
//!
//! | licence | from a licence position |
//! |---|---|
//! | `name`* (3 to 255) | `productName`, with the short name behind it where that is too short |
//! | `seats`* (1 or more) | `provisioned`, at most `most_seats`, but never fewer than are held |
//! | `category_id`* , `manufacturer_id` | as configured, for new ones |
//! | `order_number` | `<tenant>:<skuId>` |
//! | `notes` | `provisioned` as it is, `skuPartNumber`, `kind` |
//! | `reassignable` | true |
//!
//! | user (where people are created) | from a user |
//! |---|---|
//! | `username`* (191) | `userPrincipalName`, else `<tenant>:<userId>` |
//! | `first_name`* (191) | `givenName`, else `displayName`, else the username |
//! | `last_name` (191) | `surname`, where there is a `givenName` |
//! | `email` (191) | `mail` |
//! | `employee_num` (191) | `<tenant>:<userId>` |
//! | `activated` | false: it can't sign in; the password is random and kept nowhere |
//!
//! | seat | from a product that a user consumes a unit of |
//! |---|---|
//! | `assigned_to` | the user's id there |
//! | `notes` | `<tenant>:<userId>` |

use std::collections::BTreeSet;

use proto::ids::TenantId;
use proto::inventory::v1::{LicensePosition, User};
use serde::{Deserialize, Serialize};

use super::super::masked::cut;

/// Characters of a licence's name.
const NAME: usize = 255;
const SHORTEST_NAME: usize = 3;
/// Characters of a user's texts.
const TEXT: usize = 191;
/// How the notes of a licence of ours begin; the units follow.
const UNITS: &str = "Units in Microsoft 365: ";

/// What people who are there are found by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchBy {
    /// Their `username` is `userPrincipalName`.
    #[default]
    Username,
    /// Their `email` is `mail`.
    Email,
    /// Their `employee_num` is `employeeId`.
    EmployeeNum,
}

impl MatchBy {
    /// The field there, and the user's.
    pub(super) fn fields(self) -> (&'static str, &'static str) {
        match self {
            MatchBy::Username => ("username", "userPrincipalName"),
            MatchBy::Email => ("email", "mail"),
            MatchBy::EmployeeNum => ("employee_num", "employeeId"),
        }
    }
}

/// What shall stand there of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Wanted {
    Licence(Licence),
    Holder(Holder),
}

/// A licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Licence {
    pub name: String,
    pub units: u64,
    pub notes: String,
}

/// A user, and what he holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    /// What he is found by, where people are there already.
    pub found_by: Option<String>,
    pub username: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    /// Products, by SKU.
    pub skus: BTreeSet<String>,
}

/// The natural key of a licence or a user.
pub(super) fn natural(tenant: TenantId, key: &str) -> String {
    format!("{tenant}:{key}")
}

/// A licence of which only the SKU is known: its position comes later.
pub(super) fn unnamed(sku: &str) -> Licence {
    Licence {
        name: cut(&format!("SKU {sku}"), NAME),
        units: 0,
        notes: format!("{UNITS}0"),
    }
}

/// The licence of a position.
pub(super) fn licence(position: &LicensePosition) -> Licence {
    let (product, short) = (&position.product_name, &position.sku_part_number);
    let mut name = cut(product, NAME);
    if name.chars().count() < SHORTEST_NAME {
        name = cut(&format!("{name} ({short}, {})", position.sku_id), NAME);
    }
    let units = u64::try_from(position.provisioned).unwrap_or(0);
    let about = [short.as_str(), position.kind.as_str()];
    let about: Vec<_> = about.into_iter().filter(|t| !t.is_empty()).collect();
    let notes = cut(&format!("{UNITS}{units} {}", about.join(", ")), NAME);
    Licence { name, units, notes }
}

/// The units that the notes of a licence tell.
pub(super) fn units(notes: &str) -> Option<u64> {
    let told = notes.strip_prefix(UNITS)?;
    told.split(' ').next()?.parse().ok()
}

/// A user with what he holds.
///
/// # Errors
/// Which text is too long to tell him from others.
pub(super) fn holder(tenant: TenantId, user: &User, by: MatchBy) -> Result<Holder, String> {
    let told = |text: &Option<String>| {
        text.as_deref()
            .map(str::trim)
            .unwrap_or_default()
            .to_owned()
    };
    let whole = |name: &str, text: String| match text.chars().count() <= TEXT
        && !text.contains(char::is_control)
    {
        true => Ok(text),
        false => Err(format!(
            "{name} is longer than {TEXT} characters, or has some that control something"
        )),
    };
    let principal = whole("userPrincipalName", told(&user.user_principal_name))?;
    let email = whole("mail", told(&user.mail))?;
    let number = whole("employeeId", told(&user.employee_id))?;
    let key = whole("the user's key", natural(tenant, &user.user_id))?;
    let found_by = match by {
        MatchBy::Username => &principal,
        MatchBy::Email => &email,
        MatchBy::EmployeeNum => &number,
    };
    let found_by = Some(found_by.clone()).filter(|text| !text.is_empty());
    let username = if principal.is_empty() { key } else { principal };
    let given = cut(&told(&user.given_name), TEXT);
    let (first_name, last_name) = match given.is_empty() {
        false => (given, cut(&told(&user.surname), TEXT)),
        true => (cut(&told(&user.display_name), TEXT), String::new()),
    };
    Ok(Holder {
        found_by,
        first_name: if first_name.is_empty() {
            username.clone()
        } else {
            first_name
        },
        last_name,
        username,
        email,
        skus: user
            .assigned_licenses
            .iter()
            .map(|l| l.sku_id.clone())
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "aaaaaaaa-0000-0000-0000-000000000001";

    fn named(given: Option<&str>, surname: Option<&str>, display: Option<&str>) -> Holder {
        let user = User {
            user_id: "u1".into(),
            given_name: given.map(Into::into),
            surname: surname.map(Into::into),
            display_name: display.map(Into::into),
            ..User::default()
        };
        holder(TENANT.parse().unwrap(), &user, MatchBy::Username).unwrap()
    }

    #[test]
    fn everybody_has_a_first_name_and_a_name_to_sign_in_with() {
        let names = |h: Holder| (h.first_name, h.last_name);
        let owned = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            names(named(Some("Ann"), Some("Lee"), Some("Lee, Ann"))),
            owned("Ann", "Lee")
        );
        assert_eq!(
            names(named(None, Some("Lee"), Some("Lee, Ann"))),
            owned("Lee, Ann", "")
        );
        let nobody = named(None, None, None);
        assert_eq!(nobody.username, format!("{TENANT}:u1"));
        assert_eq!(
            (&nobody.first_name, nobody.found_by.as_ref()),
            (&nobody.username, None)
        );
        let long = named(Some(&"x".repeat(2 << 20)), None, None);
        assert_eq!(long.first_name.len(), TEXT);
    }

    #[test]
    fn names_have_three_characters_and_notes_tell_the_units() {
        let position = |name: &str, provisioned| LicensePosition {
            sku_id: "s".into(),
            sku_part_number: "SPE_E5".into(),
            product_name: name.into(),
            kind: "paid".into(),
            provisioned,
            ..LicensePosition::default()
        };
        let one = licence(&position("E5", 25_000));
        assert_eq!(one.name, "E5 (SPE_E5, s)");
        assert_eq!(one.notes, "Units in Microsoft 365: 25000 SPE_E5, paid");
        assert_eq!(units(&one.notes), Some(25_000));
        assert_eq!(licence(&position("Microsoft 365 E5", -1)).units, 0);
        assert_eq!(licence(&position(&"x".repeat(300), 1)).name.len(), NAME);
        assert_eq!(units(&unnamed("s").notes), Some(0));
        assert_eq!(units("bought in May"), None);
    }
}
