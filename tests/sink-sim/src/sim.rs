//! A vendor on loopback, in a thread of its own.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::fault::{Fault, Rule};
use crate::message::{Received, Reply, Request};
use crate::serve::{self, Acceptor, Tls};

/// How a vendor behaves. Requests come one after the other.
pub trait Vendor: Send + 'static {
    /// Answers a request.
    fn answer(&mut self, request: &Request, clock: &Clock) -> Reply;

    /// An error in the vendor's own form, for a request that it has not looked at.
    fn refusal(&self, status: u16) -> Reply;
}

/// A vendor that is being served. It ends when this value is dropped.
pub struct Sim<V> {
    url: String,
    shared: Arc<Shared<V>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and the tests see.
pub(crate) struct Shared<V> {
    vendor: Mutex<V>,
    pub(crate) clock: Clock,
    rules: Mutex<Vec<Rule>>,
    received: Mutex<Log>,
}

/// Requests by numbers of their own: a test may forget some while one of them is at work.
#[derive(Default)]
struct Log {
    next: u64,
    entries: Vec<(u64, Received)>,
}

impl Log {
    fn entry(&mut self, number: u64) -> Option<&mut Received> {
        let found = self.entries.iter_mut().rev().find(|(n, _)| *n == number);
        found.map(|(_, entry)| entry)
    }
}

impl<V: Vendor> Sim<V> {
    /// Serves a vendor over HTTP on a free port.
    pub fn start(vendor: V) -> Result<Self> {
        Self::serve(vendor, None)
    }

    /// Serves it over HTTPS.
    pub fn start_tls(vendor: V, tls: &Tls) -> Result<Self> {
        Self::serve(vendor, Some(serve::acceptor(tls)?))
    }

    fn serve(vendor: V, tls: Option<Acceptor>) -> Result<Self> {
        let shared = Arc::new(Shared {
            vendor: Mutex::new(vendor),
            clock: Clock::default(),
            rules: Mutex::default(),
            received: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("make a runtime")?;
        // Not tokio's, which can't be bound where a test has a runtime of its own.
        let listener = TcpListener::bind("127.0.0.1:0").context("listen on loopback")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let served = shared.clone();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let thread = std::thread::Builder::new()
            .name("sink-sim".to_owned())
            .spawn(move || runtime.block_on(serve::run(listener, tls, served, stopped)))
            .context("start a thread")?;
        Ok(Self {
            url: format!("{scheme}://{address}"),
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it is, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Does a fault to requests from now on. Of several, the first that strikes counts.
    pub fn inject(&self, rule: Rule) {
        lock(&self.shared.rules).push(rule);
    }

    /// Takes back all faults. Requests that hang go on hanging.
    pub fn heal(&self) {
        lock(&self.shared.rules).clear();
    }

    /// All requests that have come, in their order.
    pub fn received(&self) -> Vec<Received> {
        let log = lock(&self.shared.received);
        log.entries.iter().map(|(_, entry)| entry.clone()).collect()
    }

    /// Forgets the requests that have come.
    pub fn forget_received(&self) {
        lock(&self.shared.received).entries.clear();
    }

    /// Looks into the vendor's state.
    pub fn read<R>(&self, look: impl FnOnce(&V) -> R) -> R {
        look(&lock(&self.shared.vendor))
    }

    /// Changes the vendor's state, as somebody else with access to it would.
    pub fn change<R>(&self, change: impl FnOnce(&mut V) -> R) -> R {
        change(&mut lock(&self.shared.vendor))
    }
}

impl<V> Drop for Sim<V> {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It only fails if the thread has panicked, which has been printed.
            thread.join().ok();
        }
    }
}

impl<V: Vendor> Shared<V> {
    /// Notes a request; its number, and the fault to do to it.
    pub(crate) fn receive(&self, request: Request) -> (u64, Option<Fault>) {
        let (method, path) = (request.method.as_str(), request.path.as_str());
        let mut rules = lock(&self.rules);
        let fault = rules.iter_mut().find_map(|rule| rule.strikes(method, path));
        let mut log = lock(&self.received);
        let number = log.next;
        log.next += 1;
        let received = Received {
            at: self.clock.millis(),
            request,
            status: None,
            seen: false,
        };
        log.entries.push((number, received));
        (number, fault)
    }

    /// Lets the vendor answer.
    pub(crate) fn answer(&self, number: u64, request: &Request) -> Reply {
        if let Some(entry) = lock(&self.received).entry(number) {
            entry.seen = true;
        }
        lock(&self.vendor).answer(request, &self.clock)
    }

    pub(crate) fn refusal(&self, status: u16) -> Reply {
        lock(&self.vendor).refusal(status)
    }

    pub(crate) fn answered(&self, number: u64, reply: &Reply) {
        if let Some(entry) = lock(&self.received).entry(number) {
            entry.status = Some(reply.status.as_u16());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
