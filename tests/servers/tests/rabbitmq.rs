//! RabbitMQ servers of one's own.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;
use servers::{Pki, RabbitMq, Validity, rabbitmq};

/// (A start takes seconds of processor time, so few servers show much each.)
#[test]
fn two_run_side_by_side() {
    let [one, two] = std::thread::scope(|scope| {
        [(); 2]
            .map(|()| scope.spawn(|| RabbitMq::start(&rabbitmq::Options::default()).unwrap()))
            .map(|started| started.join().unwrap())
    });
    let exists = "rabbit_vhost:exists(<<\"its own\">>).";
    one.add_vhost("its own").unwrap();
    assert_eq!(one.eval(exists).unwrap(), "true");
    assert_eq!(two.eval(exists).unwrap(), "false");

    let mut clients = [logged_in(one.port(), "/"), logged_in(one.port(), "its own")];
    one.close_all_connections("a test").unwrap();
    for client in &mut clients {
        assert_eq!(method(client), [0, 10, 0, 50], "Connection.Close");
    }

    let mut clients = [greeted(one.port()), greeted(two.port())];
    one.stop_app().unwrap();
    ends(&mut clients[0]);
    assert!(TcpStream::connect(("127.0.0.1", one.port())).is_err());
    greeted(two.port());
    one.start_app().unwrap();
    greeted(one.port());
}

#[test]
fn definitions_are_there_when_it_is_ready_and_the_rest_is_after_a_crash() {
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

    server.add_vhost("made later").unwrap();
    let port = server.port();
    let mut client = greeted(port);
    server.kill().unwrap();
    ends(&mut client);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    server.start_again().unwrap();
    assert_eq!(server.port(), port);
    greeted(port);
    let vhosts = server.ctl(&["list_vhosts", "name"]).unwrap();
    assert!(vhosts.lines().any(|line| line == "made later"), "{vhosts}");
    server.delete_queue("v", "q").unwrap();
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
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"AMQP\x00\x00\x09\x01").unwrap();
    assert_eq!(method(&mut stream), [0, 10, 0, 10], "Connection.Start");
    stream
}

/// An open connection of `guest`.
fn logged_in(port: u16, vhost: &str) -> TcpStream {
    let mut stream = greeted(port);
    let start_ok = b"\0\x0a\0\x0b\0\0\0\0\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US";
    send(&mut stream, start_ok);
    assert_eq!(method(&mut stream), [0, 10, 0, 30], "Connection.Tune");
    send(&mut stream, b"\0\x0a\0\x1f\0\x07\0\x02\0\0\0\0");
    let name = [&[vhost.len() as u8], vhost.as_bytes()].concat();
    send(&mut stream, &[b"\0\x0a\0\x28", &name[..], b"\0\0"].concat());
    assert_eq!(method(&mut stream), [0, 10, 0, 41], "Connection.OpenOk");
    stream
}

/// Sends a method on channel 0.
fn send(stream: &mut TcpStream, method: &[u8]) {
    let length = (method.len() as u32).to_be_bytes();
    let frame = [&[1, 0, 0], &length[..], method, &[0xce]].concat();
    stream.write_all(&frame).unwrap();
}

/// Reads a method's frame; returns its class and number.
fn method(stream: &mut TcpStream) -> [u8; 4] {
    let mut head = [0; 7];
    stream.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
    let mut rest = vec![0; length as usize + 1];
    stream.read_exact(&mut rest).unwrap();
    rest[..4].try_into().unwrap()
}

/// Reads until the connection's end, in whatever way it comes.
fn ends(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).ok();
}
