//! Junk and silence at the token-broker's door, over mutual TLS, while a good caller goes on: it gets each of its tokens.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use proto::token::v1::GetTokenRequest;
use runtime::grpc::Channel;
use runtime::tls;
use tests::broker::TokenBroker;
use tests::process::Simulator;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::ServiceExt as _;

/// Calls that make no sense.
const JUNK: u64 = 100_000;
/// How many of them at a time, over all connections.
const AT_A_TIME: u64 = 64;
/// More than handshakes may be under way.
const SILENT: usize = 300;
const GET_TOKEN: &str = "/leastwise.token.v1.TokenService/GetToken";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame of settings without any (RFC 9113, section 6.5).
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
/// Until something that has a limit of its own must have happened, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(240);

fn broker(sim: &Simulator) -> TokenBroker {
    let mut broker = TokenBroker::new(&format!(
        "[[tenants]]\n{}client_secret_file = 'secret'\n",
        TokenBroker::section(sim)
    ));
    broker.write("secret", sim.text("clientSecret"));
    broker.start(&[]);
    broker
}

fn asked(sim: &Simulator) -> GetTokenRequest {
    GetTokenRequest {
        tenant_id: sim.text("id").to_owned(),
        dataset: "users".to_owned(),
        ..GetTokenRequest::default()
    }
}

/// Asks for tokens on a connection of its own until it is stopped.
struct Good {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<u64>,
}

impl Good {
    fn start(broker: &TokenBroker, sim: &Simulator) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut client, request, stopped) = (broker.tokens("collector"), asked(sim), stop.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut tokens = 0;
            while !stopped.load(Ordering::Relaxed) {
                client.get_token(request.clone()).await.unwrap();
                tokens += 1;
            }
            tokens
        });
        Good { stop, tasks }
    }

    /// How many tokens it got; each of its calls got one.
    async fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_next().await.unwrap().unwrap()
    }
}

/// Mebibytes in memory.
fn resident(broker: &TokenBroker) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.id())).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1_024
}

/// A message as gRPC frames it.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message].concat().into()
}

