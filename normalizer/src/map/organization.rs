//! The tenant itself. Source: Graph resource type organization.

use proto::inventory::v1::Organization;
use serde::Deserialize;

use super::notes::Notes;
use super::text::{Maybe, id, moment, text};

pub(super) struct Source;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object<'a> {
    #[serde(borrow, default)]
    id: Maybe<'a>,
    #[serde(borrow, default)]
    display_name: Maybe<'a>,
    #[serde(borrow, default)]
    tenant_type: Maybe<'a>,
    #[serde(borrow, default)]
    country_letter_code: Maybe<'a>,
    #[serde(borrow, default)]
    default_usage_location: Maybe<'a>,
    #[serde(borrow, default)]
    created_date_time: Maybe<'a>,
    #[serde(default)]
    on_premises_sync_enabled: Option<bool>,
    #[serde(borrow, default)]
    verified_domains: Option<Vec<Domain<'a>>>,
}

#[derive(Deserialize)]
struct Domain<'a> {
    #[serde(borrow, default)]
    name: Maybe<'a>,
}

impl super::Source for Source {
    type Object<'a> = Object<'a>;
    type Record = Organization;
    const KEY: &'static str = "id";
    const UNUSED: &'static [&'static str] = &[
        "verifiedDomains.capabilities",
        "verifiedDomains.isDefault",
        "verifiedDomains.isInitial",
        "verifiedDomains.type",
    ];

    fn record(
        tenant: &str,
        o: Object<'_>,
        notes: &Notes<'_>,
    ) -> Result<(String, Organization), &'static str> {
        let key = id(o.id).ok_or("no id")?;
        let domains = o.verified_domains.into_iter().flatten();
        let mut verified_domains: Vec<String> = domains.filter_map(|d| id(d.name)).collect();
        verified_domains.sort_unstable();
        verified_domains.dedup();
        let organization = Organization {
            tenant_id: tenant.to_owned(),
            display_name: text(o.display_name),
            tenant_type: text(o.tenant_type),
            country_letter_code: text(o.country_letter_code),
            default_usage_location: text(o.default_usage_location),
            created_date_time: moment(o.created_date_time)?,
            on_premises_sync_enabled: o.on_premises_sync_enabled,
            verified_domains,
        };
        let kind = organization.tenant_type.as_deref();
        notes.value("tenantType", kind, &["AAD", "AAD B2C", "CIAM"]);
        Ok((key, organization))
    }
}
