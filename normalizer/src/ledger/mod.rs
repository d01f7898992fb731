//! The ledger: the fold of a tenant's sealed runs.
//!
//! [`admit()`], [`judge`] and [`guard::hold`] decide and touch nothing; the other files read and write.

pub mod absence;
pub mod admit;
pub(crate) mod apply;
pub(crate) mod bulk;
pub(crate) mod close;
pub(crate) mod derived;
pub(crate) mod fold;
pub(crate) mod gaps;
pub mod guard;
pub(crate) mod pages;
mod said;
mod suspects;

pub use absence::{Judgement, judge};
pub use admit::{Admission, Mode, Seal, State, admit};
