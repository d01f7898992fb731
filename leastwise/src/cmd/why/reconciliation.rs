//! Why Microsoft counts another number of units than users hold, for people.

use std::fmt::Write as _;

use proto::admin::v1::{CountReading, Reconciliation, ResidualObject, ResidualReason};
use runtime::clock::rfc3339;

use crate::output::{Column, table, thousands};

const REASONS: [Column<ResidualReason>; 5] = [
    Column {
        title: "Reason",
        numeric: false,
        cell: |r| r.reason.clone(),
    },
    Column {
        title: "Units",
        numeric: true,
        cell: |r| thousands(r.units),
    },
    Column {
        title: "At most",
        numeric: true,
        cell: |r| r.at_most.map_or_else(|| "?".to_owned(), thousands),
    },
    Column {
        title: "Objects",
        numeric: true,
        cell: |r| r.objects.map_or_else(|| "?".to_owned(), thousands),
    },
    Column {
        title: "What it is",
        numeric: false,
        cell: |r| what(&r.reason).to_owned(),
    },
];

const OBJECTS: [Column<(String, ResidualObject)>; 5] = [
    Column {
        title: "Reason",
        numeric: false,
        cell: |(reason, _)| reason.clone(),
    },
    Column {
        title: "Kind",
        numeric: false,
        cell: |(_, o)| o.kind.clone(),
    },
    Column {
        title: "Key",
        numeric: false,
        cell: |(_, o)| match o.key.is_empty() {
            true => "(it has no id that can be read)".to_owned(),
            false => o.key.clone(),
        },
    },
    Column {
        title: "Name",
        numeric: false,
        cell: |(_, o)| o.name.chars().take(32).collect(),
    },
    Column {
        title: "Why",
        numeric: false,
        cell: |(_, o)| o.why.clone(),
    },
];

/// What a reason is called for people.
fn what(reason: &str) -> &'static str {
    match reason {
        "suspected" => "users counted here whom Graph may no longer have",
        "set_aside" => "users who could not be read (`leastwise setaside list`)",
        "deleted" => "users deleted within 30 days; Graph doesn't say when it frees a unit",
        "moved" => "users who got or lost it since Microsoft's count before",
        "recounted" => "Microsoft's count moved while users were read",
        "erased" => "people who were erased hold units that no record shows",
        "in_error" => "users to whom it could not be assigned; Microsoft may count them",
        "not_held_by_users" => "devices, servers or the company hold it, which no user shows",
        "outside_population" => "people outside the tenant's population, who are not read",
        _ => "",
    }
}

/// The page's part about it.
pub(super) fn write(out: &mut String, why: &Reconciliation) {
    let n = |n: i32| thousands(n);
    // Writing to a string doesn't fail.
    _ = writeln!(out, "\nWhy Microsoft counts otherwise");
    let counted = |c: &CountReading| format!("{} at {}", n(c.units), rfc3339(c.at));
    if let Some(before) = &why.before {
        _ = writeln!(out, "Microsoft counted {} before", counted(before));
    }
    if why.users_to > 0 {
        let (from, to) = (rfc3339(why.users_from), rfc3339(why.users_to));
        _ = writeln!(out, "Users were read   from {from} to {to}");
    }
    if let Some(newest) = &why.newest {
        _ = writeln!(out, "Microsoft counted {} last", counted(newest));
    }
    if why.incomplete_run > 0 {
        let run = why.incomplete_run;
        _ = writeln!(
            out,
            "The reading of the users has gaps (`leastwise runs show {run}`): how many users it lacks is not known"
        );
    }
    if !why.reasons.is_empty() {
        _ = writeln!(out);
        out.push_str(&table(&why.reasons, &REASONS));
    }
    let left = match u64::from(why.unexplained.unsigned_abs()) > u64::from(why.limit) {
        _ if why.unexplained == 0 => String::new(),
        true => format!(", more than {} may be", thousands(why.limit)),
        false => format!(", and {} may be", thousands(why.limit)),
    };
    let parts = why.reasons.iter().filter(|r| r.units != 0);
    let parts: String = parts
        .map(|r| format!(" - {} {}", n(r.units), r.reason))
        .collect();
    _ = writeln!(
        out,
        "Unexplained {} = {} residual{parts}{left}",
        n(why.unexplained),
        n(why.residual)
    );
    let objects = why.reasons.iter().flat_map(|r| {
        let of_it = r.listed.iter();
        of_it.map(|o| (r.reason.clone(), o.clone()))
    });
    let objects: Vec<_> = objects.collect();
    if !objects.is_empty() {
        _ = writeln!(out);
        out.push_str(&table(&objects, &OBJECTS));
    }
    for reason in &why.reasons {
        let listed = reason.listed.len() as u64;
        let more = reason.objects.unwrap_or(0).saturating_sub(listed);
        if more > 0 && !reason.listed.is_empty() {
            _ = writeln!(out, "… and {} more of {}", thousands(more), reason.reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reasons_and_what_is_left_add_up_in_words() {
        let why = Reconciliation {
            residual: 12,
            unexplained: 7,
            limit: 5,
            before: Some(CountReading {
                at: 1_800_000_000_000_000,
                units: 1_103,
            }),
            newest: Some(CountReading {
                at: 1_800_000_600_000_000,
                units: 1_105,
            }),
            reasons: vec![
                ResidualReason {
                    reason: "set_aside".into(),
                    units: 3,
                    at_most: Some(3),
                    objects: Some(3),
                    listed: vec![ResidualObject {
                        kind: "user".into(),
                        key: "u1".into(),
                        ..Default::default()
                    }],
                },
                ResidualReason {
                    reason: "recounted".into(),
                    units: 2,
                    at_most: Some(2),
                    ..Default::default()
                },
            ],
            ..Reconciliation::default()
        };
        let mut out = String::new();
        write(&mut out, &why);
        for line in [
            "Microsoft counted 1,103 at 2027-01-15T08:00:00Z before",
            "Unexplained 7 = 12 residual - 3 set_aside - 2 recounted, more than 5 may be",
            "… and 2 more of set_aside",
        ] {
            assert!(
                out.lines().any(|l| l == line),
                "{line:?} is missing in\n{out}"
            );
        }
        assert!(out.contains("set_aside  user  u1"), "{out}");
    }

    #[test]
    fn every_reason_has_words() {
        for reason in [
            "suspected",
            "set_aside",
            "deleted",
            "moved",
            "recounted",
            "in_error",
            "not_held_by_users",
            "outside_population",
        ] {
            assert!(!what(reason).is_empty(), "{reason}");
        }
    }
}
