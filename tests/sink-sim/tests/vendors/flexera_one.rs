use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use sink_sim::{Credentials, FlexeraOne, Sim};

use crate::client::{Answer, Client};

const FILES: &str = "/saas/v1/orgs/100/saas-data";
const JOBS: &str = "/saas/v1/orgs/100/import-jobs";

async fn organisation() -> (Sim<FlexeraOne>, Client) {
    let sim = Sim::start(FlexeraOne::new(100, Credentials::new("app", "secret"))).unwrap();
    let client = Client::new(&sim)
        .signed_in("/oidc/token", "app", "secret")
        .await;
    (sim, client)
}

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn md5(content: &[u8]) -> String {
    Md5::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

async fn announce(client: &Client, name: &str) -> String {
    let answer = client
        .json("POST", FILES, &json!({ "fileName": name }))
        .await;
    assert_eq!(answer.status, 201);
    answer.header("location").to_owned()
}

async fn patch(client: &Client, path: &str, checksum: &str, body: &[u8]) -> Answer {
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
        ("checksum", checksum),
    ];
    client.send("PATCH", path, &headers, body).await.unwrap()
}

async fn upload(client: &Client, name: &str, lines: &[Value]) {
    let path = announce(client, name).await;
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let body = gzip(&lines.join("\n"));
    assert_eq!(patch(client, &path, &md5(&body), &body).await.status, 204);
}

fn job(names: &[&str], task: &str, load: &str) -> Value {
    let names: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    json!({
        "managedAppId": "123",
        "saasDataList": names,
        "importSettings": { "taskName": task, "loadType": load },
    })
}

/// The states of a job until its end, and the job.
async fn run(client: &Client, job: &Value) -> (Vec<String>, Value) {
    let answer = client.json("POST", JOBS, job).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let path = answer.header("location").to_owned();
    let mut states = Vec::new();
    loop {
        let shown = client.get(&path).await.json();
        states.push(shown["status"].as_str().unwrap().to_owned());
        if shown.get("finishedAt").is_some() {
            return (states, shown);
        }
    }
}

fn user(id: &str, skus: Option<&[&str]>) -> Value {
    let mut user = json!({
        "uniqueId": id, "email": format!("{id}@x"), "firstName": "A", "lastName": "B",
        "activatedAt": "2026-01-02T00:00:00Z",
    });
    if let Some(skus) = skus {
        user["skus"] = json!(skus);
    }
    user
}

#[tokio::test]
async fn a_file_is_written_once() {
    let (sim, client) = organisation().await;
    let path = announce(&client, "a.gz").await;
    let twice = client
        .json("POST", FILES, &json!({ "fileName": "a.gz" }))
        .await;
    assert_eq!(twice.status, 409);
    let body = gzip("{}");
    let right = md5(&body);
    let other = md5(b"other");
    let upper = right.to_uppercase();
    for (checksum, status) in [(other.as_str(), 422), ("AAAA", 400), (&upper, 400)] {
        assert_eq!(patch(&client, &path, checksum, &body).await.status, status);
    }
    assert_eq!(
        patch(&client, &path, &md5(b"{}"), b"{}").await.status,
        422,
        "no gzip"
    );
    let json = ("content-type", "application/json");
    let sum = ("checksum", right.as_str());
    for headers in [
        &[json][..],
        &[sum],
        &[("content-type", "application/x-ndjson"), sum],
    ] {
        let answer = client.send("PATCH", &path, headers, &body).await.unwrap();
        assert_eq!(answer.status, 400, "{headers:?}");
        assert_eq!(answer.header("content-type"), "application/vnd.goa.error");
        assert_eq!(answer.json()["fault"], false);
    }
    assert_eq!(client.get(&path).await.json()["status"], "pending");
    assert_eq!(patch(&client, &path, &right, &body).await.status, 204);
    let answer = patch(&client, &path, &right, &body).await;
    assert_eq!(
        (answer.status, answer.json()["name"].clone()),
        (423, json!("saasdata_locked"))
    );
    let shown = client.get(&path).await.json();
    assert_eq!(
        (&shown["status"], &shown["checksum"]),
        (&json!("uploaded"), &json!(right))
    );
    assert_eq!(
        sim.read(|one| one.files()[0].content.clone()).unwrap(),
        "{}"
    );
    let missing = format!("{FILES}/none");
    assert_eq!(patch(&client, &missing, &right, &body).await.status, 404);
    let path = announce(&client, "b.gz").await;
    let long = vec![0; 10 * 1024 * 1024 + 1];
    assert_eq!(patch(&client, &path, &md5(&long), &long).await.status, 413);
    let name = "x".repeat(151);
    assert_eq!(
        client
            .json("POST", FILES, &json!({ "fileName": name }))
            .await
            .status,
        400
    );
    assert_eq!(client.get(FILES).await.json()["count"], 2);
}

