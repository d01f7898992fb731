//! The tenant itself, what it has bought, and how much of it is used. Small, so it is built as values.

use serde_json::{Map, Value, json};

use crate::calendar::{self, DAY_ZERO};
use crate::catalog;
use crate::collection;
use crate::directory;
use crate::graph::Call;
use crate::guid::{self, Kind};
use crate::purchase::{self, Purchase};
use crate::query::{self, Query};
use crate::reply::{Failure, Reply};
use crate::shape::Object;
use crate::sim::Sim;
use crate::tenant::Identity;
use crate::world::{Consumed, World};

/// `GET /organization`, or one organization by its id.
pub(crate) fn organization(call: &Call, query: &Query, id: Option<&str>) -> Result<Reply, Failure> {
    let value = organization_value(call.who);
    match id {
        None => reply(call, query, "organization", vec![value]),
        Some(id) if id.eq_ignore_ascii_case(&call.who.id) => {
            let mut value = selected(query, "organization", value)?;
            let context = format!("{}/v1.0/$metadata#organization/$entity", call.base);
            value.insert("@odata.context".to_owned(), context.into());
            Ok(Reply::json(Value::Object(value).to_string().into_bytes()))
        }
        Some(id) => Err(Failure::missing(id)),
    }
}

/// `GET /subscribedSkus`
pub(crate) fn subscribed_skus(call: &Call, query: &Query) -> Result<Reply, Failure> {
    let values = sku_values(call.sim, call.tenant, call.world, call.day);
    reply(call, query, "subscribedSku", values)
}

/// `GET /directory/subscriptions`
pub(crate) fn subscriptions(call: &Call, query: &Query) -> Result<Reply, Failure> {
    let values = subscription_values(call.sim, call.tenant);
    reply(call, query, "companySubscription", values)
}

/// `GET /subscribedSkus/{id}`
pub(crate) fn subscribed_sku(call: &Call, query: &Query, id: &str) -> Result<Reply, Failure> {
    let all = sku_values(call.sim, call.tenant, call.world, call.day);
    one(
        call,
        query,
        ("subscribedSku", "subscribedSkus"),
        all,
        ("id", id),
    )
}

/// `GET /directory/subscriptions/{id}`, or by another key
pub(crate) fn subscription(
    call: &Call,
    query: &Query,
    key: &str,
    id: &str,
) -> Result<Reply, Failure> {
    let all = subscription_values(call.sim, call.tenant);
    one(
        call,
        query,
        ("companySubscription", "directory/subscriptions"),
        all,
        (key, id),
    )
}

/// The object of a collection that has a value.
fn one(
    call: &Call,
    query: &Query,
    (kind, set): (&str, &str),
    all: Vec<Value>,
    (key, id): (&str, &str),
) -> Result<Reply, Failure> {
    // What can't be an id is a path that doesn't exist, such as `delta`.
    if !id.contains('-') {
        return Err(Failure::segment(id));
    }
    query.only(&["$select"])?;
    let same = |v: &Value| v[key].as_str().is_some_and(|k| k.eq_ignore_ascii_case(id));
    let found = all.into_iter().find(same);
    let found = selected(query, kind, found.ok_or_else(|| Failure::missing(id))?)?;
    Ok(collection::entity(call, set, found))
}

fn reply(call: &Call, query: &Query, kind: &str, values: Vec<Value>) -> Result<Reply, Failure> {
    query.only(&["$select"])?;
    let objects = values.len() as u32;
    let values: Result<Vec<_>, _> = values
        .into_iter()
        .map(|v| selected(query, kind, v))
        .collect();
    let set = match kind {
        "subscribedSku" => "subscribedSkus",
        "companySubscription" => "directory/subscriptions",
        other => other,
    };
    let context = format!("{}/v1.0/$metadata#{set}", call.base);
    let mut reply = Reply::json(
        json!({"@odata.context": context, "value": values?})
            .to_string()
            .into_bytes(),
    );
    reply.objects = objects;
    Ok(reply)
}

fn selected(query: &Query, kind: &str, value: Value) -> Result<Map<String, Value>, Failure> {
    let Value::Object(mut all) = value else {
        return Ok(Map::new());
    };
    let Some(list) = &query.select else {
        return Ok(all);
    };
    let mut some = Map::new();
    for name in list.split(',').map(str::trim) {
        match all.remove_entry(name) {
            Some((name, value)) => some.insert(name, value),
            None if some.contains_key(name) => None,
            None => return Err(query::unknown_property(name, kind)),
        };
    }
    Ok(some)
}

