//! `cargo xtask dashboards`: dashboards, alerts and the alerts' tests, checked in so that an installation needs no generator.
//!
//! `boards` has the dashboards, one a file, `rules` the alerts, one stage a file; what a series is called stands nowhere else.

mod board;
mod boards;
mod panel;
mod rule;
mod rules;
mod slo;
mod trial;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::workspace;
use rule::Severity;
use trial::Trial;

/// Path below `deploy` to content, of everything that is made here.
type Files = BTreeMap<String, String>;

/// Writes what is not up to date.
pub fn run() -> Result<ExitCode> {
    let deploy = workspace::root().join("deploy");
    let (fresh, mut changed) = (files(), 0);
    for (name, content) in &fresh {
        if up_to_date(&deploy, name, content) {
            continue;
        }
        let path = deploy.join(name);
        let written = fs::create_dir_all(path.parent().unwrap_or(&deploy))
            .and_then(|()| fs::write(&path, content));
        written.with_context(|| format!("write {}", path.display()))?;
        changed += 1;
    }
    for name in left_over(&deploy, &fresh) {
        fs::remove_file(deploy.join(&name)).with_context(|| format!("remove {name}"))?;
        changed += 1;
    }
    println!(
        "{} dashboards and files of rules in deploy, {changed} changed",
        fresh.len()
    );
    Ok(ExitCode::SUCCESS)
}

fn files() -> Files {
    let mut files = Files::new();
    for board in boards::all() {
        let name = format!("grafana/{}.json", board.uid());
        files.insert(name, board.text());
    }
    let alerts = rules::all();
    let (slow, quick): (Vec<_>, Vec<_>) = alerts
        .iter()
        .partition(|alert| alert.trials.iter().any(Trial::is_long));
    let rules = [
        (
            "alerts.yaml",
            rule::head() + &rule::group("leastwise", &alerts),
        ),
        ("budgets.yaml", slo::text()),
        ("tests/alerts.yaml", trial::of("alerts.yaml", quick, "15s")),
        (
            "tests/alerts-slow.yaml",
            trial::of("alerts.yaml", slow, "1m"),
        ),
        ("tests/budgets-pages.yaml", slo::trials(Severity::Page)),
        ("tests/budgets-tickets.yaml", slo::trials(Severity::Ticket)),
    ];
    files.extend(rules.map(|(name, text)| (format!("prometheus/{name}"), text)));
    files
}

fn up_to_date(deploy: &Path, name: &str, content: &str) -> bool {
    fs::read_to_string(deploy.join(name)).is_ok_and(|there| there == content)
}

/// Dashboards that nothing makes any more.
fn left_over(deploy: &Path, fresh: &Files) -> Vec<String> {
    let there = fs::read_dir(deploy.join("grafana")).into_iter().flatten();
    let names = there.flatten().map(|file| file.file_name());
    names
        .map(|name| format!("grafana/{}", name.to_string_lossy()))
        .filter(|name| name.ends_with(".json") && !fresh.contains_key(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked_in_is_what_the_source_says() {
        let (deploy, fresh) = (workspace::root().join("deploy"), files());
        let old = fresh
            .iter()
            .filter(|(name, content)| !up_to_date(&deploy, name, content))
            .map(|(name, _)| name.clone());
        let old: Vec<_> = old.chain(left_over(&deploy, &fresh)).collect();
        assert!(
            old.is_empty(),
            "run `cargo xtask dashboards`; out of date in deploy: {old:?}"
        );
    }
}
