//! What every process needs and no domain: configuration, telemetry, the clock, databases, retries, HTTP and gRPC
//! seams, and errors that say what to do.
//!
//! This crate knows nothing of tenants, datasets, queues or licences.

pub mod clock;
pub mod config;
#[cfg(feature = "db")]
pub mod db;
pub mod directory;
pub mod error;
pub mod grpc;
pub mod http;
#[cfg(feature = "seal")]
pub mod keyed;
pub mod metrics;
#[cfg(feature = "server")]
pub mod process;
pub mod retry;
#[cfg(feature = "seal")]
pub mod seal;
pub mod telemetry;
pub mod tls;
pub mod trace;

/// Services allocate in one thread what another one frees; with glibc's allocator they then wait for its locks more than they
/// work (measured by `cargo xtask bench broker`).
#[cfg(all(feature = "server", not(test)))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use clock::Clock;
pub use error::Problem;
pub use tokio_util::sync::CancellationToken;
