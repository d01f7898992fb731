//! What an app may beyond what it is there for.

use catalog::Declaration;
use chrono::NaiveDate;

use crate::claims::Granted;
use crate::config::Exception;

/// Reads far more than any dataset; accepted by Graph in place of narrower permissions, and never by us.
const NEVER: &str = "Directory.Read.All";

/// What a token may, held against the tenant's enabled datasets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Permissions and directory roles that are refused.
    pub refused: Vec<String>,
    /// Those that an exception tolerates, with its last day.
    pub tolerated: Vec<String>,
    /// The same for who is told before the end: which, and until when.
    pub until: Vec<(String, NaiveDate)>,
    /// Accepted ones without which every dataset is covered as well.
    pub unneeded: Vec<String>,
    /// Datasets that nothing covers, with the permission each one lacks.
    pub missing: Vec<(&'static str, &'static str)>,
}

/// Whether a permission is the least one for a dataset, or an equally narrow alternative.
fn accepts(dataset: &Declaration, role: &str) -> bool {
    role != NEVER && dataset.needs.iter().any(|need| need.met_by(role))
}

/// Whether Graph serves a dataset to a holder of these permissions.
pub(crate) fn covers<'a>(
    roles: impl Iterator<Item = &'a str> + Clone,
    dataset: &Declaration,
) -> bool {
    dataset.covered_by(|wanted| roles.clone().any(|role| role == wanted))
}

/// The fewest narrow permissions that cover datasets.
pub(crate) fn enough(datasets: &[&'static Declaration]) -> Vec<String> {
    let mut open: Vec<_> = datasets.iter().flat_map(|d| d.needs).collect();
    let all = open
        .iter()
        .flat_map(|need| std::iter::once(&need.least).chain(need.or));
    let all: std::collections::BTreeSet<&str> = all.copied().filter(|r| *r != NEVER).collect();
    let mut chosen: Vec<&str> = Vec::new();
    while !open.is_empty() {
        let covered = |role: &str| open.iter().filter(|need| need.met_by(role)).count();
        let Some(best) = all.iter().rev().max_by_key(|role| covered(role)) else {
            break;
        };
        open.retain(|need| !need.met_by(best));
        chosen.push(best);
    }
    chosen.sort_unstable();
    chosen.into_iter().map(str::to_owned).collect()
}

/// Of permissions, those without which the datasets are covered as well, even without all of them together. Alternatives go
/// before least ones.
pub(crate) fn needless(roles: Vec<&str>, datasets: &[&'static Declaration]) -> Vec<String> {
    let mut kept = roles.clone();
    let mut order = roles;
    order.sort_by_key(|role| {
        let needs = datasets.iter().flat_map(|d| d.needs);
        needs.into_iter().any(|need| need.least == *role)
    });
    let mut needless = Vec::new();
    for role in order {
        let others = || kept.iter().copied().filter(|other| *other != role);
        let all = || kept.iter().copied();
        if datasets
            .iter()
            .all(|d| !covers(all(), d) || covers(others(), d))
        {
            kept = others().collect();
            needless.push(role.to_owned());
        }
    }
    needless
}

impl Report {
    /// `now` is in seconds since 1970.
    pub(crate) fn of(
        granted: &Granted,
        datasets: &[&'static Declaration],
        exceptions: &[Exception],
        now: u64,
    ) -> Self {
        let mut report = Report::default();
        let held = |role: &str| exceptions.iter().find(|e| e.role == role && e.holds(now));
        let roles = granted.roles.iter().map(String::as_str);
        let strange = roles
            .clone()
            .filter(|role| !datasets.iter().any(|d| accepts(d, role)));
        let directory = granted.directory_roles();
        for role in strange.chain(directory) {
            match held(role) {
                Some(e) => {
                    let told = format!("{role} until {} ({})", e.until, e.reason);
                    report.tolerated.push(told);
                    report.until.push((role.to_owned(), e.until));
                }
                None => report.refused.push(role.to_owned()),
            }
        }
        let accepted = roles
            .clone()
            .filter(|role| datasets.iter().any(|d| accepts(d, role)));
        report.unneeded = needless(accepted.collect(), datasets);
        let held = |wanted: &str| roles.clone().any(|role| role == wanted);
        let missing = datasets
            .iter()
            .flat_map(|d| d.unmet(held).map(|need| (d.name, need.least)));
        report.missing = missing.collect();
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(roles: &[&str], wids: &[&str], datasets: &[&str], until: &str) -> Report {
        let granted: Granted =
            serde_json::from_value(json!({"roles": roles, "wids": wids})).unwrap();
        let datasets: Vec<_> = datasets.iter().map(|d| catalog::find(d).unwrap()).collect();
        let exceptions = [Exception {
            role: "Directory.Read.All".to_owned(),
            reason: "migration".to_owned(),
            until: until.parse().unwrap(),
        }];
        // 2026-11-24.
        Report::of(&granted, &datasets, &exceptions, 1_795_478_400)
    }

    const ALL: [&str; 4] = ["organization", "subscribedSkus", "subscriptions", "users"];

    #[test]
    fn the_two_default_permissions_are_all_that_is_needed() {
        let report = report(
            &["User.Read.All", "Organization.Read.All"],
            &["0997a1d0-0d1d-4acb-b408-d5ca73121e90"],
            &ALL,
            "2020-01-01",
        );
        assert_eq!(report, Report::default());
    }

    #[test]
    fn what_writes_or_reads_more_and_any_directory_role_is_refused() {
        let admin = "62e90394-69f5-4237-9190-012177145e10";
        for role in [
            "User.ReadWrite.All",
            "Mail.Read",
            "RoleManagement.ReadWrite.Directory",
            "Directory.Read.All",
        ] {
            let report = report(
                &["User.Read.All", "Organization.Read.All", role],
                &[admin],
                &ALL,
                "2020-01-01",
            );
            assert_eq!(report.refused, [role, admin]);
        }
    }

    #[test]
    fn an_exception_tolerates_until_its_last_day() {
        let on = report(&["Directory.Read.All"], &[], &ALL, "2026-11-24");
        assert!(
            on.refused.is_empty() && on.tolerated.len() == 1 && on.missing.is_empty(),
            "{on:?}"
        );
        let after = report(&["Directory.Read.All"], &[], &ALL, "2026-11-23");
        assert_eq!(after.refused, ["Directory.Read.All"]);
    }

    #[test]
    fn the_default_permissions_are_enough() {
        let datasets: Vec<_> = ALL.iter().map(|d| catalog::find(d).unwrap()).collect();
        let mut default = catalog::DEFAULT_PERMISSIONS;
        default.sort_unstable();
        assert_eq!(enough(&datasets), default);
    }

    #[test]
    fn what_another_permission_covers_too_is_unneeded_and_what_none_covers_is_missing() {
        let roles = [
            "User.Read.All",
            "Organization.Read.All",
            "LicenseAssignment.Read.All",
        ];
        assert_eq!(
            report(&roles, &[], &ALL, "2020-01-01").unneeded,
            ["LicenseAssignment.Read.All"]
        );
        let report = report(&["User.Read.All"], &[], &ALL, "2020-01-01");
        assert_eq!(report.missing.len(), 2, "{report:?}");
    }
}
