//! What a tenant has of each product and what it uses, derived from users and products.

pub mod count;
pub mod derive;
pub mod paths;
mod recount;
pub(crate) mod update;
