//! Paths by which a user holds a SKU, and what follows from them.

use crate::catalog::SKUS;

/// State of one path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Active,
    ActiveWithError,
    Disabled,
    Error,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::ActiveWithError => "ActiveWithError",
            Self::Disabled => "Disabled",
            Self::Error => "Error",
        }
    }

    /// Whether the path gives the user the SKU.
    pub(crate) fn gives(self) -> bool {
        matches!(self, Self::Active | Self::ActiveWithError)
    }
}

/// Reasons that Graph names for a path that fails.
pub(crate) const ERRORS: [&str; 6] = [
    "CountViolation",
    "MutuallyExclusiveViolation",
    "DependencyViolation",
    "ProhibitedInUsageLocationViolation",
    "UniquenessViolation",
    "Other",
];

/// One entry of `licenseAssignmentStates`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Path {
    pub(crate) sku: u8,
    /// 0 is a direct assignment, else the number of the group.
    pub(crate) group: u8,
    pub(crate) state: State,
    /// Position in [`ERRORS`] while the state has an error.
    pub(crate) error: u8,
    /// Bit n: plan n of the SKU is switched off.
    pub(crate) off: u8,
    /// Day of the last change of this path, relative to the start of the simulation.
    pub(crate) since: i32,
}

/// A user's paths, in a fixed place because a million users are made on the fly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Paths {
    items: [Path; Self::MOST],
    len: u8,
}

impl Paths {
    pub(crate) const MOST: usize = 12;
    const NONE: Path = Path {
        sku: 0,
        group: 0,
        state: State::Disabled,
        error: 0,
        off: 0,
        since: 0,
    };

    pub(crate) fn new() -> Self {
        Self {
            items: [Self::NONE; Self::MOST],
            len: 0,
        }
    }

    /// Adds a path unless the same one is there or the place is full.
    pub(crate) fn add(&mut self, path: Path) -> bool {
        let twin = self
            .iter()
            .any(|p| p.sku == path.sku && p.group == path.group);
        let Some(slot) = self.items.get_mut(usize::from(self.len)).filter(|_| !twin) else {
            return false;
        };
        *slot = path;
        self.len += 1;
        true
    }

    pub(crate) fn remove(&mut self, at: usize) {
        let len = usize::from(self.len);
        if at < len {
            self.items.copy_within(at + 1..len, at);
            self.len -= 1;
        }
    }

    /// Lets the paths through `group` give `sku` from `day` on, as if newly assigned.
    pub(crate) fn flip(&mut self, group: u8, sku: u8, day: i32) {
        let len = usize::from(self.len);
        for path in self.items[..len].iter_mut().filter(|p| p.group == group) {
            *path = Path {
                sku,
                group,
                since: day,
                ..Self::NONE
            };
            path.state = State::Active;
        }
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Path> {
        self.items[..usize::from(self.len)].iter()
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut Path> {
        self.items[..usize::from(self.len)].get_mut(at)
    }
}

/// What `assignedLicenses` holds: per SKU nothing, or the plans switched off.
pub(crate) type Assigned = [Option<u8>; SKUS];

/// Applies the rule: a SKU is assigned if a path gives it; a plan is off if all giving paths switch it off.
/// `orphan` is a SKU that is assigned although no path says why.
pub(crate) fn assigned(paths: &Paths, orphan: Option<u8>) -> Assigned {
    let mut result = [None; SKUS];
    for path in paths.iter().filter(|p| p.state.gives()) {
        let slot: &mut Option<u8> = &mut result[usize::from(path.sku)];
        *slot = Some(slot.map_or(path.off, |off| off & path.off));
    }
    if let Some(sku) = orphan {
        result[usize::from(sku)].get_or_insert(0);
    }
    result
}
