//! End-to-end tests, the same in every setting.

mod crash;
mod days;
mod late;
mod restore;
mod unchanged;

use super::SETTING;
