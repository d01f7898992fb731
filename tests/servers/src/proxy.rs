//! A TCP proxy that can break.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::Result;

use crate::ports;

/// Forwards connections on its own port to another one on the loopback interface, as long as it is told to.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    target: u16,
    refuse: bool,
    stall: bool,
    ended: bool,
    last: u64,
    open: HashMap<u64, Open>,
}

/// A connection: both ends, and how many directions have not ended yet.
struct Open {
    ends: [TcpStream; 2],
    directions: u8,
}

impl Proxy {
    /// Starts to forward to `target`.
    pub fn start(target: u16) -> Result<Self> {
        let listener = ports::listener()?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                target,
                refuse: false,
                stall: false,
                ended: false,
                last: 0,
                open: HashMap::new(),
            }),
            changed: Condvar::new(),
        });
        let accepting = thread::spawn({
            let shared = shared.clone();
            move || shared.accept(&listener)
        });
        Ok(Self {
            port,
            shared,
            accepting: Some(accepting),
        })
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.shared.state().open.len()
    }

    /// Ends all connections now, in both directions.
    pub fn cut(&self) {
        self.shared.cut(&mut self.shared.state());
    }

    /// While on, new connections are closed as soon as they are made.
    pub fn refuse(&self, on: bool) {
        self.shared.state().refuse = on;
    }

    /// While on, connections stay open and can be made, but no byte moves, and no end of a connection is passed on.
    pub fn stall(&self, on: bool) {
        self.shared.state().stall = on;
        self.shared.changed.notify_all();
    }

    /// New connections go to this port; open ones stay.
    pub fn set_target(&self, port: u16) {
        self.shared.state().target = port;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.ended = true;
        self.shared.cut(&mut state);
        drop(state);
        // The thread sees that it has ended when it has accepted once more.
        if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            accepting.join().ok();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            let (ended, refuse, target) = {
                let state = self.state();
                (state.ended, state.refuse, state.target)
            };
            if ended {
                return;
            }
            if let (false, Ok(client)) = (refuse, client) {
                // A target that can't be reached, or no more files: to the client both look like a refusal.
                TcpStream::connect((Ipv4Addr::LOCALHOST, target))
                    .and_then(|server| self.forward(client, server))
                    .ok();
            }
        }
    }

    fn forward(self: &Arc<Self>, client: TcpStream, server: TcpStream) -> std::io::Result<()> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let ways = [
            (client.try_clone()?, server.try_clone()?),
            (server.try_clone()?, client.try_clone()?),
        ];
        let mut state = self.state();
        if state.ended {
            return Ok(());
        }
        state.last += 1;
        let number = state.last;
        let open = Open {
            ends: [client, server],
            directions: 2,
        };
        state.open.insert(number, open);
        drop(state);
        for (from, to) in ways {
            let shared = self.clone();
            thread::spawn(move || shared.copy(number, from, to));
        }
        Ok(())
    }

    fn copy(&self, number: u64, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from.read(&mut buffer).unwrap_or(0);
            self.wait_while_stalled(number);
            if read == 0 || to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Write).ok();
        from.shutdown(Shutdown::Read).ok();
        let mut state = self.state();
        if let Some(open) = state.open.get_mut(&number) {
            open.directions -= 1;
            if open.directions == 0 {
                state.open.remove(&number);
            }
        }
    }

    fn wait_while_stalled(&self, number: u64) {
        let mut state = self.state();
        while state.stall && state.open.contains_key(&number) {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn cut(&self, state: &mut State) {
        for open in state.open.drain() {
            for end in open.1.ends {
                end.shutdown(Shutdown::Both).ok();
            }
        }
        self.changed.notify_all();
    }
}
