//! Typed ids: parsed once at the edge, so that no bare `String` or number wanders through the services.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::rules;

/// An id that could not be parsed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{given}` is not a {what}: expected {expected}")]
pub struct IdError {
    what: &'static str,
    given: String,
    expected: &'static str,
}

/// Directory (tenant) id in Entra ID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(Uuid);

impl FromStr for TenantId {
    type Err = IdError;
    fn from_str(s: &str) -> Result<Self, IdError> {
        Uuid::parse_str(s).map(TenantId).map_err(|_| IdError {
            what: "tenant id",
            given: s.into(),
            expected: "the directory (tenant) id, a GUID such as 11111111-2222-3333-4444-555555555555",
        })
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $expected:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as it is written in messages and configuration.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = IdError;
            fn from_str(s: &str) -> Result<Self, IdError> {
                let ok: fn(&str) -> bool = $ok;
                if ok(s) {
                    Ok($type(s.into()))
                } else {
                    Err(IdError { what: $what, given: s.into(), expected: $expected })
                }
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Name of a dataset, as the catalog spells it: `users`, `subscribedSkus`, …
    Dataset,
    "dataset name",
    "1 to 64 letters or digits, starting with a letter, for example users",
    |s| (1..=64).contains(&s.len())
        && s.starts_with(|c: char| c.is_ascii_alphabetic())
        && s.chars().all(|c| c.is_ascii_alphanumeric())
);

name!(
    /// Name of a pool: the collectors that work for a set of tenants, and the boundary of trust.
    Pool,
    "pool name",
    "1 to 32 lower-case letters, digits or dashes, for example default",
    |s| (1..=32).contains(&s.len())
        && s.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
);

macro_rules! number {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub u64);

        impl $type {
            /// The number after `self`: never one that was given before, even by a database that was restored
            /// since, because the clock has moved on.
            #[must_use]
            pub fn next(self, now: Timestamp) -> Self {
                let now = if rules::on(rules::Rule::NumbersWithClock) { now.0 } else { 0 };
                $type((self.0 + 1).max(now))
            }

            /// As SQLite and PostgreSQL store it.
            pub fn to_db(self) -> i64 {
                i64::try_from(self.0).unwrap_or(i64::MAX)
            }

            /// From a stored number.
            pub fn from_db(n: i64) -> Self {
                $type(u64::try_from(n).unwrap_or(0))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number!(
    /// One reading of one dataset of one tenant.
    RunId
);
number!(
    /// One process's turn at a run: the fencing number of its lease on the tenant.
    Attempt
);
number!(
    /// One step of a tenant's ledger.
    Closing
);

/// Microseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This moment and `d` more.
    #[must_use]
    pub fn plus(self, d: std::time::Duration) -> Self {
        Timestamp(
            self.0
                .saturating_add(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)),
        )
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> std::time::Duration {
        std::time::Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}µs", self.0)
    }
}

/// A page: (run, attempt, sequence).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PageId {
    /// The run that the page belongs to.
    pub run: RunId,
    /// The attempt that read it.
    pub attempt: Attempt,
    /// Its number within the attempt, from 0.
    pub sequence: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_never_come_back() {
        assert_eq!(RunId(7).next(Timestamp(3)), RunId(8));
        assert_eq!(RunId(7).next(Timestamp(100)), RunId(100));
    }

    #[test]
    fn ids_say_what_they_expect() {
        let e = "contoso".parse::<TenantId>().unwrap_err().to_string();
        assert!(e.contains("`contoso` is not a tenant id"), "{e}");
        assert!("".parse::<Pool>().is_err());
        assert!("Upper".parse::<Pool>().is_err());
        assert!("users".parse::<Dataset>().is_ok());
        assert!("us/ers".parse::<Dataset>().is_err());
    }
}
