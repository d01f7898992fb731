use std::time::Duration;

use serde_json::{Value, json};
use sink_sim::{Sim, SnipeIt};

use crate::client::Client;

fn system() -> (Sim<SnipeIt>, Client) {
    let sim = Sim::start(SnipeIt::new("token")).unwrap();
    let client = Client::new(&sim)
        .with("authorization", "Bearer token")
        .with("accept", "application/json");
    (sim, client)
}

/// The payload of what went well.
async fn done(client: &Client, method: &str, path: &str, body: Value) -> Value {
    let answer = client.json(method, path, &body).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["status"], "success", "{answer}");
    answer["payload"].clone()
}

/// The messages of what did not.
async fn refused(client: &Client, method: &str, path: &str, body: Value) -> Value {
    let answer = client.json(method, path, &body).await;
    assert_eq!(answer.status, 200, "errors are inside");
    let answer = answer.json();
    assert_eq!(
        (&answer["status"], &answer["payload"]),
        (&json!("error"), &Value::Null)
    );
    answer["messages"].clone()
}

#[tokio::test]
async fn a_licence_is_made_found_changed_and_removed() {
    let (sim, client) = system();
    let body = json!({ "name": "Microsoft 365 E5", "seats": 3, "category_id": 1, "order_number": "t:s", "nonsense": 1 });
    let made = done(&client, "POST", "/api/v1/licenses", body.clone()).await;
    assert_eq!(
        (&made["seats"], &made["free_seats_count"]),
        (&json!(3), &json!(3))
    );
    let found = client.get("/api/v1/licenses?order_number=t:s").await.json();
    assert_eq!(
        (&found["total"], &found["rows"][0]["id"]),
        (&json!(1), &made["id"])
    );
    assert_eq!(
        client
            .get("/api/v1/licenses?order_number=other")
            .await
            .json()["total"],
        0
    );
    let path = format!("/api/v1/licenses/{}", made["id"]);
    // The same again is success, and no change.
    done(&client, "PATCH", &path, body).await;
    assert_eq!(sim.read(|snipe| snipe.log().len()), 1);
    let more = done(&client, "PATCH", &path, json!({ "seats": 5 })).await;
    assert_eq!(more["seats"], 5);
    let less = done(
        &client,
        "PATCH",
        &path,
        json!({ "seats": "2", "notes": "x" }),
    )
    .await;
    assert_eq!((&less["seats"], &less["notes"]), (&json!(2), &json!("x")));
    assert_eq!(sim.read(|snipe| snipe.log().len()), 3);
    done(&client, "DELETE", &path, Value::Null).await;
    assert_eq!(
        refused(&client, "DELETE", &path, Value::Null).await,
        "License does not exist."
    );
    assert!(sim.read(|snipe| snipe.licenses().is_empty()));
}

#[tokio::test]
async fn licences_that_break_a_rule_are_refused_with_status_200() {
    let (sim, client) = system();
    let long = "x".repeat(256);
    let cases = [
        ("name", json!("E5"), "at least 3"),
        ("name", json!(long), "greater than 255"),
        ("name", Value::Null, "required"),
        ("seats", json!(0), "at least 1"),
        ("seats", json!("many"), "integer"),
        ("seats", json!(10_001), "between 1 and 10000"),
        ("category_id", json!(7), "invalid"),
        ("category_id", Value::Null, "required"),
        ("license_email", json!("nobody"), "valid email"),
    ];
    for (field, value, says) in cases {
        let mut body = json!({ "name": "Visio", "seats": 1, "category_id": 1 });
        body[field] = value;
        let messages = refused(&client, "POST", "/api/v1/licenses", body).await;
        let message = messages[field][0].as_str().unwrap();
        assert!(message.contains(says), "{message}");
        assert_eq!(messages.as_object().unwrap().len(), 1);
    }
    let nothing = refused(&client, "POST", "/api/v1/licenses", json!({})).await;
    assert_eq!(nothing.as_object().unwrap().len(), 3);
    assert!(sim.read(|snipe| snipe.licenses().is_empty()));
}

#[tokio::test]
async fn seats_are_handed_out_and_taken_back() {
    let (sim, client) = system();
    let person = sim.change(|snipe| snipe.add_person("a@x", "a@x", "7"));
    let body = json!({ "name": "Visio", "seats": 2, "category_id": 1 });
    let license = done(&client, "POST", "/api/v1/licenses", body).await;
    let path = format!("/api/v1/licenses/{}", license["id"]);
    let seats = client.get(&format!("{path}/seats")).await.json();
    assert_eq!(
        (&seats["total"], &seats["rows"][0]["assigned_user"]),
        (&json!(2), &Value::Null)
    );
    let seat = format!("{path}/seats/{}", seats["rows"][0]["id"]);
    let to = json!({ "assigned_to": person, "asset_id": null, "notes": "direct" });
    let handed = done(&client, "PATCH", &seat, to.clone()).await;
    assert_eq!(handed["assigned_user"]["id"], person);
    let changes = sim.read(|snipe| snipe.log().len());
    done(&client, "PATCH", &seat, to).await;
    assert_eq!(sim.read(|snipe| snipe.log().len()), changes);
    assert_eq!(client.get(&path).await.json()["free_seats_count"], 1);

    let messages = refused(&client, "PATCH", &seat, json!({ "assigned_to": 999 })).await;
    assert_eq!(messages, "Target not found");
    let other = format!("{path}/seats/999");
    assert_eq!(
        refused(&client, "PATCH", &other, json!({})).await,
        "Seat not found"
    );
    let unfree = refused(&client, "DELETE", &path, Value::Null).await;
    assert!(unfree.as_str().unwrap().contains("checked out"));
    let leaver = format!("/api/v1/users/{person}");
    let held = refused(&client, "DELETE", &leaver, Value::Null).await;
    assert!(held.as_str().unwrap().contains("1 license seats"));
    done(&client, "PATCH", &path, json!({ "seats": 1 })).await;
    let second = sim.read(|snipe| snipe.licenses()[0].seats.len());
    assert_eq!(second, 1, "a free seat goes first");

    done(&client, "PATCH", &seat, json!({ "assigned_to": null })).await;
    done(&client, "DELETE", &leaver, Value::Null).await;
    assert!(sim.read(|snipe| snipe.people().is_empty()));
}

