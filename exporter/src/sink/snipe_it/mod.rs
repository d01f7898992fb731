//! Snipe-IT: licences with their seats, and who sits in them.
//!
//! | record | there | natural key |
//! |---|---|---|
//! | licence position | a licence | `order_number`: `<tenant>:<SKU>` |
//! | user who holds licences | a seat of each | the seat's `notes`: `<tenant>:<user>` |
//! | user, where people are created | a user | `employee_num`: `<tenant>:<user>` |
//!
//! Its interface has no transactions and takes one thing a request, so a push reads what is there and writes only what
//! differs: what was interrupted goes on where it was, and what is sent twice costs nothing. Seats are checked in before
//! others are checked out, and a licence gets more seats before they are needed: the order in which users come doesn't
//! matter.
//!
//! Limits: 120 requests a minute (`API_THROTTLE_PER_MINUTE`), of which 100 are used; lists of at most 500; at most 10,000
//! seats more or fewer at a time; names of 3 to 255 characters; at least one seat. What is refused comes with status 200
//! and an error inside. Texts come back escaped for HTML.
//!
//! Sources: Snipe-IT's REST API reference; its source, of which the rules are that no page tells (`limit_change`, the
//! transformers, the throttle).

mod api;
mod known;
mod licences;
mod people;
mod push;
mod rows;
mod settings;
mod system;

pub use super::people::Users;
pub use rows::MatchBy;
pub use settings::{People, SnipeIt};
