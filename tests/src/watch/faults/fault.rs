//! A fault, and how it was seen.

use std::fmt;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::causes::World;
use crate::watch::Watched;

/// What is done to an installation.
pub type Deed = Box<dyn Fn(&Watched, &World) -> Result<()>>;

/// A fault.
pub struct Fault {
    /// In figures.
    pub name: &'static str,
    /// The alert that must fire.
    pub alert: &'static str,
    /// The labels that it must have, the stage among them.
    pub labels: Vec<(&'static str, String)>,
    /// Whether its summary must name a tenant.
    pub of_a_tenant: bool,
    /// The service whose page shows the fault first.
    pub service: &'static str,
    /// What stands in the line that shows it.
    pub shows: Vec<String>,
    /// The value in that line: above, or not above.
    pub above: (f64, bool),
    /// Makes it happen.
    pub inject: Deed,
    /// What the runbook says.
    pub repair: Deed,
}

impl Fault {
    /// Whether the process' own page shows it: its first visible effect.
    pub fn is_shown(&self, watched: &Watched) -> bool {
        let page = watched
            .it
            .of(self.service)
            .get("/metrics")
            .unwrap_or_default();
        page.lines().any(|line| {
            let value = line.rsplit(' ').next().and_then(|v| v.parse::<f64>().ok());
            self.shows.iter().all(|part| line.contains(part.as_str()))
                && value.is_some_and(|value| (value > self.above.0) == self.above.1)
        })
    }

    /// Its alert, if it fires.
    pub fn alert(&self, watched: &Watched) -> Result<Option<Value>> {
        let labels: Vec<_> = self.labels.iter().map(|(k, v)| (*k, v.as_str())).collect();
        watched.firing(self.alert, &labels)
    }

    /// Whether the alert names stage and tenant.
    pub fn is_named(&self, alert: &Value) -> Result<()> {
        let summary = alert["annotations"]["summary"].as_str().unwrap_or_default();
        let stage = alert["labels"]["stage"].as_str().unwrap_or_default();
        ensure!(
            summary.starts_with(&format!("{stage}: ")),
            "no stage: {alert}"
        );
        // A GUID, whether it is a label or one of those that a sink lacks.
        let named = summary
            .split(|c: char| !c.is_ascii_hexdigit() && c != '-')
            .any(|word| word.len() == 36);
        ensure!(!self.of_a_tenant || named, "no tenant: {alert}");
        Ok(())
    }
}

/// How a fault was seen.
pub struct Seen {
    /// The fault.
    pub name: &'static str,
    /// The alert.
    pub alert: &'static str,
    /// What somebody reads who is woken.
    pub summary: String,
    /// Seconds from its first visible effect to the alert.
    pub alerted: f64,
    /// Seconds from its repair to the end of the alert.
    pub over: f64,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<16} {} after {:.0} s, over {:.0} s after its repair: {}",
            self.name, self.alert, self.alerted, self.over, self.summary
        )
    }
}
