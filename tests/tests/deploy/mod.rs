//! What `deploy/` says: judged by others, held against the product, and run.
#![allow(clippy::unwrap_used, reason = "the whole module is a test")]
#![allow(
    clippy::print_stdout,
    reason = "what could not be shown is said where the output is read"
)]

mod arrows;
mod fits;
mod install;
mod judged;
mod manifests;
mod paths;
mod pods;
mod policies;
mod pools;
mod run;
mod scale;
mod systemd;
