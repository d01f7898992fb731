//! Each rule and its counter-cases, with the service plans that Microsoft lists for the real products.

use proto::inventory::v1::{LicensePosition, ServicePlan, SubscribedSku, Subscription};

use super::*;
use crate::finding::record;
use crate::names::Names;
use crate::position::count::{Held, Way};

const PLANS: &str = include_str!("../../../tests/data/sku-plans.tsv");

/// A product as a tenant has it, by its part number.
fn sku(part_number: &str) -> SubscribedSku {
    let mut found = None::<SubscribedSku>;
    for line in PLANS.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match (fields[0], &mut found) {
            ("sku", Some(_)) => break,
            ("sku", None) if fields[2] == part_number => {
                found = Some(SubscribedSku {
                    sku_id: fields[1].to_owned(),
                    sku_part_number: part_number.to_owned(),
                    applies_to: Some("User".to_owned()),
                    enabled: 100,
                    ..Default::default()
                });
            }
            ("plan", Some(sku)) => sku.service_plans.push(ServicePlan {
                service_plan_id: fields[1].to_owned(),
                service_plan_name: fields[2].to_owned(),
                applies_to: Some("User".to_owned()),
                ..Default::default()
            }),
            _ => {}
        }
    }
    found.unwrap()
}

fn products(skus: &[SubscribedSku]) -> Products {
    let names = Names::built_in();
    let each = skus.iter().map(|s| Product::of(s, &[], &names));
    Products::new(each.collect())
}

fn holder(part_numbers: &[&str]) -> Holder {
    Holder {
        user_id: "u".to_owned(),
        account_enabled: Some(true),
        assigned_licenses: part_numbers
            .iter()
            .map(|p| Held {
                sku_id: sku(p).sku_id,
                disabled_plans: vec![],
            })
            .collect(),
        ..Default::default()
    }
}

fn plan(of: &str, name: &str) -> String {
    let sku = sku(of);
    let mut plans = sku.service_plans.iter();
    let plan = plans.find(|p| p.service_plan_name == name);
    plan.unwrap().service_plan_id.clone()
}

/// What is found: rule, product and what it stands beside.
fn found(user: &Holder, skus: &[SubscribedSku]) -> Vec<String> {
    let products = products(skus);
    let text = |f: Found<'_>| {
        let beside: Vec<&str> = f.beside.iter().map(|p| p.part_number.as_str()).collect();
        let text = format!(
            "{} {} {}",
            f.rule.name(),
            f.product.part_number,
            beside.join(",")
        );
        text.trim().to_owned()
    };
    let mut found: Vec<String> = of_user(user, &products).into_iter().map(text).collect();
    found.sort();
    found
}

/// The same of who holds these and nothing else.
fn pair(part_numbers: &[&str]) -> Vec<String> {
    let skus: Vec<_> = part_numbers.iter().map(|p| sku(p)).collect();
    found(&holder(part_numbers), &skus)
}

#[test]
fn a_licence_on_a_disabled_account() {
    let skus = [sku("SPE_E3"), sku("FLOW_FREE")];
    let mut user = holder(&["SPE_E3", "FLOW_FREE"]);
    assert_eq!(found(&user, &skus), [""; 0]);
    user.account_enabled = Some(false);
    assert_eq!(found(&user, &skus), ["disabled_account SPE_E3"]);
    user.account_enabled = None;
    assert_eq!(found(&user, &skus), [""; 0], "unknown is not disabled");
    user.account_enabled = Some(false);
    assert_eq!(
        found(&user, &[]),
        [""; 0],
        "nothing is known of the product"
    );
}

fn way(part_number: &str, state: &str, group: Option<&str>, error: Option<&str>) -> Way {
    Way {
        sku_id: sku(part_number).sku_id,
        assigned_by_group: group.map(str::to_owned),
        state: state.to_owned(),
        error: error.map(str::to_owned),
    }
}

#[test]
fn a_licence_in_error() {
    let products = products(&[sku("SPE_E3"), sku("FLOW_FREE")]);
    let find = |ways: &[Way]| {
        let mut user = holder(&[]);
        user.license_assignment_states = ways.to_vec();
        let found = of_user(&user, &products);
        let each = found.into_iter();
        each.map(|f| (f.rule, f.confidence, f.reasons))
            .collect::<Vec<_>>()
    };
    let failed = way("SPE_E3", "Error", Some("g"), Some("CountViolation"));
    let twice = [failed.clone(), way("SPE_E3", "Error", None, None)];
    let one = |reasons: &[&str]| {
        let reasons = reasons.iter().map(|r| (*r).to_owned()).collect();
        vec![(Rule::InError, Confidence::Certain, reasons)]
    };
    assert_eq!(
        find(std::slice::from_ref(&failed)),
        one(&["CountViolation"])
    );
    assert_eq!(find(&twice), one(&["CountViolation", "Other"]));
    let delivered = [failed, way("SPE_E3", "ActiveWithError", None, None)];
    assert_eq!(find(&delivered), [], "another way works");
    assert_eq!(find(&[way("SPE_E3", "Disabled", None, None)]), []);
    assert_eq!(find(&[way("FLOW_FREE", "Error", None, None)]), [], "free");
}

