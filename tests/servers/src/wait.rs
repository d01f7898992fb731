//! Waiting for a condition.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Looks every few milliseconds whether `holds`; an error of its own ends the waiting, as does the `limit`.
pub fn wait_until(
    what: &str,
    limit: Duration,
    mut holds: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !holds()? {
        if Instant::now() >= deadline {
            bail!("waited {} s in vain: {what}", limit.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
