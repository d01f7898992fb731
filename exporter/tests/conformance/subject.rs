//! What a sink has to offer to be tried.

use async_trait::async_trait;
use exporter::SinkConfig;

use super::support::Rig;

/// What goes wrong with a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A push hangs, and the sink has nothing of it.
    HangsBefore,
    /// A push hangs, and the sink has taken it.
    HangsAfter,
    /// It refuses a record: the user `bad`.
    Rejects,
    /// It answers late.
    Slow,
    /// It doesn't answer.
    Down,
    /// It has no room.
    Full,
    /// The credentials are no longer good.
    Expired,
}

/// A sink that is tried.
#[async_trait(?Send)]
pub trait Subject {
    /// As the table calls it.
    fn name(&self) -> &'static str;

    /// What it can't promise, whatever the cases say.
    fn caveat(&self) -> &'static str {
        "–"
    }

    /// The sink.
    fn config(&self) -> SinkConfig;

    /// (tenant's first letter, user's key, display name) of every user that stands in it, sorted.
    async fn users(&self, rig: &Rig) -> Vec<String>;

    /// Whether it shows what somebody is called; else `users` has no names.
    fn names(&self) -> bool {
        true
    }

    /// Lets it fail from now on; false where it can't fail so.
    fn strike(&self, trouble: Trouble) -> bool;

    /// Why it can't fail so, where that needs a word of its own.
    fn excuse(&self, _: Trouble) -> Option<&'static str> {
        None
    }

    /// Returns when a push has met the trouble.
    async fn struck(&self);

    /// Lets it work again.
    fn heal(&self);

    /// Changes a user in it behind the exporter's back; false where nobody can.
    async fn alter(&self, rig: &Rig) -> bool;

    /// Empties it, as a sink that was restored to before it had anything; false where that is no different from another
    /// case. The exporter doesn't run.
    async fn restore(&self, rig: &Rig) -> bool;
}
