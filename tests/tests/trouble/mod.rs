//! Every trouble of the simulator's list, for every dataset that can have it: what is read is whole and as the tenant has
//! it, or it is said that it isn't, and why. What a patient reader can cure, it cures.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]
#![allow(clippy::print_stdout, reason = "the table is to be read")]

mod cases;
mod judge;
mod table;
