//! The ways of before: a person's refresh token and an imported token, in the store, until their day.

use std::time::Duration;

use bytes::Bytes;
use proto::admin::v1::PreflightRequest;
use runtime::db::query;
use serde_json::Value;
use tests::network::BASE;
use tests::person;
use tonic::Code;
use tower::ServiceExt as _;

use super::world::{World, files};

impl World {
    pub async fn send(&self, path: &str, kind: &str, body: String) -> Value {
        let request = http::Request::post(format!("{BASE}/{path}"))
            .header("content-type", kind)
            .body(Bytes::from(body))
            .unwrap();
        let answer = self.network.client().oneshot(request).await.unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        serde_json::from_slice(answer.body()).unwrap_or_default()
    }

    pub async fn get(&self, path: &str) -> String {
        let request = http::Request::get(format!("{BASE}/{path}"));
        let request = request.body(Bytes::new()).unwrap();
        let answer = self.network.client().oneshot(request).await.unwrap();
        String::from_utf8(answer.body().to_vec()).unwrap()
    }

    /// The tenant's application for devices.
    pub async fn public_app(&self) -> String {
        person::public_app(&self.network).await
    }

    /// What a person's sign-in with a device code gives.
    pub async fn sign_in(&self, client: &str) -> Value {
        self.sign_in_as(client, None).await
    }

    /// The same for a user with this object id.
    pub async fn sign_in_as(&self, client: &str, user: Option<&str>) -> Value {
        let signed_in = person::sign_in(&self.network, client, user).await;
        signed_in.unwrap()
    }

    /// The tenant's section with a credential of a person's.
    pub fn of_a_person(&self, client: &str, credential: &str) -> String {
        let tenant = &self.sim.tenants()[0];
        format!(
            "id = '{}'\nauthority = '{BASE}'\ngraph = '{BASE}'\nclient_id = '{client}'\n[[credentials]]\n{credential}",
            tenant.id
        )
    }

    pub async fn version(&self) -> i64 {
        let mut read = self.db().await.read().await.unwrap();
        let version = query("SELECT version FROM secret WHERE name = 'person'");
        version.fetch_one(&mut read).await.unwrap()
    }
}

pub const REFRESH: &str = "kind = 'refresh_token'\ntoken_file = 'person'\nuntil = '2999-12-31'";

#[tokio::test]
async fn a_refresh_token_is_replaced_with_each_use_and_shown_as_legacy() {
    let world = World::new();
    let client = world.public_app().await;
    let signed_in = world.sign_in(&client).await;
    let first = signed_in["refresh_token"].as_str().unwrap();
    let mut life = world.start(&[]).await.unwrap();
    let section = world.of_a_person(&client, REFRESH);
    life.put(section, files(&[("person", first)]))
        .await
        .unwrap();
    let before = world.version().await;
    life.token().await.unwrap();
    let app = life.status().await.tenants[0].apps[0].clone();
    assert!(app.credentials[0].legacy && app.credentials[0].ends_at > 0);
    drop(life);
    let mut life = world.start(&[]).await.unwrap();
    life.token().await.unwrap();
    assert!(world.version().await > before, "each use stores the next");
    let request = PreflightRequest {
        tenant_id: life.id.clone(),
    };
    let report = life.admin.preflight(request).await.unwrap().into_inner();
    assert_eq!(report.apps[0].credential, "0 refresh_token");
    assert!(
        report.apps[0].granted.contains(&"User.Read.All".to_owned()),
        "{report:?}"
    );
}

#[tokio::test]
async fn an_imported_token_serves_until_it_ends_and_a_day_that_is_over_refuses_both() {
    let world = World::new();
    let client = world.public_app().await;
    let signed_in = world.sign_in(&client).await;
    let token = signed_in["access_token"].as_str().unwrap();
    let mut life = world.start(&[]).await.unwrap();
    let imported = "kind = 'imported_token'\ntoken_file = 'person'\nuntil = '2999-12-31'";
    let section = world.of_a_person(&client, imported);
    life.put(section.clone(), files(&[("person", token)]))
        .await
        .unwrap();
    life.token().await.unwrap();
    let nonsense = life.put(section, files(&[("person", "x")])).await;
    assert!(nonsense.unwrap_err().message().contains("LW-2015"));
    for (credential, content) in [
        (imported, token),
        (REFRESH, signed_in["refresh_token"].as_str().unwrap()),
    ] {
        let over = credential.replace("2999-12-31", "2020-12-31");
        let section = world.of_a_person(&client, &over);
        let e = life.put(section, files(&[("person", content)])).await;
        let e = e.unwrap_err();
        assert!(
            e.code() == Code::FailedPrecondition && e.message().contains("until 2020-12-31 only"),
            "{e}"
        );
    }
    // A token of another app is none of this one.
    let other = world.sim.tenants()[0].client_id.clone();
    let section = world.of_a_person(&other, imported);
    let e = life.put(section, files(&[("person", token)])).await;
    assert!(e.unwrap_err().message().contains("LW-2031"));
}

#[test]
fn a_broker_that_dies_at_any_step_of_a_redemption_still_has_a_refresh_token() {
    let run = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let world = World::new();
    let first = run();
    first.block_on(async {
        let client = world.public_app().await;
        let signed_in = world.sign_in(&client).await;
        let token = signed_in["refresh_token"].as_str().unwrap();
        let mut life = world.start(&[]).await.unwrap();
        let section = world.of_a_person(&client, REFRESH);
        life.put(section, files(&[("person", token)]))
            .await
            .unwrap();
    });
    drop(first);
    let (mut redeemed, mut stored) = (0, 0);
    for step in 0..60 {
        let life = run();
        let (requests, version) = life.block_on(async {
            let before = (world.network.requests(), world.version().await);
            let mut life = world.start(&[]).await.unwrap();
            let steps = async {
                for _ in 0..step {
                    tokio::time::sleep(Duration::from_micros(50)).await;
                }
            };
            tokio::select! {
                biased;
                () = steps => {}
                token = life.token() => token.unwrap(),
            }
            before
        });
        // As the end of the process: whatever is under way ends.
        drop(life);
        let after = run();
        after.block_on(async {
            redeemed += u32::from(world.network.requests() > requests);
            stored += u32::from(world.version().await > version);
            let mut life = world.start(&[]).await.unwrap();
            life.token().await.unwrap();
        });
    }
    assert!(
        redeemed > 0 && stored > 0,
        "{redeemed} redeemed, {stored} stored"
    );
}
