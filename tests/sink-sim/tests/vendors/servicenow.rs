use std::time::Duration;

use serde_json::{Value, json};
use sink_sim::{Credentials, ServiceNow, Sim, Transform};

use crate::client::Client;

const MULTIPLE: &str = "/api/now/import/u_staging/insertMultiple";

fn instance(synchronous: bool) -> Sim<ServiceNow> {
    let columns = [("u_external_key", 255), ("u_upn", 20), ("u_closing", 40)];
    let transform = Transform {
        staging: "u_staging".to_owned(),
        columns: columns
            .map(|(name, longest)| (name.to_owned(), longest))
            .to_vec(),
        target: "u_target".to_owned(),
        coalesce: "u_external_key".to_owned(),
        closing: Some("u_closing".to_owned()),
        synchronous,
    };
    Sim::start(ServiceNow::new(
        Credentials::new("app", "secret"),
        transform,
    ))
    .unwrap()
}

async fn client(sim: &Sim<ServiceNow>) -> Client {
    Client::new(sim)
        .signed_in("/oauth_token.do", "app", "secret")
        .await
}

fn record(key: &str, upn: &str, closing: u64) -> Value {
    json!({ "u_external_key": key, "u_upn": upn, "u_closing": closing })
}

/// The states of an import set's rows, with the comments.
async fn states(client: &Client, set: &str) -> Vec<(String, String)> {
    let path = format!(
        "/api/now/table/sys_import_set_row?sysparm_query=sys_import_set={set}^ORDERBYsys_import_row"
    );
    let rows = client.get(&path).await.json();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = rows["result"].as_array().unwrap().iter();
    rows.map(|row| {
        (
            text(row, "sys_import_state"),
            text(row, "sys_import_state_comment"),
        )
    })
    .collect()
}

async fn import(client: &Client, records: Value) -> String {
    let answer = client
        .json("POST", MULTIPLE, &json!({ "records": records }))
        .await;
    assert_eq!(answer.status, 201);
    let answer = answer.json();
    assert_eq!(
        answer.as_object().unwrap().len(),
        2,
        "the answer says nothing of rows: {answer}"
    );
    answer["import_set_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn many_are_imported_later_and_only_their_rows_tell_what_became_of_them() {
    let sim = instance(false);
    let client = client(&sim).await;
    sim.change(|now| now.transformation_takes(Duration::from_secs(60)));
    let set = import(
        &client,
        json!([record("a", "a@x", 1), record("b", "b@x", 1)]),
    )
    .await;
    let pending = ("pending".to_owned(), String::new());
    assert_eq!(states(&client, &set).await, [pending.clone(), pending]);
    assert!(sim.read(|now| now.target().is_empty()));
    sim.clock().advance(Duration::from_secs(61));
    let inserted = ("inserted".to_owned(), String::new());
    assert_eq!(states(&client, &set).await, [inserted.clone(), inserted]);
    assert_eq!(sim.read(|now| now.target().len()), 2);
    let path = format!("/api/now/table/sys_import_set/{set}");
    assert_eq!(
        client.get(&path).await.json()["result"]["state"],
        "processed"
    );
}

#[tokio::test]
async fn rows_coalesce_and_older_ones_are_ignored() {
    let sim = instance(true);
    let client = client(&sim).await;
    sim.change(|now| now.fail("broken", "a business rule has objected"));
    let set = import(
        &client,
        json!([
            record("a", "a@x", 5),
            record("a", "a@x", 5),
            record("a", "new@x", 6),
            record("a", "old@x", 4),
            record("", "nobody", 1),
            record("broken", "b@x", 1),
            "no object",
        ]),
    )
    .await;
    let states = states(&client, &set).await;
    let names: Vec<&str> = states.iter().map(|(state, _)| state.as_str()).collect();
    assert_eq!(
        names,
        [
            "inserted", "ignored", "updated", "ignored", "skipped", "error", "skipped"
        ]
    );
    assert_eq!(states[1].1, "No field values changed");
    assert_eq!(states[5].1, "a business rule has objected");
    sim.read(|now| {
        assert_eq!(now.target().len(), 1);
        assert_eq!(now.target()[0]["u_upn"], "new@x");
        assert_eq!(now.target()[0]["u_closing"], "6");
    });
}

#[tokio::test]
async fn import_sets_that_wait_may_overtake_each_other() {
    let sim = instance(false);
    let client = client(&sim).await;
    sim.change(|now| {
        now.hold_transformations(true);
        now.transform_backwards(true);
    });
    let first = import(&client, json!([record("a", "old@x", 1)])).await;
    import(&client, json!([record("a", "new@x", 2)])).await;
    sim.change(|now| now.hold_transformations(false));
    assert_eq!(states(&client, &first).await[0].0, "ignored");
    assert_eq!(sim.read(|now| now.target()[0]["u_upn"].clone()), "new@x");
}

#[tokio::test]
async fn one_is_imported_at_once_and_its_answer_says_how() {
    let sim = instance(false);
    let client = client(&sim).await;
    let path = "/api/now/v2/import/u_staging";
    let answer = client.json("POST", path, &record("a", "a@x", 1)).await;
    assert_eq!(answer.status, 201);
    let result = answer.json()["result"][0].clone();
    assert_eq!(result["status"], "inserted");
    assert_eq!(
        sim.read(|now| now.target()[0]["sys_id"].clone()),
        result["sys_id"]
    );
    let answer = client
        .json("POST", path, &record("a", "b@x", 0))
        .await
        .json();
    assert_eq!(answer["result"][0]["status"], "ignored");
    let row = answer["result"][0]["sys_id"].as_str().unwrap();
    let again = client.get(&format!("{path}/{row}")).await.json();
    assert_eq!(again["result"], answer["result"]);
    sim.change(|now| now.fail("a", "no"));
    let answer = client.json("POST", path, &record("a", "c@x", 9)).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json()["result"][0]["error_message"], "no");
}

