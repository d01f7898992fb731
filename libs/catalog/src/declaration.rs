//! What is known of a dataset.

use std::time::Duration;

use proto::ids::Dataset;
use proto::kind::RecordKind;

/// What is known of one dataset.
#[derive(Debug)]
pub struct Declaration {
    /// Its name, for example `users`.
    pub name: &'static str,
    /// The kind of record that it writes, and no other dataset does.
    pub kind: RecordKind,
    /// Path below the version root, for example `users`; `{id}` stands for the parent's id where objects are read for
    /// each parent.
    pub path: &'static str,
    /// Properties asked for; only what a record needs. Empty where Graph takes no `$select`.
    pub select: &'static [&'static str],
    /// `$top`: the first one that Graph takes, from large to small. Empty where the collection doesn't page.
    pub page_sizes: &'static [u32],
    /// How it is read.
    pub reading: Reading,
    /// The property by whose ranges a large collection is read in parallel: never null, and Graph takes `ge` and `le` on
    /// it. None: pages of it are few.
    pub ranges: Option<&'static str>,
    /// Whether Graph counts its path by `$count`.
    pub counted: bool,
    /// The application permissions that it needs: all of them.
    pub needs: &'static [Need],
    /// Which of Graph's limits its requests count against.
    pub bucket: Bucket,
    /// The licence that the tenant needs besides, as Microsoft calls it.
    pub licence: Option<&'static str>,
    /// Where Graph has it.
    pub clouds: Clouds,
    /// Whether it is read unless the operator says otherwise.
    pub default: bool,
    /// Raised when the request or its meaning changes: a cursor of another version counts as none.
    pub version: u32,
    /// How often it is read for changes.
    pub cadence: Duration,
    /// By what a person is found in it, where only a part of a tenant's people is read.
    pub people: People,
    /// Why an organization grants the permission, in one sentence.
    pub reason: &'static str,
}

/// A permission that a dataset needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Need {
    /// The one with the least rights that suffices.
    pub least: &'static str,
    /// Others that suffice too.
    pub or: &'static [&'static str],
}

impl Need {
    /// Whether a permission suffices.
    pub fn met_by(&self, role: &str) -> bool {
        self.least == role || self.or.contains(&role)
    }
}

/// How a dataset is read.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// A collection whose delta query names changed ids; its objects can be asked for by id.
    ByDelta {
        /// The properties of `select` that the delta query tracks.
        tracked: &'static [&'static str],
    },
    /// A small collection, whose answer is of one moment.
    Whole,
    /// A collection of many pages that can't be asked for by id.
    Twice,
    /// One object that is no collection.
    Single,
    /// A CSV file, behind a redirect.
    Report {
        /// How long a row counts that no report names any more.
        keep: Duration,
    },
    /// For each parent a collection or a value of its own.
    Each(Parents),
}

/// The objects for each of which something is read.
#[derive(Debug, PartialEq, Eq)]
pub struct Parents {
    /// Their collection.
    pub path: &'static str,
    /// The list that must not be empty. It is looked at here: Graph's pages expire fast under a filter on it.
    pub having: &'static str,
    /// Whether the children of all parents are of use to somebody who asks for them.
    pub all_if_asked: bool,
    /// `$filter`, of those that need no advanced query.
    pub filter: Option<&'static str>,
    /// `$top`.
    pub page_size: u32,
    /// The property by which a published object names its parent.
    pub owner: &'static str,
}

/// How it is proven that an object is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Graph says so when it is asked for the id.
    ById,
    /// A whole answer lacks it that began long enough after it was last seen.
    OneAnswer,
    /// Two complete full reads lack it, one after the other, long enough apart.
    TwoReads,
    /// Nothing has named it for so long.
    After(Duration),
}

/// By what a person is found in a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum People {
    /// It speaks of nobody.
    Nobody,
    /// Its objects are people: their own properties tell.
    Themselves,
    /// A user's id stands there, as a JSON pointer into a published object.
    Id(&'static str),
    /// A user principal name stands in this column.
    Column(&'static str),
    /// Its objects may name people, and nothing tells which: they are left out.
    Untold,
}

/// Limits that requests count against. Source: Graph, "Microsoft Graph service-specific throttling limits".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bucket {
    /// Identity and access: resource units, per app and tenant.
    Identity,
    /// Identity and access reports: requests, per app and tenant.
    SignIn,
    /// Usage reports: requests for each report, per app and tenant and for all apps of the tenant.
    Reports,
    /// Intune: requests, per app and tenant and for all apps of the tenant.
    Intune,
    /// Outlook: requests for each mailbox.
    Outlook,
}

/// Where Graph has a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clouds {
    /// In every cloud.
    All,
    /// In the worldwide cloud only.
    Global,
}

impl Declaration {
    /// Objects on a page that is asked for first.
    pub fn largest_page(&self) -> u32 {
        self.page_sizes.first().copied().unwrap_or(100)
    }

    /// The dataset's name as an id.
    pub fn id(&self) -> Dataset {
        // Names of declarations are constants; a test reads each one.
        self.name
            .parse()
            .unwrap_or_else(|_| unreachable!("declared names are valid"))
    }

    /// Whether objects are asked for by id.
    pub fn by_id(&self) -> bool {
        self.absence() == Absence::ById
    }

    /// How it is proven that an object is gone.
    pub fn absence(&self) -> Absence {
        match self.reading {
            Reading::ByDelta { .. } => Absence::ById,
            Reading::Whole | Reading::Single => Absence::OneAnswer,
            Reading::Twice | Reading::Each(_) => Absence::TwoReads,
            Reading::Report { keep } => Absence::After(keep),
        }
    }

    /// Whether these permissions suffice for Graph.
    pub fn covered_by(&self, held: impl Fn(&str) -> bool) -> bool {
        self.unmet(held).next().is_none()
    }

    /// What these permissions leave open.
    pub fn unmet(&self, held: impl Fn(&str) -> bool) -> impl Iterator<Item = &'static Need> {
        let met = move |need: &&Need| held(need.least) || need.or.iter().any(|role| held(role));
        self.needs.iter().filter(move |need| !met(need))
    }
}
