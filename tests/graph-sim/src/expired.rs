//! How long a delta token is known, and what Graph says when it is not any more.

use crate::graph::Call;
use crate::reply::Failure;

/// Days and seconds after which a token is forgotten.
const LIFE_DAYS: u32 = 7;
const LIFE_SECONDS: u64 = 7 * 86_400;

/// Refuses a token of day `to` that was made at second `at` if it is too old.
pub(crate) fn check(call: &Call, path: &str, to: u32, at: u64) -> Result<(), Failure> {
    let now = call.sim.now().as_secs();
    // A token from the future was made before the simulator was started anew.
    let old = call.today.saturating_sub(to) > LIFE_DAYS || now.saturating_sub(at) > LIFE_SECONDS;
    if !old && to <= call.today {
        return Ok(());
    }
    if call.sim.resets_delta() {
        // Graph names the URL of a fresh round.
        let fresh = format!("{}/v1.0/{path}?$deltatoken=", call.base);
        let message = "Resync is required. Replace any local items with the server's version.";
        return Err(Failure::new(410, "resyncRequired", message).header("location", fresh));
    }
    let message = "The sync state generation is not found; the sync state token has expired. Please perform a full synchronization.";
    Err(Failure::new(400, "syncStateNotFound", message))
}
