//! Memory of a collector that reads a million users of one tenant.

use anyhow::Result;

use super::simulated::Simulated;
use super::{Figures, number, part};

/// What the bench is asked for.
#[derive(clap::Args)]
pub struct Args {
    /// Users of the tenant
    #[arg(long, default_value_t = 1_000_000)]
    users: u32,
}

/// Measures.
pub(super) fn measure(args: &Args) -> Result<Figures> {
    let sim = Simulated::start(args.users, r#"{"gzip":true}"#)?;
    let read = sim.read(part("reader", false)?)?;
    let (early, late) = (
        number(&read, "first_half_mib")?,
        number(&read, "second_half_mib")?,
    );
    Ok(Figures::from([
        ("seconds", number(&read, "seconds")?),
        ("cpu_seconds", number(&read, "cpu_seconds")?),
        ("objects", number(&read, "objects")?),
        ("requests", number(&read, "requests")?),
        ("peak_mib", number(&read, "peak_mib")?),
        ("first_half_mib", early),
        ("second_half_over_first", late / early),
    ]))
}
