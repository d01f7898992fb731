//! What the inventory must be, computed from the simulator's truth alone: none of the product's mapping, projection
//! or counting code is used.
#![allow(clippy::unwrap_used, reason = "a test's support")]

use std::collections::{BTreeMap, BTreeSet};

use graph_sim::Sim;
use serde_json::{Map, Value, json};

use crate::expected_findings::{From, findings};
use crate::inventory::{Records, by_key};

/// A moment of all tenants, as records.
#[derive(Clone)]
pub struct Truth {
    /// By kind; licence assignments and positions are derived when asked for.
    records: BTreeMap<&'static str, Records>,
}

const USER_TEXTS: [&str; 19] = [
    "userPrincipalName",
    "displayName",
    "givenName",
    "surname",
    "mail",
    "userType",
    "employeeId",
    "employeeType",
    "department",
    "companyName",
    "jobTitle",
    "officeLocation",
    "city",
    "country",
    "usageLocation",
    "createdDateTime",
    "onPremisesSamAccountName",
    "onPremisesDomainName",
    // Flags are taken over as they are.
    "accountEnabled",
];

impl Truth {
    /// Now.
    pub fn of(sim: &Sim) -> Truth {
        let mut records = BTreeMap::from(
            ["organization", "subscribed_sku", "subscription", "user"]
                .map(|kind| (kind, Records::new())),
        );
        for (n, tenant) in sim.tenants().iter().enumerate() {
            let small = |dataset: &str, map: fn(&str, &Value) -> Value| -> Vec<Value> {
                let objects = sim.truth(n, dataset).unwrap();
                objects.iter().map(|o| map(&tenant.id, o)).collect()
            };
            let mut users = Vec::new();
            sim.truth_users(n, |line| {
                users.push(user(&tenant.id, &serde_json::from_slice(line).unwrap()));
            });
            for (kind, found) in [
                ("organization", small("organization", organization)),
                ("subscribed_sku", small("subscribedSkus", sku)),
                ("subscription", small("subscriptions", subscription)),
                ("user", users),
            ] {
                records.get_mut(kind).unwrap().extend(by_key(kind, found));
            }
        }
        Truth { records }
    }

    /// The records of a kind.
    pub fn records(&self, kind: &str) -> Records {
        match kind {
            "license_assignment" => {
                let users = self.records["user"].values();
                by_key(kind, users.flat_map(assignments))
            }
            "license_position" => by_key(kind, self.positions()),
            "finding" => by_key(kind, self.findings()),
            kind => self.records[kind].clone(),
        }
    }

    /// What is known of this truth by whoever knew `before` and asks a delta: a user of whom nothing but
    /// `licenseAssignmentStates` changed is not named, so its old state stays until the next full read.
    pub fn known_after(mut self, before: &Truth) -> (Truth, usize) {
        let mut unnamed = 0;
        for (key, user) in self.records.get_mut("user").unwrap() {
            let Some(old) = before.records["user"].get(key).filter(|old| *old != user) else {
                continue;
            };
            if without_states(old) == without_states(user) {
                *user = old.clone();
                unnamed += 1;
            }
        }
        (self, unnamed)
    }

    fn findings(&self) -> Vec<Value> {
        findings(&From {
            users: &self.records["user"],
            skus: &self.records["subscribed_sku"],
            subscriptions: &self.records["subscription"],
            positions: &self.positions(),
        })
    }

