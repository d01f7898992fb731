//! A group as Graph writes it.

use serde_json::{Value, json};

use crate::calendar;
use crate::catalog;
use crate::group::{self, Group, Sort};
use crate::guid::{self, Kind};
use crate::names::{DEPARTMENTS, LOCAL_DOMAIN};
use crate::rng::mix;
use crate::shape::Object;
use crate::tenant::Identity;

const TOPICS: [&str; 16] = [
    "Apollo",
    "Budget",
    "Café Rewards",
    "Digital Workplace",
    "ERP Migration",
    "Facility",
    "GDPR",
    "Helpdesk",
    "Innovation",
    "Jour fixe",
    "Kundenservice",
    "Lean \"5S\"",
    "M&A",
    "Néxt Gen",
    "Onboarding",
    "Plant Hamburg",
];
const NOUNS: [&str; 8] = [
    "Project",
    "Team",
    "Managers",
    "Readers",
    "Community",
    "Steering Committee",
    "Externals",
    "Archive",
];

/// The day's second at which groups do things.
const SECOND: u32 = 33_000;

/// All values of a group.
pub(crate) fn values(who: &Identity, group: &Group, day: u32) -> Object {
    let id = guid::of(who.key, Kind::Group, u64::from(group.number));
    let sort = group.sort;
    let nickname = nickname(group);
    let mail = format!("{nickname}@{}", who.domain);
    let created = date(group.created);
    let mut types = Vec::new();
    if sort.unified() {
        types.push("Unified");
    }
    if sort.dynamic() {
        types.push("DynamicMembership");
    }
    let mut all = json!({
        "id": guid::text(id),
        "createdDateTime": created,
        "description": description(group),
        "displayName": name(group),
        "groupTypes": types,
        "isAssignableToRole": if group.number.is_multiple_of(97) { json!(true) } else { Value::Null },
        "mailEnabled": sort.mail(),
        "mailNickname": nickname,
        "renewedDateTime": created,
        "securityEnabled": sort.security(),
        "securityIdentifier": sid(id),
        "visibility": match sort {
            Sort::Team | Sort::Large => json!("Private"),
            Sort::Unified => json!("Public"),
            _ => Value::Null,
        },
        "assignedLicenses": licences(group),
    });
    let mut set = |name: &str, value: Value| {
        if let Some(object) = all.as_object_mut() {
            object.insert(name.to_owned(), value);
        }
    };
    if sort.mail() {
        set("proxyAddresses", json!([format!("SMTP:{mail}")]));
        set("mail", mail.into());
    }
    if sort == Sort::Team {
        set("resourceProvisioningOptions", json!(["Team"]));
    }
    if sort.unified() {
        // What Graph shows of one group only.
        for name in [
            "allowExternalSenders",
            "autoSubscribeNewMembers",
            "hideFromAddressLists",
            "hideFromOutlookClients",
            "isSubscribedByMail",
        ] {
            set(name, false.into());
        }
        set("unseenCount", 0.into());
        if group.number.is_multiple_of(3) {
            // Where a policy lets groups expire.
            set("expirationDateTime", date(day as i32 + 90).into());
        }
    }
    if let Some(rule) = rule(sort) {
        set("membershipRule", rule.into());
        set("membershipRuleProcessingState", "On".into());
    }
    if sort == Sort::Synced {
        set("onPremisesSyncEnabled", true.into());
        set("onPremisesLastSyncDateTime", date(day as i32).into());
        set("onPremisesDomainName", LOCAL_DOMAIN.into());
        set("onPremisesNetBiosName", "CORP".into());
        set("onPremisesSamAccountName", nickname_of_synced(group).into());
        set("onPremisesSecurityIdentifier", local_sid(who, group).into());
    }
    if group.licence.is_some() {
        let fresh = group.flipped == Some(day);
        let state = if fresh {
            "ProcessingInProgress"
        } else {
            "ProcessingComplete"
        };
        set("licenseProcessingState", json!({ "state": state }));
    }
    match all {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

fn licences(group: &Group) -> Value {
    let off = group::off(group);
    let one = |sku: u8| {
        let plans = &catalog::get(sku).plans;
        let disabled = plans.iter().take(8).enumerate();
        let disabled = disabled.filter(|(bit, _)| off & (1 << bit) != 0);
        json!({
            "disabledPlans": disabled.map(|(_, p)| p.id).collect::<Vec<_>>(),
            "skuId": catalog::get(sku).id,
        })
    };
    group.licence.map(one).into_iter().collect()
}

/// The name, with a mark for each time that it was changed.
pub(crate) fn name(group: &Group) -> String {
    let base = match group.sort {
        Sort::Licensing { sku, pilot } => {
            let what = if pilot { "Pilot" } else { "All" };
            format!("LIC-{}-{what}", catalog::get(sku).part_number)
        }
        Sort::Department(d) => format!("Department {}", DEPARTMENTS[usize::from(d)].name),
        Sort::Everybody => "All Employees".to_owned(),
        Sort::Guests => "All Guests".to_owned(),
        Sort::Company => "Contoso Group".to_owned(),
        Sort::Empty => "Nobody yet".to_owned(),
        Sort::Large => "Company News".to_owned(),
        Sort::Devices => "LIC-Shared-Computers".to_owned(),
        _ => {
            let (topic, noun) = group.words;
            format!(
                "{} {} {}",
                TOPICS[usize::from(topic) % TOPICS.len()],
                NOUNS[usize::from(noun) % NOUNS.len()],
                group.number
            )
        }
    };
    match group.renamed {
        0 => base,
        n => format!("{base} (v{})", u32::from(n) + 1),
    }
}

fn description(group: &Group) -> Value {
    match group.sort {
        Sort::Licensing { .. } => json!("Members get a licence."),
        _ if group.number.is_multiple_of(5) => {
            json!(format!("{}, as agreed.\nAsk IT.", name(group)))
        }
        _ => Value::Null,
    }
}

fn nickname(group: &Group) -> String {
    format!("grp-{}", group.number)
}

fn nickname_of_synced(group: &Group) -> String {
    format!("GG_{}", group.number)
}

fn rule(sort: Sort) -> Option<String> {
    Some(match sort {
        Sort::Department(d) => format!(
            "(user.department -eq \"{}\")",
            DEPARTMENTS[usize::from(d)].name
        ),
        Sort::Everybody => {
            "(user.userType -eq \"Member\") and (user.accountEnabled -eq true)".to_owned()
        }
        Sort::Guests => "(user.userType -eq \"Guest\")".to_owned(),
        _ => return None,
    })
}

/// The cloud's security identifier is made of the object's id.
fn sid(id: u128) -> String {
    let bytes = id.to_be_bytes();
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let word = |n: usize| {
        let byte = |k: usize| u32::from(bytes[order[n * 4 + k]]);
        byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24
    };
    format!("S-1-12-1-{}-{}-{}-{}", word(0), word(1), word(2), word(3))
}

fn local_sid(who: &Identity, group: &Group) -> String {
    let part = |n: u64| mix(who.key, n) as u32;
    format!(
        "S-1-5-21-{}-{}-{}-{}",
        part(1),
        part(2),
        part(3),
        1_100 + group.number
    )
}

fn date(day: i32) -> String {
    let mut out = Vec::with_capacity(20);
    calendar::write(&mut out, day, SECOND);
    String::from_utf8(out).unwrap_or_default()
}
