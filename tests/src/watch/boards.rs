//! The dashboards' files.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::workspace;

/// What a panel asks.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Dashboard and panel.
    pub place: String,
    /// The expression, or TraceQL.
    pub query: String,
}

/// Everything that the dashboards ask of a sort of data source, `prometheus` or `tempo`.
///
/// # Errors
/// When a file can't be read.
pub fn asked(source: &str) -> Result<Vec<Asked>> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(workspace("deploy/grafana"))? {
        let path = file?.path();
        let board: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
        let panels = board["panels"].as_array().context("no panels")?;
        for panel in panels {
            let targets = panel["targets"].as_array().into_iter().flatten();
            for target in targets.filter(|t| t["datasource"]["type"] == source) {
                let query = target["expr"].as_str().or(target["query"].as_str());
                all.push(Asked {
                    place: format!("{}, {}", board["title"], panel["title"]),
                    query: query.context("a target without a query")?.to_owned(),
                });
            }
        }
        for variable in board["templating"]["list"].as_array().into_iter().flatten() {
            let query = variable["query"]["query"].as_str().unwrap_or_default();
            let values = query
                .strip_prefix("label_values(")
                .filter(|_| source == "prometheus");
            if let Some((series, label)) =
                values.and_then(|v| v.trim_end_matches(')').split_once(", "))
            {
                all.push(Asked {
                    place: format!("{}, the choice of {label}", board["title"]),
                    query: format!("count by ({label}) ({series}{{{label}!=\"\"}})"),
                });
            }
        }
    }
    Ok(all)
}

/// The attributes by which the dashboard of traces finds spans: `span.…`, `resource.…`.
///
/// # Errors
/// When a file can't be read.
pub fn attributes() -> Result<BTreeSet<String>> {
    let part_of_a_name = |c: char| c.is_ascii_alphanumeric() || "._".contains(c);
    let mut found = BTreeSet::new();
    for asked in asked("tempo")? {
        let words = asked.query.split(|c: char| !part_of_a_name(c));
        let named = words.filter(|w| w.starts_with("span.") || w.starts_with("resource."));
        found.extend(named.map(str::to_owned));
    }
    Ok(found)
}
