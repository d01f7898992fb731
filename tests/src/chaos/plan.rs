//! What happens in a round: a function of the seed, the round, and what was hit least so far.

use std::fmt;
use std::str::FromStr;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::tally::Tally;

/// What is done to an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fault {
    /// A replica is killed with SIGKILL and started again.
    Kill,
    /// A replica is stopped with SIGSTOP for longer than its leases last, then goes on.
    Stop,
    /// Every connection of a stage is cut, and none is accepted for a moment.
    Cut,
    /// RabbitMQ is killed and started again.
    QueueRestart,
    /// All queues are deleted with what is in them, and declared again.
    QueuesDeleted,
    /// PostgreSQL is stopped without a checkpoint and started again.
    DatabaseRestart,
    /// The ledger is replaced by a dump that was taken earlier in the round.
    LedgerRestored,
    /// The collector's database is replaced by a dump that was taken earlier in the round.
    CollectorRestored,
}

/// Every fault.
pub const FAULTS: [Fault; 8] = [
    Fault::Kill,
    Fault::Stop,
    Fault::Cut,
    Fault::QueueRestart,
    Fault::QueuesDeleted,
    Fault::DatabaseRestart,
    Fault::LedgerRestored,
    Fault::CollectorRestored,
];

impl Fault {
    /// Whether messages or what a database knew are gone afterwards: a run that was sealed may then rightly be closed
    /// by nobody.
    pub fn loses(self) -> bool {
        matches!(
            self,
            Fault::QueuesDeleted | Fault::LedgerRestored | Fault::CollectorRestored
        )
    }
}

/// Where work is in flight when a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// The collector has an open run.
    Read,
    /// The queue or the normalizer's inbox holds something.
    Apply,
    /// A sink lacks something that the ledger has.
    Deliver,
}

/// Every stage.
pub const STAGES: [Stage; 3] = [Stage::Read, Stage::Apply, Stage::Deliver];

impl Stage {
    /// The service that works there.
    pub fn service(self) -> &'static str {
        match self {
            Stage::Read => "collector",
            Stage::Apply => "normalizer",
            Stage::Deliver => "exporter",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Kill => "SIGKILL",
            Fault::Stop => "SIGSTOP, SIGCONT",
            Fault::Cut => "connections cut",
            Fault::QueueRestart => "RabbitMQ restarted",
            Fault::QueuesDeleted => "queues deleted",
            Fault::DatabaseRestart => "PostgreSQL restarted",
            Fault::LedgerRestored => "ledger restored",
            Fault::CollectorRestored => "collector restored",
        })
    }
}

/// A fault, and the stage that is to have work in flight when it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Strike {
    /// What is done.
    pub fault: Fault,
    /// When: as soon as this stage has work in flight.
    pub stage: Stage,
    /// Which replica, where the fault has one victim.
    pub victim: usize,
    /// How long after the stage was seen at work, in milliseconds.
    pub after: u64,
}

impl Strike {
    fn now(fault: Fault, stage: Stage, rng: &mut Rng) -> Self {
        Strike {
            fault,
            stage,
            victim: rng.usize(..2),
            after: rng.u64(..60),
        }
    }
}

/// A round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Of the simulator.
    pub seed: u64,
    /// Whether Graph's replicas are late, and reckoned to be. Asking again heals much; where nothing is asked again, a
    /// change that is passed over stays away.
    pub late: bool,
    /// Strikes while the tenants are read for the first time, and on each day of changes after that.
    pub days: Vec<Vec<Strike>>,
}

/// Days of a round: the first sync, and days of changes.
const DAYS: usize = 3;

impl fmt::Display for Plan {
    /// As `--plan` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Plan {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Plan, Self::Err> {
        serde_json::from_str(text)
    }
}

impl Plan {
    /// The plan of a round. What was hit least comes first, so that a hundred rounds hit everything.
    pub fn of(seed: u64, round: u64, tally: &Tally) -> Plan {
        let mut rng = Rng::with_seed(seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut pairs: Vec<(u32, u64, Fault, Stage)> = FAULTS
            .into_iter()
            // Every other round loses nothing, so that nothing may be missing after it.
            .filter(|fault| round % 2 == 1 || !fault.loses())
            .flat_map(|fault| STAGES.map(|stage| (fault, stage)))
            .map(|(fault, stage)| (tally.hits(fault, stage), rng.u64(..), fault, stage))
            .collect();
        pairs.sort_unstable();
        let late = matches!(round % 8, 0 | 3 | 4);
        // What a collector that went back passes over, others' losses have read again: it comes alone and last.
        let alone = (round % 2 == 1 && !late).then(|| {
            let back = |p: &(u32, u64, Fault, Stage)| p.2 == Fault::CollectorRestored;
            let (_, _, fault, stage) = pairs.remove(pairs.iter().position(back)?);
            Some(Strike::now(fault, stage, &mut rng))
        });
        let alone = alone.flatten();
        let mut strike = |rng: &mut Rng, only: Option<Stage>| {
            let fits = |p: &(u32, u64, Fault, Stage)| only.is_none_or(|stage| p.3 == stage);
            let (_, _, fault, stage) = pairs.remove(pairs.iter().position(fits)?);
            Some(Strike::now(fault, stage, rng))
        };
        let days = (0..DAYS)
            .map(|day| {
                if let Some(last) = alone.filter(|_| day == DAYS - 1) {
                    return vec![last];
                }
                // What is long at work on the first day is short on the others.
                let stage = (day == 0).then_some(Stage::Read);
                [strike(&mut rng, stage), strike(&mut rng, None)]
                    .into_iter()
                    .flatten()
                    .collect()
            })
            .collect();
        Plan {
            seed: rng.u64(..1 << 40),
            late,
            days,
        }
    }
}

impl Plan {
    /// The strikes, for people.
    pub fn strikes(&self) -> String {
        let all = self.days.iter().flatten();
        let each: Vec<String> = all
            .map(|s| format!("{} at the {}", s.fault, s.stage.service()))
            .collect();
        each.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_a_function_of_its_number_and_hits_what_was_hit_least() {
        let mut tally = Tally::default();
        let one = Plan::of(7, 3, &tally);
        assert_eq!(one.days, Plan::of(7, 3, &tally).days);
        assert_ne!(one.seed, Plan::of(7, 4, &tally).seed);
        assert_eq!(one, one.to_string().parse().unwrap());
        for round in 0..100 {
            for strike in Plan::of(7, round, &tally).days.into_iter().flatten() {
                tally.hit(strike.fault, strike.stage);
            }
        }
        for fault in FAULTS {
            for stage in STAGES {
                assert!(tally.hits(fault, stage) >= 5, "{fault} {stage:?}");
            }
        }
    }
}
