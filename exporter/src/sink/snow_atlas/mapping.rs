//! From records to licences of Snow Atlas. Pure.
//!
//! Always as Graph has it:
//!
//! | field of a licence | from |
//! |---|---|
//! | `externalId` | tenant and `skuId`, with a colon between them |
//! | `sku` | `skuPartNumber` |
//! | `productDescription` | `productName`, and the organization in brackets |
//! | `vendor` | `Microsoft` |
//! | `isSubscription` | true |
//! | `quantity` | `provisioned`, not below 0 |
//! | `subscriptionValidFrom` | the earliest `createdDateTime` of the SKU's enabled subscriptions |
//! | `subscriptionValidTo` | the earliest `nextLifecycleDateTime` of these |
//! | users | `assignedLicenses` of all users, by their accounts in Atlas |
//!
//! Only where a licence is new, afterwards as it stands there:
//!
//! | field | from |
//! |---|---|
//! | `organizationId`, `metricId`, `assignmentTypeId`, `applicationId` | the settings |
//! | `purchaseDate` | as `subscriptionValidFrom` |
//!
//! A licence is replaced as a whole, so what people have written into the other fields is read before, and sent with it.
//!
//! Limits: lists come in pages of 100; unknown fields are refused. Idempotency key: `externalId`, which Atlas doesn't
//! keep unique: a licence is looked for before it is made.
//!
//! Source: the vendor's OpenAPI document `licenses.yaml` 1.7.0.

use std::collections::{BTreeMap, BTreeSet};

use proto::body::Body;
use proto::ids::TenantId;
use proto::inventory::v1::{LicensePosition, Subscription, User};
use serde_json::{Map, Value, json};

use super::SnowAtlas;
use crate::sink::people::cut;

/// Characters of a text. The document names no lengths.
const LONGEST_TEXT: usize = 255;

/// Fields that a licence is shown with and may be sent with, and that are not ours.
const THEIRS: [&str; 22] = [
    "agreementId",
    "applicationId",
    "assignmentTypeId",
    "autoAllocateOnce",
    "hasVmUseRights",
    "invoiceReference",
    "isAutoAllocated",
    "isCrossEdition",
    "isCrossPlatform",
    "isDowngrade",
    "isUpgrade",
    "licenseKeys",
    "licenseProofLocation",
    "maintenanceAccordingToAgreement",
    "mediaStorage",
    "metricId",
    "notes",
    "numberOfSupportedVirtualMachines",
    "organizationId",
    "purchaseCurrency",
    "purchaseDate",
    "purchaseValue",
];

/// What is known of a tenant.
#[derive(Default)]
pub(super) struct Products {
    organization: Option<String>,
    positions: BTreeMap<String, LicensePosition>,
    /// When a SKU's subscriptions began, and when the first of them ends.
    terms: BTreeMap<String, (Option<String>, Option<String>)>,
    /// Who holds a SKU.
    holders: BTreeMap<String, Vec<usize>>,
    people: Vec<Person>,
}

/// Somebody who holds a licence.
pub(super) struct Person {
    /// Graph's id.
    pub id: String,
    /// Addresses and names that an account may have, in lower case.
    pub mail: Option<String>,
    pub sign_in: Option<String>,
}

/// A licence as Atlas is to have it.
pub(super) struct License {
    /// The SKU.
    pub sku: String,
    pub external_id: String,
    /// The fields that are always ours.
    pub ours: Map<String, Value>,
    /// Fields that a new one has besides.
    pub first: Map<String, Value>,
    /// Who holds it: places in [`Products::people`].
    pub holders: Vec<usize>,
}

impl Products {
    pub(super) fn note(&mut self, body: Body) {
        match body {
            Body::Organization(organization) => self.organization = organization.display_name,
            Body::LicensePosition(position) => {
                self.positions.insert(position.sku_id.clone(), *position);
            }
            Body::Subscription(subscription) => self.subscription(&subscription),
            Body::User(user) if !user.assigned_licenses.is_empty() => self.user(&user),
            _ => {}
        }
    }

    pub(super) fn people(&self) -> &[Person] {
        &self.people
    }

    fn user(&mut self, user: &User) {
        let text = |text: &Option<String>| {
            let text = text.as_deref().map(|t| t.trim().to_lowercase());
            text.filter(|t| !t.is_empty())
        };
        let person = Person {
            id: user.user_id.clone(),
            mail: text(&user.mail),
            sign_in: text(&user.user_principal_name),
        };
        let skus: BTreeSet<_> = user.assigned_licenses.iter().map(|l| &l.sku_id).collect();
        for sku in skus {
            let holders = self.holders.entry(sku.clone()).or_default();
            holders.push(self.people.len());
        }
        self.people.push(person);
    }

    fn subscription(&mut self, subscription: &Subscription) {
        if subscription.status.as_deref() != Some("Enabled") {
            return;
        }
        // Moments of one format sort as texts do.
        let earlier = |known: &mut Option<String>, new: &Option<String>| {
            if let Some(new) = new
                && known.as_ref().is_none_or(|known| new < known)
            {
                *known = Some(new.clone());
            }
        };
        let term = self.terms.entry(subscription.sku_id.clone());
        let (from, to) = term.or_default();
        earlier(from, &subscription.created_date_time);
        earlier(to, &subscription.next_lifecycle_date_time);
    }

    /// The licences of a tenant.
    pub(super) fn licenses(&self, tenant: TenantId, settings: &SnowAtlas) -> Vec<License> {
        // Somebody's licence is one, whatever the ledger lacks.
        let skus: BTreeSet<_> = self.positions.keys().chain(self.holders.keys()).collect();
        let licenses = skus.into_iter();
        licenses
            .map(|sku| self.license(tenant, sku, settings))
            .collect()
    }

