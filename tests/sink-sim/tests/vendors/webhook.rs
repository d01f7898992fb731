use std::time::Duration;

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use sink_sim::{Clock, Signed, Sim, Webhook};

use crate::client::Client;

const ONE: (&str, &str) = (
    "content-type",
    "application/cloudevents+json; charset=utf-8",
);
const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");

fn event(id: &str) -> Value {
    json!({ "specversion": "1.0", "id": id, "source": "/tenants/a", "type": "com.example.changed" })
}

fn signed(timestamp: Option<&str>) -> Signed {
    Signed {
        secret: b"secret".to_vec(),
        header: "x-signature".to_owned(),
        timestamp: timestamp.map(str::to_owned),
        tolerance: Duration::from_secs(300),
    }
}

fn signature(secret: &[u8], time: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, &[time.as_bytes(), b".", body].concat());
    tag.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[tokio::test]
async fn each_event_is_taken_once() {
    let sim = Sim::start(Webhook::new(None)).unwrap();
    let client = Client::new(&sim);
    let one = event("1").to_string();
    assert_eq!(
        client
            .send("POST", "/", &[ONE], one.as_bytes())
            .await
            .unwrap()
            .status,
        202
    );
    let mut other = event("2");
    other["source"] = json!("/tenants/b");
    let batch = json!([event("1"), event("2"), other]).to_string();
    assert_eq!(
        client
            .send("POST", "/", &[BATCH], batch.as_bytes())
            .await
            .unwrap()
            .status,
        202
    );
    assert_eq!(
        sim.read(|hook| (hook.events().len(), hook.duplicates())),
        (3, 1)
    );
    assert!(sim.read(|hook| hook.contradictions().is_empty()));
    let mut changed = event("1");
    changed["subject"] = json!("something else");
    let changed = changed.to_string();
    client
        .send("POST", "/", &[ONE], changed.as_bytes())
        .await
        .unwrap();
    assert_eq!(sim.read(|hook| hook.contradictions().len()), 1);
    assert_eq!(
        client
            .send("POST", "/", &[BATCH], b"[]")
            .await
            .unwrap()
            .status,
        202
    );
}

#[tokio::test]
async fn what_is_no_event_is_refused_and_its_batch_with_it() {
    let sim = Sim::start(Webhook::new(None)).unwrap();
    let client = Client::new(&sim);
    let with = |name: &str, value: Value| {
        let mut event = event("1");
        event[name] = value;
        event
    };
    let mut both = with("data", json!({}));
    both["data_base64"] = json!("");
    let wrong = [
        json!([]),
        with("specversion", json!("0.3")),
        with("id", json!("")),
        with("id", Value::Null),
        with("source", json!(1)),
        with("type", Value::Null),
        with("time", json!("yesterday")),
        with("subject", json!("")),
        with("with_underscore", json!("x")),
        with("extension", json!({})),
        both,
    ];
    for event in wrong {
        let body = json!([event]).to_string();
        let answer = client
            .send("POST", "/", &[BATCH], body.as_bytes())
            .await
            .unwrap();
        assert_eq!(answer.status, 400, "{event}");
    }
    let body = json!([event("1"), with("id", json!(""))]).to_string();
    let answer = client
        .send("POST", "/", &[BATCH], body.as_bytes())
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
    for (headers, body, status) in [
        (("content-type", "application/json"), "{}", 415),
        (ONE, "[]", 400),
        (BATCH, "{}", 400),
        (ONE, "{", 400),
    ] {
        let answer = client
            .send("POST", "/", &[headers], body.as_bytes())
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{body}");
    }
    assert_eq!(client.get("/").await.status, 405);
    assert!(sim.read(|hook| hook.events().is_empty()));
    // Unset is as good as not there.
    let unset = with("subject", Value::Null).to_string();
    assert_eq!(
        client
            .send("POST", "/", &[ONE], unset.as_bytes())
            .await
            .unwrap()
            .status,
        202
    );
}

#[tokio::test]
async fn a_signature_holds_for_one_body_one_key_and_some_minutes() {
    let sim = Sim::start(Webhook::new(Some(signed(None)))).unwrap();
    let client = Client::new(&sim);
    let body = event("1").to_string().into_bytes();
    let now = sim.clock().millis() / 1000;
    let send = async |time: i64, secret: &[u8], signed_body: &[u8]| {
        let time = time.to_string();
        let header = format!(
            "t={time},v1=00,v1={}",
            signature(secret, &time, signed_body)
        );
        let headers = [ONE, ("x-signature", header.as_str())];
        client
            .send("POST", "/", &headers, &body)
            .await
            .unwrap()
            .status
    };
    assert_eq!(send(now, b"secret", &body).await, 202);
    assert_eq!(send(now, b"other", &body).await, 401);
    assert_eq!(send(now, b"secret", b"other").await, 401);
    assert_eq!(send(now - 600, b"secret", &body).await, 401);
    assert_eq!(
        client
            .send("POST", "/", &[ONE], &body)
            .await
            .unwrap()
            .status,
        401
    );
    for header in ["", "t=1", "v1=00", "t=1,t=2,v1=00", "t=x,v1=zz"] {
        let headers = [ONE, ("x-signature", header)];
        assert_eq!(
            client
                .send("POST", "/", &headers, &body)
                .await
                .unwrap()
                .status,
            401
        );
    }
    sim.clock().advance(Duration::from_secs(3_600));
    assert_eq!(send(now, b"secret", &body).await, 401);
    sim.change(|hook| hook.set_secret(b"other"));
    assert_eq!(send(now + 3_600, b"other", &body).await, 202);
    assert_eq!(sim.read(|hook| hook.events().len()), 1);
}

#[tokio::test]
async fn the_timestamp_may_have_a_header_of_its_own() {
    let sim = Sim::start(Webhook::new(Some(signed(Some("x-timestamp"))))).unwrap();
    let client = Client::new(&sim);
    let body = event("1").to_string().into_bytes();
    let time = (Clock::default().millis() / 1000).to_string();
    let right = signature(b"secret", &time, &body);
    for (value, status) in [
        (right.clone(), 202),
        (format!("sha256={right}"), 202),
        ("00".to_owned(), 401),
    ] {
        let headers = [
            ONE,
            ("x-timestamp", time.as_str()),
            ("x-signature", value.as_str()),
        ];
        assert_eq!(
            client
                .send("POST", "/", &headers, &body)
                .await
                .unwrap()
                .status,
            status
        );
    }
    let headers = [ONE, ("x-signature", right.as_str())];
    assert_eq!(
        client
            .send("POST", "/", &headers, &body)
            .await
            .unwrap()
            .status,
        401
    );
}
