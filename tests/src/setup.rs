//! What a world is made of.
#![allow(clippy::unwrap_used, reason = "a test's support")]

use std::path::Path;

use axum::body::{Body, to_bytes};
use bus::faulty::Faults;
use exporter::SinkConfig;
use exporter::sink::Guard;
use exporter::sink::database::Sqlite;
use exporter::sink::files::Directory;
use graph_sim::{Consent, Sim};
use leastwise::Config;
use proto::ids::Dataset;
use serde_json::Value;
use token_broker::{AppConfig, CredentialConfig, Population, TenantConfig};
use tower::ServiceExt as _;

use crate::network::BASE;
use crate::overheard::Overheard;
use crate::world::ORIGIN;

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
    /// A collection of more objects is read in ranges.
    pub ranges_above: u64,
    /// The queue fails, by this seed.
    pub faults: Option<(u64, Faults)>,
    /// Somebody listens at the queue, which then doesn't fail.
    pub overheard: Option<Overheard>,
    /// The app registrations of each tenant; the main one reads everything when there are none.
    pub apps: Vec<App>,
    /// The datasets that are read of each tenant; the default ones when there is no list.
    pub datasets: Option<Vec<&'static str>>,
    /// The part of each tenant's people that is read; everybody when there is none.
    pub population: Option<Population>,
    /// Tenants are not in the configuration: the test adds them while the product runs.
    pub added: bool,
}

/// An app registration.
#[derive(Clone, Debug)]
pub struct App {
    /// What the operator calls it.
    pub name: &'static str,
    /// Which of the simulated tenant's it is.
    pub position: usize,
    /// The permissions that are granted to it.
    pub roles: Vec<String>,
    /// The datasets that the operator names for it, if any.
    pub datasets: Option<Vec<&'static str>>,
    /// What it proves itself with, paths below the world's directory; its client secret where there is nothing.
    pub credentials: Vec<CredentialConfig>,
}

impl Setup {
    /// A tenant of so many users, nothing late, nothing failing.
    pub fn users(users: u32) -> Self {
        Setup {
            sim: graph_sim::Config {
                users,
                base: Some(BASE.to_owned()),
                // Both sides compare dates: they have one clock.
                start: Some(ORIGIN / 1_000_000),
                ..graph_sim::Config::default()
            },
            lateness: 0,
            paused: false,
            window: 4,
            ranges_above: collector::Config::default().ranges_above,
            faults: None,
            overheard: None,
            apps: Vec::new(),
            datasets: None,
            population: None,
            added: false,
        }
    }
}

/// The configuration that an operator would write.
pub(crate) fn configure(home: &Path, sim: &Sim, setup: &Setup) -> Config {
    let tenants = sim.tenants().iter().enumerate();
    let tenants = tenants.filter(|_| !setup.added).map(|(n, tenant)| {
        let secret = home.join(format!("secret-{n}"));
        std::fs::write(&secret, &tenant.client_secret).unwrap();
        let apps = setup.apps.iter().map(|app| register(home, sim, n, app));
        let apps: Vec<AppConfig> = apps.collect();
        let main = apps
            .is_empty()
            .then(|| (tenant.client_id.clone(), secret.clone().into()));
        let (client_id, client_secret_file) = main.unzip();
        let mut config = TenantConfig {
            client_id,
            client_secret_file,
            apps,
            datasets: setup.datasets.as_deref().map(named),
            population: setup.population.clone(),
            authority: Some(tenant.authority.parse().unwrap()),
            graph: Some(tenant.graph.parse().unwrap()),
            ..TenantConfig::with_secret(tenant.id.parse().unwrap(), &tenant.client_id, secret)
        };
        config.resolve(home);
        config
    });
    let sinks = vec![
        SinkConfig::new(Directory {
            // What the ledger lets go is what is looked at here.
            guard: Guard {
                percent: 100,
                ..Guard::default()
            },
            ..Directory::new(home.join("inventory"))
        }),
        SinkConfig::new(Sqlite {
            path: home.join("inventory.db"),
        }),
    ];
    Config {
        data_dir: home.join("data"),
        tenants: tenants.collect(),
        sinks,
        collector: collector::Config {
            lateness_seconds: setup.lateness,
            publish_window: setup.window,
            ranges_above: setup.ranges_above,
            scheduled: false,
            ..collector::Config::default()
        },
        normalizer: normalizer::Config {
            lateness_seconds: setup.lateness,
            ..normalizer::Config::default()
        },
        privacy: catalog::Privacy::default(),
        outbound: runtime::http::Config::default(),
        connect: None,
    }
}

/// Grants an app of a tenant its permissions, and writes its secret where the configuration says.
fn register(home: &Path, sim: &Sim, tenant: usize, app: &App) -> AppConfig {
    let consent = Consent {
        roles: Some(app.roles.clone()),
        ..Consent::default()
    };
    assert!(sim.consent(tenant, app.position, consent));
    let asked = http::Request::get(format!("/_control/entra?tenant={tenant}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let all: Value = runtime.block_on(async {
        let asked = asked.body(Body::empty()).unwrap();
        let answer = sim.router().oneshot(asked).await.unwrap();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        serde_json::from_slice(&body).unwrap()
    });
    let known = &all["applications"][app.position];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let secret = app.credentials.is_empty().then(|| {
        let secret = home.join(format!("secret-{tenant}-{}", app.name));
        std::fs::write(&secret, text(&known["secrets"][0]["text"])).unwrap();
        secret.into()
    });
    AppConfig {
        name: app.name.to_owned(),
        client_id: text(&known["clientId"]),
        client_secret_file: secret,
        credentials: app.credentials.clone(),
        datasets: app.datasets.as_deref().map(named),
    }
}

fn named(datasets: &[&str]) -> Vec<Dataset> {
    datasets.iter().map(|name| name.parse().unwrap()).collect()
}
