//! What Graph allows is known beyond the process that learned it, and others are left their part.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use bytes::Bytes;
use graph_sim::{Consent, RetryAfter, Sim, Throttling, Window};
use runtime::Clock;
use runtime::db::Durability;
use serde_json::Value;
use tests::desk::{self, Desk, Setup};
use tests::network::{BASE, Network};
use tests::world::ORIGIN;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

/// Seconds that other applications work beside the collector.
const WHILE: u64 = 400;

struct Field {
    sim: Sim,
    network: Network,
    clock: Clock,
    home: tempfile::TempDir,
}

impl Field {
    fn new(throttling: Throttling) -> Field {
        let needs = catalog::ALL.iter().flat_map(|d| d.needs);
        let sim = Sim::new(graph_sim::Config {
            users: 40,
            base: Some(BASE.to_owned()),
            start: Some(ORIGIN / 1_000_000),
            roles: needs.map(|need| need.least.to_owned()).collect(),
            throttling: Some(throttling),
            ..graph_sim::Config::default()
        });
        let clock = Clock::starting_at(ORIGIN);
        let network = Network::new(sim.clone());
        network.follow(clock.clone(), ORIGIN);
        Field {
            sim,
            network,
            clock,
            home: tempfile::tempdir().unwrap(),
        }
    }

    async fn desk(&self, dataset: &'static str) -> Desk {
        Desk::start(Setup {
            config: collector::Config {
                lateness_seconds: 0,
                scheduled: false,
                ..collector::Config::default()
            },
            tenants: self.sim.tenants(),
            datasets: &[dataset],
            http: self.network.outbound(),
            clock: self.clock.clone(),
            db: desk::database(self.home.path(), Durability::Normal)
                .await
                .unwrap(),
            alone: true,
            keep: false,
        })
    }

    /// When requests to a path came, in seconds, and the status of each answer.
    fn asked(&self, path: &str) -> Vec<(u64, u16)> {
        let log = self.sim.log();
        let asked = log.iter().filter(|e| e.path.contains(path));
        asked.map(|e| (e.at, e.status)).collect()
    }
}

/// A report is allowed once in ten minutes, and asked for twice at once: then the collector is stopped, and another one goes
/// on with its database. It knows how long to wait, in whatever form it was told.
#[tokio::test(start_paused = true)]
async fn a_pause_outlives_the_collector_that_was_told_of_it() {
    for retry_after in [RetryAfter::Seconds, RetryAfter::Decimal, RetryAfter::Date] {
        let field = Field::new(Throttling {
            divisor: 14.0,
            window: Window::Fixed,
            retry_after,
            headers: false,
            ..Throttling::default()
        });
        // The clock of Graph is wrong, which must not matter.
        field.sim.put_clock_off(-4_000);
        let report = "/reports/getOffice365ActiveUserDetail";
        let mut desk = field.desk("activeUsers").await;
        desk.sealed().await;
        desk.make_due().await;
        while field.asked(report).len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        desk.stop().await;
        let mut desk = field.desk("activeUsers").await;
        desk.make_due().await;
        desk.sealed().await;
        desk.stop().await;
        let asked = field.asked(report);
        let statuses: Vec<u16> = asked.iter().map(|a| a.1).collect();
        assert_eq!(statuses, [302, 429, 302], "{retry_after:?}: {asked:?}");
        assert!(asked[2].0 >= 600, "{retry_after:?}: {asked:?}");
    }
}

/// Two other applications use 70 % of what all have together. They are refused while the collector learns that, and then no
/// more: it takes about what is left of 80 %.
#[tokio::test(start_paused = true)]
async fn other_applications_are_left_their_part() {
    for window in [Window::Fixed, Window::Sliding, Window::Bucket] {
        // 20 requests in 20 seconds for each, 40 for all.
        let field = Field::new(Throttling {
            divisor: 100.0,
            window,
            ..Throttling::default()
        });
        let mut others = JoinSet::new();
        for position in 1..=2 {
            let bearer = bearer(&field, position).await;
            let (network, clock) = (field.network.clone(), field.clock.clone());
            others.spawn(async move {
                let mut refused = Vec::new();
                loop {
                    tokio::time::sleep(Duration::from_millis(20_000 / 14)).await;
                    let request = http::Request::get(format!(
                        "{BASE}/v1.0/deviceManagement/managedDevices?$top=1"
                    ));
                    let request = request.header("authorization", &bearer).body(Bytes::new());
                    let answer = network.client().oneshot(request.unwrap()).await.unwrap();
                    if answer.status() == 429 {
                        refused.push(clock.micros());
                    }
                    if clock.micros() > ORIGIN + WHILE * 1_000_000 {
                        return refused;
                    }
                }
            });
        }
        let mut desk = field.desk("managedDevices").await;
        let mut refused = Vec::new();
        while !others.is_empty() {
            tokio::select! {
                Some(done) = others.join_next() => refused.extend(done.unwrap()),
                _ = desk.sealed() => desk.make_due().await,
            }
        }
        desk.stop().await;
        let late = refused.iter().filter(|at| **at > ORIGIN + WHILE * 500_000);
        assert!(late.count() <= 3, "{window:?}: {} refused", refused.len());
        let all = field.asked("/deviceManagement/managedDevices");
        let all = all.iter().filter(|(at, _)| *at >= WHILE / 2).count() as f64;
        let windows = WHILE as f64 / 40.0;
        // What others ask for behind its last answer in a window, it can't know of; a bucket is kept below 80 %, whatever
        // runs through.
        let most = if window == Window::Bucket { 41.0 } else { 37.0 };
        assert!(all < most * windows, "{window:?}: {all} requests");
        assert!(all > 29.0 * windows, "{window:?}: {all} requests");
    }
}

/// A token of another application of the tenant, which may read devices.
async fn bearer(field: &Field, position: usize) -> String {
    let consent = Consent {
        roles: Some(vec!["DeviceManagementManagedDevices.Read.All".to_owned()]),
        ..Consent::default()
    };
    assert!(field.sim.consent(0, position, consent));
    let all = field.network.get("_control/entra?tenant=0").await.unwrap();
    let app = &all["applications"][position];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope={BASE}/.default",
        text(&app["clientId"]),
        text(&app["secrets"][0]["text"]).replace('~', "%7E"),
    );
    let path = format!("{}/oauth2/v2.0/token", field.sim.tenants()[0].id);
    let kind = "application/x-www-form-urlencoded";
    let answer = field.network.post(&path, kind, form).await.unwrap();
    format!("Bearer {}", text(&answer["access_token"]))
}