#[tokio::test]
async fn a_seat_in_use_can_not_go() {
    let (sim, client) = system();
    let person = sim.change(|snipe| snipe.add_person("a@x", "a@x", "7"));
    let body = json!({ "name": "Visio", "seats": 2, "category_id": 1 });
    let license = done(&client, "POST", "/api/v1/licenses", body).await;
    for seat in sim.read(|snipe| snipe.licenses()[0].seats.clone()) {
        assert!(sim.change(|snipe| snipe.assign(seat.id, Some(person))));
    }
    let path = format!("/api/v1/licenses/{}", license["id"]);
    let messages = refused(
        &client,
        "PATCH",
        &path,
        json!({ "seats": 1, "name": "New" }),
    )
    .await;
    assert!(
        messages["seats"][0]
            .as_str()
            .unwrap()
            .contains("free seats")
    );
    // Nothing of a refused change happens.
    assert_eq!(client.get(&path).await.json()["name"], "Visio");
}

#[tokio::test]
async fn users_and_categories() {
    let (_sim, client) = system();
    let user = json!({
        "first_name": "Ada", "last_name": "O'Neil <x>", "username": "ada@x", "email": "ada@x",
        "employee_num": "7", "password": "correct horse", "password_confirmation": "correct horse",
    });
    let made = done(&client, "POST", "/api/v1/users", user.clone()).await;
    // As it is written into pages.
    assert_eq!(made["name"], "Ada O&#039;Neil &lt;x&gt;");
    let twice = refused(&client, "POST", "/api/v1/users", user.clone()).await;
    assert_eq!(
        twice,
        json!({ "username": ["The username has already been taken."] })
    );
    let mut short = user.clone();
    short["username"] = json!("b");
    short["password"] = json!("short");
    let messages = refused(&client, "POST", "/api/v1/users", short).await;
    assert!(
        messages["password"][0]
            .as_str()
            .unwrap()
            .contains("8 characters")
    );
    for (query, total) in [
        ("username=ADA@X", 1),
        ("email=b", 0),
        ("employee_num=7", 1),
        ("search=neil", 1),
    ] {
        let found = client.get(&format!("/api/v1/users?{query}")).await.json();
        assert_eq!(found["total"], total, "{query}");
    }
    let kind = json!({ "name": "Cloud", "category_type": "license" });
    let made = done(&client, "POST", "/api/v1/categories", kind.clone()).await;
    let twice = refused(&client, "POST", "/api/v1/categories", kind).await;
    assert!(twice["name"][0].as_str().unwrap().contains("taken"));
    let found = client.get("/api/v1/categories?name=cloud").await.json();
    assert_eq!(found["rows"], json!([made]));
    let wrong = json!({ "name": "Cloud", "category_type": "cloud" });
    let messages = refused(&client, "POST", "/api/v1/categories", wrong).await;
    assert!(messages["category_type"].is_array());
}

#[tokio::test]
async fn lists_have_an_end() {
    let (sim, client) = system();
    sim.change(|snipe| {
        for n in 0..510 {
            snipe.add_person(&format!("{n}@x"), "", "");
        }
    });
    let rows = async |query: &str| {
        let page = client.get(&format!("/api/v1/users?{query}")).await.json();
        assert_eq!(page["total"], 510);
        page["rows"].as_array().unwrap().len()
    };
    assert_eq!(rows("").await, 50);
    assert_eq!(rows("limit=1000").await, 500);
    assert_eq!(rows("limit=500&offset=500").await, 10);
}

#[tokio::test]
async fn a_minute_has_120_requests() {
    let (sim, client) = system();
    for left in (0..120).rev() {
        let answer = client.get("/api/v1/categories").await;
        assert_eq!(answer.header("x-ratelimit-remaining"), left.to_string());
    }
    let answer = client.get("/api/v1/categories").await;
    assert_eq!(answer.status, 429);
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    sim.clock().advance(Duration::from_secs(seconds));
    assert_eq!(client.get("/api/v1/categories").await.status, 200);
}

#[tokio::test]
async fn who_has_no_token_is_sent_away() {
    let (sim, client) = system();
    sim.change(|snipe| snipe.set_token("renewed"));
    let answer = client.get("/api/v1/licenses").await;
    assert_eq!(
        (answer.status, answer.json()["error"].is_string()),
        (401, true)
    );
    let browser = Client::new(&sim).with("authorization", "Bearer token");
    let answer = browser.get("/api/v1/licenses").await;
    assert_eq!((answer.status, answer.header("location")), (302, "/login"));
    let right = Client::new(&sim)
        .with("authorization", "Bearer renewed")
        .with("accept", "application/json");
    assert_eq!(right.get("/api/v1/nothing").await.status, 404);
}
