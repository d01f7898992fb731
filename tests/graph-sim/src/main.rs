//! Microsoft Graph and Entra ID, simulated, as a process of its own.

use std::error::Error;
use std::io::Write;

use clap::Parser;
use graph_sim::cli::{Args, stop};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let listener = TcpListener::bind(args.listen).await?;
    #[cfg(feature = "tls")]
    if args.tls {
        return over_tls(&args, listener).await;
    }
    let base = format!("http://{}", listener.local_addr()?);
    let sim = args.sim(&base);
    writeln!(std::io::stdout(), "{}", graph_sim::cli::ready(&sim, &base))?;
    sim.serve(listener, stop()).await?;
    Ok(())
}

#[cfg(feature = "tls")]
async fn over_tls(args: &Args, listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let address = listener.local_addr()?;
    let tls = graph_sim::Tls::new(address.ip())?;
    let file = tls.write_authority(args.ca_file.as_deref())?;
    let base = format!("https://{address}");
    let sim = args.sim(&base);
    let mut ready = graph_sim::cli::ready(&sim, &base);
    ready["ca"] = file.path().to_string_lossy().into();
    writeln!(std::io::stdout(), "{ready}")?;
    sim.serve_tls(listener, &tls, stop()).await?;
    Ok(())
}
