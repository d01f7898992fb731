//! What Graph knows, and what it shows: a replica may be late, and the delta names a change late.

use std::collections::BTreeMap;

use fastrand::Rng;

/// A read may show the state of so many steps ago ("ten minutes").
pub const LAG: u64 = 40;

/// The datasets of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    /// Changes are named by a delta; objects can be asked for by id.
    Users,
    /// A small collection, read as one whole answer.
    Skus,
}

impl Set {
    /// Both.
    pub const ALL: [Set; 2] = [Set::Users, Set::Skus];

    /// Keys that objects may have.
    pub fn keys(self) -> u8 {
        match self {
            Set::Users => 6,
            Set::Skus => 3,
        }
    }
}

/// A value and a place in the sort order, so that an object can move from one page to another; `None`: no such object.
type Shown = Option<(u8, u8)>;

/// What Graph knows.
pub struct Tenant {
    /// The model's clock.
    pub clock: u64,
    /// Number of the newest change: what a delta link stands for.
    pub now: u64,
    rows: BTreeMap<(Set, u8), (u8, u8)>,
    log: Vec<(u64, Set, u8, bool)>,
    past: BTreeMap<(Set, u8), Vec<(u64, Shown)>>,
    absent: BTreeMap<(Set, u8), u64>,
}

impl Tenant {
    /// Every other key exists.
    pub fn new() -> Self {
        let mut tenant = Tenant {
            clock: 0,
            now: 0,
            rows: BTreeMap::new(),
            log: Vec::new(),
            past: BTreeMap::new(),
            absent: BTreeMap::new(),
        };
        for set in Set::ALL {
            for key in 0..set.keys() {
                tenant.absent.insert((set, key), 0);
                if key % 2 == 0 {
                    tenant.put(set, key, 0, key);
                }
            }
        }
        tenant
    }

    fn put(&mut self, set: Set, key: u8, value: u8, place: u8) {
        self.now += 1;
        if !self.rows.contains_key(&(set, key)) {
            self.absent.insert((set, key), self.clock);
        }
        self.rows.insert((set, key), (value, place));
        self.log.push((self.now, set, key, false));
        self.past
            .entry((set, key))
            .or_default()
            .push((self.clock, Some((value, place))));
    }

    /// Something changes, comes or goes.
    pub fn change(&mut self, r: &mut Rng) {
        let set = Set::ALL[r.usize(..2)];
        let key = r.u8(..set.keys());
        if self.rows.contains_key(&(set, key)) && r.f64() < 0.4 {
            self.now += 1;
            self.rows.remove(&(set, key));
            self.log.push((self.now, set, key, true));
            self.past
                .entry((set, key))
                .or_default()
                .push((self.clock, None));
        } else {
            let (value, place) = (r.u8(..3), r.u8(..set.keys()));
            self.put(set, key, value, place);
        }
    }

    /// Whether the object existed from `since` until now.
    pub fn existed_since(&self, set: Set, key: u8, since: u64) -> bool {
        self.rows.contains_key(&(set, key)) && self.absent[&(set, key)] < since
    }

    /// One object by id, from a replica that is up to `stale` steps behind.
    pub fn get(&self, set: Set, key: u8, stale: u64, r: &mut Rng) -> Shown {
        let at = self.clock - if stale > 0 { r.u64(..stale) } else { 0 };
        let past = self.past.get(&(set, key))?;
        past.iter().rev().find(|(clock, _)| *clock <= at)?.1
    }

    /// A page of the collection: the objects whose place is in the range.
    pub fn page(
        &self,
        set: Set,
        places: std::ops::Range<u8>,
        stale: u64,
        r: &mut Rng,
    ) -> BTreeMap<u8, u8> {
        let shown = (0..set.keys()).filter_map(|key| Some((key, self.get(set, key, stale, r)?)));
        shown
            .filter(|(_, (_, place))| places.contains(place))
            .map(|(key, (value, _))| (key, value))
            .collect()
    }

    /// Ids that changed after `since`, each with "is it removed?"; the newest `lag` changes come with the next call.
    pub fn delta(&self, set: Set, since: u64, lag: u64) -> (BTreeMap<u8, bool>, u64) {
        let seen = since.max(self.now.saturating_sub(lag));
        let named = self
            .log
            .iter()
            .filter(|(at, s, _, _)| *s == set && since < *at && *at <= seen);
        (
            named.map(|(_, _, key, removed)| (*key, *removed)).collect(),
            seen,
        )
    }

    /// What exists.
    pub fn truth(&self) -> BTreeMap<(Set, u8), u8> {
        self.rows
            .iter()
            .map(|(k, (value, _))| (*k, *value))
            .collect()
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self::new()
    }
}
