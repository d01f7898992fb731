//! Numbers of a distribution, each from one draw.

use crate::rng::mix;

/// Evenly from 0 up to 1.
pub(super) fn share(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1_u64 << 53) as f64
}

/// Milliseconds of a log-normal distribution with this median and 99th percentile, never more than ten times the latter.
pub(super) fn latency(p50: f64, p99: f64, draw: u64) -> u64 {
    /// The 99th percentile of the normal distribution.
    const Z99: f64 = 2.326_347_874;
    let sigma = (p99 / p50).ln() / Z99;
    // Box and Muller's transform of two even draws.
    let (one, two) = (1.0 - share(draw), share(mix(draw, 1)));
    let normal = (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * two).cos();
    (p50 * (sigma * normal).exp()).min(10.0 * p99).max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentiles_are_as_asked() {
        let mut drawn: Vec<u64> = (0..20_000)
            .map(|n| latency(80.0, 900.0, mix(7, n)))
            .collect();
        drawn.sort_unstable();
        let (p50, p99) = (drawn[10_000], drawn[19_800]);
        assert!((76..84).contains(&p50), "{p50}");
        assert!((800..1_000).contains(&p99), "{p99}");
    }
}
