//! What becomes of the fields that hold a person's data: `[privacy]`, which collector and normalizer share.

use std::collections::BTreeMap;

use proto::ids::TenantId;
use proto::kind::RecordKind;
use serde::{Deserialize, Serialize};

use crate::personal::{PERSONAL, Personal, Place, of_kind};

/// What becomes of a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Treatment {
    /// It is read as it is.
    #[default]
    Keep,
    /// A keyed hash takes its place before anything is stored in the ledger.
    Pseudonymise,
    /// It is not even asked for.
    Drop,
}

/// Fields by their names. What isn't named is kept.
type Fields = BTreeMap<String, Treatment>;

/// `[privacy]`. The default keeps everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Privacy {
    /// For every tenant.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: Fields,
    /// What is different for a tenant.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tenants: BTreeMap<TenantId, Tenant>,
}

/// `[privacy.tenants.<id>]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// What is different from `privacy.fields`.
    pub fields: Fields,
}

/// A field of a dataset that isn't kept as it is.
#[derive(Clone, Copy, Debug)]
pub struct Treated {
    /// The name that an operator writes: what is the same field is treated alike in every dataset.
    pub field: &'static str,
    /// Where it stands.
    pub place: &'static Place,
    /// Never [`Treatment::Keep`].
    pub treatment: Treatment,
}

impl Privacy {
    /// Every named field is one that may be treated.
    ///
    /// # Errors
    /// Which isn't, and which are.
    pub fn check(&self) -> Result<(), String> {
        let of_tenants = self.tenants.values().flat_map(|t| t.fields.keys());
        for name in self.fields.keys().chain(of_tenants) {
            if Personal::find(name).is_none() {
                let known: Vec<&str> = PERSONAL.iter().map(|field| field.name).collect();
                return Err(format!(
                    "privacy: `{name}` is no field that may be dropped or pseudonymised; these are: {}",
                    known.join(", ")
                ));
            }
        }
        Ok(())
    }

    fn treatment(&self, tenant: TenantId, field: &str) -> Treatment {
        let own = self.tenants.get(&tenant).and_then(|t| t.fields.get(field));
        let named = own
            .or_else(|| self.fields.get(field))
            .copied()
            .unwrap_or_default();
        match field {
            // It tells the sign-in name.
            "siteUrl" if self.treatment(tenant, "userPrincipalName") != Treatment::Keep => {
                Treatment::Drop
            }
            _ => named,
        }
    }

    /// What isn't kept as it is in a kind of record.
    pub fn of(&self, tenant: TenantId, kind: RecordKind) -> Vec<Treated> {
        let treated = of_kind(kind).map(|(field, place)| Treated {
            field: field.name,
            place,
            treatment: match self.treatment(tenant, field.name) {
                Treatment::Drop if place.key => Treatment::Pseudonymise,
                treatment => treatment,
            },
        });
        treated.filter(|t| t.treatment != Treatment::Keep).collect()
    }

    /// Whether pseudonyms are needed for a tenant that there is or may be.
    pub fn needs_key(&self) -> bool {
        let of_tenants = self.tenants.values().flat_map(|t| &t.fields);
        self.fields
            .iter()
            .chain(of_tenants)
            .any(|(name, treatment)| {
                let field = Personal::find(name);
                let key = field.is_some_and(|f| f.places.iter().any(|p| p.key));
                *treatment == Treatment::Pseudonymise || *treatment == Treatment::Drop && key
            })
    }

    /// Another number for another treatment of a kind of record; 0 where everything is kept.
    pub fn version(&self, tenant: TenantId, kind: RecordKind) -> u64 {
        let mut version = 0;
        for treated in self.of(tenant, kind) {
            // FNV-1a: the same for ever, which std's hashes don't promise.
            let text = format!("{} {:?}\n", treated.field, treated.treatment);
            version = text
                .bytes()
                .fold(version ^ 0xcbf2_9ce4_8422_2325, |n: u64, b| {
                    (n ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
                });
        }
        version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "11111111-2222-3333-4444-555555555555";
    const OTHER: &str = "99999999-2222-3333-4444-555555555555";

    fn fields(named: &[(&str, Treatment)]) -> Fields {
        named
            .iter()
            .map(|(name, t)| ((*name).to_owned(), *t))
            .collect()
    }

    fn privacy() -> Privacy {
        let of_one = Tenant {
            fields: fields(&[("mail", Treatment::Keep), ("city", Treatment::Drop)]),
        };
        Privacy {
            fields: fields(&[
                ("mail", Treatment::Drop),
                ("userPrincipalName", Treatment::Drop),
            ]),
            tenants: BTreeMap::from([(ONE.parse().unwrap(), of_one)]),
        }
    }

    fn names(privacy: &Privacy, tenant: &str, kind: RecordKind) -> Vec<(&'static str, Treatment)> {
        let treated = privacy.of(tenant.parse().unwrap(), kind);
        treated.iter().map(|t| (t.field, t.treatment)).collect()
    }

    #[test]
    fn a_tenants_own_word_counts_before_the_default() {
        use Treatment::{Drop, Pseudonymise};
        let all = privacy();
        let upn = "userPrincipalName";
        assert_eq!(
            names(&all, ONE, RecordKind::User),
            [(upn, Drop), ("city", Drop)]
        );
        assert_eq!(
            names(&all, OTHER, RecordKind::User),
            [(upn, Drop), ("mail", Drop)]
        );
        // A key can't be left out, and what tells the name goes with it.
        let onedrive = names(&all, OTHER, RecordKind::OnedriveUsage);
        assert_eq!(onedrive, [(upn, Pseudonymise), ("siteUrl", Drop)]);
        assert!(names(&all, ONE, RecordKind::SubscribedSku).is_empty());
        assert!(all.needs_key());
        let only = Privacy {
            fields: fields(&[("mail", Drop)]),
            ..Privacy::default()
        };
        assert!(!only.needs_key() && !Privacy::default().needs_key());
    }

    #[test]
    fn only_what_is_a_persons_data_may_be_named() {
        assert_eq!(privacy().check(), Ok(()));
        for name in ["userId", "id", "assignedLicenses", "display_name"] {
            let wrong = Privacy {
                fields: fields(&[(name, Treatment::Drop)]),
                ..Privacy::default()
            };
            let told = wrong.check().unwrap_err();
            assert!(
                told.contains(name) && told.contains("displayName, givenName"),
                "{told}"
            );
        }
    }

    #[test]
    fn another_treatment_is_another_version() {
        let version =
            |privacy: &Privacy, tenant: &str, kind| privacy.version(tenant.parse().unwrap(), kind);
        let (all, user) = (privacy(), RecordKind::User);
        assert_eq!(version(&all, ONE, RecordKind::Organization), 0);
        assert_eq!(version(&Privacy::default(), ONE, user), 0);
        assert_ne!(version(&all, ONE, user), version(&all, OTHER, user));
        assert_eq!(version(&all, ONE, user), version(&privacy(), ONE, user));
    }
}
