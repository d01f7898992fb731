//! The part of a tenant's people that is read.

use runtime::Problem;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::wrong;

/// `[tenants.population]`: only people who meet each of its lists are read. The collector leaves the others out before
/// anything is published; what the app may is not narrowed by it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// Values of `usageLocation`: two letters (ISO 3166-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_locations: Option<Vec<String>>,
    /// Values of `country`, as they stand in the directory; letter case counts for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countries: Option<Vec<String>>,
    /// What stands behind the @ of `userPrincipalName`. A domain doesn't stand for those below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domains: Option<Vec<String>>,
    /// Object ids of groups: their members, those of groups inside included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
}

impl Population {
    /// Checks what a type can't say. `reads` tells which datasets are enabled.
    pub(crate) fn check(&self, place: &str, reads: impl Fn(&str) -> bool) -> Result<(), Problem> {
        // By both, people in other datasets are told apart.
        if !reads("users") {
            return wrong(
                format!(
                    "{place} has a population and doesn't read `users`, by which people are told apart."
                ),
                "add users to datasets, or take [tenants.population] out",
            );
        }
        if self.groups.is_some() && !reads("groupMembers") {
            return wrong(
                format!(
                    "{place}: population.groups needs the dataset `groupMembers`, and its permission."
                ),
                "add groupMembers to datasets, or take population.groups out",
            );
        }
        type Fits = fn(&str) -> bool;
        let lists: [(&str, &Option<Vec<String>>, Fits, &str); 4] = [
            (
                "usage_locations",
                &self.usage_locations,
                |v| v.len() == 2 && v.bytes().all(|b| b.is_ascii_alphabetic()),
                "name countries by two letters (ISO 3166-1), such as DE",
            ),
            (
                "countries",
                &self.countries,
                |v| !v.is_empty() && v.trim() == v,
                "name countries as `country` of the users does, such as Germany",
            ),
            (
                "domains",
                &self.domains,
                is_domain,
                "name domains as they stand behind the @ of user principal names, such as contoso.com",
            ),
            (
                "groups",
                &self.groups,
                |v| Uuid::parse_str(v).is_ok(),
                "name groups by their object ids",
            ),
        ];
        for (key, values, fits, remedy) in lists {
            let Some(values) = values else { continue };
            if values.is_empty() {
                return wrong(
                    format!("{place}: population.{key} is empty, which nobody meets."),
                    "name who is read, or take the key out",
                );
            }
            if let Some(bad) = values.iter().position(|v| !fits(v)) {
                return wrong(
                    format!("{place}: value {} of population.{key} is none.", bad + 1),
                    remedy,
                );
            }
        }
        if *self == Population::default() {
            return wrong(
                format!("{place}: the population has no list, which nobody meets."),
                "add usage_locations, countries, domains or groups, or take [tenants.population] out",
            );
        }
        Ok(())
    }

    /// As collectors get it.
    pub(crate) fn message(&self) -> proto::token::v1::Population {
        let list = |values: &Option<Vec<String>>, form: fn(&str) -> String| {
            values.iter().flatten().map(|v| form(v)).collect()
        };
        proto::token::v1::Population {
            usage_locations: list(&self.usage_locations, str::to_ascii_uppercase),
            countries: list(&self.countries, str::to_owned),
            domains: list(&self.domains, str::to_ascii_lowercase),
            // A configuration that was checked has nothing else.
            groups: list(&self.groups, |v| {
                Uuid::parse_str(v).unwrap_or_default().to_string()
            }),
        }
    }
}

fn is_domain(value: &str) -> bool {
    let label = |l: &str| !l.is_empty() && l.chars().all(|c| c.is_alphanumeric() || c == '-');
    value.contains('.') && value.split('.').all(label)
}
