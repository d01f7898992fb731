//! RabbitMQ servers of one's own.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::io::Read;
use std::net::TcpStream;

use serde_json::json;
use servers::{Pki, RabbitMq, Validity, rabbitmq};

#[test]
fn two_run_side_by_side_and_a_crash_loses_no_virtual_host() {
    let [one, two] = std::thread::scope(|scope| {
        [(); 2]
            .map(|()| scope.spawn(|| RabbitMq::start(&rabbitmq::Options::default()).unwrap()))
            .map(|started| started.join().unwrap())
    });
    let exists = "rabbit_vhost:exists(<<\"its own\">>).";
    one.add_vhost("its own").unwrap();
    assert_eq!(one.eval(exists).unwrap(), "true");
    assert_eq!(two.eval(exists).unwrap(), "false");
    let port = one.port();
    one.restart().unwrap();
    assert_eq!(one.port(), port);
    assert_eq!(one.eval(exists).unwrap(), "true");
    let users = one.ctl(&["list_users"]).unwrap();
    assert!(users.contains("guest"), "{users}");
}

#[test]
fn definitions_are_there_when_it_is_ready() {
    let options = rabbitmq::Options {
        definitions: Some(json!({
            "vhosts": [{"name": "v"}],
            "users": [{"name": "reader", "password_hash": "", "tags": ""}],
            "permissions": [
                {"user": "reader", "vhost": "v", "configure": "", "write": "", "read": "q"},
            ],
            "queues": [{
                "name": "q", "vhost": "v", "durable": true, "auto_delete": false,
                "arguments": {"x-queue-type": "quorum"},
            }],
        })),
        ..Default::default()
    };
    let server = RabbitMq::start(&options).unwrap();
    let permissions = server.list_permissions("v").unwrap();
    let of = |user: &str| {
        let all = permissions.as_array().unwrap();
        all.iter().find(|one| one["user"] == user).unwrap().clone()
    };
    assert_eq!(of("reader")["read"], "q");
    assert_eq!(of("guest")["configure"], ".*");

    server.delete_queue("v", "q").unwrap();
    let again = server.delete_queue("v", "q").unwrap_err().to_string();
    assert!(again.contains("missing"), "{again}");
}

#[test]
fn clients_are_disconnected() {
    let server = RabbitMq::start(&rabbitmq::Options::default()).unwrap();
    let mut client = greeted(server.port());
    server.kill().unwrap();
    ends(&mut client);
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
    server.start_again().unwrap();
    let mut client = greeted(server.port());
    server.stop_app().unwrap();
    ends(&mut client);
    server.start_app().unwrap();
    greeted(server.port());
}

#[test]
fn with_tls_nothing_else_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let pki = Pki::new(directory.path()).unwrap();
    let server = RabbitMq::start(&rabbitmq::Options {
        tls: Some(
            pki.issue("rabbitmq", None, &["localhost"], Validity::Good)
                .unwrap(),
        ),
        ..Default::default()
    })
    .unwrap();
    let listens = "lists:usort([element(3, L) || L <- rabbit_networking:active_listeners()]).";
    assert_eq!(server.eval(listens).unwrap(), "['amqp/ssl', clustering]");
    assert!(server.url().starts_with("amqps://localhost:"));
}

/// A connection whose greeting the server has answered.
fn greeted(port: u16) -> TcpStream {
    use std::io::Write;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"AMQP\x00\x00\x09\x01").unwrap();
    stream.read_exact(&mut [0; 8]).unwrap();
    stream
}

/// Reads until the connection's end, in whatever way it comes.
fn ends(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).ok();
}
