//! Free ports on the loopback interface.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

/// Below the range from which Linux takes the ports of outgoing connections, so that between two starts of a server
/// no connection can take its port. (Drawn from that range, a port could also connect to itself.)
const FROM: u16 = 12_000;
const TO: u16 = 32_000;

/// How many ports a process keeps for itself; the oldest is given back for one more.
const KEPT: usize = 512;

/// Ports that nobody else may be told of: a process that listens on one of them may only be about to start. Each is an
/// abstract socket of this name, which ends with its process, whatever becomes of that.
static OURS: Mutex<VecDeque<UnixListener>> = Mutex::new(VecDeque::new());

fn reserve(port: u16) -> bool {
    let name = format!("leastwise-port-{port}");
    let kept = SocketAddr::from_abstract_name(name).and_then(|name| UnixListener::bind_addr(&name));
    let Ok(kept) = kept else { return false };
    let mut ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    ours.truncate(KEPT - 1);
    ours.push_front(kept);
    true
}

/// A listener on a free port.
pub fn listener() -> Result<TcpListener> {
    for _ in 0..1000 {
        let port = FROM + (random() % u64::from(TO - FROM)) as u16;
        if !reserve(port) {
            continue;
        }
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(listener);
        }
    }
    bail!("found no free port from {FROM} to {TO}");
}

/// A port that is free, and that no other test is told of while this process lives.
pub fn free() -> Result<u16> {
    Ok(listener()?.local_addr()?.port())
}

/// `N` different ports that are free.
pub fn several<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    for port in &mut ports {
        *port = free()?;
    }
    Ok(ports)
}

/// Differs in every call and in every process.
pub fn random() -> u64 {
    RandomState::new().hash_one(0)
}
