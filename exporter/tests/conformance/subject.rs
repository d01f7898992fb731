//! What a sink has to offer to be tried.

use std::time::Duration;

use async_trait::async_trait;
use exporter::SinkConfig;
use sink_sim::{Fault, Received, Sim, Vendor};

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

impl Trouble {
    /// What a played vendor does then; none where it is a matter of its rules.
    pub fn fault(self, slow: Duration) -> Option<Fault> {
        Some(match self {
            Trouble::HangsBefore => Fault::Hang,
            Trouble::HangsAfter => Fault::HangAfter,
            Trouble::Slow => Fault::Slow(slow),
            Trouble::Down => Fault::Cut,
            Trouble::Full => Fault::Status {
                status: 507,
                retry_after: None,
            },
            Trouble::Expired => Fault::Unauthorized,
            Trouble::Rejects => return None,
        })
    }
}

/// Returns when a played vendor has been asked for this.
pub async fn asked<V: Vendor>(sim: &Sim<V>, this: impl Fn(&Received) -> bool) {
    while !sim.received().iter().any(&this) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
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
