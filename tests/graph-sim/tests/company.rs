//! The simulated company has what makes licence management hard, and for each of these the harmless case beside it.
#![allow(missing_docs, clippy::unwrap_used)]

use crate::support;

use std::collections::BTreeMap;

use graph_sim::Config;
use serde_json::Value;
use support::{Client, by_id};

struct Company {
    client: Client,
    users: BTreeMap<String, Value>,
    /// SKU ids by part number.
    skus: BTreeMap<String, Value>,
}

impl Company {
    async fn new() -> Self {
        let roles = [
            "User.Read.All",
            "Organization.Read.All",
            "Group.Read.All",
            "AuditLog.Read.All",
            "MailboxSettings.Read",
        ];
        let client = Client::new(Config {
            users: 6_000,
            seed: 97,
            roles: roles.map(str::to_owned).to_vec(),
            ..Config::default()
        })
        .await;
        let skus = client.get("/subscribedSkus").await.json();
        let skus = skus["value"].as_array().unwrap().iter();
        Self {
            users: client.truth(),
            skus: skus
                .map(|s| (s["skuPartNumber"].as_str().unwrap().to_owned(), s.clone()))
                .collect(),
            client,
        }
    }

    fn sku(&self, part: &str) -> &str {
        self.skus[part]["skuId"].as_str().unwrap()
    }

    fn has(&self, user: &Value, part: &str) -> bool {
        let licences = user["assignedLicenses"].as_array().unwrap();
        licences.iter().any(|l| l["skuId"] == self.sku(part))
    }

    /// Some users are so, and some are not.
    fn both(&self, what: &str, is: impl Fn(&Value) -> bool) {
        let count = self.users.values().filter(|u| is(u)).count();
        assert!(count > 0, "nobody: {what}");
        assert!(count < self.users.len(), "everybody: {what}");
    }
}

fn states(user: &Value) -> &Vec<Value> {
    user["licenseAssignmentStates"].as_array().unwrap()
}

#[tokio::test]
async fn licences_come_in_every_mix() {
    let company = Company::new().await;
    let has = |user: &Value, part: &str| company.has(user, part);
    for (held, and, with) in [
        ("SPE_E3", "SPE_E5", true),
        ("SPE_E3", "Microsoft_Teams_Enterprise_New", true),
        (
            "Microsoft_365_E3_(no_Teams)",
            "Microsoft_Teams_Enterprise_New",
            true,
        ),
        (
            "Microsoft_365_E3_(no_Teams)",
            "Microsoft_Teams_Enterprise_New",
            false,
        ),
        ("SPE_E3", "SPE_E5", false),
        ("ENTERPRISEPACK", "EMS", true),
        ("SPE_F1", "SPE_E3", false),
    ] {
        company.both(&format!("{held} {with} {and}"), |u| {
            has(u, held) && has(u, and) == with
        });
    }
    company.both("unattended", |u| {
        has(u, "Microsoft_365_E3_EEA_(no_Teams)_Unattended_License")
    });
    company.both("a room with its licence", |u| {
        has(u, "Microsoft_Teams_Rooms_Pro")
    });
    company.both("disabled with a licence", |u| {
        u["accountEnabled"] == false && !u["assignedLicenses"].as_array().unwrap().is_empty()
    });
    company.both("disabled without", |u| {
        u["accountEnabled"] == false && u["assignedLicenses"].as_array().unwrap().is_empty()
    });
    company.both("guests with a licence", |u| {
        u["userType"] == "Guest" && !u["assignedLicenses"].as_array().unwrap().is_empty()
    });
    company.both("plans switched off", |u| {
        let licences = u["assignedLicenses"].as_array().unwrap();
        licences
            .iter()
            .any(|l| !l["disabledPlans"].as_array().unwrap().is_empty())
    });
}

