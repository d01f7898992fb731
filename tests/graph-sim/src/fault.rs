//! Faults on request: the next matching requests fail, or are slow.

use serde::{Deserialize, Serialize};

/// A fault to inject.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Fault {
    /// Status to answer with; none: the request is served (after the delay).
    pub status: Option<u16>,
    /// Requests whose path below the version root starts with this, or whose path ends with it; none: all.
    pub path: Option<String>,
    /// How many requests fail before the fault is over; none: one with a status, without end for a delay.
    pub times: Option<u32>,
    /// Seconds for the `Retry-After` header.
    pub retry_after: Option<u32>,
    /// Milliseconds to wait before the answer.
    pub delay_ms: Option<u64>,
    /// Error code of the answer; none: the usual one of the status.
    pub code: Option<String>,
}

/// The faults that are armed.
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn arm(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// How long this request waits; counts those delays that end.
    pub(crate) fn delay(&mut self, path: &str) -> u64 {
        let mut wait = 0;
        for fault in self.0.iter_mut().filter(|f| f.matches(path)) {
            wait = wait.max(fault.delay_ms.unwrap_or(0));
            if fault.status.is_none() {
                fault.times = fault.times.map(|t| t.saturating_sub(1));
            }
        }
        self.0.retain(|f| f.times != Some(0));
        wait
    }

    /// The failure that this request meets, if any.
    pub(crate) fn failure(&mut self, path: &str) -> Option<Fault> {
        let at = self
            .0
            .iter()
            .position(|f| f.status.is_some() && f.matches(path))?;
        let fault = self.0.get_mut(at)?;
        let left = fault.times.unwrap_or(1).saturating_sub(1);
        fault.times = Some(left);
        let hit = fault.clone();
        if left == 0 {
            self.0.remove(at);
        }
        Some(hit)
    }
}

impl Fault {
    fn matches(&self, path: &str) -> bool {
        concerns(self.path.as_deref(), path)
    }
}

/// Whether a path below the version root starts with this, or ends with it; none concerns all.
pub(crate) fn concerns(wanted: Option<&str>, path: &str) -> bool {
    let relative = path.strip_prefix("/v1.0").unwrap_or(path);
    wanted.is_none_or(|p| relative.starts_with(p) || path.ends_with(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_over_after_its_times() {
        let mut faults = Faults::default();
        let fault = Fault {
            status: Some(503),
            path: Some("/users".into()),
            times: Some(2),
            ..Fault::default()
        };
        faults.arm(fault);
        assert!(faults.failure("/v1.0/organization").is_none());
        assert!(faults.failure("/v1.0/users/delta").is_some());
        assert!(faults.failure("/users").is_some());
        assert!(faults.failure("/users").is_none());
        faults.arm(Fault {
            delay_ms: Some(7),
            ..Fault::default()
        });
        assert_eq!((faults.delay("/x"), faults.delay("/y")), (7, 7));
        faults.clear();
        assert_eq!(faults.delay("/x"), 0);
    }
}
