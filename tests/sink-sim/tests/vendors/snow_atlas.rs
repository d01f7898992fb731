use std::time::Duration;

use serde_json::{Value, json};
use sink_sim::{Credentials, Sim, SnowAtlas};

use crate::client::Client;

const LICENSES: &str = "/api/sam/v1/licenses";
const ORGANISATION: &str = "317db6a5-e16d-4e3b-a745-1f973690e982";

async fn region() -> (Sim<SnowAtlas>, Client) {
    let sim = Sim::start(SnowAtlas::new(Credentials::new("app", "secret"))).unwrap();
    let client = Client::new(&sim)
        .signed_in("/idp/api/connect/token", "app", "secret")
        .await;
    (sim, client)
}

fn license(external: &str) -> Value {
    json!({ "externalId": external, "organizationId": ORGANISATION, "quantity": 5 })
}

#[tokio::test]
async fn a_licence_is_made_found_replaced_and_removed() {
    let (sim, client) = region().await;
    let made = client.json("POST", LICENSES, &license("t:E5")).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!(made["isIncomplete"], true);
    let find = async |filter: &str| {
        let found = client
            .get(&format!("{LICENSES}?filter={filter}"))
            .await
            .json();
        found["pagination"]["total_items"].clone()
    };
    assert_eq!(find("externalId%20-eq%20%22t:E5%22").await, 1);
    assert_eq!(find("externalId%20-eq%20%22t:E3%22").await, 0);
    assert_eq!(find("externalId%20-contains%20%22e5%22").await, 1);
    let path = format!("{LICENSES}/{}", made["id"].as_str().unwrap());
    let mut changed = license("t:E5");
    changed["notes"] = json!("x");
    assert_eq!(
        client.json("PUT", &path, &changed).await.json()["notes"],
        "x"
    );
    // Replaced, not merged.
    assert_eq!(
        client
            .json("PUT", &path, &license("t:E5"))
            .await
            .json()
            .get("notes"),
        None
    );
    assert_eq!(client.json("DELETE", &path, &Value::Null).await.status, 204);
    assert_eq!(client.get(&path).await.status, 404);
    assert!(sim.read(|atlas| atlas.licenses().is_empty()));
}

#[tokio::test]
async fn who_has_a_licence_is_replaced_as_a_whole() {
    let (sim, client) = region().await;
    let [ada, bob] = ["ada", "bob"]
        .map(|name| sim.change(|atlas| atlas.add_account(name, &format!("{name}@x"))));
    let made = client.json("POST", LICENSES, &license("t:E5")).await.json();
    let path = format!(
        "{LICENSES}/{}/assignments/users",
        made["id"].as_str().unwrap()
    );
    let put = async |users: &[&str]| {
        let users: Vec<Value> = users.iter().map(|user| json!({ "userId": user })).collect();
        client.json("PUT", &path, &json!(users)).await
    };
    let first = put(&[&ada, &bob]).await.json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let second = put(&[&bob]).await.json();
    assert_eq!(
        second["items"],
        json!([first["items"][1]]),
        "an assignment that stays is the same"
    );
    assert_eq!(put(&["nobody"]).await.status, 400);
    assert_eq!(put(&[&ada, &ada]).await.status, 400);
    assert_eq!(client.get(&path).await.json()["items"], second["items"]);
    assert_eq!(client.json("DELETE", &path, &Value::Null).await.status, 204);
    assert_eq!(sim.read(|atlas| atlas.licenses()[0].users.len()), 0);
    let found =
        client.get("/api/sam/estate/v1/user-accounts-discovery?filter=email%20-eq%20%22ada@x%22");
    assert_eq!(found.await.json()["items"][0]["objectId"], ada);
    let found = client.get("/api/sam/estate/v1/user-accounts?filter=userName%20-eq%20%22bob%22");
    assert_eq!(found.await.json()["items"][0]["id"], bob);
}

#[tokio::test]
async fn collections_have_pages() {
    let (_sim, client) = region().await;
    for n in 0..101 {
        client
            .json("POST", LICENSES, &license(&n.to_string()))
            .await;
    }
    let page = client.get(LICENSES).await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 100);
    assert_eq!(page["pagination"]["total_pages"], 2);
    let page = client
        .get(&format!("{LICENSES}?page_number=2"))
        .await
        .json();
    assert_eq!(page["items"][0]["externalId"], "100");
    for query in ["page_number=0", "page_size=x", "filter=externalId"] {
        assert_eq!(
            client.get(&format!("{LICENSES}?{query}")).await.status,
            400,
            "{query}"
        );
    }
}

#[tokio::test]
async fn requests_are_refused_as_documented() {
    let (sim, client) = region().await;
    for (name, value) in [
        ("unknown", json!(1)),
        ("quantity", json!(-1)),
        ("quantity", json!("many")),
        ("organizationId", json!("x")),
        ("metricId", json!(1)),
        ("userAssignments", json!([{ "userId": "nobody" }])),
    ] {
        let mut body = license("t:E5");
        body[name] = value;
        let answer = client.json("POST", LICENSES, &body).await;
        assert_eq!(
            (answer.status, answer.json()["error"]["code"].clone()),
            (400, json!(400)),
            "{name}"
        );
    }
    assert!(sim.read(|atlas| atlas.licenses().is_empty()));
    assert_eq!(
        client
            .json("PUT", &format!("{LICENSES}/none"), &license("x"))
            .await
            .status,
        404
    );
    sim.clock().advance(Duration::from_secs(3_601));
    assert_eq!(client.get(LICENSES).await.status, 401);
    let form = "grant_type=client_credentials&client_id=app&client_secret=x";
    let answer = client.grant("/idp/api/connect/token", form).await;
    assert_eq!(
        (answer.status, answer.json()["error"].clone()),
        (400, json!("invalid_client"))
    );
}
