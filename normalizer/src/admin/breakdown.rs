//! Licence positions by the values of a property of users.

use std::collections::BTreeMap;

use proto::admin::v1::{BreakdownRequest, BreakdownResponse, BreakdownRow};
use proto::inventory::v1::User;
use runtime::Problem;
use tonic::Status;

use super::READ;
use crate::error::Error;
use crate::feed::unsigned;
use crate::position::count::{self, BySku, Counts, Holder};
use crate::{Normalizer, store};

/// Values and products together that an answer may hold.
const MOST_ROWS: usize = 20_000;

/// What a property says of a user.
trait Said {
    fn said(&self) -> Option<String>;
}

impl Said for Option<String> {
    fn said(&self) -> Option<String> {
        self.clone().filter(|text| !text.trim().is_empty())
    }
}

impl Said for Option<bool> {
    fn said(&self) -> Option<String> {
        self.map(|b| b.to_string())
    }
}

macro_rules! properties {
    ($($name:literal $field:ident,)*) => {
        /// The single-valued properties of users, as JSON spells them.
        const PROPERTIES: &[(&str, fn(&User) -> Option<String>)] =
            &[$(($name, |user| user.$field.said()),)*];
    };
}

properties! {
    "userPrincipalName" user_principal_name,
    "displayName" display_name,
    "givenName" given_name,
    "surname" surname,
    "mail" mail,
    "accountEnabled" account_enabled,
    "userType" user_type,
    "employeeId" employee_id,
    "employeeType" employee_type,
    "department" department,
    "companyName" company_name,
    "jobTitle" job_title,
    "officeLocation" office_location,
    "city" city,
    "country" country,
    "usageLocation" usage_location,
    "createdDateTime" created_date_time,
    "onPremisesSyncEnabled" on_premises_sync_enabled,
    "onPremisesSamAccountName" on_premises_sam_account_name,
    "onPremisesDomainName" on_premises_domain_name,
}

impl Normalizer {
    pub(super) async fn broken_down(
        &self,
        request: &BreakdownRequest,
    ) -> Result<BreakdownResponse, Status> {
        let wanted = PROPERTIES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&request.property));
        let Some((property, said)) = wanted else {
            let known: Vec<&str> = PROPERTIES.iter().map(|(name, _)| *name).collect();
            let problem = Problem::new(
                "LW-5050",
                format!("users have no property {:?}.", request.property),
                format!("name one of {}", known.join(", ")),
            );
            return Err(Status::invalid_argument(problem.to_string()));
        };
        let mut moment = self.0.db.snapshot().await.map_err(Error::db(READ))?;
        let tenant = store::tenant(&mut moment, &request.tenant_id).await?;
        let mut sums: BTreeMap<(String, Option<String>), Counts> = BTreeMap::new();
        let mut after = String::new();
        while let Some(tenant) = tenant {
            let users = store::users(&mut moment, tenant, &mut after).await?;
            if users.is_empty() {
                break;
            }
            for body in &users {
                let holder: Holder = store::read(body)?;
                let mut counts = BySku::new();
                count::add(&mut counts, &holder, 1);
                counts.retain(|sku, _| request.sku_id.is_empty() || *sku == request.sku_id);
                if counts.is_empty() {
                    continue;
                }
                let value = said(&store::read(body)?);
                for (sku, n) in counts {
                    let sum = sums.entry((sku, value.clone())).or_default();
                    sum.add(&n, 1);
                }
            }
            if sums.len() > MOST_ROWS {
                let problem = Problem::new(
                    "LW-5051",
                    format!(
                        "users have too many different values of {property}: with the products there are more than {MOST_ROWS} rows."
                    ),
                    "name one product, or a property that groups of users share",
                );
                return Err(Status::failed_precondition(problem.to_string()));
            }
        }
        let rows = sums.into_iter().map(|((sku_id, value), n)| BreakdownRow {
            sku_id,
            value,
            assigned: unsigned(n.assigned),
            direct: unsigned(n.direct),
            by_group: unsigned(n.by_group),
            both: unsigned(n.both),
            unknown: unsigned(n.unknown),
            in_error: unsigned(n.in_error),
            disabled: unsigned(n.disabled),
            assigned_blocked: unsigned(n.assigned_blocked),
            assigned_guests: unsigned(n.assigned_guests),
        });
        Ok(BreakdownResponse {
            rows: rows.collect(),
            property: (*property).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_single_valued_property_of_the_contract_is_there() {
        let empty = serde_json::to_value(User::default()).unwrap();
        let single = empty.as_object().unwrap().iter();
        // Required texts are the ids; lists are not single.
        let single: BTreeSet<&str> = single
            .filter(|(_, v)| v.is_null())
            .map(|(k, _)| k.as_str())
            .collect();
        let known: BTreeSet<&str> = PROPERTIES.iter().map(|(name, _)| *name).collect();
        assert_eq!(known, single);
    }

    #[test]
    fn what_is_blank_is_no_value() {
        let user = User {
            city: Some(" ".into()),
            country: Some("Germany".into()),
            account_enabled: Some(false),
            ..User::default()
        };
        let said = |wanted: &str| {
            let found = PROPERTIES.iter().find(|(name, _)| *name == wanted);
            found.unwrap().1(&user)
        };
        assert_eq!(said("city"), None);
        assert_eq!(said("country").as_deref(), Some("Germany"));
        assert_eq!(said("accountEnabled").as_deref(), Some("false"));
        assert_eq!(said("userType"), None);
    }
}
