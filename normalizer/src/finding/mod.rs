//! What a SAM manager should look at: findings, derived from users, products and positions.
//!
//! [`rule`] decides and touches nothing; [`product`], [`kind`], [`ladder`] and [`plans`] hold what is known of products;
//! the files `derive` and `settle` keep the records of a tenant what the rules make of the records beside them.

pub(crate) mod derive;
pub mod kind;
pub mod ladder;
pub mod plans;
pub mod product;
pub mod record;
pub mod rule;
mod settle;
mod tsv;
