//! What must be found, from the simulator's truth and from what a licence manager knows of its products. Nothing of
//! the product's rules, tables or comparisons of service plans is used: which product replaces which is written down
//! here by name.
#![allow(clippy::unwrap_used, reason = "a test's support")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::inventory::Records;

/// Products beside which a product gives nothing more, by rule.
const REPLACED: [(&str, &str, &[&str]); 8] = [
    ("lower_sku", "SPE_F1", &["SPE_E3", "SPE_E5"]),
    ("lower_sku", "SPE_E3", &["SPE_E5"]),
    ("lower_sku", "Microsoft_365_E3_(no_Teams)", &["SPE_E5"]),
    ("included_sku", "Microsoft_365_E3_(no_Teams)", &["SPE_E3"]),
    ("included_sku", "ENTERPRISEPACK", &["SPE_E3", "SPE_E5"]),
    ("included_sku", "POWER_BI_PRO", &["SPE_E5"]),
    (
        "included_sku",
        "EMS",
        &["SPE_F1", "SPE_E3", "SPE_E5", "Microsoft_365_E3_(no_Teams)"],
    ),
    (
        "included_sku",
        "Microsoft_Teams_Enterprise_New",
        &["SPE_E3", "SPE_E5", "ENTERPRISEPACK"],
    ),
];

/// Nobody saves a unit of these.
const WITHOUT_PRICE: [&str; 2] = ["FLOW_FREE", "WINDOWS_STORE"];
/// Assigned to devices.
const OF_DEVICES: &str = "OFFICE_PROPLUS_DEVICE1";

/// Service plans that give nothing by themselves.
const EMPTY: [&str; 4] = [
    "PLACES_CORE",
    "MICROSOFT_SEARCH",
    "INTUNE_O365",
    "EXCHANGE_S_FOUNDATION",
];

/// Names of service plans that exist in several sizes, smallest first.
const SIZES: [&[&str]; 16] = [
    &[
        "WHITEBOARD_FIRSTLINE1",
        "WHITEBOARD_PLAN1",
        "WHITEBOARD_PLAN2",
        "WHITEBOARD_PLAN3",
    ],
    &[
        "BPOS_S_TODO_FIRSTLINE",
        "BPOS_S_TODO_1",
        "BPOS_S_TODO_2",
        "BPOS_S_TODO_3",
    ],
    &[
        "FLOW_O365_S1",
        "FLOW_O365_P1",
        "FLOW_O365_P2",
        "FLOW_O365_P3",
    ],
    &[
        "POWERAPPS_O365_S1",
        "POWERAPPS_O365_P1",
        "POWERAPPS_O365_P2",
        "POWERAPPS_O365_P3",
    ],
    &[
        "POWER_VIRTUAL_AGENTS_O365_F1",
        "POWER_VIRTUAL_AGENTS_O365_P1",
        "POWER_VIRTUAL_AGENTS_O365_P2",
        "POWER_VIRTUAL_AGENTS_O365_P3",
    ],
    &[
        "DYN365_CDS_O365_F1",
        "DYN365_CDS_O365_P1",
        "DYN365_CDS_O365_P2",
        "DYN365_CDS_O365_P3",
    ],
    &["CDS_O365_F1", "CDS_O365_P1", "CDS_O365_P2", "CDS_O365_P3"],
    &[
        "PROJECT_O365_F3",
        "PROJECT_O365_P1",
        "PROJECT_O365_P2",
        "PROJECT_O365_P3",
    ],
    &[
        "FORMS_PLAN_K",
        "FORMS_PLAN_E1",
        "FORMS_PLAN_E3",
        "FORMS_PLAN_E5",
    ],
    &[
        "STREAM_O365_K",
        "STREAM_O365_E1",
        "STREAM_O365_E3",
        "STREAM_O365_E5",
    ],
    &[
        "KAIZALA_O365_P1",
        "KAIZALA_O365_P2",
        "KAIZALA_O365_P3",
        "KAIZALA_STANDALONE",
    ],
    &[
        "EXCHANGE_S_DESKLESS",
        "EXCHANGE_S_STANDARD",
        "EXCHANGE_S_ENTERPRISE",
    ],
    &["MCOIMP", "MCOSTANDARD"],
    &[
        "RMS_S_BASIC",
        "RMS_S_ENTERPRISE",
        "RMS_S_PREMIUM",
        "RMS_S_PREMIUM2",
    ],
    &["AAD_PREMIUM", "AAD_PREMIUM_P2"],
    &[
        "ONEDRIVE_BASIC",
        "ONEDRIVE_BASIC_P2",
        "SHAREPOINTDESKLESS",
        "SHAREPOINTSTANDARD",
        "SHAREPOINTENTERPRISE",
    ],
];

