//! The part of a tenant's people that is read: who is outside is dropped before anything is published or stored.
//!
//! Whoever can't be matched is outside: who has no country where countries are named, and a row that names nobody.

mod roster;
mod sieve;

use std::collections::BTreeSet;

use proto::token::v1;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

pub use roster::{Rosters, Ways};
pub use sieve::Sieve;

/// Which people are read: those who meet each list that isn't empty, nobody where all are.
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    usage_locations: BTreeSet<String>,
    countries: BTreeSet<String>,
    domains: BTreeSet<String>,
    groups: BTreeSet<String>,
    version: u64,
}

/// The properties of a user that tell.
pub const PERSON: [&str; 4] = ["id", "userPrincipalName", "usageLocation", "country"];

/// These properties.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    id: String,
    #[serde(default)]
    user_principal_name: Option<String>,
    #[serde(default)]
    usage_location: Option<String>,
    #[serde(default)]
    country: Option<String>,
}

impl Population {
    /// As the token-broker tells it.
    pub fn new(told: v1::Population) -> Self {
        let folded = |values: Vec<String>| values.iter().map(|v| fold(v)).collect();
        let mut population = Population {
            usage_locations: folded(told.usage_locations),
            countries: folded(told.countries),
            domains: folded(told.domains),
            groups: folded(told.groups),
            version: 0,
        };
        let mut hash = Sha256::new();
        for list in population.lists() {
            hash.update([0]);
            list.iter()
                .for_each(|value| hash.update(format!("{value}\n")));
        }
        let hash = hash.finalize();
        // 0 stands for everybody.
        population.version = hash[..8]
            .iter()
            .fold(0, |n, b| n << 8 | u64::from(*b))
            .max(1);
        population
    }

    /// Another one for another part of the people, never 0.
    pub fn version(&self) -> u64 {
        self.version
    }

    fn lists(&self) -> [&BTreeSet<String>; 4] {
        [
            &self.usage_locations,
            &self.countries,
            &self.domains,
            &self.groups,
        ]
    }

    /// Whether a user is inside; `is_member` tells who is in the groups.
    fn admits(&self, person: &Person, is_member: impl FnOnce(&str) -> bool) -> bool {
        let meets = |list: &BTreeSet<String>, value: Option<&str>| {
            list.is_empty() || value.is_some_and(|v| list.contains(&fold(v)))
        };
        let domain = person.user_principal_name.as_deref();
        let domain = domain.and_then(|n| Some(n.rsplit_once('@')?.1));
        self.lists().iter().any(|list| !list.is_empty())
            && meets(&self.usage_locations, person.usage_location.as_deref())
            && meets(&self.countries, person.country.as_deref())
            && meets(&self.domains, domain)
            && (self.groups.is_empty() || is_member(&person.id))
    }
}

/// Ids and names are compared without letter case.
fn fold(text: &str) -> String {
    text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[&str]) -> Vec<String> {
        values.iter().map(|v| (*v).to_owned()).collect()
    }

    fn person(name: &str, location: Option<&str>, country: Option<&str>) -> Person {
        Person {
            id: "A".to_owned(),
            user_principal_name: Some(name.to_owned()),
            usage_location: location.map(str::to_owned),
            country: country.map(str::to_owned),
        }
    }

    #[test]
    fn each_list_has_to_be_met_and_who_lacks_the_property_is_outside() {
        let both = Population::new(v1::Population {
            usage_locations: list(&["DE", "AT"]),
            domains: list(&["contoso.com"]),
            ..v1::Population::default()
        });
        let inside = |p: &Person| both.admits(p, |_| unreachable!("no groups are named"));
        assert!(inside(&person("a@Contoso.com", Some("at"), None)));
        assert!(!inside(&person("a@contoso.com", Some("FR"), None)));
        assert!(!inside(&person("a@contoso.com", None, Some("Germany"))));
        assert!(!inside(&person("a@de.contoso.com", Some("DE"), None)));
        assert!(!inside(&person("contoso.com", Some("DE"), None)));
        // Guests keep their own domain before the tenant's.
        assert!(!inside(&person(
            "a_contoso.com#EXT#@other.com",
            Some("DE"),
            None
        )));

        let countries = Population::new(v1::Population {
            countries: list(&["Germany"]),
            ..v1::Population::default()
        });
        assert!(countries.admits(&person("", None, Some("GERMANY")), |_| false));
        assert!(!countries.admits(&person("", None, None), |_| true));

        let groups = Population::new(v1::Population {
            groups: list(&["G"]),
            ..v1::Population::default()
        });
        assert!(groups.admits(&person("", None, None), |id| id == "A"));
        assert!(!groups.admits(&person("", None, None), |_| false));
    }

    #[test]
    fn without_any_list_nobody_is_inside() {
        let nobody = Population::new(v1::Population::default());
        assert!(!nobody.admits(&person("a@b.c", Some("DE"), Some("Germany")), |_| true));
    }

    #[test]
    fn the_version_tells_one_part_from_another() {
        let of = |domains: &[&str], countries: &[&str]| {
            let told = v1::Population {
                domains: list(domains),
                countries: list(countries),
                ..v1::Population::default()
            };
            Population::new(told).version()
        };
        assert_eq!(of(&["a.b", "c.d"], &[]), of(&["C.D", "a.b", "a.b"], &[]));
        let all = [
            of(&["a.b"], &[]),
            of(&[], &["a.b"]),
            of(&["a.b"], &["x"]),
            of(&[], &[]),
        ];
        assert!(all.iter().all(|v| *v != 0));
        assert_eq!(BTreeSet::from(all).len(), 4);
    }
}
