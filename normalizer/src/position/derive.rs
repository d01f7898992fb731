//! A position from its inputs. Pure.

use proto::inventory::v1::{LicensePosition, SubscribedSku};

use super::count::Counts;
use crate::config::Residual;
use crate::finding::kind::Kind;
use crate::names::Names;
use crate::reconcile::keep::allowed;

/// The position of a product: there is one if the tenant has the product or a user consumes it. Nothing of its residual is
/// explained yet.
pub fn position(
    (tenant, sku_id, kind): (&str, &str, Option<Kind>),
    sku: Option<&SubscribedSku>,
    counts: &Counts,
    limit: &Residual,
    names: &Names,
) -> Option<LicensePosition> {
    if sku.is_none() && counts.assigned == 0 {
        return None;
    }
    let nothing = SubscribedSku::default();
    let has = sku.unwrap_or(&nothing);
    let provisioned = i64::from(has.enabled) + i64::from(has.warning);
    let residual = i64::from(has.consumed_units) - counts.assigned;
    Some(LicensePosition {
        tenant_id: tenant.to_owned(),
        sku_id: sku_id.to_owned(),
        sku_part_number: has.sku_part_number.clone(),
        product_name: names
            .product(sku_id)
            .unwrap_or(&has.sku_part_number)
            .to_owned(),
        applies_to: has.applies_to.clone(),
        provisioned: clamp(provisioned),
        enabled: has.enabled,
        warning: has.warning,
        suspended: has.suspended,
        locked_out: has.locked_out,
        assigned: clamp(counts.assigned),
        direct: clamp(counts.direct),
        by_group: clamp(counts.by_group),
        both: clamp(counts.both),
        unknown: clamp(counts.unknown),
        in_error: clamp(counts.in_error),
        disabled: clamp(counts.disabled),
        assigned_blocked: clamp(counts.assigned_blocked),
        assigned_guests: clamp(counts.assigned_guests),
        with_disabled_plans: clamp(counts.with_disabled_plans),
        available: clamp(provisioned - counts.assigned),
        consumed_units: has.consumed_units,
        residual: clamp(residual),
        reconciled: residual.abs() <= allowed(limit, has.consumed_units.into()),
        kind: kind.map(Kind::name).unwrap_or_default().to_owned(),
        unexplained: clamp(residual),
    })
}

fn clamp(n: i64) -> i32 {
    i32::try_from(n).unwrap_or(if n < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_there_is_and_whether_the_countings_agree() {
        let sku = SubscribedSku {
            sku_part_number: "P".into(),
            enabled: 10,
            warning: 2,
            consumed_units: 1_000,
            ..Default::default()
        };
        let make = |assigned| {
            let counts = Counts {
                assigned,
                direct: assigned,
                ..Default::default()
            };
            let names = Names::built_in();
            position(
                ("t", "s", Some(Kind::Paid)),
                Some(&sku),
                &counts,
                &Residual::default(),
                &names,
            )
            .unwrap()
        };
        let p = make(990);
        assert_eq!(
            (p.provisioned, p.available, p.residual, p.reconciled),
            (12, -978, 10, true)
        );
        assert_eq!((p.product_name.as_str(), p.kind.as_str()), ("P", "paid"));
        assert!(!make(989).reconciled);
        assert!(!make(1_011).reconciled);
    }

    #[test]
    fn exists_while_the_product_is_owned_or_consumed() {
        let (limit, names) = (Residual::default(), Names::built_in());
        assert_eq!(
            position(
                ("t", "s", None),
                None,
                &Counts {
                    in_error: 1,
                    ..Default::default()
                },
                &limit,
                &names,
            ),
            None
        );
        let p = position(
            ("t", "s", None),
            None,
            &Counts {
                assigned: 5,
                unknown: 5,
                ..Default::default()
            },
            &limit,
            &names,
        )
        .unwrap();
        assert_eq!((p.provisioned, p.available, p.reconciled), (0, -5, true));
        assert!(
            position(
                ("t", "s", None),
                Some(&SubscribedSku::default()),
                &Counts::default(),
                &limit,
                &names,
            )
            .is_some()
        );
    }
}