#[tokio::test]
async fn a_full_load_deactivates_who_is_not_in_it() {
    let (sim, client) = organisation().await;
    upload(
        &client,
        "1",
        &[user("a", Some(&["E5"])), user("b", Some(&[]))],
    )
    .await;
    upload(&client, "2", &[user("c", Some(&["E3"]))]).await;
    let (states, shown) = run(&client, &job(&["1", "2"], "ApplicationRoster", "full")).await;
    assert_eq!(states, ["ready", "queued", "running", "completed"]);
    assert_eq!(shown["saasDataList"].as_array().unwrap().len(), 2);
    assert_eq!(sim.read(|one| one.roster("123").len()), 3);
    upload(&client, "3", &[user("a", None)]).await;
    run(&client, &job(&["3"], "ApplicationRoster", "incremental")).await;
    let left = |id: &str| sim.read(|one| one.roster("123")[id].get("deactivatedAt").is_some());
    assert_eq!([left("a"), left("b"), left("c")], [false, false, false]);
    // With skus it is full, whatever it says.
    upload(&client, "4", &[user("a", Some(&[]))]).await;
    run(&client, &job(&["4"], "ApplicationRoster", "incremental")).await;
    assert_eq!([left("a"), left("b"), left("c")], [false, true, true]);
    upload(&client, "5", &[user("b", None)]).await;
    run(&client, &job(&["5"], "ApplicationRoster", "full")).await;
    assert_eq!([left("a"), left("b"), left("c")], [true, false, true]);
}

#[tokio::test]
async fn a_job_fails_as_a_whole_and_says_why() {
    let (sim, client) = organisation().await;
    let mut nameless = user("b", None);
    nameless["firstName"] = json!("");
    let mut undated = user("c", None);
    undated["activatedAt"] = json!("2026-01-02");
    upload(
        &client,
        "1",
        &[user("a", None), nameless, undated, json!("x")],
    )
    .await;
    let (states, shown) = run(&client, &job(&["1", "none"], "ApplicationRoster", "full")).await;
    assert_eq!(states.last().unwrap(), "failed");
    let errors: Vec<&str> = shown["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["error"].as_str().unwrap())
        .collect();
    assert_eq!(
        errors,
        [
            "1: line 4: is no JSON object",
            "none: no file of this name was uploaded",
            "1: line 2: firstName is missing",
            "1: line 3: activatedAt is no date and time",
        ]
    );
    assert!(sim.read(|one| one.roster("123").is_empty()));
    sim.change(|one| one.fail_next_job("the pipeline broke"));
    upload(&client, "2", &[user("a", None)]).await;
    let again = job(&["2"], "ApplicationRoster", "full");
    let (_, shown) = run(&client, &again).await;
    assert_eq!(shown["errors"][0]["error"], "the pipeline broke");
    assert_eq!(run(&client, &again).await.1["status"], "completed");
}

#[tokio::test]
async fn consumption_is_loaded_once_for_each_event() {
    let (sim, client) = organisation().await;
    let event = json!({
        "eventId": "5c9a2d2e-0000-5000-8000-000000000001", "sourceInstanceId": "t", "sourceIdentifier": "s",
        "sourceType": "x", "occurredAt": "2026-01-02T00:00:00Z", "used": 5, "total": 7,
    });
    upload(&client, "1", std::slice::from_ref(&event)).await;
    upload(&client, "2", &[event]).await;
    let full = job(&["1"], "ApplicationConsumption", "full");
    assert_eq!(run(&client, &full).await.1["status"], "failed");
    for name in ["1", "2"] {
        let job = job(&[name], "ApplicationConsumption", "incremental");
        assert_eq!(run(&client, &job).await.1["status"], "completed");
    }
    assert_eq!(sim.read(|one| one.consumption("123").len()), 1);
}

#[tokio::test]
async fn jobs_wait_their_turn_and_not_for_ever() {
    let (sim, client) = organisation().await;
    for n in 0..12 {
        upload(&client, &n.to_string(), &[user("a", None)]).await;
        let name = n.to_string();
        client
            .json(
                "POST",
                JOBS,
                &job(&[&name], "ApplicationRoster", "incremental"),
            )
            .await;
    }
    let first = sim.read(|one| one.jobs()[0].0.to_owned());
    let path = format!("{JOBS}/{first}");
    client.get(&path).await;
    client.get(&path).await;
    sim.change(|one| one.hold_jobs(true));
    let running = sim.read(|one| {
        one.jobs()
            .iter()
            .filter(|(_, state)| *state == "running")
            .count()
    });
    assert!(running > 0);
    sim.clock().advance(Duration::from_secs(25 * 3_600));
    // The token has ended as well.
    let client = Client::new(&sim)
        .signed_in("/oidc/token", "app", "secret")
        .await;
    let shown = client.get(&path).await.json();
    assert_eq!(shown["status"], "failed");
    assert!(
        shown["errors"][0]["error"]
            .as_str()
            .unwrap()
            .contains("24 hours")
    );
}

#[tokio::test]
async fn requests_are_refused_as_documented() {
    let (sim, client) = organisation().await;
    let eleven: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    let eleven: Vec<&str> = eleven.iter().map(String::as_str).collect();
    let mut wrong_app = job(&["1"], "ApplicationRoster", "full");
    wrong_app["managedAppId"] = json!("XYZ");
    for body in [
        job(&[], "ApplicationRoster", "full"),
        job(&eleven, "ApplicationRoster", "full"),
        job(&["1"], "Roster", "full"),
        job(&["1"], "ApplicationRoster", "some"),
        wrong_app,
        json!([]),
    ] {
        assert_eq!(client.json("POST", JOBS, &body).await.status, 400, "{body}");
    }
    assert_eq!(client.get(&format!("{JOBS}/NONE")).await.status, 404);
    assert_eq!(client.get("/saas/v1/orgs/7/saas-data").await.status, 403);
    assert_eq!(Client::new(&sim).get(FILES).await.status, 401);
    sim.change(|one| one.set_credentials(Credentials::new("app", "renewed")));
    assert_eq!(client.get(FILES).await.status, 401);
    let form = "grant_type=client_credentials&client_id=app&client_secret=secret";
    assert_eq!(client.grant("/oidc/token", form).await.status, 401);
}
