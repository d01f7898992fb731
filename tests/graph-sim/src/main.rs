//! Microsoft Graph and Entra ID, simulated, as a process of its own.

use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    graph_sim::process::run().await
}
