use proptest::prelude::*;
use proto::inventory::v1::{AssignedLicense, LicenseAssignmentState, User};

use super::*;
use crate::position::paths;

fn user() -> impl Strategy<Value = User> {
    let sku = || "[abc]";
    let states = ["Active", "ActiveWithError", "Disabled", "Error"];
    let way = (sku(), proptest::option::of("[gh]"), 0..4_usize);
    let ways = proptest::collection::btree_set(way, 0..5);
    let held = proptest::collection::btree_set(sku(), 0..3);
    (
        held,
        ways,
        proptest::option::of(any::<bool>()),
        proptest::option::of("Guest|Member"),
    )
        .prop_map(move |(held, ways, account_enabled, user_type)| User {
            user_id: "u".into(),
            account_enabled,
            user_type,
            assigned_licenses: held
                .into_iter()
                .map(|sku_id| AssignedLicense {
                    sku_id,
                    disabled_plans: vec![],
                })
                .collect(),
            license_assignment_states: ways
                .into_iter()
                .map(|(sku_id, assigned_by_group, n)| LicenseAssignmentState {
                    sku_id,
                    assigned_by_group,
                    state: states[n].into(),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        })
}

fn holder(user: &User) -> Holder {
    Holder::decode(&user.encode_to_vec()[..]).unwrap()
}

fn from_scratch<'a>(users: impl Iterator<Item = &'a User>) -> BySku {
    let mut sum = BySku::new();
    users.for_each(|u| add(&mut sum, &holder(u), 1));
    sum.retain(|_, c| *c != Counts::default());
    sum
}

proptest! {
    #[test]
    fn differences_add_up(old in proptest::collection::vec(user(), 0..8), new in proptest::collection::vec(user(), 0..8)) {
        let mut sum = from_scratch(old.iter());
        old.iter().for_each(|u| add(&mut sum, &holder(u), -1));
        new.iter().for_each(|u| add(&mut sum, &holder(u), 1));
        sum.retain(|_, c| *c != Counts::default());
        prop_assert_eq!(sum, from_scratch(new.iter()));
    }

    #[test]
    fn agrees_with_the_rows(user in user()) {
        for (sku, c) in from_scratch(std::iter::once(&user)) {
            prop_assert_eq!(c.direct + c.by_group - c.both + c.unknown, c.assigned);
            let rows: Vec<_> = paths::rows(&user).into_iter().filter(|r| r.sku_id == sku).collect();
            let any = |f: &dyn Fn(&proto::inventory::v1::LicenseAssignment) -> bool| i64::from(rows.iter().any(f));
            prop_assert_eq!(c.assigned, any(&|r| r.consumes));
            prop_assert_eq!(c.direct, any(&|r| r.consumes && r.path == "direct"));
            prop_assert_eq!(c.by_group, any(&|r| r.consumes && r.path == "group"));
            prop_assert_eq!(c.unknown, any(&|r| r.path == "unknown"));
            prop_assert_eq!(c.in_error, any(&|r| r.state.as_deref() == Some("Error")));
            prop_assert_eq!(c.disabled, any(&|r| r.state.as_deref() == Some("Disabled")));
        }
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(user) = Holder::decode(&bytes[..]) {
            add(&mut BySku::new(), &user, 1);
        }
    }
}
