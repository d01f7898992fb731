//! Fields that are left out or replaced before a record is hashed. The collector doesn't even ask for what is dropped; what
//! comes all the same goes here, whatever the collector is told.

use std::sync::Arc;

use bytes::Bytes;
use catalog::Privacy;
use catalog::privacy::{Treated, Treatment};
use prost::Message;
use proto::ids::TenantId;
use proto::inventory::v1::{DeletedUser, Device, ManagedDevice, Usage, User};
use proto::kind::RecordKind;
use runtime::keyed::Keyed;

use super::keys::Keys;
use super::people::{Tie, tie};
use crate::map::{self, Mapped, Objects};

/// What becomes of the fields of a tenant's kind of record.
#[derive(Default)]
pub(crate) struct Policy {
    treated: Vec<Treated>,
    pseudonyms: Option<Pseudonyms>,
}

impl Policy {
    pub fn new(privacy: &Privacy, tenant: TenantId, kind: RecordKind, keys: &Keys) -> Policy {
        Policy {
            treated: privacy.of(tenant, kind),
            pseudonyms: Pseudonyms::new(keys, &tenant.to_string()),
        }
    }

    /// Whether everything is kept.
    pub fn is_empty(&self) -> bool {
        self.treated.is_empty()
    }

    /// Treats the records of a page. Sources of what can't be read are not kept: nobody knows what is in them.
    ///
    /// # Errors
    /// When a record can't be read.
    pub fn apply(&self, kind: RecordKind, objects: &mut Objects) -> Result<(), String> {
        objects.sources.clear();
        for record in &mut objects.records {
            let body = &record.body[..];
            let (key, body) = match kind {
                RecordKind::User => self.edited::<User>(body),
                RecordKind::DeletedUser => self.edited::<DeletedUser>(body),
                RecordKind::Device => self.edited::<Device>(body),
                RecordKind::ManagedDevice => self.edited::<ManagedDevice>(body),
                kind if tie(kind) == Tie::Row => self.row(body),
                _ => continue,
            }
            .map_err(|_| "a record that can't be read again".to_owned())?;
            *record = Mapped {
                key: key.unwrap_or_else(|| std::mem::take(&mut record.key)),
                hash: map::hash(kind, &body),
                body,
            };
        }
        Ok(())
    }

    /// What takes the place of a value.
    fn treat(&self, treated: &Treated, value: String) -> Option<String> {
        match treated.treatment {
            Treatment::Keep => Some(value),
            // Without a key, which the configuration's check doesn't let happen, nothing is better than the value.
            Treatment::Pseudonymise => Some(self.pseudonyms.as_ref()?.of(treated.field, &value)),
            Treatment::Drop => None,
        }
    }

    fn edited<R: Texts>(&self, body: &[u8]) -> Result<(Option<String>, Bytes), prost::DecodeError> {
        let mut record = R::decode(body)?;
        for treated in &self.treated {
            if let Some(text) = record.text(treated.place.record) {
                *text = text.take().and_then(|value| self.treat(treated, value));
            }
        }
        Ok((None, record.encode_to_vec().into()))
    }

    /// A row of a usage report. One whose name is concealed names nobody.
    fn row(&self, body: &[u8]) -> Result<(Option<String>, Bytes), prost::DecodeError> {
        let mut row = Usage::decode(body)?;
        for treated in &self.treated {
            let place = treated.place;
            if place.key && !row.concealed {
                let subject = std::mem::take(&mut row.subject);
                row.subject = self.treat(treated, subject).unwrap_or_default();
            }
            let values = std::mem::take(&mut row.values).into_iter();
            let treat = |mut column: proto::inventory::v1::UsageValue| {
                if place.graph == column.name {
                    column.value = self.treat(treated, column.value)?;
                }
                Some(column)
            };
            row.values = values.filter_map(treat).collect();
        }
        Ok((Some(map::usage_key(&row)), row.encode_to_vec().into()))
    }
}

/// Makes pseudonyms of a tenant's values: the same value of the same field always gets the same one, in no other tenant.
pub(crate) struct Pseudonyms {
    key: Arc<Keyed>,
    tenant: String,
}

impl Pseudonyms {
    /// None without a key.
    pub fn new(keys: &Keys, tenant: &str) -> Option<Pseudonyms> {
        Some(Pseudonyms {
            key: Arc::clone(keys.pseudonyms.as_ref()?),
            tenant: tenant.to_owned(),
        })
    }

    /// Addresses and sign-in names have no case: reports write them otherwise than the directory does.
    pub fn of(&self, field: &str, value: &str) -> String {
        let folded = match field {
            "userPrincipalName" | "mail" => value.to_lowercase(),
            _ => value.to_owned(),
        };
        let hash = self
            .key
            .hash(&["leastwise pseudonym 1", &self.tenant, field, &folded]);
        let hex: String = hash[..16].iter().map(|b| format!("{b:02x}")).collect();
        format!("p-{hex}")
    }
}

/// A record with texts that may be treated, by their names in JSON.
trait Texts: Message + Default {
    fn text(&mut self, name: &str) -> Option<&mut Option<String>>;
}

macro_rules! texts {
    ($($record:ident: $($name:literal $field:ident),+;)*) => {$(
        impl Texts for $record {
            fn text(&mut self, name: &str) -> Option<&mut Option<String>> {
                match name {
                    $($name => Some(&mut self.$field),)+
                    _ => None,
                }
            }
        }
    )*};
}

texts! {
    User: "userPrincipalName" user_principal_name, "displayName" display_name, "givenName" given_name,
        "surname" surname, "mail" mail, "employeeId" employee_id, "employeeType" employee_type,
        "department" department, "companyName" company_name, "jobTitle" job_title,
        "officeLocation" office_location, "city" city, "country" country, "usageLocation" usage_location,
        "onPremisesSamAccountName" on_premises_sam_account_name,
        "onPremisesDomainName" on_premises_domain_name;
    DeletedUser: "userPrincipalName" user_principal_name, "displayName" display_name, "mail" mail;
    Device: "displayName" display_name;
    ManagedDevice: "deviceName" device_name, "serialNumber" serial_number;
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