#[test]
fn a_lower_product_beside_a_higher_one() {
    for (low, high) in [
        ("SPE_F1", "SPE_E3"),
        ("SPE_F1", "SPE_E5"),
        ("SPE_E3", "SPE_E5"),
        ("STANDARDPACK", "ENTERPRISEPACK"),
        ("STANDARDPACK", "ENTERPRISEPREMIUM"),
        ("ENTERPRISEPACK", "ENTERPRISEPREMIUM"),
        ("EMS", "EMSPREMIUM"),
        ("O365_BUSINESS_ESSENTIALS", "O365_BUSINESS_PREMIUM"),
        ("O365_BUSINESS_ESSENTIALS", "SPB"),
        ("O365_BUSINESS_PREMIUM", "SPB"),
        ("Microsoft_365_E3_(no_Teams)", "SPE_E5"),
        ("Microsoft_365_E3_(no_Teams)", "Microsoft_365_E5_(no_Teams)"),
    ] {
        assert_eq!(pair(&[low, high]), [format!("lower_sku {low} {high}")]);
    }
    let three = pair(&["SPE_F1", "SPE_E3", "SPE_E5"]);
    assert_eq!(three.len(), 2, "one finding a product: {three:?}");
    assert!(three.iter().all(|f| f.starts_with("lower_sku")));
}

#[test]
fn an_add_on_inside_a_suite() {
    for (small, suite) in [
        ("AAD_PREMIUM", "EMS"),
        ("AAD_PREMIUM", "SPE_E5"),
        ("OFFICESUBSCRIPTION", "SPE_E3"),
        ("OFFICESUBSCRIPTION", "ENTERPRISEPACK"),
        ("ENTERPRISEPACK", "SPE_E3"),
        ("ENTERPRISEPACK", "SPE_E5"),
        ("EMS", "SPE_E3"),
        ("EMSPREMIUM", "SPE_E5"),
        ("POWER_BI_PRO", "SPE_E5"),
        ("WIN_DEF_ATP", "SPE_E5"),
        ("EXCHANGESTANDARD", "SPE_E3"),
        ("Microsoft_Teams_Enterprise_New", "SPE_E3"),
        ("Microsoft_365_E3_(no_Teams)", "SPE_E3"),
    ] {
        assert_eq!(
            pair(&[small, suite]),
            [format!("included_sku {small} {suite}")]
        );
    }
}

#[test]
fn legitimate_pairs_are_not_found() {
    for held in [
        // Sold without Teams, with Teams beside.
        &[
            "Microsoft_365_E3_(no_Teams)",
            "Microsoft_Teams_Enterprise_New",
        ][..],
        &["SPE_E3", "Microsoft_365_E5_(no_Teams)"],
        &["SPE_F1", "Microsoft_365_E3_(no_Teams)"],
        // For robots, devices, servers and rooms.
        &["SPE_E3_RPA1", "SPE_E3"],
        &["SPE_E3_RPA1", "SPE_E5"],
        &["OFFICE_PROPLUS_DEVICE1", "SPE_E5"],
        &["MDATP_Server", "SPE_E5"],
        &["MDATP_Server", "WIN_DEF_ATP"],
        &["Microsoft_Teams_Rooms_Pro", "SPE_E5"],
        // Add-ons that the suite lacks.
        &["VISIOCLIENT", "SPE_E5"],
        &["POWER_BI_PRO", "SPE_E3"],
        &["Microsoft_365_Copilot", "SPE_E5"],
        &["EMSPREMIUM", "SPE_E3"],
        &["FLOW_FREE", "SPE_E5"],
    ] {
        assert_eq!(pair(held), [""; 0], "{held:?}");
    }
}

