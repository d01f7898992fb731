//! What each vendor takes, what it refuses and how, and what faults do.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod client;
mod faults;
mod flexera_one;
mod servicenow;
mod snipe_it;
mod snow_atlas;
mod webhook;
