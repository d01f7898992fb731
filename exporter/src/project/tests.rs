use proptest::prelude::*;
use prost::Message as _;
use proto::inventory::v1::{AssignedLicense, LicenseAssignmentState};

use super::*;
use crate::wire::{Fields, Unusual, put};

/// The rows of a user's message, as messages.
fn unread(user: &[u8]) -> Result<Vec<Vec<u8>>, Unusual> {
    let fields = Fields::new(user).all()?;
    let mut rows = Vec::new();
    Assignments::of(&fields)?.each(|fields| {
        let mut row = Vec::new();
        for (number, value) in fields {
            put(*number, *value, &mut row);
        }
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}

fn way(sku: &str, group: Option<&str>, state: &str) -> LicenseAssignmentState {
    LicenseAssignmentState {
        sku_id: sku.into(),
        assigned_by_group: group.map(Into::into),
        state: state.into(),
        ..LicenseAssignmentState::default()
    }
}

fn user(assigned: &[&str], ways: Vec<LicenseAssignmentState>) -> User {
    User {
        tenant_id: "t".into(),
        user_id: "u".into(),
        assigned_licenses: assigned
            .iter()
            .map(|s| AssignedLicense {
                sku_id: (*s).into(),
                disabled_plans: vec!["p".into()],
            })
            .collect(),
        license_assignment_states: ways,
        ..User::default()
    }
}

/// (product, path, state, consumes) of each row.
fn rows(user: &User) -> Vec<(String, String, Option<String>, bool)> {
    license_assignments(user)
        .into_iter()
        .map(|r| (r.sku_id, r.path, r.state, r.consumes))
        .collect()
}

fn row(
    sku: &str,
    path: &str,
    state: Option<&str>,
    consumes: bool,
) -> (String, String, Option<String>, bool) {
    (sku.into(), path.into(), state.map(Into::into), consumes)
}

#[test]
fn both_ways_of_one_product_stand_behind_its_unit() {
    let u = user(
        &["e5"],
        vec![
            way("e5", Some("g"), "Active"),
            way("e5", None, "ActiveWithError"),
        ],
    );
    let expected = [
        row("e5", "direct", Some("ActiveWithError"), true),
        row("e5", "group", Some("Active"), true),
    ];
    assert_eq!(rows(&u), expected);
}

#[test]
fn a_way_in_error_consumes_nothing() {
    let u = user(
        &[],
        vec![way("e5", Some("g"), "Error"), way("e3", None, "Disabled")],
    );
    assert_eq!(
        rows(&u),
        [
            row("e3", "direct", Some("Disabled"), false),
            row("e5", "group", Some("Error"), false)
        ]
    );
}

#[test]
fn a_working_way_to_a_product_that_is_not_assigned_consumes_nothing() {
    assert_eq!(
        rows(&user(&[], vec![way("e5", None, "Active")])),
        [row("e5", "direct", Some("Active"), false)]
    );
}

#[test]
fn an_assigned_product_without_a_working_way_gets_one_unknown_row() {
    let u = user(&["e3", "e5"], vec![way("e5", Some("g"), "Error")]);
    let expected = [
        row("e3", "unknown", None, true),
        row("e5", "group", Some("Error"), false),
        row("e5", "unknown", None, true),
    ];
    assert_eq!(rows(&u), expected);
    assert_eq!(
        license_assignments(&u)[0].disabled_plans,
        ["p"],
        "what is switched off is known all the same"
    );
}

#[test]
fn a_user_without_licences_has_no_rows() {
    assert!(license_assignments(&user(&[], vec![])).is_empty());
}

proptest! {
    #[test]
    fn the_rows_show_exactly_what_is_consumed(
        assigned in prop::collection::btree_set("[a-d]", 0..4),
        ways in prop::collection::vec(("[a-d]", prop::option::of("[gh]"), 0_usize..4), 0..6),
    ) {
        let states = ["Active", "ActiveWithError", "Disabled", "Error"];
        let ways: Vec<_> = ways.iter().map(|(s, g, n)| way(s, g.as_deref(), states[*n])).collect();
        let u = user(&assigned.iter().map(String::as_str).collect::<Vec<_>>(), ways.clone());
        let rows = license_assignments(&u);
        let consumed: std::collections::BTreeSet<_> = rows.iter().filter(|r| r.consumes).map(|r| r.sku_id.clone()).collect();
        prop_assert_eq!(&consumed, &assigned);
        prop_assert_eq!(rows.iter().filter(|r| r.path != "unknown").count(), ways.len());
        prop_assert!(rows.is_sorted_by_key(|r| (r.sku_id.clone(), r.path.clone())));
        let mut turned = u.clone();
        turned.license_assignment_states.reverse();
        turned.assigned_licenses.reverse();
        prop_assert_eq!(rows, license_assignments(&turned), "the order of Graph's answer doesn't matter");
    }
    #[test]
    fn rows_are_the_same_whether_the_user_was_read_or_not(
        assigned in prop::collection::vec(("[a-c]?", prop::collection::vec("[pé]?", 0..3)), 0..4),
        ways in prop::collection::vec(
            (
                "[a-c]?",
                prop::option::of("[gh]?"),
                prop::sample::select(vec!["", "Active", "ActiveWithError", "Error"]),
                prop::option::of("C?"),
                prop::collection::vec("[pq]?", 0..3),
                prop::option::of("2?"),
            ),
            0..5,
        ),
    ) {
        let license = |(sku_id, disabled_plans)| AssignedLicense { sku_id, disabled_plans };
        let way = |(sku_id, assigned_by_group, state, error, disabled_plans, at): (_, _, &str, _, _, _)| {
            LicenseAssignmentState {
                sku_id,
                assigned_by_group,
                state: state.into(),
                error,
                disabled_plans,
                last_updated_date_time: at,
            }
        };
        let user = User {
            tenant_id: "t".into(),
            user_id: "u".into(),
            display_name: Some("someone".into()),
            assigned_licenses: assigned.into_iter().map(license).collect(),
            license_assignment_states: ways.into_iter().map(way).collect(),
            ..User::default()
        };
        let encoded = user.encode_to_vec();
        let rows = unread(&encoded).unwrap();
        let row = |row: &Vec<u8>| LicenseAssignment::decode(row.as_slice()).unwrap();
        let rows: Vec<_> = rows.iter().map(row).collect();
        prop_assert_eq!(rows, license_assignments(&user));
    }

    #[test]
    fn no_message_is_too_damaged(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut user = User { user_id: "u".into(), ..User::default() }.encode_to_vec();
        user.extend(bytes);
        if let (Ok(rows), Ok(user)) = (unread(&user), User::decode(user.as_slice())) {
            prop_assert_eq!(rows.len(), license_assignments(&user).len());
        }
    }
}