#[test]
fn what_is_switched_off_in_the_higher_one_is_what_the_lower_one_is_for() {
    let skus = [sku("SPE_E3"), sku("SPE_E5")];
    let mut user = holder(&["SPE_E3", "SPE_E5"]);
    let off = |name: &str| vec![plan("SPE_E5", name)];
    user.assigned_licenses[1].disabled_plans = off("EXCHANGE_S_ENTERPRISE");
    assert_eq!(found(&user, &skus), [""; 0]);
    user.assigned_licenses[0].disabled_plans = off("EXCHANGE_S_ENTERPRISE");
    assert_eq!(found(&user, &skus).len(), 1, "it is off on both");
    user.assigned_licenses[0].disabled_plans = vec![];
    user.assigned_licenses[1].disabled_plans = off("BI_AZURE_P2");
    assert_eq!(found(&user, &skus).len(), 1, "the lower one never had it");
    user.assigned_licenses[1].disabled_plans = off("FORMS_PLAN_E5");
    assert_eq!(
        found(&user, &skus),
        [""; 0],
        "the lower one has a smaller plan of the kind"
    );
}

#[test]
fn a_higher_product_that_ends_or_is_a_trial_replaces_nothing() {
    let user = holder(&["SPE_E3", "SPE_E5"]);
    let suspended = SubscribedSku {
        enabled: 0,
        suspended: 100,
        ..sku("SPE_E5")
    };
    assert_eq!(found(&user, &[sku("SPE_E3"), suspended]), [""; 0]);
    let trial = Subscription {
        sku_id: sku("SPE_E5").sku_id,
        status: Some("Enabled".to_owned()),
        is_trial: Some(true),
        total_licenses: 25,
        ..Default::default()
    };
    let names = Names::built_in();
    let of = |part_number, subscriptions: &[Subscription]| {
        Product::of(&sku(part_number), subscriptions, &names)
    };
    let e5 = of("SPE_E5", std::slice::from_ref(&trial));
    let products = Products::new(vec![of("SPE_E3", &[]), e5]);
    assert_eq!(of_user(&user, &products), []);
    let paid = Subscription {
        is_trial: Some(false),
        ..trial.clone()
    };
    let e5 = of("SPE_E5", &[trial, paid]);
    assert_eq!(e5.trial_units, 25);
    let products = Products::new(vec![of("SPE_E3", &[]), e5]);
    assert_eq!(of_user(&user, &products).len(), 1);
}

#[test]
fn units_that_nobody_holds() {
    let names = Names::built_in();
    let units = |part_number: &str, trial_units, provisioned, assigned, consumed_units| {
        let product = Product {
            trial_units,
            ..Product::of(&sku(part_number), &[], &names)
        };
        let position = LicensePosition {
            provisioned,
            assigned,
            consumed_units,
            residual: consumed_units - assigned,
            ..Default::default()
        };
        let found = unassigned::find(&position, &product);
        found.map(|f| (f.units, f.confidence))
    };
    assert_eq!(
        units("SPE_E3", 0, 100, 90, 90),
        Some((10, Confidence::Certain))
    );
    assert_eq!(
        units("SPE_E3", 0, 100, 90, 95),
        Some((5, Confidence::Probable))
    );
    assert_eq!(
        units("SPE_E3", 0, 100, 95, 90),
        Some((5, Confidence::Probable))
    );
    assert_eq!(units("SPE_E3", 0, 100, 100, 100), None);
    assert_eq!(units("SPE_E3", 0, 100, 110, 110), None);
    assert_eq!(
        units("SPE_E3", 25, 100, 90, 90),
        None,
        "what is left is a trial's"
    );
    for free in ["FLOW_FREE", "OFFICE_PROPLUS_DEVICE1", "MDATP_Server"] {
        assert_eq!(units(free, 0, 100, 0, 0), None, "{free}");
    }
    let most = units("SPE_E3", 0, i32::MAX, -5, i32::MIN).unwrap();
    assert_eq!(most.0, i64::from(i32::MAX) + 5, "nothing overflows");
}

#[test]
fn a_record_names_what_it_rests_on() {
    let skus = [sku("EMS"), sku("SPE_E3")];
    let (low, high) = (skus[0].sku_id.clone(), skus[1].sku_id.clone());
    let products = products(&skus);
    let found = of_user(&holder(&["EMS", "SPE_E3"]), &products);
    let (key, finding) = record::record("t", Some("u"), found[0].clone());
    assert_eq!(key, format!("included_sku!{low}!u"));
    assert_eq!(
        (finding.units, finding.confidence.as_str()),
        (1, "probable")
    );
    assert_eq!(finding.beside_sku_ids, std::slice::from_ref(&high));
    assert!(
        finding
            .reasons
            .contains(&"Microsoft Entra ID P1".to_owned()),
        "{:?}",
        finding.reasons
    );
    let evidence: Vec<_> = finding
        .evidence
        .iter()
        .map(|e| (e.kind.as_str(), e.key.as_str()))
        .collect();
    let expected = [
        ("user", "u"),
        ("subscribed_sku", &low),
        ("subscribed_sku", &high),
    ];
    assert_eq!(evidence, expected);
    assert!(crate::map::is_key(&key) && !finding.disproved_by.is_empty());
}
