//! The guard of sinks that are replaced as a whole: what would lose most of its records stays as it is until somebody
//! has looked. Pure.
//!
//! The ledger has a guard of its own, on removals. This one is for what that can't see: a ledger that was restored
//! from an old copy, the wrong database, a tenant that was set up anew.

use proto::ids::TenantId;
use serde::{Deserialize, Serialize};

use super::End;
use crate::error::Error;
use crate::record::LICENSE_ASSIGNMENT;

/// Kinds that follow from others, which are looked at. They may change as a whole for good reasons: findings that
/// somebody saw to.
const DERIVED: [&str; 3] = ["license_position", "finding", LICENSE_ASSIGNMENT];

/// When a state that is much smaller than the one before is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// A kind may lose this share of its records, in percent; 100 lets everything go.
    pub percent: u8,
    /// Fewer records than this may always go.
    pub minimum: u64,
}

impl Default for Guard {
    fn default() -> Self {
        Guard {
            percent: 50,
            minimum: 10,
        }
    }
}

impl Guard {
    /// Checks the numbers in it; `sink` is the sink's name.
    ///
    /// # Errors
    /// `LW-6001`.
    pub fn check(&self, sink: &str) -> Result<(), Error> {
        if self.percent <= 100 {
            return Ok(());
        }
        let why = "`guard.percent` is a share, from 0 to 100";
        Err(Error::settings(sink, why))
    }

    /// Whether a kind may go from so many records to so many.
    pub fn lets(&self, shown: u64, new: u64) -> bool {
        let lost = shown.saturating_sub(new);
        lost < self.minimum
            || u128::from(lost) * 100 <= u128::from(shown) * u128::from(self.percent)
    }

    /// Compares what a sink shows of a tenant with what would take its place: kind, records, new records.
    ///
    /// # Errors
    /// `LW-6030`, unless somebody approved it or the tenant was removed.
    pub fn hold<'a>(
        &self,
        tenant: TenantId,
        kinds: impl IntoIterator<Item = (&'a str, u64, u64)>,
        end: &End,
        approved: bool,
    ) -> Result<(), Error> {
        if approved || removed(end) {
            return Ok(());
        }
        for (kind, shown, new) in kinds {
            if !DERIVED.contains(&kind) && !self.lets(shown, new) {
                return Err(Error::Shrunk {
                    tenant,
                    kind: kind.to_owned(),
                    shown,
                    new,
                });
            }
        }
        Ok(())
    }
}

/// A tenant that was removed ends with runs that have no page at all; any other run has one.
fn removed(end: &End) -> bool {
    !end.datasets.is_empty() && end.datasets.iter().all(|d| d.complete && d.pages == 0)
}

#[cfg(test)]
mod tests {
    use proto::feed::v1::DatasetState;
    use proto::ids::Closing;

    use super::*;

    #[test]
    fn half_may_go_and_a_few_always() {
        let guard = Guard::default();
        assert!(guard.lets(100, 50) && !guard.lets(100, 49));
        assert!(guard.lets(9, 0) && !guard.lets(10, 0));
        assert!(guard.lets(5, 500) && guard.lets(u64::MAX, u64::MAX));
        let open = Guard {
            percent: 100,
            ..guard
        };
        assert!(open.lets(u64::MAX, 0));
        assert!(open.check("s").is_ok());
        let wrong = Guard {
            percent: 101,
            ..guard
        };
        assert!(wrong.check("s").is_err());
    }

    #[test]
    fn a_tenant_that_was_removed_goes_whatever_it_had() {
        let tenant = "aaaaaaaa-0000-0000-0000-000000000001".parse().unwrap();
        let end = |pages| End {
            as_of: Closing(3),
            complete: true,
            datasets: vec![DatasetState {
                complete: true,
                pages,
                ..DatasetState::default()
            }],
        };
        let hold = |pages, approved| {
            Guard::default().hold(tenant, [("user", 400, 0)], &end(pages), approved)
        };
        let refused = runtime::Problem::from(hold(1, false).unwrap_err());
        assert_eq!(refused.code, "LW-6030");
        assert!(
            refused.what.contains("400") && refused.what.contains("user"),
            "{refused}"
        );
        assert!(hold(0, false).is_ok() && hold(1, true).is_ok());
        let findings = [("finding", 400, 0)];
        let guard = Guard::default();
        assert!(guard.hold(tenant, findings, &end(1), false).is_ok());
    }
}
