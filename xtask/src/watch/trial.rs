//! What promtool tries of each alert: series, and whether it fires.

use std::fmt::Write as _;

use super::rule::{Alert, HEADER, quoted};

/// Series, a moment, and what fires then.
pub struct Trial {
    series: Vec<(&'static str, &'static str)>,
    at: &'static str,
    /// The labels beside name, severity and stage.
    pub fires: Option<&'static str>,
}

/// It fires with these labels.
pub fn fires(
    at: &'static str,
    labels: &'static str,
    series: &[(&'static str, &'static str)],
) -> Trial {
    Trial {
        series: series.to_vec(),
        at,
        fires: Some(labels),
    }
}

/// It doesn't fire.
pub fn quiet(at: &'static str, series: &[(&'static str, &'static str)]) -> Trial {
    Trial {
        series: series.to_vec(),
        at,
        fires: None,
    }
}

impl Trial {
    /// Whether it takes so long that quarters of a minute would be many.
    pub fn is_long(&self) -> bool {
        let minutes = self
            .at
            .strip_suffix('m')
            .and_then(|m| m.parse::<u32>().ok());
        self.at.ends_with('h') || minutes.is_some_and(|minutes| minutes > 15)
    }

    fn write(&self, alert: &Alert, interval: &str, text: &mut String) {
        _ = writeln!(text, "  - interval: {interval}\n    input_series:");
        for (series, values) in &self.series {
            _ = writeln!(
                text,
                "      - series: {}\n        values: {}",
                quoted(series),
                quoted(values)
            );
        }
        let asked = format!(
            "count without (alertstate) (ALERTS{{alertname=\"{}\",severity=\"{}\",alertstate=\"firing\"}})",
            alert.name,
            alert.severity.name()
        );
        _ = writeln!(
            text,
            "    promql_expr_test:\n      - expr: {}\n        eval_time: {}",
            quoted(&asked),
            self.at
        );
        match self.fires {
            None => text.push_str("        exp_samples: []\n"),
            Some(labels) => {
                let comma = if labels.is_empty() { "" } else { "," };
                let all = format!(
                    "{{alertname=\"{}\",severity=\"{}\",stage=\"{}\"{comma}{labels}}}",
                    alert.name,
                    alert.severity.name(),
                    alert.stage
                );
                _ = writeln!(
                    text,
                    "        exp_samples:\n          - labels: {}\n            value: 1",
                    quoted(&all)
                );
            }
        }
    }
}

/// What tries the alerts of a file, with samples that lie so far apart.
pub fn of<'a>(file: &str, alerts: impl IntoIterator<Item = &'a Alert>, step: &str) -> String {
    let mut text =
        format!("{HEADER}rule_files: [../{file}]\nevaluation_interval: {step}\ntests:\n");
    for alert in alerts {
        for trial in &alert.trials {
            trial.write(alert, step, &mut text);
        }
    }
    text
}