#[tokio::test]
async fn paths_lead_directly_through_groups_and_both_ways() {
    let company = Company::new().await;
    let by_group = |s: &Value| s["assignedByGroup"].is_string();
    company.both("direct only", |u| {
        !states(u).is_empty() && !states(u).iter().any(by_group)
    });
    company.both("group only", |u| {
        !states(u).is_empty() && states(u).iter().all(by_group)
    });
    company.both("the same SKU directly and by a group", |u| {
        let twice = |s: &Value| {
            states(u)
                .iter()
                .any(|t| t["skuId"] == s["skuId"] && !by_group(t))
        };
        states(u).iter().any(|s| by_group(s) && twice(s))
    });
    for state in ["Error", "Disabled", "ActiveWithError"] {
        company.both(state, |u| states(u).iter().any(|s| s["state"] == state));
        if state != "ActiveWithError" {
            company.both(&format!("{state} beside an active path"), |u| {
                let active = |s: &Value| {
                    states(u)
                        .iter()
                        .any(|t| t["skuId"] == s["skuId"] && t["state"] == "Active")
                };
                states(u).iter().any(|s| s["state"] == state && active(s))
            });
        }
    }
    let out_of_units = |part: &str| {
        let sku = company.sku(part);
        let short = |s: &&Value| {
            s["skuId"] == sku
                && by_group(s)
                && s["error"] == "CountViolation"
                && s["state"] == "Error"
        };
        company
            .users
            .values()
            .flat_map(states)
            .filter(short)
            .count()
    };
    assert!(
        out_of_units("VISIOCLIENT") > 2 * out_of_units("POWER_BI_PRO"),
        "its group ran out of units"
    );
    let units = |part: &str| {
        let sku = &company.skus[part];
        (
            sku["consumedUnits"].as_i64().unwrap(),
            sku["prepaidUnits"]["enabled"].as_i64().unwrap(),
        )
    };
    let (used, bought) = units("VISIOCLIENT");
    assert!(used >= bought);
    let (used, bought) = units("SPE_E3");
    assert!(used < bought);
}

#[tokio::test]
async fn what_was_bought_is_in_every_state() {
    let company = Company::new().await;
    let any = |is: &dyn Fn(&Value) -> bool| {
        let count = company.skus.values().filter(|s| is(s)).count();
        assert!(count > 0 && count < company.skus.len());
    };
    for units in ["warning", "suspended", "lockedOut"] {
        any(&|s| s["prepaidUnits"][units].as_i64() > Some(0));
    }
    any(&|s| s["appliesTo"] == "Company");
    any(&|s| s["prepaidUnits"]["enabled"].as_i64() >= Some(10_000));
    any(&|s| s["consumedUnits"] == 0);
    any(&|s| s["subscriptionIds"].as_array().unwrap().len() > 1);
    let bought = company.client.get("/directory/subscriptions").await.json();
    let bought = bought["value"].as_array().unwrap();
    assert!(
        bought.iter().any(|s| s["isTrial"] == true) && bought.iter().any(|s| s["isTrial"] == false)
    );
    assert!(bought.iter().any(|s| s["ownerTenantId"].is_string()));
    // Licences of devices are on a group without users.
    let device = company.sku("OFFICE_PROPLUS_DEVICE1");
    let groups = company
        .client
        .pages("/groups?$select=id,assignedLicenses&$top=999")
        .await
        .0;
    let licensed = |g: &&Value| g["assignedLicenses"][0]["skuId"] == device;
    let id = groups.iter().find(licensed).unwrap()["id"]
        .as_str()
        .unwrap();
    let members = company
        .client
        .pages(&format!("/groups/{id}/members/microsoft.graph.user"))
        .await
        .0;
    assert!(
        members.is_empty()
            && !company
                .users
                .values()
                .any(|u| company.has(u, "OFFICE_PROPLUS_DEVICE1"))
    );
}

#[tokio::test]
async fn accounts_are_used_in_every_way() {
    let company = Company::new().await;
    let signs = company
        .client
        .pages("/users?$select=id,signInActivity&$top=500")
        .await
        .0;
    let signs = by_id(signs);
    let last = |u: &Value| {
        let id = u["id"].as_str().unwrap();
        signs[id]["signInActivity"]["lastSignInDateTime"]
            .as_str()
            .unwrap_or("")
            .to_owned()
    };
    let never = |u: &Value| {
        signs[u["id"].as_str().unwrap()]
            .get("signInActivity")
            .is_none()
    };
    let licensed = |u: &Value| !u["assignedLicenses"].as_array().unwrap().is_empty();
    company.both("licensed, never signed in", |u| licensed(u) && never(u));
    company.both("licensed, not for months", |u| {
        licensed(u) && !never(u) && last(u).as_str() < "2026-08"
    });
    company.both("licensed and busy", |u| {
        licensed(u) && last(u).as_str() > "2026-10-25"
    });
    company.both("an old account without a type", |u| u["userType"].is_null());
    company.both("synchronised", |u| u["onPremisesSyncEnabled"] == true);
    company.both("a service without department", |u| {
        u["department"].is_null() && u["userType"] == "Member"
    });
    let mut shared = 0;
    for (id, user) in company
        .users
        .iter()
        .filter(|(_, u)| u["accountEnabled"] == false)
        .take(120)
    {
        let purpose = company
            .client
            .get(&format!("/users/{id}/mailboxSettings/userPurpose"))
            .await;
        shared += usize::from(
            purpose.status == 200
                && purpose.json()["value"] == "shared"
                && user["department"].is_string(),
        );
    }
    assert!(
        shared > 0 && shared < 120,
        "leavers whose mailbox was made a shared one: {shared}"
    );
}
