//! Projections: the rows that live inside a record, for sinks that want rows. One function a kind.

mod fields;

use proto::inventory::v1::{LicenseAssignment, User};

pub(crate) use fields::Assignments;

/// One row per product and way of assignment, sorted by product, path and group.
///
/// A product in `assignedLicenses` is consumed once; every working way to it stands behind that. Where Graph names
/// no working way, one row with the path `unknown` does, so that the rows always show what is consumed.
pub fn license_assignments(user: &User) -> Vec<LicenseAssignment> {
    let assigned = user.assigned_licenses.iter().map(|license| Assigned {
        sku: license.sku_id.as_str(),
        rest: Rest {
            disabled_plans: &license.disabled_plans,
            error: None,
            changed: None,
        },
    });
    let ways = user.license_assignment_states.iter().map(|state| Way {
        sku: state.sku_id.as_str(),
        group: state.assigned_by_group.as_deref(),
        state: state.state.as_str(),
        works: works(state.state.as_bytes()),
        rest: Rest {
            disabled_plans: &state.disabled_plans,
            error: state.error.as_ref(),
            changed: state.last_updated_date_time.as_ref(),
        },
    });
    let (assigned, ways) = (assigned.collect::<Vec<_>>(), ways.collect::<Vec<_>>());
    let row = |row: Row<&str, Rest<'_>>| {
        let Rest {
            disabled_plans,
            error,
            changed,
        } = row.rest;
        LicenseAssignment {
            tenant_id: user.tenant_id.clone(),
            user_id: user.user_id.clone(),
            sku_id: row.sku.into(),
            path: row.path.into(),
            assigned_by_group: row.group.map(Into::into),
            state: row.state.map(Into::into),
            error: error.cloned(),
            consumes: row.consumes,
            disabled_plans: disabled_plans.to_vec(),
            last_updated_date_time: changed.cloned(),
        }
    };
    rows(&assigned, &ways).into_iter().map(row).collect()
}

/// What a row carries along.
#[derive(Clone, Copy)]
struct Rest<'a> {
    disabled_plans: &'a [String],
    error: Option<&'a String>,
    changed: Option<&'a String>,
}

fn works(state: &[u8]) -> bool {
    matches!(state, b"Active" | b"ActiveWithError")
}

/// A product that is consumed, with what its rows carry along. Texts are `K`.
struct Assigned<K, T> {
    sku: K,
    rest: T,
}

/// A way of assignment, with what its row carries along.
struct Way<K, T> {
    sku: K,
    group: Option<K>,
    state: K,
    works: bool,
    rest: T,
}

/// What a row says.
struct Row<K, T> {
    sku: K,
    path: &'static str,
    group: Option<K>,
    state: Option<K>,
    consumes: bool,
    rest: T,
}

fn rows<K: Copy + Ord, T: Copy>(assigned: &[Assigned<K, T>], ways: &[Way<K, T>]) -> Vec<Row<K, T>> {
    let known = ways.iter().map(|way| Row {
        sku: way.sku,
        path: if way.group.is_some() {
            "group"
        } else {
            "direct"
        },
        group: way.group,
        state: Some(way.state),
        consumes: way.works && assigned.iter().any(|a| a.sku == way.sku),
        rest: way.rest,
    });
    let unknown = |license: &&Assigned<K, T>| {
        let mut ways = ways.iter();
        !ways.any(|way| way.works && way.sku == license.sku)
    };
    let unknown = assigned.iter().filter(unknown).map(|license| Row {
        sku: license.sku,
        path: "unknown",
        group: None,
        state: None,
        consumes: true,
        rest: license.rest,
    });
    let mut rows: Vec<_> = known.chain(unknown).collect();
    let order = |row: &Row<K, T>| (row.sku, row.path, row.group, row.state);
    rows.sort_by(|a, b| order(a).cmp(&order(b)));
    rows
}

#[cfg(test)]
#[path = "project/tests.rs"]
mod tests;