/// Other plans of which one holds the other.
const WITHIN: [(&str, &str); 5] = [
    ("OFFICEMOBILE_SUBSCRIPTION", "OFFICESUBSCRIPTION"),
    ("WIN10_ENT_LOC_F1", "WIN10_PRO_ENT_SUB"),
    ("ADALLOM_S_DISCOVERY", "ADALLOM_S_STANDALONE"),
    ("ATP_ENTERPRISE", "THREAT_INTELLIGENCE"),
    ("MDE_LITE", "WINDEFATP"),
];

/// Whether who has the plan `large` has all of `small`.
fn gives(large: &str, small: &str) -> bool {
    let size = |list: &[&str], plan| list.iter().position(|p| *p == plan);
    large == small
        || WITHIN.contains(&(small, large))
        || SIZES.iter().any(
            |list| matches!((size(list, small), size(list, large)), (Some(s), Some(l)) if s <= l),
        )
}

/// The kinds that findings are expected from.
pub(crate) struct From<'a> {
    pub users: &'a Records,
    pub skus: &'a Records,
    pub subscriptions: &'a Records,
    pub positions: &'a [Value],
}

/// All findings, without names, explanations of rules, and the services that `included_sku` names.
pub(crate) fn findings(from: &From<'_>) -> Vec<Value> {
    let mut products: BTreeMap<(&str, &str), &Value> = BTreeMap::new();
    for sku in from.skus.values() {
        products.insert((text(&sku["tenantId"]), text(&sku["skuId"])), sku);
    }
    let mut out = Vec::new();
    for user in from.users.values() {
        of_user(user, &products, &mut out);
    }
    for position in from.positions {
        let id = (text(&position["tenantId"]), text(&position["skuId"]));
        let Some(sku) = products.get(&id) else {
            continue;
        };
        let part = text(&sku["skuPartNumber"]);
        if WITHOUT_PRICE.contains(&part) || part == OF_DEVICES {
            continue;
        }
        let number = |what: &str| position[what].as_i64().unwrap();
        let used = number("assigned").max(number("consumedUnits"));
        let units = number("provisioned") - trial_units(from.subscriptions, id) - used;
        if units > 0 {
            let sure = number("assigned") == number("consumedUnits");
            let mut finding = finding("unassigned", sku, Value::Null, &[]);
            finding["units"] = units.into();
            finding["confidence"] = if sure { "certain" } else { "probable" }.into();
            finding["evidence"][0] = json!({ "kind": "license_position", "key": id.1 });
            out.push(finding);
        }
    }
    out
}

fn trial_units(subscriptions: &Records, (tenant, sku): (&str, &str)) -> i64 {
    let of_it = |s: &&Value| {
        s["tenantId"] == tenant
            && s["skuId"] == sku
            && s["isTrial"] == true
            && (s["status"] == "Enabled" || s["status"] == "Warning")
    };
    let trials = subscriptions.values().filter(of_it);
    trials.map(|s| s["totalLicenses"].as_i64().unwrap()).sum()
}

