//! Progress: one changing line on a terminal, plain lines elsewhere, all on standard error.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};

use proto::admin::v1::CollectorStatus;

use crate::output::thousands;

/// Shows what the collector does.
pub struct Progress {
    terminal: bool,
    last: String,
    told: BTreeSet<(String, u64)>,
}

impl Progress {
    /// On standard error.
    pub fn new() -> Self {
        Progress {
            terminal: std::io::stderr().is_terminal(),
            last: String::new(),
            told: BTreeSet::new(),
        }
    }

    /// Shows a state. Away from a terminal only a new run is worth a line.
    pub fn show(&mut self, status: &CollectorStatus) {
        let busy = status
            .datasets
            .iter()
            .filter(|d| d.phase == "reading" || d.phase == "sealed");
        if !self.terminal {
            for d in busy {
                if self.told.insert((d.tenant_id.clone() + &d.dataset, d.run)) {
                    self.line(&format!(
                        "reading {} of tenant {} ({})",
                        d.dataset, d.tenant_id, d.mode
                    ));
                }
            }
            return;
        }
        let line = busy
            .map(|d| {
                format!(
                    "{} {} {}: {} objects on {} pages",
                    d.phase,
                    d.dataset,
                    d.mode,
                    thousands(d.objects),
                    d.pages
                )
            })
            .collect::<Vec<_>>()
            .join("; ");
        self.line(&line);
    }

    /// Shows a text.
    pub fn line(&mut self, line: &str) {
        if line.is_empty() || line == self.last {
            return;
        }
        self.last = line.to_owned();
        let mut err = std::io::stderr().lock();
        // Err: nobody can read it, which is no reason to stop.
        let _ = match self.terminal {
            true => write!(err, "\r\u{1b}[2K{line}").and_then(|()| err.flush()),
            false => writeln!(err, "{line}"),
        };
    }

    /// Clears the line.
    pub fn done(&mut self) {
        if self.terminal && !self.last.is_empty() {
            eprint!("\r\u{1b}[2K");
        }
        self.last.clear();
    }
}
