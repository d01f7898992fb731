//! What can be done to requests, on the simplest of vendors.

use std::time::Duration;

use serde_json::json;
use sink_sim::{Fault, Rule, Sim, Webhook};

use crate::client::{Answer, Client};

fn event(id: &str) -> Vec<u8> {
    let event = json!({ "specversion": "1.0", "id": id, "source": "/t", "type": "x" });
    event.to_string().into_bytes()
}

async fn post(client: &Client, id: &str) -> Result<Answer, reqwest::Error> {
    let headers = [("content-type", "application/cloudevents+json")];
    client.send("POST", "/hook", &headers, &event(id)).await
}

#[tokio::test]
async fn a_refused_request_has_no_effect_and_says_when_to_come_again() {
    let sim = Sim::start(Webhook::new(None)).unwrap();
    let client = Client::new(&sim);
    let throttled = Fault::Status {
        status: 429,
        retry_after: Some("7".to_owned()),
    };
    sim.inject(Rule::once(throttled));
    let silent = Fault::Status {
        status: 503,
        retry_after: None,
    };
    sim.inject(Rule::once(silent));
    let answer = post(&client, "1").await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (429, "7"));
    let answer = post(&client, "1").await.unwrap();
    assert_eq!(answer.status, 503);
    assert!(!answer.headers.contains_key("retry-after"));
    assert!(sim.read(|hook| hook.events().is_empty()));
    assert_eq!(post(&client, "1").await.unwrap().status, 202);
    let received = sim.received();
    let noted: Vec<_> = received.iter().map(|r| (r.status, r.seen)).collect();
    assert_eq!(
        noted,
        [(Some(429), false), (Some(503), false), (Some(202), true)]
    );
    assert_eq!(received[2].request.body, event("1"));
}

#[tokio::test]
async fn a_connection_is_cut_before_or_after_the_effect() {
    let sim = Sim::start(Webhook::new(None)).unwrap();
    let client = Client::new(&sim);
    // The client's own try again is not what is tested.
    let client = client.with("connection", "close");
    sim.inject(Rule::once(Fault::Cut));
    sim.inject(Rule::once(Fault::CutAfter));
    assert!(post(&client, "1").await.is_err());
    assert!(sim.read(|hook| hook.events().is_empty()));
    assert!(post(&client, "2").await.is_err());
    assert_eq!(sim.read(|hook| hook.events().len()), 1);
    assert_eq!(post(&client, "2").await.unwrap().status, 202);
    assert_eq!(
        sim.read(|hook| (hook.events().len(), hook.duplicates())),
        (1, 1)
    );
}

#[tokio::test]
async fn a_request_that_hangs_gets_no_answer_whether_it_has_an_effect_or_not() {
    let sim = Sim::start(Webhook::new(None)).unwrap();
    let client = Client::new(&sim);
    sim.inject(Rule::once(Fault::Hang));
    sim.inject(Rule::once(Fault::HangAfter));
    let (one, two, three) = ("1", "2", "3");
    let first = post(&client, one);
    tokio::pin!(first);
    // Until it has come, and no longer: it would never be ready.
    while sim.received().is_empty() {
        tokio::select! { biased; _ = &mut first => panic!("answered"), () = tokio::task::yield_now() => {} }
    }
    let second = post(&client, two);
    tokio::pin!(second);
    while sim.read(|hook| hook.events().is_empty()) {
        tokio::select! { biased; _ = &mut second => panic!("answered"), () = tokio::task::yield_now() => {} }
    }
    assert_eq!(post(&client, three).await.unwrap().status, 202);
    let ids = sim.read(|hook| {
        hook.events()
            .iter()
            .map(|e| e["id"].clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(ids, [two, three]);
    // It ends all the same, and with it what hangs.
    drop(sim);
    assert!(first.await.is_err());
}

#[tokio::test]
async fn a_rule_chooses_its_requests() {
    let sim = Sim::start(Webhook::new(None)).unwrap();
    let client = Client::new(&sim);
    let broken = Fault::Status {
        status: 500,
        retry_after: None,
    };
    sim.inject(
        Rule::always(broken)
            .method("POST")
            .path("/hook")
            .after(1)
            .times(2),
    );
    let mut statuses = Vec::new();
    for id in ["1", "2", "3", "4"] {
        statuses.push(post(&client, id).await.unwrap().status);
        // Another path, another method: they don't count.
        client.get("/other").await;
    }
    assert_eq!(statuses, [202, 500, 500, 202]);
    let redirect = Fault::Redirect("http://169.254.169.254/".to_owned());
    sim.inject(Rule::always(redirect));
    let answer = post(&client, "5").await.unwrap();
    assert_eq!(
        (answer.status, answer.header("location")),
        (307, "http://169.254.169.254/")
    );
    sim.heal();
    let page = Fault::Answer {
        status: 200,
        content_type: "text/html",
        body: "<html>".to_owned(),
    };
    sim.inject(Rule::once(page));
    assert_eq!(post(&client, "5").await.unwrap().body, b"<html>");
    sim.inject(Rule::once(Fault::Slow(Duration::from_millis(1))));
    assert_eq!(post(&client, "5").await.unwrap().status, 202);
    sim.inject(Rule::once(Fault::Unauthorized));
    assert_eq!(post(&client, "6").await.unwrap().status, 401);
    assert_eq!(sim.read(|hook| hook.events().len()), 3);
}
