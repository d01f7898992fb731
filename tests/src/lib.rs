//! What tests across the services share.

pub mod model;