    fn positions(&self) -> Vec<Value> {
        let mut skus: BTreeMap<(String, String), Value> = BTreeMap::new();
        let name = |v: &Value, p: &str| v[p].as_str().unwrap().to_owned();
        for sku in self.records["subscribed_sku"].values() {
            skus.insert((name(sku, "tenantId"), name(sku, "skuId")), sku.clone());
        }
        let mut counts: BTreeMap<(String, String), BTreeMap<&str, i64>> = BTreeMap::new();
        for user in self.records["user"].values() {
            let states = user["licenseAssignmentStates"].as_array().unwrap();
            let assigned = skus_of(&user["assignedLicenses"]);
            for sku in assigned.union(&skus_of(&user["licenseAssignmentStates"])) {
                let count = counts
                    .entry((name(user, "tenantId"), sku.clone()))
                    .or_default();
                let mut add = |what, is: bool| *count.entry(what).or_default() += i64::from(is);
                let ways = || states.iter().filter(|s| s["skuId"] == sku.as_str());
                let holds = assigned.contains(sku);
                let works = |group: bool| {
                    holds && ways().any(|s| active(s) && s["assignedByGroup"].is_null() != group)
                };
                let (direct, group) = (works(false), works(true));
                add("assigned", holds);
                add("direct", direct);
                add("byGroup", group);
                add("both", direct && group);
                add("unknown", holds && !direct && !group);
                add("inError", ways().any(|s| s["state"] == "Error"));
                add("disabled", ways().any(|s| s["state"] == "Disabled"));
                add("assignedBlocked", holds && user["accountEnabled"] == false);
                add("assignedGuests", holds && user["userType"] == "Guest");
                let off = |held: &Value| {
                    held["skuId"] == sku.as_str() && held["disabledPlans"] != json!([])
                };
                let held = user["assignedLicenses"].as_array().unwrap();
                add("withDisabledPlans", held.iter().any(off));
            }
        }
        for (key, count) in &counts {
            if count["assigned"] > 0 {
                skus.entry(key.clone()).or_insert(Value::Null);
            }
        }
        skus.into_iter()
            .map(|(key, sku)| {
                let mut out = Map::new();
                let count = |what: &str| {
                    counts
                        .get(&key)
                        .and_then(|c| c.get(what))
                        .copied()
                        .unwrap_or(0)
                };
                let units = |what: &str| sku[what].as_i64().unwrap_or(0);
                out.insert("tenantId".into(), key.0.as_str().into());
                out.insert("skuId".into(), key.1.as_str().into());
                out.insert(
                    "skuPartNumber".into(),
                    sku["skuPartNumber"].as_str().unwrap_or("").into(),
                );
                out.insert("appliesTo".into(), sku["appliesTo"].clone());
                for what in [
                    "enabled",
                    "warning",
                    "suspended",
                    "lockedOut",
                    "consumedUnits",
                ] {
                    out.insert(what.into(), units(what).into());
                }
                for what in COUNTED {
                    out.insert(what.into(), count(what).into());
                }
                let (assigned, consumed) = (count("assigned"), units("consumedUnits"));
                let provisioned = units("enabled") + units("warning");
                let residual = consumed - assigned;
                out.insert("provisioned".into(), provisioned.into());
                out.insert("available".into(), (provisioned - assigned).into());
                out.insert("residual".into(), residual.into());
                // Nothing is explained away in a tenant that counts as it is.
                out.insert("unexplained".into(), residual.into());
                out.insert(
                    "reconciled".into(),
                    (residual.abs() <= 5.max(consumed / 100)).into(),
                );
                let subscriptions = &self.records["subscription"];
                out.insert("kind".into(), sort_of(&sku, subscriptions).into());
                Value::Object(out)
            })
            .collect()
    }
}

const COUNTED: [&str; 10] = [
    "assigned",
    "direct",
    "byGroup",
    "both",
    "unknown",
    "inError",
    "disabled",
    "assignedBlocked",
    "assignedGuests",
    "withDisabledPlans",
];

/// What sort of product it is, by what a licence manager knows of the simulator's.
fn sort_of(sku: &Value, subscriptions: &Records) -> &'static str {
    if sku.is_null() {
        return "";
    }
    let lives = |s: &&Value| {
        s["tenantId"] == sku["tenantId"]
            && s["skuId"] == sku["skuId"]
            && (s["status"] == "Enabled" || s["status"] == "Warning")
    };
    let mut living = subscriptions.values().filter(lives).peekable();
    let only_trials = living.peek().is_some() && living.all(|s| s["isTrial"] == true);
    match sku["skuPartNumber"].as_str().unwrap() {
        _ if sku["appliesTo"] == "Company" => "company_wide",
        "FLOW_FREE" | "WINDOWS_STORE" => "free",
        _ if only_trials => "trial",
        "OFFICE_PROPLUS_DEVICE1" => "device",
        "Microsoft_Teams_Rooms_Pro" => "resource",
        "Microsoft_365_E3_EEA_(no_Teams)_Unattended_License" => "unattended",
        _ => "paid",
    }
}

/// A user without what a delta doesn't track.
pub fn without_states(user: &Value) -> Value {
    let mut user = user.clone();
    user.as_object_mut()
        .unwrap()
        .remove("licenseAssignmentStates");
    user
}

fn user(tenant: &str, object: &Value) -> Value {
    let mut out = Map::from_iter([
        ("tenantId".to_owned(), tenant.into()),
        ("userId".to_owned(), lower(&object["id"])),
        (
            "onPremisesSyncEnabled".to_owned(),
            object["onPremisesSyncEnabled"].clone(),
        ),
    ]);
    for name in USER_TEXTS {
        out.insert(name.into(), text(&object[name]));
    }
    let list = |name: &str, map: fn(&Value) -> Value| -> Value {
        object[name]
            .as_array()
            .into_iter()
            .flatten()
            .map(map)
            .collect()
    };
    let licenses = list(
        "assignedLicenses",
        |l| json!({ "skuId": lower(&l["skuId"]), "disabledPlans": lowered(&l["disabledPlans"]) }),
    );
    let states = list("licenseAssignmentStates", |s| {
        json!({
            "skuId": lower(&s["skuId"]),
            "assignedByGroup": lower(&s["assignedByGroup"]),
            "state": s["state"],
            "error": if s["error"] == "None" { Value::Null } else { text(&s["error"]) },
            "disabledPlans": lowered(&s["disabledPlans"]),
            "lastUpdatedDateTime": text(&s["lastUpdatedDateTime"]),
        })
    });
    out.insert("assignedLicenses".into(), licenses);
    out.insert("licenseAssignmentStates".into(), states);
    Value::Object(out)
}

