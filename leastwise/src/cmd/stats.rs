//! What the demo cost: written to `stats.json` for whoever measures it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

/// The first reading.
#[derive(Serialize)]
pub struct Stats {
    /// Users in the tenant.
    pub users: u32,
    /// From the first request until every sink was up to date, in seconds.
    pub seconds: f64,
    /// CPU seconds by stage: the simulator, each database, and the services' own work.
    pub stages: BTreeMap<String, f64>,
}

impl Stats {
    /// Of this process so far.
    pub fn now(users: u32, seconds: f64) -> Self {
        Stats {
            users,
            seconds,
            stages: stages().unwrap_or_default(),
        }
    }

    /// Writes `DIR/stats.json`. Nobody needs it, so a failure is none of the demo's.
    pub fn store(&self, out: &Path) {
        let text = serde_json::to_string(self).unwrap_or_default();
        let _ = std::fs::write(out.join("stats.json"), text);
    }
}

/// CPU seconds of this process by thread name, as Linux counts them (`proc_pid_stat(5)`, in hundredths).
fn stages() -> std::io::Result<BTreeMap<String, f64>> {
    let mut stages = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        let Some((name, rest)) = stat.split_once('(').and_then(|(_, s)| s.rsplit_once(')')) else {
            continue;
        };
        let ticks: Vec<f64> = rest
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|t| t.parse().ok())
            .collect();
        let stage = match name {
            "simulator" => name.to_owned(),
            database if database.starts_with("db-") => database.replace("db-", "database of "),
            _ => "services".to_owned(),
        };
        *stages.entry(stage).or_insert(0.0) += ticks.iter().sum::<f64>() / 100.0;
    }
    Ok(stages)
}
