//! From records to rows of the staging table. Pure.
//!
//! | column | characters | of a user | of a licence position | of a subscription |
//! |---|---|---|---|---|
//! | `u_key` | 255 | `<tenant>\|<kind>\|<key>` | the same | the same |
//! | `u_closing` | 20 | number of the state, with zeros before it | the same | the same |
//! | `u_removed` | 5 | `true` when it was removed: then only the columns above and the next two are filled | the same | the same |
//! | `u_kind` | 40 | `user` | `license_position` | `subscription` |
//! | `u_tenant_id` | 40 | `tenantId` | `tenantId` | `tenantId` |
//! | `u_user_id` | 255 | `userId` | | |
//! | `u_user_principal_name` | 255 | `userPrincipalName` | | |
//! | `u_mail` | 255 | `mail` | | |
//! | `u_employee_id` | 40 | `employeeId` | | |
//! | `u_display_name` | 255 | `displayName` | | |
//! | `u_given_name`, `u_surname` | 100 | `givenName`, `surname` | | |
//! | `u_account_enabled` | 5 | `accountEnabled` | | |
//! | `u_user_type` | 40 | `userType` | | |
//! | `u_department`, `u_company_name`, `u_country` | 255 | `department`, `companyName`, `country` | | |
//! | `u_licenses` | 65,000 | JSON: of each product that a unit is consumed of `sku`, `paths`, `groups` | | |
//! | `u_sku_id` | 40 | | `skuId` | `skuId` |
//! | `u_sku_part_number` | 100 | | `skuPartNumber` | `skuPartNumber` |
//! | `u_product_name` | 255 | | `productName` | |
//! | `u_product_kind` | 40 | | `kind` | |
//! | `u_provisioned`, `u_assigned`, `u_available`, `u_in_error` | 11 | | the same without `u_` | |
//! | `u_subscription_id` | 255 | | | `id` |
//! | `u_status` | 40 | | | `status` |
//! | `u_total_licenses` | 11 | | | `totalLicenses` |
//! | `u_is_trial` | 5 | | | `isTrial` |
//! | `u_next_lifecycle` | 40 | | | `nextLifecycleDateTime` |
//!
//! ServiceNow's values are texts. Names are cut where they are longer than their column; keys, addresses and JSON are not:
//! such a record is a reject.

use std::collections::BTreeMap;

use proto::body::Body;
use proto::ids::{Closing, TenantId};
use proto::inventory::v1::{LicensePosition, Subscription, User};
use proto::kind::RecordKind;
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::Change;
use super::super::masked::cut;
use crate::project::license_assignments;

/// A column of the staging table: its name, how many characters it takes, and whether a longer text may be cut.
pub(super) struct Column {
    pub name: &'static str,
    pub length: usize,
    cut: bool,
}

const fn key(name: &'static str, length: usize) -> Column {
    let cut = false;
    Column { name, length, cut }
}

const fn text(name: &'static str, length: usize) -> Column {
    let cut = true;
    Column { name, length, cut }
}

/// What tells one row from another, and the older from the newer.
pub(super) const KEY: &str = "u_key";
pub(super) const CLOSING: &str = "u_closing";

/// The columns of the staging table.
pub(super) const COLUMNS: [Column; 31] = [
    key(KEY, 255),
    key(CLOSING, 20),
    key("u_removed", 5),
    key("u_kind", 40),
    key("u_tenant_id", 40),
    key("u_user_id", 255),
    key("u_user_principal_name", 255),
    key("u_mail", 255),
    key("u_employee_id", 40),
    text("u_display_name", 255),
    text("u_given_name", 100),
    text("u_surname", 100),
    key("u_account_enabled", 5),
    text("u_user_type", 40),
    text("u_department", 255),
    text("u_company_name", 255),
    text("u_country", 255),
    key("u_licenses", 65_000),
    key("u_sku_id", 40),
    text("u_sku_part_number", 100),
    text("u_product_name", 255),
    text("u_product_kind", 40),
    key("u_provisioned", 11),
    key("u_assigned", 11),
    key("u_available", 11),
    key("u_in_error", 11),
    key("u_subscription_id", 255),
    text("u_status", 40),
    key("u_total_licenses", 11),
    key("u_is_trial", 5),
    key("u_next_lifecycle", 40),
];

