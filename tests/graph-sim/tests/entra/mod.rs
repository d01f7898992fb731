//! Entra ID: tokens, keys, credentials, and what it refuses.
//!
//! Sections are those of the facts on Entra that this repository's simulator goes by.
#![allow(missing_docs, clippy::unwrap_used)]

mod certificate;
mod federation;
mod http;
mod people;
mod refused;
mod sign;
mod tokens;
