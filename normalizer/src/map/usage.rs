//! Usage reports and what they conceal. Source: Graph, "Microsoft 365 usage reports" and "adminReportSettings".

use std::collections::BTreeMap;

use proto::inventory::v1::{ReportSettings, Usage, UsageValue};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::is_key;
use super::notes::Notes;
use super::text::{NO_ID, Text, day, lower};

pub(super) struct Rows;

/// A row of the CSV file by its headers: columns come, go and change their places.
type Row<'a> = BTreeMap<String, Text<'a>>;

/// Whom a row is about, in the order in which these are looked for.
const SUBJECT: [&str; 2] = ["User Principal Name", "Owner Principal Name"];
const PRODUCT: &str = "Product Type";
/// Names that other records tell better, and that only concealment would change.
const LEFT_OUT: [&str; 3] = ["Display Name", "Owner Display Name", "Tenant Display Name"];

impl super::Source for Rows {
    type Object<'a> = Row<'a>;
    type Record = Usage;
    const KEY: &'static str = "";

    fn record(
        tenant: &str,
        mut row: Row<'_>,
        _: &Notes<'_>,
    ) -> Result<(String, Usage), &'static str> {
        let mut take = |name: &str| {
            let cell = row.remove(name)?.0.into_owned();
            Some(cell).filter(|c| !c.is_empty())
        };
        let subject = SUBJECT.iter().find_map(|name| take(name));
        let subject = lower(subject.ok_or("names nobody")?);
        let user_id = take("User Id").map(lower);
        let site_id = take("Site Id");
        let no_id = |id: &Option<String>| id.as_deref() == Some(NO_ID);
        let concealed = is_concealed(&subject) || no_id(&user_id) || no_id(&site_id);
        let product_type = take(PRODUCT);
        let products = take("Assigned Products").unwrap_or_default();
        let mut usage = Usage {
            tenant_id: tenant.to_owned(),
            concealed,
            user_id: user_id.filter(|_| !concealed),
            report_refresh_date: day(take("Report Refresh Date"))?,
            report_period: period(take("Report Period"))?,
            last_activity_date: day(
                take("Last Activity Date").or_else(|| take("Last Activated Date"))
            )?,
            is_deleted: is_true(take("Is Deleted"))?,
            assigned_products: split(&products),
            values: Vec::new(),
            product_type,
            subject,
        };
        let values = row
            .into_iter()
            .filter(|(name, cell)| !cell.0.is_empty() && !LEFT_OUT.contains(&name.as_str()));
        let site_id = site_id.map(|id| ("Site Id".to_owned(), Text(id.into())));
        usage.values = values
            .chain(site_id.filter(|_| !concealed))
            .map(|(name, cell)| UsageValue {
                name,
                value: cell.0.into_owned(),
            })
            .collect();
        Ok((key(&usage), usage))
    }
}

/// The key of a row.
pub(crate) fn key(usage: &Usage) -> String {
    let plain = match &usage.product_type {
        None => usage.subject.clone(),
        Some(product) => format!("{}!{}", usage.subject, product.replace(' ', "_")),
    };
    if is_key(&plain) {
        return plain;
    }
    let hash = Sha256::digest(plain.as_bytes());
    hash[..16].iter().map(|b| format!("{b:02x}")).collect()
}

/// Whether this stands for a concealed name. Reports show 32 hexadecimal digits there; whatever else is no sign-in name
/// can't be matched with a person either.
fn is_concealed(subject: &str) -> bool {
    !subject.contains('@')
}

fn period(cell: Option<String>) -> Result<Option<i32>, &'static str> {
    let days = cell.map(|days| days.parse::<u16>().map(i32::from));
    days.transpose()
        .map_err(|_| "a Report Period that is no number of days")
}

fn is_true(cell: Option<String>) -> Result<bool, &'static str> {
    match cell.as_deref() {
        None | Some("False" | "false" | "FALSE") => Ok(false),
        Some("True" | "true" | "TRUE") => Ok(true),
        Some(_) => Err("Is Deleted is neither True nor False"),
    }
}

/// Products are joined with `+`; a name may hold one itself, between spaces.
fn split(products: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut name = String::new();
    let chars: Vec<char> = products.chars().collect();
    for (n, c) in chars.iter().enumerate() {
        let space = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| *c == ' ');
        if *c == '+' && !(space(n.checked_sub(1)) && space(Some(n + 1))) {
            all.push(std::mem::take(&mut name));
        } else {
            name.push(*c);
        }
    }
    all.push(name);
    all.retain(|p| !p.trim().is_empty());
    all.sort_unstable();
    all.dedup();
    all
}

pub(super) struct Settings;

/// Documented as an object in `value`, answered without; both are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SettingsObject {
    #[serde(default)]
    display_concealed_names: Option<bool>,
    #[serde(default)]
    value: Option<Inner>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inner {
    display_concealed_names: bool,
}

impl super::Source for Settings {
    type Object<'a> = SettingsObject;
    type Record = ReportSettings;
    const KEY: &'static str = "";

    fn record(
        tenant: &str,
        o: SettingsObject,
        _: &Notes<'_>,
    ) -> Result<(String, ReportSettings), &'static str> {
        let inner = o.value.map(|v| v.display_concealed_names);
        let concealed = o.display_concealed_names.or(inner);
        let settings = ReportSettings {
            tenant_id: tenant.to_owned(),
            display_concealed_names: concealed.ok_or("no displayConcealedNames")?,
        };
        Ok(("reportSettings".to_owned(), settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_split_at_plus_signs_that_stand_alone() {
        assert_eq!(
            split("OFFICE 365 E3+ENTERPRISE MOBILITY + SECURITY E5+OFFICE 365 E3"),
            ["ENTERPRISE MOBILITY + SECURITY E5", "OFFICE 365 E3"]
        );
        assert!(split("").is_empty());
    }
}
