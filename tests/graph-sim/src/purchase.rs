//! What a tenant has bought: plausible against what it uses, and never quite right.

use crate::catalog::sku::{
    APPS_DEVICE, COPILOT, EMS, FLOW_FREE, M365_E3, M365_F3, OFFICE_E3, PROJECT, STORE, VISIO,
};
use crate::rng::mix;

/// One subscription.
pub(crate) struct Purchase {
    pub(crate) sku: u8,
    /// Unique within the tenant.
    pub(crate) number: u64,
    pub(crate) units: i64,
    pub(crate) status: &'static str,
    pub(crate) trial: bool,
    /// Days relative to day 0.
    pub(crate) created: i32,
    pub(crate) next: i32,
}

/// The subscriptions of a SKU of which `used` units were in use on day 0.
pub(crate) fn of(key: u64, sku: u8, used: i64) -> Vec<Purchase> {
    let parts: Vec<(i64, &str, bool)> = match sku {
        // Bought twice, at two times.
        M365_E3 => {
            let all = up(used * 108 / 100, 25);
            vec![
                (all * 7 / 10, "Enabled", false),
                (all - all * 7 / 10, "Enabled", false),
            ]
        }
        M365_F3 => vec![(up(used * 125 / 100, 25), "Enabled", false)],
        // An old contract lingers.
        OFFICE_E3 => vec![
            (up(used * 115 / 100, 5), "Enabled", false),
            (up(used * 30 / 100, 5), "Suspended", false),
        ],
        // Short: fewer than are assigned.
        VISIO => vec![((used * 9 / 10).max(1), "Enabled", false)],
        // Expired, in the grace period.
        PROJECT => vec![(up(used * 110 / 100, 5), "Warning", false)],
        EMS => vec![
            (up(used * 130 / 100, 25), "Enabled", false),
            (25, "LockedOut", false),
        ],
        FLOW_FREE => vec![(up(used.max(1), 10_000), "Enabled", false)],
        COPILOT => vec![
            (up(used * 105 / 100, 5), "Enabled", false),
            (25, "Enabled", true),
        ],
        STORE | APPS_DEVICE => vec![(25, "Enabled", false)],
        _ => vec![(up(used * 112 / 100, 5), "Enabled", false)],
    };
    let one = |(n, (units, status, trial)): (usize, (i64, &'static str, bool))| {
        let number = u64::from(sku) * 8 + n as u64;
        let draw = (mix(key, 0x9a1d ^ number) % 360) as i32;
        let (created, next) = match status {
            "Enabled" if trial => (-10, 20),
            "Enabled" => (-700 + draw / 2, 5 + draw),
            "Warning" => (-380, 12),
            "Suspended" => (-480, 45),
            _ => (-900, 60),
        };
        Purchase {
            sku,
            number,
            units,
            status,
            trial,
            created,
            next,
        }
    };
    parts.into_iter().enumerate().map(one).collect()
}

/// Rounds up to whole packs, at least one.
fn up(units: i64, pack: i64) -> i64 {
    (units.max(1) + pack - 1) / pack * pack
}
