//! A user's assignments as rows, one for each way, as license_assignment.proto defines them. Pure.

use proto::inventory::v1::{LicenseAssignment, User};

use super::count::works;

/// One row for each way, and one for each consumed product without a working way; sorted by product.
pub fn rows(user: &User) -> Vec<LicenseAssignment> {
    let assigned = |sku: &str| user.assigned_licenses.iter().any(|l| l.sku_id == sku);
    let working = |sku: &str| {
        user.license_assignment_states
            .iter()
            .any(|s| s.sku_id == sku && works(&s.state))
    };
    let row = |sku_id: &String, path: &str| LicenseAssignment {
        tenant_id: user.tenant_id.clone(),
        user_id: user.user_id.clone(),
        sku_id: sku_id.clone(),
        path: path.to_owned(),
        ..Default::default()
    };
    let ways = user
        .license_assignment_states
        .iter()
        .map(|s| LicenseAssignment {
            assigned_by_group: s.assigned_by_group.clone(),
            state: Some(s.state.clone()),
            error: s.error.clone(),
            consumes: assigned(&s.sku_id) && works(&s.state),
            disabled_plans: s.disabled_plans.clone(),
            last_updated_date_time: s.last_updated_date_time.clone(),
            ..row(
                &s.sku_id,
                if s.assigned_by_group.is_some() {
                    "group"
                } else {
                    "direct"
                },
            )
        });
    let unknown = user
        .assigned_licenses
        .iter()
        .filter(|l| !working(&l.sku_id))
        .map(|l| LicenseAssignment {
            consumes: true,
            disabled_plans: l.disabled_plans.clone(),
            ..row(&l.sku_id, "unknown")
        });
    let mut rows: Vec<_> = ways.chain(unknown).collect();
    rows.sort_by(|a, b| a.sku_id.cmp(&b.sku_id));
    rows
}
