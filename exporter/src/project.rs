//! Projections: the rows that live inside a record, for sinks that want rows. One function a kind.

use proto::inventory::v1::{LicenseAssignment, LicenseAssignmentState, User};

/// One row per product and way of assignment, sorted by product, path and group.
///
/// A product in `assignedLicenses` is consumed once; every working way to it stands behind that. Where Graph names
/// no working way, one row with the path `unknown` does, so that the rows always show what is consumed.
pub fn license_assignments(user: &User) -> Vec<LicenseAssignment> {
    let assigned = |sku: &str| user.assigned_licenses.iter().any(|l| l.sku_id == sku);
    let works =
        |s: &LicenseAssignmentState| matches!(s.state.as_str(), "Active" | "ActiveWithError");
    let mut rows: Vec<_> = user
        .license_assignment_states
        .iter()
        .map(|state| LicenseAssignment {
            tenant_id: user.tenant_id.clone(),
            user_id: user.user_id.clone(),
            sku_id: state.sku_id.clone(),
            path: if state.assigned_by_group.is_some() {
                "group"
            } else {
                "direct"
            }
            .into(),
            assigned_by_group: state.assigned_by_group.clone(),
            state: Some(state.state.clone()),
            error: state.error.clone(),
            consumes: works(state) && assigned(&state.sku_id),
            disabled_plans: state.disabled_plans.clone(),
            last_updated_date_time: state.last_updated_date_time.clone(),
        })
        .collect();
    for license in &user.assigned_licenses {
        if user
            .license_assignment_states
            .iter()
            .any(|s| s.sku_id == license.sku_id && works(s))
        {
            continue;
        }
        rows.push(LicenseAssignment {
            tenant_id: user.tenant_id.clone(),
            user_id: user.user_id.clone(),
            sku_id: license.sku_id.clone(),
            path: "unknown".into(),
            consumes: true,
            disabled_plans: license.disabled_plans.clone(),
            ..LicenseAssignment::default()
        });
    }
    rows.sort_by(|a, b| {
        (&a.sku_id, &a.path, &a.assigned_by_group, &a.state).cmp(&(
            &b.sku_id,
            &b.path,
            &b.assigned_by_group,
            &b.state,
        ))
    });
    rows
}

#[cfg(test)]
#[path = "project_tests.rs"]
mod tests;
