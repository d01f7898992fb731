//! That the simulator is strict: what it refuses, how it throttles, what goes wrong on request, and what it tells of it.
#![allow(missing_docs, clippy::unwrap_used)]

mod filters;
mod late;
mod permissions;
mod refused;
mod requests;
mod throttling;
mod trouble;
