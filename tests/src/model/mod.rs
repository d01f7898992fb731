//! The protocol in a hostile world: the services' own pure cores, a tenant that is late, queues that lose, repeat and
//! reorder, processes that crash, databases that are restored.
//!
//! Every history is a random schedule of steps and faults. Then the faults stop, and at rest the ledger and the sink
//! must equal the tenant. At no moment may a record be removed that existed the whole time. With one rule taken out
//! (`proto::rules::without`) a counterexample must exist; docs/protocol.md tells each one.

mod collector;
mod ledger;
mod sink;
mod tenant;

use collector::Collectors;
use fastrand::Rng;
use ledger::Ledger;
use sink::Sink;
use tenant::Tenant;

/// Steps with faults, then steps without.
const FAULTY_STEPS: usize = 400;
const CALM_STEPS: usize = 2_500;

/// One history.
pub struct World {
    r: Rng,
    clock: u64,
    /// In half of the histories no replica is late and nothing is asked twice, so that one rule can't hide another.
    late: bool,
    faults: bool,
    tenant: Tenant,
    collectors: Collectors,
    ledger: Ledger,
    sink: Sink,
    queue: Vec<ledger::Message>,
    verdicts: Vec<ledger::Verdict>,
    saved_ledger: Option<Ledger>,
    saved_collectors: Option<Collectors>,
}

impl World {
    /// The history of this seed.
    pub fn new(seed: u64) -> Self {
        let mut r = Rng::with_seed(seed);
        let late = r.bool();
        World {
            late,
            r,
            clock: 1_000,
            faults: true,
            tenant: Tenant::new(),
            collectors: Collectors::default(),
            ledger: Ledger::default(),
            sink: Sink::default(),
            queue: Vec::new(),
            verdicts: Vec::new(),
            saved_ledger: None,
            saved_collectors: None,
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// What the protocol promises and the history broke.
    pub fn run(mut self) -> Result<(), String> {
        for _ in 0..FAULTY_STEPS {
            self.step()?;
        }
        self.faults = false;
        self.collectors.crash_all();
        for _ in 0..CALM_STEPS {
            self.step()?;
        }
        let want = self.tenant.truth();
        let have = self.ledger.live();
        if have != want {
            return Err(format!("ledger {have:?}, tenant {want:?}"));
        }
        if self.sink.rows != want {
            return Err(format!("sink {:?}, tenant {want:?}", self.sink.rows));
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        self.clock += 1;
        self.tenant.clock = self.clock;
        match self.r.f64() {
            x if x < 0.06 => {
                if self.faults {
                    self.tenant.change(&mut self.r);
                }
            }
            x if x < 0.42 => {
                let i = self.r.usize(..2);
                if self
                    .collectors
                    .may_work(i, self.faults && self.r.f64() < 0.05)
                {
                    self.collect(i);
                }
            }
            x if x < 0.62 => self.normalize()?,
            x if x < 0.64 => self.approve(),
            x if x < 0.72 => self.verdict(),
            x if x < 0.82 => self.ask(),
            x if x < 0.95 => self.deliver(),
            _ => {
                if self.faults {
                    let y = self.r.f64();
                    self.fault(y);
                }
            }
        }
        Ok(())
    }

    fn fault(&mut self, y: f64) {
        match y {
            y if y < 0.4 => self.collectors.crash(self.r.usize(..2)),
            y if y < 0.47 => self.queue.clear(),
            y if y < 0.52 => self.verdicts.clear(),
            y if y < 0.62 => self.saved_ledger = Some(self.ledger.clone()),
            y if y < 0.68 => {
                if let Some(saved) = &self.saved_ledger {
                    self.ledger = saved.clone();
                }
            }
            y if y < 0.78 => self.saved_collectors = Some(self.collectors.clone()),
            y if y < 0.82 => {
                if let Some(saved) = &self.saved_collectors {
                    // A restore ends the connections of those who wrote before.
                    self.collectors = saved.clone();
                    self.collectors.crash_all();
                }
            }
            _ => {}
        }
    }
}