    fn license(&self, tenant: TenantId, sku: &str, settings: &SnowAtlas) -> License {
        let position = self.positions.get(sku).cloned().unwrap_or_default();
        let named = |name: &str| match name.is_empty() {
            true => sku.to_owned(),
            false => cut(name, LONGEST_TEXT),
        };
        let part_number = named(&position.sku_part_number);
        let mut product = named(&position.product_name);
        if let Some(organization) = &self.organization {
            product = cut(&format!("{product} ({organization})"), LONGEST_TEXT);
        }
        let external_id = format!("{tenant}:{sku}");
        let (from, to) = self.terms.get(sku).cloned().unwrap_or_default();
        let ours = json!({
            "externalId": external_id,
            "sku": part_number,
            "productDescription": product,
            "vendor": "Microsoft",
            "isSubscription": true,
            "quantity": position.provisioned.max(0),
            "subscriptionValidFrom": from,
            "subscriptionValidTo": to,
        });
        let first = json!({
            "organizationId": settings.organization_id,
            "metricId": settings.metric_id,
            "assignmentTypeId": settings.assignment_type_id,
            "applicationId": settings.applications.get(&part_number),
            "purchaseDate": from,
        });
        License {
            sku: sku.to_owned(),
            external_id,
            ours: fields(ours),
            first: fields(first),
            holders: self.holders.get(sku).cloned().unwrap_or_default(),
        }
    }
}

/// The fields of an object that have a value.
fn fields(object: Value) -> Map<String, Value> {
    let Value::Object(fields) = object else {
        return Map::new();
    };
    let given = fields.into_iter().filter(|(_, value)| !value.is_null());
    given.collect()
}

impl License {
    /// A new one.
    pub(super) fn new_one(&self) -> Map<String, Value> {
        let mut fields = self.first.clone();
        fields.extend(self.ours.clone());
        fields
    }

    /// One in the place of another, of which what is not ours stays.
    pub(super) fn instead(&self, shown: Value) -> Map<String, Value> {
        let mut kept = fields(shown);
        kept.retain(|name, _| THEIRS.contains(&name.as_str()));
        kept.extend(self.ours.clone());
        kept
    }
}

#[cfg(test)]
mod tests {
    use proto::inventory::v1::AssignedLicense;

    use super::*;

    #[test]
    fn a_licence_has_what_graph_knows_and_keeps_what_people_wrote() {
        let tenant = "aaaaaaaa-0000-0000-0000-000000000001".parse().unwrap();
        let mut products = Products::default();
        let position = LicensePosition {
            sku_id: "e5".into(),
            sku_part_number: "SPE_E5".into(),
            product_name: "x".repeat(2 << 20),
            provisioned: 7,
            ..LicensePosition::default()
        };
        products.note(Body::LicensePosition(Box::new(position)));
        for (status, from, to) in [
            ("Enabled", "2026-02-01T00:00:00Z", "2027-02-01T00:00:00Z"),
            ("Enabled", "2026-01-01T00:00:00Z", "2027-03-01T00:00:00Z"),
            ("Deleted", "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"),
        ] {
            products.note(Body::Subscription(Box::new(Subscription {
                sku_id: "e5".into(),
                status: Some(status.into()),
                created_date_time: Some(from.into()),
                next_lifecycle_date_time: Some(to.into()),
                ..Subscription::default()
            })));
        }
        let license = |sku: &str| AssignedLicense {
            sku_id: sku.into(),
            disabled_plans: Vec::new(),
        };
        products.note(Body::User(Box::new(User {
            user_id: "u1".into(),
            mail: Some(" Ann@X".into()),
            assigned_licenses: vec![license("e5"), license("e5"), license("new")],
            ..User::default()
        })));
        let guid = "00000000-0000-0000-0000-00000000000a";
        let settings: SnowAtlas = serde_json::from_value(json!({
            "url": "https://a.example", "applications": { "SPE_E5": guid },
            "oauth": { "token_url": "https://a.example", "client_id": "a", "client_secret_file": "s" },
        }))
        .unwrap();
        let licenses = products.licenses(tenant, &settings);
        let skus: Vec<_> = licenses
            .iter()
            .map(|l| (l.sku.as_str(), &l.holders))
            .collect();
        assert_eq!(skus, [("e5", &vec![0]), ("new", &vec![0])]);
        assert_eq!(products.people()[0].mail.as_deref(), Some("ann@x"));
        let new = licenses[0].new_one();
        assert_eq!(
            new["productDescription"].as_str().unwrap().len(),
            LONGEST_TEXT
        );
        assert_eq!(new["subscriptionValidTo"], "2027-02-01T00:00:00Z");
        assert_eq!(new["purchaseDate"], "2026-01-01T00:00:00Z");
        assert_eq!(
            (&new["applicationId"], &new["quantity"]),
            (&json!(guid), &json!(7))
        );
        let shown = json!({
            "id": "x", "status": "active", "quantity": 3, "purchaseValue": 12.5, "notes": null, "metricId": guid,
        });
        let instead = licenses[0].instead(shown);
        assert_eq!(
            (&instead["purchaseValue"], &instead["metricId"]),
            (&json!(12.5), &json!(guid))
        );
        assert_eq!(instead["quantity"], 7);
        assert!(
            !["id", "status", "notes", "purchaseDate"]
                .iter()
                .any(|f| instead.contains_key(*f))
        );
        assert_eq!(licenses[1].ours["sku"], "new");
    }
}
