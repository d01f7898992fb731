//! The request log: what was asked, so that a test can see what a client really reads.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

/// One request, or one request within a batch.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LogEntry {
    /// Number of the request, ascending from 1.
    pub seq: u64,
    /// Simulated second at which it came.
    pub at: u64,
    /// Position of the tenant, once the token named one.
    pub tenant: Option<usize>,
    /// HTTP method.
    pub method: String,
    /// Path; of a batched request relative to the version root.
    pub path: String,
    /// Decoded query; tokens are replaced by `…`.
    pub query: String,
    /// Status of the answer.
    pub status: u16,
    /// Index of the first user in the answer.
    pub first: Option<u32>,
    /// Number of objects in the answer.
    pub objects: u32,
    /// Bytes of the answer's body before it was compressed.
    pub bytes: u64,
    /// Resource units that it cost, where they are counted.
    pub units: u32,
    /// Whether it came inside a `$batch`.
    pub batched: bool,
    /// Roles of the token, once it was found good.
    pub roles: Arc<[String]>,
}

/// The newest entries, up to a limit.
pub(crate) struct Ring {
    entries: VecDeque<LogEntry>,
    capacity: usize,
}

impl Ring {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            capacity,
        }
    }

    pub(crate) fn push(&mut self, mut entry: LogEntry) {
        if self.capacity == 0 {
            return;
        }
        // Most requests come with the roles of the one before: kept once.
        if let Some(last) = self.entries.back().filter(|l| l.roles == entry.roles) {
            entry.roles = last.roles.clone();
        }
        while self.entries.len() >= self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(crate) fn entries(&self) -> Vec<LogEntry> {
        self.entries.iter().cloned().collect()
    }
}