#[tokio::test]
async fn what_does_not_fit_is_cut_off_or_dropped_without_a_word() {
    let sim = instance(true);
    let client = client(&sim).await;
    let mut long = record("a", "twenty characters and more", 1);
    long["u_unknown"] = json!("x");
    import(&client, json!([long])).await;
    sim.read(|now| {
        assert_eq!(now.target()[0]["u_upn"], "twenty characters an");
        assert!(!now.target()[0].contains_key("u_unknown"));
    });
    import(&client, json!([record("b", "b", 1)])).await;
    let count = async |query: &str| {
        let path = format!("/api/now/table/u_target?sysparm_query={query}");
        let answer = client.get(&path).await;
        answer.header("x-total-count").parse::<usize>().unwrap()
    };
    assert_eq!(count("u_external_key=b").await, 1);
    assert_eq!(count("u_external_keyINa,b,c").await, 2);
    assert_eq!(count("u_external_key=b^ORu_external_key=a").await, 2);
    assert_eq!(count("u_external_key=b^u_upnISEMPTY").await, 0);
    assert_eq!(count("u_external_key!=b^u_upnLIKETWENTY").await, 1);
    // A condition on a field that is none is no condition: everything is there.
    assert_eq!(count("u_externel_key=b").await, 2);
}

#[tokio::test]
async fn tables_are_read_page_by_page() {
    let sim = instance(true);
    let client = client(&sim).await;
    let records: Vec<Value> = (0..25)
        .map(|n| record(&format!("{n:02}"), "x", 1))
        .collect();
    import(&client, json!(records)).await;
    let path = "/api/now/table/u_target?sysparm_query=ORDERBYDESCu_external_key&sysparm_fields=u_external_key";
    let page = client
        .get(&format!("{path}&sysparm_limit=10&sysparm_offset=20"))
        .await;
    assert_eq!(page.header("x-total-count"), "25");
    let keys: Vec<Value> = page.json()["result"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 5);
    assert_eq!(keys[0], json!({ "u_external_key": "04" }));
    let both = client
        .get(&format!("{path}&sysparm_limit=1&sysparm_display_value=all"))
        .await
        .json();
    let key = json!({ "display_value": "24", "value": "24" });
    assert_eq!(both["result"], json!([{ "u_external_key": key }]));
    let none = client.get("/api/now/table/u_target/0123").await;
    assert_eq!(
        (none.status, none.json()["status"].clone()),
        (404, json!("failure"))
    );
}

#[tokio::test]
async fn requests_are_refused_as_documented() {
    let sim = instance(false);
    let nobody = Client::new(&sim);
    let answer = nobody.get("/api/now/table/u_target").await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["error"]["message"], "User Not Authenticated");
    let answer = nobody
        .grant(
            "/oauth_token.do",
            "grant_type=client_credentials&client_id=app&client_secret=x",
        )
        .await;
    assert_eq!(
        (answer.status, answer.json()["error_description"].clone()),
        (401, json!("access_denied"))
    );
    let client = client(&sim).await;
    for (path, body, status) in [
        (
            "/api/now/import/u_other/insertMultiple",
            "{\"records\":[]}",
            400,
        ),
        (MULTIPLE, "{}", 400),
        (MULTIPLE, "{", 400),
        ("/api/now/import/u_staging", "[]", 400),
        ("/api/now/table/u_target", "{}", 403),
        ("/api/now/nothing", "{}", 400),
    ] {
        let answer = client
            .send("POST", path, &[], body.as_bytes())
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{path} {body}");
        assert_eq!(answer.json()["status"], "failure");
    }
    let long = vec![b' '; 10 * 1024 * 1024 + 1];
    assert_eq!(
        client
            .send("POST", MULTIPLE, &[], &long)
            .await
            .unwrap()
            .status,
        413
    );
    assert_eq!(client.get("/api/now/table/u_other").await.status, 400);
}

#[tokio::test]
async fn tokens_end_and_are_renewed() {
    let sim = instance(false);
    let client = Client::new(&sim);
    let credentials = "client_id=app&client_secret=secret";
    let first = client
        .grant(
            "/oauth_token.do",
            &format!("grant_type=client_credentials&{credentials}"),
        )
        .await
        .json();
    assert_eq!(first["expires_in"], 1_800);
    let get = async |token: &Value| {
        let header = format!("Bearer {}", token["access_token"].as_str().unwrap());
        let headers = [("authorization", header.as_str())];
        client
            .send("GET", "/api/now/table/u_target", &headers, b"")
            .await
            .unwrap()
            .status
    };
    assert_eq!(get(&first).await, 200);
    sim.clock().advance(Duration::from_secs(1_801));
    assert_eq!(get(&first).await, 401);
    let refresh = first["refresh_token"].as_str().unwrap();
    let form = format!("grant_type=refresh_token&refresh_token={refresh}&{credentials}");
    let second = client.grant("/oauth_token.do", &form).await.json();
    assert_eq!(get(&second).await, 200);
    sim.change(|now| now.set_credentials(Credentials::new("app", "renewed")));
    assert_eq!(get(&second).await, 401);
    assert_eq!(client.grant("/oauth_token.do", &form).await.status, 401);
}
