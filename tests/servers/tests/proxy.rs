//! What a proxy does to connections.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use servers::{Proxy, wait_until};

/// Sends back what it gets, with `mark` before it; returns its port.
fn echo(mark: u8) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut byte = [0];
                while stream.read_exact(&mut byte).is_ok() {
                    stream.write_all(&[mark, byte[0]]).unwrap();
                }
            });
        }
    });
    port
}

fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(("127.0.0.1", proxy.port())).unwrap()
}

fn answer(stream: &mut TcpStream, byte: u8) -> std::io::Result<[u8; 2]> {
    let mut answer = [0; 2];
    stream.write_all(&[byte])?;
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

#[test]
fn it_forwards_until_it_cuts() {
    let proxy = Proxy::start(echo(b'a')).unwrap();
    let [mut one, mut two] = [connect(&proxy), connect(&proxy)];
    assert_eq!(answer(&mut one, b'1').unwrap(), *b"a1");
    assert_eq!(answer(&mut two, b'2').unwrap(), *b"a2");
    assert_eq!(proxy.connections(), 2);
    proxy.cut();
    assert_eq!(proxy.connections(), 0);
    assert!(answer(&mut one, b'1').is_err());
    assert!(answer(&mut two, b'2').is_err());
    assert_eq!(answer(&mut connect(&proxy), b'3').unwrap(), *b"a3");
}

#[test]
fn it_refuses_new_connections_only() {
    let proxy = Proxy::start(echo(b'a')).unwrap();
    let mut old = connect(&proxy);
    assert_eq!(answer(&mut old, b'1').unwrap(), *b"a1");
    proxy.refuse(true);
    assert!(answer(&mut connect(&proxy), b'2').is_err());
    assert_eq!(answer(&mut old, b'3').unwrap(), *b"a3");
    proxy.refuse(false);
    assert_eq!(answer(&mut connect(&proxy), b'4').unwrap(), *b"a4");
}

#[test]
fn what_it_held_back_comes_after_the_stall() {
    let proxy = Proxy::start(echo(b'a')).unwrap();
    let mut client = connect(&proxy);
    assert_eq!(answer(&mut client, b'1').unwrap(), *b"a1");
    proxy.stall(true);
    client
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    assert!(answer(&mut client, b'2').is_err());
    assert_eq!(proxy.connections(), 1);
    client.set_read_timeout(None).unwrap();
    proxy.stall(false);
    let mut held = [0; 2];
    client.read_exact(&mut held).unwrap();
    assert_eq!(held, *b"a2");

    proxy.stall(true);
    client.write_all(b"3").unwrap();
    proxy.cut();
    assert!(answer(&mut client, b'4').is_err());
}

#[test]
fn new_connections_go_to_the_new_target() {
    let proxy = Proxy::start(echo(b'a')).unwrap();
    let mut old = connect(&proxy);
    assert_eq!(answer(&mut old, b'1').unwrap(), *b"a1");
    proxy.set_target(echo(b'b'));
    assert_eq!(answer(&mut connect(&proxy), b'2').unwrap(), *b"b2");
    assert_eq!(answer(&mut old, b'3').unwrap(), *b"a3");
    drop(old);
    let none = || Ok(proxy.connections() == 0);
    wait_until("no connection is left", Duration::from_secs(20), none).unwrap();
}
