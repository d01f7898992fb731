//! How often each fault struck each stage while it had work in flight.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::plan::{FAULTS, Fault, STAGES, Stage};

/// Counts, kept over rounds and over runs of the command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    hits: BTreeMap<(Fault, Stage), u32>,
    /// Rounds that are done.
    pub rounds: u64,
}

impl Tally {
    /// A fault struck a stage at work.
    pub fn hit(&mut self, fault: Fault, stage: Stage) {
        *self.hits.entry((fault, stage)).or_default() += 1;
    }

    /// Counts on.
    pub fn add(&mut self, other: &Tally) {
        for (pair, n) in &other.hits {
            *self.hits.entry(*pair).or_default() += n;
        }
    }

    /// How often it did.
    pub fn hits(&self, fault: Fault, stage: Stage) -> u32 {
        self.hits.get(&(fault, stage)).copied().unwrap_or(0)
    }

    /// What an earlier run with the same seed stored; nothing where there is no file.
    pub fn load(path: &Path, seed: u64) -> Result<Tally> {
        let Ok(text) = std::fs::read_to_string(path) else {
            return Ok(Tally::default());
        };
        let stored: Value = serde_json::from_str(&text).context("the state is damaged")?;
        let mut tally = Tally::default();
        if stored["seed"] != seed {
            return Ok(tally);
        }
        tally.rounds = stored["rounds"].as_u64().unwrap_or(0);
        for fault in FAULTS {
            for stage in STAGES {
                let n = stored["hits"][format!("{fault:?}")][format!("{stage:?}")].as_u64();
                let n = u32::try_from(n.unwrap_or(0)).unwrap_or(0);
                tally.hits.insert((fault, stage), n);
            }
        }
        Ok(tally)
    }

    /// Stores it for a run that goes on.
    pub fn save(&self, path: &Path, seed: u64) -> Result<()> {
        let mut hits = json!({});
        for ((fault, stage), n) in &self.hits {
            hits[format!("{fault:?}")][format!("{stage:?}")] = json!(n);
        }
        let stored = json!({ "seed": seed, "rounds": self.rounds, "hits": hits });
        std::fs::write(path, stored.to_string()).context("store the state")
    }

    /// The table that is printed in the end.
    pub fn table(&self) -> String {
        let mut out = format!("{:<22}", "fault");
        for stage in STAGES {
            _ = write!(out, "{:>12}", stage.service());
        }
        for fault in FAULTS {
            _ = write!(out, "\n{:<22}", fault.to_string());
            for stage in STAGES {
                _ = write!(out, "{:>12}", self.hits(fault, stage));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_is_counted_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let mut tally = Tally {
            rounds: 3,
            ..Tally::default()
        };
        for (n, fault) in FAULTS.into_iter().enumerate() {
            STAGES
                .iter()
                .cycle()
                .take(n)
                .for_each(|s| tally.hit(fault, *s));
        }
        tally.save(&path, 7).unwrap();
        let loaded = Tally::load(&path, 7).unwrap();
        assert_eq!(loaded.table(), tally.table());
        assert_eq!(loaded.rounds, 3);
        assert_eq!(Tally::load(&path, 8).unwrap(), Tally::default());
    }
}
