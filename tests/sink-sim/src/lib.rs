//! Systems that sinks write to and that can't run here, after what their vendors document, the unpleasant part included.
//!
//! A [`Vendor`] is the behaviour of one: [`Webhook`], [`ServiceNow`], [`SnipeIt`], [`FlexeraOne`], [`SnowAtlas`]. A [`Sim`] serves it on
//! loopback, notes every request, and does to requests what networks and busy servers do: see [`Fault`]. Tests look into
//! the vendor's state through [`Sim::read`]. It shares no code with the product, so that it can't share a mistake either.
#![allow(
    clippy::disallowed_methods,
    reason = "what is no part of the product may read the machine's clock"
)]

mod clock;
mod fault;
mod flexera_one;
mod message;
mod oauth;
mod serve;
mod servicenow;
mod sim;
mod snipe_it;
mod snow_atlas;
mod webhook;

pub use clock::Clock;
pub use fault::{Fault, Rule};
pub use flexera_one::{FlexeraOne, SaasData};
pub use message::{Received, Reply, Request};
pub use oauth::Credentials;
pub use serve::Tls;
pub use servicenow::{ServiceNow, Transform};
pub use sim::{Sim, Vendor};
pub use snipe_it::{License, Person, Seat, SnipeIt};
pub use snow_atlas::{AtlasLicense, SnowAtlas};
pub use webhook::{Signed, Webhook};
