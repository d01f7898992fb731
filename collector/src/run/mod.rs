//! The collector's side of the protocol, as a pure state machine: what is read next, what an answer means, when the
//! cursor moves. No clock, no database, no network; docs/protocol.md tells why each rule is there.

mod begin;
mod close;
mod progress;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::ids::{Attempt, RunId, Timestamp};
use serde::{Deserialize, Serialize};

pub use close::Verdict;
pub use progress::Answer;

/// Everything that the collector knows of one dataset of one tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What the last complete run left.
    pub cursor: Cursor,
    /// The run that is being read.
    pub open: Option<Open>,
    /// The run that waits for its verdict.
    pub sealed: Option<Sealed>,
}

/// Where the next run starts from. Moves only when the ledger has applied a run completely.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// The newest run that was begun.
    pub run: RunId,
    /// The newest run that was applied completely; a run of named objects builds upon it.
    pub base: RunId,
    /// The delta link, relative to the Graph base. It may hold tokens.
    pub link: Option<Link>,
    /// Version of the declaration that made the link.
    pub declaration: u32,
    /// Version of the part of the tenant's people that is read, and of what is read of them; 0 is all of everybody.
    #[serde(default)]
    pub population: u64,
    /// Somebody wants a full read; only a full read answers it.
    pub full: bool,
    /// The first full read began then; it is repeated once replicas have caught up.
    pub twice: Option<Timestamp>,
    /// Suspects that the ledger wants asked for, and since when they are suspect.
    pub check: BTreeMap<String, Timestamp>,
    /// Ids that the delta named, to be asked for again once replicas have caught up.
    pub again: BTreeMap<String, Named>,
    /// When the last complete full read began.
    pub last_full: Option<Timestamp>,
    /// Objects that came in the last complete full read.
    pub known_objects: u64,
    /// Seals in a row that got no verdict in time.
    pub unanswered: u32,
    /// Full reads in a row that brought fewer objects than Graph counted.
    #[serde(default)]
    pub short: u32,
}

/// A change that the delta named.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// When it was named.
    pub at: Timestamp,
    /// Whether it was named as removed.
    pub removed: bool,
}

/// A delta link or a continuation, relative to the Graph base. May hold tokens, so it is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Link(pub String);

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link(…)")
    }
}

/// A run that is being read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// Its number.
    pub run: RunId,
    /// The run that it builds upon; 0 for a full run.
    pub base: RunId,
    /// When it began.
    pub started_at: Timestamp,
    /// What remains to be read.
    pub todo: Todo,
    /// The link that the cursor gets when this run is applied completely.
    pub link: Option<Link>,
    /// As in the cursor, for when this run is applied completely.
    pub twice: Option<Timestamp>,
    /// As in the cursor, for when this run is applied completely.
    pub again: BTreeMap<String, Named>,
    /// Suspects that are old enough for a 404 to mean "gone".
    pub check: BTreeMap<String, Timestamp>,
    /// Ids named by the delta, this one or the one that they are asked again for, and whether as removed.
    pub removed: BTreeMap<String, bool>,
    /// Pages that count: attempt, first and last sequence number.
    pub pages: Vec<(Attempt, u32, u32)>,
    /// Objects on these pages.
    pub objects: u64,
    /// Objects on Graph's pages behind them, whatever was left out of these.
    #[serde(default)]
    pub read: u64,
    /// Objects among `read` that came twice, because their range was split or began anew.
    #[serde(default)]
    pub repeated: u64,
    /// How many objects Graph counted before they were read.
    #[serde(default)]
    pub counted: Option<u64>,
    /// The collection is read as one chain: Graph refuses ranges, or what they brought was too little.
    #[serde(default)]
    pub one_chain: bool,
    /// Why what was read can't be everything; empty if it can.
    #[serde(default)]
    pub gaps: Vec<String>,
    /// The day whose state the data shows, as the source names it; empty where it is of the time of reading.
    #[serde(default)]
    pub data_as_of: String,
    /// HTTP requests so far.
    pub requests: u32,
    /// The tenant was taken out: the run is empty on purpose, and everything goes.
    #[serde(default)]
    pub tenant_removed: bool,
}

/// What remains to be read of an open run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Todo {
    /// A first full read: take a delta link before anything is read.
    TakeLink,
    /// The whole collection, from here; `None` is its beginning.
    Chain(Option<Link>),
    /// The whole collection in ranges: what is left of each that is not read to its end.
    Ranges(BTreeMap<u32, Piece>),
    /// The delta, to learn which ids changed.
    Delta(Link),
    /// Named objects.
    Ids(BTreeSet<String>),
    /// What there is of each of these parents.
    Parents(BTreeSet<String>),
    /// Nothing: the run can be sealed.
    Nothing,
}

/// A range of a collection, and where reading it goes on. Both ends belong to it; a missing one is open. Whatever order
/// Graph has, nothing lies between two ranges of which one ends where the other begins.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Piece {
    /// The lower end.
    pub from: Option<String>,
    /// The upper end.
    pub to: Option<String>,
    /// The next page; `None` is the first one.
    pub next: Option<Link>,
    /// Objects that were read of it.
    pub objects: u64,
}

/// The ends are parts of names.
impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Piece(…)")
    }
}

/// What remains behind a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Rest {
    /// This.
    Todo(Todo),
    /// The range with this number goes on here; `None`: it is read.
    Piece(u32, Option<Piece>),
    /// The same as before: more of Graph's page is to come.
    Same,
}

impl From<Todo> for Rest {
    fn from(todo: Todo) -> Self {
        Rest::Todo(todo)
    }
}

/// A run that waits for its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sealed {
    /// The run as it was read.
    pub read: Open,
    /// The attempt that sealed it: the verdict names it.
    pub by: Attempt,
    /// When it was sealed.
    pub at: Timestamp,
    /// Whether the queue has confirmed the seal.
    pub published: bool,
}

/// What the state machine must know of a dataset and of Graph.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Changes are named by a delta query, and objects can be asked for by id.
    pub by_delta: bool,
    /// Version of the declaration.
    pub declaration: u32,
    /// How long a replica of Graph may be behind. Zero: nothing has to age.
    pub lateness: Duration,
    /// A full read is repeated after this time at the latest.
    pub full_every: Duration,
    /// How long a verdict may take before the run is read again; doubled with each repetition.
    pub verdict_within: Duration,
}

impl Open {
    /// Whether the whole collection is read.
    pub fn is_full(&self) -> bool {
        self.base == RunId(0)
    }
}

impl State {
    /// Whether a newer release reads this dataset by a newer declaration. An older one leaves it alone: each would take
    /// the other's link for none, and read everything again and again.
    pub fn is_newer(&self, rules: &Rules) -> bool {
        self.cursor.declaration > rules.declaration
    }

    /// The newest run, open, sealed or closed.
    pub fn newest(&self) -> Option<&Open> {
        self.open.as_ref().or(self.sealed.as_ref().map(|s| &s.read))
    }
}

#[cfg(test)]
mod tests;
