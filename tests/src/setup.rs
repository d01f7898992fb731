//! What a world is made of.
#![allow(clippy::unwrap_used, reason = "a test's support")]

use std::path::Path;

use bus::faulty::Faults;
use exporter::SinkConfig;
use graph_sim::Sim;
use leastwise::Config;
use token_broker::TenantConfig;

use crate::network::BASE;

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The simulator.
    pub sim: graph_sim::Config,
    /// How late Graph is reckoned to be, in seconds.
    pub lateness: u64,
    /// Tokio's clock stands still and jumps.
    pub paused: bool,
    /// Pages on their way without confirmation.
    pub window: usize,
    /// The queue fails, by this seed.
    pub faults: Option<(u64, Faults)>,
}

impl Setup {
    /// A tenant of so many users, nothing late, nothing failing.
    pub fn users(users: u32) -> Self {
        Setup {
            sim: graph_sim::Config {
                users,
                base: Some(BASE.to_owned()),
                ..graph_sim::Config::default()
            },
            lateness: 0,
            paused: false,
            window: 4,
            faults: None,
        }
    }
}

/// The configuration that an operator would write.
pub(crate) fn configure(home: &Path, sim: &Sim, setup: &Setup) -> Config {
    let tenants = sim.tenants().iter().enumerate().map(|(n, tenant)| {
        let secret = home.join(format!("secret-{n}"));
        std::fs::write(&secret, &tenant.client_secret).unwrap();
        TenantConfig {
            authority: Some(tenant.authority.parse().unwrap()),
            graph: Some(tenant.graph.parse().unwrap()),
            ..TenantConfig::with_secret(tenant.id.parse().unwrap(), &tenant.client_id, secret)
        }
    });
    let sinks = vec![
        SinkConfig::Files {
            name: None,
            path: home.join("inventory"),
        },
        SinkConfig::Sqlite {
            name: None,
            path: home.join("inventory.db"),
        },
    ];
    Config {
        data_dir: home.join("data"),
        tenants: tenants.collect(),
        sinks,
        collector: collector::Config {
            lateness_seconds: setup.lateness,
            publish_window: setup.window,
            scheduled: false,
            ..collector::Config::default()
        },
        normalizer: normalizer::Config {
            lateness_seconds: setup.lateness,
            ..normalizer::Config::default()
        },
        connect: None,
    }
}
