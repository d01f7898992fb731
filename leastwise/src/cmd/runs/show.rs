//! All that is known of a run, for people: how it was read, why it is not complete, what it holds.

use std::fmt::Write as _;

use proto::admin::v1::{HeldRemoval, RunDetails, RunGap, RunManifest, SetAsideCount};
use runtime::clock::rfc3339;

use crate::output::{Column, printable, table, thousands};

const HELD: [Column<HeldRemoval>; 4] = [
    Column {
        title: "Key",
        numeric: false,
        cell: |h| h.key.clone(),
    },
    Column {
        title: "Name",
        numeric: false,
        cell: |h| h.name.chars().take(48).collect(),
    },
    Column {
        title: "Suspected since",
        numeric: false,
        cell: |h| rfc3339(h.since),
    },
    Column {
        title: "Why",
        numeric: false,
        cell: |h| h.why.clone(),
    },
];

const GAPS: [Column<RunGap>; 2] = [
    Column {
        title: "Page",
        numeric: false,
        cell: |g| match (g.attempt, g.sequence) {
            (Some(attempt), Some(sequence)) => format!("{attempt}/{sequence}"),
            _ => "–".to_owned(),
        },
    },
    Column {
        title: "Why it is missing",
        numeric: false,
        cell: |g| g.reason.clone(),
    },
];

const SET_ASIDE: [Column<SetAsideCount>; 2] = [
    Column {
        title: "Objects",
        numeric: true,
        cell: |s| thousands(s.objects),
    },
    Column {
        title: "Why they could not be read",
        numeric: false,
        cell: |s| s.reason.clone(),
    },
];

/// The page about a run.
pub fn page(details: &RunDetails) -> String {
    let run = details.run.clone().unwrap_or_default();
    let manifest = details.manifest.clone().unwrap_or_default();
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string doesn't fail.
        _ = writeln!(out, "{name:<11}{}", printable(&value));
    };
    line("Run", format!("{} ({})", run.run, run.mode));
    line("Tenant", run.tenant_id.clone());
    line("Dataset", run.dataset.clone());
    line("State", state(run.complete, &manifest));
    line("Started", rfc3339(run.started_at));
    if manifest.sealed_at > 0 {
        let by = manifest.attempt;
        line(
            "Sealed",
            format!("{} by attempt {by}", rfc3339(manifest.sealed_at)),
        );
    }
    line("Closed", rfc3339(run.closed_at));
    if run.closing > 0 {
        line("Closing", run.closing.to_string());
    }
    if manifest.base > 0 {
        line("Builds on", format!("run {}", manifest.base));
    }
    if !manifest.data_as_of.is_empty() {
        line("Data of", manifest.data_as_of.clone());
    }
    line(
        "Pages",
        format!("{}{}", thousands(run.pages), attempts(&manifest)),
    );
    line("Requests", thousands(run.requests));
    let counted = manifest
        .counted
        .map(|n| format!("; Graph counted {}", thousands(n)));
    line(
        "Objects",
        format!(
            "{} fetched = {} applied + {} set aside + {} on later pages again{}",
            thousands(run.fetched),
            thousands(run.applied),
            thousands(run.set_aside),
            thousands(run.discarded),
            counted.unwrap_or_default()
        ),
    );
    line(
        "Records",
        format!(
            "{} new or different, {} removed, {} suspects when it was closed",
            thousands(run.changed),
            thousands(run.removed),
            thousands(run.suspects)
        ),
    );
    if run.gaps > 0 || !manifest.gaps.is_empty() {
        let title = format!("{} gaps", thousands(run.gaps));
        section(&mut out, &title, &manifest.gaps, &GAPS, run.gaps);
    }
    if run.set_aside > 0 {
        let title = format!("{} objects were set aside", thousands(run.set_aside));
        section(&mut out, &title, &details.set_aside, &SET_ASIDE, 0);
    }
    if run.held > 0 {
        let title = format!("{} removals are held", thousands(run.held));
        section(&mut out, &title, &details.held, &HELD, run.held);
        _ = writeln!(
            out,
            "`leastwise runs approve {0}` has each asked for once more, `leastwise runs reject {0}` drops them.",
            run.run
        );
    }
    out
}

fn section<T>(out: &mut String, title: &str, rows: &[T], columns: &[Column<T>], all: u64) {
    _ = writeln!(out, "\n{title}");
    if !rows.is_empty() {
        out.push_str(&table(rows, columns));
    }
    let left = all.saturating_sub(rows.len() as u64);
    if left > 0 && !rows.is_empty() {
        _ = writeln!(out, "and {} more", thousands(left));
    }
}

fn state(complete: bool, manifest: &RunManifest) -> String {
    match (complete, manifest.needs_full, manifest.overtaken) {
        (true, ..) => "complete",
        (_, true, _) => {
            "not applied: the ledger lacks what it builds upon, so everything is read again"
        }
        (_, _, true) => "not applied: a newer run had been",
        _ => "incomplete: what it has was applied, nothing was removed, and it is read again",
    }
    .to_owned()
}

/// Where several attempts read it, how many pages are whose.
fn attempts(manifest: &RunManifest) -> String {
    let of: Vec<String> = manifest
        .pages
        .iter()
        .filter(|p| p.first <= p.last)
        .map(|p| {
            let pages = u64::from(p.last - p.first) + 1;
            format!("{} by attempt {}", thousands(pages), p.attempt)
        })
        .collect();
    match of.len() {
        0 | 1 => String::new(),
        _ => format!(" ({})", of.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::admin::v1::{Run, RunPages};

    #[test]
    fn shows_what_is_missing_and_what_is_held() {
        let pages = |attempt, first, last| RunPages {
            attempt,
            first,
            last,
        };
        let gap = |sequence: Option<u32>, reason: &str| RunGap {
            attempt: sequence.map(|_| 4),
            sequence,
            reason: reason.to_owned(),
        };
        let details = RunDetails {
            run: Some(Run {
                run: 7,
                mode: "full".into(),
                held: 101,
                gaps: 2,
                set_aside: 1,
                ..Run::default()
            }),
            manifest: Some(RunManifest {
                attempt: 5,
                pages: vec![pages(4, 0, 9), pages(5, 0, 0)],
                gaps: vec![gap(Some(3), "not zstd"), gap(None, "Graph counted more")],
                ..RunManifest::default()
            }),
            held: vec![HeldRemoval {
                key: "u1".into(),
                name: "Ann\u{1b}[2J".into(),
                since: 1_700_000_000_000_000,
                why: "Graph answered that it is gone".into(),
            }],
            set_aside: vec![SetAsideCount {
                reason: "not as documented".into(),
                objects: 1,
            }],
        };
        let text = page(&details);
        for part in [
            "incomplete",
            "10 by attempt 4, 1 by attempt 5",
            "4/3",
            "not zstd",
            "Graph counted more",
            "1 objects were set aside",
            "101 removals are held",
            "2023-11-14T22:13:20Z",
            "and 100 more",
            "runs approve 7",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
    }
}
