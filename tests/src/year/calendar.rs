//! What happens when, whichever way the tenant is read.

use std::time::Duration;

use graph_sim::Fault;

use crate::world::World;

/// The hours of a day at which anything happens.
const HOURS: [u64; 7] = [0, 5, 6, 8, 12, 16, 18];
/// Those at which the tenant is read: at the first one, and at the others until that day's reading has succeeded.
const READINGS: [u64; 3] = [6, 12, 18];

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Entra ID is down from a moment to another: a morning, and a whole day.
const OUTAGES: [(Moment, Moment); 2] = [
    (Moment::new(100, 5), Moment::new(100, 12)),
    (Moment::new(200, 8), Moment::new(201, 8)),
];
/// Days on which Entra ID, and the issuer of the platform, sign with a new key from midnight on.
const ENTRA_ROLLS: [u64; 4] = [60, 150, 240, 330];
const ISSUER_ROLLS: [u64; 4] = [45, 135, 225, 315];

/// An hour of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Counted from 0.
    pub day: u64,
    /// Of the day.
    pub hour: u64,
}

/// Those of a day, in their order.
pub fn moments(day: u64) -> impl Iterator<Item = Moment> {
    HOURS.into_iter().map(move |hour| Moment::new(day, hour))
}

impl Moment {
    const fn new(day: u64, hour: u64) -> Self {
        Moment { day, hour }
    }

    /// Whether the tenant is read now.
    pub fn is_for_reading(self) -> bool {
        READINGS.contains(&self.hour)
    }

    /// Moves the clock here, and lets happen what does.
    pub fn come(self, world: &mut World) {
        let hours = u32::try_from(self.day * 24 + self.hour).unwrap();
        world.advance_clock((HOUR * hours).saturating_sub(world.now()));
        let sim = world.sim();
        for (from, until) in OUTAGES {
            if self == from {
                for path in ["/oauth2/v2.0/token", "/oauth2/v2.0/devicecode"] {
                    sim.fault(Fault {
                        status: Some(503),
                        path: Some(path.to_owned()),
                        times: Some(u32::MAX),
                        ..Fault::default()
                    });
                }
            } else if self == until {
                sim.clear_faults();
            }
        }
        // What was signed before is good for a day more, as with both in reality.
        if self.hour == 0 && ENTRA_ROLLS.contains(&self.day) {
            sim.roll_keys(DAY);
        }
        if self.hour == 0 && ISSUER_ROLLS.contains(&self.day) {
            sim.roll_issuer_keys(DAY);
        }
    }
}
