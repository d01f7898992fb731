//! Whether a sealed run may be applied. Pure.

use proto::ids::RunId;
use proto::rules::{Rule, on};

/// What a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The whole collection.
    Full,
    /// Named objects, each answered with itself, "gone" or "missing".
    Some,
}

/// What admission has to know of a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The run.
    pub run: RunId,
    /// What it read.
    pub mode: Mode,
    /// The run that a *some* run builds upon.
    pub base: RunId,
}

/// What a ledger has of a dataset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The newest applied run.
    pub applied: RunId,
    /// The newest run that was applied completely.
    pub whole: RunId,
}

/// What is to become of a sealed run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// A newer run was applied: nothing of this one may be.
    Drop,
    /// The ledger lacks what the run builds upon: read everything.
    NeedsFull,
    /// It is applied.
    Apply,
}

/// Runs of a dataset are applied in ascending order, and a *some* run only on what it builds upon.
pub fn admit(seal: Seal, state: State) -> Admission {
    if seal.run <= state.applied && on(Rule::Ascending) {
        Admission::Drop
    } else if seal.mode == Mode::Some && seal.base > state.whole && on(Rule::Base) {
        Admission::NeedsFull
    } else {
        Admission::Apply
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_old_and_nothing_without_its_base(run in 0..9_u64, base in 0..9_u64, full: bool, a in 0..9_u64, w in 0..9_u64) {
            let mode = if full { Mode::Full } else { Mode::Some };
            let seal = Seal { run: RunId(run), mode, base: RunId(base) };
            let got = admit(seal, State { applied: RunId(a), whole: RunId(w.min(a)) });
            prop_assert_eq!(got == Admission::Drop, run <= a);
            prop_assert_eq!(got == Admission::NeedsFull, run > a && !full && base > w.min(a));
        }
    }
}
