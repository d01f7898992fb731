//! Commercial subscriptions. Source: Graph resource type companySubscription.

use proto::inventory::v1::Subscription;
use serde::Deserialize;

use super::notes::Notes;
use super::subscribed_skus::STATUSES;
use super::text::{Maybe, count, id, moment, text};

pub(super) struct Source;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow, default)]
    id: Maybe<'a>,
    #[serde(borrow, default)]
    commerce_subscription_id: Maybe<'a>,
    #[serde(borrow, default)]
    sku_id: Maybe<'a>,
    #[serde(borrow, default)]
    sku_part_number: Maybe<'a>,
    #[serde(borrow, default)]
    status: Maybe<'a>,
    #[serde(default)]
    total_licenses: Option<i32>,
    #[serde(default)]
    is_trial: Option<bool>,
    #[serde(borrow, default)]
    created_date_time: Maybe<'a>,
    #[serde(borrow, default)]
    next_lifecycle_date_time: Maybe<'a>,
    #[serde(borrow, default)]
    owner_tenant_id: Maybe<'a>,
}

impl super::Source for Source {
    type Object<'a> = Object<'a>;
    type Record = Subscription;
    const KEY: &'static str = "id";

    fn record(
        tenant: &str,
        o: Object<'_>,
        notes: &Notes<'_>,
    ) -> Result<(String, Subscription), &'static str> {
        let key = id(o.id).ok_or("no id")?;
        let subscription = Subscription {
            tenant_id: tenant.to_owned(),
            id: key.clone(),
            commerce_subscription_id: id(o.commerce_subscription_id),
            sku_id: id(o.sku_id).ok_or("no skuId")?,
            sku_part_number: text(o.sku_part_number),
            status: text(o.status),
            total_licenses: count(o.total_licenses)?,
            is_trial: o.is_trial,
            created_date_time: moment(o.created_date_time)?,
            next_lifecycle_date_time: moment(o.next_lifecycle_date_time)?,
            owner_tenant_id: id(o.owner_tenant_id),
        };
        notes.value("status", subscription.status.as_deref(), &STATUSES);
        Ok((key, subscription))
    }
}
