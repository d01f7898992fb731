//! The `graph-sim` binary: serves until it is told to stop, and says on one line where.

use std::error::Error;
use std::io::Write as _;

use clap::Parser as _;
use tokio::net::TcpListener;

use crate::cli::{Args, ready, stop};

/// Serves what the command line asks for.
///
/// # Errors
/// When the address or a file can't be used.
pub async fn run() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let listener = TcpListener::bind(args.listen).await?;
    #[cfg(feature = "tls")]
    if args.tls {
        return over_tls(&args, listener).await;
    }
    let base = format!("http://{}", listener.local_addr()?);
    let sim = args.sim(&base);
    writeln!(std::io::stdout(), "{}", ready(&sim, &base))?;
    sim.serve(listener, stop()).await?;
    Ok(())
}

#[cfg(feature = "tls")]
async fn over_tls(args: &Args, listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let address = listener.local_addr()?;
    let tls = crate::Tls::new(address.ip())?;
    let file = tls.write_authority(args.ca_file.as_deref())?;
    let base = format!("https://{address}");
    let sim = args.sim(&base);
    let mut line = ready(&sim, &base);
    line["ca"] = file.path().to_string_lossy().into();
    writeln!(std::io::stdout(), "{line}")?;
    sim.serve_tls(listener, &tls, stop()).await?;
    Ok(())
}
