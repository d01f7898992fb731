//! Whatever comes in, it is answered; and the binary is the same simulation.
#![allow(missing_docs, clippy::unwrap_used)]

use crate::support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use axum::body::Body;
use axum::http::{Request, Uri};
use graph_sim::{Config, Fault, Sim};
use proptest::prelude::*;
use serde_json::Value;
use support::{Client, send};

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("users".to_owned()),
        Just("delta".to_owned()),
        Just("$count".to_owned()),
        Just("$batch".to_owned()),
        Just("organization".to_owned()),
        Just("directory/subscriptions".to_owned()),
        "[ -~]{0,12}",
        "\\PC{0,6}",
    ]
}

fn option() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("$select"),
        Just("$top"),
        Just("$filter"),
        Just("$count"),
        Just("$skiptoken"),
        Just("$deltatoken"),
        Just("x"),
    ];
    let value = prop_oneof![
        Just("id,assignedLicenses".to_owned()),
        Just("latest".to_owned()),
        Just("true".to_owned()),
        Just("id in ('x')".to_owned()),
        "[0-9]{0,12}",
        "\\PC{0,30}",
    ];
    (name, value).prop_map(|(n, v)| {
        format!(
            "{n}={}",
            v.bytes().map(|b| format!("%{b:02x}")).collect::<String>()
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_request_is_answered(
        root in prop_oneof![4 => Just("/v1.0/"), 1 => Just("/"), 1 => Just("/_control/")],
        words in prop::collection::vec(word(), 0..4),
        options in prop::collection::vec(option(), 0..4),
        method in prop_oneof![3 => Just("GET"), 1 => Just("POST"), 1 => Just("DELETE")],
        body in prop_oneof![Just("{}".to_owned()), ".{0,60}"],
        eventual: bool,
    ) {
        let path: Vec<String> = words
            .iter()
            .map(|w| w.bytes().map(|b| if b.is_ascii_alphanumeric() || b"$/".contains(&b) { char::from(b).to_string() } else { format!("%{b:02x}") }).collect())
            .collect();
        let uri = format!("http://graph-sim.localhost{root}{}?{}", path.join("/"), options.join("&"));
        prop_assume!(uri.parse::<Uri>().is_ok());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(async {
            let client = Client::new(Config { users: 20, ..Config::default() }).await;
            client.sim.advance(1);
            let level = if eventual { "eventual" } else { "session" };
            let request = Request::builder().method(method).uri(uri).header("consistencylevel", level)
                .header("authorization", format!("Bearer {}", client.token)).header("content-type", "application/json");
            send(&client.sim, request.body(Body::from(body)).unwrap()).await
        });
        prop_assert!(answer.status < 500 || answer.status == 501, "{}", answer.status);
    }
}

#[tokio::test]
async fn a_gone_delta_starts_anew() {
    let client = Client::new(Config {
        users: 30,
        ..Config::default()
    })
    .await;
    client.sim.fault(Fault {
        status: Some(410),
        path: Some("/users/delta".into()),
        ..Fault::default()
    });
    let gone = client.get("/users/delta?$select=id").await;
    let fresh = gone.headers["location"].to_str().unwrap();
    assert_eq!((gone.status, client.pages(fresh).await.0.len()), (410, 30));
}

fn ask(authority: &str, head: &str, body: &str) -> Value {
    let mut stream = TcpStream::connect(authority).unwrap();
    let length = body.len();
    write!(stream, "{head} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn the_binary_is_the_same_simulation() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_graph-sim"))
        .args(["--users", "50", "--tenants", "2", "--seed", "9"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let here = Sim::new(Config {
        users: 50,
        tenants: 2,
        seed: 9,
        ..Config::default()
    });
    for (there, here) in ready["tenants"]
        .as_array()
        .unwrap()
        .iter()
        .zip(here.tenants())
    {
        assert_eq!(
            (&there["id"], &there["clientId"]),
            (&here.id.clone().into(), &here.client_id.clone().into())
        );
        assert_eq!(there["clientSecret"], here.client_secret.as_str());
    }
    let tenant = &ready["tenants"][1];
    let graph = tenant["graph"].as_str().unwrap();
    let authority = graph.strip_prefix("http://").unwrap();
    let text = |name: &str| tenant[name].as_str().unwrap().to_owned();
    let form = support::form(&[
        ("grant_type", "client_credentials"),
        ("client_id", &text("clientId")),
        ("client_secret", &text("clientSecret")),
        ("scope", &format!("{graph}/.default")),
    ]);
    let token = ask(
        authority,
        &format!("POST /{}/oauth2/v2.0/token", text("id")),
        &form,
    );
    let head = format!(
        "GET /v1.0/users?$top=10 HTTP/1.1\r\nauthorization: Bearer {}\r\nx: y",
        token["access_token"].as_str().unwrap()
    );
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(
        stream,
        "{head}\r\nhost: {authority}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(
        page.starts_with("HTTP/1.1 200")
            && page.contains(&format!("{graph}/v1.0/users?$top=10&$skiptoken=")),
        "{page}"
    );
    assert!(ready["control"].as_str().unwrap().ends_with("/_control"));
    assert_eq!(
        ask(authority, "POST /_control/advance?days=1", "")["day"],
        1
    );
    Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn extreme_times_are_taken() {
    let client = Client::new(Config {
        users: 3,
        tenants: 3,
        ..Config::default()
    })
    .await;
    client.sim.tick(std::time::Duration::from_secs(u64::MAX));
    assert_eq!(client.get("/users").await.status, 401);
    // By then even a secret without end has ended.
    let info = &client.sim.tenants()[2];
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", info.client_id.as_str()),
        ("client_secret", info.client_secret.as_str()),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let refused = support::ask_token(&client.sim, &info.id, &fields).await;
    assert_eq!(refused.json()["error_codes"][0], 7_000_222);
    assert_eq!(client.sim.advance(500), 500);
    assert!(client.truth().len() >= 2);
}
