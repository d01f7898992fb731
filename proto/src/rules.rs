//! The protocol's rules by name, so that a test can take one out and watch what breaks (docs/protocol.md).
//!
//! Without the feature `mutation`, which only tests enable, every rule is on and the question costs nothing.

/// A rule of the protocol; docs/protocol.md tells what each one says and what happens without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "docs/protocol.md is the reference")]
pub enum Rule {
    Attempt,
    Ascending,
    Base,
    LinkAfterClose,
    NumbersWithClock,
    GoneById,
    CursorCompareAndSet,
    AsOf,
    MarkFirst,
    VerdictNamesSeal,
    AskedAgain,
    FullKeepsLink,
    SuspicionAges,
    MissingIsSuspect,
    /// Not a rule of the model, where the queue may lose messages: a message is acknowledged after its effects are
    /// durable.
    AckAfterCommit,
}

/// Every rule of the protocol's model.
pub const ALL: [Rule; 14] = [
    Rule::Attempt,
    Rule::Ascending,
    Rule::Base,
    Rule::LinkAfterClose,
    Rule::NumbersWithClock,
    Rule::GoneById,
    Rule::CursorCompareAndSet,
    Rule::AsOf,
    Rule::MarkFirst,
    Rule::VerdictNamesSeal,
    Rule::AskedAgain,
    Rule::FullKeepsLink,
    Rule::SuspicionAges,
    Rule::MissingIsSuspect,
];

/// Whether the rule holds: always, in a build that isn't a test.
#[cfg(not(feature = "mutation"))]
#[inline]
pub const fn on(_rule: Rule) -> bool {
    true
}

#[cfg(feature = "mutation")]
mod mutation {
    use super::Rule;
    use std::cell::Cell;
    use std::sync::LazyLock;

    thread_local!(static OFF: Cell<Option<Rule>> = const { Cell::new(None) });

    /// For processes that a test starts: the rule that this variable names is out, on every thread.
    static EVERYWHERE: LazyLock<Option<Rule>> = LazyLock::new(|| {
        let name = std::env::var("LEASTWISE_WITHOUT_RULE").ok()?;
        let rules = super::ALL.into_iter().chain([Rule::AckAfterCommit]);
        rules.into_iter().find(|rule| format!("{rule:?}") == name)
    });

    /// Whether the rule holds on this thread.
    pub fn on(rule: Rule) -> bool {
        OFF.get() != Some(rule) && *EVERYWHERE != Some(rule)
    }

    /// Takes one rule out on this thread, or puts all back.
    pub fn without(rule: Option<Rule>) {
        OFF.set(rule);
    }
}
#[cfg(feature = "mutation")]
pub use mutation::{on, without};