/// The organization.
pub(crate) fn organization_value(who: &Identity) -> Value {
    let plan = |service: &str, id: &str| json!({"assignedDateTime": date(-1_500), "capabilityStatus": "Enabled", "service": service, "servicePlanId": id});
    json!({
        "id": who.id,
        "deletedDateTime": null,
        "displayName": who.name,
        "businessPhones": [],
        "city": "München",
        "country": null,
        "countryLetterCode": "DE",
        "createdDateTime": date(-3_700),
        "defaultUsageLocation": "DE",
        "marketingNotificationEmails": [],
        "mobileDeviceManagementAuthority": "intune",
        "onPremisesLastSyncDateTime": date(0),
        "onPremisesSyncEnabled": true,
        "partnerTenantType": null,
        "postalCode": "80331",
        "preferredLanguage": "de",
        "privacyProfile": null,
        "securityComplianceNotificationMails": [],
        "securityComplianceNotificationPhones": [],
        "state": null,
        "street": null,
        "technicalNotificationMails": [format!("admin@{}", who.domain)],
        "tenantType": "AAD",
        "assignedPlans": [
            plan("exchange", "efb87545-963c-4e0d-99df-69c6916d9eb0"),
            plan("SharePoint", "5dbe027f-2339-4123-9542-606e4d348a72"),
        ],
        "provisionedPlans": [
            {"capabilityStatus": "Enabled", "provisioningStatus": "Success", "service": "exchange"},
        ],
        "verifiedDomains": verified(who),
    })
}

fn verified(who: &Identity) -> Vec<Value> {
    let domains = directory::domain_values(who).into_iter();
    let one = |d: Object| {
        json!({
            "capabilities": if d["isInitial"] == true { "Email, OfficeCommunicationsOnline" } else { "Email" },
            "isDefault": d["isDefault"],
            "isInitial": d["isInitial"],
            "name": d["id"],
            "type": d["authenticationType"],
        })
    };
    domains
        .filter(|d| d["isVerified"] == true)
        .map(one)
        .collect()
}

/// The tenant's SKUs on a day.
pub(crate) fn sku_values(sim: &Sim, tenant: usize, world: &World, day: u32) -> Vec<Value> {
    let who = sim.identity(tenant);
    let zero = sim.consumed_at_start(tenant);
    let since = world.consumed_since_start(day);
    let one = |(position, sku): (usize, &catalog::Sku)| {
        let bought = purchase::of(who.key, position as u8, zero[position]);
        let sum = |status: &str| {
            bought
                .iter()
                .filter(|p| p.status == status)
                .map(|p| p.units)
                .sum::<i64>()
        };
        let status = ["Enabled", "Warning", "Suspended"]
            .into_iter()
            .find(|s| sum(s) > 0)
            .unwrap_or("LockedOut");
        json!({
            "id": format!("{}_{}", who.id, sku.id),
            "accountId": who.id,
            "accountName": who.name,
            "appliesTo": if catalog::is_company_wide(position as u8) { "Company" } else { "User" },
            "capabilityStatus": status,
            "consumedUnits": zero[position] + since[position] + sim.miscounts().of(tenant, sku.part_number),
            "prepaidUnits": {
                "enabled": sum("Enabled"), "suspended": sum("Suspended"),
                "warning": sum("Warning"), "lockedOut": sum("LockedOut"),
            },
            "servicePlans": plans(sku),
            "skuId": sku.id,
            "skuPartNumber": sku.part_number,
            "subscriptionIds": bought.iter().map(|p| commerce_id(who, p)).collect::<Vec<_>>(),
        })
    };
    catalog::all().iter().enumerate().map(one).collect()
}

/// The tenant's subscriptions.
pub(crate) fn subscription_values(sim: &Sim, tenant: usize) -> Vec<Value> {
    let who = sim.identity(tenant);
    let zero: Consumed = sim.consumed_at_start(tenant);
    let one = |bought: Purchase| {
        let sku = catalog::get(bought.sku);
        let partner = (bought.sku == catalog::sku::EMS).then_some(who.key ^ 0x0c59);
        json!({
            "id": guid::text(guid::of(who.key, Kind::Subscription, bought.number)),
            "commerceSubscriptionId": commerce_id(who, &bought),
            "createdDateTime": date(bought.created),
            "isTrial": bought.trial,
            "nextLifecycleDateTime": date(bought.next),
            // Set where a partner made the subscription.
            "ownerId": partner.map(|n| guid::text(guid::of(n, Kind::User, 0))),
            "ownerTenantId": partner.map(|n| guid::text(guid::of(n, Kind::Tenant, 0))),
            "ownerType": partner.map(|_| "User"),
            "serviceStatus": plans(sku),
            "skuId": sku.id,
            "skuPartNumber": sku.part_number,
            "status": bought.status,
            "totalLicenses": bought.units,
        })
    };
    let skus = 0..catalog::SKUS;
    skus.flat_map(|s| purchase::of(who.key, s as u8, zero[s]))
        .map(one)
        .collect()
}

fn commerce_id(who: &Identity, bought: &Purchase) -> String {
    guid::text(guid::of(who.key, Kind::Commerce, bought.number))
}

fn plans(sku: &catalog::Sku) -> Vec<Value> {
    let one = |p: &catalog::Plan| {
        json!({
            "servicePlanId": p.id, "servicePlanName": p.name, "provisioningStatus": "Success",
            "appliesTo": if p.name.ends_with("_FOUNDATION") { "Company" } else { "User" },
        })
    };
    sku.plans.iter().map(one).collect()
}

fn date(day: i32) -> String {
    let seconds = (DAY_ZERO + i64::from(day)) * 86_400 + 25_200;
    calendar::text(u64::try_from(seconds).unwrap_or(0))
}
