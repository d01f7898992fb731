//! Products of a tenant. Source: Graph resource types subscribedSku, licenseUnitsDetail and servicePlanInfo.

use proto::inventory::v1::{ServicePlan, SubscribedSku};
use serde::Deserialize;

use super::notes::Notes;
use super::text::{Maybe, count, id, ids, text};

const APPLIES_TO: [&str; 2] = ["User", "Company"];
pub(super) const STATUSES: [&str; 5] = ["Enabled", "Warning", "Suspended", "Deleted", "LockedOut"];
const PROVISIONING: [&str; 6] = [
    "Success",
    "Disabled",
    "Error",
    "PendingInput",
    "PendingActivation",
    "PendingProvisioning",
];

pub(super) struct Source;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow, default)]
    sku_id: Maybe<'a>,
    #[serde(borrow, default)]
    sku_part_number: Maybe<'a>,
    #[serde(borrow, default)]
    applies_to: Maybe<'a>,
    #[serde(borrow, default)]
    capability_status: Maybe<'a>,
    #[serde(default)]
    consumed_units: Option<i32>,
    #[serde(default)]
    prepaid_units: Option<Units>,
    #[serde(borrow, default)]
    service_plans: Option<Vec<Plan<'a>>>,
    #[serde(borrow, default)]
    subscription_ids: Option<Vec<Maybe<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Units {
    #[serde(default)]
    enabled: Option<i32>,
    #[serde(default)]
    warning: Option<i32>,
    #[serde(default)]
    suspended: Option<i32>,
    // Absent in the clouds of the US government and China.
    #[serde(default)]
    locked_out: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Plan<'a> {
    #[serde(borrow, default)]
    service_plan_id: Maybe<'a>,
    #[serde(borrow, default)]
    service_plan_name: Maybe<'a>,
    #[serde(borrow, default)]
    provisioning_status: Maybe<'a>,
    #[serde(borrow, default)]
    applies_to: Maybe<'a>,
}

impl super::Source for Source {
    type Object<'a> = Object<'a>;
    type Record = SubscribedSku;
    const KEY: &'static str = "skuId";
    // Graph sends the account whatever is selected.
    const UNUSED: &'static [&'static str] = &["id", "accountId", "accountName"];

    fn record(
        tenant: &str,
        o: Object<'_>,
        notes: &Notes<'_>,
    ) -> Result<(String, SubscribedSku), &'static str> {
        let sku_id = id(o.sku_id).ok_or("no skuId")?;
        let units = o.prepaid_units.unwrap_or_default();
        let sku = SubscribedSku {
            tenant_id: tenant.to_owned(),
            sku_id: sku_id.clone(),
            sku_part_number: text(o.sku_part_number).unwrap_or_default(),
            applies_to: text(o.applies_to),
            capability_status: text(o.capability_status),
            consumed_units: count(o.consumed_units)?,
            enabled: count(units.enabled)?,
            warning: count(units.warning)?,
            suspended: count(units.suspended)?,
            locked_out: count(units.locked_out)?,
            service_plans: plans(o.service_plans)?,
            subscription_ids: ids(o.subscription_ids),
        };
        let status = sku.capability_status.as_deref();
        notes.value("appliesTo", sku.applies_to.as_deref(), &APPLIES_TO);
        notes.value("capabilityStatus", status, &STATUSES);
        for plan in &sku.service_plans {
            let (status, to) = (&plan.provisioning_status, &plan.applies_to);
            notes.value(
                "servicePlans.provisioningStatus",
                status.as_deref(),
                &PROVISIONING,
            );
            notes.value("servicePlans.appliesTo", to.as_deref(), &APPLIES_TO);
        }
        Ok((sku_id, sku))
    }
}

fn plans(list: Option<Vec<Plan<'_>>>) -> Result<Vec<ServicePlan>, &'static str> {
    let mut out = Vec::new();
    for p in list.into_iter().flatten() {
        out.push(ServicePlan {
            service_plan_id: id(p.service_plan_id).ok_or("a service without servicePlanId")?,
            service_plan_name: text(p.service_plan_name).unwrap_or_default(),
            provisioning_status: text(p.provisioning_status),
            applies_to: text(p.applies_to),
        });
    }
    out.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
    out.dedup();
    Ok(out)
}

fn order(p: &ServicePlan) -> (&str, &str, Option<&str>, Option<&str>) {
    (
        &p.service_plan_id,
        &p.service_plan_name,
        p.provisioning_status.as_deref(),
        p.applies_to.as_deref(),
    )
}
