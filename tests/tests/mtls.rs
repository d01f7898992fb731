//! Mutual TLS between processes: who is let in, who is not and what both are told, and new certificates while it runs.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use proto::access::METHODS;
use proto::admin::v1::collector_admin_client::CollectorAdminClient;
use proto::admin::v1::collector_admin_server::{CollectorAdmin, CollectorAdminServer};
use proto::admin::v1::{
    CollectorStatus, MakeDueRequest, MakeDueResponse, PauseRequest, PauseResponse, ResumeRequest,
    ResumeResponse, WatchRequest,
};
use runtime::CancellationToken;
use runtime::grpc::{Access, Act, Admin, Listen, Peer, Remote, Server, connect, with_reason};
use runtime::tls::{Config, Identity};
use servers::{Pki, Tls, Validity};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

const SERVER: &str = "spiffe://test/collector";
const OPERATOR: &str = "spiffe://test/operator/ann";

/// Says who calls, and streams what it is told to.
struct Echo(watch::Receiver<u32>);

#[tonic::async_trait]
impl CollectorAdmin for Echo {
    async fn make_due(
        &self,
        request: Request<MakeDueRequest>,
    ) -> Result<Response<MakeDueResponse>, Status> {
        Act::of(&request).note("it was done".to_owned());
        assert_eq!(Peer::of(&request).unwrap().as_str(), OPERATOR);
        Ok(Response::new(MakeDueResponse { datasets: 7 }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<CollectorStatus, Status>> + Send>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let changes = futures::stream::unfold(self.0.clone(), |mut told| async move {
            told.changed().await.ok()?;
            let idle = *told.borrow_and_update() % 2 == 0;
            let status = CollectorStatus {
                idle,
                ..CollectorStatus::default()
            };
            Some((Ok(status), told))
        });
        Ok(Response::new(Box::pin(changes)))
    }

    async fn pause(&self, _: Request<PauseRequest>) -> Result<Response<PauseResponse>, Status> {
        Err(Status::unimplemented("nobody pauses here"))
    }

    async fn resume(&self, _: Request<ResumeRequest>) -> Result<Response<ResumeResponse>, Status> {
        Err(Status::unimplemented("nobody pauses here"))
    }
}

struct World {
    home: tempfile::TempDir,
    pki: Pki,
    endpoint: String,
    tell: watch::Sender<u32>,
    _tasks: JoinSet<Result<(), runtime::Problem>>,
}

fn files(tls: &Tls) -> Config {
    Config {
        ca_file: tls.ca.clone(),
        cert_file: tls.certificate.clone(),
        key_file: tls.key.clone(),
    }
}

impl World {
    async fn new() -> World {
        let home = tempfile::tempdir().unwrap();
        let pki = Pki::new(home.path().join("pki")).unwrap();
        let own = pki
            .issue("server", Some(SERVER), &["localhost"], Validity::Good)
            .unwrap();
        let listen = Listen {
            listen: "127.0.0.1:0".parse().unwrap(),
            plaintext_peer: None,
        };
        let server = Server::bind(&listen, Some(&files(&own))).await.unwrap();
        let endpoint = format!("https://localhost:{}", server.address().unwrap().port());
        let admin: Admin =
            serde_json::from_value(serde_json::json!({OPERATOR: "operator"})).unwrap();
        let access = Access::new(&[], &admin, METHODS.iter().copied());
        let (tell, told) = watch::channel(0);
        let routes = Routes::new(CollectorAdminServer::new(Echo(told)));
        let mut tasks = JoinSet::new();
        tasks.spawn(server.serve(routes, access, CancellationToken::new()));
        World {
            home,
            pki,
            endpoint,
            tell,
            _tasks: tasks,
        }
    }

    fn operator(&self) -> Config {
        files(
            &self
                .pki
                .issue("ann", Some(OPERATOR), &[], Validity::Good)
                .unwrap(),
        )
    }

    fn other_authority(&self) -> Pki {
        Pki::new(self.home.path().join("other")).unwrap()
    }

    fn client(
        &self,
        expected: Option<&str>,
        tls: &Config,
    ) -> CollectorAdminClient<runtime::grpc::Channel> {
        let remote = Remote {
            endpoint: vec![self.endpoint.clone()],
            identity: expected.map(|i| i.parse::<Identity>().unwrap()),
        };
        let channel = connect("collector", &remote, Some(tls)).unwrap();
        CollectorAdminClient::new(with_reason(channel, "für den Test"))
    }

    /// Calls once.
    async fn call(&self, expected: Option<&str>, tls: &Config) -> Result<u32, Status> {
        let mut client = self.client(expected, tls);
        let due = client.make_due(MakeDueRequest::default());
        Ok(due.await?.into_inner().datasets)
    }
}

#[tokio::test]
async fn who_shows_the_right_certificate_is_known_by_it() {
    let world = World::new().await;
    let operator = world.operator();
    assert_eq!(world.call(Some(SERVER), &operator).await.unwrap(), 7);
    // Or by the server's host name.
    assert_eq!(world.call(None, &operator).await.unwrap(), 7);
}

#[tokio::test]
async fn everybody_else_is_refused_and_told_why() {
    let world = World::new().await;
    let good = world.operator();
    let issue =
        |pki: &Pki, name: &str, uri, validity| files(&pki.issue(name, uri, &[], validity).unwrap());
    let stranger = issue(
        &world.other_authority(),
        "x",
        Some(OPERATOR),
        Validity::Good,
    );
    let stranger = Config {
        // It trusts the server, but the server doesn't trust it.
        ca_file: good.ca_file.clone(),
        ..stranger
    };
    let expired = issue(&world.pki, "old", Some(OPERATOR), Validity::Expired);
    let trusts_others = Config {
        ca_file: world.other_authority().ca(),
        ..good.clone()
    };
    let cases: [(&str, Option<&str>, &Config, &[&str]); 4] = [
        (
            "unknown authority",
            Some(SERVER),
            &stranger,
            &["UnknownCA", "UnknownIssuer", "DecryptError"],
        ),
        (
            "expired",
            Some(SERVER),
            &expired,
            &["CertificateExpired", "xpired"],
        ),
        (
            "unknown server",
            Some(SERVER),
            &trusts_others,
            &["UnknownIssuer", "BadSignature"],
        ),
        (
            "another server",
            Some("spiffe://test/normalizer"),
            &good,
            &[
                "spiffe://test/collector",
                "expected was spiffe://test/normalizer",
            ],
        ),
    ];
    for (case, expected, tls, says) in cases {
        let status = world.call(expected, tls).await.unwrap_err();
        let text = status.message();
        assert_eq!(status.code(), Code::Unavailable, "{case}: {text}");
        assert!(text.starts_with("LW-2023: "), "{case}: {text}");
        assert!(says.iter().any(|s| text.contains(s)), "{case}: {text}");
    }
    // The server has not suffered.
    assert_eq!(world.call(Some(SERVER), &good).await.unwrap(), 7);
}

#[tokio::test]
async fn who_has_no_role_may_nothing() {
    let world = World::new().await;
    let uri = Some("spiffe://test/exporter");
    let other = files(
        &world
            .pki
            .issue("exporter", uri, &[], Validity::Good)
            .unwrap(),
    );
    let status = world.call(Some(SERVER), &other).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let text = status.message();
    assert!(text.starts_with("LW-2021: "), "{text}");
    assert!(text.contains("spiffe://test/exporter"), "{text}");
}

#[tokio::test]
async fn a_certificate_without_an_identity_is_none() {
    let world = World::new().await;
    let nameless = files(
        &world
            .pki
            .issue("nameless", None, &["x"], Validity::Good)
            .unwrap(),
    );
    let remote = Remote {
        endpoint: vec![world.endpoint.clone()],
        identity: None,
    };
    // The client finds out by itself.
    let problem = connect("collector", &remote, Some(&nameless))
        .err()
        .unwrap();
    assert_eq!(problem.code, "LW-1010");
    assert!(problem.what.contains("0 URIs"), "{problem}");
}

#[tokio::test]
async fn plain_text_and_silence_are_no_handshakes() {
    let world = World::new().await;
    let address = world.endpoint.trim_start_matches("https://").to_owned();
    // Says nothing while others are served.
    let silent = tokio::net::TcpStream::connect(&address).await.unwrap();
    let plain = Remote {
        endpoint: vec![format!("http://{address}")],
        identity: None,
    };
    let mut client = CollectorAdminClient::new(connect("collector", &plain, None).unwrap());
    let status = client.watch(WatchRequest {}).await.unwrap_err();
    assert!(status.message().starts_with("LW-2023: "), "{status:?}");
    assert_eq!(
        world.call(Some(SERVER), &world.operator()).await.unwrap(),
        7
    );
    drop(silent);
}

fn replace(from: &Path, to: &Path) {
    let beside: PathBuf = to.with_extension("new");
    std::fs::copy(from, &beside).unwrap();
    std::fs::rename(beside, to).unwrap();
}

#[tokio::test]
async fn new_certificates_come_into_use_without_dropping_a_stream() {
    let world = World::new().await;
    let operator = world.operator();
    let mut states = world
        .client(Some(SERVER), &operator)
        .watch(WatchRequest {})
        .await
        .unwrap()
        .into_inner();
    world.tell.send_replace(2);
    assert!(states.next().await.unwrap().unwrap().idle);

    // A new authority: the server's files are replaced in place, one after the other.
    let server = |name: &str| world.home.path().join("pki").join(name);
    let other = world.other_authority();
    let new = other
        .issue("server", Some(SERVER), &["localhost"], Validity::Good)
        .unwrap();
    // Between the two, key and certificate don't belong together: the old ones stay.
    replace(&new.certificate, &server("server.pem"));
    assert_eq!(world.call(Some(SERVER), &operator).await.unwrap(), 7);
    replace(&new.key, &server("server.key"));
    let trusting = |ca: PathBuf| Config {
        ca_file: ca,
        ..operator.clone()
    };
    let status = world.call(Some(SERVER), &operator).await.unwrap_err();
    // Both authorities have one name.
    assert!(status.message().contains("BadSignature"), "{status:?}");
    assert_eq!(
        world
            .call(Some(SERVER), &trusting(other.ca()))
            .await
            .unwrap(),
        7
    );

    // The stream is still the one of before.
    world.tell.send_replace(3);
    let state = tokio::time::timeout(Duration::from_secs(60), states.next()).await;
    assert!(!state.unwrap().unwrap().unwrap().idle);
}
