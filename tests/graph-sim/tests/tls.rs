//! HTTPS with the simulator's own authority.
#![cfg(feature = "tls")]
#![allow(missing_docs, clippy::unwrap_used)]

use graph_sim::{Config, Sim, Tls};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

struct Server {
    sim: Sim,
    tls: Tls,
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    tasks: JoinSet<()>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sim = Sim::new(Config {
            users: 1_500,
            base: Some(format!("https://{address}")),
            ..Config::default()
        });
        let tls = Tls::new(address.ip()).unwrap();
        let (stop, stopped) = oneshot::channel();
        let mut tasks = JoinSet::new();
        let (serving, acceptor) = (sim.clone(), tls.clone());
        tasks.spawn(async move {
            let stop = async {
                let _ = stopped.await;
            };
            serving.serve_tls(listener, &acceptor, stop).await.unwrap();
        });
        Self {
            sim,
            tls,
            port: address.port(),
            stop: Some(stop),
            tasks,
        }
    }

    /// A client that trusts only what the PEM says.
    fn client(authority: &str) -> reqwest::Client {
        let authority = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
        let builder = reqwest::Client::builder().no_proxy();
        builder.tls_certs_only([authority]).build().unwrap()
    }

    async fn end(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        while let Some(done) = self.tasks.join_next().await {
            done.unwrap();
        }
    }
}

#[tokio::test]
async fn tokens_pages_and_the_truth_come_over_https() {
    let server = Server::start().await;
    let client = Server::client(server.tls.authority());
    let tenant = &server.sim.tenants()[0];
    assert!(tenant.graph.starts_with("https://127.0.0.1:"));
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope={}%2F.default",
        tenant.client_id, tenant.client_secret, tenant.graph
    );
    let url = format!("{}/{}/oauth2/v2.0/token", tenant.authority, tenant.id);
    let answer = client.post(url).body(form).send().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let token = answer["access_token"].as_str().unwrap();

    let (mut users, mut next) = (0, format!("{}/v1.0/users?$top=999", tenant.graph));
    loop {
        let answer = client.get(&next).bearer_auth(token).send().await.unwrap();
        let page: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        users += page["value"].as_array().unwrap().len();
        match page["@odata.nextLink"].as_str() {
            Some(link) => next = link.to_owned(),
            None => break,
        }
        assert!(next.starts_with(&tenant.graph), "{next}");
    }
    let url = format!("{}/_control/truth?kind=users", tenant.graph);
    let truth = client.get(url).send().await.unwrap().text().await.unwrap();
    assert_eq!(truth.lines().count(), users);
    drop(client);
    server.end().await;
}

#[tokio::test]
async fn the_certificate_is_good_by_name_and_for_nobody_who_trusts_another() {
    let server = Server::start().await;
    let url = format!("https://localhost:{}/_control/stats", server.port);
    let client = Server::client(server.tls.authority());
    assert!(client.get(&url).send().await.unwrap().status().is_success());
    let other = Tls::new([127, 0, 0, 1].into()).unwrap();
    let stranger = Server::client(other.authority());
    assert!(stranger.get(&url).send().await.is_err());
    let plain = format!("http://127.0.0.1:{}/_control/stats", server.port);
    assert!(client.get(plain).send().await.is_err());
    drop(client);
    server.end().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_keeps_nobody_waiting() {
    let server = Server::start().await;
    let silent = TcpStream::connect(("127.0.0.1", server.port))
        .await
        .unwrap();
    let client = Server::client(server.tls.authority());
    let url = format!("https://127.0.0.1:{}/_control/stats", server.port);
    assert!(client.get(url).send().await.unwrap().status().is_success());
    drop((silent, client));
    server.end().await;
}

#[test]
fn a_file_that_nobody_named_goes_with_its_value() {
    let tls = Tls::new([127, 0, 0, 1].into()).unwrap();
    let file = tls.write_authority(None).unwrap();
    let path = file.path().to_owned();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), tls.authority());
    drop(file);
    assert!(!path.exists());
    let error = tls.write_authority(Some("/nowhere/ca.pem".as_ref()));
    assert!(error.is_err_and(|e| e.to_string().contains("/nowhere/ca.pem")));
}