/// The n-th call that makes no sense, and what may come of it.
fn junk(n: u64) -> (Request<Body>, &'static [Code]) {
    use prost::Message as _;

    let request = |path: &str| {
        Request::post(format!("https://localhost{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
    };
    let full = |bytes: Bytes| Body::new(axum::body::Body::from(bytes));
    let tenant = |id: String| {
        let message = GetTokenRequest {
            tenant_id: id,
            dataset: "users".to_owned(),
            ..GetTokenRequest::default()
        };
        framed(&message.encode_to_vec())
    };
    let random: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(200)
        .collect();
    let (request, body, codes): (_, _, &[Code]) = match n % 8 {
        0 => (
            request(&format!("/nobody.{n}/Knows")),
            Bytes::new(),
            &[Code::PermissionDenied],
        ),
        1 => (
            request(GET_TOKEN),
            tenant(format!("{n:08x}-1111-2222-3333-444455556666")),
            &[Code::NotFound],
        ),
        2 => (
            request(GET_TOKEN),
            tenant("no id".to_owned()),
            &[Code::InvalidArgument],
        ),
        3 => (
            request(GET_TOKEN),
            framed(&random),
            &[Code::Internal, Code::InvalidArgument, Code::NotFound],
        ),
        // Frames that say something else than what they hold.
        4 => (
            request(GET_TOKEN),
            random.into(),
            &[
                Code::Internal,
                Code::Unimplemented,
                Code::OutOfRange,
                Code::InvalidArgument,
                Code::ResourceExhausted,
            ],
        ),
        5 => (request(GET_TOKEN), Bytes::new(), &[Code::Internal]),
        // A thousand of the largest are enough.
        6 if n % 800 == 6 => (
            request(GET_TOKEN),
            framed(&vec![7; 200_000]),
            &[Code::ResourceExhausted],
        ),
        6 => (
            request("/leastwise.admin.v1.TokenBrokerAdmin/Kill"),
            framed(b""),
            &[Code::PermissionDenied],
        ),
        _ => (
            request(GET_TOKEN).header("x-junk", "j".repeat(if n % 80 == 7 { 40_000 } else { 900 })),
            tenant(String::new()),
            // What is larger than headers may be is no call at all, or ends by the client's own connection.
            &[
                Code::InvalidArgument,
                Code::Internal,
                Code::Unknown,
                Code::Unavailable,
                Code::Cancelled,
            ],
        ),
    };
    (request.body(full(body)).unwrap(), codes)
}

/// The status of an answer.
async fn status(channel: &Channel, request: Request<Body>) -> Status {
    match channel.clone().oneshot(request).await {
        Err(status) => status,
        Ok(answer) => {
            let (parts, body) = answer.into_parts();
            if let Some(status) = Status::from_header_map(&parts.headers) {
                return status;
            }
            // A status that is no gRPC's, as for headers that are too large.
            let _ = axum::body::to_bytes(axum::body::Body::new(body), 1 << 20).await;
            Status::unknown(parts.status.to_string())
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_junk_calls_cost_nobody_a_token() {
    let sim = Simulator::start(5, 1);
    let broker = broker(&sim);
    broker
        .tokens("collector")
        .get_token(asked(&sim))
        .await
        .unwrap();
    let good = Good::start(&broker, &sim);
    let before = resident(&broker);
    let refused = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    let channels: Vec<Channel> = (0..8)
        // One of them is nobody's caller.
        .map(|n| broker.channel(if n == 0 { "stranger" } else { "collector" }))
        .collect();
    for first in 0..AT_A_TIME {
        let stranger = first % 8 == 0;
        let (channel, refused) = (
            channels[usize::try_from(first % 8).unwrap()].clone(),
            refused.clone(),
        );
        tasks.spawn(async move {
            for n in (first..JUNK).step_by(usize::try_from(AT_A_TIME).unwrap()) {
                // Each connection sees every kind.
                let (request, codes) = junk(n / 8);
                let status = status(&channel, request).await;
                let fine = codes.contains(&status.code())
                    || stranger && status.code() == Code::PermissionDenied;
                assert!(fine, "{n}: {status:?}");
                refused.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tasks.join_all().await;
    let after = resident(&broker);
    let tokens = good.end().await;
    assert_eq!(refused.load(Ordering::Relaxed), JUNK);
    assert!(tokens > 0);
    assert!(after < before + 128, "{before} MiB became {after} MiB");
    // A caller that comes now is served as before, and what was refused is counted by bounded names.
    broker
        .tokens("collector")
        .get_token(asked(&sim))
        .await
        .unwrap();
    println!(
        "{tokens} tokens beside {JUNK} junk calls; {before} MiB, then {after} MiB; audit log {} bytes, log {} bytes",
        size(&broker, "written/audit"),
        broker.log().len()
    );
    let page = broker.page("/metrics").unwrap();
    let bounded = page.contains("rpc_method=\"_OTHER\"") && !page.contains("Knows");
    assert!(bounded, "{page}");
}

fn size(broker: &TokenBroker, directory: &str) -> u64 {
    let files = std::fs::read_dir(broker.path(directory)).unwrap();
    files.map(|f| f.unwrap().metadata().unwrap().len()).sum()
}

/// A connection by TLS on which nothing was said yet.
async fn greeted(broker: &TokenBroker, tls: &tls::Config) -> TlsStream<TcpStream> {
    let config = tls::client(tls.clone(), None).unwrap().current();
    let socket = TcpStream::connect(("127.0.0.1", broker.grpc()))
        .await
        .unwrap();
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(config)
        .connect(name, socket)
        .await
        .unwrap()
}

/// Waits until the other side ends a connection; what comes until then is not answered.
async fn ends(mut stream: impl tokio::io::AsyncRead + Unpin) {
    let mut heard = [0; 4_096];
    let end = async { while stream.read(&mut heard).await.is_ok_and(|n| n > 0) {} };
    let ended = tokio::time::timeout(LIMIT, end).await;
    assert!(ended.is_ok(), "the connection stays open");
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_clients_are_let_go_and_crowd_nobody_out() {
    let sim = Simulator::start(5, 2);
    let broker = broker(&sim);
    let good = Good::start(&broker, &sim);
    let mut waiting = JoinSet::new();

    // Open and silent, more than there is room for.
    for _ in 0..SILENT {
        let stream = TcpStream::connect(("127.0.0.1", broker.grpc()))
            .await
            .unwrap();
        waiting.spawn(ends(stream));
    }
    // Somebody else gets in all the same.
    broker
        .tokens("collector")
        .get_token(asked(&sim))
        .await
        .unwrap();
    let page = broker.page("/metrics").unwrap();
    assert!(page.contains("error_type=\"crowded\""), "{page}");

    let tls = broker.identity("collector");
    // Known by its certificate, then silent; half a preface; something else than HTTP/2.
    waiting.spawn(ends(greeted(&broker, &tls).await));
    for said in [
        &PREFACE[..10],
        b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        &[0xff; 4_000],
    ] {
        let mut stream = greeted(&broker, &tls).await;
        // Err: it was let go already.
        let _ = stream.write_all(said).await;
        waiting.spawn(ends(stream));
    }
    // HTTP/2 that goes on with garbage, and one that never answers a ping.
    let mut stream = greeted(&broker, &tls).await;
    stream.write_all(PREFACE).await.unwrap();
    let _ = stream.write_all(&[0xff; 4_000]).await;
    waiting.spawn(ends(stream));
    let mut stream = greeted(&broker, &tls).await;
    stream
        .write_all(&[PREFACE, &SETTINGS].concat())
        .await
        .unwrap();
    waiting.spawn(ends(stream));

    // A request whose end never comes.
    let (keep, body) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    keep.send(Ok(framed(b"whole message").slice(..9)))
        .await
        .unwrap();
    let half = tokio_stream(body);
    let request = Request::post(format!("https://localhost{GET_TOKEN}"))
        .header("content-type", "application/grpc")
        .body(Body::new(axum::body::Body::from_stream(half)))
        .unwrap();
    let refused = status(&broker.channel("collector"), request).await;
    assert_eq!(refused.code(), Code::DeadlineExceeded, "{refused:?}");
    drop(keep);

    waiting.join_all().await;
    assert!(good.end().await > 0);
    broker
        .tokens("collector")
        .get_token(asked(&sim))
        .await
        .unwrap();
}

/// One identity has so many connections and no more; others have theirs.
#[tokio::test(flavor = "multi_thread")]
async fn one_peer_does_not_take_all_connections() {
    let sim = Simulator::start(5, 3);
    let broker = broker(&sim);
    let tls = broker.identity("greedy");
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..SILENT {
        let mut stream = greeted(&broker, &tls).await;
        stream
            .write_all(&[PREFACE, &SETTINGS].concat())
            .await
            .unwrap();
        // The server's settings come, or the end.
        let mut heard = [0; 9];
        match stream.read_exact(&mut heard).await {
            Ok(_) => held.push(stream),
            Err(_) => refused += 1,
        }
    }
    assert_eq!((held.len(), refused), (256, SILENT - 256));
    broker
        .tokens("collector")
        .get_token(asked(&sim))
        .await
        .unwrap();
    drop(held);
    // There is room again, once the server has heard that they are gone.
    let again = async {
        loop {
            let mut stream = greeted(&broker, &tls).await;
            let said = stream.write_all(&[PREFACE, &SETTINGS].concat()).await;
            if said.is_ok() && stream.read_exact(&mut [0; 9]).await.is_ok() {
                break;
            }
        }
    };
    tokio::time::timeout(LIMIT, again).await.unwrap();
}

/// What a channel holds, as a stream.
fn tokio_stream<T>(channel: tokio::sync::mpsc::Receiver<T>) -> impl futures::Stream<Item = T> {
    futures::stream::unfold(channel, |mut channel| async move {
        let next = channel.recv().await?;
        Some((next, channel))
    })
}
