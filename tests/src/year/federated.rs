//! A federated credential: the platform keeps a token of its own in a file, nobody does anything.

use serde_json::json;
use token_broker::CredentialConfig;

use super::calendar::Moment;
use super::{Acts, Way};
use crate::world::{App, Setup, World};

/// The file, as a projected volume of Kubernetes.
const FILE: &str = "projected-token";
/// How long a token of the platform lives, and after what share of that it is written anew, as the kubelet does.
const LIFETIME: u64 = 3_600;
const RENEWED_AFTER: u64 = LIFETIME * 4 / 5;

/// A tenant whose app registration trusts the platform.
#[derive(Default)]
pub struct Federated {
    /// When the platform last wrote the file, in simulated seconds.
    written: u64,
}

impl Federated {
    fn write(&mut self, world: &World) {
        let network = world.network.clone();
        let body = json!({ "lifetime": LIFETIME }).to_string();
        let minted = world.run(network.post("_control/assertion", "application/json", body));
        let token = minted.unwrap()["assertion"].as_str().unwrap().to_owned();
        std::fs::write(world.path(FILE), token).unwrap();
        self.written = world.now().as_secs();
    }
}

impl Way for Federated {
    fn name(&self) -> &'static str {
        "federated credential"
    }

    fn prepare(&self, setup: &mut Setup) {
        setup.apps.push(App {
            name: "default",
            position: 0,
            roles: setup.sim.roles.clone(),
            datasets: None,
            credentials: vec![CredentialConfig::FederatedToken {
                token_file: FILE.into(),
            }],
        });
    }

    fn begin(&mut self, world: &mut World) {
        self.write(world);
    }

    fn at(&mut self, world: &mut World, _: Moment, _: &mut Acts) {
        if world.now().as_secs() >= self.written + RENEWED_AFTER {
            self.write(world);
        }
    }
}