/// Columns whose values are words of ours.
pub(super) const WORDS: [&str; 7] = [
    "u_removed",
    "u_kind",
    "u_account_enabled",
    "u_user_type",
    "u_product_kind",
    "u_status",
    "u_is_trial",
];

/// Whether records of a kind have rows.
pub(super) fn has_rows(kind: RecordKind) -> bool {
    matches!(
        kind,
        RecordKind::User | RecordKind::LicensePosition | RecordKind::Subscription
    )
}

/// The fields of a record, without what tells its row from others.
///
/// # Errors
/// Which column is too short for it.
pub(super) fn fields(body: &Body) -> Result<Option<Map<String, Value>>, String> {
    let values = match body {
        Body::User(user) => of_user(user)?,
        Body::LicensePosition(position) => of_position(position),
        Body::Subscription(subscription) => of_subscription(subscription),
        _ => return Ok(None),
    };
    let mut fields = Map::new();
    for (name, value) in values {
        fields.insert(name.to_owned(), Value::String(fitting(name, &value)?));
    }
    Ok(Some(fields))
}

type Values = Vec<(&'static str, String)>;

fn of_user(user: &User) -> Result<Values, String> {
    let told = |text: &Option<String>| text.clone().unwrap_or_default();
    let licenses = serde_json::to_string(&products(user)).map_err(|e| e.to_string())?;
    Ok(vec![
        ("u_user_id", user.user_id.clone()),
        ("u_user_principal_name", told(&user.user_principal_name)),
        ("u_mail", told(&user.mail)),
        ("u_employee_id", told(&user.employee_id)),
        ("u_display_name", told(&user.display_name)),
        ("u_given_name", told(&user.given_name)),
        ("u_surname", told(&user.surname)),
        ("u_account_enabled", flag(user.account_enabled)),
        ("u_user_type", told(&user.user_type)),
        ("u_department", told(&user.department)),
        ("u_company_name", told(&user.company_name)),
        ("u_country", told(&user.country)),
        ("u_licenses", licenses),
    ])
}

fn of_position(position: &LicensePosition) -> Values {
    vec![
        ("u_sku_id", position.sku_id.clone()),
        ("u_sku_part_number", position.sku_part_number.clone()),
        ("u_product_name", position.product_name.clone()),
        ("u_product_kind", position.kind.clone()),
        ("u_provisioned", position.provisioned.to_string()),
        ("u_assigned", position.assigned.to_string()),
        ("u_available", position.available.to_string()),
        ("u_in_error", position.in_error.to_string()),
    ]
}

fn of_subscription(subscription: &Subscription) -> Values {
    let told = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        ("u_subscription_id", subscription.id.clone()),
        ("u_sku_id", subscription.sku_id.clone()),
        ("u_sku_part_number", told(&subscription.sku_part_number)),
        ("u_status", told(&subscription.status)),
        ("u_total_licenses", subscription.total_licenses.to_string()),
        ("u_is_trial", flag(subscription.is_trial)),
        (
            "u_next_lifecycle",
            told(&subscription.next_lifecycle_date_time),
        ),
    ]
}

/// A product that a user consumes a unit of.
#[derive(Default, Serialize)]
struct Product {
    sku: String,
    paths: Vec<String>,
    groups: Vec<String>,
}

/// One entry for each product, however many ways lead to it.
fn products(user: &User) -> Vec<Product> {
    let mut products = BTreeMap::<String, Product>::new();
    for way in license_assignments(user).into_iter().filter(|w| w.consumes) {
        let product = products.entry(way.sku_id.clone()).or_default();
        product.sku = way.sku_id;
        if !product.paths.contains(&way.path) {
            product.paths.push(way.path);
        }
        product.groups.extend(way.assigned_by_group);
    }
    products.into_values().collect()
}

fn flag(flag: Option<bool>) -> String {
    flag.map(|f| f.to_string()).unwrap_or_default()
}

/// A value as its column takes it.
///
/// # Errors
/// That it is too long and may not be cut.
pub(super) fn fitting(name: &str, value: &str) -> Result<String, String> {
    let Some(column) = COLUMNS.iter().find(|c| c.name == name) else {
        return Err(format!("there is no column {name}"));
    };
    let fits = value.chars().count() <= column.length && !value.contains(char::is_control);
    match (fits, column.cut) {
        (_, true) => Ok(cut(value, column.length)),
        (true, false) => Ok(value.to_owned()),
        (false, false) => Err(format!(
            "{name} takes {} characters, none of which controls something",
            column.length
        )),
    }
}