/// The rows of a user: one for each way, and one where a product has no working way.
fn assignments(user: &Value) -> Vec<Value> {
    let assigned = skus_of(&user["assignedLicenses"]);
    let states = user["licenseAssignmentStates"].as_array().unwrap();
    let row = |sku: &Value, path: &str, consumes: bool, from: &Value| {
        json!({
            "tenantId": user["tenantId"], "userId": user["userId"], "skuId": sku, "path": path,
            "assignedByGroup": from["assignedByGroup"], "state": from["state"], "error": from["error"],
            "consumes": consumes, "disabledPlans": from["disabledPlans"],
            "lastUpdatedDateTime": from["lastUpdatedDateTime"],
        })
    };
    let mut rows: Vec<Value> = states
        .iter()
        .map(|s| {
            let path = if s["assignedByGroup"].is_null() {
                "direct"
            } else {
                "group"
            };
            let consumes = active(s) && assigned.contains(s["skuId"].as_str().unwrap());
            row(&s["skuId"], path, consumes, s)
        })
        .collect();
    for license in user["assignedLicenses"].as_array().unwrap() {
        if !states
            .iter()
            .any(|s| s["skuId"] == license["skuId"] && active(s))
        {
            rows.push(row(&license["skuId"], "unknown", true, license));
        }
    }
    rows
}

fn sku(tenant: &str, object: &Value) -> Value {
    let units = |name: &str| object["prepaidUnits"][name].as_i64().unwrap_or(0);
    let plans = object["servicePlans"].as_array().into_iter().flatten().map(|p| {
        json!({
            "servicePlanId": lower(&p["servicePlanId"]), "servicePlanName": p["servicePlanName"],
            "provisioningStatus": text(&p["provisioningStatus"]), "appliesTo": text(&p["appliesTo"]),
        })
    });
    json!({
        "tenantId": tenant, "skuId": lower(&object["skuId"]), "skuPartNumber": object["skuPartNumber"],
        "appliesTo": text(&object["appliesTo"]), "capabilityStatus": text(&object["capabilityStatus"]),
        "consumedUnits": object["consumedUnits"], "enabled": units("enabled"), "warning": units("warning"),
        "suspended": units("suspended"), "lockedOut": units("lockedOut"), "servicePlans": plans.collect::<Value>(),
        "subscriptionIds": lowered(&object["subscriptionIds"]),
    })
}

fn subscription(tenant: &str, object: &Value) -> Value {
    json!({
        "tenantId": tenant, "id": lower(&object["id"]),
        "commerceSubscriptionId": lower(&object["commerceSubscriptionId"]), "skuId": lower(&object["skuId"]),
        "skuPartNumber": text(&object["skuPartNumber"]), "status": text(&object["status"]),
        "totalLicenses": object["totalLicenses"], "isTrial": object["isTrial"],
        "createdDateTime": text(&object["createdDateTime"]),
        "nextLifecycleDateTime": text(&object["nextLifecycleDateTime"]),
        "ownerTenantId": lower(&object["ownerTenantId"]),
    })
}

fn organization(tenant: &str, object: &Value) -> Value {
    let domains = object["verifiedDomains"].as_array().into_iter().flatten();
    json!({
        "tenantId": tenant, "displayName": text(&object["displayName"]), "tenantType": text(&object["tenantType"]),
        "countryLetterCode": text(&object["countryLetterCode"]),
        "defaultUsageLocation": text(&object["defaultUsageLocation"]),
        "createdDateTime": text(&object["createdDateTime"]),
        "onPremisesSyncEnabled": object["onPremisesSyncEnabled"],
        "verifiedDomains": domains.map(|d| lower(&d["name"])).collect::<Value>(),
    })
}

fn active(state: &Value) -> bool {
    state["state"] == "Active" || state["state"] == "ActiveWithError"
}

fn skus_of(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().unwrap();
    list.iter()
        .map(|l| l["skuId"].as_str().unwrap().to_owned())
        .collect()
}

fn text(value: &Value) -> Value {
    if value == "" {
        Value::Null
    } else {
        value.clone()
    }
}

fn lower(value: &Value) -> Value {
    match value {
        Value::String(s) => s.to_ascii_lowercase().into(),
        other => other.clone(),
    }
}

fn lowered(list: &Value) -> Value {
    list.as_array().into_iter().flatten().map(lower).collect()
}
