//! Contracts of Leastwise: gRPC services, queue messages, inventory records and the ids they share.
//!
//! Everything below [`token`], [`pages`], [`feed`], [`admin`] and [`inventory`] is generated from `proto/**/*.proto`
//! by `cargo xtask proto`; the comments there are the reference. This crate knows nothing of databases, queues
//! or Microsoft Graph.

pub mod access;
pub mod body;
pub mod ids;
pub mod kind;
pub mod message;
pub mod rules;
pub mod shape;

#[path = "gen/mod.rs"]
mod generated;
pub use generated::{admin, feed, inventory, pages, token};

/// The compiled descriptors of every `.proto` file, with comments, as an encoded `FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!("gen/descriptor.bin");

impl std::fmt::Debug for admin::v1::FileContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[redacted, {} bytes]", self.content.len())
    }
}

impl std::fmt::Debug for token::v1::GetTokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GetTokenResponse")
            .field("access_token", &"[redacted]")
            .field("use_for_seconds", &self.use_for_seconds)
            .finish()
    }
}
