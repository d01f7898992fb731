//! Which people a system gets that knows them by their licences.

use proto::inventory::v1::User;
use serde::{Deserialize, Serialize};

/// Which users a sink holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Users {
    /// Those who hold a licence: no more than the sink's licences need.
    #[default]
    Licensed,
    /// All.
    All,
}

impl Users {
    /// Whether this one is among them.
    pub(super) fn take(self, user: &User) -> bool {
        self == Users::All || !user.assigned_licenses.is_empty()
    }
}

/// The first characters of a text, without those that control something.
pub(super) fn cut(text: &str, most: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(most)
        .collect()
}