fn of_user(user: &Value, products: &BTreeMap<(&str, &str), &Value>, out: &mut Vec<Value>) {
    let product = |sku: &Value| products.get(&(text(&user["tenantId"]), text(sku))).copied();
    let priced = |sku: &Value| {
        let part = |p: &&Value| WITHOUT_PRICE.contains(&text(&p["skuPartNumber"]));
        product(sku).filter(|p| !part(p))
    };
    let id = &user["userId"];
    let held = user["assignedLicenses"].as_array().unwrap();
    for license in held {
        let Some(sku) = priced(&license["skuId"]) else {
            continue;
        };
        if user["accountEnabled"] == false {
            out.push(finding("disabled_account", sku, id.clone(), &[]));
        }
        let mut found = None;
        for rule in ["lower_sku", "included_sku"] {
            let replacing: Vec<&Value> = held
                .iter()
                .filter_map(|other| {
                    let there = product(&other["skuId"])?;
                    let pair = (text(&sku["skuPartNumber"]), text(&there["skuPartNumber"]));
                    let known = REPLACED.iter().any(|(r, low, high)| {
                        *r == rule && *low == pair.0 && high.contains(&pair.1)
                    });
                    let units = |p: &str| there[p].as_i64().unwrap();
                    let lives = units("enabled") + units("warning") > 0;
                    (known && lives && !misses(sku, license, there, other)).then_some(there)
                })
                .collect();
            if !replacing.is_empty() && found.is_none() {
                found = Some(finding(rule, sku, id.clone(), &replacing));
            }
        }
        out.extend(found);
    }
    let ways = user["licenseAssignmentStates"].as_array().unwrap();
    let mut failed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for way in ways.iter().filter(|w| w["state"] == "Error") {
        let reason = way["error"].as_str().unwrap_or("Other");
        failed.entry(text(&way["skuId"])).or_default().push(reason);
    }
    for (sku, mut reasons) in failed {
        let works = |w: &Value| w["state"] == "Active" || w["state"] == "ActiveWithError";
        let delivered = ways.iter().any(|w| w["skuId"] == sku && works(w));
        let Some(sku) = priced(&sku.into()).filter(|_| !delivered) else {
            continue;
        };
        reasons.sort_unstable();
        reasons.dedup();
        let mut finding = finding("in_error", sku, id.clone(), &[]);
        finding["confidence"] = "certain".into();
        finding["reasons"] = reasons.into();
        out.push(finding);
    }
}

/// Whether the user has something by `here` that is switched off wherever `there` would give it.
fn misses(sku: &Value, here: &Value, there: &Value, other: &Value) -> bool {
    let off = |license: &Value, plan: &Value| {
        let off = license["disabledPlans"].as_array().unwrap();
        off.contains(&plan["servicePlanId"])
    };
    let plans = |sku: &'_ Value| -> Vec<Value> {
        let plans = sku["servicePlans"].as_array().unwrap().iter();
        let useful = |p: &&Value| !EMPTY.contains(&text(&p["servicePlanName"]));
        plans.filter(useful).cloned().collect()
    };
    plans(sku).iter().filter(|p| !off(here, p)).any(|plan| {
        let larger: Vec<Value> = plans(there)
            .into_iter()
            .filter(|l| gives(text(&l["servicePlanName"]), text(&plan["servicePlanName"])))
            .collect();
        !larger.is_empty() && larger.iter().all(|l| off(other, l))
    })
}

fn finding(rule: &str, sku: &Value, user: Value, beside: &[&Value]) -> Value {
    let mut ids: Vec<&str> = beside.iter().map(|s| text(&s["skuId"])).collect();
    ids.sort_unstable();
    let mut evidence = vec![json!({ "kind": "user", "key": user })];
    for sku in std::iter::once(text(&sku["skuId"])).chain(ids.iter().copied()) {
        evidence.push(json!({ "kind": "subscribed_sku", "key": sku }));
    }
    json!({
        "tenantId": sku["tenantId"], "rule": rule, "skuId": sku["skuId"], "skuPartNumber": sku["skuPartNumber"],
        "userId": user, "units": 1, "confidence": "probable", "besideSkuIds": ids, "reasons": [],
        "evidence": evidence,
    })
}

/// Takes from a finding what comes from tables of the product's, once it is there.
pub(crate) fn explained(finding: &mut Value) {
    let finding = finding.as_object_mut().unwrap();
    let disproved = finding.remove("disprovedBy").unwrap();
    assert!(!text(&disproved).is_empty());
    if finding["rule"] == "included_sku" {
        let services = finding.insert("reasons".to_owned(), json!([])).unwrap();
        assert!(!services.as_array().unwrap().is_empty());
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
