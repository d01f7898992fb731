//! Sums over all requests, however many the log has forgotten.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::guid;
use crate::log::LogEntry;

/// Paths that are told apart; the rest is one.
const MOST_PATHS: usize = 1_000;
const REST: &str = "others";

/// What was asked so far.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Summary {
    /// Requests, those inside a batch counted each.
    pub requests: u64,
    /// By path, with ids as `{id}`; parts of a batch without the version.
    pub paths: BTreeMap<String, PathSums>,
    /// Requests to Graph that would have changed something: neither GET nor `$batch`. `method path`, and how many.
    pub write_attempts: BTreeMap<String, u64>,
    /// The paths that were asked for with each set of roles.
    pub roles: BTreeMap<String, BTreeMap<String, u64>>,
    /// HTTP requests that are being answered.
    pub in_flight: u64,
    /// The most that were at once.
    pub peak_in_flight: u64,
}

/// Sums of one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PathSums {
    /// Requests.
    pub requests: u64,
    /// Those of them that came inside a batch.
    pub batched: u64,
    /// Answers with 200: pages, where the path is a list.
    pub pages: u64,
    /// Objects in them.
    pub objects: u64,
    /// Bytes of their bodies before they were compressed; a batch's are those of its parts and what is around them.
    pub bytes: u64,
    /// Resource units that they cost, where these are counted.
    pub units: u64,
    /// Answers with 429.
    pub throttled: u64,
    /// Other answers of 400 and more.
    pub failed: u64,
}

impl Summary {
    pub(crate) fn add(&mut self, entry: &LogEntry) {
        let path = self.name(&entry.path);
        self.requests += 1;
        let sums = self.paths.entry(path.clone()).or_default();
        sums.requests += 1;
        sums.batched += u64::from(entry.batched);
        sums.pages += u64::from(entry.status == 200);
        // A batch counts no objects of its own: its parts did.
        if !entry.path.ends_with("/$batch") {
            sums.objects += u64::from(entry.objects);
        }
        sums.units += u64::from(entry.units);
        // What is in a batch travels once, as part of the whole.
        if !entry.batched {
            sums.bytes += entry.bytes;
        }
        sums.throttled += u64::from(entry.status == 429);
        sums.failed += u64::from(entry.status >= 400 && entry.status != 429);
        let reads = entry.method == "GET" || path.ends_with("/$batch");
        if !reads && !path.contains("/oauth2/") {
            let what = format!("{} {path}", entry.method);
            *self.write_attempts.entry(what).or_default() += 1;
        }
        if entry.tenant.is_some() && !path.contains("/oauth2/") {
            let paths = self.roles.entry(entry.roles.join(" ")).or_default();
            *paths.entry(path).or_default() += 1;
        }
    }

    /// The path with ids left out; none too many are told apart.
    fn name(&self, path: &str) -> String {
        let segments = path.split('/').map(|segment| {
            let plain = segment.split('(').next().unwrap_or(segment);
            if guid::parse(plain).is_some() || plain.contains('@') {
                "{id}"
            } else {
                plain
            }
        });
        let name = segments.collect::<Vec<_>>().join("/");
        let known = self.paths.contains_key(&name) || self.paths.len() < MOST_PATHS;
        if known { name } else { REST.to_owned() }
    }

    pub(crate) fn enter(&mut self) {
        self.in_flight += 1;
        self.peak_in_flight = self.peak_in_flight.max(self.in_flight);
    }

    pub(crate) fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Starts anew; what is being answered still is.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            in_flight: self.in_flight,
            peak_in_flight: self.in_flight,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_left_out_and_paths_are_bounded() {
        let mut summary = Summary::default();
        assert_eq!(
            summary.name("/users/87d349ed-44d7-43e1-9a83-5f2406dee5bd/licenseDetails"),
            "/users/{id}/licenseDetails"
        );
        assert_eq!(summary.name("/users/a@b.c"), "/users/{id}");
        assert_eq!(summary.name("/reports/getX(period='D7')"), "/reports/getX");
        for n in 0..MOST_PATHS {
            summary.paths.insert(n.to_string(), PathSums::default());
        }
        assert_eq!(
            (summary.name("7"), summary.name("new")),
            ("7".into(), REST.into())
        );
    }
}
