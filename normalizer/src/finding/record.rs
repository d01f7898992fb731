//! From what a rule found to a record. Pure.

use proto::inventory::v1::{Evidence, Finding};
use proto::kind::RecordKind;

use super::rule::{Confidence, Found, Rule};

/// The key of a finding: rule, product and, where there is one, user.
pub fn key(rule: Rule, sku_id: &str, user_id: Option<&str>) -> String {
    let rule = rule.name();
    match user_id {
        Some(user) => format!("{rule}!{sku_id}!{user}"),
        None => format!("{rule}!{sku_id}"),
    }
}

/// The record of a finding, with its key.
pub fn record(tenant_id: &str, user_id: Option<&str>, found: Found<'_>) -> (String, Finding) {
    let evidence = |kind: RecordKind, key: &str| Evidence {
        kind: kind.name().to_owned(),
        key: key.to_owned(),
    };
    let sku_id = found.product.sku_id.as_str();
    let first = match user_id {
        Some(user) => evidence(RecordKind::User, user),
        None => evidence(RecordKind::LicensePosition, sku_id),
    };
    let products = std::iter::once(&found.product).chain(&found.beside);
    let products = products.map(|p| evidence(RecordKind::SubscribedSku, &p.sku_id));
    let finding = Finding {
        tenant_id: tenant_id.to_owned(),
        rule: found.rule.name().to_owned(),
        sku_id: sku_id.to_owned(),
        sku_part_number: found.product.part_number.clone(),
        product_name: found.product.name.clone(),
        user_id: user_id.map(str::to_owned),
        units: i32::try_from(found.units).unwrap_or(i32::MAX),
        confidence: match found.confidence {
            Confidence::Certain => "certain",
            Confidence::Probable => "probable",
        }
        .to_owned(),
        beside_sku_ids: found.beside.iter().map(|p| p.sku_id.clone()).collect(),
        evidence: std::iter::once(first).chain(products).collect(),
        reasons: found.reasons,
        disproved_by: found.rule.disproved_by().to_owned(),
    };
    (key(found.rule, sku_id, user_id), finding)
}
