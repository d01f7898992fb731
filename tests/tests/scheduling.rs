//! Which tenants and datasets a collector works on at the same time, and on which it doesn't.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use graph_sim::{Sim, TenantInfo};
use proto::admin::v1::{
    CollectorStatus, MakeDueRequest, PauseRequest, ResumeRequest, WatchRequest,
};
use runtime::Clock;
use runtime::db::Durability;
use tests::desk::{self, Desk};
use tests::network::{BASE, Network};
use tests::world::ORIGIN;
use tokio::time::sleep;

/// Simulated tenants, and what a collector of theirs keeps.
struct Ground {
    network: Network,
    tenants: Vec<TenantInfo>,
    clock: Clock,
    home: tempfile::TempDir,
}

impl Ground {
    fn of(tenants: u16) -> Ground {
        let sim = Sim::new(graph_sim::Config {
            users: 50,
            tenants,
            base: Some(BASE.to_owned()),
            roles: vec!["User.Read.All".to_owned(), "Domain.Read.All".to_owned()],
            ..graph_sim::Config::default()
        });
        Ground {
            tenants: sim.tenants().to_vec(),
            network: Network::new(sim),
            clock: Clock::starting_at(ORIGIN),
            home: tempfile::tempdir().unwrap(),
        }
    }

    async fn desk(&self, config: collector::Config, datasets: &[&'static str]) -> Desk {
        Desk::start(desk::Setup {
            config,
            tenants: &self.tenants,
            datasets,
            http: self.network.outbound(),
            clock: self.clock.clone(),
            db: desk::database(self.home.path(), Durability::Normal)
                .await
                .unwrap(),
            alone: true,
            keep: false,
        })
    }
}

/// So late that nothing is read twice, and nothing by its cadence.
fn config() -> collector::Config {
    let never = 1_000_000_000;
    let cadence = ["users", "domains"].map(|d| (d.parse().unwrap(), never));
    collector::Config {
        cadence: BTreeMap::from(cadence),
        lateness_seconds: 0,
        ..collector::Config::default()
    }
}

/// The state, once it is as wanted.
async fn state(desk: &Desk, wanted: impl Fn(&CollectorStatus) -> bool) -> CollectorStatus {
    let mut states = desk
        .admin()
        .watch(WatchRequest {})
        .await
        .unwrap()
        .into_inner();
    loop {
        let state = states.message().await.unwrap().unwrap();
        if wanted(&state) {
            return state;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_small_dataset_does_not_wait_for_a_long_one() {
    let ground = Ground::of(1);
    ground.network.hold("/v1.0/users");
    let mut desk = ground.desk(config(), &["users", "domains"]).await;
    let first = desk.sealed().await;
    // It becomes due while the other one still lasts.
    desk.make_due().await;
    let second = desk.sealed().await;
    assert_eq!(
        (first.dataset.as_str(), second.dataset.as_str()),
        ("domains", "domains")
    );
    assert!(second.run > first.run);
    ground.network.release();
    let long = desk.sealed().await;
    assert_eq!(long.dataset, "users");
    // All under one lease.
    assert_eq!(
        (first.attempt, second.attempt),
        (long.attempt, long.attempt)
    );
    desk.stop().await;
}

#[tokio::test(start_paused = true)]
async fn so_many_datasets_are_read_at_the_same_time_and_no_more() {
    let ground = Ground::of(1);
    ground.network.hold("/v1.0/users");
    let config = collector::Config {
        concurrent_datasets: 1,
        ..config()
    };
    let mut desk = ground.desk(config, &["users", "domains"]).await;
    ground.network.holds().await;
    sleep(Duration::from_secs(20)).await;
    let phases = |state: CollectorStatus| -> Vec<String> {
        state
            .datasets
            .into_iter()
            .map(|d| format!("{} {}", d.dataset, d.phase))
            .collect()
    };
    let waiting = phases(state(&desk, |_| true).await);
    assert_eq!(waiting, ["domains due", "users reading"]);
    // What is long makes room.
    assert_eq!(desk.sealed().await.dataset, "domains");
    ground.network.release();
    assert_eq!(desk.sealed().await.dataset, "users");
    desk.stop().await;
}

#[tokio::test(start_paused = true)]
async fn tenants_whose_work_is_long_leave_their_place_to_others() {
    let ground = Ground::of(3);
    ground.network.hold("/v1.0/users");
    let config = collector::Config {
        concurrent_tenants: 1,
        ..config()
    };
    let mut desk = ground.desk(config, &["users"]).await;
    let reading = |state: &CollectorStatus| state.datasets.iter().filter(|d| d.run > 0).count();
    sleep(Duration::from_secs(20)).await;
    assert_eq!(reading(&state(&desk, |_| true).await), 1);
    // The first one gets a place among the long ones; the second one finds none, and is interrupted for the third.
    state(&desk, |s| reading(s) == 3).await;
    ground.network.release();
    let mut done = Vec::new();
    for _ in 0..3 {
        done.push(desk.sealed().await.tenant_id);
    }
    done.sort();
    let mut all: Vec<&str> = ground.tenants.iter().map(|t| t.id.as_str()).collect();
    all.sort_unstable();
    assert_eq!(done, all);
    desk.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_tenant_is_not_read_until_it_is_resumed() {
    let ground = Ground::of(1);
    let tenant_id = ground.tenants[0].id.clone();
    ground.network.hold("/v1.0/users");
    let desk = ground.desk(config(), &["users"]).await;
    ground.network.holds().await;
    let pause = PauseRequest {
        tenant_id: tenant_id.clone(),
    };
    desk.admin().pause(pause).await.unwrap();
    let told = state(&desk, |s| s.idle).await;
    assert_eq!(told.datasets[0].phase, "paused");
    assert_eq!(told.paused[0].tenant_id, tenant_id);
    // The request that waits is given up, and no other one is made.
    sleep(Duration::from_secs(10)).await;
    ground.network.release();
    let requests = ground.network.requests();
    sleep(Duration::from_secs(7_200)).await;
    desk.make_due().await;
    sleep(Duration::from_secs(7_200)).await;
    assert_eq!(ground.network.requests(), requests);
    desk.stop().await;

    // It survives a restart, and whoever names the tenant is told.
    let mut desk = ground.desk(config(), &["users"]).await;
    let named = MakeDueRequest {
        tenant_ids: vec![tenant_id.clone()],
        ..MakeDueRequest::default()
    };
    let refused = desk.admin().make_due(named.clone()).await.unwrap_err();
    assert!(refused.message().starts_with("LW-4056"), "{refused}");
    sleep(Duration::from_secs(7_200)).await;
    assert_eq!(ground.network.requests(), requests);
    let other = PauseRequest {
        tenant_id: "00000000-0000-0000-0000-000000000001".to_owned(),
    };
    let refused = desk.admin().pause(other).await.unwrap_err();
    assert!(refused.message().starts_with("LW-2011"), "{refused}");

    let resume = ResumeRequest { tenant_id };
    desk.admin().resume(resume.clone()).await.unwrap();
    assert_eq!(desk.sealed().await.dataset, "users");
    let refused = desk.admin().resume(resume).await.unwrap_err();
    assert!(refused.message().starts_with("LW-4055"), "{refused}");
    desk.admin().make_due(named).await.unwrap();
    desk.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_no_verdict_comes_for_is_read_again_when_an_operator_says_so() {
    let ground = Ground::of(1);
    let mut desk = ground.desk(config(), &["users"]).await;
    desk.published.silent.store(true, Ordering::Relaxed);
    let lost = desk.sealed().await;
    // Who only makes it due waits for the verdict.
    desk.make_due().await;
    let minutes = Duration::from_secs(600);
    let waited = tokio::time::timeout(minutes, desk.sealed()).await;
    assert!(waited.is_err(), "{waited:?}");
    let at_once = MakeDueRequest {
        give_up: true,
        ..MakeDueRequest::default()
    };
    desk.admin().make_due(at_once).await.unwrap();
    let again = tokio::time::timeout(minutes, desk.sealed()).await.unwrap();
    assert!(again.run > lost.run, "{again:?}");
    desk.stop().await;
}
