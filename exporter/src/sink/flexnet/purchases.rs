//! From subscriptions to purchases, for a business adapter. Pure.
//!
//! Columns, types and lengths: FlexNet Manager Suite, "Business Importer: data model", the objects Purchase Order and
//! Purchase Order Line, by whose property names they are called.

use proto::inventory::v1::Subscription;

use super::rows::{Row, Table, cut, day};

/// | column | from |
/// |---|---|
/// | Purchase Order No | `commerceSubscriptionId`, else the subscription's `id` |
/// | Purchase Date | `createdDateTime` |
/// | Purchase Order Line Sequence | 1: a subscription is of one product |
/// | Description | `productName`, and the organization in brackets |
/// | Part No/SKU | `skuPartNumber` |
/// | Purchase Quantity | `totalLicenses` |
/// | Effective Date | `createdDateTime` |
/// | Expiry Date | `nextLifecycleDateTime` |
/// | Comments | `Leastwise`, the tenant, and `status` |
pub(super) const PURCHASE: Table = Table {
    name: "PurchaseOrderLine",
    columns: &[
        ("Purchase Order No", Some(50)),
        ("Purchase Date", None),
        ("Purchase Order Line Sequence", None),
        ("Description", Some(250)),
        // No length is known to us; that of the adapter's part number is taken.
        ("Part No/SKU", Some(100)),
        ("Purchase Quantity", None),
        ("Effective Date", None),
        ("Expiry Date", None),
        ("Comments", None),
    ],
};

/// The row of a subscription; none of what was not bought, or has no date, which a purchase must have.
pub(super) fn purchase(
    subscription: &Subscription,
    product: &str,
    organization: Option<&str>,
) -> Option<Row> {
    if subscription.is_trial == Some(true) {
        return None;
    }
    let bought = day(subscription.created_date_time.as_deref()?);
    let order = subscription.commerce_subscription_id.as_deref();
    let order = order.unwrap_or(&subscription.id);
    let part_number = subscription.sku_part_number.as_deref();
    let name = match (product, part_number) {
        ("", Some(part_number)) => part_number,
        ("", None) => &subscription.sku_id,
        (product, _) => product,
    };
    let name = match organization {
        Some(organization) => format!("{name} ({organization})"),
        None => name.to_owned(),
    };
    let end = subscription.next_lifecycle_date_time.as_deref();
    let status = subscription.status.as_deref().unwrap_or("unknown");
    let tenant = &subscription.tenant_id;
    Some(vec![
        cut(order, &PURCHASE, 0),
        bought.clone(),
        "1".to_owned(),
        cut(&name, &PURCHASE, 3),
        cut(part_number.unwrap_or_default(), &PURCHASE, 4),
        subscription.total_licenses.to_string(),
        bought,
        end.map(day).unwrap_or_default(),
        cut(
            &format!("Leastwise {tenant}, status {status}"),
            &PURCHASE,
            8,
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_a_purchase_unless_it_is_a_trial_or_has_no_date() {
        let bought = Subscription {
            tenant_id: "t".into(),
            id: "s1".into(),
            commerce_subscription_id: Some("c1".into()),
            sku_id: "g".into(),
            sku_part_number: Some("SPE_E5".into()),
            status: Some("Enabled".into()),
            total_licenses: 25,
            created_date_time: Some("2026-02-03T04:05:06Z".into()),
            next_lifecycle_date_time: Some("2027-02-03T00:00:00Z".into()),
            ..Subscription::default()
        };
        let row = purchase(&bought, "Microsoft 365 E5", Some("Contoso")).unwrap();
        assert_eq!(row.len(), PURCHASE.columns.len());
        let expected = [
            "c1",
            "2026-02-03",
            "1",
            "Microsoft 365 E5 (Contoso)",
            "SPE_E5",
            "25",
            "2026-02-03",
            "2027-02-03",
            "Leastwise t, status Enabled",
        ];
        assert_eq!(row, expected);
        let long = purchase(&bought, &"x".repeat(2 << 20), None).unwrap();
        assert_eq!(long[3].len(), 250);
        let nameless = purchase(&bought, "", None).unwrap();
        assert_eq!(nameless[3], "SPE_E5");
        let trial = Subscription {
            is_trial: Some(true),
            ..bought.clone()
        };
        let undated = Subscription {
            created_date_time: None,
            ..bought.clone()
        };
        assert!(
            [trial, undated]
                .iter()
                .all(|s| purchase(s, "", None).is_none())
        );
        let alone = Subscription {
            commerce_subscription_id: None,
            ..bought
        };
        assert_eq!(purchase(&alone, "", None).unwrap()[0], "s1");
    }
}
