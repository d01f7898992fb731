//! Service plans: which of them entitle to something, and which give all of another one. Pure.
//!
//! A suite often has a larger plan in place of an add-on's: Forms E3 in place of Forms E1, SharePoint in place of
//! OneDrive. So a plan counts as included where it or a larger one is.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use super::tsv;

/// Microsoft Teams: the service that suites are sold with or without.
pub const TEAMS: &str = "57ff2da0-773e-42df-b2af-ffb7a2317929";

static NOTHING: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    tsv::rows::<2>(tsv::PLANS)
        .filter_map(|[what, plan]| (what == "nothing").then_some(plan))
        .collect()
});

/// The plans right above each.
static ABOVE: LazyLock<HashMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    let mut above: HashMap<_, Vec<_>> = HashMap::new();
    for [what, low, high] in tsv::rows::<3>(tsv::PLANS) {
        if what == "below" {
            above.entry(low).or_default().push(high);
        }
    }
    above
});

/// Whether a user gets something by this plan.
pub fn entitles(plan: &str) -> bool {
    !NOTHING.contains(plan)
}

/// The plan itself and those that give all of it and more.
pub fn giving(plan: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::from([plan]);
    let mut next = vec![plan];
    while let Some(plan) = next.pop() {
        for high in ABOVE.get(plan).into_iter().flatten() {
            if found.insert(high) {
                next.push(high);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_given_by_all_above_it() {
        let (e1, e5) = (
            "159f4cd6-e380-449f-a816-af1a9ef76344", // FORMS_PLAN_E1
            "e212cbc7-0961-4c40-9825-01117710dcb1", // FORMS_PLAN_E5
        );
        assert!(giving(e1).contains(e5));
        assert_eq!(giving(e5), BTreeSet::from([e5]));
        assert!(entitles(e1) && !entitles("113feb6c-3fe4-4440-bddc-54d774bf0318"));
    }

    #[test]
    fn nothing_is_above_itself() {
        for low in ABOVE.keys() {
            let higher = giving(low).into_iter().filter(|p| p != low);
            for high in higher {
                assert!(!giving(high).contains(low), "{low} and {high}");
            }
        }
    }
}
