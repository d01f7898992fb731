//! RabbitMQ: the conformance suite, with cut connections, and what only a server can do.

mod fixtures;

use fixtures::rabbit::{InRabbit, Server};
use fixtures::run::run_all;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conformance() {
    let server = Server::for_cases();
    let verdicts = run_all(4, |case| {
        let server = server.clone();
        async move { InRabbit::new(&server, case).await }
    });
    let failed: Vec<_> = verdicts
        .await
        .into_iter()
        .filter(|(_, v)| v.is_err())
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
