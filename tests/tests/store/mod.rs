//! Tenants that are added while the token-broker runs, their sealed files, and the kill switch: through the service that
//! operators use, against an Entra ID that checks.
#![allow(clippy::unwrap_used, reason = "tests")]

mod death;
mod drift;
mod legacy;
mod migration;
mod replicas;
mod sign_in;
mod stored;
mod world;
