//! The dashboards, one a file. No expression has a value for what does not exist: one that is misspelt shows nothing, and a
//! test finds it.

mod dependencies;
mod golden;
mod overview;
mod sinks;
mod stage;
mod tenant;
mod throttling;
mod tokens;
mod traces;

use super::board::Board;

/// All of them.
pub fn all() -> Vec<Board> {
    vec![
        overview::board(),
        tenant::board(),
        stage::board(),
        tokens::board(),
        throttling::board(),
        sinks::board(),
        dependencies::board(),
        traces::board(),
    ]
}

/// A percentile of a histogram, for each value of some labels.
fn percentile(q: f64, histogram: &str, matching: &str, by: &str) -> String {
    let by = if by.is_empty() {
        "le".to_owned()
    } else {
        format!("le, {by}")
    };
    format!(
        "histogram_quantile({q}, sum by ({by}) (rate({histogram}_bucket{{{matching}}}[$__rate_interval])))"
    )
}

/// How often a second something is counted, for each value of some labels.
fn rate(counter: &str, matching: &str, by: &str) -> String {
    format!("sum by ({by}) (rate({counter}{{{matching}}}[$__rate_interval]))")
}

/// The share of what is counted that does not match; it has a value whenever something is counted.
fn share_without(counter: &str, good: &str) -> String {
    format!(
        "1 - sum(rate({counter}{{{good}}}[$__rate_interval])) / sum(rate({counter}[$__rate_interval]))"
    )
}
