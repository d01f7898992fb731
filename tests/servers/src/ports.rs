//! Free ports on the loopback interface.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// Below the range from which Linux takes the ports of outgoing connections, so that between two starts of a server
/// no connection can take its port. (Drawn from that range, a port could also connect to itself.)
const FROM: u16 = 12_000;
const TO: u16 = 32_000;

/// A listener on a free port.
pub fn listener() -> Result<TcpListener> {
    for _ in 0..1000 {
        let port = FROM + (random() % u64::from(TO - FROM)) as u16;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(listener);
        }
    }
    bail!("found no free port from {FROM} to {TO}");
}

/// A port that is free now. Someone else may take it before it is used, so a start that fails is tried with another.
pub fn free() -> Result<u16> {
    Ok(listener()?.local_addr()?.port())
}

/// `N` different ports that are free now.
pub fn several<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    let mut seen = HashSet::new();
    for port in &mut ports {
        *port = free()?;
        while !seen.insert(*port) {
            *port = free()?;
        }
    }
    Ok(ports)
}

/// Differs in every call and in every process.
pub fn random() -> u64 {
    RandomState::new().hash_one(0)
}
