//! An alert, and the file of all of them.

use std::fmt::Write as _;

use super::trial::Trial;

/// Whom an alert is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Somebody gets up.
    Page,
    /// Somebody looks at it in working hours.
    Ticket,
}

impl Severity {
    /// The label.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Page => "page",
            Severity::Ticket => "ticket",
        }
    }
}

/// An alert with what proves it.
pub struct Alert {
    /// Its name, and its page's in `docs/runbook`.
    pub name: &'static str,
    /// Whom it is for.
    pub severity: Severity,
    /// Where the fault is, as far as a series tells it.
    pub stage: &'static str,
    /// When it fires.
    pub expression: String,
    /// For how long that must hold. A fault is seen within two intervals of 15 s; with this one it must not be more than 60 s.
    pub wait: &'static str,
    /// One line that names tenant and stage.
    pub summary: &'static str,
    /// What the value means.
    pub description: &'static str,
    /// The dashboard, with what is chosen on it.
    pub board: &'static str,
    /// Series with which it fires, and such with which it doesn't.
    pub trials: Vec<Trial>,
}

/// What is counted has grown within five minutes. A series that has just come counts from nothing: OpenTelemetry has none
/// before the first event, and `increase` doesn't see that one.
pub fn grew(series: &str, by: &str) -> String {
    format!(
        "sum by ({by}) (increase({series}[5m])) > 0\nor sum by ({by}) ({series} unless {series} offset 5m) > 0"
    )
}

/// What made files begin with.
pub const HEADER: &str =
    "# Made by `cargo xtask dashboards` from xtask/src/watch; changes belong there.\n";

/// What a rule file begins with.
pub fn head() -> String {
    format!(
        "{HEADER}# `external_labels` may say where pages are: `runbooks` (usual: docs/runbook) and `grafana` (usual: none).\n\
         groups:\n"
    )
}

/// A group of alerts.
pub fn group(name: &str, alerts: &[Alert]) -> String {
    format!("  - name: {name}\n    interval: 15s\n    rules:\n") + &rules(alerts)
}

/// Alerts, for a group.
pub fn rules(alerts: &[Alert]) -> String {
    let mut text = String::new();
    for alert in alerts {
        _ = write!(
            text,
            "      - alert: {}\n        expr: |-\n{}        for: {}\n        labels:\n          severity: {}\n          stage: {}\n        annotations:\n",
            alert.name,
            indented(&alert.expression, 10),
            alert.wait,
            alert.severity.name(),
            alert.stage,
        );
        let annotations = [
            ("summary", alert.summary.to_owned()),
            ("description", alert.description.to_owned()),
            (
                "runbook_url",
                format!(
                    "{{{{ with $externalLabels.runbooks }}}}{{{{ . }}}}{{{{ else }}}}docs/runbook{{{{ end }}}}/{}.md",
                    alert.name
                ),
            ),
            (
                "dashboard",
                format!("{{{{ $externalLabels.grafana }}}}/d/{}", alert.board),
            ),
        ];
        for (key, value) in annotations {
            _ = writeln!(text, "          {key}: {}", quoted(&value));
        }
    }
    text
}

/// A text as YAML has it in quotes, which is as JSON has it.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Each line behind so many spaces.
pub fn indented(text: &str, spaces: usize) -> String {
    text.lines()
        .map(|line| format!("{:spaces$}{line}\n", ""))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::{rules, slo};

    #[test]
    fn each_names_stage_and_tenant_and_is_tried_both_ways() {
        for alert in rules::all().into_iter().chain(slo::alerts()) {
            let name = alert.name;
            assert!(
                alert.summary.contains(alert.stage),
                "{name}: the stage is missing"
            );
            let of_a_tenant = alert.expression.contains("tenant");
            assert!(
                !of_a_tenant || alert.summary.contains("tenant"),
                "{name}: the tenant is missing"
            );
            assert!(
                alert.description.contains("$value"),
                "{name}: the value is missing"
            );
            for fires in [true, false] {
                let tried = alert.trials.iter().any(|t| t.fires.is_some() == fires);
                assert!(tried, "{name}: not tried, fires {fires}");
            }
            assert!(
                ["0s", "15s", "30s"].contains(&alert.wait) || alert.severity == Severity::Ticket,
                "{name}: too late"
            );
        }
    }
}
