//! What people configure of a package.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::FlexNet;
use super::rows::Fallback;
use crate::error::Error;
use crate::identity::Identities;
use crate::sink::{Context, Guard, Settings, Sink, Users};

/// A directory with the tables that an inventory adapter of FlexNet Manager Suite reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The directory; created where it is missing.
    pub path: PathBuf,
    /// What stands for the SAM account name of people who have none.
    #[serde(default)]
    pub fallback: Fallback,
    /// Which users the package holds.
    #[serde(default)]
    pub users: Users,
    /// `SoftwareLicenseTypeID` of all licences, as the FlexNet installation numbers its licence types; absent: left to
    /// the adapter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_type: Option<i32>,
    /// When a state that is much smaller than the one before is refused.
    #[serde(default)]
    pub guard: Guard,
}

impl Settings for Package {
    fn resolve(&mut self, base: &Path) {
        self.path = base.join(&self.path);
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn check(&self, sink: &str) -> Result<(), Error> {
        self.guard.check(sink)
    }

    fn matches_people(&self) -> bool {
        true
    }

    fn sink(&self, context: &Context) -> Result<Sink, Error> {
        Ok(Sink::snapshots(FlexNet::new(
            self.clone(),
            Identities::new(
                context.db.clone(),
                context.clock.clone(),
                context.name.clone(),
            ),
        )))
    }
}