/// What rows coalesce on.
pub(super) fn row_key(tenant: TenantId, kind: RecordKind, key: &str) -> String {
    format!("{tenant}|{}|{key}", kind.name())
}

/// The row of a change.
pub(super) fn row(tenant: TenantId, change: &Change) -> serde_json::Result<Map<String, Value>> {
    let mut row: Map<String, Value> = match &change.payload {
        Some(payload) => serde_json::from_slice(payload)?,
        None => Map::new(),
    };
    let Closing(closing) = change.closing;
    let own = [
        (KEY, row_key(tenant, change.kind, &change.key)),
        // Texts of one length compare as their numbers do.
        (CLOSING, format!("{closing:020}")),
        ("u_removed", change.payload.is_none().to_string()),
        ("u_kind", change.kind.name().to_owned()),
        ("u_tenant_id", tenant.to_string()),
    ];
    row.extend(own.map(|(name, value)| (name.to_owned(), Value::String(value))));
    Ok(row)
}

#[cfg(test)]
mod tests {
    use proto::inventory::v1::{AssignedLicense, LicenseAssignmentState};

    use super::*;

    const TENANT: &str = "aaaaaaaa-0000-0000-0000-000000000001";

    fn somebody() -> User {
        let way = |group: Option<&str>| LicenseAssignmentState {
            sku_id: "e5".into(),
            assigned_by_group: group.map(str::to_owned),
            state: "Active".into(),
            ..LicenseAssignmentState::default()
        };
        User {
            tenant_id: TENANT.into(),
            user_id: "u1".into(),
            display_name: Some("Ann\tLee".into()),
            account_enabled: Some(false),
            assigned_licenses: vec![AssignedLicense {
                sku_id: "e5".into(),
                disabled_plans: vec![],
            }],
            license_assignment_states: vec![way(None), way(Some("g1")), way(Some("g2"))],
            ..User::default()
        }
    }

    #[test]
    fn a_user_has_one_entry_for_each_product() {
        let body = Body::User(Box::new(somebody()));
        let fields = fields(&body).unwrap().unwrap();
        assert_eq!(fields["u_display_name"], "AnnLee");
        assert_eq!(fields["u_account_enabled"], "false");
        let licenses = r#"[{"sku":"e5","paths":["direct","group"],"groups":["g1","g2"]}]"#;
        assert_eq!(fields["u_licenses"], licenses);
    }

    #[test]
    fn the_shipped_tables_have_these_columns() {
        let shipped = include_str!("../../../../deploy/servicenow/tables.js");
        let (_, staging) = shipped.split_once("u_leastwise_import").unwrap();
        let (staging, _) = staging.split_once("u_leastwise_record").unwrap();
        for Column { name, length, .. } in COLUMNS {
            let column = format!("[\"{name}\", \"string\", {length}]");
            assert!(staging.contains(&column), "{column}");
        }
        assert_eq!(staging.matches("\"string\"").count(), COLUMNS.len());
    }

    #[test]
    fn names_are_cut_and_keys_are_refused() {
        let long = |name: usize, mail: usize| {
            fields(&Body::User(Box::new(User {
                display_name: Some("x".repeat(name)),
                mail: Some("x".repeat(mail)),
                ..somebody()
            })))
        };
        let fitting = long(2 << 20, 255).unwrap().unwrap();
        assert_eq!(fitting["u_display_name"].as_str().unwrap().len(), 255);
        let why = long(1, 256).unwrap_err();
        assert!(why.contains("u_mail") && !why.contains("xx"), "{why}");
    }

    #[test]
    fn a_row_says_which_state_it_is_of_and_a_removal_nothing_else() {
        let mut change = Change {
            kind: RecordKind::User,
            key: "u1".into(),
            closing: Closing(17),
            payload: Some(br#"{"u_mail":"a@b"}"#.to_vec()),
            remote: None,
        };
        let tenant = TENANT.parse().unwrap();
        let upserted = row(tenant, &change).unwrap();
        assert_eq!(upserted[KEY], format!("{TENANT}|user|u1"));
        assert_eq!(upserted[CLOSING], "00000000000000000017");
        assert_eq!(upserted["u_mail"], "a@b");
        change.payload = None;
        let removed = row(tenant, &change).unwrap();
        assert_eq!((removed.len(), &removed["u_removed"]), (5, &"true".into()));
    }
}
