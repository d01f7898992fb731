//! The way to Microsoft's services: proxies, authorities of one's own, time-outs, and what an answer may be.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use http::{Request, Response, Version};
use runtime::http::{BoxError, Config, Outbound, TooLarge};
use tests::process::{Installation, Simulator, program};
use tower::ServiceExt as _;

/// A server that takes connections one after another, tells the head of each request, and answers as `then` does.
struct Server {
    port: u16,
    heads: mpsc::Receiver<Vec<String>>,
}

impl Server {
    fn start(then: impl Fn(&mut TcpStream) + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, heads) = mpsc::channel();
        // It ends with the test.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(&stream).lines();
                let head = lines.map_while(Result::ok).take_while(|l| !l.is_empty());
                let _ = tell.send(head.collect());
                then(&mut stream);
            }
        });
        Server { port, heads }
    }

    fn saying(answer: &'static [u8]) -> Server {
        Server::start(move |stream| {
            let _ = stream.write_all(answer);
        })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1.0/users", self.port)
    }

    fn head(&self) -> Vec<String> {
        self.heads.recv().unwrap()
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

async fn get(config: Config, url: &str) -> Result<Response<Bytes>, BoxError> {
    config.check().unwrap();
    let request = Request::get(url).body(Bytes::new()).unwrap();
    let client = Outbound::open(&config).unwrap().whole();
    client.oneshot(request).await
}

/// An error with its causes.
fn told(e: &BoxError) -> String {
    runtime::error::Chain(e.as_ref()).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_calls_says_who_it_is() {
    let server = Server::saying(OK);
    let company = Some("Contoso Ltd.".to_owned());
    for (company, agent) in [
        (None, "ISV|Leastwise|Leastwise/"),
        (company, "NONISV|Contoso Ltd.|Leastwise/"),
    ] {
        let config = Config {
            company,
            ..Config::default()
        };
        get(config, &server.url()).await.unwrap();
        let head = server.head();
        let sent = head.iter().find_map(|l| l.strip_prefix("user-agent: "));
        assert!(sent.unwrap().starts_with(agent), "{head:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_goes_through_the_proxy_and_what_is_exempt_does_not() {
    let (proxy, server) = (Server::saying(OK), Server::saying(OK));
    let config = Config {
        proxy: Some(format!("http://127.0.0.1:{}", proxy.port)),
        no_proxy: vec!["127.0.0.0/8".to_owned()],
        ..Config::default()
    };
    // Nobody but the proxy could know this name.
    get(config.clone(), "http://graph.example/v1.0/users")
        .await
        .unwrap();
    assert_eq!(
        proxy.head()[0],
        "GET http://graph.example/v1.0/users HTTP/1.1"
    );
    get(config, &server.url()).await.unwrap();
    assert_eq!(server.head()[0], "GET /v1.0/users HTTP/1.1");
    assert!(proxy.heads.try_recv().is_err(), "through the proxy");
}

#[test]
fn a_proxy_of_the_environment_or_of_the_configuration_is_asked_for_entra_id() {
    let sim = Simulator::start(50, 3);
    for by_environment in [true, false] {
        let proxy = Server::saying(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
        let address = format!("http://127.0.0.1:{}", proxy.port);
        let home = Installation::of(&sim);
        let file = std::fs::read_to_string(home.path("leastwise.toml")).unwrap();
        // As for a tenant at Microsoft.
        let kept = |l: &&str| !l.starts_with("authority") && !l.starts_with("graph");
        let mut file: String = file
            .lines()
            .filter(kept)
            .map(|l| format!("{l}\n"))
            .collect();
        if !by_environment {
            file += &format!("[outbound]\nproxy = '{address}'\n");
        }
        home.write("leastwise.toml", &file);
        let mut sync = home.command(["sync"]);
        if by_environment {
            sync.env("HTTPS_PROXY", &address);
        }
        let ended = tests::process::Ended::from(sync.output().unwrap());
        assert_ne!(ended.code, Some(0), "{ended:?}");
        assert!(ended.err.contains("LW-2010"), "{ended:?}");
        let head = proxy.head();
        assert_eq!(head[0], "CONNECT login.microsoftonline.com:443 HTTP/1.1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_ones_own_is_trusted_beside_the_platforms() {
    let home = tempfile::tempdir().unwrap();
    let authority = home.path().join("authority.pem");
    let mut command = program("graph-sim");
    command
        .args(["--users", "60", "--tls", "--ca-file"])
        .arg(&authority);
    let sim = Simulator::of(&mut command);
    let url = format!("{}/v1.0/organization", sim.text("graph"));
    assert!(url.starts_with("https://"), "{url}");

    let e = get(Config::default(), &url).await.unwrap_err();
    assert!(told(&e).contains("certificate"), "{}", told(&e));
    let trusting = Config {
        ca_file: Some(authority.clone()),
        ..Config::default()
    };
    let answer = get(trusting, &url).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.version()),
        (401, Version::HTTP_2)
    );

    // And so a whole tenant is read.
    let home = Installation::of(&sim);
    let file = std::fs::read_to_string(home.path("leastwise.toml")).unwrap();
    assert_ne!(home.run(["sync"]).code, Some(0));
    let trusting = format!("{file}[outbound]\nca_file = '{}'\n", authority.display());
    home.write("leastwise.toml", &trusting);
    let out = home.works(["sync"]);
    assert!(out.contains("users: 60 objects"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_is_asked_for_and_unpacked() {
    const PACKED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 22\r\nconnection: close\r\n\r\n\
        \x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00";
    let server = Server::saying(PACKED);
    let answer = get(Config::default(), &server.url()).await.unwrap();
    assert_eq!(answer.body().as_ref(), b"{}");
    let head = server.head();
    let asked = head
        .iter()
        .find_map(|l| l.strip_prefix("accept-encoding: "));
    assert!(asked.unwrap().contains("gzip"), "{head:?}");
}

/// Says nothing more, until the caller hangs up.
fn wait_for_the_end(stream: &mut TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_phase_of_an_answer_has_its_time() {
    let config = Config {
        connect_seconds: 1,
        silence_seconds: 2,
        answer_seconds: 3,
        ..Config::default()
    };
    let silent = Server::start(wait_for_the_end);
    let half = Server::start(|stream| {
        let _ = stream.write_all(&OK[..OK.len() - 1]);
        wait_for_the_end(stream);
    });
    let dripping = Server::start(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n");
        let _ = stream.set_read_timeout(Some(std::time::Duration::from_millis(50)));
        // Until the caller has hung up.
        while !matches!(stream.read(&mut [0]), Ok(0)) && stream.write_all(b"x").is_ok() {}
    });
    // No handshake.
    let tls = silent.url().replace("http:", "https:");
    let [silent, half, dripping] = [silent, half, dripping].map(|server| server.url());
    let (tls, silent, half, dripping) = tokio::join!(
        get(config.clone(), &tls),
        get(config.clone(), &silent),
        get(config.clone(), &half),
        get(config, &dripping),
    );
    for (name, ended) in [("tls", tls), ("silent", silent), ("half", half)] {
        let e = told(&ended.unwrap_err());
        assert!(e.contains("timed out"), "{name}: {e}");
    }
    let e = told(&dripping.unwrap_err());
    assert_eq!(e, "no whole answer within 3s");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_as_large_as_it_may_be_and_no_larger() {
    let config = Config {
        largest_answer_mib: 1,
        ..Config::default()
    };
    for (size, fits) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let server = Server::start(move |stream| {
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&vec![b'x'; size]);
        });
        match get(config.clone(), &server.url()).await {
            Ok(answer) => assert!(fits && answer.body().len() == size),
            Err(e) => assert!(!fits && e.is::<TooLarge>(), "{}", told(&e)),
        }
    }
}
