//! The adapters' way: an access token that somebody gets by signing in and puts into a file before it ends.

use std::time::Duration;

use chrono::NaiveDate;
use token_broker::CredentialConfig;

use super::calendar::Moment;
use super::{Acts, Way};
use crate::person;
use crate::world::{App, Setup, World};

const FILE: &str = "token";
/// How long such a token lives; without a policy of the tenant's it would be an hour.
const LIFETIME: Duration = Duration::from_secs(8 * 3_600);
/// The application for devices, by its position in the simulated tenant.
const ON_A_DEVICE: usize = 4;

const SIGN_IN: &str = "sign-in for a token, tries while Entra ID is down among them";

/// When somebody gets the next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// Before the last one ends, at night too.
    EveryEightHours,
    /// An hour before the reading, and once more for each reading that failed: the least that is enough.
    OnceADay,
    /// Nobody does.
    Never,
}

/// A tenant that is read with what a person may.
pub struct Imported {
    renewed: Renewed,
    client: String,
    /// The last reading failed, so somebody is called.
    called: bool,
}

impl Imported {
    /// With somebody who does this.
    pub fn new(renewed: Renewed) -> Self {
        Imported {
            renewed,
            client: String::new(),
            called: false,
        }
    }

    fn sign_in(&self, world: &World) {
        let signed_in = world.run(person::sign_in(&world.network, &self.client, None));
        if let Some(tokens) = signed_in {
            let token = tokens["access_token"].as_str().unwrap();
            std::fs::write(world.path(FILE), token).unwrap();
        }
    }
}

impl Way for Imported {
    fn name(&self) -> &'static str {
        match self.renewed {
            Renewed::EveryEightHours => "token of 8 hours, renewed every 8 hours",
            Renewed::OnceADay => "token of 8 hours, renewed before each reading",
            Renewed::Never => "token of 8 hours that nobody renews",
        }
    }

    fn prepare(&self, setup: &mut Setup) {
        setup.sim.person_token_life = Some(LIFETIME);
        setup.apps.push(App {
            name: "default",
            position: ON_A_DEVICE,
            roles: setup.sim.roles.clone(),
            datasets: None,
            credentials: vec![CredentialConfig::ImportedToken {
                token_file: std::path::PathBuf::from(FILE).into(),
                until: NaiveDate::from_ymd_opt(2028, 12, 31).unwrap(),
            }],
        });
    }

    fn begin(&mut self, world: &mut World) {
        self.client = world.run(person::public_app(&world.network));
        self.sign_in(world);
    }

    fn at(&mut self, world: &mut World, moment: Moment, acts: &mut Acts) {
        let due = match self.renewed {
            Renewed::EveryEightHours => moment.hour.is_multiple_of(8),
            Renewed::OnceADay => moment.hour == 5 || self.called && moment.is_for_reading(),
            Renewed::Never => false,
        };
        if due {
            acts.by_hand(SIGN_IN);
            self.called = false;
            self.sign_in(world);
        }
    }

    fn failed(&mut self) {
        self.called = true;
    }
}
