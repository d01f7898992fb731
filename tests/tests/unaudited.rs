//! A token-broker whose audit log can't be written, over mutual TLS: no token leaves it, and its callers hear why.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::process::Command;

use proto::token::v1::GetTokenRequest;
use tests::broker::TokenBroker;
use tests::process::Simulator;

/// The records of tokens that were handed out.
fn issued(broker: &TokenBroker) -> usize {
    let files = std::fs::read_dir(broker.path("written/audit")).unwrap();
    let files = files.map(|f| f.unwrap().path());
    let texts = files.filter(|f| f.extension().is_some_and(|e| e == "ndjson"));
    let texts = texts.map(|f| std::fs::read_to_string(f).unwrap());
    texts.map(|t| t.matches("\"kind\":\"issue\"").count()).sum()
}

/// Bounds how long its files may get.
fn limit(broker: &TokenBroker, bytes: &str) {
    let pid = format!("--pid={}", broker.id());
    let limited = Command::new("prlimit")
        .args([pid, format!("--fsize={bytes}:unlimited")])
        .status();
    assert!(limited.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_leaves_without_its_record_on_the_disk() {
    let sim = Simulator::start(5, 1);
    let mut broker = TokenBroker::new(&format!(
        "[[tenants]]\n{}client_secret_file = 'secret'\n",
        TokenBroker::section(&sim)
    ));
    broker.write("secret", sim.text("clientSecret"));
    broker.start(&[]);
    let request = GetTokenRequest {
        tenant_id: sim.text("id").to_owned(),
        dataset: "users".to_owned(),
        ..GetTokenRequest::default()
    };
    let mut client = broker.tokens("collector");
    for n in 1..=20 {
        client.get_token(request.clone()).await.unwrap();
        assert_eq!(issued(&broker), n, "there when the answer is");
    }

    limit(&broker, "1");
    // Answers that were on their way end with their connection; whoever comes later hears why.
    let first = client.get_token(request.clone()).await.unwrap_err();
    assert_eq!(first.code(), tonic::Code::Unavailable, "{first}");
    for _ in 0..3 {
        let e = client.get_token(request.clone()).await.unwrap_err();
        assert!(e.message().contains("LW-2032"), "{e}");
    }
    assert_eq!(issued(&broker), 20);

    limit(&broker, "unlimited");
    for n in 21..=40 {
        client.get_token(request.clone()).await.unwrap();
        assert_eq!(issued(&broker), n);
    }
}
