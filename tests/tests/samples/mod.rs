//! What becomes of Microsoft's own answers: each maps, is set aside for a reason that is right, or belongs to no dataset.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod outcome;
mod place;
mod record;
