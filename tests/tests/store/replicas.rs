//! Two token-brokers over one PostgreSQL database.

use proto::ids::TenantId;
use runtime::CancellationToken;
use runtime::db::{self, Db, query};
use serde_json::json;
use servers::postgres::{Options, Postgres};
use token_broker::store;

use super::legacy::REFRESH;
use super::world::{Life, World, files};

struct Shared {
    world: World,
    /// Runs as long as this.
    postgres: Postgres,
    config: db::Config,
}

impl Shared {
    async fn new() -> Self {
        let postgres = Postgres::start(&Options::default()).unwrap();
        postgres.create_database("broker").unwrap();
        let world = World::new();
        std::fs::write(world.path("password"), postgres.password()).unwrap();
        let url = format!("postgres://postgres@127.0.0.1:{}/broker", postgres.port());
        let mut config = db::Config::new(url);
        config.password_file = Some(world.path("password"));
        Db::migrate(&config, &store::MIGRATIONS, "token-broker")
            .await
            .unwrap();
        Shared {
            world,
            postgres,
            config,
        }
    }

    async fn db(&self) -> Db {
        let stop = CancellationToken::new();
        let db = Db::connect(&self.config, &store::MIGRATIONS, "token-broker", &stop);
        db.await.unwrap()
    }

    async fn start(&self) -> Life {
        let life = self.world.start_over(self.db().await, &[]).await;
        life.unwrap()
    }

    /// A tenant with a person's refresh token; each is taken once.
    async fn of_a_person(&self) -> Life {
        self.world.sim.take_refresh_tokens_once(true);
        let client = self.world.public_app().await;
        let signed_in = self.world.sign_in(&client).await;
        let token = signed_in["refresh_token"].as_str().unwrap();
        let section = self.world.of_a_person(&client, REFRESH);
        let mut life = self.start().await;
        life.put(section, files(&[("person", token)]))
            .await
            .unwrap();
        life
    }

    /// Waits until somebody waits for a row.
    async fn somebody_waits(&self) {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        let db = self.db().await;
        let mut waiting = 0_i64;
        while waiting == 0 {
            let mut read = db.read().await.unwrap();
            waiting = query(sql).fetch_one(&mut read).await.unwrap();
        }
    }

    async fn version(&self) -> i64 {
        let db = self.db().await;
        let mut read = db.read().await.unwrap();
        let version = query("SELECT version FROM secret WHERE name = 'person'");
        version.fetch_one(&mut read).await.unwrap()
    }
}

const ROUNDS: i64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_is_redeemed_by_one_replica_at_a_time() {
    let shared = Shared::new().await;
    let mut one = shared.of_a_person().await;
    let mut other = shared.start().await;
    let before = shared.version().await;
    for _ in 0..ROUNDS {
        let (a, b) = tokio::join!(one.new_token(), other.new_token());
        a.and(b).unwrap();
    }
    assert_eq!(shared.version().await, before + 2 * ROUNDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_waits_for_the_one_that_redeems_and_takes_over_when_that_dies() {
    let shared = Shared::new().await;
    let mut one = shared.of_a_person().await;
    let mut other = shared.start().await;
    let network = &shared.world.network;
    let tenant: TenantId = one.id.parse().unwrap();
    network.hold(&format!("/{tenant}/oauth2"));
    let redeeming = async {
        tokio::select! {
            _ = one.new_token() => panic!("Entra ID doesn't answer"),
            () = shared.somebody_waits() => {}
        }
        // It dies, its request unanswered.
        drop(one);
        network.release();
    };
    let waiting = async {
        network.holds().await;
        let requests = network.requests();
        let token = other.new_token().await;
        (token, network.requests() - requests)
    };
    let ((), (token, requests)) = tokio::join!(redeeming, waiting);
    token.unwrap();
    assert_eq!(requests, 1, "it asked once, after the other one");
    other.new_token().await.unwrap();
    shared.start().await.token().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_told_by_one_of_two_replicas_and_after_both_were_down() {
    let shared = Shared::new().await;
    let world = &shared.world;
    let (section, secret) = world.secret();
    let mut one = shared.start().await;
    one.put(section, secret).await.unwrap();
    let mut other = shared.start().await;
    let all = ["User.Read.All", "Organization.Read.All"];
    for (count, roles) in [(0, &all[..]), (1, &all[..1]), (2, &all[..])] {
        world.consent(json!({ "roles": roles })).await;
        let (a, b) = tokio::join!(one.new_token(), other.new_token());
        a.and(b).unwrap();
        assert_eq!(world.drifts().len(), count, "{:?}", world.drifts());
    }
    drop((one, other));
    world.consent(json!({ "roles": &all[..1] })).await;
    for _ in 0..2 {
        shared.start().await.token().await.unwrap();
        assert_eq!(world.drifts().len(), 3, "{:?}", world.drifts());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_store_hands_out_tokens_and_knows_no_kill_since() {
    let shared = Shared::new().await;
    let (section, secret) = shared.world.secret();
    let mut before = shared.start().await;
    before.put(section, secret).await.unwrap();
    before.token().await.unwrap();
    let copy = shared.postgres.dump("broker").unwrap();
    let tenant = before.id.clone();
    before.kill(&tenant).await;
    before.token().await.unwrap_err();
    // Whoever restores a database ends the processes that wrote to it before.
    drop(before);
    shared.postgres.restore("broker", &copy).unwrap();
    let mut after = shared.start().await;
    after.token().await.unwrap();
    // As the page on upgrades says: it has to be killed again.
    assert!(after.status().await.kills.is_empty());
    after.kill(&tenant).await;
    after.token().await.unwrap_err();
}
