//! End-to-end tests, the same in every setting.

mod crash;
mod days;
mod held;
mod late;
mod queue_faults;
mod restore;
mod unchanged;
