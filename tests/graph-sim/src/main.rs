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
    let base = format!("http://{}", listener.local_addr()?);
    let sim = args.sim(&base);
    writeln!(std::io::stdout(), "{}", graph_sim::cli::ready(&sim, &base))?;
    sim.serve(listener, stop()).await?;
    Ok(())
}
