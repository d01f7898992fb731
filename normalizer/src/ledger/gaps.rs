//! Why a run is not complete: counted, and the first reasons kept for whoever looks. Pure.

use proto::admin::v1::RunGap;

/// Reasons that are kept.
const TOLD: usize = 100;

/// The gaps of a run's pages.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    count: u64,
    told: Vec<RunGap>,
}

impl Gaps {
    /// A page that can't be used.
    pub fn page(&mut self, attempt: u64, sequence: u32, reason: String) {
        self.add(
            1,
            RunGap {
                attempt: Some(attempt),
                sequence: Some(sequence),
                reason,
            },
        );
    }

    /// So many gaps for one reason that is no page's own.
    pub fn many(&mut self, n: u64, reason: &str) {
        if n > 0 {
            let reason = format!("{n} pages: {reason}");
            self.add(
                n,
                RunGap {
                    attempt: None,
                    sequence: None,
                    reason,
                },
            );
        }
    }

    /// What is no gap of its own, and yet a reason.
    pub fn tell(&mut self, reason: &str) {
        self.add(
            0,
            RunGap {
                attempt: None,
                sequence: None,
                reason: reason.to_owned(),
            },
        );
    }

    fn add(&mut self, n: u64, gap: RunGap) {
        self.count += n;
        if self.told.len() < TOLD {
            self.told.push(gap);
        }
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The first reasons, then those of the collector.
    pub fn told(self, collectors: &[String]) -> Vec<RunGap> {
        let of_seal = collectors.iter().map(|reason| RunGap {
            attempt: None,
            sequence: None,
            reason: reason.clone(),
        });
        self.told.into_iter().chain(of_seal).take(TOLD).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_told() {
        let mut gaps = Gaps::default();
        gaps.many(0, "nothing");
        for n in 0..300 {
            gaps.page(1, n, "not zstd".into());
        }
        gaps.many(5, "they never came");
        assert_eq!(gaps.count(), 305);
        let told = gaps.told(&["Graph counted more".to_owned()]);
        assert_eq!((told.len(), told[0].sequence), (TOLD, Some(0)));
        let mut few = Gaps::default();
        few.many(2, "they never came");
        let told = few.told(&["Graph counted more".to_owned()]);
        let reasons: Vec<_> = told.iter().map(|g| g.reason.as_str()).collect();
        assert_eq!(reasons, ["2 pages: they never came", "Graph counted more"]);
    }
}
