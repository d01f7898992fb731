//! The simulator as its callers see it: one program, so that it is linked once.

mod applications;
mod change;
mod company;
mod consent;
mod contract;
mod devices;
mod directory;
mod entra;
mod groups;
mod reading;
mod refusals;
mod reports;
mod robust;
mod storms;
mod strict;
mod support;
mod tls;
mod truth;
